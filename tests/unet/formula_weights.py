"""Weights and images that follow from a name and a shape by a formula, so that no file of them has to be kept.

Every number is a hash of its place and of the tensor's name: the same on every machine and in every version of NumPy.
"""

import zlib
from collections.abc import Mapping

import numpy as np

SIZES = (64, 75)
"""Sides of the images on which networks are compared; of the odd one, every stride rounds."""
CLASSES = 1000


def uniform(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers from 0 to below 1 (float64), by splitmix64."""
    state = np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state += np.uint64(zlib.crc32(name.encode())) << np.uint64(32)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    state ^= state >> np.uint64(31)
    return ((state >> np.uint64(11)).astype(np.float64) / 2**53).reshape(shape)


def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor of PyTorch, float32, of a size that keeps features alive through hundreds of layers.

    Uneven statistics in every normalisation: a network that swapped two of them would show it. Branches end small, and
    so are the logits of split attention: else features grow with depth until its softmax is a switch, which rounding
    throws (two computations in float32 then differ, while in float64 they agree).
    """
    x = uniform(name, shape)
    part = name.rpartition(".")[2]
    if len(shape) > 1:
        x = (2 * x - 1) * np.sqrt(6 / np.prod(shape[1:])) * (0.2 if ".conv2.fc2." in name else 1.0)
    elif part == "running_var":
        x = 0.5 + x
    elif part == "weight":
        x = (0.2 if name.endswith("bn3.weight") else 0.6) + 0.4 * x
    else:
        x = 0.4 * x - 0.2
    return x.astype(np.float32)


def state(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    return {name: tensor(name, shape) for name, shape in shapes.items()}


def image(side: int) -> np.ndarray:
    """(1, side, side, 3) float32, whole numbers 0..255."""
    return np.floor(256 * uniform(f"image{side}", (1, side, side, 3))).astype(np.float32)
