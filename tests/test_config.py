import dataclasses
import inspect
import json
import logging
import typing

import pytest

from aifashion.config import AttributeConfig, KeypointConfig, attribute_preset, keypoint_preset
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS
from aifashion.heatmaps import DECODERS
from aifashion.records import CropRule
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()


def changed(**values) -> str:
    """The JSON of the standard configuration with some values replaced; a value of `...` leaves the field out."""
    content = json.loads(KeypointConfig().to_json()) | values
    return json.dumps({name: value for name, value in content.items() if value is not ...})


def changed_attributes(**values) -> str:
    """As `changed`, of a classifier's configuration."""
    content = json.loads(AttributeConfig().to_json()) | values
    return json.dumps({name: value for name, value in content.items() if value is not ...})


@pytest.mark.parametrize("network", ["v11", "resnet50", "lite"])
def test_presets_go_to_json_and_back(network: str):
    config = dataclasses.replace(keypoint_preset(network), category="skirt", decoder="two-peak", flip=False, seed=7)
    assert KeypointConfig.from_json(config.to_json(), config.vocabulary) == config


def test_every_field_goes_to_json_and_back():
    # Each field with a value that is not its default, so that one left out or mixed up shows.
    values = {
        "category": "dress",
        "network": "lite",
        "size": 96,
        "precision": "bfloat16",
        "decoder": "argmax",
        "layers": "heads",
        "optimizer": "sgd",
        "schedule": "5=0.1,9=0.01",
        "tag": "first",
        "flip": False,
    }
    for i, field in enumerate(dataclasses.fields(KeypointConfig)):
        if field.name not in (*values, "vocabulary"):
            values[field.name] = 31 + i if isinstance(field.default, int) else round(0.3 + i / 128, 6)
    config = KeypointConfig(**values)
    assert all(getattr(config, f.name) != f.default for f in dataclasses.fields(config))
    assert json.loads(config.to_json()) == {
        "kind": "keypoints",
        **values,
        "vocabulary_sha256": config.vocabulary.digest,
    }
    assert KeypointConfig.from_json(config.to_json(), config.vocabulary) == config


def test_whole_numbers_serve_as_fractions():
    # JSON writes 1.0 as 1 in some programs.
    assert KeypointConfig.from_json(changed(rotate=0, zoom=0, clip_norm=5), ALL).clip_norm == 5


def test_every_field_of_a_classifier_goes_to_json_and_back():
    values = {
        "task": "skirt_length",
        "network": "lite",
        "crop": CropRule("heatmap", 0.1, 0.3),
        "layers": "heads",
        "length_heads": "exclusive",
        "task_weights": "photos",
        "optimizer": "sgd",
        "schedule": "5=0.1,9=0.01",
        "precision": "bfloat16",
        "labels": "hard",
        "scales": (0.75, 1.0, 1.25),
        "flip": False,
        "tag": "first",
    }
    for i, field in enumerate(dataclasses.fields(AttributeConfig)):
        if field.name not in (*values, "vocabulary"):
            values[field.name] = 34 + i if isinstance(field.default, int) else round(0.32 + i / 128, 6)
    config = AttributeConfig(**values)
    assert all(getattr(config, f.name) != f.default for f in dataclasses.fields(config))
    crop = {"kind": "heatmap", "margin": 0.1, "threshold": 0.3}
    written = {"kind": "attributes", **values, "scales": [0.75, 1.0, 1.25], "crop": crop}
    assert json.loads(config.to_json()) == written | {"vocabulary_sha256": config.vocabulary.digest}
    again = AttributeConfig.from_json(config.to_json(), ALL)
    assert again == config and hash(again) == hash(config)  # a list would be neither equal nor hashable


@pytest.mark.parametrize("network", ["lite", "resnet50v2", "densenet121"])
def test_presets_of_classifiers(network: str):
    config = attribute_preset(network)
    assert config.network == network
    assert (config.size, config.batch_size) == ((160, 32) if network == "lite" else (224, 16))
    assert AttributeConfig.from_json(config.to_json(), ALL) == config


def test_tasks_are_called_as_in_files_or_without_labels():
    for task in ATTRIBUTE_TASKS:
        assert AttributeConfig(task=f"{task}_labels").task == AttributeConfig(task=task).task == task
        assert AttributeConfig.from_json(changed_attributes(task=f"{task}_labels"), ALL).task == task
    choices = AttributeConfig().task_choices
    assert choices == ("all", *ATTRIBUTE_TASKS, "style", "product")
    for task in choices:
        assert AttributeConfig(task=task).task == task


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


def test_unknown_preset():
    with pytest.raises(ValueError, match="unknown network 'v12'; expected one of v11, resnet50, lite"):
        keypoint_preset("v12")


