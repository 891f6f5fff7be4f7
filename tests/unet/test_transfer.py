import typing

import keras
import numpy as np
import pytest

from aifashion.config import KeypointConfig, Precision, attribute_preset
from aifashion.data_gen.formats.challenges import CATEGORY_KEYPOINTS, KEYPOINTS
from aifashion.records import HeadSpec
from aifashion.unet.predictors import attribute_net, keypoint_net
from aifashion.unet.runs import RunError
from aifashion.unet.transfer import warm_attribute_net, warm_keypoint_net
from aifashion.vocabulary import Vocabulary, vocabulary_from

ALL = KeypointConfig(network="lite", size=64)
LITE = attribute_preset("lite")
BFLOAT16 = typing.get_args(Precision)[1]
COLOUR = HeadSpec("colour", "exclusive", ("red", "green", "blue"))
LENGTH = HeadSpec("length", "ordinal", ("short", "middle", "long"))
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


def trained(net: keras.Model, path) -> keras.Model:
    """Weights that no start gives, in a file."""
    rng = np.random.default_rng(1)
    for weight in net.weights:
        noise = rng.normal(0, 0.05, weight.shape)
        weight.assign(np.abs(noise) + 0.5 if "variance" in weight.path else noise)
    net.save_weights(path)
    return net


def heatmaps(net: keras.Model) -> dict[str, np.ndarray]:
    mask = np.ones((len(IMAGES), net.input["mask"].shape[1]), np.float32)
    return {name: np.asarray(value) for name, value in net.predict_on_batch({"image": IMAGES, "mask": mask}).items()}


def test_a_category_takes_its_own_heatmaps(tmp_path):
    start = trained(keypoint_net(ALL), tmp_path / "all.weights.h5")
    net = warm_keypoint_net(KeypointConfig(category="skirt", network="lite", size=64), ALL, tmp_path / "all.weights.h5")
    expected, found = heatmaps(start), heatmaps(net)
    assert "category" in expected and "category" not in found
    indices = [index for index, name in enumerate(KEYPOINTS) if name in CATEGORY_KEYPOINTS["skirt"]]
    for name in found:
        assert found[name].std() > 0
        np.testing.assert_allclose(found[name], expected[name][..., indices], atol=1e-5)


def test_another_size_and_precision_start_from_the_same_weights(tmp_path):
    start = trained(keypoint_net(ALL), tmp_path / "all.weights.h5")
    config = KeypointConfig(network="lite", size=96, precision=BFLOAT16)
    net = warm_keypoint_net(config, ALL, tmp_path / "all.weights.h5")
    assert net.get_layer("refined_conv").compute_dtype == "bfloat16"
    for found, expected in zip(net.weights, start.weights, strict=True):
        np.testing.assert_array_equal(found, expected)


def own_vocabulary(*names: str) -> Vocabulary:
    """Of one category, with these keypoints."""
    data = {"name": "mine", "keypoints": list(names), "categories": {"shirt": {"keypoints": list(names)}}}
    return vocabulary_from(data)


def test_one_more_keypoint_than_the_weights_have(tmp_path, caplog):
    start = trained(keypoint_net(ALL), tmp_path / "all.weights.h5")
    names = (KEYPOINTS[3], "pocket", *KEYPOINTS[:3], *KEYPOINTS[4:])
    net = warm_keypoint_net(
        KeypointConfig(vocabulary=own_vocabulary(*names), network="lite", size=64), ALL, tmp_path / "all.weights.h5"
    )
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 25 keypoints are not those of the weights and start at random: pocket"
    ]
    expected, found = heatmaps(start), heatmaps(net)
    had = [index for index, name in enumerate(names) if name != "pocket"]
    for name in found:
        assert found[name].shape[-1] == 25
        order = [KEYPOINTS.index(names[index]) for index in had]
        np.testing.assert_allclose(found[name][..., had], expected[name][..., order], atol=1e-5)
    kernels, biases = (net.get_layer("refined_conv").get_weights()[part] for part in (0, 1))
    fresh = keypoint_net(KeypointConfig(vocabulary=own_vocabulary(*names), network="lite", size=64))
    assert 0 < kernels[..., 1].std() < 2 * fresh.get_layer("refined_conv").get_weights()[0].std()
    assert biases[1] == fresh.get_layer("refined_conv").get_weights()[1][1]


def test_no_keypoint_in_common_with_the_weights(tmp_path, caplog):
    start = trained(keypoint_net(ALL), tmp_path / "all.weights.h5")
    config = KeypointConfig(vocabulary=own_vocabulary("a", "b"), network="lite", size=64)
    net = warm_keypoint_net(config, ALL, tmp_path / "all.weights.h5")
    assert "2 of 2 keypoints are not those of the weights and start at random: a, b" in caplog.text
    fresh = keypoint_net(config)
    differing = {layer.name for layer in net.layers if not same(layer, start.get_layer(layer.name))}
    assert differing and all(name.endswith("_conv") for name in differing)
    for name in differing:
        assert same_biases(net.get_layer(name), fresh.get_layer(name))


def test_keypoints_of_other_categories_start_at_random(tmp_path, caplog):
    skirt = KeypointConfig(category="skirt", network="lite", size=64)
    start = trained(keypoint_net(skirt), tmp_path / "skirt.weights.h5")
    net = warm_keypoint_net(ALL, skirt, tmp_path / "skirt.weights.h5")
    assert "20 of 24 keypoints are not those of the weights and start at random: neckline_left, " in caplog.text
    had = [KEYPOINTS.index(name) for name in CATEGORY_KEYPOINTS["skirt"]]
    found, expected = heatmaps(net)["refined"][..., had], heatmaps(start)["refined"]
    order = [skirt.vocabulary.keypoints.index(name) for name in CATEGORY_KEYPOINTS["skirt"]]
    np.testing.assert_allclose(found, expected[..., order], atol=1e-5)


def same(layer: keras.Layer, other: keras.Layer) -> bool:
    pairs = list(zip(layer.get_weights(), other.get_weights(), strict=True))
    return all(one.shape == two.shape and np.array_equal(one, two) for one, two in pairs)


def same_biases(layer: keras.Layer, other: keras.Layer) -> bool:
    return np.array_equal(layer.get_weights()[-1], other.get_weights()[-1])


def test_another_network(tmp_path):
    with pytest.raises(RunError, match="the weights are of lite, not of v11: choose --network lite"):
        warm_keypoint_net(KeypointConfig(network="v11"), ALL, tmp_path / "none.weights.h5")


def test_heads_that_are_the_same_go_with_the_backbone(tmp_path):
    start = trained(attribute_net(LITE, (COLOUR, LENGTH)), tmp_path / "trained.weights.h5")
    others = HeadSpec("colour", "exclusive", ("red", "green", "grey"))  # as many classes, but not the same
    net = warm_attribute_net(LITE, (LENGTH, others), LITE, (COLOUR, LENGTH), tmp_path / "trained.weights.h5")
    for name, same in (("backbone", True), ("head_length", True), ("head_colour", False)):
        pairs = zip(net.get_layer(name).get_weights(), start.get_layer(name).get_weights(), strict=True)
        assert all(np.array_equal(found, expected) for found, expected in pairs) == same


def test_another_backbone(tmp_path):
    with pytest.raises(RunError, match="the weights are of lite, not of resnet50v2: choose --network lite"):
        warm_attribute_net(attribute_preset("resnet50v2"), (COLOUR,), LITE, (COLOUR,), tmp_path / "none.weights.h5")
