"""Logits of the classifier's heads -> probabilities of their classes."""

import numpy as np

from ..records import HeadSpec
from .calibration import sigmoid, softmax


def head_probabilities(head: HeadSpec, logits: np.ndarray, temperature: float | np.ndarray = 1.0) -> np.ndarray:
    """(B, logits) -> (B, C) float64. Exclusive and ordinal heads sum to 1; independent labels do not.

    temperature: divides the logits (arXiv:1706.04599). An ordinal head has C - 1 logits, `higher than class c?`; if
    they contradict each other (higher than c, but not than a lower one), the lower class limits the higher one.
    """
    if head.kind == "exclusive":
        return softmax(logits, temperature)
    answers = sigmoid(logits, temperature)
    if head.kind == "independent":
        return answers
    higher = np.minimum.accumulate(answers, axis=-1)
    ones, zeros = np.ones((*higher.shape[:-1], 1)), np.zeros((*higher.shape[:-1], 1))
    return np.concatenate([ones, higher], axis=-1) - np.concatenate([higher, zeros], axis=-1)
