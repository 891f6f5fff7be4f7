"""EfficientNet-Lite: EfficientNets without squeeze-and-excitation and with ReLU6, made for integers and small devices.

Widths, depths and kernels are those of EfficientNet (arXiv:1905.11946); stem, first and last stage are not scaled
(TensorFlow's TPU models, efficientnet/lite). Padding is TensorFlow's, which at an even size adds a row below and a
column to the right.
"""

import math
from dataclasses import dataclass

import keras
from keras import KerasTensor, layers

from ..normalization import BatchNorm, InputNormalization, InputStatistics

STEM = 32
_START = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one width. stride: of the first. expand: how many times wider a block is inside."""

    blocks: int
    kernel: int
    stride: int
    expand: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
LEVELS = {1: "P2", 2: "P3", 4: "P4", 6: "P5"}
"""Stage -> the level of the pyramid that its last block gives."""

EFFICIENTNET_LITE: dict[str, tuple[float, float]] = {
    "efficientnet_lite0": (1.0, 1.0),
    "efficientnet_lite1": (1.0, 1.1),
    "efficientnet_lite2": (1.1, 1.2),
    "efficientnet_lite3": (1.2, 1.4),
    "efficientnet_lite4": (1.4, 1.8),
}
"""Name -> how many times wider and deeper than the first."""

STATISTICS = InputStatistics((127 / 255,) * 3, (128 / 255,) * 3)
"""By what the input of all of them is normalised, so that 0..255 becomes about -1..1."""
HEAD = ("_conv_head", "_bn1", "_fc")
"""Modules of a checkpoint that belong to its classifier of ImageNet, which a backbone leaves out."""


def module_of(layer: str) -> str:
    """A layer's name as that of the module in a checkpoint: blocks-3-bn0 -> _blocks.3._bn0. A name in a graph of
    TensorFlow must not begin with an underscore."""
    return ".".join(part if part.isdigit() else f"_{part}" for part in layer.split("-"))


def build_efficientnet_lite(name: str, image_shape: tuple[int | None, int | None, int]) -> keras.Model:
    """RGB image 0..255 (B, H, W, 3) -> {"P2": stride 4, ..., "P5": stride 32}, at a random start.

    Raises KeyError for an unknown name.
    """
    wider, deeper = EFFICIENTNET_LITE[name]
    image = layers.Input(image_shape, name="image")
    mean, variance = STATISTICS.pixels
    x = InputNormalization(mean, variance, name="normalise")(image)
    x = _norm(_conv(x, STEM, 3, "conv_stem", stride=2), "bn0")
    outputs, number = {}, 0
    for index, stage in enumerate(STAGES):
        fixed = index in (0, len(STAGES) - 1)
        width = _rounded(stage.width * wider)
        for block in range(stage.blocks if fixed else math.ceil(stage.blocks * deeper)):
            x = _block(x, stage, width, stage.stride if block == 0 else 1, f"blocks-{number}")
            number += 1
        if index in LEVELS:
            outputs[LEVELS[index]] = x
    return keras.Model(image, outputs, name=f"{name}_backbone")


def _rounded(width: float, step: int = 8) -> int:
    """The nearest multiple of the step, but not under nine tenths of the width."""
    nearest = max(step, int(width + step / 2) // step * step)
    return nearest + step if nearest < 0.9 * width else nearest


def _block(x: KerasTensor, stage: Stage, width: int, stride: int, name: str) -> KerasTensor:
    """An inverted residual: wider by a 1x1 convolution, a depthwise one, and narrow again without an activation."""
    inputs = x
    if stage.expand > 1:
        x = _norm(_conv(x, inputs.shape[-1] * stage.expand, 1, f"{name}-expand_conv"), f"{name}-bn0")
    depthwise = layers.DepthwiseConv2D(
        stage.kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=_START,
        name=f"{name}-depthwise_conv",
    )
    x = _norm(depthwise(x), f"{name}-bn1")
    x = _norm(_conv(x, width, 1, f"{name}-project_conv"), f"{name}-bn2", relu=False)
    if stride == 1 and inputs.shape[-1] == width:
        x = layers.Add(name=f"{name}-add")([x, inputs])
    return x


def _conv(x: KerasTensor, filters: int, kernel: int, name: str, stride: int = 1) -> KerasTensor:
    return layers.Conv2D(
        filters, kernel, strides=stride, padding="same", use_bias=False, kernel_initializer=_START, name=name
    )(x)


def _norm(x: KerasTensor, name: str, relu: bool = True) -> KerasTensor:
    x = BatchNorm(momentum=0.99, epsilon=1e-3, name=name)(x)
    return layers.ReLU(max_value=6.0, name=f"{name}-relu6")(x) if relu else x
