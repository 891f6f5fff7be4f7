"""What a keypoint network's answers on annotated photos score, and the calibration that is fitted to them."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..config import KeypointConfig
from ..eval.inference import KeypointPredict, PhotoResult, predict_photos
from ..eval.keypoint_metrics import KeypointScore, score_arrays
from ..eval.visibility import Visibility, fit_visibility
from ..files import write_atomic
from ..recognition.keypoint_model import CALIBRATION
from ..records import VISIBLE, Sample
from ..vocabulary import Vocabulary


def validate(
    predict: KeypointPredict, samples: list[Sample], config: KeypointConfig, leave_out: Callable[[Path], None]
) -> dict[str, float]:
    """NE of the validation photos, overall and per category, and the accuracy of the category head.

    Every photo that cannot be read goes to `leave_out`.
    """
    return validation_numbers(predict_validation(predict, samples, config, leave_out), config.vocabulary)[1]


def predict_validation(
    predict: KeypointPredict, samples: list[Sample], config: KeypointConfig, leave_out: Callable[[Path], None]
) -> list[PhotoResult]:
    """The results, without their heatmaps, of all photos that can be read. Raises ValueError for none of them."""
    vocabulary = config.vocabulary
    seen = []
    for result in predict_photos(predict, samples, vocabulary, config.codec, config.decoder, max(config.batch_size, 8)):
        if result.prediction is None:
            leave_out(result.sample.path)
        else:
            # The heatmaps of a whole validation set would fill the memory.
            seen.append(dataclasses.replace(result, heatmaps=None))
    if not seen:
        raise ValueError("not one validation photo can be read")
    return seen


def validation_numbers(seen: list[PhotoResult], vocabulary: Vocabulary) -> tuple[KeypointScore, dict[str, float]]:
    """The official score of annotated photos, and its numbers by name; `score` is the one that training lowers."""
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


def calibrate(run: Path, seen: Sequence[PhotoResult], config: KeypointConfig) -> Visibility:
    """Fits the visibility of the keypoints on validation results, and keeps it in the run's `calibration.json`."""
    found = fit_visibility(*visibility_answers(seen, config.vocabulary))
    write_atomic(run / CALIBRATION, json.dumps(found.to_json(), indent=1) + "\n")
    return found


def visibility_answers(
    seen: Sequence[PhotoResult], vocabulary: Vocabulary
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The peaks (N, K) of annotated photos, which keypoints are visible, and which their categories have."""
    told = [(r.prediction, r.sample.keypoints) for r in seen if r.prediction and r.sample.keypoints]
    peaks = np.stack([prediction.score for prediction, _ in told])
    visible = np.stack([truth.state == VISIBLE for _, truth in told])
    return peaks, visible, np.stack([vocabulary.mask(prediction.category) for prediction, _ in told])
