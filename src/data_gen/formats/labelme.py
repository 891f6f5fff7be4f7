"""Reads and writes the files of labelme 6: one JSON file for each photo, beside it or in another folder.

The keypoints of a garment are shapes of the type `point` with one `group_id`. The rectangle or polygon of that group is
its box and has the category as label; without one, the only flag of the file that is set is the category. Points
without a group are one garment. A point is hidden where its flag `hidden` is set, or its description is `hidden`.
Coordinates are px, pixel edges, of the photo as it is seen upright.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ...geometry import Size
from ...paths import walk
from .coco_entries import FAULTS, number_of, text_of
from .labelme_files import HIDDEN_FLAG
from .labelme_files import write_labelme as write_labelme
from .labels import Edges, LabelledGarment, LabelledPhoto, LabelSet
from .photo_names import posix_name
from .problems import FormatError, Problem, read_json
from .tool_labels import HALF, Collected, Mark, coordinate, edges_of, garment_of, head_of, reason_of, state_of

_NEWEST = 6
_LOOKED_AT = 20
_BOXES = ("rectangle", "oriented_rectangle", "polygon")
_IS_LABELME = re.compile(rb'^\s*\{(?=.*"(version|flags|imagePath)")(?=.*"shapes")', re.DOTALL)


def is_labelme(path: Path) -> bool:
    """Whether a file begins as one of labelme, or a folder has such a file among the first that are found in it."""
    path = Path(path)
    files = islice(_files(path), _LOOKED_AT) if path.is_dir() else (path,)
    return any(file.suffix.lower() == ".json" and _IS_LABELME.match(head_of(file)) for file in files)


def read_labelme(path: Path) -> LabelSet:
    """Reads a file, or all files in a folder and the folders in it.

    File names are relative to the folder; where photos lie outside it, to the folder that they have in common. A faulty
    shape costs its garment, a faulty file its photo. JSON files of other kinds and shapes that are no garment are
    counted in `left_out`. Raises FormatError where no file is sound.
    """
    path = Path(path)
    top = path if path.is_dir() else path.parent
    found = Collected(path, top)
    for file in _files(path):
        try:
            content = read_json(file)
            if isinstance(content, dict) and "shapes" in content:
                _read_file(file, content, found)
            elif path.is_dir():
                found.left_out["JSON files of other kinds"] += 1
            else:
                raise ValueError("no shapes; expected a file of labelme")
        except FormatError as error:
            found.problems += error.problems
        except FAULTS as error:
            found.problems.append(Problem(file, None, reason_of(error)))
    if not found.photos and not found.problems:
        raise FormatError([Problem(path, None, "no file of labelme with labelled garments in the folder")])
    return _with_common_root(found.finished())


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, children, names in walk(path):
        children[:] = [child for child in children if not child.startswith(".")]
        for name in sorted(names):
            if name.lower().endswith(".json") and not name.startswith("."):
                yield Path(folder, name)


def _read_file(file: Path, content: Mapping[str, Any], found: Collected) -> None:
    _check_version(content)
    name = _photo_of(file, text_of(content, "imagePath"), found.root)  # type: ignore[arg-type]
    flags = content.get("flags") or {}
    chosen = [flag for flag, is_set in flags.items() if is_set is True]
    groups: dict[int | None, list[Mark]] = {}
    boxes: dict[int | None, list[tuple[str, Edges]]] = {}
    wrong: dict[int | None, str] = {}
    whole = True
    for number, shape in enumerate(content["shapes"], start=1):
        group, kind = shape.get("group_id"), shape.get("shape_type", "polygon")
        if kind != "point" and kind not in _BOXES:
            found.left_out[f"shapes of type {kind!s:.40}"] += 1
            whole = False
            continue
        try:
            if group is not None and (isinstance(group, bool) or not isinstance(group, int)):
                raise ValueError(f"group_id is {group!r:.80}; expected a whole number or null")
            label, places = text_of(shape, "label"), [_place(point) for point in shape["points"]]
            if kind == "point":
                if len(places) != 1:
                    raise ValueError(f"a point with {len(places)} places; expected one")
                x, y = places[0]
                groups.setdefault(group, []).append(Mark(label, x - HALF, y - HALF, state_of(_hidden(shape))))
            else:
                boxes.setdefault(group, []).append((label, edges_of(places)))
        except FAULTS as error:
            wrong.setdefault(group if isinstance(group, int) else None, f"shape {number}: {reason_of(error)}")
    garments = []
    for group, marks in groups.items():
        rectangles = boxes.pop(group, [])
        if group in wrong:
            continue
        where = f"group {group}" if group is not None else "points without a group"
        try:
            garments.append(_garment(f"{file.name}, {where}", marks, rectangles, chosen))
        except ValueError as error:
            wrong[group] = f"{where}: {error}"
    for reason in wrong.values():
        found.problems.append(Problem(file, None, reason))
    if without := sum(map(len, boxes.values())):
        found.left_out["boxes without keypoints"] += without
    found.add(LabelledPhoto(name, _size(content), tuple(garments)), whole and not wrong and not without)


def _check_version(content: Mapping[str, Any]) -> None:
    version = content["version"]
    major = re.match(r"v?(\d{1,4})\b", version) if isinstance(version, str) else None
    if major is None or int(major[1]) > _NEWEST:
        raise ValueError(f"version {version!r:.80} of labelme is not known; expected one up to {_NEWEST}")


def _photo_of(file: Path, image_path: str, top: Path) -> str:
    """The photo's path from `top`, which can begin with `..`; one with a root becomes a photo beside the file."""
    text = PureWindowsPath(image_path).as_posix()
    if PureWindowsPath(text).is_absolute() or PurePosixPath(text).is_absolute():
        text = PurePosixPath(text).name
    return posix_name(os.path.normpath(f"{os.path.relpath(file.parent, top)}/{posix_name(text)}"))


