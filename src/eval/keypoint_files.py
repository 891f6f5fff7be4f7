"""Scores a keypoint submission (the official CSV, COCO results, or labels of any format) against the truth.

In all formats but the CSV a photo can have several garments of one category. Their results are matched by annotation
ids if they have them, and otherwise by the overlap of the boxes.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..data_gen.formats.challenges import FASHIONAI
from ..data_gen.formats.coco import garments_from_coco, labels_of_coco, read_coco
from ..data_gen.formats.coco_results import read_coco_results
from ..data_gen.formats.fashionai import scan_keypoint_rows
from ..data_gen.formats.label_names import check_names, named, where
from ..data_gen.formats.label_samples import garments_of
from ..data_gen.formats.labels import LabelledGarment
from ..data_gen.formats.photo_names import photos_of_names
from ..data_gen.formats.problems import FormatError, Problem
from ..data_gen.formats.table import format_of, formats_of
from ..data_gen.spans import scorable
from ..records import Sample
from ..vocabulary import Vocabulary
from .keypoint_metrics import KeypointScore, score_keypoints

log = logging.getLogger(__name__)

Garment = tuple[LabelledGarment, Sample]
_NOWHERE = (0.0, 0.0, 0.0, 0.0)
"""The box of a garment that has neither a box nor a keypoint."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A garment of a file. line: its line in a CSV. label: its name in messages."""

    line: int | None
    label: str
    sample: Sample


def score_keypoint_files(truth: Path, predicted: Path, vocabulary: Vocabulary) -> KeypointScore:
    """Scores a submission against the truth: two CSVs in the FashionAI format, two COCO files (`.json`), or files and
    folders of any formats of `formats.table`.

    vocabulary: for all but two CSVs. Predictions for photos outside the truth are left out and counted in a warning.
    Raises FormatError, naming file and line (or the id or number of the entry), for any error in either file, for
    garments of the truth without a prediction, and for predictions of another category; ValueError if the truth has
    nothing that can be scored.
    """
    truth, predicted = Path(truth), Path(predicted)
    kinds = _kind(truth), _kind(predicted)
    if kinds == ("csv", "csv"):
        return _score(truth, predicted, _csv_rows(truth), _csv_rows(predicted), FASHIONAI)
    if kinds == ("json", "json"):
        return _score(truth, predicted, *_coco_rows(truth, predicted, vocabulary), vocabulary)
    return _score(truth, predicted, *_label_rows(truth, predicted, vocabulary), vocabulary)


def _kind(path: Path) -> str:
    """csv: a list of FashionAI's; json: a COCO file or results, or a file that is neither; other: labels in another
    format."""
    if path.is_dir() or not path.exists():
        return "other" if path.is_dir() else path.suffix.lower().removeprefix(".")
    likely = {entry.name for entry in formats_of(path)}
    if path.suffix.lower() == ".json":
        return "json" if not likely or "coco" in likely else "other"
    return "other" if likely - {"fashionai"} else "csv"


def _score(
    truth: Path, predicted: Path, expected: Mapping[str, _Row], found: Mapping[str, _Row], vocabulary: Vocabulary
) -> KeypointScore:
    """expected, found: the rows of both files, by the key that matches them."""
    problems = [
        Problem(truth, row.line, f"{row.label} has no prediction in {predicted}")
        for key, row in expected.items()
        if key not in found
    ]
    for key, row in expected.items():
        other = found.get(key)
        if other is not None and other.sample.category != row.sample.category:
            categories = f"predicted as {other.sample.category}, but {row.sample.category} in {truth}"
            line = "" if row.line is None else f":{row.line}"
            problems.append(Problem(predicted, other.line, f"{other.label}: {categories}{line}"))
    if problems:
        raise FormatError(problems)
    samples = [row.sample for row in expected.values()]
    counts = scorable(samples, vocabulary)
    if not counts.scored:
        raise ValueError(f"{truth}: nothing can be scored: of {counts.garments:,} garments {counts.reasons()}")
    beyond = len(found.keys() - expected.keys())
    if beyond:
        log.warning(f"{predicted}: {beyond:,} predictions are of no garment of {truth} and are not scored")
    try:
        return score_keypoints(samples, [found[key].sample for key in expected], vocabulary)
    except ValueError as error:
        raise ValueError(f"{predicted}: {error}") from None


def _csv_rows(path: Path) -> dict[str, _Row]:
    samples, lines, problems = scan_keypoint_rows(path)
    if not problems and any(sample.keypoints is None for sample in samples):
        problems = [Problem(path, 1, "the 24 keypoint columns are missing; a list of photos alone cannot be scored")]
    if problems:
        raise FormatError(problems)
    return {s.image_id: _Row(line, repr(s.image_id), s) for s, line in zip(samples, lines, strict=True)}


