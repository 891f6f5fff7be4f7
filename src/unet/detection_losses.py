"""The losses of a detector: focal loss of the maps, and the overlap of boxes."""

from typing import Any

from keras import ops

from .losses import Tensors


def heat_loss(target: Any, logits: Any, counted: Any):
    """Focal loss with fewer penalties near a middle (arXiv:1808.01244), by the number of garments in the batch.

    target: (B, h, w, C) of 0..1, 1 in the middle of a garment. logits: the same shape. counted: (B, h, w, C), 0 where
    it is not known whether there is a garment.
    """
    logits, target = ops.cast(logits, "float32"), ops.cast(target, "float32")
    there = ops.cast(target == 1, "float32")
    # log of the probability and of its complement, which do not overflow as the logarithm of a probability does.
    log_yes, log_no = -ops.softplus(-logits), -ops.softplus(logits)
    p = ops.exp(log_yes)
    missed = there * (1 - p) ** 2 * log_yes
    mistaken = (1 - there) * (1 - target) ** 4 * p**2 * log_no
    return -ops.sum(counted * (missed + mistaken)) / ops.maximum(ops.sum(there), 1.0)


def box_loss(target: Any, distances: Any, weight: Any):
    """1 minus the generalised overlap (GIoU, arXiv:1902.09630) of two boxes about one cell, the mean over garments.

    target, distances: (B, h, w, C, 4) px. weight: (B, h, w, C), which sums up to 1 over the cells of a garment.
    """
    shared = _area(ops.minimum(target, distances))
    joint = _area(target) + _area(distances) - shared
    about = _area(ops.maximum(target, distances))
    giou = shared / ops.maximum(joint, 1e-6) - (about - joint) / ops.maximum(about, 1e-6)
    weight = ops.cast(weight, giou.dtype)
    return ops.sum(weight * (1 - giou)) / ops.maximum(ops.sum(weight), 1.0)


def _area(distances: Any):
    """Of the boxes about one point, or of what two of them share or span."""
    left, top, right, bottom = ops.unstack(distances, 4, axis=-1)
    return (left + right) * (top + bottom)


def detection_objective(targets: Tensors, outputs: Tensors, box_weight: float) -> dict[str, Any]:
    """Both losses by name, scalars: `heat` and `boxes`. targets: heat, counted, distances, weight, as `BoxTargets`."""
    return {
        "heat": heat_loss(targets["heat"], outputs["heat"], targets["counted"]),
        "boxes": box_weight * box_loss(targets["distances"], outputs["distances"], targets["weight"]),
    }
