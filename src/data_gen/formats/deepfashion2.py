"""Annotations of DeepFashion2: `annos/000001.json` for `image/000001.jpg`, with `item1`, `item2`, ... in each file.

Layout and meaning are those of https://github.com/switchablenorms/DeepFashion2. Its own converter to COCO takes
landmarks and boxes over as they are, so a landmark is a pixel index, and a box pixel edges. v is 2 visible, 1 occluded,
0 not labelled. Of an item, category, landmarks and box are read; its outline (`segmentation`), style, scale, occlusion,
zoom and viewpoint, and the photo's source and pair, are not.
"""

import csv
import io
import json
import logging
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...files import open_regular
from ...records import ABSENT, Keypoints
from ...vocabulary import Category, Vocabulary, load_vocabulary
from .coco_entries import FAULTS, entry_problem, numbers_of
from .label_writing import box_to_write, keypoint_indices, new_folder, place_photo, tell_missing_photos
from .labels import Edges, LabelledGarment, LabelledPhoto, LabelSet
from .problems import FormatError, Problem, read_json

log = logging.getLogger(__name__)

ANNOTATIONS, PHOTOS = "annos", "image"
NAMES_FILE = "photos.csv"
_ITEM = re.compile(r"item([0-9]{1,6})")


def is_deepfashion2(path: Path) -> bool:
    """Whether it is a folder `annos`, one with it, or one with parts (`train`, `validation`) that have it."""
    try:
        parts = _parts(Path(path))
        first = next((file for folder, _ in parts for file in folder.glob("*.json")), None)
        if first is None:
            return False
        with open_regular(first) as stream:
            start = stream.read(1 << 16)
        return b'"item1"' in start or b'"pair_id"' in start
    except (OSError, ValueError):
        return False


def read_deepfashion2(path: Path) -> LabelSet:
    """All parts of a data set, or one. path: a folder as in `is_deepfashion2`.

    Names of photos are relative to the folder above `image`, and with several parts to that of the parts. The files
    have no sizes. Items without landmarks are left out and counted. Raises FormatError where nothing is sound, OSError.
    """
    path = Path(path)
    parts = _parts(path)
    if not parts:
        raise FormatError([Problem(path, None, f"no folder {ANNOTATIONS} in it or in a folder of it")])
    photos: list[LabelledPhoto] = []
    problems: list[Problem] = []
    left_out: Counter[str] = Counter()
    for folder, prefix in parts:
        images = folder.parent / PHOTOS
        endings = {file.stem: file.name for file in images.iterdir()} if images.is_dir() else {}
        for file in sorted(folder.glob("*.json")):
            name = f"{prefix}{PHOTOS}/{endings.get(file.stem, f'{file.stem}.jpg')}"
            try:
                content = read_json(file)
            except FormatError as error:
                problems += error.problems
                continue
            if not isinstance(content, dict):
                problems.append(Problem(file, None, "not an object; expected item1, item2, ..."))
                continue
            garments = _garments(file, content, problems, left_out)
            photos.append(LabelledPhoto(name, None, garments))
    if problems and not any(photo.garments for photo in photos):
        raise FormatError(problems)
    if not photos:
        raise FormatError([Problem(path, None, f"no JSON files in {', '.join(str(folder) for folder, _ in parts)}")])
    root = path.parent if path.name == ANNOTATIONS else path
    return LabelSet(path, root, tuple(photos), tuple(problems), left_out)


def write_deepfashion2(labels: LabelSet, out: Path, vocabulary: Vocabulary) -> None:
    """OUT/annos/000001.json, ..., OUT/image/ with the photos, linked or copied, and OUT/photos.csv with their names.

    Photos get numbers in their order and keep their endings; DeepFashion2's own scripts look for .jpg. What is not
    known is written as the data set writes it: a style of 0 (in no pair), a pair of its own for each photo, and no
    outline; there are no source, scale, occlusion, zoom and viewpoint. Scores are not written. A garment with neither a
    box nor a keypoint is left out, with a warning.

    Raises ValueError where the vocabulary is not that of DeepFashion2, or the vocabulary of some of its categories, and
    for names that it does not have; FileExistsError, OSError.
    """
    known = load_vocabulary("deepfashion2")
    names = {category.name: category.keypoints for category in known.definitions}
    for category in vocabulary.definitions:
        if set(category.keypoints) != set(names.get(category.name, ())):
            raise ValueError(
                f"the vocabulary {vocabulary.name} has the category {category.name}, which DeepFashion2 does not have, "
                f"or not with these keypoints; expected some of {', '.join(names)} of the vocabulary deepfashion2"
            )
    listed = []
    missing, first_missing, left_out = 0, "", 0
    with new_folder(out) as folder:
        (folder / ANNOTATIONS).mkdir()
        (folder / PHOTOS).mkdir()
        for number, photo in enumerate(labels.photos, start=1):
            stem = f"{number:06d}"
            placed = f"{PHOTOS}/{stem}{Path(photo.file_name).suffix.lower()}"
            if not place_photo(labels, photo.file_name, folder / placed):
                missing += 1
                first_missing = first_missing or photo.file_name
            items = [_item(garment, known) for garment in photo.garments]
            left_out += items.count(None)
            content: dict[str, Any] = {"pair_id": number}
            content |= {f"item{n}": item for n, item in enumerate((i for i in items if i is not None), start=1)}
            # The whole folder takes its place at the end.
            (folder / ANNOTATIONS / f"{stem}.json").write_text(json.dumps(content), encoding="utf-8")
            listed.append((placed, photo.file_name))
        table = io.StringIO(newline="")
        csv.writer(table, lineterminator="\n").writerows([("file", "photo"), *listed])
        (folder / NAMES_FILE).write_text(table.getvalue(), encoding="utf-8")
    tell_missing_photos(labels, missing, first_missing, Path(out) / PHOTOS)
    if left_out:
        log.warning(f"left out {left_out:,} garments that have neither a box nor a keypoint")


