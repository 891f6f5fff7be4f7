import keras
import numpy as np
import pytest

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.records import HeadSpec
from aifashion.unet.predictors import (
    activation_predictor,
    attribute_backbone,
    attribute_net,
    attribute_predictor,
    head_kernels,
    keypoint_backbone,
    keypoint_net,
    keypoint_predictor,
    load_keypoint_backbone,
    load_start,
    trained_keypoint_net,
)
from aifashion.unet.runs import RunError, new_run, save_model

ALL = KeypointConfig(network="lite", size=64)
SKIRT = KeypointConfig(network="lite", size=64, category="skirt")


@pytest.fixture(scope="module")
def net() -> keras.Model:
    return keypoint_net(ALL)


def photos() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


def test_all_keypoints_come_unmasked_and_the_odds_are_a_softmax(net):
    heatmaps, probabilities = keypoint_predictor(net)(photos())
    expected = net.predict_on_batch({"image": photos().astype(np.float32), "mask": np.ones((3, 24), np.float32)})
    assert heatmaps.dtype == probabilities.dtype == np.float32
    np.testing.assert_allclose(heatmaps, expected["refined"], 1e-4, 1e-6)
    powers = np.exp(expected["category"].astype(np.float64))
    np.testing.assert_allclose(probabilities, powers / powers.sum(axis=1, keepdims=True), 1e-4)


def test_large_logits_give_finite_odds(net):
    head = net.get_layer("category")
    before = head.get_weights()
    head.set_weights([before[0] * 0, np.array([0, 1000, 0, -1000, 0], np.float32)])
    try:
        np.testing.assert_array_equal(keypoint_predictor(net)(photos())[1], [[0, 1, 0, 0, 0]] * 3)
    finally:
        head.set_weights(before)


def test_the_configuration_decides_keypoints_and_precision():
    skirt = keypoint_net(KeypointConfig(network="lite", size=64, category="skirt", precision="bfloat16"))
    heatmaps, probabilities = keypoint_predictor(skirt)(photos())
    assert heatmaps.shape == (3, 16, 16, 4) and heatmaps.dtype == np.float32
    np.testing.assert_array_equal(probabilities, np.ones((3, 1)))


def test_a_trained_network_has_the_weights_of_its_file(net, tmp_path):
    path = tmp_path / "epoch_001.weights.h5"
    net.save_weights(path)
    keras.config.set_dtype_policy("mixed_bfloat16")  # as a run before it may have left it
    loaded = trained_keypoint_net(ALL, path)
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
    for found, expected in zip(loaded.get_weights(), net.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(RunError, match="another network or set of categories"):
        trained_keypoint_net(SKIRT, path)


def keypoint_run(folder, config: KeypointConfig, net: keras.Model):
    run = new_run(folder, config.category, config)
    save_model(run, net, epoch=1, score=0.5, keep=1)
    return run


def test_a_classifier_starts_from_the_backbone_of_a_keypoint_network(net, tmp_path):
    run = keypoint_run(tmp_path, ALL, net)
    heads = [HeadSpec("skirt_length_labels", "exclusive", ("short", "long"))]
    classifier = attribute_net(AttributeConfig(network="lite"), heads)
    load_keypoint_backbone(attribute_backbone(classifier), run)
    image = photos().astype(np.float32)
    expected = net.get_layer("lite_backbone")(image)["P5"]
    np.testing.assert_allclose(classifier.get_layer("backbone")(image), expected, 1e-5, 1e-5)


def test_a_backbone_of_another_kind_is_named(net, tmp_path):
    run = keypoint_run(tmp_path, ALL, net)
    other = attribute_net(AttributeConfig(network="mobilenetv3small"), [HeadSpec("a", "exclusive", ("x", "y"))])
    with pytest.raises(RunError, match="has the backbone lite, which is not the one to train: choose --network lite"):
        load_keypoint_backbone(attribute_backbone(other), run)


def test_a_network_starts_from_a_whole_file_or_its_backbone_alone(net, tmp_path):
    path = tmp_path / "all.weights.h5"
    net.save_weights(path)
    again = keypoint_net(ALL)
    load_start(again, path)
    for found, expected in zip(again.get_weights(), net.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    skirt = keypoint_net(SKIRT)  # whose heatmaps are others
    before = skirt.get_layer("refined_conv").get_weights()
    load_start(skirt, path, keypoint_backbone(skirt, "lite"))
    pairs = zip(
        keypoint_backbone(skirt, "lite").get_weights(), keypoint_backbone(net, "lite").get_weights(), strict=True
    )
    assert all(np.array_equal(found, expected) for found, expected in pairs)
    np.testing.assert_array_equal(skirt.get_layer("refined_conv").get_weights()[0], before[0])


def test_activations_and_kernels_give_the_logits():
    heads = [HeadSpec("a", "exclusive", ("x", "y")), HeadSpec("b", "ordinal", ("s", "m", "l", "xl"))]
    classifier = attribute_net(AttributeConfig(network="lite"), heads)
    features, logits = activation_predictor(classifier)(photos())
    kernels = head_kernels(classifier, heads)
    assert features.shape[:3] == (3, 2, 2) and [kernels[name].shape[1] for name in "ab"] == [2, 3]
    for name in "ab":
        bias = classifier.get_layer(f"head_{name}").get_weights()[1]
        np.testing.assert_allclose(features.mean(axis=(1, 2)) @ kernels[name] + bias, logits[name], 1e-4, 1e-5)
    expected = attribute_predictor(classifier)(photos())
    np.testing.assert_allclose(logits["a"], expected["a"], 1e-5, 1e-6)