def test_what_follows_from_a_configuration():
    config = KeypointConfig(size=96, sigma=2.0)
    assert config.vocabulary == ALL
    assert (config.codec.shape, config.codec.size, config.codec.sigma) == ((24, 24), (96, 96), 2.0)
    assert KeypointConfig(category="trousers").vocabulary == ALL.restricted("trousers")


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        KeypointConfig().size = 64  # type: ignore[misc]


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


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("epochs", [0, -1]),
        ("batch_size", [0]),
        ("size", [0, 32, 63, 250]),
        ("sigma", [0.0, -1.5]),
        ("learning_rate", [0.0, -1e-3]),
        ("ema", [-0.1, 1.0]),
        ("clip_norm", [-1.0]),
        ("warmup_epochs", [-1.0]),
        ("weight_decay", [-1e-4]),
        ("seed", [-1]),
        ("hard_fraction", [0.0, 1.1]),
        ("hidden_weight", [-0.5]),
        ("category_weight", [-0.1]),
        ("val_fraction", [0.0, 1.0]),
        ("rotate", [-10.0]),
        ("zoom", [-0.1, 1.0]),
        ("shift", [-0.1]),
        ("colour", [-0.1, 1.5]),
        ("blur", [-0.1, 1.5]),
        ("erase", [-0.1, 1.5]),
        ("decoder", ["best"]),
        ("precision", ["float16"]),
    ],
)
def test_values_outside_their_range_are_refused(field: str, values: list):
    if typing.get_type_hints(KeypointConfig)[field] is float:
        values = [*values, float("nan")]
    for value in values:
        with pytest.raises(ValueError, match=rf"^{field} = .*(is outside |; expected |expected one from)"):
            KeypointConfig(**{field: value})


def test_the_ends_of_the_ranges_are_allowed():
    low = dict.fromkeys(
        ("rotate", "turn", "zoom", "shift", "colour", "blur", "erase", "ema", "clip_norm", "weight_decay"), 0.0
    )
    KeypointConfig(**low, epochs=1, batch_size=1, size=64, warmup_epochs=0, hidden_weight=0, category_weight=0, seed=0)
    KeypointConfig(colour=1.0, blur=1.0, erase=1.0, hard_fraction=1.0)
    for decoder in DECODERS:
        assert KeypointConfig(decoder=decoder).decoder == decoder  # type: ignore[arg-type]


SHARES = ("saturation", "hue", "brightness", "blur", "erase")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("task", ["", "hat", "skirt", "_labels"]),
        ("size", [0, 31]),
        ("layers", ["some"]),
        ("length_heads", ["soft"]),
        ("labels", ["smooth"]),
        ("precision", ["float16"]),
        ("epochs", [0]),
        ("batch_size", [0]),
        ("learning_rate", [0.0, -1e-3]),
        ("warmup_epochs", [-1.0]),
        ("weight_decay", [-1e-4]),
        ("clip_norm", [-1.0]),
        ("ema", [-0.1, 1.0]),
        ("seed", [-1]),
        ("label_smoothing", [-0.1, 1.0]),
        ("mixup", [-0.1]),
        ("cutmix", [-0.1]),
        ("balance", [-0.1, 1.1]),
        ("dropout", [-0.1, 1.0]),
        ("scales", [(), (0.2,), (1.0, 4.1), (1.0, float("nan"))]),
        ("rotate", [-10.0]),
        ("zoom", [-0.1, 1.0]),
        ("shift", [-0.1]),
        *((field, [-0.1, 1.1]) for field in SHARES),
        ("val_fraction", [0.0, 1.0]),
    ],
)
def test_values_of_a_classifier_outside_their_range_are_refused(field: str, values: list):
    if typing.get_type_hints(AttributeConfig)[field] is float:
        values = [*values, float("nan")]
    for value in values:
        with pytest.raises(ValueError, match=rf"^{field} = .*(is outside |; expected )"):
            AttributeConfig(**{field: value})


def test_the_ends_of_a_classifier_s_ranges_are_allowed():
    zero = ("ema", "clip_norm", "weight_decay", "warmup_epochs", "label_smoothing", "mixup", "cutmix", "dropout")
    low = dict.fromkeys((*zero, *SHARES, "balance", "rotate", "zoom", "shift", "seed"), 0)
    AttributeConfig(**low, epochs=1, batch_size=1, size=32, scales=(0.25, 4.0))
    AttributeConfig(**dict.fromkeys((*SHARES, "balance"), 1.0))


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("hue", 3, "hue = 3 is outside 0 to 1"),
        ("epochs", 0, "epochs = 0 is outside the numbers from 1 up"),
        ("learning_rate", 0.0, "learning_rate = 0.0 is outside the numbers above 0"),
        ("ema", 1.0, "ema = 1.0 is outside 0 to 1 without 1"),
        ("val_fraction", 1.0, "val_fraction = 1.0 is outside the numbers between 0 and 1"),
        ("precision", "int8", "precision = 'int8'; expected float32 or bfloat16"),
    ],
)
def test_an_error_says_what_the_range_is(field: str, value, text: str):
    with pytest.raises(ValueError) as caught:
        AttributeConfig(**{field: value})
    assert str(caught.value) == text
    with pytest.raises(ValueError, match=r"^hard_fraction = 0\.0 is outside 0 to 1 without 0$"):
        KeypointConfig(hard_fraction=0.0)


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


@pytest.mark.parametrize("kind", [KeypointConfig, AttributeConfig])
def test_every_field_says_what_it_is(kind: type):
    # The texts below the fields become the help of the commands, so a field without one has no help.
    source = inspect.getsource(kind)
    for field in dataclasses.fields(kind):
        declaration = source.index(f"\n    {field.name}: ")
        following = source[declaration + 1 :].split("\n")[1]
        assert following.strip().startswith('"""'), field.name


@pytest.mark.parametrize(
    ("config", "older"), [(KeypointConfig(), {"lrdecay": True}), (AttributeConfig(), {"model": "lite"})]
)
def test_an_older_name_beside_that_of_today(config, older):
    text = json.dumps(json.loads(config.to_json()) | older)
    (name,) = older
    with pytest.raises(ValueError, match=rf"runs/1/config\.json has both \w+ and {name}, its name in earlier versions"):
        type(config).from_json(text, config.vocabulary, "runs/1/config.json")
