"""What the readers of COCO files share: ids, texts and numbers of entries, checked, and the records of images and
categories.

An id can be a number in one place and its text in another: 7 and "7" are one id.
"""

from array import array
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from ...geometry import Size
from .problems import Problem

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


FAULTS = (KeyError, TypeError, AttributeError, ValueError, OverflowError)
"""What an entry can raise that is not as the format has it."""


def entry_problem(path: Path, label: str, error: Exception) -> Problem:
    if isinstance(error, KeyError):
        reason = f"no {error.args[0]}"
    elif isinstance(error, TypeError | AttributeError):  # their texts speak of Python
        reason = "not an object with the entries of the format"
    else:
        reason = str(error)
    return Problem(path, None, f"{label}: {reason}")


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
    numbers = [number_of(value, "width and height") for value in size]
    if min(numbers) < 1 or any(number != int(number) for number in numbers):
        raise ValueError(f"width {size[0]!r} and height {size[1]!r} must be whole numbers from 1")
    return CocoImage(entry["id"], text_of(entry, "file_name"), (int(numbers[0]), int(numbers[1])))


def box_of(value: Any) -> tuple[float, float, float, float] | None:
    """The box of an annotation; None for one that is not there or not sound, since keypoints do not depend on it."""
    try:
        left, top, width, height = numbers_of(value).tolist()
    except ValueError:
        return None
    return (left, top, width, height) if isfinite(left + top + width + height) and width > 0 and height > 0 else None


def text_of(entry: dict[str, Any], name: str) -> str:
    if not isinstance(entry[name], str):
        raise ValueError(f"{name} is {entry[name]!r:.80}; expected a text")
    return entry[name]


def number_of(value: Any, what: str) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or not isfinite(number):
        raise ValueError(f"{what}: {value!r:.80}; expected a number")
    return number


def numbers_of(values: Any) -> np.ndarray:
    """A flat list of numbers as (N,) float64. Raises ValueError for anything else, such as texts or lists in it."""
    if isinstance(values, array):
        return np.array(values)
    if not isinstance(values, list) or not all(isinstance(v, int | float) for v in values):
        raise ValueError(f"{values!r:.80}; expected a flat list of numbers")
    return np.array(values, np.float64)
