import json

import keras
import numpy as np
import pytest
from small_networks import CLASSES, CONFIG, HEADS, some_images

from aifashion.serve.artifact import ArtifactError, Manifest
from aifashion.serve.converters import convert, kept_in_float
from aifashion.serve.export import open_network
from aifashion.serve.serving_net import attribute_serving_net, keypoint_serving_net
from aifashion.unet.predictors import attribute_predictor, keypoint_predictor

OPTIONAL = {"onnx": ("onnx", "tf2onnx", "onnxruntime"), "litert": ("ai_edge_litert",)}
"""Packages of a format that are installed as extras."""


def skip_without(form: str, *more: str) -> None:
    for package in (*OPTIONAL.get(form, ()), *more):
        pytest.importorskip(package)


def test_int8_leaves_the_ends_of_the_network_and_what_follows_it():
    kinds = {
        "pixels": "Parameter",
        "scaled": "Multiply",
        "stem": "Convolution",
        "relu": "Relu",
        "body": "Convolution",
        "head": "Convolution",
        "mask": "Parameter",
        "masked": "Multiply",
        "probabilities": "MatMul",
        "softmax": "SoftMax",
    }
    consumers = dict.fromkeys(kinds, ()) | {
        "pixels": ["scaled"],
        "scaled": ["stem"],
        "stem": ["relu"],
        "relu": ["body"],
        "body": ["head", "probabilities"],
        "head": ["masked"],
        "mask": ["masked"],
        "probabilities": ["softmax"],
    }
    assert kept_in_float(kinds, consumers) == ["stem", "head", "mask", "masked", "probabilities", "softmax"]


def test_int8_needs_photos(keypoint_net, tmp_path):
    with pytest.raises(ArtifactError, match="int8 needs photos"):
        convert(keypoint_net, "openvino", "int8", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["openvino", "onnx", "litert", "saved_model"])
def test_every_format_tells_what_the_keras_model_tells(keypoint_net, tmp_path, form):
    skip_without(form)
    convert(
        keypoint_serving_net(keypoint_net, CONFIG.codec, "dark", CONFIG.vocabulary.twins), form, "float32", tmp_path
    )
    Manifest("keypoints", form, "float32", json.loads(CONFIG.to_json()), CONFIG.vocabulary).write(tmp_path)
    images, mask = some_images(64), np.ones((3, 24), np.float32)
    heatmaps, probabilities = keypoint_predictor(keypoint_net)(images)
    for count in (3, 1):  # of whatever length the batch is
        told = open_network(tmp_path)(images[:count], mask=mask[:count])
        np.testing.assert_allclose(told["heatmaps"], heatmaps[:count], atol=2e-5)
        np.testing.assert_allclose(told["category"], probabilities[:count], atol=1e-5)
        xy, _ = CONFIG.codec.decode(told["heatmaps"], "dark")
        np.testing.assert_allclose(told["keypoints"][..., :2], xy, atol=5e-3)


def test_constants_of_layers_do_not_become_inputs(tmp_path):
    # As the networks of keras.applications normalise, ResNet101 of v11 among them.
    image = keras.layers.Input((8, 8, 3), name="image")
    x = keras.layers.Normalization(mean=(1.0, 2.0, 3.0), variance=(1.0, 4.0, 9.0))(image)
    inner = keras.Model(image, keras.layers.Conv2D(2, 3)(x))
    net = keras.Model({"image": image}, {"second": inner(image) + 1, "first": inner(image)})
    skip_without("onnx")
    convert(net, "onnx", "float32", tmp_path)
    graph = pytest.importorskip("onnx").load(tmp_path / "model.onnx").graph
    assert [taken.name for taken in graph.input] == ["image"]
    assert sorted(told.name for told in graph.output) == ["first", "second"]
    images = some_images(8).astype(np.float32)
    session = pytest.importorskip("onnxruntime").InferenceSession(tmp_path / "model.onnx")
    told = dict(
        zip((output.name for output in session.get_outputs()), session.run(None, {"image": images}), strict=True)
    )
    for name, expected in net.predict_on_batch({"image": images}).items():
        np.testing.assert_allclose(told[name], expected, atol=1e-4)


@pytest.mark.parametrize("size", [2, 3])
def test_enlarged_maps_are_exported_without_deprecated_modes(tmp_path, size):
    image = keras.layers.Input((5, 5, 2), name="image")
    net = keras.Model({"image": image}, {"large": keras.ops.image.resize(image, (5 * size, 5 * size), "nearest")})
    skip_without("onnx")
    convert(net, "onnx", "float32", tmp_path)
    model = pytest.importorskip("onnx").load(tmp_path / "model.onnx")
    (resize,) = (node for node in model.graph.node if node.op_type == "Resize")
    modes = {attribute.name: attribute.s.decode() for attribute in resize.attribute if attribute.s}
    assert modes["coordinate_transformation_mode"] == "half_pixel" and modes["nearest_mode"] == "round_prefer_ceil"
    pixels = np.random.default_rng(2).random((1, 5, 5, 2), np.float32)
    (found,) = pytest.importorskip("onnxruntime").InferenceSession(tmp_path / "model.onnx").run(None, {"image": pixels})
    np.testing.assert_array_equal(found, pixels.repeat(size, axis=1).repeat(size, axis=2))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["openvino", "onnx", "litert"])
def test_int8_keeps_points_and_probabilities_in_float(keypoint_net, attribute_net, tmp_path, form):
    skip_without(form, *{"openvino": ("nncf",), "onnx": ("nncf",)}.get(form, ()))
    photos = some_images(64, 24)
    mask = np.ones((1, 24), np.float32)
    serving = keypoint_serving_net(keypoint_net, CONFIG.codec, "dark", CONFIG.vocabulary.twins)
    convert(serving, form, "int8", tmp_path, [{"image": photo[None], "mask": mask} for photo in photos])
    Manifest("keypoints", form, "int8", json.loads(CONFIG.to_json()), CONFIG.vocabulary).write(tmp_path)
    told = open_network(tmp_path)(photos[:3], mask=np.repeat(mask, 3, axis=0))
    xy, peaks = CONFIG.codec.decode(told["heatmaps"], "dark")
    np.testing.assert_allclose(told["keypoints"][..., :2], xy, atol=5e-3)
    np.testing.assert_allclose(told["keypoints"][..., 2], peaks, atol=1e-6)
    expected, _ = keypoint_predictor(keypoint_net)(photos[:3])
    assert np.abs(told["heatmaps"] - expected).max() > 1e-5, "nothing was quantised"
    assert np.corrcoef(told["heatmaps"].ravel(), expected.ravel())[0, 1] > 0.98

    own = tmp_path / "attributes"
    own.mkdir()
    small = some_images(32, 24)
    serving = attribute_serving_net(attribute_net, HEADS, 32, {})
    convert(serving, form, "int8", own, [{"image": photo[None]} for photo in small])
    manifest = Manifest("attributes", form, "int8", json.loads(CLASSES.to_json()), CLASSES.vocabulary, heads=HEADS)
    manifest.write(own)
    told, expected = open_network(own)(small[:3]), attribute_predictor(attribute_net)(small[:3])
    np.testing.assert_allclose(told["colour"].sum(axis=1), 1, atol=1e-5)
    for name, logits in expected.items():
        assert np.abs(told[f"logits_{name}"] - logits).max() < 0.15 * np.abs(logits).max()
