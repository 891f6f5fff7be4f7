from pathlib import Path

import keras
import numpy as np
import pytest

from aifashion.unet.backbones import WeightsError, build_backbone
from aifashion.unet.backbones.applications import application_body
from aifashion.unet.normalization import BatchNorm

STRIDES = {"P2": 4, "P3": 8, "P4": 16, "P5": 32}
LARGE = [pytest.param(name, marks=pytest.mark.slow) for name in ("resnet50", "resnet101")]


def photos() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)


@pytest.mark.parametrize("name", ["lite", *LARGE])
def test_strides(name):
    outputs = build_backbone(name, (64, 96, 3)).output
    assert {level: output.shape[1:3] for level, output in outputs.items()} == {
        level: (64 // stride, 96 // stride) for level, stride in STRIDES.items()
    }


def test_a_weights_file_is_taken_as_it_is(tmp_path):
    first, other = (build_backbone("lite", (64, 64, 3)) for _ in range(2))
    path = tmp_path / "lite.weights.h5"
    first.save_weights(path)
    loaded = build_backbone("lite", (64, 64, 3), str(path))
    for level, features in loaded.predict_on_batch(photos()).items():
        np.testing.assert_array_equal(features, first.predict_on_batch(photos())[level])
        assert not np.array_equal(features, other.predict_on_batch(photos())[level])


@pytest.mark.slow
def test_features_are_those_of_the_application(tmp_path):
    application = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(64, 64, 3))
    rng = np.random.default_rng(1)
    # Uneven weights: a fresh network has means of 0 and variances of 1, whichever layer they are loaded into.
    application.set_weights(
        [w * rng.uniform(0.8, 1.2, w.shape) + (w.ndim == 1) * 0.01 for w in application.get_weights()]
    )
    path = tmp_path / "resnet50.weights.h5"
    application.save_weights(path)
    found = build_backbone("resnet50", (64, 64, 3), path).predict_on_batch(photos())
    ends = {"P2": "conv2_block3_out", "P3": "conv3_block4_out", "P4": "conv4_block6_out", "P5": "conv5_block3_out"}
    reference = keras.Model(application.input, {k: application.get_layer(name).output for k, name in ends.items()})
    expected = reference.predict_on_batch(keras.applications.resnet50.preprocess_input(photos()))
    for level, features in expected.items():
        assert features.std() > 0
        np.testing.assert_allclose(found[level], features, 1e-4, 1e-4 * features.max(), err_msg=level)


def test_a_file_of_another_network_does_not_fit(tmp_path):
    path = tmp_path / "dense.weights.h5"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(path)
    with pytest.raises(WeightsError, match=r"dense\.weights\.h5 does not fit lite_backbone"):
        build_backbone("lite", (64, 64, 3), path)


@pytest.mark.parametrize("name", ["text.weights.h5", "text.h5", "text.npz", "text"])
def test_a_file_that_is_no_weights_file(tmp_path, name):
    (tmp_path / name).write_text("not HDF5")
    with pytest.raises(WeightsError, match=rf"{name} does not fit lite_backbone"):
        build_backbone("lite", (64, 64, 3), tmp_path / name)


def test_a_file_that_is_not_there():
    with pytest.raises(WeightsError, match=r"no weights file at .*nowhere\.h5"):
        build_backbone("lite", (64, 64, 3), Path("nowhere.h5"))


def test_a_network_of_keras_normalises_in_one_pass_and_is_the_same(tmp_path):
    theirs = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(64, 64, 3))
    theirs.save_weights(tmp_path / "mobile.weights.h5")
    ours = application_body("MobileNetV2", (64, 64, 3), str(tmp_path / "mobile.weights.h5"))
    kinds = {type(layer) for layer in ours.layers if isinstance(layer, keras.layers.BatchNormalization)}
    assert kinds == {BatchNorm}
    np.testing.assert_array_equal(ours.predict_on_batch(photos()), theirs.predict_on_batch(photos()))
    features = [keras.ops.convert_to_numpy(net(photos(), training=True)) for net in (ours, theirs)]
    np.testing.assert_allclose(*features, rtol=1e-3, atol=1e-3)
    for found, expected in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, 1e-3, 1e-4)


@pytest.mark.slow
def test_imagenet_weights_that_cannot_be_fetched(monkeypatch):
    def fail(*args, **kwargs):
        raise Exception("URL fetch failure on https://example.org/resnet50.h5: None -- [Errno -3] no name\nmore")

    monkeypatch.setattr("keras.src.applications.resnet.file_utils.get_file", fail)
    with pytest.raises(WeightsError) as caught:
        build_backbone("resnet50", (64, 64, 3), "imagenet")
    assert str(caught.value) == (
        "the ImageNet weights of resnet50 could not be fetched "
        "(URL fetch failure on https://example.org/resnet50.h5: None -- [Errno -3] no name)"
    )


def test_lite_has_no_imagenet_weights():
    with pytest.raises(WeightsError, match="no ImageNet weights"):
        build_backbone("lite", (64, 64, 3), "imagenet")


def test_unknown_backbone():
    with pytest.raises(ValueError, match="unknown backbone 'vgg'; expected one of lite, resnet50, resnet101"):
        build_backbone("vgg", (64, 64, 3))
