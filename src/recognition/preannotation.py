"""Predictions for photos as labels for people to correct, and the uncertainty of each photo."""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from ..data_gen.formats.photo_names import posix_name
from ..data_gen.images import image_id_problem
from ..eval.picking import heatmap_vector
from ..eval.two_stage import Recognition
from ..eval.uncertainty import Doubt, doubt
from ..paths import readable_name
from ..records import ABSENT, Keypoints
from ..vocabulary import Vocabulary

ORDER_COLUMNS = (
    "photo",
    "rank",
    "uncertainty",
    "garments",
    "category",
    "category_probability",
    "expected_error",
    "least_certain_keypoint",
    "keypoint_error",
    "box_score",
    "error",
)


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """One photo.

    name: relative to the folder of the photos. labels: its garments; None if the photo could not be read, for the
    reason in `error`. least: the index in `labels.garments` of the least certain one. doubts: of the garments. chosen:
    for each, the probability of its category and of its box, None if they were given or do not exist. vector: for the
    comparison of photos, if wanted; None without a garment.
    """

    name: str
    labels: LabelledPhoto | None = None
    doubts: tuple[Doubt, ...] = ()
    chosen: tuple[tuple[float | None, float | None], ...] = ()
    vector: np.ndarray | None = None
    error: str | None = None

    @property
    def least(self) -> int:
        return int(np.argmax([each.total for each in self.doubts]))

    @property
    def uncertainty(self) -> float:
        """The uncertainty of the least certain garment; 0 without one."""
        return max((each.total for each in self.doubts), default=0.0)


def names_below(photos: Sequence[str], folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """By path, the photo's name in labels: its path relative to the folder; a photo that is listed twice counts once.
    And by path, why a photo's name cannot be written."""
    start = _whole(folder)
    names: dict[str, str] = {}
    unnamed: dict[str, str] = {}
    for photo in photos:
        name = Path(os.path.relpath(_whole(photo), start)).as_posix()
        reason = image_id_problem(name) or (None if posix_name(name) == name else "it begins or ends with a space")
        if reason:
            unnamed[photo] = f"{readable_name(photo)}: labels cannot name this photo: {reason}; rename it"
        else:
            names.setdefault(name, photo)
    return {photo: name for name, photo in names.items()}, unnamed


def folder_of(photos: Sequence[str]) -> Path:
    """The deepest folder that all photos lie in."""
    return Path(os.path.commonpath([Path(_whole(photo)).parent for photo in photos]))


def _whole(path: str | Path) -> str:
    """The absolute path without `..`; the names of links are kept."""
    return os.path.abspath(path)  # noqa: PTH100 (`resolve` follows links)


def answered(
    recognitions: Iterable[Recognition], names: Mapping[str, str], vocabulary: Vocabulary, compared: bool
) -> Iterator[Answered]:
    """Predicts one photo after the other.

    names: by sample id, the photo's name in labels. compared: whether the photos are to be compared; then each keeps a
    vector. If no garments were searched for, a photo whose keypoints show no garment has none.
    """
    garments: list[Recognition] = []
    for recognition in recognitions:
        garments.append(recognition)
        if recognition.result.is_last:
            photo = _photo(garments, names[recognition.result.sample.image_id], vocabulary)
            yield replace(photo, vector=_vector(garments)) if compared and photo.doubts else photo
            garments = []


def _photo(garments: Sequence[Recognition], name: str, vocabulary: Vocabulary) -> Answered:
    first = garments[0].result
    if first.prediction is None:
        return Answered(name, error=first.error or "there is no answer")
    labels, doubts, chosen = [], [], []
    for one in garments:
        prediction = one.result.prediction
        if prediction is None or (prediction.found is False and one.box is None):
            continue
        sure = doubt(prediction, one.result.probabilities, one.score, vocabulary)
        place = np.flatnonzero(vocabulary.mask(prediction.category))
        keypoints = Keypoints(prediction.xy[place], prediction.state[place])
        scores = tuple((1 - sure.points[place]).tolist())
        kept = tuple(vocabulary.keypoints[k] for k in place)
        labels.append(LabelledGarment(str(one.garment_id), prediction.category, kept, keypoints, one.box, scores))
        doubts.append(sure)
        chosen.append((prediction.category_probability, one.score))
    return Answered(name, LabelledPhoto(name, first.size, tuple(labels)), tuple(doubts), tuple(chosen))


def _vector(garments: Sequence[Recognition]) -> np.ndarray:
    """The mean of the garments' vectors."""
    return np.mean([heatmap_vector(g.result.heatmaps) for g in garments if g.result.heatmaps is not None], axis=0)


def labels_of(photos: Sequence[Answered], source: Path, folder: Path) -> LabelSet:
    """The labels of photos in order; all have garments."""
    return LabelSet(source, folder, tuple(photo.labels for photo in photos if photo.labels is not None))


def order_text(picked: Sequence[Answered], others: Sequence[Answered]) -> str:
    """CSV with a row for each photo: first those of the labels in order, then the others without a rank, the least
    certain first. A row has the facts of the photo's least certain garment."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(ORDER_COLUMNS)
    for rank, photo in enumerate(picked, start=1):
        writer.writerow(_row(photo, str(rank)))
    for photo in sorted(others, key=lambda photo: (photo.error is not None, not photo.doubts, -photo.uncertainty)):
        writer.writerow(_row(photo, ""))
    return text.getvalue()


def _row(photo: Answered, rank: str) -> list[str | int]:
    if photo.labels is None or not photo.doubts:
        count = "" if photo.labels is None else 0
        return [photo.name, rank, "", count, *[""] * 6, readable_name(photo.error or "")]
    garment, sure = photo.labels.garments[photo.least], photo.doubts[photo.least]
    category, box = photo.chosen[photo.least]
    scores = np.where(garment.keypoints.state == ABSENT, 1.0, np.array(garment.scores))
    worst = int(scores.argmin())
    numbers = [_number(category), _number(sure.error), garment.names[worst], _number(1 - scores[worst]), _number(box)]
    return [photo.name, rank, _number(photo.uncertainty), len(photo.doubts), garment.category, *numbers, ""]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
