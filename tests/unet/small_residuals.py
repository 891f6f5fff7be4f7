"""Shallow networks of every kind of the residual family, quick to build and to train."""

from aifashion.unet.backbones.residual import Residual
from aifashion.unet.backbones.residual_blocks import (
    Traits,
    basic,
    bottleneck,
    multi_scale,
    split_attention,
    staged,
)

_PAPER = "none"
SMALL = {
    "small_basic": Residual((1, 1, 1, 1), basic, _PAPER, Traits(average_down=True), 8),
    "small_resnext": Residual((1, 1, 1, 1), bottleneck, _PAPER, Traits(32, 4)),
    "small_resnest": Residual((1, 1, 1, 1), split_attention, _PAPER, Traits(average_down=True), 8),
    "small_res2net": Residual((2, 1, 1, 1), multi_scale, _PAPER, Traits(group_width=26)),
    "small_iresnet": Residual((3, 2, 2, 2), staged, _PAPER),
    "small_senet": Residual((1, 1, 1, 1), bottleneck, _PAPER, Traits(32, 4, 2, squeeze="se_module"), 8, caffe=True),
}
"""Kind -> network; a test puts them into `RESIDUAL`."""
