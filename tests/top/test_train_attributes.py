import dataclasses
import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from test_attribute_data import shards

from aifashion.config import AttributeConfig
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS
from aifashion.data_gen.formats.fashionai_attributes import attribute_heads
from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import shipped, shipped_weights
from aifashion.top import train_attributes
from aifashion.unet.backbones import WeightsError
from aifashion.unet.predictors import trained_attribute_net
from aifashion.unet.runs import RunError, State, best_model, save_model, save_state
from small_attributes import write_labelled
from small_runs import keep_model

SMALL = ("--network", "lite", "--size", "64", "--batch-size", "4", "--val-fraction", "0.25")
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
    train(data, "--out", tmp_path, "--task", "skirt_length_labels", "--scales", "0.5", "1.0", "--layers", "heads")
    ((args, run, facts, train_table, val_table),) = fitted
    assert run is None and args.config == AttributeConfig(
        task="skirt_length", network="lite", size=64, batch_size=4, val_fraction=0.25, scales=(0.5, 1.0), layers="heads",
        learning_rate=2e-3,
    )  # fmt: skip
    names = [[table.photos.name(row) for row in range(len(table))] for table in (train_table, val_table)]
    assert [len(part) for part in names] == [18, 6]
    digest = hashlib.sha256("".join(f"{name}\n" for part in names for name in part).encode()).hexdigest()
    assert json.loads(facts) == {"train": 18, "val": 6, "debug": False, "photos_sha256": digest}


def test_what_no_photo_teaches_is_told(data, tmp_path, fitted, capsys):
    train(data, "--out", tmp_path)
    text = " ".join(capsys.readouterr().out.split())
    assert "no photo to train on is labelled for coat_length: its answers will mean nothing" in text
    assert "(neck_design)" not in text and "labelled for skirt_length" not in text
    few = tmp_path / "few"
    write_labelled(few, {"skirt_length": 3, "neck_design": 16})
    train(few, "--out", tmp_path)
    text = " ".join(capsys.readouterr().out.split())
    names = ATTRIBUTE_TASKS["skirt_length"]
    assert f"{names[3]}, {names[4]}, {names[5]} (skirt_length)" in text


def test_finetuning_takes_backbone_size_and_crop_of_the_classifier_that_ships(data, tmp_path, fitted, fails):
    own = Manifest.read(shipped("attributes")).attribute_config
    words = ["--weights", "shipped", "--data", data, "--out", tmp_path]
    told = fails(train_attributes.main, *words)  # the photos are whole
    assert f"the classifier is for crops of kind {own.crop}" in told
    train_attributes.main([*map(str, words), "--crop", "image", "--batch-size", "4"])
    ((args, *_),) = fitted
    assert (args.config.network, args.config.size, args.config.crop) == (own.network, own.size, "image")


@pytest.mark.slow
def test_a_run_starts_from_the_heads_that_ship(data, tmp_path):
    words = ("--weights", "shipped", "--crop", "image", "--task", "skirt_length", "--learning-rate", "1e-9")
    train(data, "--out", tmp_path, *words, "--weight-decay", "0", "--debug")
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
    train(data, "--out", tmp_path, "--debug", "--batch-size", "1")
    ((_, _, facts, train_table, val_table),) = fitted
    assert len(train_table) == 20 and len(val_table) == 10
    assert json.loads(facts)["debug"] is True and len(set(map(train_table.photos.name, range(20)))) == 20


def test_a_resume_takes_the_run_s_options(data, tmp_path, fitted, fails):
    own = AttributeConfig(network="lite", size=96, batch_size=4, val_fraction=0.25, mixup=0.2)
    older = bare_run(tmp_path / "attributes" / "all" / "2026_01_01_00_00_00", own)
    run = bare_run(tmp_path / "attributes" / "all" / "2026_01_02_00_00_00", own)
    words = ["--data", data, "--out", tmp_path, "--resume"]
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


