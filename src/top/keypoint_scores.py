"""What a keypoint network's answers on annotated photos score."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from aifashion.config import KeypointConfig
from aifashion.eval.inference import KeypointPredict, PhotoResult, predict_photos
from aifashion.eval.keypoint_metrics import KeypointScore, score_arrays
from aifashion.garments import Vocabulary
from aifashion.records import Sample


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
    words = config.vocabulary
    seen = []
    for result in predict_photos(predict, samples, words, config.codec, config.decoder, max(config.batch_size, 8)):
        if result.prediction is None:
            leave_out(result.sample.path)
        else:
            # The heatmaps of a whole validation set would fill the memory.
            seen.append(dataclasses.replace(result, heatmaps=None))
    if not seen:
        raise ValueError("not one validation photo can be read")
    return seen


def validation_numbers(seen: list[PhotoResult], words: Vocabulary) -> tuple[KeypointScore, dict[str, float]]:
    """The official score of annotated photos, and its numbers by name; `score` is the one that training lowers."""
    truth = [result.sample.keypoints.select(words.indices) for result in seen if result.sample.keypoints]
    categories = [str(result.sample.category) for result in seen]
    score = score_arrays(
        np.stack([result.prediction.xy for result in seen if result.prediction]),
        np.stack([points.xy for points in truth]),
        np.stack([points.state for points in truth]),
        categories,
        words,
    )
    row = {"score": score.ne, "ne": score.ne}
    row |= {f"ne_{category}": score.per_category.get(category, float("nan")) for category in words.categories}
    guessed = [words.categories[int(result.odds.argmax())] for result in seen if result.odds is not None]
    accuracy = float(np.mean([a == b for a, b in zip(guessed, categories, strict=True)]))
    return score, row | {"category_accuracy": accuracy}
