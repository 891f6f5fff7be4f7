"""A trained network as a plain function from arrays to arrays, which is all that the evaluation knows of it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from ..config import AttributeConfig, DetectionConfig, KeypointConfig, Precision
from ..records import HeadSpec
from .attribute_net import build_attribute_net
from .backbones import Weights
from .detection_net import build_detection_net
from .framework import check_settings
from .keypoint_net import NETWORKS, build_keypoint_net
from .runs import RunError, best_model, load_weights, read_keypoint_config

log = logging.getLogger(__name__)

_POLICIES: dict[Precision, str] = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
"""What Keras calls a precision: weights are float32 in both."""


def keypoint_net(config: KeypointConfig, backbone_weights: Weights = None) -> keras.Model:
    """The network of a configuration, in its precision, which then holds for all of Keras."""
    check_settings()
    keras.config.set_dtype_policy(_POLICIES[config.precision])
    vocabulary = config.vocabulary
    counts = len(vocabulary.keypoints), len(vocabulary.categories)
    return build_keypoint_net(config.network, config.size, *counts, backbone_weights)


def trained_keypoint_net(config: KeypointConfig, weights: Path) -> keras.Model:
    """The network of a run with the weights of one of its models. Raises RunError where they do not fit.

    The precision of Keras stays as it was: whoever uses a trained network can have others.
    """
    with _same_policy():
        net = keypoint_net(config)
    load_weights(net, weights)
    return net


def keypoint_predictor(net: keras.Model):
    """images (B, S, S, 3) uint8 -> heatmaps (B, h, w, K) float32, not yet masked, and category probabilities (B, C).

    A network of one category gives probability 1. Only RefineNet and the category head are computed.
    """
    wanted = {name: tensor for name, tensor in net.output.items() if not name.startswith("global")}
    model = keras.Model(net.input, wanted, name=f"{net.name}_predictor")
    keypoints = int(net.input["mask"].shape[1])

    def predict(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        everything = np.ones((len(images), keypoints), np.float32)
        outputs = model.predict_on_batch({"image": images, "mask": everything})
        heatmaps = np.asarray(outputs["refined"])
        if "category" not in outputs:
            return heatmaps, np.ones((len(images), 1), np.float32)
        logits = np.asarray(outputs["category"], np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return heatmaps, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)

    return predict


def detection_net(config: DetectionConfig, backbone_weights: Weights = None) -> keras.Model:
    """The detector of a configuration, in its precision, which then holds for all of Keras."""
    check_settings()
    keras.config.set_dtype_policy(_POLICIES[config.precision])
    return build_detection_net(config.network, config.size, len(config.vocabulary.categories), backbone_weights)


def trained_detection_net(config: DetectionConfig, weights: Path) -> keras.Model:
    """The detector of a run with the weights of one of its models. Raises RunError where they do not fit.

    The precision of Keras stays as it was, as with `trained_keypoint_net`.
    """
    with _same_policy():
        net = detection_net(config)
    load_weights(net, weights)
    return net


def detection_predictor(net: keras.Model) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """images (B, S, S, 3) uint8 -> the maps of middles (B, h, w, C), probabilities, and of edges (B, h, w, C, 4) px."""

    def predict(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs = net.predict_on_batch({"image": images})
        logits = np.asarray(outputs["heat"], np.float64)
        # As 1 / (1 + exp(-x)), without its overflow.
        return (0.5 * (1 + np.tanh(logits / 2))).astype(np.float32), np.asarray(outputs["distances"])

    return predict


def attribute_net(config: AttributeConfig, heads: Sequence[HeadSpec], backbone_weights: Weights = None) -> keras.Model:
    """The classifier of a configuration, in its precision, which then holds for all of Keras."""
    check_settings()
    keras.config.set_dtype_policy(_POLICIES[config.precision])
    return build_attribute_net(config.network, heads, config.dropout, backbone_weights)


def trained_attribute_net(config: AttributeConfig, heads: Sequence[HeadSpec], weights: Path) -> keras.Model:
    """The classifier of a run with the weights of one of its models. Raises RunError where they do not fit.

    The precision of Keras stays as it was, as with `trained_keypoint_net`.
    """
    with _same_policy():
        net = attribute_net(config, heads)
    load_weights(net, weights)
    return net


@contextmanager
def _same_policy() -> Iterator[None]:
    policy = keras.config.dtype_policy()
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def keypoint_backbone(net: keras.Model, network: str) -> keras.Model:
    """The backbone of a keypoint network or a detector: image -> the levels of its pyramid."""
    return net.get_layer(f"{NETWORKS[network].backbone}_backbone")


def attribute_backbone(net: keras.Model) -> keras.Model:
    """The backbone of a classifier: image -> its last features."""
    return net.get_layer("backbone")


def load_start(net: keras.Model, weights: Path, backbone: keras.Model | None = None) -> None:
    """Loads a weights file into a network that is to be trained on, or of it the `backbone` of this network alone.

    The rest then stays as it is, and can be other than that of the file. Raises RunError where the weights do not fit.
    """
    if backbone is None:
        load_weights(net, weights)
        return
    image = net.input["image"]
    load_weights(keras.Model(image, backbone(image), name=net.name), weights)


def load_keypoint_backbone(backbone: keras.Model, run: Path) -> None:
    """Starts a backbone from that of a trained keypoint network, the best model of its run.

    Raises RunError where the run is unusable or its backbone is another one.
    """
    config = read_keypoint_config(run)
    trained = trained_keypoint_net(config, best_model(run, log.warning).path)
    start = keypoint_backbone(trained, config.network).get_weights()
    if [part.shape for part in start] != [part.shape for part in backbone.get_weights()]:
        name = NETWORKS[config.network].backbone
        raise RunError(f"{run} has the backbone {name}, which is not the one to train: choose --network {name}")
    backbone.set_weights(start)


def attribute_predictor(net: keras.Model) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """images (B, S, S, 3) uint8, any S -> logits by head, (B, logits) float32."""

    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        return {name: np.asarray(logits) for name, logits in net.predict_on_batch({"image": images}).items()}

    return predict


def activation_predictor(net: keras.Model) -> Callable[[np.ndarray], tuple[np.ndarray, dict[str, np.ndarray]]]:
    """images (B, S, S, 3) uint8, any S -> the last features (B, h, w, F) float32 and logits by head."""
    features = net.get_layer("pooled").input
    model = keras.Model(net.input, [features, net.output], name=f"{net.name}_activations")

    def predict(images: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        found, logits = model.predict_on_batch({"image": images})
        return np.asarray(found, np.float32), {name: np.asarray(values) for name, values in logits.items()}

    return predict


def head_kernels(net: keras.Model, heads: Sequence[HeadSpec]) -> dict[str, np.ndarray]:
    """By head (F, logits): the weights from the mean of the last features to the logits."""
    return {head.name: np.asarray(net.get_layer(f"head_{head.name}").get_weights()[0]) for head in heads}
