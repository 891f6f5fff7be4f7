"""The probability that a predicted keypoint is visible, and whether there is a garment at all.

A heatmap's peak is not a probability: its height at a visible point differs between keypoints. On validation photos a
logistic curve is fitted to each keypoint (Platt scaling). The fewer examples a keypoint has, the closer its curve is to
that of all keypoints together.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from .calibration import fit_curve, logit, sigmoid
from .keypoint_errors import KeypointErrors

THRESHOLD = 0.5
"""A keypoint with a lower probability of being visible counts as hidden."""
LOST = 0.005
"""Share of validation photos whose garment may be missed."""
_STRENGTH = 10.0
"""Precision of the normal distribution of a keypoint's slope and offset about those of all."""


@dataclass(frozen=True, slots=True, eq=False)
class Visibility:
    """slope, offset: (K,), probability = sigmoid(slope logit(peak) + offset). found: the mean peak of a category's
    keypoints below which a photo shows no garment. errors: the expected errors of the keypoints; None if they were not
    fitted, as by earlier versions."""

    slope: np.ndarray
    offset: np.ndarray
    found: float
    errors: KeypointErrors | None = None

    def probability(self, peaks: np.ndarray) -> np.ndarray:
        """Heatmap peaks (..., K) -> (..., K) in 0..1, the probability of being visible; it rises with the peak."""
        return sigmoid(self.slope * logit(peaks) + self.offset)

    def to_json(self) -> dict[str, Any]:
        facts = {"slope": self.slope.tolist(), "offset": self.offset.tolist(), "found": self.found}
        return facts | ({} if self.errors is None else {"errors": self.errors.to_json()})

    @classmethod
    def from_json(cls, facts: dict[str, Any], keypoints: int) -> Self:
        """Raises ValueError for what `to_json` did not write, or for another number of keypoints.

        The caller adds the name of the file: its facts can be part of a larger one.
        """
        if not isinstance(facts, dict) or set(facts) - {"errors"} != {"slope", "offset", "found"}:
            raise ValueError(f"no calibration of keypoints: expected slope, offset and found; got {facts!r:.80}")
        errors = KeypointErrors.from_json(facts["errors"], keypoints) if "errors" in facts else None
        parts = [facts["found"], *(v for name in ("slope", "offset") for v in _listed(facts[name]))]
        if not all(type(value) in (int, float) for value in parts):
            raise ValueError("no calibration of keypoints: a value is not a number")
        try:
            made = cls(np.array(facts["slope"], float), np.array(facts["offset"], float), float(facts["found"]))
        except (TypeError, OverflowError) as error:
            raise ValueError(f"no calibration of keypoints: {error}") from None
        sound = np.isfinite([*made.slope.ravel(), *made.offset.ravel(), made.found]).all()
        if made.slope.shape != (keypoints,) or made.offset.shape != (keypoints,) or not sound:
            raise ValueError(
                f"expected {keypoints} finite slopes and offsets; got {made.slope.shape} and {made.offset.shape}"
            )
        if (made.slope < 0).any() or not 0 <= made.found <= 1:
            raise ValueError("expected slopes from 0 up, and for found a number from 0 to 1")
        return replace(made, errors=errors)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [None]


def fit_visibility(
    peaks: np.ndarray, visible: np.ndarray, present: np.ndarray, without: np.ndarray | None = None
) -> Visibility:
    """Fits the curves with the highest likelihood on validation photos, and the limit for photos without a garment.

    Args:
        peaks: (N, K) heatmap peaks.
        visible: (N, K) bool, annotated as visible.
        present: (N, K) bool, the keypoints that the garment's category has; only they count.
        without: (M,) the `mean_peak` of photos without a garment, if there are some.

    Raises:
        ValueError: shapes that differ, peaks that are not finite, or a photo without a present keypoint.
    """
    peaks, visible, present = np.asarray(peaks, float), np.asarray(visible, bool), np.asarray(present, bool)
    if peaks.ndim != 2 or not peaks.shape == visible.shape == present.shape or not len(peaks):
        raise ValueError(f"expected (N, K) three times; got {peaks.shape}, {visible.shape} and {present.shape}")
    if not np.isfinite(peaks).all():
        raise ValueError("a heatmap peak is not finite; look for a diverged model")
    if not present.any(axis=1).all():
        raise ValueError("a photo has no keypoint that its category has")
    logits = logit(peaks)
    # If all were visible, or none, the curve would be a step: the prior keeps it smooth.
    shared = fit_curve(logits[present], visible[present], np.array([1.0, 0.0]), 1e-3)
    curves = np.array(
        [
            fit_curve(logits[present[:, k], k], visible[present[:, k], k], shared, _STRENGTH)
            for k in range(peaks.shape[1])
        ]
    )
    means = (np.clip(peaks, 0, 1) * present).sum(axis=1) / present.sum(axis=1)
    return Visibility(curves[:, 0], curves[:, 1], _least_peak(means, np.asarray([] if without is None else without)))


def _least_peak(means: np.ndarray, without: np.ndarray) -> float:
    """The mean peak below which a photo shows no garment: `LOST` of the garments lie below it, or fewer if the photos
    without one lie lower still; then the middle of the two."""
    upper = float(np.quantile(means, LOST))
    lower = float(np.quantile(without, 1 - LOST)) if len(without) else upper
    return (upper + min(lower, upper)) / 2


def mean_peak(peaks: np.ndarray, present: np.ndarray) -> float:
    """The value that is compared with `Visibility.found`: the mean of the peaks (K,) of the present keypoints (K,)."""
    return float(np.clip(peaks[present], 0, 1).mean()) if present.any() else 0.0
