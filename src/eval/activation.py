"""Class activation maps (arXiv:1512.04150): where a classifier looks, from its last features and its heads' weights.

They are the second source of a heat map for the crop: they need a classifier of whole photos, but no keypoints.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..data_gen.preprocess import letterboxed
from ..geometry import Frame, zoom
from ..records import Box, CropRule, HeadSpec
from ..regions import garment_region
from .crops import Framed
from .heads import head_probabilities
from .reading import full_batch

_FINER = 8
"""The map is enlarged by this factor before the threshold is applied, so the box is finer than whole strides."""


@dataclass(frozen=True, slots=True)
class ActivationNet:
    """features: images (B, S, S, 3) uint8 -> last features (B, h, w, F) and logits by head, (B, logits).

    kernels: by head (F, logits), the weights from the features' mean to the logits. size: S in px.
    """

    features: Callable[[np.ndarray], tuple[np.ndarray, dict[str, np.ndarray]]]
    kernels: dict[str, np.ndarray]
    heads: tuple[HeadSpec, ...]
    size: int


def class_weights(head: HeadSpec, kernel: np.ndarray, chosen: int) -> np.ndarray:
    """(F,): the weights for class number `chosen`; kernel (F, logits).

    A class of an ordinal head is higher than the one below it and not higher than itself.
    """
    if head.kind != "ordinal":
        return kernel[:, chosen]
    weights = np.zeros(len(kernel), kernel.dtype)
    if chosen > 0:
        weights = weights + kernel[:, chosen - 1]
    if chosen < kernel.shape[1]:
        weights = weights - kernel[:, chosen]
    return weights


def activation_map(
    net: ActivationNet, features: np.ndarray, logits: dict[str, np.ndarray], names: Sequence[str]
) -> np.ndarray:
    """(h, w) in 0..1: the mean over the heads `names` of the maps of their most probable classes, each scaled to its
    peak.

    features: (h, w, F) and logits: by head (logits,), of one image. All zero if no feature supports the classes.
    """
    total = np.zeros(features.shape[:2], np.float32)
    for head in net.heads:
        if head.name in names:
            chosen = int(head_probabilities(head, logits[head.name][None])[0].argmax())
            found = np.maximum(features @ class_weights(head, net.kernels[head.name], chosen), 0)
            peak = found.max(initial=0)
            total += found / (peak * len(names)) if peak > 0 else 0
    return total


def activation_region(found: np.ndarray, side: int, frame: Frame, size: tuple[int, int], rule: CropRule) -> Box | None:
    """The squared box in photo pixels about the largest region above the rule's threshold.

    found: (h, w), of a square input of `side` px; frame: from the photo of `size` to that input.
    """
    height, width = found.shape
    fine = cv2.resize(found, (width * _FINER, height * _FINER), interpolation=cv2.INTER_LINEAR)
    to_cells = zoom(fine.shape[1] / side, fine.shape[0] / side)
    to_photo = Frame(to_cells.inverse).then(Frame(frame.inverse))
    return garment_region(fine[..., None], np.array([True]), to_photo, size, (), rule.threshold, rule.margin)


def frame_by_activation(
    net: ActivationNet,
    photos: Sequence[np.ndarray],
    names: Sequence[Sequence[str]],
    batch_size: int,
    rule: CropRule,
) -> list[Framed]:
    """The boxes of up to `batch_size` photos (H, W, 3) uint8, by the maps of the heads `names` of each photo."""
    if not photos:
        return []
    inputs = [letterboxed(photo, (net.size, net.size)) for photo in photos]
    features, logits = net.features(full_batch([image for image, _ in inputs], batch_size))
    framed = []
    for index, (photo, (_, frame)) in enumerate(zip(photos, inputs, strict=True)):
        logits_of_photo = {name: values[index] for name, values in logits.items()}
        found = activation_map(net, features[index], logits_of_photo, names[index])
        size = photo.shape[1], photo.shape[0]
        box = activation_region(found, net.size, frame, size, rule)
        framed.append(Framed(box or Box(0, 0, *size), box is None))
    return framed
