import shutil
from pathlib import Path

import pytest

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.recognition.two_stage_model import load_two_stage_model
from aifashion.serve.shipped import SHIPPED
from aifashion.top import keypoint_model, two_stage_model


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    for module in (keypoint_model, two_stage_model):
        monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    return tmp_path


def test_where_nothing_was_trained_it_is_the_pair_that_ships(checkout, capsys):
    model = load_two_stage_model(None, None)
    assert model.keypoints.run == SHIPPED / "keypoints" and model.heads
    assert model.attributes is not None and model.attributes.run == SHIPPED / "attributes"
    assert str(SHIPPED) in capsys.readouterr().out


def test_the_word_names_either_stage(checkout):
    model = load_two_stage_model(Path("shipped"), Path("shipped"))
    assert model.keypoints.run.parent == SHIPPED and model.attributes is not None


def test_runs_in_their_first_epoch_do_not_hide_the_pair(checkout):
    for place, config in (("all", KeypointConfig()), ("attributes/all", AttributeConfig())):
        run = checkout / "trained_models" / place / "2026_01_01_00_00_00"
        run.mkdir(parents=True)
        (run / "config.json").write_text(config.to_json())
    model = load_two_stage_model(None, None)
    assert model.keypoints.run == SHIPPED / "keypoints"
    assert model.attributes is not None and model.attributes.run == SHIPPED / "attributes"


@pytest.mark.slow
def test_a_run_goes_before_the_pair_and_has_no_foreign_classifier(checkout, all_run):
    shutil.copytree(all_run, checkout / "trained_models" / "all" / all_run.name)
    model = load_two_stage_model(None, None)
    assert model.keypoints.run.name == all_run.name and model.attributes is None
    model = load_two_stage_model(None, Path("shipped"))
    assert model.attributes is not None and model.attributes.run == SHIPPED / "attributes"
