"""Losses of the classifier's heads. Every one is masked: a photo counts only in the heads that it is labelled for."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from keras import losses, ops

from ..records import HeadSpec


def exclusive_loss(target, logits):
    """Cross entropy with soft targets. (B, C) x2 -> (B,)."""
    return losses.categorical_crossentropy(target, logits, from_logits=True)


def ordinal_loss(target, logits):
    """Binary cross entropies of `higher than class c?`, summed. Targets (B, C), logits (B, C - 1) -> (B,).

    The target of threshold c is the probability of all classes above c (cumulative labels, arXiv:0704.1028).
    """
    above = 1.0 - ops.cumsum(target, axis=-1)[:, :-1]
    return ops.sum(_binary(above, logits), axis=-1)


def independent_losses(target, logits, positive_weight):
    """One weighted binary cross entropy a label. (B, C) x2, positive_weight (C,) -> (B, C).

    positive_weight: how much more a label that holds counts than one that does not.
    """
    return _binary(target, logits) * (1.0 + (positive_weight - 1.0) * target)


def _binary(target, logits):
    return ops.softplus(logits) - target * logits


def positive_weights(counts: np.ndarray, total: int, most: float = 20.0) -> np.ndarray:
    """(C,) weights from the counts of each label among `total` photos: the root of negatives over positives.

    The full ratio would let the rarest label, one photo in five hundred, rule all others.
    """
    counts = np.maximum(np.asarray(counts, np.float64), 1.0)
    return np.clip(np.sqrt(np.maximum(total - counts, 1.0) / counts), 1 / most, most).astype(np.float32)


def equal_head_weights(labelled: Mapping[str, int]) -> dict[str, float]:
    """By head what its loss is multiplied by so that, over a whole epoch, every head counts the same.

    labelled: by head its number of labelled photos. The sum of all losses stays about as large as it was; a head
    without photos, which has no loss, gets 1.
    """
    some = [count for count in labelled.values() if count]
    return {name: float(np.mean(some) / count) if count else 1.0 for name, count in labelled.items()}


def loss_names(heads: Sequence[HeadSpec]) -> list[str]:
    """The names of all losses in order: one a head, and for an independent head one a label."""
    names = [[f"{h.name}/{c}" for c in h.classes] if h.kind == "independent" else [h.name] for h in heads]
    return [name for group in names for name in group]


def attribute_objective(
    targets,
    outputs,
    heads: Sequence[HeadSpec],
    weights: Mapping[str, np.ndarray],
    head_weights: Mapping[str, float] = MappingProxyType({}),
):
    """Losses by name, scalars. targets: `target/<head>` (B, C) and `known/<head>` (B,), 1 where it is labelled.

    Summed over the batch and divided by its size, so that every labelled photo counts the same in whichever head, but
    for `head_weights`, by head, 1 where it is not named. weights: for each independent head its `positive_weights`.
    """
    parts = {}
    for head in heads:
        target, known, logits = targets[f"target/{head.name}"], targets[f"known/{head.name}"], outputs[head.name]
        # Not divided by the labelled photos of this batch: of few, each would count far more than of many.
        share = head_weights.get(head.name, 1.0) / ops.cast(ops.shape(logits)[0], "float32")
        if head.kind == "independent":
            each = independent_losses(target, logits, weights[head.name]) * known[:, None]
            for index, name in enumerate(head.classes):
                parts[f"{head.name}/{name}"] = ops.sum(each[:, index]) * share
        else:
            loss = ordinal_loss if head.kind == "ordinal" else exclusive_loss
            parts[head.name] = ops.sum(loss(target, logits) * known) * share
    return parts
