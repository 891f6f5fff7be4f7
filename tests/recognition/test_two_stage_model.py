import logging
import shutil
from pathlib import Path

import pytest

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.recognition import attribute_model, keypoint_model, two_stage_model
from aifashion.recognition.attribute_model import AttributeModel, Calibration
from aifashion.recognition.keypoint_model import KeypointModel
from aifashion.recognition.two_stage_model import check_vocabularies, load_two_stage_model
from aifashion.records import HeadSpec
from aifashion.serve.shipped import SHIPPED
from aifashion.vocabulary import vocabulary_from


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    for module in (keypoint_model, attribute_model):
        monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    return tmp_path


def test_where_nothing_was_trained_the_networks_are_those_that_ship(checkout, caplog, capfd, monkeypatch):
    # As in a program that is none of the commands, which show the reports.
    monkeypatch.setattr(logging.getLogger("aifashion"), "handlers", [])
    monkeypatch.setattr(logging.getLogger("aifashion"), "propagate", True)
    caplog.set_level(logging.INFO, "aifashion")
    model = load_two_stage_model(None, None)
    assert model.keypoints.run == SHIPPED / "keypoints" and model.heads
    assert model.attributes is not None and model.attributes.run == SHIPPED / "attributes"
    # What was loaded is reported, and nothing is printed.
    assert [str(SHIPPED / stage) in caplog.text for stage in ("keypoints", "attributes")] == [True, True]
    assert capfd.readouterr() == ("", "")


def test_shipped_names_either_stage(checkout):
    model = load_two_stage_model(Path("shipped"), Path("shipped"))
    assert model.keypoints.run.parent == SHIPPED and model.attributes is not None


def test_runs_in_their_first_epoch_do_not_hide_the_shipped_networks(checkout):
    for place, config in (("all", KeypointConfig()), ("attributes/all", AttributeConfig())):
        run = checkout / "trained_models" / place / "2026_01_01_00_00_00"
        run.mkdir(parents=True)
        (run / "config.json").write_text(config.to_json())
    model = load_two_stage_model(None, None)
    assert model.keypoints.run == SHIPPED / "keypoints"
    assert model.attributes is not None and model.attributes.run == SHIPPED / "attributes"


@pytest.mark.slow
def test_runs_are_not_used_until_they_are_named_and_have_no_foreign_classifier(checkout, all_run):
    run = Path(shutil.copytree(all_run, checkout / "trained_models" / "all" / all_run.name))
    assert load_two_stage_model(None, None).keypoints.run == SHIPPED / "keypoints"
    model = load_two_stage_model(run, None)
    assert model.keypoints.run == run and model.attributes is None
    model = load_two_stage_model(run.parent, Path("shipped"))
    assert model.keypoints.run == run
    assert model.attributes is not None and model.attributes.run == SHIPPED / "attributes"


# -------------------------------------------------------------------------------------------------------- vocabularies

HATS = vocabulary_from(
    {
        "name": "hats",
        "categories": {
            "cap": {"keypoints": ["peak", "crown"], "attributes": ["colour"]},
            "beret": {"keypoints": ["crown", "stalk"]},
        },
        "attributes": {"colour": {"kind": "exclusive", "classes": ["red", "blue"]}},
    }
)
SHOES = vocabulary_from(
    {"name": "shoes", "categories": {"cap": {"keypoints": ["toe", "heel"]}, "boot": {"keypoints": ["toe", "heel"]}}}
)
COLOUR = HeadSpec("colour", "exclusive", ("red", "blue"))
STYLE = HeadSpec("style", "independent", ("plain",))


def keypoints_of(vocabulary) -> KeypointModel:
    return KeypointModel(Path("runs/k"), KeypointConfig(vocabulary=vocabulary), lambda images: images, "dark")


def attributes_of(vocabulary, *heads: HeadSpec) -> AttributeModel:
    config = AttributeConfig(vocabulary=vocabulary)
    return AttributeModel(Path("runs/a"), config, heads, lambda images: images, Calibration(), None)


def test_networks_of_one_vocabulary_fit_each_other():
    check_vocabularies(keypoints_of(HATS), attributes_of(HATS, COLOUR))
    # A network of one category needs no more than that the classifier knows it.
    check_vocabularies(keypoints_of(HATS.restricted("cap")), attributes_of(HATS, COLOUR))


def test_networks_of_different_vocabularies_are_refused_and_the_difference_is_named():
    expected = (
        "two networks of different vocabularies: runs/k was trained with shoes, whose categories boot are unknown to "
        "runs/a, trained with hats: cap, beret. Choose a --model and --attributes of one vocabulary"
    )
    with pytest.raises(ValueError) as caught:
        check_vocabularies(keypoints_of(SHOES), attributes_of(HATS, COLOUR))
    assert str(caught.value) == expected


def test_a_classifier_whose_heads_make_sense_for_all_goes_with_any_keypoint_network():
    check_vocabularies(keypoints_of(SHOES), attributes_of(HATS, STYLE))


def test_loading_networks_of_different_vocabularies(checkout, monkeypatch):
    monkeypatch.setattr(two_stage_model, "load_keypoint_model", lambda run, **more: keypoints_of(HATS))
    with pytest.raises(ValueError, match=r"trained with hats, whose categories cap, beret are unknown to .*attributes"):
        load_two_stage_model(Path("hats"), Path("shipped"))
