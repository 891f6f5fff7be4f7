import dataclasses
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from small_networks import CONFIG, HEADS, some_images

from aifashion.config import KeypointConfig
from aifashion.files import sealed
from aifashion.serve.artifact import ArtifactError, Manifest
from aifashion.serve.blobs import cache_folder, write_blob
from aifashion.serve.runtime import (
    attribute_outputs,
    attribute_predict,
    keypoint_predict,
    load_network,
)
from aifashion.unet.predictors import attribute_predictor, keypoint_predictor


def test_keypoints_are_predicted_as_by_the_run(keypoint_net, keypoint_artifact):
    images = some_images(64)
    expected = keypoint_predictor(keypoint_net)(images)
    for told, wanted in zip(keypoint_predict(load_network(keypoint_artifact))(images), expected, strict=True):
        assert told.dtype == np.float32
        np.testing.assert_allclose(told, wanted, atol=2e-5)


def test_logits_are_predicted_as_by_the_run(attribute_net, attribute_artifact):
    images = some_images(32)
    expected = attribute_predictor(attribute_net)(images)
    told = attribute_predict(load_network(attribute_artifact))(images)
    assert list(told) == [head.name for head in HEADS]
    for name, logits in told.items():
        np.testing.assert_allclose(logits, expected[name], atol=1e-4)


def test_an_answer_is_not_overwritten_by_the_next(keypoint_artifact):
    predict = keypoint_predict(load_network(keypoint_artifact))
    first, _ = predict(some_images(64))
    kept = first.copy()
    predict(255 - some_images(64))
    np.testing.assert_array_equal(first, kept)


def test_batches_of_any_length_go_through_one_network(keypoint_artifact):
    network, images = load_network(keypoint_artifact), some_images(64, 5)
    whole, _ = keypoint_predict(network)(images)
    parts = [keypoint_predict(network)(images[i : i + 2])[0] for i in (0, 2, 4)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=2e-6)


def test_a_large_batch_is_divided_and_put_together_in_order(keypoint_artifact):
    network, images = load_network(keypoint_artifact, threads=2), some_images(64, 9)
    one_by_one = np.concatenate([keypoint_predict(network)(images[i : i + 1])[0] for i in range(9)])
    np.testing.assert_allclose(keypoint_predict(network)(images)[0], one_by_one, atol=2e-6)


def test_an_empty_batch_has_empty_answers(keypoint_artifact, attribute_artifact):
    heatmaps, probabilities = keypoint_predict(load_network(keypoint_artifact))(np.zeros((0, 64, 64, 3), np.uint8))
    assert heatmaps.shape == (0, 16, 16, 24) and probabilities.shape == (0, 5)
    told = attribute_predict(load_network(attribute_artifact))(np.zeros((0, 32, 32, 3), np.uint8))
    assert {name: logits.shape for name, logits in told.items()} == {
        "colour": (0, 3),
        "length": (0, 3),
        "style": (0, 2),
    }


def test_only_what_is_wanted_is_computed(attribute_artifact, keypoint_artifact):
    manifest = Manifest.read(attribute_artifact)
    told = load_network(attribute_artifact, attribute_outputs(manifest))(some_images(32))
    assert sorted(told) == ["logits_colour", "logits_length", "logits_style"]
    told = load_network(keypoint_artifact, ("keypoints",))(some_images(64), mask=np.ones((3, 24), np.float32))
    assert sorted(told) == ["keypoints"]


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 32, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8), np.zeros((1, 64, 64, 3), np.float32)],
)
def test_an_image_of_another_shape_or_type_is_named(keypoint_artifact, images):
    with pytest.raises(ValueError, match=r"takes images \(B, 64, 64, 3\) of uint8, B > 0; got \("):
        keypoint_predict(load_network(keypoint_artifact))(images)


def test_an_artifact_of_the_other_stage_is_refused(keypoint_artifact, attribute_artifact):
    with pytest.raises(ArtifactError, match="expected a keypoint artifact, got an attribute artifact"):
        keypoint_predict(load_network(attribute_artifact))
    with pytest.raises(ArtifactError, match="expected an attribute artifact, got a keypoint artifact"):
        attribute_predict(load_network(keypoint_artifact))


