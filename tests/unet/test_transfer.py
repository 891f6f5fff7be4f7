import keras
import numpy as np
import pytest

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.data_gen.formats.challenges import CATEGORY_KEYPOINTS, KEYPOINTS
from aifashion.records import HeadSpec
from aifashion.unet.predictors import attribute_net, keypoint_net
from aifashion.unet.runs import RunError
from aifashion.unet.transfer import warm_attribute_net, warm_keypoint_net

ALL = KeypointConfig(network="lite", size=64)
LITE = AttributeConfig(network="lite", size=32)
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
    places = [place for place, name in enumerate(KEYPOINTS) if name in CATEGORY_KEYPOINTS["skirt"]]
    for name in found:
        assert found[name].std() > 0
        np.testing.assert_allclose(found[name], expected[name][..., places], atol=1e-5)


def test_another_size_and_precision_start_from_the_same_weights(tmp_path):
    start = trained(keypoint_net(ALL), tmp_path / "all.weights.h5")
    config = KeypointConfig(network="lite", size=96, precision="mixed_bfloat16")
    net = warm_keypoint_net(config, ALL, tmp_path / "all.weights.h5")
    assert net.get_layer("refined_conv").compute_dtype == "bfloat16"
    for mine, own in zip(net.weights, start.weights, strict=True):
        np.testing.assert_array_equal(mine, own)


def test_keypoints_and_networks_that_the_weights_lack(tmp_path):
    skirt = KeypointConfig(category="skirt", network="lite", size=64)
    with pytest.raises(RunError, match="category skirt, which has no neckline_left, "):
        warm_keypoint_net(ALL, skirt, tmp_path / "none.weights.h5")
    with pytest.raises(RunError, match="the weights are of lite, not of v11: choose --network lite"):
        warm_keypoint_net(KeypointConfig(network="v11"), ALL, tmp_path / "none.weights.h5")


def test_heads_that_are_the_same_go_with_the_backbone(tmp_path):
    start = trained(attribute_net(LITE, (COLOUR, LENGTH)), tmp_path / "own.weights.h5")
    others = HeadSpec("colour", "exclusive", ("red", "green", "grey"))  # as many classes, but not the same
    net = warm_attribute_net(LITE, (LENGTH, others), LITE, (COLOUR, LENGTH), tmp_path / "own.weights.h5")
    for name, same in (("backbone", True), ("head_length", True), ("head_colour", False)):
        pairs = zip(net.get_layer(name).get_weights(), start.get_layer(name).get_weights(), strict=True)
        assert all(np.array_equal(mine, own) for mine, own in pairs) == same


def test_another_backbone(tmp_path):
    with pytest.raises(RunError, match="the weights are of lite, not of resnet50v2: choose --model lite"):
        warm_attribute_net(AttributeConfig(), (COLOUR,), LITE, (COLOUR,), tmp_path / "none.weights.h5")
