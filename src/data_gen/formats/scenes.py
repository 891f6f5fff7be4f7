"""Reads and writes COCO files of boxes: photos with all their garments, as a detector learns from them.

Format: cocodataset.org/#format-data. A box is `bbox`; where an annotation has none, that of its keypoints, visible and
covered. Crowds (`iscrowd`) and categories that the vocabulary does not have are no garments to learn: where a crowd is,
an answer is neither right nor wrong.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from ...boxes import Detections, around, clipped
from ...geometry import Size
from ...vocabulary import Vocabulary
from ..images import image_size, resolve_image
from .problems import FormatError, Problem, leave_out, read_json

log = logging.getLogger(__name__)
_FAULTS = (KeyError, TypeError, AttributeError, ValueError, OverflowError)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A photo and all garments in it that are known.

    image_id: its name in files. garments: boxes in px of the photo, inside it; score 1. ignored: (M, 4), boxes in which
    there can be more garments. size: (width, height).
    """

    image_id: str
    path: Path
    garments: Detections
    ignored: np.ndarray
    size: Size


def read_scenes(path: Path, vocabulary: Vocabulary) -> list[Scene]:
    """The photos of a COCO file, in its order, with the garments of the vocabulary's categories.

    File names are relative to the folder of the file. What is malformed is left out and counted in a warning, a box
    alone where only it is: boxes outside the photo, without an area, or that are no numbers. Where a photo's size is
    not in the file, it is read from the photo. Raises FormatError for a file of another kind, or without a sound photo.
    """
    path = Path(path)
    content = read_json(path)
    parts = {n: content.get(n) if isinstance(content, dict) else None for n in ("images", "annotations", "categories")}
    absent = [name for name, entries in parts.items() if not isinstance(entries, list)]
    if absent:
        raise FormatError([Problem(path, None, f"no list of {', '.join(absent)}; expected a COCO file")])
    problems: list[Problem] = []
    names: dict[str, str] = {}
    images: dict[str, tuple[str, Path, Size]] = {}
    for entry, key in _entries(path, "categories", parts, problems):
        _add(path, f"categories, id {key}", names, key, lambda entry=entry: _text(entry, "name"), problems)
    for entry, key in _entries(path, "images", parts, problems):
        _add(path, f"images, id {key}", images, key, lambda entry=entry: _image(path.parent, entry), problems)
    found: dict[str, list[tuple[np.ndarray, int]]] = {key: [] for key in images}
    ignored: dict[str, list[np.ndarray]] = {key: [] for key in images}
    unknown: Counter[str] = Counter()
    count = 0
    for entry, key in _entries(path, "annotations", parts, problems):
        try:
            image = str(entry["image_id"])
            if image not in images:
                raise ValueError(f"image_id {entry['image_id']!r:.80} is not the id of a sound entry of images")
            category = names.get(str(entry["category_id"]))
            if category is None:
                raise ValueError(f"category_id {entry['category_id']!r:.80} is not the id of a sound category")
            box = _box(entry, images[image][2])
            if entry.get("iscrowd"):
                ignored[image].append(box)
            elif category not in vocabulary.categories:
                unknown[category] += 1
            else:
                found[image].append((box, vocabulary.category_index(category)))
            count += 1
        except _FAULTS as error:
            problems.append(Problem(path, None, f"annotations, id {key}: {_reason(error)}"))
    if not images:
        raise FormatError(problems or [Problem(path, None, "no images; nothing to read")])
    leave_out(path, problems, len(images) + count, "entries")
    if unknown:
        counts = ", ".join(f"{number} {name}" for name, number in unknown.items())
        log.warning(f"{path}: left out garments of categories that the vocabulary does not have: {counts}")
    return [
        Scene(name, file, _detections(found[key]), np.array(ignored[key]).reshape(-1, 4), size)
        for key, (name, file, size) in images.items()
    ]


