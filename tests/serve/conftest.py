"""Networks small enough to be converted in seconds."""

import dataclasses
import json
from pathlib import Path

import keras
import pytest
from keras import layers
from small_networks import CLASSES, CONFIG, HEADS, TEMPERATURES

from aifashion.serve.artifact import Manifest
from aifashion.serve.converters import convert
from aifashion.serve.serving_net import attribute_serving_net, keypoint_serving_net


@pytest.fixture(scope="session")
def keypoint_net() -> keras.Model:
    """24 heatmaps of a 64 px image and 5 categories: the names and shapes of `build_keypoint_net`."""
    keras.utils.set_random_seed(3)
    image, mask = layers.Input((64, 64, 3), name="image"), layers.Input((24,), name="mask")
    x = layers.Conv2D(8, 5, strides=4, padding="same", activation="relu")(layers.Rescaling(1 / 64, offset=-2.0)(image))
    # Between the first and the last convolution there is something to quantise.
    for _ in range(2):
        x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    maps = layers.Conv2D(24, 3, padding="same", name="refined_conv")(x)
    plane = layers.Reshape((1, 1, 24))(mask)
    probabilities = layers.Dense(5, name="category")(layers.GlobalAveragePooling2D()(x))
    outputs = {"refined": layers.Multiply(name="refined")([maps, plane]), "category": probabilities}
    return keras.Model({"image": image, "mask": mask}, outputs)


@pytest.fixture(scope="session")
def attribute_net() -> keras.Model:
    keras.utils.set_random_seed(4)
    image = layers.Input((None, None, 3), name="image")
    x = layers.Conv2D(6, 5, strides=4, padding="same", activation="relu")(layers.Rescaling(1 / 64, offset=-2.0)(image))
    for _ in range(2):
        x = layers.Conv2D(12, 3, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    widths = {head.name: len(head.classes) - (head.kind == "ordinal") for head in HEADS}
    outputs = {name: layers.Dense(width, name=f"head_{name}")(x) for name, width in widths.items()}
    return keras.Model({"image": image}, outputs)


@pytest.fixture(scope="session")
def keypoint_artifact(keypoint_net, tmp_path_factory) -> Path:
    """For OpenVINO in f32; to be read only."""
    folder = tmp_path_factory.mktemp("artifact") / "keypoints"
    folder.mkdir()
    serving = keypoint_serving_net(keypoint_net, CONFIG.codec, "dark", CONFIG.vocabulary.twins)
    convert(serving, "openvino", "float32", folder)
    Manifest("keypoints", "openvino", "float32", json.loads(CONFIG.to_json()), CONFIG.vocabulary).write(folder)
    return folder


@pytest.fixture(scope="session")
def attribute_artifact(attribute_net, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("artifact") / "attributes"
    folder.mkdir()
    convert(attribute_serving_net(attribute_net, HEADS, 32, TEMPERATURES), "openvino", "float32", folder)
    manifest = Manifest(
        "attributes", "openvino", "float32", json.loads(CLASSES.to_json()), CLASSES.vocabulary, heads=HEADS
    )
    dataclasses.replace(manifest, temperatures=TEMPERATURES).write(folder)
    return folder


@pytest.fixture
def without_bfloat16(monkeypatch) -> None:
    """OpenVINO as on an older processor."""
    import openvino

    able = openvino.Core().get_property

    class OldProcessor(openvino.Core):
        def get_property(self, device, name):
            return ["FP32", "INT8"] if name == "OPTIMIZATION_CAPABILITIES" else able(device, name)

    monkeypatch.setattr(openvino, "Core", OldProcessor)