def _size(content: Mapping[str, Any]) -> Size | None:
    sides = content.get("imageWidth"), content.get("imageHeight")
    if None in sides:
        return None
    numbers = [number_of(side, "imageWidth and imageHeight") for side in sides]
    if min(numbers) < 1 or any(number != int(number) for number in numbers):
        raise ValueError(f"imageWidth and imageHeight are {sides}; expected whole numbers from 1")
    return int(numbers[0]), int(numbers[1])


def _place(point: Any) -> tuple[float, float]:
    if not isinstance(point, list) or len(point) != 2:
        raise ValueError(f"the place {point!r:.80}; expected [x, y]")
    return coordinate(point[0], "x"), coordinate(point[1], "y")


def _hidden(shape: Mapping[str, Any]) -> bool:
    flags, description = shape.get("flags"), shape.get("description")
    if flags and flags.get(HIDDEN_FLAG) is True:
        return True
    return bool(description) and str(description).strip().lower() == HIDDEN_FLAG


def _garment(id: str, marks: list[Mark], rectangles: list[tuple[str, Edges]], flags: list[str]) -> LabelledGarment:
    if len(rectangles) > 1:
        raise ValueError(f"{len(rectangles)} rectangles for one garment; give each garment its own group_id")
    if rectangles:
        return garment_of(id, rectangles[0][0], marks, rectangles[0][1])
    if len(flags) != 1:
        raise ValueError(
            f"no rectangle tells the category, and {len(flags)} flags of the file are set; draw a rectangle with the "
            "category as label and the same group_id, or set one flag"
        )
    return garment_of(id, flags[0], marks, None)


def _with_common_root(labels: LabelSet) -> LabelSet:
    """The same, with no file name that leads out of the root."""
    if not any(photo.file_name.startswith("..") for photo in labels.photos):
        return labels
    # Not resolved: photos that are links have the names of the links.
    paths = [Path(os.path.normpath((labels.root / photo.file_name).absolute())) for photo in labels.photos]
    root = os.path.commonpath([path.parent for path in paths])
    names = (Path(os.path.relpath(path, root)).as_posix() for path in paths)
    photos = tuple(replace(photo, file_name=name) for photo, name in zip(labels.photos, names, strict=True))
    return replace(labels, root=Path(root), photos=photos)
