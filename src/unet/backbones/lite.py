"""A residual network of basic blocks, small enough to train on two CPU cores.

Dense 3x3 convolutions throughout: on a CPU they reach far more of the machine's arithmetic than depthwise ones.
"""

import keras
from keras import layers

from ..blocks import basic_block, conv_bn
from .weights import Weights, WeightsError, load_file

STEM, WIDTHS, DEPTHS = 32, (32, 64, 112, 160), (1, 2, 2, 2)
"""Multiples of 16: with other widths oneDNN normalises ten times more slowly in bfloat16."""


def build(image_shape: tuple[int | None, int | None, int], weights: Weights) -> keras.Model:
    image = layers.Input(image_shape, name="image")
    x = layers.Rescaling(1 / 64, offset=-2.0, name="normalise")(image)
    x = conv_bn(x, STEM, 3, "stem1", stride=2)
    outputs = {}
    for level, (width, depth) in enumerate(zip(WIDTHS, DEPTHS, strict=True), start=2):
        for block in range(depth):
            x = basic_block(x, width, f"p{level}_{block}", stride=2 if block == 0 else 1)
        outputs[f"P{level}"] = x
    model = keras.Model(image, outputs, name="lite_backbone")
    if weights == "imagenet":
        raise WeightsError("the lite backbone has no ImageNet weights")
    if weights is not None:
        load_file(model, weights)
    return model
