"""The small pieces that the networks are made of."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, layers, ops

from .normalization import BatchNorm


def conv_bn(x: KerasTensor, filters: int, kernel: int, name: str, stride: int = 1, relu: bool = True) -> KerasTensor:
    """Convolution without bias, batch norm, ReLU if asked. (B, H, W, C) -> (B, H/stride, W/stride, filters)."""
    x = layers.Conv2D(
        filters, kernel, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    x = BatchNorm(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def basic_block(x: KerasTensor, filters: int, name: str, stride: int = 1) -> KerasTensor:
    """Two 3x3 convolutions with a shortcut (arXiv:1512.03385, figure 5 left)."""
    shortcut = x
    if stride != 1 or x.shape[-1] != filters:
        shortcut = conv_bn(x, filters, 1, f"{name}_shortcut", stride, relu=False)
    x = conv_bn(x, filters, 3, f"{name}_a", stride)
    x = conv_bn(x, filters, 3, f"{name}_b", relu=False)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, shortcut]))


def bottleneck(x: KerasTensor, filters: int, name: str) -> KerasTensor:
    """1x1, 3x3 at half the width, 1x1, with a shortcut, as in RefineNet (arXiv:1711.07319, figure 1)."""
    shortcut = x if x.shape[-1] == filters else conv_bn(x, filters, 1, f"{name}_shortcut", relu=False)
    return _bottleneck_end(shortcut, conv_bn(x, filters // 2, 1, f"{name}_a"), filters, name)


def merged_bottleneck(levels: Sequence[KerasTensor], filters: int, name: str) -> KerasTensor:
    """The bottleneck of the levels of a pyramid, upsampled to the size of the last one and concatenated."""
    shortcut = merged_bn(levels, filters, f"{name}_shortcut", relu=False)
    return _bottleneck_end(shortcut, merged_bn(levels, filters // 2, f"{name}_a"), filters, name)


def _bottleneck_end(shortcut: KerasTensor, x: KerasTensor, filters: int, name: str) -> KerasTensor:
    x = conv_bn(x, filters // 2, 3, f"{name}_b")
    x = conv_bn(x, filters, 1, f"{name}_c", relu=False)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, shortcut]))


def merged_bn(
    levels: Sequence[KerasTensor], filters: int, name: str, nearest: bool = False, relu: bool = True
) -> KerasTensor:
    """`conv_bn` with a 1x1 kernel of the levels, upsampled to the size of the last one and concatenated."""
    x = MergeLevels(filters, nearest, name=name)(list(levels))
    x = BatchNorm(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


@keras.saving.register_keras_serializable(package="aifashion")
class MergeLevels(layers.Layer):
    """A 1x1 convolution of upsampled, concatenated levels, done on each level before it is upsampled.

    [(B, h, w, C), ..., (B, H, W, C')] -> (B, H, W, filters). Both steps are linear and a 1x1 kernel sees single cells,
    so the order changes nothing but the work, a fraction of it, and that nothing is concatenated.
    """

    def __init__(self, filters: int, nearest: bool, **kwargs) -> None:
        super().__init__(**kwargs)
        self.filters, self.nearest = filters, nearest

    def build(self, input_shape) -> None:
        self.depths = [shape[-1] for shape in input_shape]
        self.factors = [input_shape[-1][1] // shape[1] for shape in input_shape]
        self.kernel = self.add_weight(
            shape=(1, 1, sum(self.depths), self.filters), initializer="he_normal", name="kernel"
        )

    def call(self, inputs, training=None):
        total, start = None, 0
        for x, depth, factor in zip(inputs, self.depths, self.factors, strict=True):
            x = ops.conv(x, self.kernel[:, :, start : start + depth], padding="same")
            x = _enlarged(x, factor, self.nearest, training)
            total, start = x if total is None else total + x, start + depth
        return total

    def compute_output_shape(self, input_shape):
        return (*input_shape[-1][:3], self.filters)

    def get_config(self):
        return super().get_config() | {"filters": self.filters, "nearest": self.nearest}


@keras.saving.register_keras_serializable(package="aifashion")
class Upsample(layers.Layer):
    """(B, h, w, C) -> (B, fh, fw, C), bilinear or nearest, both aligned on pixel areas: neither moves a heatmap."""

    def __init__(self, factor: int, nearest: bool, **kwargs) -> None:
        super().__init__(**kwargs)
        self.factor, self.nearest = factor, nearest

    def call(self, inputs, training=None):
        return _enlarged(inputs, self.factor, self.nearest, training)

    def compute_output_shape(self, input_shape):
        b, h, w, c = input_shape
        return (b, h and h * self.factor, w and w * self.factor, c)

    def get_config(self):
        return super().get_config() | {"factor": self.factor, "nearest": self.nearest}


def _enlarged(x, factor: int, nearest: bool, training: bool | None):
    if factor == 1:
        return x
    if nearest and training:
        # The same numbers as below. Its gradient is a sum, where that of resizing visits cell after cell.
        return ops.repeat(ops.repeat(x, factor, axis=1), factor, axis=2)
    size = (x.shape[1] * factor, x.shape[2] * factor)
    return ops.image.resize(x, size, interpolation="nearest" if nearest else "bilinear")


def upsample(x: KerasTensor, factor: int, name: str, nearest: bool = False, dtype: str | None = None) -> KerasTensor:
    """`Upsample`, and nothing for a factor of 1."""
    return x if factor == 1 else Upsample(factor, nearest, name=name, dtype=dtype)(x)
