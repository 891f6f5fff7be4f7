import keras
import numpy as np
import pytest

from aifashion.unet.detection_net import build_detection_net
from aifashion.unet.keypoint_net import NETWORKS


@pytest.mark.parametrize("network", ["lite", "efficientnet_lite0"])
def test_the_outputs_have_their_shapes_and_say_little_at_first(network):
    keras.utils.set_random_seed(0)
    net = build_detection_net(network, 64, 3)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    outputs = net.predict_on_batch({"image": images})
    assert outputs["heat"].shape == (2, 8, 8, 3)
    assert outputs["distances"].shape == (2, 8, 8, 3, 4)
    # Random layers and a random image: single cells can say more.
    assert np.median(1 / (1 + np.exp(-outputs["heat"]))) == pytest.approx(0.02, abs=0.01)
    # About a fifth of the side, 0.3 log(2), wherever a garment is.
    assert (outputs["distances"] > 0).all()
    assert outputs["distances"].mean() == pytest.approx(64 * 0.3 * np.log(2), rel=0.3)


def test_the_outputs_are_float32_in_every_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        net = build_detection_net("lite", 64, 2)
    finally:
        keras.config.set_dtype_policy(policy)
    assert {output.dtype for output in net.output.values()} == {"float32"}


def test_every_layer_learns():
    net = build_detection_net("lite", 64, 2)
    names = {weight.path for weight in net.trainable_weights}
    assert any(name.startswith("edges_conv") for name in names)
    before = [weight.numpy().copy() for weight in net.trainable_weights]
    target = {
        "heat": np.zeros((2, 8, 8, 2), np.float32),
        "distances": np.full((2, 8, 8, 2, 4), 30, np.float32),
    }
    net.compile(optimizer=keras.optimizers.Adam(0.01), loss=dict.fromkeys(target, "mse"))
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    for _ in range(2):  # the maps' small start weights keep the first step from the layers before them
        net.train_on_batch({"image": images}, target)
    still = [
        weight.path
        for weight, old in zip(net.trainable_weights, before, strict=True)
        if np.array_equal(weight.numpy(), old)
    ]
    assert not still


def test_a_network_or_size_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match=f"unknown network 'vgg99'; expected one of {', '.join(NETWORKS)}"):
        build_detection_net("vgg99", 64, 2)
    with pytest.raises(ValueError, match="a multiple of 32 and at least 64 px, not 80"):
        build_detection_net("lite", 80, 2)
