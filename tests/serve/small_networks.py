"""Configurations and images for networks small enough to be converted in seconds."""

import numpy as np

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.records import HeadSpec

CONFIG = KeypointConfig(network="lite", size=64)
CLASSES = AttributeConfig(task="all", network="lite", size=32)
HEADS = (
    HeadSpec("colour", "exclusive", ("red", "green", "blue")),
    HeadSpec("length", "ordinal", ("short", "middle", "long", "longest")),
    HeadSpec("style", "independent", ("sport", "office")),
)
TEMPERATURES = {"colour": 2.0, "style": [0.5, 3.0]}


def some_images(side: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