def _parts(path: Path) -> list[tuple[Path, str]]:
    """(folder of annotations, what photo names begin with) of each part."""
    if path.name == ANNOTATIONS and path.is_dir():
        return [(path, "")]
    if (path / ANNOTATIONS).is_dir():
        return [(path / ANNOTATIONS, "")]
    if not path.is_dir():
        return []
    return [(part / ANNOTATIONS, f"{part.name}/") for part in sorted(path.iterdir()) if (part / ANNOTATIONS).is_dir()]


def _garments(
    file: Path, content: Mapping[str, Any], problems: list[Problem], left_out: Counter[str]
) -> tuple[LabelledGarment, ...]:
    """The sound items of a file in the order of their numbers; of others the reason goes into `problems`."""
    numbered = sorted((int(found[1]), key) for key in content if (found := _ITEM.fullmatch(key)))
    garments = []
    for _, key in numbered:
        entry = content[key]
        try:
            if isinstance(entry, dict) and not entry.get("landmarks"):
                left_out["items without landmarks"] += 1
                continue
            garments.append(_garment(entry, f"{file.name} {key}"))
        except FAULTS as error:
            problems.append(entry_problem(file, key, error))
    return tuple(garments)


def _garment(entry: dict[str, Any], label: str) -> LabelledGarment:
    category = _category(entry)
    values = numbers_of(entry["landmarks"])
    if values.shape != (3 * len(category.keypoints),):
        count = len(category.keypoints)
        raise ValueError(f"{values.size} numbers of landmarks; expected x, y, v for the {count} of {category.name}")
    triples = values.reshape(-1, 3)
    seen = triples[:, 2]
    if not ((seen == 0) | (seen == 1) | (seen == 2)).all():
        raise ValueError("a landmark's visibility is not 0, 1 or 2")
    state = seen.astype(np.int8) - 1
    xy = np.where(state[:, None] == ABSENT, -1, triples[:, :2])
    return LabelledGarment(label, category.name, category.keypoints, Keypoints(xy, state), _box(entry))


def _category(entry: dict[str, Any]) -> Category:
    definitions = load_vocabulary("deepfashion2").definitions
    number = entry["category_id"]
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= len(definitions):
        raise ValueError(f"category_id {number!r:.40}; expected 1 to {len(definitions)}")
    category = definitions[number - 1]
    name = entry.get("category_name", category.name)
    if not isinstance(name, str) or name.replace(" ", "_") != category.name:
        raise ValueError(f"category_name {name!r:.60}, but category_id {number} is {category.name.replace('_', ' ')!r}")
    return category


def _box(entry: dict[str, Any]) -> Edges | None:
    """None for a box that is not there or not sound, since landmarks do not depend on it."""
    try:
        left, top, right, bottom = numbers_of(entry.get("bounding_box")).tolist()
    except ValueError:
        return None
    finite = bool(np.isfinite([left, top, right, bottom]).all())
    return (left, top, right, bottom) if finite and right > left and bottom > top else None


def _item(garment: LabelledGarment, known: Vocabulary) -> dict[str, Any] | None:
    box = box_to_write(garment)
    if box is None:
        return None
    number = known.category_index(garment.category)
    category = known.definitions[number]
    where = {name: position for position, name in enumerate(category.keypoints)}
    keypoint_indices(garment.names, known)
    triples = np.zeros((len(category.keypoints), 3))
    for name, (x, y), state in zip(garment.names, garment.keypoints.xy, garment.keypoints.state, strict=True):
        if state != ABSENT:
            if name not in where:
                raise ValueError(f"{garment.id}: a {garment.category} has no {name}")
            triples[where[name]] = x, y, state + 1
    return {
        "category_name": category.name.replace("_", " "),
        "category_id": number + 1,
        "style": 0,
        "bounding_box": [_plain(value) for value in box],
        "landmarks": [_plain(value) for value in triples.ravel().tolist()],
        "segmentation": [],
    }


def _plain(value: float) -> float | int:
    """Whole numbers without a point, as the data set has them."""
    return int(value) if float(value).is_integer() else round(value, 3)