def test_without_bfloat16_the_rest_is_float32_and_that_is_said(keypoint_artifact, tmp_path, without_bfloat16):
    for file in keypoint_artifact.glob("model.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    Manifest("keypoints", "openvino", "bfloat16", json.loads(CONFIG.to_json()), CONFIG.vocabulary).write(tmp_path)
    network = load_network(tmp_path)
    assert network.note is not None and "no bfloat16" in network.note
    images = some_images(64)
    expected = keypoint_predict(load_network(keypoint_artifact))(images)[0]
    np.testing.assert_allclose(keypoint_predict(network)(images)[0], expected, atol=2e-5)


def test_a_file_that_is_no_network_is_named(tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "model.onnx").write_bytes(b"no network")
    Manifest("keypoints", "onnx", "float32", json.loads(CONFIG.to_json()), CONFIG.vocabulary).write(tmp_path)
    with pytest.raises(ArtifactError, match=r"model\.onnx cannot be loaded"):
        load_network(tmp_path)


def test_a_saved_model_is_left_to_tensorflow(tmp_path):
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "saved_model.pb").write_bytes(b"")
    Manifest("keypoints", "saved_model", "float32", json.loads(CONFIG.to_json()), CONFIG.vocabulary).write(tmp_path)
    with pytest.raises(ArtifactError, match="SavedModel, which TensorFlow runs"):
        load_network(tmp_path)


def test_a_runtime_that_is_not_installed_is_named(keypoint_artifact, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ArtifactError, match="needs openvino, which is not installed"):
        load_network(keypoint_artifact)


def test_neither_keras_nor_tensorflow_is_loaded(keypoint_artifact, attribute_artifact):
    code = (
        "import sys; from pathlib import Path\n"
        "from aifashion.recognition.two_stage_model import load_two_stage_model\n"
        f"load_two_stage_model(Path({str(keypoint_artifact)!r}), Path({str(attribute_artifact)!r}))\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'keras', 'tensorflow', 'torch', 'jax'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_compiled_networks_are_kept_where_the_user_says(keypoint_artifact, tmp_path, monkeypatch):
    monkeypatch.setenv("AIFASHION_CACHE", str(tmp_path / "own"))
    keypoint_predict(load_network(keypoint_artifact))(some_images(64))
    assert list((tmp_path / "own").iterdir())
    monkeypatch.setenv("AIFASHION_CACHE", "")
    assert cache_folder() is None
    monkeypatch.delenv("AIFASHION_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache" / "aifashion"


def test_a_damaged_compiled_network_is_made_again_and_answers_are_the_same(keypoint_artifact, tmp_path, monkeypatch):
    monkeypatch.setenv("AIFASHION_CACHE", str(tmp_path / "kept"))
    images = some_images(64)
    expected = keypoint_predict(load_network(keypoint_artifact))(images)[0]
    (kept,) = (tmp_path / "kept").iterdir()
    whole = kept.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 4
    for damaged in (bytes(flipped), whole[:-4096] + bytes(4096), whole[:100], b""):
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(keypoint_predict(load_network(keypoint_artifact))(images)[0], expected)
        assert kept.stat().st_size == len(whole)
        np.testing.assert_array_equal(keypoint_predict(load_network(keypoint_artifact))(images)[0], expected)


def test_a_compiled_network_that_the_runtime_refuses_is_made_again(keypoint_artifact, tmp_path, monkeypatch):
    monkeypatch.setenv("AIFASHION_CACHE", str(tmp_path))
    expected = keypoint_predict(load_network(keypoint_artifact))(some_images(64))[0]
    (kept,) = tmp_path.iterdir()
    write_blob(kept, b"of another version")
    np.testing.assert_array_equal(keypoint_predict(load_network(keypoint_artifact))(some_images(64))[0], expected)


@pytest.mark.parametrize("folder", ["/proc/nowhere", "/dev/null"])
def test_without_a_cache_it_works_as_well(keypoint_artifact, monkeypatch, folder):
    monkeypatch.setenv("AIFASHION_CACHE", folder)
    assert keypoint_predict(load_network(keypoint_artifact))(some_images(64))[0].shape == (3, 16, 16, 24)


def changed(artifact: Path, out: Path, **facts: object) -> Path:
    """A copy whose manifest says something else, with a sha256 that is right."""
    shutil.copytree(artifact, out)
    found = json.loads((out / "manifest.json").read_text()) | facts
    del found["record_sha256"]
    (out / "manifest.json").write_text(json.dumps(sealed(found)))
    return out


def test_the_network_must_be_the_one_of_the_manifest(keypoint_artifact, attribute_artifact, tmp_path):
    config = json.loads((keypoint_artifact / "manifest.json").read_text())["config"]
    folder = changed(keypoint_artifact, tmp_path / "size", config=config | {"size": 96})
    with pytest.raises(ArtifactError, match=r"by the manifest image, .*inputs, is \(B, 96, 96, 3\) uint8; in the netw"):
        load_network(folder)
    one = json.loads(KeypointConfig(network="lite", size=64, category="skirt").to_json())
    folder = changed(keypoint_artifact, tmp_path / "category", config=one | {"vocabulary_sha256": None})
    with pytest.raises(ArtifactError, match=r"size.*|is \(B, 4\) float32; in the network it is \(B, 24\)"):
        load_network(folder)
    heads = [dataclasses.asdict(head) for head in HEADS]
    folder = changed(attribute_artifact, tmp_path / "fewer", heads=heads[:2], temperatures={})
    with pytest.raises(ArtifactError, match="the network has other outputs than the manifest says"):
        load_network(folder)
    heads[0]["classes"] = ("red", "green")
    folder = changed(attribute_artifact, tmp_path / "classes", heads=heads, temperatures={})
    with pytest.raises(ArtifactError, match=r"is \(B, 2\) float32; in the network it is \(B, 3\) float32"):
        load_network(folder)


def test_the_reason_of_the_runtime_is_told_in_full(keypoint_artifact, monkeypatch):
    def refuse(*arguments: object) -> None:
        raise RuntimeError("Exception from core.cpp:90:\nException from plugin.cpp:12:\n\nno such device\n")

    monkeypatch.setattr("aifashion.serve.runtime._compiled", refuse)
    network = load_network(keypoint_artifact)
    network.prepare(2)  # in a thread of its own, where nobody would catch an error
    with pytest.raises(ArtifactError, match=r"core\.cpp:90: Exception from plugin\.cpp:12: no such device; export"):
        keypoint_predict(network)(some_images(64, 2))


def test_without_a_matrix_unit_the_rest_is_float32_and_that_is_said(keypoint_artifact, tmp_path, monkeypatch):
    for file in keypoint_artifact.glob("model.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    Manifest("keypoints", "openvino", "bfloat16", json.loads(CONFIG.to_json()), CONFIG.vocabulary).write(tmp_path)
    monkeypatch.setattr("aifashion.serve.runtime.fast_bfloat16", lambda: False)
    network = load_network(tmp_path)
    assert network.note is not None and ("AMX" in network.note or "no bfloat16" in network.note)
    images = some_images(64)
    expected = keypoint_predict(load_network(keypoint_artifact))(images)[0]
    np.testing.assert_allclose(keypoint_predict(network)(images)[0], expected, atol=2e-5)
    as_exported = load_network(tmp_path, as_exported=True)
    assert as_exported.note is None or "no bfloat16" in as_exported.note


def test_an_onnx_file_with_weights_elsewhere_is_refused(tmp_path):
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    assert runtime is not None
    weights = onnx.numpy_helper.from_array(np.ones((600, 600), np.float32), "w")
    taken = onnx.helper.make_tensor_value_info("image", 1, [None, 600])
    given = onnx.helper.make_tensor_value_info("out", 1, [None, 600])
    node = onnx.helper.make_node("MatMul", ["image", "w"], ["out"])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [taken], [given], [weights]))
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=True, location="elsewhere.bin")
    Manifest("keypoints", "onnx", "float32", json.loads(CONFIG.to_json()), CONFIG.vocabulary).write(tmp_path)
    with pytest.raises(ArtifactError, match="has weights in other files, which no export writes"):
        load_network(tmp_path)


