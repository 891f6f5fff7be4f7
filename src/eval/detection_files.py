"""Scores a file of detected garments, boxes and optionally keypoints, against a COCO data set.

If a file has no categories, its boxes are scored as garments of one kind.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..data_gen.formats.box_files import detections, scan_boxes
from ..data_gen.formats.box_rows import BoxRow, BoxRows, CocoNames, LabelledPoints
from ..data_gen.formats.photo_names import photos_of_names, posix_name
from ..data_gen.formats.problems import FormatError, Problem
from ..data_gen.images import image_size, resolve_image
from ..geometry import Size
from ..records import ABSENT
from ..vocabulary import Vocabulary
from .detection_metrics import DetectionScore, ScoredPhoto, pairs, score_detections
from .keypoint_metrics import KeypointScore, score_arrays

log = logging.getLogger(__name__)

ANY = "garment"
"""The only category if the prediction has none."""


@dataclass(frozen=True, slots=True)
class _Photo:
    """The rows of one photo."""

    size: Size | None
    true: list[BoxRow] = field(default_factory=list)
    crowd: list[BoxRow] = field(default_factory=list)
    found: list[BoxRow] = field(default_factory=list)


def score_detection_files(truth: Path, predicted: Path, vocabulary: Vocabulary, iou: float = 0.5) -> DetectionScore:
    """Scores the boxes of a prediction, any file that `scan_boxes` reads, against a COCO data set.

    vocabulary: of the keypoints, which are scored over pairs of garments for which both files have some. Predictions
    for photos and categories outside the truth are left out and counted in a warning. Raises FormatError, naming file
    and line (in a JSON file the id or number of the entry), for any error in either file; ValueError if there is
    nothing to score.
    """
    truth, predicted = Path(truth), Path(predicted)
    expected = _checked(scan_boxes(truth))
    if expected.names is None:
        raise FormatError([Problem(truth, None, "not a COCO data set (images, annotations, categories)")])
    if all(row.crowd for row in expected.rows):
        raise ValueError(f"{truth}: nothing can be scored: it has no box of one garment")
    photos = _photos(expected.names)
    categories = tuple(dict.fromkeys(category.name for category in expected.names.categories.values()))
    answers = _checked(scan_boxes(predicted, expected.names))
    found = _of_photos(answers, list(photos))
    _tell_order(answers)
    index = {name: i for i, name in enumerate(categories)}
    if found and all(row.category is None for row in found):
        log.warning(f"{predicted}: no box has a category; all are scored as garments of one kind")
        found = [replace(row, category=ANY) for row in found]
        categories, index = (ANY,), dict.fromkeys((*categories, ANY), 0)
    else:
        found = _of_categories(answers, found, categories)
    for row in expected.rows:
        photo = photos[row.photo]
        (photo.crowd if row.crowd else photo.true).append(row)
    for row in found:
        photos[row.photo].found.append(row)
    scored = [
        ScoredPhoto(detections(p.true, index), detections(p.found, index), detections(p.crowd, index), p.size)
        for p in photos.values()
    ]
    score = score_detections(scored, categories, iou, answers.has_scores)
    return replace(score, keypoints=_keypoints(list(photos.values()), scored, iou, vocabulary))


def _checked(rows: BoxRows) -> BoxRows:
    if rows.problems:
        raise FormatError(rows.problems)
    return rows


def _photos(names: CocoNames) -> dict[str, _Photo]:
    photos: dict[str, _Photo] = {}
    problems = []
    for image in names.images.values():
        size = image.size
        try:
            name = posix_name(image.file_name)
            if name in photos:
                raise ValueError(f"the photo {name} again")
        except ValueError as error:
            problems.append(Problem(names.path, None, f"images, id {image.id}: {error}"))
            continue
        if size is None:
            try:
                size = image_size(resolve_image(names.path.parent, image.file_name))
            except ValueError:  # both files: ImageError is one
                log.warning(f"{names.path}: {name} has no width and height, and the photo cannot be read")
        photos[name] = _Photo(size)
    if problems:
        raise FormatError(problems)
    return photos


def _of_photos(answers: BoxRows, photos: Sequence[str]) -> list[BoxRow]:
    """The rows of these photos, with the photos' names as in `photos`."""
    named = dict.fromkeys(row.photo for row in answers.rows)
    meant, unclear = photos_of_names(named, photos)
    if unclear:
        problems = [row.problem(answers.path, unclear[row.photo]) for row in answers.rows if row.photo in unclear]
        raise FormatError(problems)
    others = [name for name in named if name not in meant]
    if others and not meant:
        raise ValueError(
            f"{answers.path}: none of its {len(others):,} photos is among the {len(photos):,} of the truth: the first "
            f"are {others[0]} and {photos[0]}"
        )
    if others:
        log.warning(
            f"{answers.path}: {len(others):,} photos, the first {others[0]}, are none of the truth and are not scored"
        )
    return [replace(row, photo=meant[row.photo]) for row in answers.rows if row.photo in meant and not row.crowd]


