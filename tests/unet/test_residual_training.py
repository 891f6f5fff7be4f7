"""Every kind of the residual family in both stages: it trains, is saved and loaded, and exported."""

import json
from functools import partial

import formula_weights
import keras
import numpy as np
import pytest
from small_residuals import SMALL

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.records import HeadSpec
from aifashion.serve.artifact import Manifest
from aifashion.serve.export import write_artifact
from aifashion.serve.serving_net import attribute_serving_net, keypoint_serving_net
from aifashion.unet.attribute_losses import attribute_objective, loss_names
from aifashion.unet.backbones import BACKBONES
from aifashion.unet.backbones.classifiers import CLASSIFIERS, build_published_classifier
from aifashion.unet.backbones.pretrained import build_started
from aifashion.unet.backbones.published import PUBLISHED, residual
from aifashion.unet.backbones.residual import RESIDUAL
from aifashion.unet.keypoint_net import NETWORKS, NetworkSpec
from aifashion.unet.losses import keypoint_objective
from aifashion.unet.optimizers import adamw, warmup_cosine
from aifashion.unet.predictors import attribute_net, keypoint_net, keypoint_predictor
from aifashion.unet.runs import load_weights
from aifashion.unet.training import TrainedNet

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("kind", SMALL)]
HEADS = (HeadSpec("colour", "exclusive", ("red", "green", "blue")),)
STEPS, SIDE = 3, 64


@pytest.fixture(autouse=True)
def small(kind, monkeypatch):
    monkeypatch.setitem(RESIDUAL, kind, SMALL[kind])
    monkeypatch.setitem(PUBLISHED, kind, residual(kind))
    monkeypatch.setitem(BACKBONES, kind, partial(build_started, kind))
    monkeypatch.setitem(CLASSIFIERS, kind, partial(build_published_classifier, kind))
    monkeypatch.setitem(NETWORKS, kind, NetworkSpec(kind, 16, True))


def images(count: int = 2) -> np.ndarray:
    return np.concatenate([formula_weights.image(SIDE) * share for share in np.linspace(0.5, 1, count)]).astype(
        np.uint8
    )


def train(net: keras.Model, objective, parts: list[str], inputs: dict, targets: dict, compiled: bool = False) -> None:
    """A few steps on one batch. For the most part they are not compiled, which would take longer than they do."""
    model = TrainedNet(net, objective)
    model.track(parts)
    rate = warmup_cosine(1e-3, 0, STEPS, False)
    model.compile(optimizer=adamw(rate, 1e-4, 1.0), jit_compile=False, run_eagerly=not compiled)
    losses = []
    for _ in range(STEPS):
        logs = model.train_on_batch(inputs, targets, return_dict=True)
        losses.append(float(logs["loss"]))
        model.reset_metrics()
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert all(np.isfinite(weight).all() for weight in net.get_weights())


def reloaded(net: keras.Model, fresh: keras.Model, tmp_path) -> keras.Model:
    net.save_weights(tmp_path / "x.weights.h5")
    load_weights(fresh, tmp_path / "x.weights.h5")
    assert all(np.array_equal(a, b) for a, b in zip(net.get_weights(), fresh.get_weights(), strict=True))
    return fresh


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_keypoints(kind, precision, tmp_path):
    config = KeypointConfig(network=kind, size=SIDE, precision=precision)
    words, rng = config.vocabulary, np.random.default_rng(0)
    net = keypoint_net(config)
    points = len(words.keypoints)
    inputs = {"image": images(), "mask": np.ones((2, points), np.float32)}
    xy = rng.uniform(0, SIDE, (points, 2))
    targets = inputs | {
        "heatmaps": np.stack([config.codec.encode(xy, np.ones(points, bool))] * 2),
        "labelled": np.ones((2, points), np.float32),
        "category": np.array([0, 3]),
        "categorised": np.ones(2, bool),
    }
    objective = partial(keypoint_objective, sigma=config.sigma, hard_fraction=0.5, category_weight=0.1)
    train(net, objective, ["global", "refined", "category"], inputs, targets)
    if precision != "float32":
        return  # the weights are float32 there too, and are kept alike
    fresh = reloaded(net, keypoint_net(config), tmp_path)
    # Every kind is exported as a classifier; the other stage has the same layers in it.
    if kind == "small_resnest":
        serving = keypoint_serving_net(fresh, config.codec, "argmax", words.twins)
        expected, _ = keypoint_predictor(fresh)(images())

        def measured(network) -> dict:
            told = network(images(), mask=inputs["mask"])["heatmaps"]
            return {"heatmaps": float(np.abs(told - expected).max()), "excess": 0.0}

        manifest = Manifest("keypoints", "openvino", "float32", json.loads(config.to_json()), config.vocabulary)
        told = write_artifact(tmp_path / "artifact", serving, manifest, measured)
        assert told.differences["heatmaps"] < 1e-4 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_attributes(kind, precision, tmp_path):
    config = AttributeConfig(network=kind, size=SIDE, precision=precision)
    net = attribute_net(config, HEADS)
    targets = {"target/colour": np.eye(3, dtype=np.float32)[[0, 2]], "known/colour": np.ones(2, np.float32)}
    objective = partial(attribute_objective, heads=HEADS, weights={})
    train(net, objective, loss_names(HEADS), {"image": images()}, targets, compiled=precision == "float32")
    if precision != "float32":
        return
    fresh = reloaded(net, attribute_net(config, HEADS), tmp_path)
    expected = np.asarray(fresh({"image": images()})["colour"])

    def measured(network) -> dict:
        told = network(images())["logits_colour"]
        return {"logits": float(np.abs(told - expected).max()), "excess": 0.0}

    facts = json.loads(config.to_json())
    manifest = Manifest("attributes", "openvino", "float32", facts, config.vocabulary, heads=HEADS)
    told = write_artifact(tmp_path / "artifact", attribute_serving_net(fresh, HEADS, SIDE, {}), manifest, measured)
    assert told.differences["logits"] < 1e-3 * max(1, np.abs(expected).max())
