"""Scores of a keypoint network's predictions on annotated photos, and fitting of the calibration."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..config import KeypointConfig
from ..eval.calibration import Reliability, reliability
from ..eval.inference import KeypointPredict, PhotoResult, predict_photos
from ..eval.keypoint_metrics import KeypointScore, score_arrays
from ..eval.visibility import Visibility, fit_visibility, mean_peak
from ..files import sealed, write_atomic
from ..recognition.keypoint_model import CALIBRATION
from ..records import ABSENT, NO_GARMENT, VISIBLE, Sample
from ..vocabulary import Vocabulary
from .length_errors import fit_keypoint_errors


def predict_validation(
    predict: KeypointPredict,
    samples: list[Sample],
    config: KeypointConfig,
    leave_out: Callable[[Path], None],
    visibility: Visibility | None = None,
) -> list[PhotoResult]:
    """The results, without heatmaps, of all readable photos; the others go to `leave_out`.

    Raises ValueError if no photo can be read.
    """
    seen, batch_size = [], max(config.batch_size, 8)
    results = predict_photos(
        predict, samples, config.vocabulary, config.codec, config.decoder, batch_size, visibility=visibility
    )
    for result in results:
        if result.prediction is None:
            leave_out(result.sample.path)
        else:
            # The heatmaps of a whole validation set would fill the memory.
            seen.append(dataclasses.replace(result, heatmaps=None))
    if not seen:
        raise ValueError("not one validation photo can be read")
    return seen


def validation_numbers(seen: list[PhotoResult], vocabulary: Vocabulary) -> tuple[KeypointScore, dict[str, float]]:
    """The official score on annotated photos, and its numbers by name; `score` is the one that training lowers.

    The numbers are the NE, over all and by category, and the accuracy of the category head. Photos without a garment do
    not count.
    """
    seen = [result for result in seen if result.sample.category != NO_GARMENT]
    truth = [result.sample.keypoints for result in seen if result.sample.keypoints]
    categories = [str(result.sample.category) for result in seen]
    score = score_arrays(
        np.stack([result.prediction.xy for result in seen if result.prediction]),
        np.stack([points.xy for points in truth]),
        np.stack([points.state for points in truth]),
        categories,
        vocabulary,
    )
    row = {"score": score.ne, "ne": score.ne}
    row |= {f"ne_{category}": score.per_category.get(category, float("nan")) for category in vocabulary.categories}
    guessed = [
        vocabulary.categories[int(result.probabilities.argmax())] for result in seen if result.probabilities is not None
    ]
    accuracy = float(np.mean([a == b for a, b in zip(guessed, categories, strict=True)]))
    return score, row | {"category_accuracy": accuracy}


def fit_calibration(run: Path, seen: Sequence[PhotoResult], config: KeypointConfig) -> Visibility:
    """Fits the visibility and the errors of the keypoints on validation results, and saves both in the run's
    `calibration.json`. Without any visible keypoint there are no errors to fit."""
    shown = [r.prediction for r in seen if r.prediction and r.sample.category == NO_GARMENT]
    without = [mean_peak(p.score, config.vocabulary.mask(p.category)) for p in shown]
    found = fit_visibility(*visibility_answers(seen, config.vocabulary), np.array(without))
    with contextlib.suppress(ValueError):
        found = dataclasses.replace(found, errors=fit_keypoint_errors(seen, config).errors)
    write_calibration(run, found)
    return found


def write_calibration(run: Path, found: Visibility) -> None:
    """Writes the calibration within `runs.calibrated`, which keeps its digest."""
    write_atomic(run / CALIBRATION, json.dumps(sealed(found.to_json()), indent=1) + "\n")


def visibility_reliabilities(
    seen: Sequence[PhotoResult], vocabulary: Vocabulary, visibility: Visibility
) -> dict[str, tuple[Reliability, Reliability]]:
    """Reliability of peaks and probabilities, for all keypoints together as `visible`, and for each by its name."""
    peaks, visible, present = visibility_answers(seen, vocabulary)
    probabilities = visibility.probability(peaks)
    peaks = np.clip(peaks, 0, 1)

    def both(chosen: tuple) -> tuple[Reliability, Reliability]:
        return reliability(peaks[chosen], visible[chosen]), reliability(probabilities[chosen], visible[chosen])

    states = {"visible": both((present,))}
    for k, name in enumerate(vocabulary.keypoints):
        if present[:, k].any():
            states[name] = both((present[:, k], k))
    return states


def visibility_answers(
    seen: Sequence[PhotoResult], vocabulary: Vocabulary
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The peaks (N, K) of annotated photos, which keypoints are visible, and which belong to their category.

    Photos without any labelled keypoint are left out.
    """
    pairs = [(r.prediction, r.sample.keypoints) for r in seen if r.prediction and r.sample.keypoints]
    pairs = [(prediction, truth) for prediction, truth in pairs if (truth.state != ABSENT).any()]
    peaks = np.stack([prediction.score for prediction, _ in pairs])
    visible = np.stack([truth.state == VISIBLE for _, truth in pairs])
    return peaks, visible, np.stack([vocabulary.mask(prediction.category) for prediction, _ in pairs])
