import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from aifashion.config import AttributeConfig
from aifashion.records import HeadSpec
from aifashion.unet.attribute_losses import attribute_objective, loss_names
from aifashion.unet.attribute_net import build_attribute_net, head_width
from aifashion.unet.backbones.classifiers import CLASSIFIERS
from aifashion.unet.blocks import conv_bn
from aifashion.unet.predictors import (
    attribute_backbone,
    attribute_net,
    attribute_predictor,
    load_start,
    trained_attribute_net,
)
from aifashion.unet.runs import RunError, best_model
from aifashion.unet.training import TrainedNet

SHAPE = HeadSpec("shape", "exclusive", ("round", "square", "other"))
LENGTH = HeadSpec("length", "ordinal", ("short", "knee", "midi", "floor"))
STYLE = HeadSpec("style", "independent", ("sport", "lady"))
HEADS = (SHAPE, LENGTH, STYLE)
WEIGHTS = {"style": np.ones(2, np.float32)}


def build_mine(weights) -> keras.Model:
    """A user's own model: small, and with both kinds of batch normalisation."""
    image = layers.Input((None, None, 3), name="image")
    x = conv_bn(layers.Rescaling(1 / 128, offset=-1.0)(image), 4, 3, "stem", stride=4)
    x = layers.BatchNormalization(momentum=0.9)(layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x))
    return keras.Model(image, x, name="backbone")


def build_other(weights) -> keras.Model:
    image = layers.Input((None, None, 3), name="image")
    return keras.Model(image, layers.Conv2D(6, 5, strides=8)(image), name="backbone")


@pytest.fixture(autouse=True)
def own_models(monkeypatch):
    """All that it takes for a model to join."""
    monkeypatch.setitem(CLASSIFIERS, "mine", build_mine)
    monkeypatch.setitem(CLASSIFIERS, "other", build_other)


def mine(heads=HEADS, seed: int = 1, model: str = "mine", dropout: float = 0.0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return build_attribute_net(model, heads, dropout)


def photos(count: int = 3, size: tuple[int, int] = (32, 32)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size[1], size[0], 3), dtype=np.uint8)


def backbone_of(net: keras.Model) -> list[np.ndarray]:
    return net.get_layer("backbone").get_weights()


def heads_of(net: keras.Model) -> dict[str, np.ndarray]:
    return {layer.name: layer.get_weights()[0] for layer in net.layers if layer.name.startswith("head_")}


