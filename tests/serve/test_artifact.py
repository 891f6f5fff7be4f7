import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from small_networks import CLASSES, CONFIG, HEADS

from aifashion.records import CropRule
from aifashion.serve.artifact import MANIFEST, ArtifactError, Manifest, is_artifact


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "model.onnx").write_bytes(b"network")
    manifest = Manifest(
        "attributes",
        "onnx",
        "float32",
        json.loads(CLASSES.to_json()),
        CLASSES.vocabulary,
        heads=HEADS,
        differences={"a": 1.0},
    )
    manifest.write(tmp_path)
    return tmp_path


def edit(folder: Path, **changes: object) -> None:
    facts = json.loads((folder / MANIFEST).read_text()) | changes
    (folder / MANIFEST).write_text(json.dumps(facts))


def test_a_manifest_is_read_as_it_was_written(folder):
    manifest = Manifest.read(folder)
    assert manifest.heads == HEADS and manifest.differences == {"a": 1.0}
    assert manifest.attribute_config == CLASSES
    # sha256 of b"network"
    assert manifest.files == {"model.onnx": "3009be769fb8f956e8413ee9f3e0836e34968bc40457d0a10c549d2edcf00cc1"}
    assert is_artifact(folder) and not is_artifact(folder.parent) and not is_artifact(None)


def test_a_changed_file_is_noticed(folder):
    (folder / "model.onnx").write_bytes(b"netwerk")
    with pytest.raises(ArtifactError, match=r"model\.onnx is not the file that was exported"):
        Manifest.read(folder)


def test_a_missing_file_is_noticed(folder):
    (folder / "model.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"model\.onnx is missing"):
        Manifest.read(folder)


def test_an_artifact_of_another_version_is_refused(folder):
    for layout, shown in ((4, "4"), ("2", "'2'"), (True, "True"), (2.0, r"2\.0")):
        edit(folder, layout=layout)
        with pytest.raises(
            ArtifactError, match=f"has layout {shown}, this version reads the numbers 1, 2 and 3: export"
        ):
            Manifest.read(folder)


@pytest.mark.parametrize(("older", "precision"), [("f32", "float32"), ("bf16", "bfloat16"), ("int8", "int8")])
def test_an_artifact_of_layout_1_is_read_as_it_was_meant(tmp_path, older, precision):
    for name in ("model.xml", "model.bin"):
        (tmp_path / name).write_bytes(b"network")
    config = json.loads(CLASSES.to_json()) | {"model": "lite", "crop": "heatmap", "precision": "mixed_bfloat16"}
    del config["network"]
    Manifest("attributes", "openvino", "int8", config, CLASSES.vocabulary, heads=HEADS).write(tmp_path)
    facts = json.loads((tmp_path / MANIFEST).read_text())
    del facts["vocabulary"], facts["inputs"], facts["sha256"]
    (tmp_path / MANIFEST).write_text(json.dumps(facts | {"layout": 1, "precision": older}))
    manifest = Manifest.read(tmp_path)
    assert manifest.precision == precision and manifest.vocabulary == CLASSES.vocabulary and manifest.inputs
    expected = replace(CLASSES, crop=CropRule("heatmap", 0.05, 0.2), precision="bfloat16")
    assert manifest.attribute_config == expected


@pytest.mark.parametrize("changes", [{"heads": [{"name": "x"}]}, {"stage": "shoes"}, {"new": 1}, {"format": "exe"}])
def test_a_manifest_that_says_something_else_is_refused(folder, changes):
    edit(folder, **changes)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        Manifest.read(folder)


def test_a_list_of_files_without_the_network_is_refused(folder):
    edit(folder, files={})
    with pytest.raises(ArtifactError, match=r"lists no model\.onnx"):
        Manifest.read(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{'a'"])
def test_what_is_no_manifest_is_refused(folder, text):
    (folder / MANIFEST).write_text(text)
    with pytest.raises(ArtifactError, match="does not describe an artifact"):
        Manifest.read(folder)


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="does not describe an artifact"):
        Manifest.read(tmp_path)


def test_the_stages_are_told_apart(folder):
    with pytest.raises(ArtifactError, match="expected a keypoint artifact, got an attribute artifact"):
        Manifest.read(folder).keypoint_config  # noqa: B018


def test_a_precision_that_a_format_does_not_have_is_refused():
    with pytest.raises(ArtifactError, match="onnx is computed in float32 or int8, not in bfloat16"):
        Manifest("keypoints", "onnx", "bfloat16", json.loads(CONFIG.to_json()), CONFIG.vocabulary)


def test_the_digests_cover_files_in_folders(tmp_path):
    (tmp_path / "saved_model" / "variables").mkdir(parents=True)
    (tmp_path / "saved_model" / "variables" / "v").write_bytes(b"1")
    (tmp_path / "saved_model" / "saved_model.pb").write_bytes(b"2")
    Manifest("keypoints", "saved_model", "float32", json.loads(CONFIG.to_json()), CONFIG.vocabulary).write(tmp_path)
    shutil.copytree(tmp_path, tmp_path.parent / "moved")
    assert sorted(Manifest.read(tmp_path.parent / "moved").files) == [
        "saved_model/saved_model.pb",
        "saved_model/variables/v",
    ]
