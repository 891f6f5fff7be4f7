"""Networks whose weights were published for PyTorch, with the weights that they start from."""

from pathlib import Path

import keras

from .checkpoints import read_checkpoint
from .conversion import load_state
from .input_statistics import normalise_as_trained
from .published import PUBLISHED
from .reading import WeightsError, shown
from .weights import CHECKPOINTS, Weights, check_finite, load_file, told_backbone


def build_started(name: str, image_shape: tuple[int | None, int | None, int], weights: Weights) -> keras.Model:
    """The network of `PUBLISHED` with weights: a Keras weights file, a checkpoint of PyTorch, or None: at random.

    Raises WeightsError for weights that cannot be had or do not fit.
    """
    if weights == "imagenet":
        raise WeightsError(
            f"keras.applications has no weights of {name}: give --weights a checkpoint of timm, converted by "
            f"`aifashion weights convert`, or its name on the hub, such as hf://timm/{name}.TAG"
        )
    net = PUBLISHED[name].build(image_shape)
    if weights is not None:
        _load(net, name, Path(weights))
    return net


def _load(net: keras.Model, name: str, path: Path) -> None:
    if path.suffix in CHECKPOINTS:
        load_state(net, name, read_checkpoint(path), path)
        normalise_as_trained(net, name, path)
        return
    told = told_backbone(path)
    if told not in ("", name):
        raise WeightsError(f"{path} holds the weights of {shown(told)}, not of {name}")
    load_file(net, path)
    check_finite(net, path)
