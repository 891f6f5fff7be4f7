"""Mean class error, the score of AliProducts: the mean of 1 - recall over very many classes; lower is better."""

from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path

import numpy as np

from ..data_gen.formats.aliproducts import read_product_labels
from ..data_gen.formats.problems import FormatError, Problem
from .attribute_metrics import checked_classes

_SHOWN = 100  # problems of one kind


@dataclass(frozen=True, slots=True)
class ClassScore:
    """mean_class_error: mean of 1 - recall over `classes` classes, NaN if there are none; the `absent` classes have no
    photo in the truth and are left out."""

    mean_class_error: float
    accuracy: float
    images: int
    classes: int
    absent: int

    def to_json(self) -> dict:
        """Plain numbers for `json.dumps`, None for NaN."""
        return {name: None if isnan(value) else value for name, value in asdict(self).items()}


def score_classes(predicted: np.ndarray, true: np.ndarray, classes: int) -> ClassScore:
    """Mean class error, the score of AliProducts. Arguments and errors as in `confusion_matrix`."""
    predicted, true = checked_classes(predicted, true, classes)
    photos = np.bincount(true, minlength=classes)
    found = np.bincount(true[predicted == true], minlength=classes)
    present = photos > 0
    return ClassScore(
        float((1 - found[present] / photos[present]).mean()) if present.any() else float("nan"),
        float((predicted == true).mean()) if len(true) else float("nan"),
        len(true),
        int(present.sum()),
        int((~present).sum()),
    )


def score_product_files(truth: Path, predicted: Path) -> ClassScore:
    """Scores a submission against a list `path label`, rows matched by path in any order.

    Raises FormatError for any error in either file, photos of the truth without a prediction, and predictions for other
    photos.
    """
    truth, predicted = Path(truth), Path(predicted)
    asked, right, asked_lines = read_product_labels(truth)
    answered, labels, answered_lines = read_product_labels(predicted)
    rows, known = {name: row for row, name in enumerate(answered)}, set(asked)
    lacking = [(line, name) for line, name in zip(asked_lines.tolist(), asked, strict=True) if name not in rows]
    beyond = [(line, name) for line, name in zip(answered_lines.tolist(), answered, strict=True) if name not in known]
    problems = _unmatched(truth, lacking, predicted) + _unmatched(predicted, beyond, truth)
    if problems:
        raise FormatError(problems)
    labels = labels[[rows[name] for name in asked]]
    return score_classes(labels, right, 1 + max(int(labels.max()), int(right.max())))


def _unmatched(path: Path, rows: list[tuple[int, str]], other: Path) -> list[Problem]:
    found = [Problem(path, line, f"{name!r} has no row in {other}") for line, name in rows[:_SHOWN]]
    more = len(rows) - len(found)
    return found + ([Problem(path, None, f"{more} more paths likewise")] if more > 0 else [])
