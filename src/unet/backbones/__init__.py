"""Backbones by name: an image becomes the four levels of a feature pyramid."""

from collections.abc import Callable
from functools import partial

from keras import Model

from . import lite, resnet
from .applications import PYRAMIDS, build_pyramid
from .pretrained import build_started
from .published import PUBLISHED
from .reading import WeightsError
from .weights import Weights

__all__ = ["BACKBONES", "Weights", "WeightsError", "build_backbone"]

BACKBONES: dict[str, Callable[[tuple[int, int, int], Weights], Model]] = {
    "lite": lite.build,
    "resnet50": resnet.build_resnet50,
    "resnet101": resnet.build_resnet101,
    **{name.lower(): partial(build_pyramid, name) for name in PYRAMIDS},
    **{name: partial(build_started, name) for name in PUBLISHED},
}
"""name -> build(image_shape, weights): RGB image 0..255 (B, H, W, 3) -> {"P2": stride 4, ..., "P5": stride 32}."""


def build_backbone(name: str, image_shape: tuple[int, int, int], weights: Weights = None) -> Model:
    """Image (B, H, W, 3), values 0..255 -> {"P2": stride 4, "P3": 8, "P4": 16, "P5": 32}.

    weights: "imagenet" (fetched by keras.applications), a Keras weights file, for the residual family a checkpoint of
    PyTorch as well, or None for a random start. The normalisation that the weights expect is part of the model. Raises
    ValueError for an unknown name, and `WeightsError` where the weights cannot be had or do not fit.
    """
    if name not in BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; expected one of {', '.join(BACKBONES)}")
    return BACKBONES[name](image_shape, weights)
