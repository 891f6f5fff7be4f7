"""ResNet50 and ResNet101 (arXiv:1512.03385) from keras.applications, as feature pyramids."""

import keras
from keras import layers

from .applications import application_body, normalised
from .weights import Weights


def _build(application: str, blocks: dict[str, int], image_shape: tuple[int, int, int], weights: Weights):
    body = application_body(application, image_shape, weights)
    outputs = {level: body.get_layer(f"conv{level[1]}_block{count}_out").output for level, count in blocks.items()}
    features = keras.Model(body.input, outputs, name=f"{body.name}_features")
    image = layers.Input(image_shape, name="image")
    return keras.Model(image, features(normalised(image, application)), name=f"{body.name}_backbone")


def build_resnet50(image_shape: tuple[int, int, int], weights: Weights) -> keras.Model:
    return _build("ResNet50", {"P2": 3, "P3": 4, "P4": 6, "P5": 3}, image_shape, weights)


def build_resnet101(image_shape: tuple[int, int, int], weights: Weights) -> keras.Model:
    return _build("ResNet101", {"P2": 3, "P3": 4, "P4": 23, "P5": 3}, image_shape, weights)
