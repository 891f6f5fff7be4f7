import keras
import numpy as np
import pytest

from aifashion.config import KeypointConfig
from aifashion.unet.predictors import keypoint_net, keypoint_predictor, trained_keypoint_net
from aifashion.unet.runs import RunError

ALL = KeypointConfig(network="lite", size=64)
SKIRT = KeypointConfig(network="lite", size=64, category="skirt")


@pytest.fixture(scope="module")
def net() -> keras.Model:
    return keypoint_net(ALL)


def photos() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


def test_all_keypoints_come_unmasked_and_the_odds_are_a_softmax(net):
    heatmaps, odds = keypoint_predictor(net)(photos())
    expected = net.predict_on_batch({"image": photos().astype(np.float32), "mask": np.ones((3, 24), np.float32)})
    assert heatmaps.dtype == odds.dtype == np.float32
    np.testing.assert_allclose(heatmaps, expected["refined"], 1e-4, 1e-6)
    powers = np.exp(expected["category"].astype(np.float64))
    np.testing.assert_allclose(odds, powers / powers.sum(axis=1, keepdims=True), 1e-4)


def test_large_logits_give_finite_odds(net):
    head = net.get_layer("category")
    before = head.get_weights()
    head.set_weights([before[0] * 0, np.array([0, 1000, 0, -1000, 0], np.float32)])
    try:
        np.testing.assert_array_equal(keypoint_predictor(net)(photos())[1], [[0, 1, 0, 0, 0]] * 3)
    finally:
        head.set_weights(before)


def test_the_configuration_decides_keypoints_and_precision():
    skirt = keypoint_net(KeypointConfig(network="lite", size=64, category="skirt", precision="mixed_bfloat16"))
    heatmaps, odds = keypoint_predictor(skirt)(photos())
    assert heatmaps.shape == (3, 16, 16, 4) and heatmaps.dtype == np.float32
    np.testing.assert_array_equal(odds, np.ones((3, 1)))


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
