import logging
from pathlib import Path

import pytest

from aifashion.config import KeypointConfig
from aifashion.recognition import keypoint_model
from aifashion.recognition.keypoint_model import load_keypoint_model
from aifashion.serve.shipped import SHIPPED
from aifashion.unet.runs import RunError
from small_runs import keep_model

OLDER, NEWER, BEGUN = "2026_01_01_00_00_00", "2026_01_02_00_00_00", "2026_01_03_00_00_00"


@pytest.fixture
def runs(tmp_path, monkeypatch) -> Path:
    """trained_models/all of a checkout, with two runs that have a model and one that does not; nets are not built."""
    folder = tmp_path / "trained_models" / "all"
    for name in (OLDER, NEWER, BEGUN):
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text(KeypointConfig(network="lite", size=64).to_json())
    keep_model(folder / OLDER)
    keep_model(folder / NEWER)
    monkeypatch.setattr(keypoint_model, "CHECKOUT", tmp_path)
    monkeypatch.setattr("aifashion.unet.predictors.trained_keypoint_net", lambda config, weights: weights)
    monkeypatch.setattr("aifashion.unet.predictors.keypoint_predictor", lambda net: net)
    return folder


def test_a_run_in_its_first_epoch_does_not_hide_those_before_it(runs):
    model = load_keypoint_model(runs)
    assert model.run == runs / NEWER and model.maps == runs / NEWER / "models" / "epoch_001.weights.h5"


def test_without_a_name_it_is_the_shipped_network_whatever_was_trained(runs, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("aifashion"), "propagate", True)
    caplog.set_level(logging.INFO, "aifashion")
    assert load_keypoint_model(None).run == SHIPPED / "keypoints"
    expected = f"no --model: the keypoint network is the shipped one; --model {runs} uses your latest finished run"
    assert caplog.messages[0] == expected
    for name in (OLDER, NEWER):
        (runs / name / "best.json").unlink()
    caplog.clear()
    load_keypoint_model(None)
    assert caplog.messages[0] == "no --model: the keypoint network is the shipped one"


def test_a_folder_without_a_finished_run(runs):
    for name in (OLDER, NEWER):
        (runs / name / "history.csv").write_text("epoch\n1\n")
    with pytest.raises(RunError, match=rf"no finished run \({BEGUN}: it has no model yet; {NEWER}: .* 1 of 30"):
        load_keypoint_model(runs)
    assert load_keypoint_model(runs / NEWER).run == runs / NEWER


def test_a_run_that_is_named_is_taken_or_nothing(runs):
    assert load_keypoint_model(runs / OLDER).run == runs / OLDER
    with pytest.raises(RunError, match=rf"{BEGUN} has no usable model yet"):
        load_keypoint_model(runs / BEGUN)


def test_a_network_that_is_not_there_or_of_the_other_kind(tmp_path):
    with pytest.raises(
        ValueError, match=r"no run in .*nowhere, which is not a folder: expected shipped, a run folder,"
    ):
        load_keypoint_model(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="expected a keypoint artifact, got an attribute artifact"):
        load_keypoint_model(SHIPPED / "attributes")
    with pytest.raises(ValueError, match="is an artifact of one epoch"):
        load_keypoint_model(SHIPPED / "keypoints", epoch=3)
