"""ResNet50 and ResNet101 (arXiv:1512.03385) from keras.applications, as feature pyramids."""

from collections.abc import Callable
from pathlib import Path

import keras
from keras import layers

_IMAGENET_BGR_MEAN = (103.939, 116.779, 123.68)
# The last layer of each stage in keras.applications; the number of blocks in stage 4 tells the two apart.
_STAGES = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}


def _build(name: str, application: Callable[..., keras.Model], image_shape: tuple[int, int, int], weights: Path | None):
    image = layers.Input(image_shape, name="image")
    # keras.applications trained these weights on BGR with the mean subtracted.
    bgr = ReverseChannels(name="bgr")(image)
    centred = layers.Normalization(mean=_IMAGENET_BGR_MEAN, variance=(1.0, 1.0, 1.0), name="normalise")(bgr)
    body = application(include_top=False, weights=None, input_tensor=centred)
    if weights is not None:
        body.load_weights(weights)
    outputs = {
        f"P{level}": body.get_layer(f"conv{level}_block{blocks}_out").output
        for level, blocks in enumerate(_STAGES[name], start=2)
    }
    return keras.Model(image, outputs, name=f"{name}_backbone")


@keras.saving.register_keras_serializable(package="aifashion")
class ReverseChannels(layers.Layer):
    """RGB <-> BGR."""

    def call(self, x):
        return x[..., ::-1]


def build_resnet50(image_shape: tuple[int, int, int], weights: Path | None) -> keras.Model:
    return _build("resnet50", keras.applications.ResNet50, image_shape, weights)


def build_resnet101(image_shape: tuple[int, int, int], weights: Path | None) -> keras.Model:
    return _build("resnet101", keras.applications.ResNet101, image_shape, weights)
