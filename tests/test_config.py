import dataclasses
import inspect
import json
import typing

import pytest

from aifashion.config import AttributeConfig, KeypointConfig, keypoint_preset
from aifashion.garments import ALL, vocabulary
from aifashion.heatmaps import DECODERS


def changed(**values) -> str:
    """The JSON of the standard configuration with some values replaced; a value of `...` leaves the field out."""
    content = json.loads(KeypointConfig().to_json()) | values
    return json.dumps({name: value for name, value in content.items() if value is not ...})


@pytest.mark.parametrize("network", ["v11", "resnet50", "lite"])
def test_presets_go_to_json_and_back(network: str):
    config = dataclasses.replace(keypoint_preset(network), category="skirt", decoder="two-peak", flip=False, seed=7)
    assert KeypointConfig.from_json(config.to_json()) == config


def test_every_field_goes_to_json_and_back():
    # Each field with a value that is not its default, so that one left out or mixed up shows.
    values = {
        "category": "dress",
        "network": "lite",
        "size": 96,
        "precision": "mixed_bfloat16",
        "decoder": "argmax",
        "lrdecay": False,
        "flip": False,
    }
    for i, field in enumerate(dataclasses.fields(KeypointConfig)):
        if field.name not in values:
            values[field.name] = 31 + i if isinstance(field.default, int) else round(0.3 + i / 128, 6)
    config = KeypointConfig(**values)
    assert all(getattr(config, f.name) != f.default for f in dataclasses.fields(config))
    assert json.loads(config.to_json()) == {"kind": "keypoints", **values}
    assert KeypointConfig.from_json(config.to_json()) == config


def test_whole_numbers_serve_as_fractions():
    # JSON writes 1.0 as 1 in some programs.
    assert KeypointConfig.from_json(changed(rotate=0, zoom=0, clip_norm=5)).clip_norm == 5


def test_a_classifier_s_configuration_goes_to_json_and_back():
    config = AttributeConfig(task="skirt_length_labels", scales=(0.75, 1.0), flip=False)
    assert config.task == "skirt_length"
    assert AttributeConfig.from_json(config.to_json()) == config
    for field, value, message in (("scales", 1.0, "is not a list"), ("size", 8, "is outside its range")):
        text = json.dumps(json.loads(config.to_json()) | {field: value})
        with pytest.raises(ValueError, match=rf"^c\.json: {field} = {value} {message}"):
            AttributeConfig.from_json(text, "c.json")
    with pytest.raises(ValueError, match=r"^c\.json is the configuration of a 'keypoints' run"):
        AttributeConfig.from_json(KeypointConfig().to_json(), "c.json")


def test_unknown_preset():
    with pytest.raises(ValueError, match="unknown network 'v12'; expected one of v11, resnet50, lite"):
        keypoint_preset("v12")


def test_what_follows_from_a_configuration():
    config = KeypointConfig(size=96, sigma=2.0)
    assert config.vocabulary == ALL
    assert (config.codec.shape, config.codec.size, config.codec.sigma) == ((24, 24), (96, 96), 2.0)
    assert KeypointConfig(category="trousers").vocabulary == vocabulary("trousers")


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
        (changed(dropout=0.5), r"comes from another version: unknown fields \['dropout'\], missing fields \[\]"),
        (
            changed(ema=..., size=...),
            r"comes from another version: unknown fields \[\], missing fields \['ema', 'size'\]",
        ),
        (changed(size=100), r"size = 100 is outside its range"),
        (changed(category="hat"), r"unknown category \['hat'\]"),
        (changed(size="512"), r"size = '512' is not a whole number"),
        (changed(epochs=1.5), r"epochs = 1.5 is not a whole number"),
        (changed(batch_size=True), r"batch_size = True is not a whole number"),
        (changed(learning_rate=None), r"learning_rate = None is not a number"),
        (changed(learning_rate=True), r"learning_rate = True is not a number"),
        (changed(flip="False"), r"flip = 'False' is not true or false"),
        (changed(lrdecay=0), r"lrdecay = 0 is not true or false"),
        (changed(category=["skirt"]), r"category = \['skirt'\] is not a text"),
        (changed(decoder=[]), r"decoder = \[\] is not a text"),
    ],
)
def test_files_that_are_no_keypoint_configuration_are_named(text: str, message: str):
    with pytest.raises(ValueError, match=rf"^trained/run1/config\.json:? {message}"):
        KeypointConfig.from_json(text, "trained/run1/config.json")


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
        with pytest.raises(ValueError, match=rf"{field} = .* is outside its range"):
            KeypointConfig(**{field: value})


def test_the_ends_of_the_ranges_are_allowed():
    low = dict.fromkeys(("rotate", "zoom", "shift", "colour", "blur", "erase", "ema", "clip_norm", "weight_decay"), 0.0)
    KeypointConfig(**low, epochs=1, batch_size=1, size=64, warmup_epochs=0, hidden_weight=0, category_weight=0, seed=0)
    KeypointConfig(colour=1.0, blur=1.0, erase=1.0, hard_fraction=1.0)
    for decoder in DECODERS:
        assert KeypointConfig(decoder=decoder).decoder == decoder  # type: ignore[arg-type]


def test_every_field_says_what_it_is():
    # The texts below the fields become the help of the commands, so a field without one has no help.
    source = inspect.getsource(KeypointConfig)
    for field in dataclasses.fields(KeypointConfig):
        declaration = source.index(f"\n    {field.name}: ")
        following = source[declaration + 1 :].split("\n")[1]
        assert following.strip().startswith('"""'), field.name
