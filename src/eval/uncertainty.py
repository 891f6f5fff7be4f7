"""The uncertainty of a prediction for a garment: what a person would probably have to correct.

All parts are fitted to annotated photos: the error of the points (`keypoint_errors`), the probability that they are
visible (`visibility`), and that the box holds a garment (`detection_calibration`). The category's probabilities are the
network's own.
"""

from dataclasses import dataclass

import numpy as np

from ..data_gen.spans import spans
from ..records import ABSENT, Prediction
from ..vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Doubt:
    """The uncertainty of one garment; all values from 0 (sure) to 1.

    points: (K,) the expected error of each keypoint, the root mean square, as a fraction of the garment's span; 0 if
    the category has no such keypoint. error: their mean, the expected NE; a keypoint is weighted by its probability of
    being visible. category: the expected share of keypoints that only the predicted or only the true category has. box:
    the probability that its box holds no garment. total: the probability of any error, with the three taken as
    independent.
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
    """The uncertainty of a prediction for one garment.

    probabilities: (C,) of all categories; ignored if the category was given. box_score: the probability of its box,
    None without one. Raises ValueError for a prediction without standard errors.
    """
    if prediction.uncertainty is None:
        raise ValueError(f"{prediction.image_id}: the answer says nothing of the errors of its keypoints")
    present = prediction.state != ABSENT
    (span,) = spans(prediction.xy[None], prediction.state[None], [prediction.category], vocabulary)
    variance = np.trace(prediction.uncertainty.covariance, axis1=1, axis2=2)
    # An error above the span counts as the span; without a span nothing is known.
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
    """(C,): the share of the keypoints of a category and the given one that only one of the two has."""
    ours, masks = vocabulary.mask(category), vocabulary.masks
    return (masks ^ ours).sum(axis=1) / np.maximum((masks | ours).sum(axis=1), 1)
