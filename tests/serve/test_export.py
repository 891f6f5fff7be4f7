import errno
import json
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_networks import CLASSES, CONFIG, HEADS, some_images

from aifashion.files import locked
from aifashion.serve.artifact import ArtifactError, Manifest
from aifashion.serve.export import write_artifact
from aifashion.serve.runtime import activation_net, load_network
from aifashion.serve.serving_net import attribute_serving_net, keypoint_serving_net
from aifashion.unet.predictors import head_kernels, keypoint_predictor


def manifest() -> Manifest:
    return Manifest("attributes", "openvino", "float32", json.loads(CLASSES.to_json()), CLASSES.vocabulary, heads=HEADS)


def measured(network) -> dict:
    return {"images": len(network(some_images(32))["colour"]), "excess": -1.0}


def names(folder: Path) -> list[str]:
    """Of all but locks, which stay."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


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


def test_bfloat16_that_cannot_be_measured_is_not_written(attribute_net, tmp_path, without_bfloat16):
    serving = attribute_serving_net(attribute_net, HEADS, 32, {})
    wanted = replace(manifest(), precision="bfloat16")
    with pytest.raises(ArtifactError, match=r"no bfloat16.*so bfloat16 cannot be measured here; use float32"):
        write_artifact(tmp_path / "own", serving, wanted, measured)
    assert not names(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), 0.5])
def test_in_float32_no_higher_precision_is_advised(attribute_net, tmp_path, value):
    serving = attribute_serving_net(attribute_net, HEADS, 32, {})
    with pytest.raises(ArtifactError) as caught:
        write_artifact(tmp_path / "own", serving, manifest(), lambda network: {"probability": value, "excess": value})
    assert "--precision" not in str(caught.value)
    assert ("has the training diverged?" if np.isnan(value) else "choose another --format") in str(caught.value)
    assert not names(tmp_path)


def test_a_full_disk_is_named_whatever_the_library_says(attribute_net, tmp_path, monkeypatch):
    serving = attribute_serving_net(attribute_net, HEADS, 32, {})
    write_artifact(tmp_path / "own", serving, manifest(), measured)
    before = (tmp_path / "own" / "manifest.json").read_bytes()
    free = namedtuple("free", "free")

    def cut_short(net, form, precision, folder, calibration) -> None:
        (folder / "model.xml").write_text("<net")
        (folder / "model.bin").write_text("")
        monkeypatch.setattr("shutil.disk_usage", lambda folder: free(4096))

    monkeypatch.setattr("aifashion.serve.export.convert", cut_short)
    with pytest.raises(OSError, match=r"cannot write .*own: .* has 0\.0 MB free .*; nothing was replaced") as caught:
        write_artifact(tmp_path / "own", serving, manifest(), measured)
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == ["own"] and (tmp_path / "own" / "manifest.json").read_bytes() == before


def test_what_killed_exports_left_is_swept_under_a_lock(attribute_net, tmp_path):
    serving = attribute_serving_net(attribute_net, HEADS, 32, {})
    for left in (".0123abcd-own", ".0123abcd-own.old", ".0123abcd-other"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "model.bin").write_bytes(b"half")
    with locked(tmp_path / "own.export"), pytest.raises(BlockingIOError, match="another command is writing to"):
        write_artifact(tmp_path / "own", serving, manifest(), measured)
    assert len(names(tmp_path)) == 3
    write_artifact(tmp_path / "own", serving, manifest(), measured)
    assert names(tmp_path) == [".0123abcd-other", "own"]


def test_a_link_stays_one(attribute_net, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "own").symlink_to(tmp_path / "disk")
    write_artifact(tmp_path / "own", attribute_serving_net(attribute_net, HEADS, 32, {}), manifest(), measured)
    assert (tmp_path / "own").is_symlink() and (tmp_path / "disk" / "manifest.json").is_file()


def test_a_folder_of_other_things_is_left_alone(attribute_net, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds other things than an artifact: choose another --out"):
        write_artifact(tmp_path, attribute_net, manifest(), measured)
    assert names(tmp_path) == ["thesis.txt"]


@pytest.mark.slow
def test_layers_that_cost_accuracy_go_back_to_higher_precision(keypoint_net, tmp_path):
    photos, mask = some_images(64, 24), np.ones((1, 24), np.float32)
    calibration = [{"image": photo[None], "mask": mask} for photo in photos]
    expected, _ = keypoint_predictor(keypoint_net)(photos[:4])
    found = []

    def measure(network) -> dict:
        told = network(photos[:4], mask=np.repeat(mask, 4, axis=0))["heatmaps"]
        found.append(float(np.abs(told - expected).mean()))
        return {"error": found[-1], "excess": found[-1] - bound}

    serving = keypoint_serving_net(keypoint_net, CONFIG.codec, "dark", CONFIG.vocabulary.twins)
    told = Manifest("keypoints", "openvino", "int8", json.loads(CONFIG.to_json()), CONFIG.vocabulary)
    bound = np.inf
    write_artifact(tmp_path / "whole", serving, told, measure, calibration)
    whole = found[-1]
    bound = whole / 2
    write_artifact(tmp_path / "part", serving, told, measure, calibration)
    assert 0 < found[-1] <= bound < whole
    assert (tmp_path / "part" / "model.bin").stat().st_size > (tmp_path / "whole" / "model.bin").stat().st_size