def _of_categories(answers: BoxRows, found: Sequence[BoxRow], categories: Sequence[str]) -> list[BoxRow]:
    bare = [row.problem(answers.path, "no category, though other boxes have one") for row in found if not row.category]
    if bare:
        raise FormatError(bare)
    others = Counter(row.category for row in found if row.category not in categories)
    if others:
        counts = ", ".join(f"{count:,} {name}" for name, count in others.most_common(5))
        told = f"{answers.path}: {others.total():,} boxes are of categories that the truth does not have: {counts}"
        if others.total() == len(found):
            raise ValueError(f"{told}; expected {', '.join(categories)}")
        log.warning(f"{told}; they are not scored")
    return [row for row in found if row.category in categories]


def _tell_order(answers: BoxRows) -> None:
    if not answers.rows:
        log.warning(f"{answers.path}: the file has no boxes, so nothing was found")
    elif not answers.has_scores:
        log.warning(f"{answers.path}: the boxes have no scores; AP takes them in the order of the file")


def _keypoints(
    photos: Sequence[_Photo], scored: Sequence[ScoredPhoto], iou: float, vocabulary: Vocabulary
) -> KeypointScore | None:
    """NE and PCK over the pairs for which both have keypoints; None if there is no such pair."""
    found, true, states, categories = [], [], [], []
    others = 0
    for photo, sides in zip(photos, scored, strict=True):
        for i, j in enumerate(pairs(sides.found, sides.true, iou).tolist()):
            if j < 0 or not photo.found[i].keypoints or not photo.true[j].keypoints:
                continue
            # The category of the truth: the prediction may have none.
            category, points = str(photo.true[j].category), photo.true[j].keypoints
            if category not in vocabulary.categories or not points.keys() <= vocabulary.indices.keys():
                others += 1
                continue
            xy, state = _arrays(points, vocabulary)
            true.append(xy)
            states.append(state)
            found.append(_arrays(photo.found[i].keypoints, vocabulary)[0])
            categories.append(category)
    if others:
        log.warning(
            f"{others:,} pairs have categories or keypoints that the vocabulary {vocabulary.name} does not have; their "
            "keypoints are not scored. Choose the vocabulary of the truth with --vocabulary"
        )
    if not true:
        return None
    return score_arrays(np.stack(found), np.stack(true), np.stack(states), categories, vocabulary)


def _arrays(points: LabelledPoints, vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """-> xy (K, 2), absent ones at (-1, -1), and state (K,)."""
    xy, state = np.full((len(vocabulary.keypoints), 2), -1.0), np.full(len(vocabulary.keypoints), ABSENT)
    for name, (x, y, seen) in points.items():
        k = vocabulary.indices.get(name)
        if k is not None:
            xy[k], state[k] = (x, y), seen
    return xy, state