def products(folder: Path) -> Path:
    """Lists of three classes in five photos; they need not be there."""
    folder.mkdir()
    (folder / "train.txt").write_text("0.jpg 2\n1.jpg 0\n2.jpg 1\n")
    (folder / "val.txt").write_text("3.jpg 1\n4.jpg 0\n")
    return folder


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--class-names", "{names}"], "product in 3 exclusive classes (shirt, skirt, coat)"),
        (["--classes", "5"], "product in 5 exclusive classes (0, 1, 2, ...)"),
    ],
)
def test_a_resume_keeps_the_classes_of_the_run(tmp_path, fitted, fails, words, told):
    lists, names = products(tmp_path / "data"), tmp_path / "names.txt"
    names.write_text("shirt\nskirt\ncoat\n")
    words = [word.format(names=names) for word in words]
    common = ["--task", "product", "--out", tmp_path]
    train(lists, *common, *words)
    ((args, _, facts, table, _),) = fitted
    run = bare_run(tmp_path / "attributes" / "product" / "2026_01_01_00_00_00", args.config, table.heads)
    (run / "data.json").write_text(facts)
    before = {path: path.read_bytes() for path in run.iterdir()}
    resume = ["--data", lists, *common, "--resume"]
    error = fails(train_attributes.main, *SMALL, *resume)
    mend = "give the same --classes and --class-names as it was started with"
    assert error == f"{run} tells {told}; this command asks for product in 3 exclusive classes (0, 1, 2): {mend}"
    assert len(fitted) == 1 and {path: path.read_bytes() for path in run.iterdir()} == before
    train(lists, *common, *words, "--resume")
    (run / "heads.json").unlink()  # stopped before it had written them
    train(lists, *common, *words, "--resume")
    assert [call[1] for call in fitted] == [None, run, run]


def test_heads_of_another_version_are_not_taken_for_these_on_a_resume(data, tmp_path, fitted, fails):
    own = AttributeConfig(network="lite", size=64, batch_size=4, val_fraction=0.25)
    run = bare_run(tmp_path / "attributes" / "all" / "2026_01_01_00_00_00", own, HEADS[:2])
    error = fails(train_attributes.main, "--data", data, "--out", tmp_path, "--resume")
    assert error.startswith(f"{run} tells {HEADS[0].name} in {len(HEADS[0].classes)} {HEADS[0].kind} classes (")
    assert error.endswith("start a new run from its backbone: --load RUN --reset") and not fitted


@pytest.mark.parametrize("task", ["style", "product"])
def test_the_crop_of_the_classifier_that_ships_is_for_its_own_tasks(tmp_path, fitted, task):
    # `data crop` makes no crops of such sets.
    folder = products(tmp_path / "data") if task == "product" else shards(tmp_path / "data", 40)
    words = ["--weights", "shipped", "--data", folder, "--out", tmp_path, "--task", task]
    train_attributes.main([*map(str, words), "--val-fraction", "0.25"])
    ((args, *_),) = fitted
    own = Manifest.read(shipped("attributes")).attribute_config
    assert (args.config.network, args.config.size, args.config.crop) == (own.network, own.size, "image")


def test_weights_that_would_be_ignored_are_refused(data, tmp_path, fitted, fails):
    own = AttributeConfig(network="lite", size=64, batch_size=4, val_fraction=0.25)
    run = bare_run(tmp_path / "attributes" / "all" / "2026_01_01_00_00_00", own)
    common = [*SMALL, "--data", data, "--out", tmp_path, "--crop", "image"]
    for weights in ("shipped", "none", "x.h5"):
        error = fails(train_attributes.main, *common, "--weights", weights, "--load", run)
        assert error == f"--weights {weights} and --load {run} both say where to start: drop one of them"
    both = ["--weights", "none", "--resume"]
    train(data, "--out", tmp_path, *both, "--load", run)  # stopped before its first state, it starts as it did
    save_state(run, State({}, {"epoch": 1, "step": 0}))
    error = fails(train_attributes.main, *common, *both, "--load", run)
    assert error == f"{run}, which --load names, goes on with its own weights: drop --weights none"
    for load in ([], ["--load", run]):
        error = fails(train_attributes.main, *common, "--reset", "--resume", *load)
        assert error == "--reset starts anew and --resume goes on with a run as it is: drop one of them"
    assert len(fitted) == 1


def test_of_a_folder_of_runs_the_latest_trained_one_is_loaded(data, tmp_path, fitted):
    trained, begun = (bare_run(tmp_path / "runs" / name, AttributeConfig()) for name in ("2026_01_01", "2026_02_02"))
    keep_model(trained, epoch=1)
    train(data, "--out", tmp_path / "out", "--load", tmp_path / "runs")
    assert fitted[0][0].load == trained and begun.is_dir()


def test_mistakes_in_the_options(data, tmp_path, fitted, fails):
    for words, message in (
        (["--task", "hat"], "task = 'hat' is outside its range"),
        (["--crop", "heatmap"], "make the crops first"),
        (["--reset"], "--reset needs --load with a run folder or weights file"),
        (["--resume"], "no run in "),
        (["--task", "product"], "no train.txt in"),
        (["--classes", "5"], "only --task product takes --classes; the classes of all are known"),
        (["--task", "style", "--class-names", "x"], "only --task product takes --class-names"),
    ):
        assert message in fails(train_attributes.main, *SMALL, "--data", data, "--out", tmp_path, *words)
    assert not fitted and not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------------ where it starts from


