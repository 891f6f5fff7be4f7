import json
import shutil
from pathlib import Path

import pytest

from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import SHIPPED
from aifashion.top import calibrate


@pytest.fixture
def artifact(tmp_path) -> Path:
    return Path(shutil.copytree(SHIPPED / "keypoints", tmp_path / "artifact"))


def test_an_artifact_keeps_the_errors_of_its_keypoints(artifact, data, capsys):
    before = json.loads((artifact / "manifest.json").read_text())
    calibrate.main([str(artifact), "--data", str(data), "--all"])
    visibility = Manifest.read(artifact).visibility
    assert len(visibility["errors"]["scale"]) == 24 and visibility["errors"]["lengths"]
    assert {k: v for k, v in visibility.items() if k != "errors"} == {
        k: v for k, v in before["visibility"].items() if k != "errors"
    }
    assert {**json.loads((artifact / "manifest.json").read_text()), "visibility": 0, "record_sha256": 0} == {
        **before,
        "visibility": 0,
        "record_sha256": 0,
    }
    text = " ".join(capsys.readouterr().out.split())
    assert "60 photos from" in text and "now: of " in text and "are within one standard error" in text


def test_what_cannot_be_calibrated(tmp_path, bare_run, data, fails):
    assert "shipped is a part of the package" in fails(calibrate.main, "shipped", "--data", data)
    classifier = SHIPPED / "attributes"
    assert "is no keypoint network" in fails(calibrate.main, classifier, "--data", data)
    assert "no run" in fails(calibrate.main, tmp_path / "nowhere", "--data", data)


@pytest.mark.slow
def test_a_run_has_errors_from_its_training_and_can_be_calibrated_again(all_run, data, tmp_path):
    from aifashion.recognition.keypoint_model import load_keypoint_model

    run = Path(shutil.copytree(all_run, tmp_path / "run"))
    first = load_keypoint_model(run).visibility
    assert first is not None and first.errors is not None
    calibrate.main([str(run), "--data", str(data), "--all"])
    again = load_keypoint_model(run).visibility  # whose digest is checked
    assert again is not None and again.errors is not None
    assert again.errors.to_json() != first.errors.to_json() and again.found == first.found
