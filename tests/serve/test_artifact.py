import json
import re
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_networks import CLASSES, CONFIG, HEADS

from aifashion.files import sealed
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


def sealed_anew(folder: Path, **changes: object) -> None:
    """As `edit`, with a sha256 that is right."""
    facts = json.loads((folder / MANIFEST).read_text()) | changes
    del facts["record_sha256"]
    (folder / MANIFEST).write_text(json.dumps(sealed(facts)))


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
    del facts["vocabulary"], facts["inputs"], facts["record_sha256"]
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


# ------------------------------------------------------------------------------------------------- what is read back

CONFIG_FACTS = json.loads(CLASSES.to_json())
BAD_FIELDS: list[tuple[dict, str]] = [
    ({"files": []}, "files must be a table"),
    ({"files": {"model.onnx": 7}}, "must be 64 hexadecimal digits"),
    ({"files": {"model.onnx": "0" * 64, "../secret": "0" * 64}}, "expected names of files inside the folder"),
    ({"files": {"/etc/passwd": "0" * 64}}, "expected names of files inside the folder"),
    ({"files": {"a\\\\b": "0" * 64}}, "expected names of files inside the folder"),
    ({"files": {"C:/a": "0" * 64}}, "expected names of files inside the folder"),
    ({"files": {"./model.onnx": "0" * 64}}, "expected names of files inside the folder"),
    ({"files": {"a\nb": "0" * 64}}, "expected names of files inside the folder"),
    ({"temperatures": {"colour": 0}}, "the temperature of colour is 0; expected a finite number above 0"),
    ({"temperatures": {"colour": -1}}, "the temperature of colour is -1"),
    ({"temperatures": {"colour": True}}, "the temperature of colour is True"),
    ({"temperatures": {"colour": "2"}}, "the temperature of colour is '2'"),
    ({"temperatures": {"style": [1.0]}}, "the temperature of style is"),
    ({"temperatures": {"hat": 1.0}}, "temperatures of 'hat', which is no head"),
    ({"temperatures": [1.0]}, "temperatures must be a table"),
    ({"thresholds": {"style": [0.5, 1.5]}}, "the thresholds of style are"),
    ({"thresholds": {"colour": [0.5, 0.5, 0.5]}}, "the thresholds of colour are"),
    ({"flip": 1}, "flip must be true or false"),
    ({"format": ["onnx"]}, "format must be a text"),
    ({"visibility": {"found": 0}}, "visibility belongs to a keypoint network"),
    ({"versions": {"keras": 3}}, "versions must be texts"),
    ({"inputs": {}}, "inputs = "),
    ({"config": []}, "config must be a table"),
    ({"config": CONFIG_FACTS | {"size": "32"}}, "size = '32' is not a whole number"),
    ({"config": CONFIG_FACTS | {"size": 16}}, "size = 16 is outside"),
    ({"vocabulary": "fashionai"}, "a vocabulary must be a table"),
    ({"heads": []}, "there are no heads"),
    ({"heads": {}}, "heads must be a list"),
    ({"heads": [{"name": "a", "kind": "exclusive", "classes": ["x", 7]}]}, "must be texts"),
    ({"heads": [{"name": "a", "kind": "exclusive", "classes": "xy"}]}, "must be texts"),
    ({"heads": [{"name": "a", "kind": "exclusive", "classes": ["x", "x"]}]}, "classes that differ"),
    ({"heads": [{"name": "a", "kind": "exclusive", "classes": ["x", "y\n"]}]}, "no line end"),
    ({"heads": [{"name": "a", "kind": "independent", "classes": ["x", "y;z"]}]}, "no semicolon"),
    ({"heads": [{"name": "a b", "kind": "exclusive", "classes": ["x", "y"]}]}, "a name of letters, digits and _"),
    ({"heads": [{"name": "a", "kind": "exclusive", "classes": ["x", "y"]}] * 2}, "two heads have one name"),
    (
        {"heads": [{"name": "skirt_length", "kind": "ordinal", "classes": ["Short", "Long"]}]},
        "by the vocabulary it has ordinal classes Invisible",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BAD_FIELDS)
def test_values_that_no_export_writes_are_refused_in_every_layout(folder, changes, message):
    facts = json.loads((folder / MANIFEST).read_text())
    del facts["record_sha256"]
    for older in (False, True):
        if older:
            (folder / MANIFEST).write_text(json.dumps(facts | changes | {"layout": 2}))
        else:
            sealed_anew(folder, **changes)
        with pytest.raises(ArtifactError, match=re.escape(message)) as caught:
            Manifest.read(folder)
        assert str(folder / MANIFEST) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(folder, text):
    whole = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(whole.replace('"temperatures": {}', f'"temperatures": {{"colour": {text}}}'))
    with pytest.raises(ArtifactError, match=r"NaN is no number|Infinity is no number|temperature of colour is inf"):
        Manifest.read(folder)


@pytest.mark.parametrize("field", [part.name for part in fields(Manifest) if part.name not in ("path", "detection")])
def test_a_field_that_is_missing_is_named(folder, field):
    facts = json.loads((folder / MANIFEST).read_text())
    del facts[field]
    (folder / MANIFEST).write_text(json.dumps(facts))
    with pytest.raises(ArtifactError, match=field):
        Manifest.read(folder)


def test_a_manifest_of_layout_2_is_read_as_it_was_meant(folder):
    whole = Manifest.read(folder)
    facts = json.loads((folder / MANIFEST).read_text())
    del facts["record_sha256"]
    (folder / MANIFEST).write_text(json.dumps(facts | {"layout": 2}))
    assert Manifest.read(folder) == whole


def test_a_change_that_contradicts_nothing_is_noticed(folder):
    edit(folder, differences={"a": 2.0})
    with pytest.raises(ArtifactError, match=r"manifest\.json is not what an export wrote: it was changed since"):
        Manifest.read(folder)
    facts = json.loads((folder / MANIFEST).read_text())
    del facts["record_sha256"]
    (folder / MANIFEST).write_text(json.dumps(facts))
    with pytest.raises(ArtifactError, match="record_sha256"):
        Manifest.read(folder)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_flip_of_a_bit_is_noticed_or_without_meaning(folder, data):
    whole, path = MANIFESTS.setdefault(folder, (folder / MANIFEST).read_bytes()), folder / MANIFEST
    sound = json.loads(whole)
    position = data.draw(st.integers(0, 8 * len(whole) - 1))
    changed = bytearray(whole)
    changed[position // 8] ^= 1 << position % 8
    path.write_bytes(changed)
    try:
        Manifest.read(folder)
    except ArtifactError as error:
        assert str(path) in str(error)
    else:
        assert json.loads(changed) == sound
    finally:
        path.write_bytes(whole)


MANIFESTS: dict[Path, bytes] = {}


def test_what_is_loaded_is_listed(folder, tmp_path):
    sealed_anew(folder, config=CONFIG_FACTS | {"crop": {"kind": "cam", "margin": 0.05, "threshold": 0.2}})
    with pytest.raises(ArtifactError, match=r"lists no kernels\.safetensors, which is loaded"):
        Manifest.read(folder)
    saved = tmp_path / "saved"
    (saved / "saved_model").mkdir(parents=True)
    (saved / "saved_model" / "saved_model.pb").write_bytes(b"2")
    Manifest("keypoints", "saved_model", "float32", json.loads(CONFIG.to_json()), CONFIG.vocabulary).write(saved)
    (saved / "saved_model" / "fingerprint.pb").write_bytes(b"3")
    with pytest.raises(ArtifactError, match=r"fingerprint\.pb is not listed in"):
        Manifest.read(saved)


@pytest.mark.parametrize(
    "visibility", [{"slope": [1.0], "offset": [0.0], "found": 0.1}, {"slope": 1, "offset": 1, "found": 1}, {"a": 1}]
)
def test_the_visibility_belongs_to_the_keypoints(tmp_path, visibility):
    (tmp_path / "model.onnx").write_bytes(b"network")
    config = json.loads(CONFIG.to_json())
    Manifest("keypoints", "onnx", "float32", config, CONFIG.vocabulary, visibility=visibility).write(tmp_path)
    with pytest.raises(ArtifactError, match=r"calibration of keypoints|expected 24 finite slopes"):
        Manifest.read(tmp_path)
