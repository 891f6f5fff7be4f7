"""What the readers of COCO files share: ids, and the records of images and categories.

An id can be a number in one place and its text in another: 7 and "7" are one id.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ...geometry import Size
from .entries import Edges, from_extent, numbers_of, size_of, text_of

Id = int | str


@dataclass(frozen=True, slots=True)
class CocoCategory:
    id: Id
    name: str
    keypoints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CocoImage:
    """size: None where neither the file nor the photo's header gives it."""

    id: Id
    file_name: str
    size: Size | None


def entry_key(value: Any) -> str:
    """What identifies an entry: the text of its id. Raises ValueError for what is no id."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise ValueError(f"the id is {value!r:.80}; expected a whole number or a text")
    return str(value)


def referred(entry: dict[str, Any], name: str, records: dict[str, Any]) -> Any:
    """The sound image or category that an annotation refers to by its id."""
    found = records.get(entry_key(entry[name]))
    if found is None:
        part = "images" if name == "image_id" else "categories"
        raise ValueError(f"{name} {entry[name]!r} is not the id of a sound entry of {part}")
    return found


def read_category(entry: dict[str, Any]) -> CocoCategory:
    """The category of an entry; one of a set of boxes has no keypoints. Raises one of FAULTS for another thing."""
    names = entry.get("keypoints") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError(f"keypoints must be a list of distinct names; got {names!r:.200}")
    return CocoCategory(entry["id"], text_of(entry, "name"), tuple(names))


def read_image(entry: dict[str, Any]) -> CocoImage:
    """The image of an entry. Raises one of FAULTS for another thing."""
    size = entry.get("width"), entry.get("height")
    if all(value in (None, 0) for value in size):
        return CocoImage(entry["id"], text_of(entry, "file_name"), None)
    return CocoImage(entry["id"], text_of(entry, "file_name"), size_of(*size))


def box_of(value: Any) -> Edges | None:
    """The edges of an annotation's box; None for one that is not there or not sound, since keypoints do not depend on
    it."""
    with suppress(ValueError):
        return from_extent(numbers_of(value).tolist())
    return None
