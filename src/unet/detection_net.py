"""A detector of garments without anchors: a backbone, a pyramid down to stride 8, and maps of middles and edges."""

import math

import keras
from keras import layers, ops

from .backbones import Weights, build_backbone
from .blocks import basic_block, bottleneck, conv_bn, upsample
from .keypoint_net import network_spec

STRIDE = 8
LEVELS = ("P5", "P4", "P3")
_PRIOR = 0.02
"""What the map of a category says everywhere before the first step, so that the many cells without a garment do not
drown the few that have one (as in arXiv:1708.02002)."""


def build_detection_net(network: str, size: int, categories: int, backbone_weights: Weights = None) -> keras.Model:
    """Input image (B, size, size, 3) of 0..255.

    Outputs by name: `heat` (B, size/8, size/8, C) logits, and `distances` (B, size/8, size/8, C, 4), px from the middle
    of a cell to the left, top, right and bottom edge of the garment of that category. Both are float32, whatever the
    precision of the layers. Networks are named and built as keypoint networks are; for `backbone_weights` see
    `build_backbone`.
    Raises ValueError for an unknown network or a size that 32 does not divide.
    """
    spec = network_spec(network, size)
    image = layers.Input((size, size, 3), name="image")
    features = build_backbone(spec.backbone, (size, size, 3), backbone_weights)(image)
    x = None
    for level in LEVELS:
        key = level.lower()
        lateral = conv_bn(features[level], spec.width, 1, f"lateral_{key}")
        if x is None:
            x = lateral
            continue
        # As in the keypoint network: convolved before it is enlarged, at a quarter of the work.
        merged = conv_bn(x, spec.width, 1, f"merge_{key}", relu=False)
        x = layers.Add(name=f"topdown_{key}")([lateral, upsample(merged, 2, f"up_{key}", nearest=spec.cpu)])
    block = basic_block if spec.cpu else bottleneck
    outputs = {
        "heat": _map(block(x, spec.width, "find"), categories, "heat", math.log(_PRIOR / (1 - _PRIOR))),
        "distances": Distances(size, name="distances")(
            _map(block(x, spec.width, "measure"), 4 * categories, "edges", 0.0)
        ),
    }
    return keras.Model({"image": image}, outputs, name=f"detector_{network}")


def _map(x, channels: int, name: str, bias: float):
    start = keras.initializers.RandomNormal(stddev=0.001)
    bias_start = keras.initializers.Constant(bias)
    x = layers.Conv2D(
        channels, 3, padding="same", kernel_initializer=start, bias_initializer=bias_start, name=f"{name}_conv"
    )(x)
    # In float32 from here on: boxes and probabilities are read off these values.
    return layers.Activation("linear", dtype="float32", name=name)(x)


@keras.saving.register_keras_serializable(package="aifashion")
class Distances(layers.Layer):
    """(B, h, w, 4C) of any value -> (B, h, w, C, 4) px above 0, about a fifth of the input's side at first."""

    def __init__(self, size: int, **words):
        super().__init__(dtype="float32", **words)
        self.size = size

    def call(self, values):
        h, w, channels = values.shape[1:]
        return ops.reshape(ops.softplus(values) * (0.3 * self.size), (-1, h, w, channels // 4, 4))

    def compute_output_shape(self, shape):
        return (*shape[:3], shape[3] // 4, 4)

    def get_config(self):
        return {**super().get_config(), "size": self.size}
