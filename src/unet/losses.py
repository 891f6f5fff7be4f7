"""Losses of the keypoint network. A heatmap error of 1 is what predicting nothing costs: the energy of the target."""

import math

from keras import KerasTensor, losses, ops

Tensors = dict[str, KerasTensor]


def heatmap_errors(target, predicted, sigma: float):
    """(B, h, w, K) x2 -> (B, K): squared errors summed over the cells, over the energy pi sigma^2 of a Gaussian."""
    return ops.sum(ops.square(target - predicted), axis=(1, 2)) / (math.pi * sigma**2)


def _weighted_mean(errors, weights):
    """(B, K) x2 -> (B,); an image without any weight counts 0."""
    return ops.sum(errors * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1e-6)


def keypoint_loss(target, predicted, labelled, sigma: float):
    """Mean error over each image's labelled keypoints. (B, h, w, K) x2, (B, K) weights -> (B,)."""
    return _weighted_mean(heatmap_errors(target, predicted, sigma), labelled)


def hardest_keypoint_loss(target, predicted, labelled, keep, sigma: float):
    """Mean over each image's `keep` worst labelled keypoints (online hard keypoint mining, arXiv:1711.07319).

    (B, h, w, K) x2, (B, K) weights, (B,) -> (B,). Where fewer than `keep` are labelled, all of them count.
    """
    errors = heatmap_errors(target, predicted, sigma) * labelled
    # The rank is the number of keypoints that are worse; equal errors rank by position, so exactly `keep` remain.
    ranked = ops.where(labelled > 0, errors, -1.0)
    worse = ranked[:, None, :] > ranked[:, :, None]
    position = ops.arange(ops.shape(ranked)[1])
    earlier = (ranked[:, None, :] == ranked[:, :, None]) & (position[None, None, :] < position[None, :, None])
    rank = ops.sum(ops.cast(worse | earlier, "float32"), axis=2)
    chosen = ops.cast(rank < keep[:, None], "float32") * ops.cast(labelled > 0, "float32")
    return ops.sum(errors * chosen, axis=1) / ops.maximum(ops.sum(labelled * chosen, axis=1), 1e-6)


def keypoint_objective(targets: Tensors, outputs: Tensors, sigma: float, hard_fraction: float, category_weight: float):
    """Every loss of a CPN by name, scalars: `global` (summed over the levels), `refined` and, with a head, `category`.

    targets: heatmaps (B, h, w, K), labelled (B, K), mask (B, K), category (B,), categorised (B,).
    RefineNet learns from the worst `hard_fraction` of the keypoints that the category has, rounded up.
    """
    heat, labelled = targets["heatmaps"], targets["labelled"]
    levels = [keypoint_loss(heat, outputs[key], labelled, sigma) for key in sorted(outputs) if key.startswith("global")]
    keep = ops.ceil(hard_fraction * ops.sum(targets["mask"], axis=1))
    refined = hardest_keypoint_loss(heat, outputs["refined"], labelled, keep, sigma)
    parts = {"global": ops.mean(sum(levels)), "refined": ops.mean(refined)}
    if "category" in outputs:
        entropy = losses.sparse_categorical_crossentropy(targets["category"], outputs["category"], from_logits=True)
        # Photos that could not be read, or show no garment, say nothing of a category.
        known = ops.cast(targets["categorised"], "float32")
        parts["category"] = category_weight * ops.sum(entropy * known) / ops.maximum(ops.sum(known), 1.0)
    return parts