def coco_of_scenes(scenes: Sequence[Scene], vocabulary: Vocabulary) -> dict[str, Any]:
    """The COCO content of photos with boxes, ready for `json.dumps`; what is ignored becomes a crowd of each category
    that there is first."""
    annotations: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes, start=1):
        boxes = [(box, int(c), 0) for box, c in zip(scene.garments.boxes, scene.garments.category, strict=True)]
        for box, category, crowd in [*boxes, *((box, 0, 1) for box in scene.ignored)]:
            left, top, right, bottom = box.tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category + 1,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": crowd,
                }
            )
    return {
        "images": [
            {"id": i, "file_name": s.image_id, "width": s.size[0], "height": s.size[1]}
            for i, s in enumerate(scenes, start=1)
        ],
        "annotations": annotations,
        "categories": [
            {"id": i, "name": name, "supercategory": "garment"} for i, name in enumerate(vocabulary.categories, start=1)
        ],
    }


def _entries(
    path: Path, part: str, parts: Mapping[str, Any], problems: list[Problem]
) -> list[tuple[dict[str, Any], str]]:
    """The entries of a list, each with the text of its id; what has none goes to the problems."""
    found = []
    for number, entry in enumerate(parts[part]):
        key = entry.get("id") if isinstance(entry, dict) else None
        if isinstance(key, bool) or not isinstance(key, int | str) or key == "":
            problems.append(Problem(path, None, f"{part}, entry {number}: expected an object with an id"))
        else:
            found.append((entry, str(key)))
    return found


def _add(path: Path, label: str, records: dict, key: str, read: Any, problems: list[Problem]) -> None:
    try:
        if key in records:
            raise ValueError("the id is repeated")
        records[key] = read()
    except _FAULTS as error:
        problems.append(Problem(path, None, f"{label}: {_reason(error)}"))


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"no {error.args[0]}"
    return "not as the format has it" if isinstance(error, TypeError | AttributeError) else str(error)


def _image(root: Path, entry: Mapping[str, Any]) -> tuple[str, Path, Size]:
    name = _text(entry, "file_name")
    file = resolve_image(root, name)
    size = entry.get("width"), entry.get("height")
    if all(value in (None, 0) for value in size):
        return name, file, image_size(file)
    if not all(type(value) in (int, float) and isfinite(value) and value == int(value) > 0 for value in size):
        raise ValueError(f"width {size[0]!r:.40} and height {size[1]!r:.40} must be whole numbers from 1")
    return name, file, (int(size[0]), int(size[1]))  # pyright: ignore[reportArgumentType]


def _box(entry: Mapping[str, Any], size: Size) -> np.ndarray:
    """(4,) px: what of the garment's box lies in the photo."""
    if entry.get("bbox"):
        values = _numbers(entry["bbox"])
        if values.shape != (4,):
            raise ValueError(f"bbox {entry['bbox']!r:.80}; expected left, top, width, height")
        if not (values[2:] > 0).all():
            raise ValueError(f"bbox {entry['bbox']!r:.80} has no area")
        box = np.concatenate([values[:2], values[:2] + values[2:]])
    elif "keypoints" in entry:
        triples = _numbers(entry["keypoints"])
        if not len(triples) or len(triples) % 3:
            raise ValueError(f"{len(triples)} keypoint numbers; expected x, y, v for each keypoint")
        triples = triples.reshape(-1, 3)
        box = around(triples[triples[:, 2] > 0, :2])
    else:
        raise ValueError("neither bbox nor keypoints; expected one of them")
    inside = clipped(box, size)
    if not (inside[2:] > inside[:2]).all():
        raise ValueError(f"its box {', '.join(f'{v:g}' for v in box)} lies outside the photo of {size[0]} x {size[1]}")
    return inside


def _numbers(values: Any) -> np.ndarray:
    if not isinstance(values, list) or not all(type(v) in (int, float) and isfinite(v) for v in values):
        raise ValueError(f"{values!r:.80}; expected a flat list of numbers")
    return np.array(values, np.float64)


def _text(entry: Mapping[str, Any], name: str) -> str:
    if not isinstance(entry[name], str):
        raise ValueError(f"{name} is {entry[name]!r:.80}; expected a text")
    return entry[name]


def _detections(rows: Sequence[tuple[np.ndarray, int]]) -> Detections:
    boxes = np.array([box for box, _ in rows]).reshape(-1, 4)
    return Detections(boxes, np.array([c for _, c in rows], np.int64), np.ones(len(rows), np.float32))
