import re
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from aifashion.unet.backbones import WeightsError, build_backbone
from aifashion.unet.backbones.caffe_files import is_caffe_file, load_caffe_file

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
WIDTHS = (64, 128, 256, 512)


def caffe_layers(depth: int) -> dict[str, dict[str, np.ndarray]]:
    """Layer -> weights, as the network of Caffe in Keras 1 has them, without its classifier."""
    rng = np.random.default_rng(depth)
    layers: dict[str, dict[str, np.ndarray]] = {}

    def add(conv: str, bn: str, scale: str, kernel: tuple[int, ...]) -> None:
        filters = kernel[-1]
        layers[conv] = {f"{conv}_W": rng.normal(size=kernel).astype("f4") * 0.05}
        layers[bn] = {
            f"{bn}_gamma": rng.uniform(0.9, 1.1, filters).astype("f4"),
            f"{bn}_beta": rng.uniform(-0.1, 0.1, filters).astype("f4"),
            f"{bn}_running_mean": rng.uniform(-0.1, 0.1, filters).astype("f4"),
            f"{bn}_running_std": rng.uniform(0.5, 1.5, filters).astype("f4"),
        }
        layers[scale] = {
            f"{scale}_gamma": rng.uniform(0.5, 1.0, filters).astype("f4"),
            f"{scale}_beta": rng.uniform(-0.1, 0.1, filters).astype("f4"),
        }

    add("conv1", "bn_conv1", "scale_conv1", (7, 7, 3, 64))
    inputs = 64
    for stage, (count, width) in enumerate(zip(BLOCKS[depth], WIDTHS, strict=True), start=2):
        for block in range(count):
            many = depth > 50 and stage in (3, 4)
            letter = "a" if block == 0 else f"b{block}" if many else "abcdef"[block]
            branches = [("2a", (1, 1, inputs, width)), ("2b", (3, 3, width, width)), ("2c", (1, 1, width, 4 * width))]
            if block == 0:
                branches.append(("1", (1, 1, inputs, 4 * width)))
            for branch, kernel in branches:
                place = f"{stage}{letter}_branch{branch}"
                add(f"res{place}", f"bn{place}", f"scale{place}", kernel)
            inputs = 4 * width
    return layers


def write(path: Path, layers: dict[str, dict[str, np.ndarray]], nested: bool = False) -> Path:
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if nested else file
        root.attrs["layer_names"] = [name.encode() for name in (*layers, "relu")]
        root.create_group("relu").attrs["weight_names"] = []
        for name, weights in layers.items():
            group = root.create_group(name)
            group.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, array in weights.items():
                group[weight] = array
    return path


def normalised(layers, x: np.ndarray, place: str, conv: str) -> np.ndarray:
    """What normalisation and scale of Caffe's network make of a convolution's output."""
    bn, scale = (list(layers[f"{kind}{place}"].values()) for kind in ("bn", "scale"))
    gamma, beta, mean, variance = (array.astype(np.float64) for array in bn)
    return scale[0] * (gamma * (x - mean) / np.sqrt(variance + 1.1e-5) + beta) + scale[1]


@pytest.mark.slow
def test_the_seed_s_file_starts_resnet101(tmp_path):
    layers = caffe_layers(101)
    path = write(tmp_path / "resnet101_weights_tf.h5", layers)
    body = build_backbone("resnet101", (64, 64, 3), path).get_layer("resnet101_features")
    for conv, place in (("conv1", "_conv1"), ("conv3_block3_2", "3b2_branch2b"), ("conv4_block23_3", "4b22_branch2c")):
        kernel = next(iter(layers[place.replace("_", "", 1) if conv == "conv1" else f"res{place}"].values()))
        layer = body.get_layer(f"{conv}_conv")
        np.testing.assert_array_equal(np.asarray(layer.kernel), kernel)
        assert not np.asarray(layer.bias).any()
        x = np.random.default_rng(0).normal(size=(1, 2, 2, kernel.shape[-1])).astype("f4")
        found = np.asarray(body.get_layer(f"{conv}_bn")(x))
        np.testing.assert_allclose(found, normalised(layers, x, place, conv), rtol=1e-4, atol=1e-5)
    # The shortcut of the first block of a stage, and the letters of short stages.
    for conv, caffe in (("conv4_block1_0", "res4a_branch1"), ("conv2_block3_1", "res2c_branch2a")):
        np.testing.assert_array_equal(
            np.asarray(body.get_layer(f"{conv}_conv").kernel), next(iter(layers[caffe].values()))
        )


