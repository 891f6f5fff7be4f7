"""A network that starts from another trained one, which may tell other keypoints or attributes than it."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from ..config import AttributeConfig, KeypointConfig
from ..records import HeadSpec
from .predictors import attribute_net, keypoint_net, trained_attribute_net, trained_keypoint_net
from .runs import RunError


def warm_keypoint_net(config: KeypointConfig, own: KeypointConfig, weights: Path) -> keras.Model:
    """The network of `config` with the weights of another, of configuration `own`.

    Of its heatmaps those of the wanted keypoints are taken; the category head only where there is the same. Sizes may
    differ. Raises RunError where the networks differ, or `own` lacks a wanted keypoint.
    """
    if config.network != own.network:
        raise RunError(f"the weights are of {own.network}, not of {config.network}: choose --network {own.network}")
    wanted, had = config.vocabulary, own.vocabulary
    missing = [name for name in wanted.keypoints if name not in had.keypoints]
    if missing:
        raise RunError(f"the weights are of category {own.category}, which has no {', '.join(missing)}")
    start = trained_keypoint_net(own, weights)
    net = keypoint_net(config)
    chosen = [had.keypoints.index(name) for name in wanted.keypoints]
    for layer in net.layers:
        if not layer.weights or (layer.name == "category" and wanted.categories != had.categories):
            continue
        values = start.get_layer(layer.name).get_weights()
        if _shapes(values) != _shapes(layer.get_weights()):
            values = [value[..., chosen] for value in values]
        layer.set_weights(values)
    return net


def warm_attribute_net(
    config: AttributeConfig,
    heads: Sequence[HeadSpec],
    own: AttributeConfig,
    own_heads: Sequence[HeadSpec],
    weights: Path,
) -> keras.Model:
    """The classifier of `config` and `heads` with the weights of another, of configuration `own` and `own_heads`.

    Heads of the same name, kind and classes are taken with the backbone, others start at random. Raises RunError where
    the backbones differ.
    """
    if config.model != own.model:
        raise RunError(f"the weights are of {own.model}, not of {config.model}: choose --model {own.model}")
    start = trained_attribute_net(own, own_heads, weights)
    net = attribute_net(config, heads)
    layers = ["backbone", *(f"head_{head.name}" for head in heads if head in own_heads)]
    for name in layers:
        net.get_layer(name).set_weights(start.get_layer(name).get_weights())
    return net


def _shapes(values: Sequence[np.ndarray]) -> list[tuple[int, ...]]:
    return [value.shape for value in values]
