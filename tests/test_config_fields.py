"""Configurations that are read: of today, of earlier versions, and damaged ones."""

import dataclasses
import json
import logging

import pytest

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.records import CropRule
from aifashion.vocabulary import load_vocabulary
from config_texts import changed, changed_attributes

ALL = load_vocabulary()


def test_whole_numbers_serve_as_fractions():
    # JSON writes 1.0 as 1 in some programs.
    assert KeypointConfig.from_json(changed(rotate=0, zoom=0, clip_norm=5), ALL).clip_norm == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (KeypointConfig().to_json(), r"is the configuration of a 'keypoints' run; expected one of kind 'attributes'"),
        (changed_attributes(size=8), r"size = 8 is outside the numbers from 32 up"),
        (changed_attributes(scales=1.0), r"scales = 1.0 is not a list of numbers"),
        (changed_attributes(scales=["1"]), r"scales = \['1'\] is not a list of numbers"),
        (changed_attributes(scales=[True]), r"scales = \[True\] is not a list of numbers"),
        (changed_attributes(scales=[]), r"scales = \(\); expected one or more numbers, each in 0\.25 to 4"),
        (changed_attributes(task="hat"), r"task = 'hat'; expected one of all, .*style, product"),
        (changed_attributes(layers="some"), r"layers = 'some'; expected all or heads"),
        (changed_attributes(layers=True), r"layers = True is not a text"),
    ],
)
def test_files_that_are_no_classifier_s_configuration_are_named(text: str, message: str):
    with pytest.raises(ValueError, match=rf"^trained/run1/config\.json:? {message}"):
        AttributeConfig.from_json(text, ALL, "trained/run1/config.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"is not JSON: Expecting value"),
        ("{'size': 512}", r"is not JSON"),
        (changed()[:-20], r"is not JSON"),
        ("[]", r"is the configuration of a None run; expected one of kind 'keypoints'"),
        ("null", r"is the configuration of a None run"),
        (changed(kind="attributes"), r"is the configuration of a 'attributes' run; expected one of kind 'keypoints'"),
        (changed(kind=...), r"is the configuration of a None run"),
        (changed(dropout=0.5), r"has unknown fields dropout: it comes from a newer version, .*; use that version, or"),
        (changed(a=1, model="lite"), r"has unknown fields a, model: .* take the fields out of the file"),
        (changed(lrdecay=True), r"has both schedule and lrdecay, its name in earlier versions"),
        (changed(size=100), r"size = 100 is not a multiple of 32; expected one from 64 up"),
        (changed(category="hat"), r"unknown category 'hat'; expected one of blouse, dress"),
        (changed(size="512"), r"size = '512' is not a whole number"),
        (changed(epochs=1.5), r"epochs = 1.5 is not a whole number"),
        (changed(batch_size=True), r"batch_size = True is not a whole number"),
        (changed(learning_rate=None), r"learning_rate = None is not a number"),
        (changed(learning_rate=True), r"learning_rate = True is not a number"),
        (changed(flip="False"), r"flip = 'False' is not true or false"),
        (changed(lrdecay=0, schedule=...), r"lrdecay = 0 is not true or false"),
        (changed(category=["skirt"]), r"category = \['skirt'\] is not a text"),
        (changed(decoder=[]), r"decoder = \[\] is not a text"),
    ],
)
def test_files_that_are_no_keypoint_configuration_are_named(text: str, message: str):
    with pytest.raises(ValueError, match=rf"^trained/run1/config\.json:? {message}"):
        KeypointConfig.from_json(text, ALL, "trained/run1/config.json")


# Files of earlier versions


@pytest.mark.parametrize(("lrdecay", "schedule"), [(True, "cosine"), (False, "constant")])
def test_files_that_have_lrdecay_mean_a_schedule(lrdecay: bool, schedule: str):
    older = changed(lrdecay=lrdecay, schedule=..., optimizer=..., layers=..., tag=..., precision="mixed_bfloat16")
    config = KeypointConfig.from_json(older, ALL)
    assert (config.schedule, config.optimizer, config.layers, config.tag) == (schedule, "adamw", "all", "")
    assert config.precision == "bfloat16"


@pytest.mark.parametrize("kind", ["image", "keypoints", "heatmap", "cam"])
def test_files_of_classifiers_that_have_a_model_and_the_word_of_a_crop(kind: str):
    older = changed_attributes(model="densenet121", crop=kind, precision="mixed_bfloat16", network=..., scales=...)
    config = AttributeConfig.from_json(older, ALL)
    assert (config.network, config.precision, config.scales) == ("densenet121", "bfloat16", (1.0,))
    assert config.crop == CropRule(kind, 0.05, 0.2)  # the margin and threshold of that time
    assert "model" not in json.loads(config.to_json())


