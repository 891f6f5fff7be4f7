"""Convolutions and pooling as PyTorch computes them, under the names of PyTorch's modules.

A layer is called as the module that its weights come from, with dashes for dots (a Keras name may go into a path, and
on the PyTorch backend a name has no dots): `layer1.0.conv1` becomes `layer1-0-conv1`. So the names of a checkpoint's
tensors follow from the network itself.
"""

import keras
import numpy as np
from keras import KerasTensor, layers, ops

from ..normalization import BatchNorm

_START = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
NARROWEST = 16
"""Channels below which a convolution is hardly faster: groups narrower than this are convolved together."""


@keras.saving.register_keras_serializable(package="aifashion")
class GroupedConv(layers.Conv2D):
    """`keras.layers.Conv2D` with groups, put together from dense convolutions.

    (B, H, W, C) -> (B, h, w, filters); the kernel has the shape (k, k, C / groups, filters), as in `Conv2D`.
    Keras hands grouped convolutions on a CPU to XLA, one by one, which takes several times as long. Narrow groups are
    convolved side by side by one kernel that is zero between them.
    """

    def convolution_op(self, inputs, kernel):
        channels, filters = inputs.shape[-1], self.filters
        parts = next(n for n in range(self.groups, 0, -1) if self.groups % n == 0 and channels // n >= self._least)
        joined = self.groups // parts
        outputs = []
        for x, weights in zip(ops.split(inputs, parts, axis=-1), ops.split(kernel, parts, axis=-1), strict=True):
            if joined > 1:
                block = np.ones((channels // self.groups, filters // self.groups))
                among = ops.convert_to_tensor(np.kron(np.eye(joined), block), weights.dtype)
                weights = ops.tile(weights, (1, 1, joined, 1)) * among
            outputs.append(
                ops.conv(x, weights, strides=self.strides, padding=self.padding, data_format=self.data_format)
            )
        return ops.concatenate(outputs, axis=-1)

    @property
    def _least(self) -> int:
        return min(NARROWEST, self.kernel.shape[2] * self.groups)


def named(module: str) -> str:
    """A module's name as that of a layer."""
    return module.replace(".", "-")


def conv(
    x: KerasTensor, filters: int, kernel: int, module: str, stride: int = 1, groups: int = 1, bias: bool = False
) -> KerasTensor:
    """Convolution with PyTorch's padding: kernel // 2 on all sides. (B, H, W, C) -> (B, ~H/stride, ~W/stride, filters)

    Keras' own `same` pads less above and to the left where it strides over an even size.
    """
    if stride > 1 and kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2, name=f"{named(module)}-pad")(x)
    padding = "same" if stride == 1 else "valid"
    kwargs = {"strides": stride, "padding": padding, "use_bias": bias, "kernel_initializer": _START}
    if groups > 1:
        return GroupedConv(filters, kernel, groups=groups, name=named(module), **kwargs)(x)
    return layers.Conv2D(filters, kernel, name=named(module), **kwargs)(x)


def norm(x: KerasTensor, module: str, relu: bool = True) -> KerasTensor:
    """Batch normalisation with PyTorch's epsilon and momentum, and ReLU if asked."""
    x = BatchNorm(momentum=0.9, epsilon=1e-5, name=named(module))(x)
    return layers.ReLU(name=f"{named(module)}-relu")(x) if relu else x


def conv_norm(x: KerasTensor, filters: int, kernel: int, modules: tuple[str, str], relu: bool = True, **more):
    """Convolution, normalisation, and ReLU if asked. modules: the names of the first two; more: kwargs of `conv`."""
    return norm(conv(x, filters, kernel, modules[0], **more), modules[1], relu)


def max_pool(x: KerasTensor, module: str, ceil: bool = False) -> KerasTensor:
    """Maximum of 3x3 cells with stride 2, of values that are not negative: so zeros pad as well as minus infinity.

    One cell of padding on all sides; ceil: none but what the last window lacks (PyTorch's `ceil_mode`).
    """
    x = layers.ZeroPadding2D(((0, 1), (0, 1)) if ceil else 1, name=f"{named(module)}-pad")(x)
    return layers.MaxPooling2D(3, 2, name=named(module))(x)


def average_pool(x: KerasTensor, module: str, stride: int) -> KerasTensor:
    """Mean of 3x3 cells; zeros beyond the border count, as PyTorch counts them unless told otherwise."""
    x = layers.ZeroPadding2D(1, name=f"{named(module)}-pad")(x)
    return layers.AveragePooling2D(3, stride, name=named(module))(x)


def average_halves(x: KerasTensor, module: str) -> KerasTensor:
    """Mean of 2x2 cells with stride 2; of an odd size the last row and column count by themselves."""
    return layers.AveragePooling2D(2, 2, padding="same", name=named(module))(x)


def pooled(x: KerasTensor, module: str) -> KerasTensor:
    """The mean over all cells. (B, H, W, C) -> (B, 1, 1, C)"""
    return layers.GlobalAveragePooling2D(keepdims=True, name=f"{named(module)}-pool")(x)
