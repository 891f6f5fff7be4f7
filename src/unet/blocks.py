"""The small pieces that the networks are made of."""

from keras import KerasTensor, layers

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
    x = conv_bn(x, filters // 2, 1, f"{name}_a")
    x = conv_bn(x, filters // 2, 3, f"{name}_b")
    x = conv_bn(x, filters, 1, f"{name}_c", relu=False)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, shortcut]))


def upsample(x: KerasTensor, factor: int, name: str, nearest: bool = False, dtype: str | None = None) -> KerasTensor:
    """Bilinear or nearest, both aligned on pixel areas: neither moves a heatmap. (B, h, w, C) -> (B, fh, fw, C)."""
    if factor == 1:
        return x
    kind = "nearest" if nearest else "bilinear"
    return layers.UpSampling2D(factor, interpolation=kind, name=name, dtype=dtype)(x)
