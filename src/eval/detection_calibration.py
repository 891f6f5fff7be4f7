"""Calibration of a detector: converts scores to the probability of a garment of that category, and has the threshold.

The peaks of a detector are not probabilities. On validation photos a logistic curve is fitted to whether each of its
boxes is a garment (Platt scaling), and the threshold is the one with the best F1.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..boxes import Detections
from .calibration import fit_curve, is_number, logit, sigmoid

_STRENGTH = 1e-2
"""Precision of the prior; with it, the curve stays smooth even if all boxes are right, or all wrong."""
_FIELDS = ("slope", "offset", "threshold")


@dataclass(frozen=True, slots=True)
class BoxCalibration:
    """probability = sigmoid(slope logit(score) + offset); boxes with a probability below `threshold` are left out."""

    slope: float
    offset: float
    threshold: float

    def probability(self, score: np.ndarray) -> np.ndarray:
        """Scores of any shape -> probabilities, float32. A higher score never gets a lower probability."""
        return sigmoid(self.slope * logit(score) + self.offset).astype(np.float32)

    def calibrated(self, found: Detections) -> Detections:
        """The boxes with probabilities as scores, without those below the threshold, in the same order."""
        score = self.probability(found.score)
        return Detections(found.boxes, found.category, score).select(score >= np.float32(self.threshold))

    def to_json(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_json(cls, facts: Any) -> Self:
        """Raises ValueError for data that `to_json` did not write; the caller adds the name of the file."""
        if not isinstance(facts, dict) or set(facts) != set(_FIELDS):
            raise ValueError(f"no calibration of a detector: expected {', '.join(_FIELDS)}; got {facts!r:.80}")
        values = [facts[name] for name in _FIELDS]
        if not all(map(is_number, values)):
            raise ValueError(f"no calibration of a detector: expected finite numbers; got {values!r:.80}")
        if facts["slope"] < 0 or not 0 <= facts["threshold"] <= 1:
            raise ValueError("expected a slope from 0 up, and a threshold from 0 to 1")
        return cls(*map(float, values))


def fit_boxes(score: np.ndarray, right: np.ndarray, garments: int) -> BoxCalibration:
    """Fits the calibration on boxes of validation photos.

    score: (N,) of the boxes, from the network. right: (N,) bool, whether each is a garment of its category. garments:
    total number of true garments. Without any box the scores stay unchanged, and the threshold is 0.5. Raises
    ValueError for shapes that differ.
    """
    score, right = np.asarray(score, float), np.asarray(right, bool)
    if score.ndim != 1 or score.shape != right.shape:
        raise ValueError(f"expected (N,) twice; got {score.shape} and {right.shape}")
    if not len(score):
        return BoxCalibration(1.0, 0.0, 0.5)
    slope, offset = fit_curve(logit(score), right, np.array([1.0, 0.0]), _STRENGTH)
    probability = sigmoid(slope * logit(score) + offset)
    order = np.argsort(-probability, kind="stable")
    found = np.cumsum(right[order])
    f1 = 2 * found / (np.arange(1, len(order) + 1) + max(garments, 1))
    # Boxes of equal score are kept or left out together.
    last = np.append(np.diff(probability[order]) < 0, True)
    best = int(np.where(last, f1, -1).argmax())
    return BoxCalibration(float(slope), float(offset), float(probability[order][best]))
