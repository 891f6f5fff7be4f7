import keras
import numpy as np
import pytest

from aifashion.unet.keypoint_net import build_keypoint_net
from aifashion.unet.losses import keypoint_objective
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()

HEATMAPS = ("global_p2", "global_p3", "global_p4", "global_p5", "refined")


@pytest.fixture(scope="module")
def lite() -> keras.Model:
    return build_keypoint_net("lite", 64, 24, 5)


def photos(count: int = 2, size: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3)).astype(np.float32)


def masks(*categories: str) -> np.ndarray:
    return np.array([ALL.mask(category) for category in categories], np.float32)


def check_shapes(net: keras.Model) -> None:
    outputs = net.predict_on_batch({"image": photos(), "mask": masks("skirt", "dress")})
    assert sorted(outputs) == ["category", *HEATMAPS]
    assert outputs["category"].shape == (2, 5)
    for name in HEATMAPS:
        assert outputs[name].shape == (2, 16, 16, 24) and np.isfinite(outputs[name]).all(), name


def test_every_output_has_a_cell_for_four_pixels(lite):
    check_shapes(lite)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["v11", "resnet50"])
def test_the_large_networks_have_the_same_outputs(network):
    net = build_keypoint_net(network, 64, 24, 5)
    check_shapes(net)
    assert net.get_layer("lateral_p5").kernel.shape == (1, 1, 2048, 256)
    blocks = {"v11": 33, "resnet50": 16}[network]
    body = next(layer for layer in net.layers if layer.name.endswith("_backbone"))
    features = next(layer for layer in body.layers if layer.name.endswith("_features"))
    assert sum(layer.name.endswith("_add") for layer in features.layers) == blocks
    # RefineNet runs 3, 2, 1 and 0 bottlenecks on P5 to P2, and one on all together.
    ends = [layer.name for layer in net.layers if layer.name.startswith("refine") and layer.name.endswith("_add")]
    assert sorted(ends) == [
        "refine_final_add",
        "refine_p3_0_add",
        "refine_p4_0_add",
        "refine_p4_1_add",
        "refine_p5_0_add",
        "refine_p5_1_add",
        "refine_p5_2_add",
    ]


def test_keypoints_of_other_categories_are_exactly_zero(lite):
    mask = masks("skirt", "trousers")
    outputs = lite.predict_on_batch({"image": photos(), "mask": mask})
    for name in HEATMAPS:
        silent = ~outputs[name].any(axis=(1, 2))
        np.testing.assert_array_equal(silent, mask == 0, err_msg=name)


def test_the_mask_does_not_change_what_it_lets_through(lite):
    images = photos()
    whole = lite.predict_on_batch({"image": images, "mask": np.ones((2, 24), np.float32)})
    skirts = lite.predict_on_batch({"image": images, "mask": masks("skirt", "skirt")})
    here = ALL.mask("skirt")
    np.testing.assert_array_equal(whole["refined"][..., here], skirts["refined"][..., here])
    np.testing.assert_array_equal(whole["category"], skirts["category"])


def test_a_single_category_needs_no_head_for_it():
    net = build_keypoint_net("lite", 64, 4, 1)
    assert sorted(net.output) == list(HEATMAPS)
    assert net.output["refined"].shape == (None, 16, 16, 4)


def test_every_weight_learns_those_of_the_last_keypoint_too(lite):
    tf = pytest.importorskip("tensorflow")
    words = ALL.restricted("trousers")
    mask = masks("trousers", "trousers")
    assert mask[0, -1] == 1 and words.keypoints[-1] == ALL.keypoints[-1] == "bottom_right_out"
    targets = {
        "heatmaps": np.random.default_rng(1).random((2, 16, 16, 24)).astype(np.float32) * mask[:, None, None],
        "labelled": mask,
        "mask": mask,
        "category": np.array([4, 4], np.int32),
        "categorised": np.array([True, True]),
    }
    with tf.GradientTape() as tape:
        outputs = lite({"image": photos(), "mask": mask}, training=True)
        loss = sum(keypoint_objective(targets, outputs, 1.5, 1.0, 0.1).values())
    weights = {weight.path: weight for weight in lite.trainable_variables}
    gradients = dict(zip(weights, tape.gradient(loss, [w.value for w in weights.values()]), strict=True))
    assert [path for path, gradient in gradients.items() if gradient is None or not np.any(gradient)] == []
    for name in HEATMAPS:
        learning = np.abs(gradients[f"{name}_conv/kernel"]).sum(axis=(0, 1, 2)) > 0
        np.testing.assert_array_equal(learning, mask[0] > 0, err_msg=name)


def test_heatmaps_and_logits_are_float32_in_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    net = build_keypoint_net("lite", 64, 24, 5)
    assert net.get_layer("lateral_p5").compute_dtype == "bfloat16"
    outputs = net({"image": photos(), "mask": masks("skirt", "dress")})
    assert {keras.backend.standardize_dtype(output.dtype) for output in outputs.values()} == {"float32"}
    assert {weight.dtype for weight in net.weights} == {"float32"}


def test_the_seed_gives_the_start_weights(lite):
    def seeded() -> keras.Model:
        keras.utils.set_random_seed(7)
        return build_keypoint_net("lite", 64, 4, 1)

    first, same = seeded(), seeded()
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), same.get_weights(), strict=True))
    kernels = [net.get_layer("lateral_p5").get_weights()[0] for net in (first, lite)]
    assert not np.array_equal(*kernels)


@pytest.mark.parametrize(
    ("network", "size", "message"),
    [
        ("vgg", 64, "unknown network 'vgg'; expected one of v11, resnet50, lite"),
        ("lite", 100, "multiple of 32 and at least 64 px, not 100"),
        ("lite", 32, "multiple of 32 and at least 64 px, not 32"),
        ("lite", 0, "not 0"),
    ],
)
def test_what_cannot_be_built(network, size, message):
    with pytest.raises(ValueError, match=message):
        build_keypoint_net(network, size, 24, 5)