@pytest.fixture
def built(monkeypatch) -> list:
    """The weights that backbones were asked to start with, and what was loaded into the networks."""
    calls: list = []

    def net(config, heads, weights=None):
        calls.append(weights)
        if weights == "imagenet" and config.network == "vgg16":
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
        (["--network", "lite"], [None]),
        (["--weights", "none"], [None]),
        (["--weights", "file.h5"], ["file.h5"]),
        (["--network", "vgg16"], ["imagenet", None]),  # with a word, it starts anyway
        (["--load", "{run}"], [None, ("first", False)]),
        (["--load", "{run}", "--reset"], [None, ("first", True)]),
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
    args = train_attributes.Arguments(config=AttributeConfig(network="vgg16"), weights="imagenet")
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
    named = bare_run(tmp_path / "second", AttributeConfig())
    train_attributes._network(dataclasses.replace(args, load=named), named, HEADS)
    assert built[3:] == ["imagenet"]  # so does one that is named


@pytest.mark.parametrize("heads", [HEADS[:1], HEADS[::-1], attribute_heads(ordinal=False)])
def test_heads_of_another_run_are_not_taken_for_these(built, tmp_path, heads):
    # By their place and width alone, those of one design would pass for those of another.
    run = bare_run(tmp_path / "first", AttributeConfig(), heads)
    args = train_attributes.Arguments(load=run)
    with pytest.raises(RunError, match=r"first has other heads than this training: --reset takes its backbone"):
        train_attributes._network(args, None, HEADS)
    assert not built
    train_attributes._network(dataclasses.replace(args, reset=True), None, HEADS)
    assert built == [None, ("first", True)]


# ------------------------------------------------------------------------------------------------------ what it leaves


@pytest.fixture
def barely_fitted(monkeypatch) -> None:
    """Of the three epochs that a training pretends, the second, which is not the best, keeps a model."""
    image = keras.Input((3,), name="image")
    net = keras.Model(image, keras.layers.Dense(2)(image), name="tiny")

    def fit(net, objective, parts, optimizer, batches, validate, run, *_, **__):
        save_model(run, net, 2, 0.3, keep=1)
        return [{"epoch": epoch, "score": score, "map": 1 - score} for epoch, score in ((1, 0.1), (2, 0.3), (3, 0.2))]

    monkeypatch.setattr("aifashion.unet.training.fit", fit)
    monkeypatch.setattr(train_attributes, "_network", lambda *_: net)
    monkeypatch.setattr(train_attributes, "_outcomes", lambda *_: [])


def test_at_the_end_it_tells_of_the_model_that_is_kept(data, tmp_path, barely_fitted, capsys):
    train(data, "--out", tmp_path, "--save_freq", "2")
    (run,) = tmp_path.glob("attributes/all/*")
    assert f"Best: epoch   2  map 0.7000. Wrote {run}" in capsys.readouterr().out
    assert not (run / "start.json").exists()


@pytest.mark.parametrize("option", ["--load", "--weights"])
@pytest.mark.parametrize("kind", ["run", "file"])
def test_a_run_keeps_where_its_weights_came_from(data, tmp_path, barely_fitted, option, kind):
    first = bare_run(tmp_path / "first", AttributeConfig())
    model = keep_model(first, epoch=7)
    word, output = str(first if kind == "run" else model), tmp_path / "runs"
    train(data, "--out", output, option, word)
    (run,) = output.glob("attributes/all/*")
    expected = {"weights": word, "sha256": hashlib.sha256(b"weights").hexdigest()}
    expected |= {"file": str(model)} if kind == "run" else {}
    assert json.loads((run / "start.json").read_text()) == expected


def test_a_resume_leaves_what_the_run_tells_of_its_start(data, tmp_path, barely_fitted):
    own = AttributeConfig(network="lite", size=64, batch_size=4, val_fraction=0.25)
    run = bare_run(tmp_path / "attributes" / "all" / "2026_01_01_00_00_00", own)
    save_state(run, State({}, {"epoch": 1, "step": 0}))
    (run / "start.json").write_text("as it was")
    train(data, "--out", tmp_path, "--resume", "--load", run)
    assert (run / "start.json").read_text() == "as it was"
