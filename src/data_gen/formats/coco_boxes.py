"""Boxes in COCO files: those of a data set, and those of a list of results."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...boxes import around
from .box_rows import BoxRow, BoxRows, CocoNames, LabelledPoints, probability
from .coco_entries import CocoCategory, entry_key, read_category, read_image, referred
from .entries import FAULTS, Edges, edges, entry_problem, from_extent, numbers_of
from .photo_names import posix_name
from .problems import FormatError, Problem, read_json


def read_coco_names(path: Path) -> CocoNames:
    """The images and categories of a data set; what is malformed in them is left out, and what refers to it then
    unknown. Raises FormatError for a file of another kind."""
    return _names(Path(path), read_json(path))[0]


def scan_data_set(path: Path, content: Any) -> BoxRows:
    """content: of the JSON file. Crowds are among the rows. An annotation without a box has that of its keypoints.

    Raises FormatError for a file of another kind.
    """
    names, problems = _names(path, content)
    rows = []
    for number, entry in enumerate(content["annotations"]):
        label = f"annotations, entry {number}"
        try:
            label = f"annotations, id {entry['id']!s:.80}"
            photo = posix_name(referred(entry, "image_id", names.images).file_name)
            category = referred(entry, "category_id", names.categories)
            points = _points(entry, category)
            score = 1.0 if entry.get("score") is None else probability(entry["score"])
            crowd = bool(entry.get("iscrowd"))
            rows.append(BoxRow(photo, _box(entry), category.name, score, None, label, crowd, points))
        except FAULTS as error:
            problems.append(entry_problem(path, label, error))
    has_scores = any(isinstance(entry, dict) and entry.get("score") is not None for entry in content["annotations"])
    return BoxRows(path, "data set", tuple(rows), tuple(problems), has_scores, names=names)


def scan_results(path: Path, entries: list[Any], names: CocoNames | None) -> BoxRows:
    """names: of the data set that is answered, whose names can stand in place of its numbers; without it an `image_id`
    is the name of a photo, or its number, and a `category_id` that is a number says nothing."""
    file_names = {image.file_name for image in names.images.values()} if names else set()
    called = {category.name: category for category in names.categories.values()} if names else {}
    rows, problems = [], []
    numbered = False
    for number, entry in enumerate(entries):
        label = f"entry {number}"
        try:
            photo, given = entry["image_id"], entry.get("category_id")
            if names is None:
                photo = entry_key(photo)
                category = CocoCategory(0, given, ()) if isinstance(given, str) and given.strip() else None
                numbered = numbered or not isinstance(given, str | None)
            else:
                if photo not in file_names:
                    photo = referred(entry, "image_id", names.images).file_name
                category = called.get(given) if isinstance(given, str) and given not in names.categories else None
                category = category or referred(entry, "category_id", names.categories)
            points = {} if category is None else _points(entry, category)
            name = None if category is None else category.name
            rows.append(
                BoxRow(posix_name(photo), _box(entry), name, probability(entry["score"]), None, label, False, points)
            )
        except FAULTS as error:
            problems.append(entry_problem(path, label, error))
    return BoxRows(path, "results", tuple(rows), tuple(problems), True, numbered)


def _names(path: Path, content: Any) -> tuple[CocoNames, list[Problem]]:
    parts = {
        name: content.get(name) if isinstance(content, dict) else None
        for name in ("images", "categories", "annotations")
    }
    absent = [name for name, entries in parts.items() if not isinstance(entries, list)]
    if absent:
        raise FormatError([Problem(path, None, f"no list of {', '.join(absent)}; expected a COCO data set")])
    problems: list[Problem] = []
    images = _by_id(path, "images", parts["images"], read_image, problems)
    categories = _by_id(path, "categories", parts["categories"], read_category, problems)
    return CocoNames(path, images, categories), problems


def _by_id(
    path: Path, part: str, entries: Any, read: Callable[[dict[str, Any]], Any], problems: list[Problem]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, entry in enumerate(entries):
        label = f"{part}, entry {number}"
        try:
            label = f"{part}, id {entry['id']!s:.80}"
            key = entry_key(entry["id"])
            if key in found:
                raise ValueError("the id is repeated")
            found[key] = read(entry)
        except FAULTS as error:
            problems.append(entry_problem(path, label, error))
    return found


def _box(entry: dict[str, Any]) -> Edges:
    """Where there is none, that of the labelled keypoints."""
    if entry.get("bbox") is None and "keypoints" in entry:
        triples = numbers_of(entry["keypoints"])
        triples = triples[: len(triples) // 3 * 3].reshape(-1, 3)
        return edges(around(triples[triples[:, 2] > 0, :2]).tolist())
    return from_extent(numbers_of(entry["bbox"]).tolist())


def _points(entry: dict[str, Any], category: CocoCategory) -> LabelledPoints:
    """The labelled keypoints of an entry; none where it or the category has none."""
    if not category.keypoints or entry.get("keypoints") is None:
        return {}
    values = numbers_of(entry["keypoints"])
    if values.shape != (3 * len(category.keypoints),):
        raise ValueError(f"{values.size} keypoint numbers; expected x, y, v for {len(category.keypoints)} keypoints")
    triples = values.reshape(-1, 3)
    if not np.isin(triples[:, 2], (0, 1, 2)).all() or not np.isfinite(triples[triples[:, 2] > 0]).all():
        raise ValueError("a keypoint has a visibility other than 0, 1 or 2, or is no finite number")
    return {
        name: (x, y, int(v) - 1) for name, (x, y, v) in zip(category.keypoints, triples.tolist(), strict=True) if v > 0
    }
