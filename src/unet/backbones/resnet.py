"""ResNet50 and ResNet101 (arXiv:1512.03385) from keras.applications, as feature pyramids."""

from collections.abc import Callable

import keras
from keras import layers

from .weights import Weights, WeightsError, load_file

_IMAGENET_BGR_MEAN = (103.939, 116.779, 123.68)


@keras.saving.register_keras_serializable(package="aifashion")
class ReverseChannels(layers.Layer):
    """RGB <-> BGR."""

    def call(self, x):
        return x[..., ::-1]


def _build(application: Callable[..., keras.Model], blocks: dict[str, int], image_shape, weights: Weights):
    body = application(include_top=False, weights=None, input_shape=image_shape)
    if weights == "imagenet":
        _load_imagenet(body, application)
    elif weights is not None:
        load_file(body, weights)
    outputs = {level: body.get_layer(f"conv{level[1]}_block{count}_out").output for level, count in blocks.items()}
    features = keras.Model(body.input, outputs, name=f"{body.name}_features")
    image = layers.Input(image_shape, name="image")
    # keras.applications trained these weights on BGR with the mean subtracted.
    bgr = ReverseChannels(name="bgr")(image)
    centred = layers.Normalization(mean=_IMAGENET_BGR_MEAN, variance=(1.0, 1.0, 1.0), name="normalise")(bgr)
    return keras.Model(image, features(centred), name=f"{body.name}_backbone")


def _load_imagenet(body: keras.Model, application: Callable[..., keras.Model]) -> None:
    try:
        source = application(include_top=False, weights="imagenet")
    except Exception as error:  # keras.utils.get_file raises a plain Exception when it cannot download
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"the ImageNet weights of {body.name} could not be fetched ({reason})") from None
    body.set_weights(source.get_weights())


def build_resnet50(image_shape: tuple[int, int, int], weights: Weights) -> keras.Model:
    return _build(keras.applications.ResNet50, {"P2": 3, "P3": 4, "P4": 6, "P5": 3}, image_shape, weights)


def build_resnet101(image_shape: tuple[int, int, int], weights: Weights) -> keras.Model:
    return _build(keras.applications.ResNet101, {"P2": 3, "P3": 4, "P4": 23, "P5": 3}, image_shape, weights)
