"""The residual family by name, weight for weight as PyTorch has it: a stem, then four stages of blocks."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import KerasTensor, layers

from ..normalization import InputNormalization
from .residual_blocks import (
    PLAIN,
    STAGE_WIDTHS,
    Block,
    Traits,
    basic,
    bottleneck,
    multi_scale,
    split_attention,
    staged,
)
from .torch_layers import conv_norm, max_pool


@dataclass(frozen=True, slots=True)
class Residual:
    """A network of the family. depths: blocks of each stage. stem: width of the first of three 3x3 convolutions, 0 for
    one of 7x7. caffe: stem and head are called, and the stem is pooled, as in the SENets that came from Caffe. paper:
    where it was published.
    """

    depths: tuple[int, int, int, int]
    block: Callable[[KerasTensor, Block, Traits], KerasTensor]
    paper: str
    traits: Traits = PLAIN
    stem: int = 0
    caffe: bool = False

    @property
    def head(self) -> str:
        """The module of the classifier in a checkpoint, which a backbone leaves out."""
        return "last_linear" if self.caffe else "fc"


_D = Traits(average_down=True)
_RES2, _RES2_D = Traits(group_width=26), Traits(group_width=26, average_down=True)
_SHORT, _50, _101, _152 = (2, 2, 2, 2), (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)


def _resnext(groups: int, width: int, squeeze: str = "") -> Traits:
    return Traits(groups, width, squeeze=squeeze)


def _senet(squeeze: str) -> Traits:
    return Traits(64, 4, reduce_first=2, down_kernel=3, squeeze=squeeze)


RESIDUAL: dict[str, Residual] = {
    "resnet18_torch": Residual(_SHORT, basic, "arXiv:1512.03385"),
    "resnet34_torch": Residual(_50, basic, "arXiv:1512.03385"),
    "resnet50_torch": Residual(_50, bottleneck, "arXiv:1512.03385"),
    "resnet101_torch": Residual(_101, bottleneck, "arXiv:1512.03385"),
    "resnet152_torch": Residual(_152, bottleneck, "arXiv:1512.03385"),
    "resnet18d": Residual(_SHORT, basic, "arXiv:1812.01187", _D, 32),
    "resnet34d": Residual(_50, basic, "arXiv:1812.01187", _D, 32),
    "resnet50d": Residual(_50, bottleneck, "arXiv:1812.01187", _D, 32),
    "resnet101d": Residual(_101, bottleneck, "arXiv:1812.01187", _D, 32),
    "resnet152d": Residual(_152, bottleneck, "arXiv:1812.01187", _D, 32),
    "resnext50_32x4d": Residual(_50, bottleneck, "arXiv:1611.05431", _resnext(32, 4)),
    "resnext101_32x4d": Residual(_101, bottleneck, "arXiv:1611.05431", _resnext(32, 4)),
    "resnext101_32x8d": Residual(_101, bottleneck, "arXiv:1611.05431", _resnext(32, 8)),
    "resnext101_64x4d": Residual(_101, bottleneck, "arXiv:1611.05431", _resnext(64, 4)),
    "resnest50d": Residual(_50, split_attention, "arXiv:2004.08955", _D, 32),
    "resnest101e": Residual(_101, split_attention, "arXiv:2004.08955", _D, 64),
    "resnest200e": Residual((3, 24, 36, 3), split_attention, "arXiv:2004.08955", _D, 64),
    "resnest269e": Residual((3, 30, 48, 8), split_attention, "arXiv:2004.08955", _D, 64),
    "res2net50_26w_4s": Residual(_50, multi_scale, "arXiv:1904.01169", _RES2),
    "res2net101_26w_4s": Residual(_101, multi_scale, "arXiv:1904.01169", _RES2),
    "res2net50d": Residual(_50, multi_scale, "arXiv:1904.01169", _RES2_D, 32),
    "res2net101d": Residual(_101, multi_scale, "arXiv:1904.01169", _RES2_D, 32),
    "iresnet50": Residual(_50, staged, "arXiv:2004.04989"),
    "iresnet101": Residual(_101, staged, "arXiv:2004.04989"),
    "iresnet152": Residual(_152, staged, "arXiv:2004.04989"),
    "iresnet200": Residual((3, 24, 36, 3), staged, "arXiv:2004.04989"),
    "seresnext50_32x4d": Residual(_50, bottleneck, "arXiv:1709.01507", _resnext(32, 4, "se")),
    "seresnext101_32x4d": Residual(_101, bottleneck, "arXiv:1709.01507", _resnext(32, 4, "se")),
    "legacy_seresnext50_32x4d": Residual(_50, bottleneck, "arXiv:1709.01507", _resnext(32, 4, "se_module"), caffe=True),
    "legacy_seresnext101_32x4d": Residual(
        _101, bottleneck, "arXiv:1709.01507", _resnext(32, 4, "se_module"), caffe=True
    ),
    "senet154": Residual(_152, bottleneck, "arXiv:1709.01507", _senet("se"), 64),
    "legacy_senet154": Residual(_152, bottleneck, "arXiv:1709.01507", _senet("se_module"), 64, caffe=True),
}
"""The names are timm's, whose weights fit; plain ResNets, of which keras.applications has others, end in `_torch`."""


def build_residual(name: str, image_shape: tuple[int | None, int | None, int]) -> keras.Model:
    """RGB image 0..255 (B, H, W, 3) -> {"P2": stride 4, ..., "P5": stride 32}, at a random start.

    The input is normalised by the statistics of ImageNet until weights with others are loaded. Raises KeyError for an
    unknown name.
    """
    spec = RESIDUAL[name]
    image = layers.Input(image_shape, name="image")
    x = InputNormalization(name="normalise")(image)
    x = _stem(x, spec)
    outputs = {}
    for number, (depth, width) in enumerate(zip(spec.depths, STAGE_WIDTHS, strict=True), start=1):
        for index in range(depth):
            # The stem of an iResNet is not pooled: its first stage strides.
            strides = index == 0 and (number > 1 or spec.block is staged)
            block = Block(f"layer{number}.{index}", width, 2 if strides else 1, index, depth)
            x = spec.block(x, block, spec.traits)
        outputs[f"P{number + 1}"] = x
    return keras.Model(image, outputs, name=f"{name}_backbone")


def _stem(x: KerasTensor, spec: Residual) -> KerasTensor:
    if spec.caffe:
        modules = [(f"layer0.conv{number}", f"layer0.bn{number}") for number in (1, 2, 3)]
    elif spec.stem:
        modules = [("conv1.0", "conv1.1"), ("conv1.3", "conv1.4"), ("conv1.6", "bn1")]
    else:
        modules = [("conv1", "bn1")]
    if spec.stem:
        for number, pair in enumerate(modules):
            x = conv_norm(x, spec.stem * (2 if number == 2 else 1), 3, pair, stride=1 if number else 2)
    else:
        x = conv_norm(x, 64, 7, modules[0], stride=2)
    if spec.block is staged:
        return x
    return max_pool(x, "pool0" if spec.caffe else "maxpool", ceil=spec.caffe)