# What each earlier version did not write yet.
OLDER_KEYPOINTS = (
    {"turn": ...},
    {"turn": ..., "vocabulary_sha256": ...},
    {
        "turn": ...,
        "vocabulary_sha256": ...,
        "layers": ...,
        "optimizer": ...,
        "tag": ...,
        "schedule": ...,
        "lrdecay": True,
    },
)
OLDER_ATTRIBUTES = (
    {"turn": ...},
    {"turn": ..., "vocabulary_sha256": ...},
    {"turn": ..., "vocabulary_sha256": ..., "network": ..., "model": "resnet50v2", "crop": "image"},
    {
        "turn": ...,
        "vocabulary_sha256": ...,
        "task_weights": ...,
        "network": ...,
        "model": "resnet50v2",
        "crop": "image",
    },
)


def test_a_field_that_a_version_did_not_write_has_the_default(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("aifashion"), "propagate", True)
    for older in OLDER_KEYPOINTS:
        assert KeypointConfig.from_json(changed(**older), ALL) == KeypointConfig()
    for older in OLDER_ATTRIBUTES:
        assert AttributeConfig.from_json(changed_attributes(**older), ALL) == AttributeConfig()
    assert not caplog.messages


@pytest.mark.parametrize("older", ({}, *OLDER_KEYPOINTS), ids=("now", "before turns", "before vocabularies", "first"))
@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(KeypointConfig)])
def test_a_field_that_a_file_of_keypoints_has_lost_is_named(field, older, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("aifashion"), "propagate", True)
    if field in ("vocabulary", "turn") or older.get(field) is ...:
        return  # without turn, it is a file of the version before
    text = changed(**(older | {field: ...}))
    if field in ("category", "network", "size", "sigma", "decoder", "precision"):  # the answers depend on them
        with pytest.raises(
            ValueError, match=rf"^a/config\.json has lost {field}, on which the answers depend: restore"
        ):
            KeypointConfig.from_json(text, ALL, "a/config.json")
    else:
        assert getattr(KeypointConfig.from_json(text, ALL, "a/config.json"), field) == getattr(KeypointConfig(), field)
        assert caplog.messages[0].startswith(f"a/config.json has lost {field}: not needed to predict")


@pytest.mark.parametrize(
    "older", ({}, *OLDER_ATTRIBUTES), ids=("now", "before turns", "before vocabularies", "models", "first")
)
@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(AttributeConfig)])
def test_a_field_that_a_file_of_a_classifier_has_lost_is_named(field, older, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("aifashion"), "propagate", True)
    if field in ("vocabulary", "turn") or older.get(field) is ... or (field == "task_weights" and "model" in older):
        return  # without turn, it is a file of the version before; without task_weights, one of the first version
    text = changed_attributes(**(older | {field: ...}))
    if field in ("task", "network", "size", "crop", "length_heads", "precision"):
        with pytest.raises(
            ValueError, match=rf"^a/config\.json has lost {field}, on which the answers depend: restore"
        ):
            AttributeConfig.from_json(text, ALL, "a/config.json")
    else:
        AttributeConfig.from_json(text, ALL, "a/config.json")
        assert caplog.messages[0].startswith(f"a/config.json has lost {field}: not needed to predict")


def test_a_file_of_another_version_with_nothing_in_it():
    with pytest.raises(ValueError, match=r"config\.json has lost category, network, size, sigma, precision, decoder,"):
        KeypointConfig.from_json('{"kind": "keypoints"}', ALL)


@pytest.mark.parametrize(
    ("config", "older"), [(KeypointConfig(), {"lrdecay": True}), (AttributeConfig(), {"model": "lite"})]
)
def test_an_older_name_beside_that_of_today(config, older):
    text = json.dumps(json.loads(config.to_json()) | older)
    (name,) = older
    with pytest.raises(ValueError, match=rf"runs/1/config\.json has both \w+ and {name}, its name in earlier versions"):
        type(config).from_json(text, config.vocabulary, "runs/1/config.json")


def test_a_configuration_knows_its_vocabulary():
    text = KeypointConfig(category="skirt").to_json()
    skirt = ALL.restricted("skirt")
    assert KeypointConfig.from_json(text, skirt) == KeypointConfig(category="skirt")
    other = dataclasses.replace(skirt, keypoints=skirt.keypoints[::-1])
    with pytest.raises(ValueError, match=r"the vocabulary beside it is not the one of this network"):
        KeypointConfig.from_json(text, other, "run/config.json")
    older = {name: value for name, value in json.loads(text).items() if name != "vocabulary_sha256"}
    assert KeypointConfig.from_json(json.dumps(older), other).vocabulary == other
