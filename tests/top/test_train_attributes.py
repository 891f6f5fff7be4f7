import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from small_attributes import write_labelled

from aifashion.config import AttributeConfig
from aifashion.data_gen.formats.fashionai_attributes import attribute_heads
from aifashion.garments import ATTRIBUTE_TASKS
from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import shipped, shipped_weights
from aifashion.top import train_attributes
from aifashion.unet.backbones import WeightsError
from aifashion.unet.predictors import trained_attribute_net
from aifashion.unet.runs import RunError, State, best_model, save_state

SMALL = ("--model", "lite", "--size", "64", "--batch-size", "4", "--val-fraction", "0.25")
HEADS = attribute_heads(ordinal=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_labelled(folder, {"skirt_length": 24, "neck_design": 16})
    return folder


@pytest.fixture
def fitted(monkeypatch) -> list:
    """What would have been trained: arguments, run, facts and both tables."""
    calls: list = []
    monkeypatch.setattr(train_attributes, "_fit", lambda *args: calls.append(args))
    return calls


def bare_run(folder: Path, config: AttributeConfig, heads=HEADS) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config.to_json())
    (folder / "heads.json").write_text(json.dumps([dataclasses.asdict(head) for head in heads]))
    return folder


def train(data: Path, *words: object) -> None:
    train_attributes.main([*SMALL, "--data", str(data), *map(str, words)])


def test_options_and_data_reach_the_training(data, tmp_path, fitted):
    train(data, "--output", tmp_path, "--task", "skirt_length_labels", "--scales", "0.5", "1.0", "--layers", "heads")
    ((args, run, facts, train_table, val_table),) = fitted
    assert run is None and args.config == AttributeConfig(
        task="skirt_length", model="lite", size=64, batch_size=4, val_fraction=0.25, scales=(0.5, 1.0), layers="heads",
        learning_rate=2e-3,
    )  # fmt: skip
    names = [[table.photos.name(row) for row in range(len(table))] for table in (train_table, val_table)]
    assert [len(part) for part in names] == [18, 6]
    digest = hashlib.sha256("".join(f"{name}\n" for part in names for name in part).encode()).hexdigest()
    assert json.loads(facts) == {"train": 18, "val": 6, "debug": False, "photos_sha256": digest}


def test_what_no_photo_teaches_is_told(data, tmp_path, fitted, capsys):
    train(data, "--output", tmp_path)
    text = " ".join(capsys.readouterr().out.split())
    assert "no photo to train on is labelled for coat_length: its answers will mean nothing" in text
    assert "(neck_design)" not in text and "labelled for skirt_length" not in text
    few = tmp_path / "few"
    write_labelled(few, {"skirt_length": 3, "neck_design": 16})
    train(few, "--output", tmp_path)
    text = " ".join(capsys.readouterr().out.split())
    names = ATTRIBUTE_TASKS["skirt_length"]
    assert f"{names[3]}, {names[4]}, {names[5]} (skirt_length)" in text


def test_finetuning_takes_backbone_size_and_crop_of_the_classifier_that_ships(data, tmp_path, fitted, fails):
    own = Manifest.read(shipped("attributes")).attribute_config
    words = ["--weights", "shipped", "--data", data, "--output", tmp_path]
    told = fails(train_attributes.main, *words)  # the photos are whole
    assert f"the classifier is for crops of kind {own.crop}" in told
    train_attributes.main([*map(str, words), "--crop", "image", "--batch-size", "4"])
    ((args, *_),) = fitted
    assert (args.config.model, args.config.size, args.config.crop) == (own.model, own.size, "image")


@pytest.mark.slow
def test_a_run_starts_from_the_heads_that_ship(data, tmp_path):
    words = ("--weights", "shipped", "--crop", "image", "--task", "skirt_length", "--learning-rate", "1e-9")
    train(data, "--output", tmp_path, *words, "--weight-decay", "0", "--debug", "True")
    (run,) = tmp_path.glob("attributes/skirt_length/*")
    digest = hashlib.sha256(shipped_weights("attributes").read_bytes()).hexdigest()
    assert json.loads((run / "start.json").read_text()) == {"weights": "shipped", "sha256": digest}
    own = Manifest.read(shipped("attributes"))
    started = own.heads, shipped_weights("attributes")
    ended = [head for head in own.heads if head.name == "skirt_length"], best_model(run, print).path
    nets = [trained_attribute_net(own.attribute_config, *pair) for pair in (started, ended)]
    kernels = [net.get_layer("head_skirt_length").get_weights()[0] for net in nets]
    np.testing.assert_allclose(kernels[1], kernels[0], atol=1e-5)


def test_debugging_takes_few_photos(data, tmp_path, fitted):
    train(data, "--output", tmp_path, "--debug", "True", "--batch-size", "1")
    ((_, _, facts, train_table, val_table),) = fitted
    assert len(train_table) == 20 and len(val_table) == 10
    assert json.loads(facts)["debug"] is True and len(set(map(train_table.photos.name, range(20)))) == 20