def assert_equal(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


# ------------------------------------------------------------------------------------------------------- the network


def test_an_ordinal_head_asks_one_question_less_than_it_has_classes():
    assert [head_width(head) for head in HEADS] == [3, 3, 2]


def test_the_heads_read_the_mean_of_the_features():
    net = mine()
    images = photos().astype(np.float32)
    pooled = net.get_layer("backbone").predict_on_batch(images).mean(axis=(1, 2))
    outputs = net.predict_on_batch({"image": images})
    assert list(outputs) == ["shape", "length", "style"]
    for head in HEADS:
        kernel, bias = net.get_layer(f"head_{head.name}").get_weights()
        assert outputs[head.name].shape == (3, head_width(head))
        np.testing.assert_allclose(outputs[head.name], pooled @ kernel + bias, rtol=1e-4, atol=1e-5)
    assert net.name == "classifier_mine"


def test_one_network_takes_any_size():
    predict = attribute_predictor(mine())
    for size in ((32, 32), (64, 48), (33, 90)):
        for head in HEADS:
            assert predict(photos(2, size))[head.name].shape == (2, head_width(head))
    # The same pixels in a larger picture of them: the mean of the features stays about the same.
    small = photos(1)
    tiled = predict(np.tile(small, (1, 4, 4, 1)))
    np.testing.assert_allclose(tiled["shape"], predict(small)["shape"], atol=0.2)


def test_logits_are_float32_whatever_the_precision_of_the_layers():
    config = AttributeConfig(network="mine", precision="bfloat16", dropout=0.25)
    net = attribute_net(config, HEADS)
    assert net.get_layer("backbone").layers[-1].compute_dtype == "bfloat16"
    assert net.get_layer("dropout").rate == 0.25
    assert {logits.dtype.name for logits in attribute_predictor(net)(photos()).values()} == {"float32"}
    attribute_net(AttributeConfig(network="mine"), HEADS)
    assert keras.config.dtype_policy().name == "float32"


def test_dropout_works_in_training_alone():
    net = mine(dropout=0.5)
    images = {"image": photos(1).astype(np.float32)}
    assert_equal(list(net.predict_on_batch(images).values()), list(net.predict_on_batch(images).values()))
    drawn = {np.asarray(net(images, training=True)["shape"]).tobytes() for _ in range(8)}
    assert len(drawn) > 1
    assert "dropout" not in {layer.name for layer in mine().layers}


@pytest.mark.parametrize("heads", [(), (SHAPE, SHAPE), (SHAPE, HeadSpec("shape", "ordinal", ("a", "b")))])
def test_heads_have_different_names(heads):
    with pytest.raises(ValueError, match="a classifier needs heads of different names; got"):
        build_attribute_net("mine", heads)


def test_an_unknown_model():
    with pytest.raises(ValueError, match=r"unknown model 'vgg'; expected one of lite, resnet50, .*, mine, other$"):
        build_attribute_net("vgg", HEADS)


def trained(net: keras.Model) -> dict[str, list[np.ndarray]]:
    """The weights by layer after one step on photos that are labelled for all heads."""
    rng = np.random.default_rng(2)
    targets = {f"target/{head.name}": np.eye(len(head.classes), dtype=np.float32)[[0, 1, 1]] for head in HEADS}
    targets |= {f"known/{head.name}": np.ones(3, np.float32) for head in HEADS}
    model = TrainedNet(net, lambda y, outputs: attribute_objective(y, outputs, HEADS, WEIGHTS))
    model.track(loss_names(HEADS))
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    model.train_on_batch({"image": rng.integers(0, 256, (3, 32, 32, 3)).astype(np.float32)}, targets)
    return {layer.name: layer.get_weights() for layer in net.layers if layer.weights}


def test_of_a_frozen_backbone_nothing_changes_in_training():
    net = mine()
    before = {layer.name: layer.get_weights() for layer in net.layers if layer.weights}
    attribute_backbone(net).trainable = False
    assert len(net.trainable_variables) == 2 * len(HEADS)
    after = trained(net)
    # Weights and the statistics of both batch normalisations, bit by bit; and every head moved.
    assert_equal(after["backbone"], before["backbone"])
    for head in HEADS:
        assert (after[f"head_{head.name}"][0] != before[f"head_{head.name}"][0]).any()


def test_a_backbone_that_is_not_frozen_is_trained():
    net = mine()
    names = [weight.path.rpartition("/")[2] for weight in net.get_layer("backbone").weights]
    before = backbone_of(net)
    after = trained(net)["backbone"]
    changed = {name for name, one, other in zip(names, before, after, strict=True) if (one != other).any()}
    assert {"kernel", "moving_mean", "moving_variance"} <= changed


def test_in_half_precision_the_weights_stay_in_float32_and_are_trained():
    net = attribute_net(AttributeConfig(network="mine", precision="bfloat16"), HEADS)
    before = heads_of(net)
    after = trained(net)
    assert {weight.dtype.name for weights in after.values() for weight in weights} == {"float32"}
    for name, kernel in heads_of(net).items():
        assert np.isfinite(kernel).all() and (kernel != before[name]).any()


# ------------------------------------------------------------------------------------------------------- predictions


def test_a_predictor_tells_the_logits_of_every_head():
    net = mine()
    found = attribute_predictor(net)(photos())
    expected = net.predict_on_batch({"image": photos().astype(np.float32)})
    assert set(found) == {"shape", "length", "style"}
    for name, logits in found.items():
        assert isinstance(logits, np.ndarray)
        np.testing.assert_allclose(logits, expected[name], rtol=1e-5, atol=1e-6)


def test_a_trained_classifier_has_the_weights_of_its_file(tmp_path):
    net, path = mine(), tmp_path / "epoch_001.weights.h5"
    net.save_weights(path)
    config = AttributeConfig(network="mine")
    loaded = trained_attribute_net(config, HEADS, path)
    assert_equal(loaded.get_weights(), net.get_weights())
    wider = HeadSpec("style", "independent", ("sport", "lady", "casual"))
    for heads in ((*HEADS, HeadSpec("more", "exclusive", ("a", "b"))), (SHAPE, LENGTH, wider)):
        with pytest.raises(RunError, match=r"epoch_001\.weights\.h5 does not fit classifier_mine"):
            trained_attribute_net(config, heads, path)


# ----------------------------------------------------------------------------------------------- what it starts from


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> tuple[keras.Model, Path]:
    """A trained classifier, and its weights file."""
    keras.utils.set_random_seed(7)
    path = tmp_path_factory.mktemp("start") / "start.weights.h5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CLASSIFIERS, "mine", build_mine)
        net = build_attribute_net("mine", HEADS)
    net.save_weights(path)
    return net, path


def test_all_of_a_classifier_is_loaded(start):
    net = mine()
    load_start(net, start[1])
    assert_equal(net.get_weights(), start[0].get_weights())


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(
    "heads",
    [HEADS, (HeadSpec("shape", "exclusive", tuple("abcdefg")),), (*HEADS, HeadSpec("more", "ordinal", tuple("abc")))],
    ids=["the same heads", "fewer and wider ones", "more heads"],
)
def test_the_backbone_alone_is_loaded_and_the_heads_stay(start, heads, dropout):
    net = mine(heads, dropout=dropout)
    before = heads_of(net)
    load_start(net, start[1], attribute_backbone(net))
    assert_equal(backbone_of(net), backbone_of(start[0]))
    after = heads_of(net)
    assert set(after) == set(before)
    assert_equal(list(after.values()), list(before.values()))


@pytest.mark.parametrize("backbone_only", [False, True])
def test_weights_of_another_backbone_are_refused(start, backbone_only):
    net = mine(model="other")
    before, part = net.get_weights(), attribute_backbone(net) if backbone_only else None
    with pytest.raises(RunError, match=r"start\.weights\.h5 does not fit classifier_other"):
        load_start(net, start[1], part)
    assert_equal(net.get_weights(), before)
    with pytest.raises(RunError, match="no weights file at"):
        load_start(net, start[1].with_name("nowhere.h5"), part)


def test_other_heads_are_refused_unless_the_backbone_alone_is_wanted(start):
    with pytest.raises(RunError, match=r"does not fit classifier_mine"):
        load_start(mine((HeadSpec("one", "exclusive", tuple("abcdefg")),)), start[1])


def test_of_a_run_the_best_model_is_loaded(start, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    entries, nets = [], []
    for epoch, score in ((1, 0.4), (2, 0.1), (3, 0.3)):
        nets.append(mine(seed=epoch))
        path = models / f"epoch_{epoch:03d}.weights.h5"
        nets[-1].save_weights(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entries.append({"file": path.name, "sha256": digest, "epoch": epoch, "score": score})
    (models / "index.json").write_text(json.dumps(entries))
    net = mine(seed=9)
    load_start(net, best_model(tmp_path, pytest.fail).path)
    assert_equal(net.get_weights(), nets[1].get_weights())
    # Cut short, the next best is taken, with a warning.
    (models / "epoch_002.weights.h5").write_bytes(b"HDF")
    warnings: list[str] = []
    load_start(net, best_model(tmp_path, warnings.append).path, attribute_backbone(net))
    assert_equal(backbone_of(net), backbone_of(nets[2]))
    assert_equal(list(heads_of(net).values()), list(heads_of(nets[1]).values()))
    assert len(warnings) == 1 and "epoch_002.weights.h5 is damaged" in warnings[0]
    with pytest.raises(RunError, match="has no usable model yet"):
        best_model(tmp_path / "models", pytest.fail)
