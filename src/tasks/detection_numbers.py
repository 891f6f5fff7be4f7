"""Measures a detector: on photos with true boxes, and on photos of which only the category is known."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..boxes import no_detections
from ..data_gen.formats.scenes import Scene
from ..data_gen.images import image_size
from ..eval.detection import UNCALIBRATED
from ..eval.detection_metrics import ScoredPhoto, score_detections
from ..records import NO_GARMENT
from .detection import IOU, DetectionTask

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """A detector's results for the readable photos. every: all boxes with their probabilities. told: the boxes with at
    least the threshold's probability. categories: names of the detector's categories."""

    scenes: list[Scene]
    every: list[ScoredPhoto]
    told: list[ScoredPhoto]
    categories: tuple[str, ...]


def unboxed(folder: Path, names: Iterable[str]) -> list[Scene]:
    """Photos below a folder as scenes without known boxes, to run a detector on. Raises ImageError for a file that is
    not a photo."""
    paths = {name: folder / name for name in names}
    return [Scene(name, path, no_detections(), np.zeros((0, 4)), image_size(path)) for name, path in paths.items()]


def found_in(detector: Path, scenes: Sequence[Scene]) -> Found:
    """The results of a run or an artifact. Unreadable photos are left out with a warning; raises ValueError if no photo
    is readable, and if it is not a detector."""
    task, detect, calibration = DetectionTask.of_model(detector, None)
    known = calibration or UNCALIBRATED
    unreadable: set[str] = set()
    every = task.answers(detect, list(scenes), unreadable.add, known)
    for name in sorted(unreadable):
        log.warning(f"left out, cannot be read: {name}")
    told = [replace(photo, found=photo.found.select(photo.found.score >= known.threshold)) for photo in every]
    readable = [scene for scene in scenes if str(scene.path) not in unreadable]
    return Found(readable, every, told, task.config.vocabulary.categories)


def box_numbers(found: Found) -> dict[str, Any]:
    """Average precision of all boxes; and, for the boxes above the threshold, recall and precision."""
    whole = score_detections(found.every, found.categories, IOU)
    score = score_detections(found.told, found.categories, IOU)
    (_, _), (large, large_found) = score.by_area
    return {
        "photos": len(found.every),
        "garments": score.rates.true,
        "ap50": whole.mean("ap50"),
        "ap": whole.mean("ap"),
        "ap50_by_category": dict(zip(found.categories, whole.precision.ap50.tolist(), strict=True)),
        "found": score.rates.recall,
        "found_of_over_5%_of_the_photo": large_found / max(large, 1),
        "right_of_those_told": score.rates.precision,
        "false_alarms_a_photo": score.false_alarms_per_photo,
        "found_of_any_category": 1 - score.confusion[:, -1].sum() / max(score.confusion.sum(), 1),
        "ece": None if whole.reliability is None else whole.reliability.ece,
    }


def presence_numbers(found: Found, categories: Mapping[str, str]) -> dict[str, Any]:
    """How often a garment is found if there is one, and with the right category, and how often none is found if not.

    The most probable box decides the category. categories: by image id that of the photo's garment; NO_GARMENT for a
    photo without one.
    """
    answers = []
    for scene, photo in zip(found.scenes, found.told, strict=True):
        likeliest = int(photo.found.category[photo.found.score.argmax()]) if len(photo.found) else None
        answers.append((None if likeliest is None else found.categories[likeliest], categories[scene.image_id]))
    garments = [(name, category) for name, category in answers if category != NO_GARMENT]
    others = [name for name, category in answers if category == NO_GARMENT]
    return {
        "photos": len(garments),
        "found": _share([name is not None for name, _ in garments]),
        "category_right": _share([name == category for name, category in garments]),
        "without_garment": len(others),
        "said_to_show_none": _share([name is None for name in others]),
    }


def _share(cases: list[bool]) -> float | None:
    return float(np.mean(cases)) if cases else None