def test_a_resume_takes_the_run_s_options(data, tmp_path, fitted, fails):
    own = AttributeConfig(model="lite", size=96, batch_size=4, val_fraction=0.25, mixup=0.2)
    older = bare_run(tmp_path / "attributes" / "all" / "2026_01_01_00_00_00", own)
    run = bare_run(tmp_path / "attributes" / "all" / "2026_01_02_00_00_00", own)
    words = ["--data", data, "--output", tmp_path, "--resume", "True"]
    train_attributes.main([str(word) for word in words])
    ((args, resumed, facts, *_),) = fitted
    assert resumed == run and args.config == own
    error = fails(train_attributes.main, *words, "--size", "64", "--mixup", "0.2")
    assert f"{run} was trained with another size; an exact resume changes nothing" in error
    (run / "data.json").write_text(facts)
    train_attributes.main([str(word) for word in words])
    (run / "data.json").write_text(facts.replace('"train"', '"trained"'))
    assert "was trained on other data, or with another split" in fails(train_attributes.main, *words)
    train_attributes.main([*map(str, words), "--load", str(older)])
    assert len(fitted) == 3 and fitted[2][1] == older


def test_mistakes_in_the_options(data, tmp_path, fitted, fails):
    for words, message in (
        (["--task", "hat"], "task = 'hat' is outside its range"),
        (["--crop", "heatmap"], "make the crops first"),
        (["--reset", "True"], "--reset needs --load with a run folder or weights file"),
        (["--resume", "True"], "no run in "),
        (["--task", "product"], "no train.txt in"),
    ):
        assert message in fails(train_attributes.main, *SMALL, "--data", data, "--output", tmp_path, *words)
    assert not fitted and not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------------ where it starts from


@pytest.fixture
def built(monkeypatch) -> list:
    """The weights that backbones were asked to start with, and what was loaded into the networks."""
    calls: list = []

    def net(config, heads, weights=None):
        calls.append(weights)
        if weights == "imagenet" and config.model == "vgg16":
            raise WeightsError("the ImageNet weights could not be fetched (no network)")
        return "net"

    def load(net, start, warn, backbone_only):
        calls.append((start.name, backbone_only))

    monkeypatch.setattr("aifashion.unet.predictors.attribute_net", net)
    monkeypatch.setattr("aifashion.unet.predictors.load_attribute_start", load)
    return calls


@pytest.mark.parametrize(
    ("words", "calls"),
    [
        ([], ["imagenet"]),
        (["--model", "lite"], [None]),
        (["--weights", "none"], [None]),
        (["--weights", "file.h5"], ["file.h5"]),
        (["--model", "vgg16"], ["imagenet", None]),  # with a word, it starts anyway
        (["--load", "{run}"], [None, ("first", False)]),
        (["--load", "{run}", "--reset", "True"], [None, ("first", True)]),
        (["--load", "x.weights.h5"], [None, ("x.weights.h5", False)]),
    ],
)
def test_where_the_network_starts(built, tmp_path, words, calls, capsys):
    run = bare_run(tmp_path / "first", AttributeConfig())
    words = [word.format(run=run) for word in words]
    args = train_attributes.read_arguments(train_attributes.Arguments, "train_attributes.py", words)
    assert train_attributes._network(args, None, HEADS) == "net" and built == calls
    assert ("Starting from random weights" in capsys.readouterr().out) == ("vgg16" in words)


def test_weights_that_were_asked_for_by_name_must_be_there(built):
    args = train_attributes.Arguments(config=AttributeConfig(model="vgg16"), weights="imagenet")
    with pytest.raises(WeightsError, match="could not be fetched"):
        train_attributes._network(args, None, HEADS)


def test_a_run_with_a_state_gets_its_weights_later(built, tmp_path):
    run = bare_run(tmp_path / "first", AttributeConfig())
    args = train_attributes.Arguments(resume=True)
    train_attributes._network(args, run, HEADS)
    save_state(run, State({}, {"epoch": 1, "step": 0}))
    train_attributes._network(args, run, HEADS)
    train_attributes._network(dataclasses.replace(args, load=run), run, HEADS)
    assert built == ["imagenet", None, None]  # stopped before its first state, it starts as it did


@pytest.mark.parametrize("heads", [HEADS[:1], HEADS[::-1], attribute_heads(ordinal=False)])
def test_heads_of_another_run_are_not_taken_for_these(built, tmp_path, heads):
    # By their place and width alone, those of one design would pass for those of another.
    run = bare_run(tmp_path / "first", AttributeConfig(), heads)
    args = train_attributes.Arguments(load=run)
    with pytest.raises(RunError, match=r"first has other heads than this training: --reset True takes its backbone"):
        train_attributes._network(args, None, HEADS)
    assert not built
    train_attributes._network(dataclasses.replace(args, reset=True), None, HEADS)
    assert built == [None, ("first", True)]