def _coco_rows(truth: Path, predicted: Path, vocabulary: Vocabulary) -> tuple[dict[str, _Row], dict[str, _Row]]:
    coco = read_coco(truth, strict=True)
    labels = labels_of_coco(coco)
    check_names(labels, vocabulary)
    expected = garments_from_coco(coco, labels.root, vocabulary, strict=True)
    results = read_coco_results(predicted, coco)
    return _matched(expected, garments_from_coco(results, labels.root, vocabulary, strict=True))


def _label_rows(truth: Path, predicted: Path, vocabulary: Vocabulary) -> tuple[dict[str, _Row], dict[str, _Row]]:
    """For files in other formats, or in two different ones: photo names can be written differently."""
    sides = []
    for path in (truth, predicted):
        labels = named(format_of(path).read(path), vocabulary)
        sides.append(garments_of(labels, vocabulary, strict=True))
    expected, found = sides
    photos = list(dict.fromkeys(sample.image_id for _, sample in expected))
    meant, unclear = photos_of_names(dict.fromkeys(sample.image_id for _, sample in found), photos)
    if unclear:
        raise FormatError([Problem(predicted, None, f"photo {name}: {reason}") for name, reason in unclear.items()])
    renamed = [(g, replace(s, image_id=meant.get(s.image_id, s.image_id))) for g, s in found]
    return _matched(expected, renamed)


def _matched(truth: Iterable[Garment], predicted: Iterable[Garment]) -> tuple[dict[str, _Row], dict[str, _Row]]:
    """The rows of both sides, by the key that matches them."""
    expected, found = _by_photo(truth), _by_photo(predicted)
    rows: tuple[dict[str, _Row], dict[str, _Row]] = ({}, {})
    several = by_id = 0
    for photo, garments in expected.items():
        answers = found.pop(photo, [])
        if len(garments) > 1:
            several += 1
            by_id += _have_ids(garments, answers)
        pairs = _pairs(garments, answers)
        for i, (garment, sample) in enumerate(garments):
            key = f"{photo}/{i}"
            rows[0][key] = _labelled(garment, sample, key)
            if i in pairs:
                rows[1][key] = _labelled(*answers[pairs[i]], key)
        for j in sorted(set(range(len(answers))) - set(pairs.values())):
            rows[1][f"{photo}/other {j}"] = _labelled(*answers[j], f"{photo}/other {j}")
    for photo, answers in found.items():
        rows[1].update({f"{photo}/{j}": _labelled(*answer, f"{photo}/{j}") for j, answer in enumerate(answers)})
    if several:
        log.info(
            f"{several:,} times a photo has several garments of one category: their results were matched by the ids "
            f"of the annotations {by_id:,} times, and by their boxes {several - by_id:,} times"
        )
    return rows


def _labelled(garment: LabelledGarment, sample: Sample, key: str) -> _Row:
    label = f"{where(garment.id)} ({sample.category} of {sample.image_id!r})"
    return _Row(None, label, Sample(key, sample.path, sample.category, sample.keypoints))


def _by_photo(garments: Iterable[Garment]) -> dict[tuple[str, str | None], list[Garment]]:
    """The garments of each photo and category."""
    found: dict[tuple[str, str | None], list[Garment]] = defaultdict(list)
    for garment, sample in garments:
        found[sample.image_id, sample.category].append((garment, sample))
    return dict(found)


def _have_ids(garments: Sequence[Garment], answers: Sequence[Garment]) -> bool:
    """Whether all results name their garments by the ids of the annotations."""
    ids = [garment.id for garment, _ in answers]
    return bool(ids) and len(set(ids)) == len(ids) and {garment.id for garment, _ in garments}.issuperset(ids)


def _pairs(garments: Sequence[Garment], answers: Sequence[Garment]) -> dict[int, int]:
    """Index of a garment -> index of its result, for as many pairs as possible."""
    if len(garments) == len(answers) == 1:
        return {0: 0}
    if _have_ids(garments, answers):
        index = {garment.id: j for j, (garment, _) in enumerate(answers)}
        return {i: index[garment.id] for i, (garment, _) in enumerate(garments) if garment.id in index}
    if not garments or not answers:
        return {}
    from scipy.optimize import linear_sum_assignment  # slow to load, and few files need it

    boxes = [np.array([garment.outline or _NOWHERE for garment, _ in side]) for side in (garments, answers)]
    return dict(zip(*(part.tolist() for part in linear_sum_assignment(-_overlaps(*boxes))), strict=True))


def _overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N, 4) and (M, 4) corners -> (N, M): intersection over union; negative for separate boxes, by distance."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    areas = [(box[:, 2:] - box[:, :2]).prod(axis=-1) for box in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    centres = [(box[:, :2] + box[:, 2:]) / 2 for box in (first, second)]
    apart = np.linalg.norm(centres[0][:, None] - centres[1][None], axis=-1)
    return np.where(shared > 0, shared / np.maximum(union, 1e-9), -apart / (1 + apart.max()))
