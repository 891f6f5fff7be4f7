"""How unsure a network is of a garment: what a person would probably have to change in its answer.

All parts are fitted to annotated photos: how far the points are off (`keypoint_errors`), how likely they are visible
(`visibility`), how likely the box holds a garment (`detection_calibration`). The category's probabilities are the
network's own.
"""

from dataclasses import dataclass

import numpy as np

from ..data_gen.spans import spans
from ..records import ABSENT, Prediction
from ..vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Doubt:
    """Of one garment, all from 0, sure, to 1.

    points: (K,) how far each keypoint is probably off, the root mean square, as a fraction of the garment's span; 0
    where the category has no such keypoint. error: their mean, the NE to expect; a keypoint counts as much as it is
    likely to be visible. category: the share of the keypoints to expect that the garment has and the category has not,
    or the other way round. box: the probability that its box holds no garment. total: that something is wrong, taking
    the three as independent.
    """

    points: np.ndarray
    error: float
    category: float
    box: float

    @property
    def total(self) -> float:
        return 1 - (1 - self.error) * (1 - self.category) * (1 - self.box)


def doubt(
    prediction: Prediction, probabilities: np.ndarray | None, box_score: float | None, vocabulary: Vocabulary
) -> Doubt:
    """Of the answer for one garment.

    probabilities: (C,) of all categories; they do not count where the category was given. box_score: the probability of
    its box, None without one. Raises ValueError for an answer without standard errors.
    """
    if prediction.uncertainty is None:
        raise ValueError(f"{prediction.image_id}: the answer says nothing of the errors of its keypoints")
    present = prediction.state != ABSENT
    (span,) = spans(prediction.xy[None], prediction.state[None], [prediction.category], vocabulary)
    variance = np.trace(prediction.uncertainty.covariance, axis1=1, axis2=2)
    # Further off than the span is as good as not found; without a span nothing is known.
    off = np.ones(len(present)) if np.isnan(span) else np.minimum(np.sqrt(np.maximum(variance, 0)) / span, 1)
    points = np.where(present, off, 0.0)
    weights = present.astype(float) if prediction.visible is None else np.where(present, prediction.visible, 0.0)
    if not weights.sum() > 0:
        weights = present.astype(float)
    error = float((points * weights).sum() / weights.sum()) if present.any() else 1.0
    guessed = prediction.category_probability is not None and probabilities is not None
    other = float(probabilities @ _unlike(prediction.category, vocabulary)) if guessed else 0.0
    return Doubt(points, error, min(max(other, 0.0), 1.0), 0.0 if box_score is None else 1 - box_score)


def _unlike(category: str, vocabulary: Vocabulary) -> np.ndarray:
    """(C,): of the keypoints that a category or the given one has, the share that one of the two alone has."""
    ours, masks = vocabulary.mask(category), vocabulary.masks
    return (masks ^ ours).sum(axis=1) / np.maximum((masks | ours).sum(axis=1), 1)
