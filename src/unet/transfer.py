"""A network that starts from another trained one, which can have other keypoints or attributes."""

import logging
from collections.abc import Sequence
from pathlib import Path

import keras

from ..config import AttributeConfig, DetectionConfig, KeypointConfig
from ..records import HeadSpec
from .predictors import (
    attribute_net,
    detection_net,
    keypoint_net,
    trained_attribute_net,
    trained_detection_net,
    trained_keypoint_net,
)
from .runs import RunError

log = logging.getLogger(__name__)


def warm_keypoint_net(config: KeypointConfig, trained: KeypointConfig, weights: Path) -> keras.Model:
    """The network of `config` with the weights of another, of configuration `trained`.

    Of its heatmaps those of keypoints of the same name are taken. All others start at random, which is logged as a
    warning. The category head is taken only where the categories are the same. Sizes can differ. Raises RunError where
    the networks differ.
    """
    if config.network != trained.network:
        raise RunError(
            f"the weights are of {trained.network}, not of {config.network}: choose --network {trained.network}"
        )
    wanted, had = config.vocabulary, trained.vocabulary
    pairs = [(k, had.indices[name]) for k, name in enumerate(wanted.keypoints) if name in had.indices]
    if len(pairs) < len(wanted.keypoints):
        new = [name for name in wanted.keypoints if name not in had.indices]
        log.warning(
            f"{len(new)} of {len(wanted.keypoints)} keypoints are not those of the weights and start at random: "
            f"{', '.join(new[:5])}{', ...' if len(new) > 5 else ''}"
        )
    target, source = (list(indices) for indices in zip(*pairs, strict=True)) if pairs else ([], [])
    start = trained_keypoint_net(trained, weights)
    net = keypoint_net(config)
    for layer in net.layers:
        if not layer.weights or (layer.name == "category" and wanted.categories != had.categories):
            continue
        values = start.get_layer(layer.name).get_weights()
        # The layers that make heatmaps, whose last axis are the keypoints.
        if layer.name.endswith("_conv") and values[0].shape[-1] == len(had.keypoints):
            fresh = layer.get_weights()
            for new, old in zip(fresh, values, strict=True):
                new[..., target] = old[..., source]
            values = fresh
        layer.set_weights(values)
    return net


def warm_detection_net(config: DetectionConfig, trained: DetectionConfig, weights: Path) -> keras.Model:
    """The detector of `config` with the weights of another, of configuration `trained`.

    Of its maps those of categories of the same name are taken; the others start at random, which is logged as a
    warning. Sizes can differ. Raises RunError where the networks differ.
    """
    if config.network != trained.network:
        raise RunError(
            f"the weights are of {trained.network}, not of {config.network}: choose --network {trained.network}"
        )
    wanted, had = config.vocabulary.categories, trained.vocabulary.categories
    pairs = [(c, had.index(name)) for c, name in enumerate(wanted) if name in had]
    if len(pairs) < len(wanted):
        new = ", ".join(name for name in wanted if name not in had)
        log.warning(f"the categories {new} are not those of the weights and start at random")
    start, net = trained_detection_net(trained, weights), detection_net(config)
    for layer in net.layers:
        if not layer.weights:
            continue
        values = start.get_layer(layer.name).get_weights()
        if layer.name in ("heat_conv", "edges_conv"):
            fresh, each = layer.get_weights(), 1 if layer.name == "heat_conv" else 4
            for target, source in pairs:
                for new, old in zip(fresh, values, strict=True):
                    new[..., each * target : each * target + each] = old[..., each * source : each * source + each]
            values = fresh
        layer.set_weights(values)
    return net


def warm_attribute_net(
    config: AttributeConfig,
    heads: Sequence[HeadSpec],
    trained: AttributeConfig,
    trained_heads: Sequence[HeadSpec],
    weights: Path,
) -> keras.Model:
    """The classifier of `config` and `heads` with the weights of another, of configuration `trained` and
    `trained_heads`.

    Heads of the same name, kind and classes are taken with the backbone, others start at random. Raises RunError where
    the backbones differ.
    """
    if config.network != trained.network:
        raise RunError(
            f"the weights are of {trained.network}, not of {config.network}: choose --network {trained.network}"
        )
    start = trained_attribute_net(trained, trained_heads, weights)
    net = attribute_net(config, heads)
    layers = ["backbone", *(f"head_{head.name}" for head in heads if head in trained_heads)]
    for name in layers:
        net.get_layer(name).set_weights(start.get_layer(name).get_weights())
    return net
