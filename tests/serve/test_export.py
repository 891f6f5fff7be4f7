import json
from pathlib import Path

import numpy as np
import pytest
from small_networks import CLASSES, HEADS, some_images

from aifashion.serve.artifact import ArtifactError, Manifest
from aifashion.serve.export import write_artifact
from aifashion.serve.runtime import activation_net, load_network
from aifashion.serve.serving_net import attribute_serving_net
from aifashion.unet.predictors import head_kernels


def manifest() -> Manifest:
    return Manifest("attributes", "openvino", "f32", json.loads(CLASSES.to_json()), heads=HEADS)


def measured(network) -> dict:
    return {"images": len(network(some_images(32))["colour"]), "excess": -1.0}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_artifact_is_measured_and_takes_the_place_of_the_one_before(attribute_net, tmp_path):
    out = tmp_path / "exports" / "own"
    kernels = head_kernels(attribute_net, HEADS)
    serving = attribute_serving_net(attribute_net, HEADS, 32, {}, features=True)
    told = write_artifact(out, serving, manifest(), measured, kernels=kernels)
    assert told.differences == {"images": 3} and {"keras", "openvino"} <= set(told.versions)
    assert names(out) == ["kernels.safetensors", "manifest.json", "model.bin", "model.xml"]
    found = activation_net(load_network(out))
    assert found is not None
    features, logits = found.features(some_images(32))
    bias = attribute_net.get_layer("head_colour").get_weights()[1]
    expected = features.mean(axis=(1, 2)) @ found.kernels["colour"] + bias
    np.testing.assert_allclose(logits["colour"], expected, atol=1e-3)

    write_artifact(out, attribute_serving_net(attribute_net, HEADS, 32, {}), manifest(), measured)
    assert names(out) == ["manifest.json", "model.bin", "model.xml"] and names(out.parent) == ["own"]
    assert activation_net(load_network(out)) is None


def test_one_that_differs_too_much_is_not_written(attribute_net, tmp_path):
    serving = attribute_serving_net(attribute_net, HEADS, 32, {})
    with pytest.raises(ArtifactError, match=r"differs too much from the run \(probability 0\.5, excess 0\.4\)"):
        write_artifact(tmp_path / "own", serving, manifest(), lambda network: {"probability": 0.5, "excess": 0.4})
    assert not names(tmp_path)


def test_a_folder_of_other_things_is_left_alone(attribute_net, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds other things than an artifact: choose another --out"):
        write_artifact(tmp_path, attribute_net, manifest(), measured)
    assert names(tmp_path) == ["thesis.txt"]