def test_every_runtime_gets_the_cores_that_can_be_used(tmp_path, monkeypatch):
    asked = {}

    class Stop(Exception):
        pass

    def session(content: bytes, options: object, providers: list[str]) -> None:
        asked["onnx"] = options.intra_op_num_threads  # type: ignore[attr-defined]
        raise Stop

    def interpreter(path: str, num_threads: int) -> None:
        asked["litert"] = num_threads
        raise ValueError("stop")

    monkeypatch.setattr("aifashion.serve.runtime.usable_cores", lambda: 3)
    monkeypatch.setattr(pytest.importorskip("onnxruntime"), "InferenceSession", session)
    monkeypatch.setattr(pytest.importorskip("ai_edge_litert.interpreter"), "Interpreter", interpreter)
    for form, name in (("onnx", "model.onnx"), ("litert", "model.tflite")):
        folder = tmp_path / form
        folder.mkdir()
        (folder / name).write_bytes(b"network")
        Manifest("keypoints", form, "float32", json.loads(CONFIG.to_json()), CONFIG.vocabulary).write(folder)
        with pytest.raises(ArtifactError):
            load_network(folder)
    assert asked == {"onnx": 3, "litert": 3}


def test_what_is_prepared_is_used(keypoint_artifact):
    network = load_network(keypoint_artifact)
    first = network.prepare(2)
    keypoint_predict(network)(some_images(64, 2))
    assert network.prepare(2) is first


def test_threads_may_share_a_network(keypoint_artifact):
    predict = keypoint_predict(load_network(keypoint_artifact))
    batches = [np.random.default_rng(n).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8) for n in range(24)]
    alone = [predict(batch)[0] for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda batch: predict(batch)[0], batches))
    np.testing.assert_array_equal(together, alone)
