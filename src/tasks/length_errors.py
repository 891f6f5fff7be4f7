"""How far the keypoints of a network are off, fitted to its answers on annotated photos."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..config import KeypointConfig
from ..eval.inference import PhotoResult
from ..eval.keypoint_errors import KeypointErrors, Observed, coverage, default_errors, fit_errors, fit_lengths
from ..eval.measuring import lengths_in_pixels
from ..measurement_sets import MeasurementSet, measurements_of
from ..records import VISIBLE, Keypoints, Prediction


@dataclass(frozen=True, slots=True)
class FittedErrors:
    """errors: of the keypoints. lengths: how many they were held against. before, after: the shares of them within one
    and within two standard errors, by the errors that stood before and by these."""

    errors: KeypointErrors
    lengths: int
    before: tuple[float, float]
    after: tuple[float, float]


def fit_keypoint_errors(
    seen: Sequence[PhotoResult], config: KeypointConfig, earlier: KeypointErrors | None = None
) -> FittedErrors:
    """Fits the errors to the answers to annotated photos, for the lengths of the network's vocabulary.

    earlier: the errors that were known before, by default those of networks without any. Raises ValueError where no
    keypoint is annotated as visible.
    """
    known = measurements_of(config.vocabulary)
    count = len(config.vocabulary.keypoints)
    answers = [_Answer.of(result, config) for result in seen if result.prediction is not None]
    answers = [answer for answer in answers if answer is not None]
    if not answers:
        raise ValueError("no annotated photo was answered: there is nothing to fit the errors of keypoints to")
    errors = fit_errors(
        Observed(
            np.stack([answer.off for answer in answers]),
            np.stack([answer.spread for answer in answers]),
            np.stack([answer.prediction.score for answer in answers]),
            np.stack([answer.seen for answer in answers]),
        )
    )
    fitted = fit_lengths(errors, *_lengths(answers, known, errors))
    off, before = _lengths(answers, known, earlier or default_errors(count))
    _, after = _lengths(answers, known, fitted)
    shares = [coverage(off / deviations) if len(off) else (np.nan, np.nan) for deviations in (before, after)]
    return FittedErrors(fitted, len(off), *shares)


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """off: (K, 2) cells, found minus true. seen: (K,) bool, whether it is annotated as visible. to_photo: (2, 2), cells
    to px of the photo."""

    prediction: Prediction
    truth: Keypoints
    spread: np.ndarray
    off: np.ndarray
    seen: np.ndarray
    to_photo: np.ndarray

    @classmethod
    def of(cls, result: PhotoResult, config: KeypointConfig) -> "_Answer | None":
        prediction, truth, frame = result.prediction, result.sample.keypoints, result.frame
        if prediction is None or truth is None or frame is None or result.spread is None:
            return None
        present = config.vocabulary.mask(prediction.category)
        seen = present & (truth.state == VISIBLE)
        off = np.where(seen[:, None], prediction.xy - truth.xy, 0) @ (frame.matrix[:, :2].T / config.codec.stride)
        to_photo = config.codec.stride * frame.inverse[:, :2]
        return cls(prediction, truth, result.spread, off, seen, to_photo)


def _lengths(
    answers: Sequence[_Answer], known: MeasurementSet, errors: KeypointErrors
) -> tuple[np.ndarray, np.ndarray]:
    """Of all lengths whose keypoints are annotated as visible how far they are off, and their standard errors, px."""
    off, expected = [], []
    for answer in answers:
        covariance = answer.to_photo @ errors.covariance(answer.spread, answer.prediction.score) @ answer.to_photo.T
        found, deviations = lengths_in_pixels(replace(answer.prediction, covariance=covariance), known)
        of = known.of(answer.prediction.category)
        true, _ = of.measure(np.where(answer.seen[:, None], answer.truth.xy, 0))
        whole = ~(of.uses & ~answer.seen).any(axis=1) & np.isfinite(found) & np.isfinite(true) & (deviations > 0)
        off.append((found - true)[whole])
        expected.append(deviations[whole])
    return np.concatenate(off), np.concatenate(expected)
