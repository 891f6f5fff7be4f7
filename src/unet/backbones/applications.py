"""Networks of keras.applications without their tops, and the normalisation that each was trained with."""

import keras
from keras import layers

from ..normalization import BatchNorm
from .caffe_files import is_caffe_file, load_caffe_file
from .weights import Weights, WeightsError, check_finite, load_file

_IMAGENET_MEAN, _IMAGENET_DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of 0..255
_CAFFE_BGR_MEAN = (103.939, 116.779, 123.68)

FAMILIES: dict[str, tuple[str, ...]] = {
    "caffe": ("ResNet50", "ResNet101", "ResNet152", "VGG16", "VGG19"),
    "symmetric": (
        *("ResNet50V2", "ResNet101V2", "ResNet152V2", "InceptionV3", "InceptionResNetV2", "Xception"),
        *("MobileNet", "MobileNetV2"),
    ),
    "torch": ("DenseNet121", "DenseNet169", "DenseNet201"),
    "efficientnet": tuple(f"EfficientNetB{number}" for number in range(8)),
    "own": (
        *(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
        *(f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")),
        *("MobileNetV3Small", "MobileNetV3Large"),
    ),
}
"""How a network's input was normalised in its training -> its name in keras.applications.

caffe: BGR, the mean subtracted; symmetric: -1..1; torch: mean and deviation of ImageNet; efficientnet: as torch, then
divided by the root of the deviation; own: the network itself normalises 0..255.
"""
NORMALISATION = {name: family for family, names in FAMILIES.items() for name in names}


@keras.saving.register_keras_serializable(package="aifashion")
class ReverseChannels(layers.Layer):
    """RGB <-> BGR."""

    def call(self, x):
        return x[..., ::-1]


def normalised(image, application: str):
    """An RGB input of 0..255 as the network of keras.applications expects it. (B, H, W, 3) -> the same shape."""
    family = NORMALISATION[application]
    if family == "caffe":
        bgr = ReverseChannels(name="bgr")(image)
        return layers.Normalization(mean=_CAFFE_BGR_MEAN, variance=(1.0, 1.0, 1.0), name="normalise")(bgr)
    if family == "symmetric":
        return layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(image)
    if family == "torch":
        variance = tuple(deviation**2 for deviation in _IMAGENET_DEVIATION)
        return layers.Normalization(mean=_IMAGENET_MEAN, variance=variance, name="normalise")(image)
    if family == "efficientnet":
        # The network itself subtracts the mean and divides by the deviation. That its published weights want more than
        # that, keras.applications knows only where it fetches them. About the mean, so that it stays where it is.
        more = [(deviation / 255) ** -0.5 for deviation in _IMAGENET_DEVIATION]
        offset = [mean * (1 - factor) for mean, factor in zip(_IMAGENET_MEAN, more, strict=True)]
        return layers.Rescaling(more, offset=offset, name="normalise")(image)
    return image


def application_body(application: str, image_shape: tuple[int | None, int | None, int], weights: Weights):
    """The network without its top. Raises WeightsError for weights that cannot be had or do not fit."""
    make = getattr(keras.applications, application)
    body = make(include_top=False, weights=None, input_shape=image_shape)
    if NORMALISATION[application] == "efficientnet":
        # Mean and deviation are weights there, but the layer computes with copies, which `set_weights` and a resumed
        # run would leave as they are: so they are right from the start.
        (inner,) = (layer for layer in body.layers if isinstance(layer, layers.Normalization))
        inner.adapt_mean.assign([mean / 255 for mean in _IMAGENET_MEAN])
        inner.adapt_variance.assign([(deviation / 255) ** 2 for deviation in _IMAGENET_DEVIATION])
        inner.finalize_state()
    if weights == "imagenet":
        try:
            # Of some shape: without one, some networks warn that they take the weights for this one.
            source = make(include_top=False, weights="imagenet", input_shape=(224, 224, 3))
        except Exception as error:  # keras.utils.get_file raises a plain Exception when it cannot download
            reason = str(error).strip().partition("\n")[0]
            raise WeightsError(f"the ImageNet weights of {body.name} could not be fetched ({reason})") from None
        body.set_weights(source.get_weights())
    elif weights is not None and NORMALISATION[application] == "caffe" and is_caffe_file(weights):
        load_caffe_file(body, weights)
    elif weights is not None:
        load_file(body, weights)
        check_finite(body, weights)
    for layer in body.layers:
        if type(layer) is layers.BatchNormalization:
            # They differ in nothing but `call`; to build the network anew from their like would take twice as long. Not
            # before the weights are read: in a file they lie under the name of the class.
            layer.__class__ = BatchNorm
    return body


PYRAMIDS = (*FAMILIES["torch"], *FAMILIES["efficientnet"])
"""Networks of which the levels of a pyramid are known, beside the ResNets."""


def build_pyramid(application: str, image_shape: tuple[int, int, int], weights: Weights) -> keras.Model:
    """A network of `PYRAMIDS` as a backbone: image 0..255 (B, H, W, 3) -> {"P2": stride 4, ..., "P5": stride 32}.

    Of a DenseNet a level is what enters the transition to the next, normalised; of an EfficientNet it is the end of the
    last block of its stride. P5 is the network's output, so that all weights take part.
    """
    body = application_body(application, image_shape, weights)
    if application.startswith("DenseNet"):
        ends = {"P2": "pool2_relu", "P3": "pool3_relu", "P4": "pool4_relu"}
    else:
        # The layers of block 3 are called block3a_..., block3b_... and so on; block 4 has the stride of block 5.
        starts = {"P2": "block2", "P3": "block3", "P4": "block5"}
        ends = {level: [x.name for x in body.layers if x.name.startswith(word)][-1] for level, word in starts.items()}
    outputs = {level: body.get_layer(name).output for level, name in ends.items()} | {"P5": body.output}
    features = keras.Model(body.input, outputs, name=f"{body.name}_features")
    image = layers.Input(image_shape, name="image")
    return keras.Model(image, features(normalised(image, application)), name=f"{application.lower()}_backbone")
