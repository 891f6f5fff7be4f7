"""Backbones for classification by name: an image of any size to its last features.

A model of your own joins by one function and one entry in `CLASSIFIERS`.
"""

from collections.abc import Callable
from functools import partial

import keras
from keras import layers

from . import lite
from .applications import NORMALISATION, application_body, normalised
from .pretrained import build_started
from .published import PUBLISHED
from .weights import Weights

ANY_SIZE = (None, None, 3)


def build_lite(weights: Weights) -> keras.Model:
    """The backbone of the `lite` keypoint network, up to its last features."""
    return _last_level(lite.build(ANY_SIZE, weights))


def build_published_classifier(name: str, weights: Weights) -> keras.Model:
    """A network whose weights were published for PyTorch, up to its last features."""
    return _last_level(build_started(name, ANY_SIZE, weights))


def _last_level(pyramid: keras.Model) -> keras.Model:
    return keras.Model(pyramid.input, pyramid.output["P5"], name="backbone")


def build_application(application: str, weights: Weights) -> keras.Model:
    """A network of keras.applications behind the normalisation that it was trained with."""
    image = layers.Input(ANY_SIZE, name="image")
    body = application_body(application, ANY_SIZE, weights)
    return keras.Model(image, body(normalised(image, application)), name="backbone")


CLASSIFIERS: dict[str, Callable[[Weights], keras.Model]] = {
    "lite": build_lite,
    **{name.lower(): partial(build_application, name) for name in NORMALISATION},
    **{name: partial(build_published_classifier, name) for name in PUBLISHED},
}
"""name -> build(weights): RGB image 0..255 (B, H, W, 3) -> features (B, h, w, F)."""


def build_classifier_backbone(name: str, weights: Weights = None) -> keras.Model:
    """The backbone `name`. Raises ValueError for an unknown name, WeightsError for weights that cannot be had."""
    if name not in CLASSIFIERS:
        raise ValueError(f"unknown model {name!r}; expected one of {', '.join(CLASSIFIERS)}")
    return CLASSIFIERS[name](weights)
