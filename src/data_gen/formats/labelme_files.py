"""Writes the files of labelme 6, one for each photo."""

import errno
import json
import os
import secrets
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from ...files import replace_folder
from ...records import HIDDEN
from ...vocabulary import Vocabulary
from .labels import LabelledGarment, LabelledPhoto, LabelSet
from .tool_labels import HALF, box_about, checked, marks_of

HIDDEN_FLAG = "hidden"
"""The flag of a point that says that it is hidden."""
_VERSION = "6.3.1"


def write_labelme(labels: LabelSet, out: Path, vocabulary: Vocabulary) -> None:
    """Writes a folder with a JSON file for each photo, at the photo's name with the ending `.json`.

    A photo that lies below the root of the set is named by the way to it from its file, so that labelme opens it from
    there; of another, the name alone is written, and the file has its place beside it. A garment without a box gets the
    one about its keypoints, since its rectangle names its category. Absent keypoints are not written. Scores are for
    the eye alone, as the description of a point. Raises ValueError as `checked`, and where two photos differ in their
    ending alone or one lies outside the folder; FileExistsError where `out` is a folder that is not empty.
    """
    out = Path(out)
    _check_new(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{secrets.token_hex(4)}-{out.name}")
    names: dict[str, str] = {}
    try:
        beside.mkdir()
        for photo in checked(labels, vocabulary):
            name = _file_of(photo.file_name)
            first = names.setdefault(name.lower(), photo.file_name)
            if first != photo.file_name:
                raise ValueError(f"the photos {first} and {photo.file_name} would have one file, {name}; rename one")
            target = beside / name
            if len(PurePosixPath(name).parts) > 1:
                target.parent.mkdir(parents=True, exist_ok=True)
            content = _content(photo, _way_to(labels.root / photo.file_name, (out / name).parent))
            target.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
        replace_folder(out, beside)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check_new(out: Path) -> None:
    """What is there can be labels that somebody made by hand, file by file."""
    if out.is_dir():
        other = next(out.iterdir(), None)
        if other is None:
            return
        reason = f"the folder is not empty (it has {other.name}); give a new folder"
    elif out.exists():
        reason = "a file; expected a new folder"
    else:
        return
    raise FileExistsError(errno.EEXIST, reason, str(out))


def _file_of(photo: str) -> str:
    path = PurePosixPath(photo)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"photo {photo} lies outside the folder of the photos")
    return str(path.with_suffix(".json"))


def _way_to(photo: Path, folder: Path) -> str:
    if not photo.is_file():
        return photo.name
    try:
        return Path(os.path.relpath(photo.absolute(), folder.absolute())).as_posix()
    except ValueError:  # another drive of Windows
        return photo.name


def _content(photo: LabelledPhoto, image_path: str) -> dict[str, Any]:
    assert photo.size is not None  # as `checked` has it
    shapes = [shape for group, garment in enumerate(photo.garments, start=1) for shape in _shapes(garment, group)]
    width, height = photo.size
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


def _shapes(garment: LabelledGarment, group: int) -> list[dict[str, Any]]:
    left, top, right, bottom = box_about(garment)
    shapes = [_shape(garment.category, [[left, top], [right, bottom]], "rectangle", group)]
    for mark in marks_of(garment):
        shape = _shape(mark.name, [[mark.x + HALF, mark.y + HALF]], "point", group)
        shape["flags"] = {HIDDEN_FLAG: mark.state == HIDDEN}
        shape["description"] = "" if mark.score is None else f"score {mark.score:.2f}"
        shapes.append(shape)
    return shapes


def _shape(label: str, points: list[list[float]], kind: str, group: int) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": group,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": None,
    }
