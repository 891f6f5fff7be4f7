import dataclasses
import json
from pathlib import Path

import pytest

from aifashion.config import AttributeConfig
from aifashion.files import sealed
from aifashion.recognition.attribute_model import (
    Calibration,
    load_attribute_model,
    read_calibration,
    read_heads,
    write_heads,
)
from aifashion.records import HeadSpec
from aifashion.serve.artifact import ArtifactError
from aifashion.serve.shipped import SHIPPED
from aifashion.unet.runs import RunError
from small_runs import keep_model

SHAPE = HeadSpec("shape", "exclusive", ("round", "square", "other"))
LENGTH = HeadSpec("length", "ordinal", ("short", "knee", "long"))
STYLE = HeadSpec("style", "independent", ("sport", "OL/commuter"))
NEVER = HeadSpec("never", "exclusive", ("a", "b"))
HEADS = (SHAPE, LENGTH, STYLE, NEVER)


def test_a_run_that_was_not_calibrated(tmp_path: Path):
    assert read_calibration(tmp_path) == Calibration({}, {})


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"temperatures": {}}', '{"temperatures": [1], "thresholds": {}}']
)
def test_a_damaged_calibration_is_named(tmp_path: Path, text: str):
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(
        ValueError,
        match=r"calibration\.json is damaged .*: restore it from a copy, or let .* make it again",
    ):
        read_calibration(tmp_path)


def test_the_heads_of_a_run(tmp_path: Path):
    write_heads(tmp_path, HEADS)
    assert read_heads(tmp_path) == HEADS


def test_heads_of_before_there_were_seals_are_read(tmp_path: Path):
    (tmp_path / "heads.json").write_text(json.dumps([dataclasses.asdict(head) for head in HEADS]))
    assert read_heads(tmp_path) == HEADS


def test_every_flipped_bit_of_the_heads_is_noticed(tmp_path: Path):
    write_heads(tmp_path, HEADS)
    path = tmp_path / "heads.json"
    sound = path.read_bytes()
    for bit in range(0, 8 * len(sound), 5):
        changed = bytearray(sound)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            assert read_heads(tmp_path) == HEADS  # such as a blank that became a line end
        except RunError as error:
            assert str(path) in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "{}x",
        '[{"name": "shape", "kind": "exclusive"}]',
        '["shape"]',
        "7",
        '[{"name": "shape", "kind": "some", "classes": ["a"]}]',
        '[{"name": "shape", "kind": "exclusive", "classes": []}]',
    ],
)
def test_damaged_heads_are_named(tmp_path: Path, text: str):
    (tmp_path / "heads.json").write_text(text)
    with pytest.raises(ValueError, match=r"heads\.json is damaged .*: restore it from a copy; .* trained anew"):
        read_heads(tmp_path)


def test_a_run_without_heads(tmp_path: Path):
    with pytest.raises(ValueError, match=r"heads\.json is missing: restore it from a copy"):
        read_heads(tmp_path)


def test_a_run_in_its_first_epoch_does_not_hide_those_before_it(tmp_path: Path, monkeypatch):
    for name in ("2026_01_01_00_00_00", "2026_01_02_00_00_00"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(AttributeConfig().to_json())
        (tmp_path / name / "heads.json").write_text(json.dumps([dataclasses.asdict(head) for head in HEADS]))
    keep_model(tmp_path / "2026_01_01_00_00_00")
    monkeypatch.setattr("aifashion.unet.predictors.trained_attribute_net", lambda config, heads, weights: weights)
    for name in ("activation_predictor", "attribute_predictor"):
        monkeypatch.setattr(f"aifashion.unet.predictors.{name}", lambda net: net)
    monkeypatch.setattr("aifashion.unet.predictors.head_kernels", lambda net, heads: {})
    assert load_attribute_model(tmp_path).run == tmp_path / "2026_01_01_00_00_00"
    with pytest.raises(RunError, match="2026_01_02_00_00_00 has no usable model yet"):
        load_attribute_model(tmp_path / "2026_01_02_00_00_00")


def test_without_a_name_it_is_the_shipped_classifier():
    assert load_attribute_model(None).run == SHIPPED / "attributes"


def test_a_network_that_is_not_there_or_of_the_other_kind(tmp_path: Path):
    with pytest.raises(
        ValueError, match=r"no run in .*nowhere, which is not a folder: expected shipped, a run folder,"
    ):
        load_attribute_model(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match="expected an attribute artifact, got a keypoint artifact"):
        load_attribute_model(SHIPPED / "keypoints")


def calibrated(run: Path, **changes: object) -> dict:
    """Writes heads and a calibration with its sha256; then `changes` are made to it."""
    (run / "heads.json").write_text(json.dumps([dataclasses.asdict(head) for head in HEADS]))
    facts = {"temperatures": {"shape": 2.0, "style": [1.0, 3.0]}, "thresholds": {"style": [0.25, 0.5]}}
    (run / "calibration.json").write_text(json.dumps(sealed(facts) | changes))
    return facts


def test_a_calibration_of_before_there_were_digests_is_read(tmp_path: Path):
    facts = calibrated(tmp_path)
    found = read_calibration(tmp_path)
    (tmp_path / "calibration.json").write_text(json.dumps(facts))
    assert read_calibration(tmp_path).thresholds == found.thresholds == facts["thresholds"]
    assert float(read_calibration(tmp_path).temperatures["shape"]) == float(found.temperatures["shape"]) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperatures": {"shape": 2.5}}, "it was changed since it was written"),
        ({"thresholds": {"style": [0.25, 0.75]}}, "it was changed since it was written"),
        ({"record_sha256": "0" * 64}, "it was changed since it was written"),
        ({"more": 1}, "it was changed since it was written"),
        ({"temperatures": {"shape": 0}}, "it was changed"),
    ],
)
def test_a_changed_calibration_is_noticed(tmp_path: Path, changes: dict, message: str):
    calibrated(tmp_path, **changes)
    with pytest.raises(ValueError, match=rf"calibration\.json is damaged .*{message}"):
        read_calibration(tmp_path)


@pytest.mark.parametrize("text", ["0", "-1", "NaN", "Infinity", "true", "[1.0]", '"2"', "null"])
def test_temperatures_are_finite_and_above_zero(tmp_path: Path, text: str):
    calibrated(tmp_path)
    (tmp_path / "calibration.json").write_text(f'{{"temperatures": {{"shape": {text}}}, "thresholds": {{}}}}')
    with pytest.raises(ValueError, match=r"calibration\.json is damaged .*the temperature of shape is"):
        read_calibration(tmp_path)
