"""Fits the errors of a network's keypoints on its predictions for annotated photos."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..config import KeypointConfig
from ..eval.inference import PhotoResult
from ..eval.keypoint_errors import KeypointErrors, Observed, coverage, default_errors, fit_errors, fit_lengths
from ..eval.measuring import lengths_in_pixels
from ..measurement_sets import MeasurementSet, measurements_of
from ..records import VISIBLE, Keypoints, Prediction, Uncertainty


@dataclass(frozen=True, slots=True)
class FittedErrors:
    """errors: of the keypoints. lengths: number of lengths used. before, after: shares of them within one and within
    two standard errors, by the previous errors and by the fitted ones."""

    errors: KeypointErrors
    lengths: int
    before: tuple[float, float]
    after: tuple[float, float]


def fit_keypoint_errors(
    seen: Sequence[PhotoResult], config: KeypointConfig, earlier: KeypointErrors | None = None
) -> FittedErrors:
    """Fits the errors on predictions for annotated photos, for the lengths of the network's vocabulary.

    earlier: the previous errors; default: those of networks without any. Raises ValueError if no keypoint is annotated
    as visible.
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
    fitted = fit_lengths(errors, _ratios(answers, known, errors))
    shares, total = [], 0
    for those in (earlier or default_errors(count), fitted):
        ratios = np.concatenate([np.zeros(0), *_ratios(answers, known, those).values()])
        total = len(ratios)
        shares.append(coverage(ratios) if total else (np.nan, np.nan))
    return FittedErrors(fitted, total, *shares)


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """off: (K, 2) cells, predicted minus true. seen: (K,) bool, whether it is annotated as visible. to_photo: (2, 2),
    cells to px of the photo."""

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


def _ratios(answers: Sequence[_Answer], known: MeasurementSet, errors: KeypointErrors) -> dict[str, np.ndarray]:
    """By `Measurement.key`, the errors, in standard errors, of all lengths whose keypoints are annotated as visible."""
    found: dict[str, list[float]] = {}
    for answer in answers:
        covariance = answer.to_photo @ errors.covariance(answer.spread, answer.prediction.score) @ answer.to_photo.T
        uncertainty = Uncertainty(covariance, errors.lengths)
        values, deviations = lengths_in_pixels(replace(answer.prediction, uncertainty=uncertainty), known)
        of = known.of(answer.prediction.category)
        true, _ = of.measure(np.where(answer.seen[:, None], answer.truth.xy, 0))
        whole = ~(of.uses & ~answer.seen).any(axis=1) & np.isfinite(values) & np.isfinite(true) & (deviations > 0)
        for number in np.flatnonzero(whole):
            found.setdefault(of.keys[number], []).append((values[number] - true[number]) / deviations[number])
    return {key: np.array(ratios) for key, ratios in found.items()}
