"""The networks whose weights were published for PyTorch: how they are built, and how a checkpoint names their parts."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras

from ..normalization import InputStatistics
from .efficientnet_lite import EFFICIENTNET_LITE, HEAD, STATISTICS, build_efficientnet_lite, module_of
from .residual import RESIDUAL, build_residual

ImageShape = tuple[int | None, int | None, int]


def residual_module(layer: str) -> str:
    """A layer's name as that of the module in a checkpoint: layer1-0-conv1 -> layer1.0.conv1"""
    return layer.replace("-", ".")


@dataclass(frozen=True, slots=True)
class Published:
    """build: image shape -> network. head: the modules of the classifier, which a backbone leaves out. module: a
    layer's name -> that of its module. statistics: by what the input is normalised, where all checkpoints agree."""

    build: Callable[[ImageShape], keras.Model]
    head: tuple[str, ...]
    module: Callable[[str], str] = residual_module
    statistics: InputStatistics | None = None


def residual(name: str) -> Published:
    """What is known of a network of the residual family."""
    return Published(partial(build_residual, name), (RESIDUAL[name].head,))


PUBLISHED: dict[str, Published] = {
    **{name: residual(name) for name in RESIDUAL},
    **{
        name: Published(partial(build_efficientnet_lite, name), HEAD, module_of, STATISTICS)
        for name in EFFICIENTNET_LITE
    },
}
"""Name of the backbone -> what is known of its checkpoints."""
