"""The challenge's submission: the rows of test.csv with all 24 keypoints."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..data_gen.formats.challenges import KEYPOINTS
from ..data_gen.formats.fashionai import write_keypoint_csv
from ..records import ABSENT, Keypoints, Prediction, Sample
from ..vocabulary import Vocabulary
from .keypoint_metrics import matched


def submission_samples(
    predictions: Sequence[Prediction], samples: Sequence[Sample], vocabulary: Vocabulary
) -> list[Sample]:
    """The predictions as samples with the 24 official keypoints.

    Predicted keypoints of the sample's category are visible (1) or, if that is improbable, hidden (0); all others are
    absent (-1) at (-1, -1).

    Args:
        predictions: one for each sample, in any order; predictions of other images are left out.
        samples: the rows of test.csv; a sample without category takes the predicted one.
        vocabulary: what the keypoints of the predictions are.

    Returns:
        One sample for each of `samples`, in their order.

    Raises:
        ValueError: a sample without prediction or with one of another category, an image_id that occurs
            twice, a category outside the vocabulary, or predictions of another number of keypoints.
    """
    filled = []
    for sample, prediction in zip(samples, matched(samples, predictions, "predictions"), strict=True):
        if sample.category not in (None, prediction.category):
            raise ValueError(
                f"{sample.image_id} is listed as {sample.category} and was predicted as {prediction.category}; "
                "predict with the listed category"
            )
        filled.append(replace(sample, category=prediction.category, keypoints=_official(prediction, vocabulary)))
    return filled


def write_submission(
    path: Path, predictions: Sequence[Prediction], samples: Sequence[Sample], vocabulary: Vocabulary
) -> None:
    """Writes `submission_samples` as the official CSV, coordinates rounded to whole pixels, whole or not at all."""
    write_keypoint_csv(path, submission_samples(predictions, samples, vocabulary), decimals=0)


def _official(prediction: Prediction, vocabulary: Vocabulary) -> Keypoints:
    """The predicted keypoints among the 24. Raises ValueError for a vocabulary with others."""
    unknown = [name for name in vocabulary.keypoints if name not in KEYPOINTS]
    if unknown:
        raise ValueError(f"the official submission has no {', '.join(unknown[:5])}: write COCO results instead")
    columns = np.array([KEYPOINTS.index(name) for name in vocabulary.keypoints])
    expected = len(vocabulary.keypoints)
    if not (len(prediction.xy) == len(prediction.state) == expected):
        raise ValueError(
            f"{prediction.image_id}: expected {expected} keypoints (those of {', '.join(vocabulary.categories)}), "
            f"got {len(prediction.xy)}; give the vocabulary that the model was trained with"
        )
    present = (prediction.state != ABSENT) & vocabulary.mask(prediction.category)
    xy = np.full((len(KEYPOINTS), 2), -1.0)
    state = np.full(len(KEYPOINTS), ABSENT)
    xy[columns[present]] = prediction.xy[present]
    state[columns[present]] = prediction.state[present]
    return Keypoints(xy, state)