@pytest.mark.slow
def test_stages_of_resnet50_are_lettered(tmp_path):
    layers = caffe_layers(50)
    path = write(tmp_path / "x.h5", layers, nested=True)
    body = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(64, 64, 3))
    load_caffe_file(body, path)
    kernel = np.asarray(body.get_layer("conv4_block6_2_conv").kernel)
    np.testing.assert_array_equal(kernel, layers["res4f_branch2b"]["res4f_branch2b_W"])


@pytest.mark.slow
def test_what_does_not_fit_is_named_and_nothing_is_loaded(tmp_path):
    body = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(64, 64, 3))
    before = [np.array(weight) for weight in body.get_weights()]

    def fault(change) -> str:
        layers = caffe_layers(50)
        change(layers)
        with pytest.raises(WeightsError) as caught:
            load_caffe_file(body, write(tmp_path / "x.h5", layers))
        assert all(np.array_equal(a, b) for a, b in zip(before, body.get_weights(), strict=True))
        return re.sub(r".*does not fit resnet50: ", "", str(caught.value))

    assert fault(lambda layers: layers.pop("res3b_branch2a")) == "it lacks res3b_branch2a"
    wrong = {"conv1_W": np.zeros((3, 3, 3, 64), "f4")}
    assert "conv1 has the shapes [(3, 3, 3, 64), (64,)]" in fault(lambda layers: layers.update(conv1=wrong))
    nan = {"conv1_W": np.full((7, 7, 3, 64), np.nan, "f4")}
    assert fault(lambda layers: layers.update(conv1=nan)) == "conv1 holds numbers that are not finite"
    more = caffe_layers(101)["res4b6_branch2a"]
    assert "it has res4b6_branch2a too many" in fault(lambda layers: layers.update(res4b6_branch2a=more))


def test_other_files_are_none(tmp_path):
    text = tmp_path / "x.h5"
    text.write_text("not HDF5")
    assert not is_caffe_file(text) and not is_caffe_file(tmp_path / "nowhere.h5")
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file["x"] = 1
    assert not is_caffe_file(tmp_path / "y.h5")


def test_weights_of_a_layer_in_another_order_are_told(tmp_path):
    """They have the same shape: only their names tell."""
    image = keras.Input((16, 16, 3))
    x = keras.layers.BatchNormalization(name="conv1_bn")(keras.layers.Conv2D(64, 7, name="conv1_conv")(image))
    body = keras.Model(image, x, name="small")
    layers = {name: parts for name, parts in caffe_layers(50).items() if name in ("conv1", "bn_conv1", "scale_conv1")}
    load_caffe_file(body, write(tmp_path / "x.h5", layers))
    parts = layers["bn_conv1"]
    layers["bn_conv1"] = {name: parts[name] for name in sorted(parts)}  # beta before gamma
    with pytest.raises(WeightsError, match=r"bn_conv1 has bn_conv1_beta, .* expected gamma, beta, mean"):
        load_caffe_file(body, write(tmp_path / "x.h5", layers))
    layers["bn_conv1"] = parts
    layers["scale_conv1"] = {name: array.astype(int) for name, array in layers["scale_conv1"].items()}
    with pytest.raises(WeightsError, match="scale_conv1 has whole numbers for weights"):
        load_caffe_file(body, write(tmp_path / "x.h5", layers))
