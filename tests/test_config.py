import dataclasses
import inspect
import json
import typing

import pytest

from aifashion.config import AttributeConfig, KeypointConfig, attribute_preset, keypoint_preset
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS
from aifashion.heatmaps import DECODERS
from aifashion.records import CropRule
from aifashion.vocabulary import load_vocabulary
from config_texts import changed_attributes

ALL = load_vocabulary()


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


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_numbers_of_a_configuration_are_finite(value: float):
    with pytest.raises(ValueError, match=r"rotate = (inf|nan); expected a finite number"):
        KeypointConfig(rotate=value)


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


@pytest.mark.parametrize("kind", [KeypointConfig, AttributeConfig])
def test_every_field_says_what_it_is(kind: type):
    # The texts below the fields become the help of the commands, so a field without one has no help.
    source = inspect.getsource(kind)
    for field in dataclasses.fields(kind):
        declaration = source.index(f"\n    {field.name}: ")
        following = source[declaration + 1 :].split("\n")[1]
        assert following.strip().startswith('"""'), field.name
