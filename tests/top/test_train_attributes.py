import dataclasses
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from aifashion.config import AttributeConfig
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS
from aifashion.data_gen.formats.fashionai_attributes import attribute_heads
from aifashion.files import sealed, unsealed
from aifashion.records import CropRule
from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import shipped, shipped_weights
from aifashion.tasks import training
from aifashion.tasks.attributes import AttributeTask
from aifashion.top import train_attributes
from aifashion.unet.predictors import trained_attribute_net
from aifashion.unet.runs import State, best_model, save_model, save_state
from small_attributes import shards, write_labelled
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
    """What would have been trained: the plan, the run folder, the facts of the data and both tables."""
    calls: list = []
    monkeypatch.setattr(training, "fit_network", lambda *args: calls.append(args[:-1]))
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
    ((plan, _, facts, train_table, val_table),) = fitted
    assert plan.run is None and plan.task.config == AttributeConfig(
        task="skirt_length",
        network="lite",
        size=64,
        batch_size=4,
        val_fraction=0.25,
        scales=(0.5, 1.0),
        layers="heads",
        learning_rate=2e-3,
    )
    names = [[table.photos.name(row) for row in range(len(table))] for table in (train_table, val_table)]
    assert [len(part) for part in names] == [18, 6]
    digest = hashlib.sha256("".join(f"{name}\n" for part in names for name in part).encode()).hexdigest()
    assert unsealed(json.loads(facts)) == {"train": 18, "val": 6, "debug": False, "photos_sha256": digest}


def test_what_no_photo_teaches_is_said(data, tmp_path, fitted, capsys):
    train(data, "--out", tmp_path)
    text = " ".join(capsys.readouterr().out.split())
    assert "no photo to train on is labelled for coat_length: its outputs will mean nothing" in text
    assert "(neck_design)" not in text and "labelled for skirt_length" not in text
    few = tmp_path / "few"
    write_labelled(few, {"skirt_length": 3, "neck_design": 16})
    train(few, "--out", tmp_path)
    text = " ".join(capsys.readouterr().out.split())
    names = ATTRIBUTE_TASKS["skirt_length"]
    assert f"{names[3]}, {names[4]}, {names[5]} (skirt_length)" in text


def test_finetuning_takes_backbone_size_and_crop_of_the_classifier_that_ships(data, tmp_path, fitted, fails):
    trained = Manifest.read(shipped("attributes")).attribute_config
    words = ["--weights", "shipped", "--data", data, "--out", tmp_path]
    error = fails(train_attributes.main, *words)  # the photos are whole
    assert f"the classifier is for crops of kind {trained.crop}" in error
    train_attributes.main([*map(str, words), "--crop", "image", "--batch-size", "4"])
    config = fitted[0][0].task.config
    assert (config.network, config.size, config.crop) == (trained.network, trained.size, CropRule())


def test_margin_and_threshold_of_the_crops_come_from_the_data(data, tmp_path, fitted, fails):
    folder = Path(shutil.copytree(data, tmp_path / "data"))
    rule = {"kind": "heatmap", "margin": 0.25, "threshold": 0.3}
    (folder / "crops.json").write_text(json.dumps({"crop": rule}))
    train(folder, "--out", tmp_path / "runs", "--crop", "heatmap")
    assert fitted[0][0].task.config.crop == CropRule("heatmap", 0.25, 0.3)
    error = fails(train_attributes.main, *SMALL, "--data", folder, "--out", tmp_path / "runs")
    assert "are crops of kind heatmap, but the classifier is for kind image" in error
    # A run of another margin does not go on with these.
    run = bare_run(tmp_path / "run", replace(fitted[0][0].task.config, crop=CropRule("heatmap", 0.1, 0.3)))
    error = fails(train_attributes.main, "--data", folder, "--resume", "--load", run)
    assert "cropped with margin 0.25 and threshold 0.3, but the classifier is for margin 0.1 and threshold 0.3" in error


@pytest.mark.slow
def test_a_run_starts_from_the_heads_that_ship(data, tmp_path):
    words = ("--weights", "shipped", "--crop", "image", "--task", "skirt_length", "--learning-rate", "1e-9")
    train(data, "--out", tmp_path, *words, "--weight-decay", "0", "--debug")
    (run,) = tmp_path.glob("attributes/skirt_length/*")
    digest = hashlib.sha256(shipped_weights("attributes").read_bytes()).hexdigest()
    assert json.loads((run / "start.json").read_text()) == {"weights": "shipped", "sha256": digest}
    trained = Manifest.read(shipped("attributes"))
    started = trained.heads, shipped_weights("attributes")
    ended = [head for head in trained.heads if head.name == "skirt_length"], best_model(run, print).path
    nets = [trained_attribute_net(trained.attribute_config, *pair) for pair in (started, ended)]
    kernels = [net.get_layer("head_skirt_length").get_weights()[0] for net in nets]
    np.testing.assert_allclose(kernels[1], kernels[0], atol=1e-5)


def test_debugging_takes_few_photos(data, tmp_path, fitted):
    train(data, "--out", tmp_path, "--debug", "--batch-size", "1")
    ((_, _, facts, train_table, val_table),) = fitted
    assert len(train_table) == 20 and len(val_table) == 10
    assert json.loads(facts)["debug"] is True and len(set(map(train_table.photos.name, range(20)))) == 20


def test_a_resume_takes_the_run_s_options(data, tmp_path, fitted, fails):
    kept = AttributeConfig(network="lite", size=96, batch_size=4, val_fraction=0.25, mixup=0.2)
    older = bare_run(tmp_path / "attributes" / "all" / "2026_01_01_00_00_00", kept)
    run = bare_run(tmp_path / "attributes" / "all" / "2026_01_02_00_00_00", kept)
    words = ["--data", data, "--out", tmp_path, "--resume"]
    train_attributes.main([str(word) for word in words])
    ((plan, _, facts, *_),) = fitted
    assert plan.run == run and plan.task.config == kept
    error = fails(train_attributes.main, *words, "--size", "64", "--mixup", "0.2")
    assert f"{run} was trained with another size; an exact resume changes nothing" in error
    (run / "data.json").write_text(facts)
    train_attributes.main([str(word) for word in words])
    other = unsealed(json.loads(facts)) | {"train": 1}
    (run / "data.json").write_text(json.dumps(sealed(other)))
    assert "was trained on other data, or with another split" in fails(train_attributes.main, *words)
    train_attributes.main([*map(str, words), "--load", str(older)])
    assert len(fitted) == 3 and fitted[2][0].run == older


def products(folder: Path) -> Path:
    """Lists of three classes in eight photos; they need not be there."""
    folder.mkdir()
    (folder / "train.txt").write_text("0.jpg 2\n1.jpg 0\n2.jpg 1\n5.jpg 2\n6.jpg 0\n7.jpg 1\n")
    (folder / "val.txt").write_text("3.jpg 1\n4.jpg 0\n")
    return folder


@pytest.mark.parametrize(
    ("words", "heads"),
    [
        (["--class-names", "{names}"], "product in 3 exclusive classes (shirt, skirt, coat)"),
        (["--classes", "5"], "product in 5 exclusive classes (0, 1, 2, ...)"),
    ],
)
def test_a_resume_keeps_the_classes_of_the_run(tmp_path, fitted, fails, words, heads):
    lists, names = products(tmp_path / "data"), tmp_path / "names.txt"
    names.write_text("shirt\nskirt\ncoat\n")
    words = [word.format(names=names) for word in words]
    common = ["--task", "product", "--out", tmp_path]
    train(lists, *common, *words)
    ((plan, _, facts, table, _),) = fitted
    run = bare_run(tmp_path / "attributes" / "product" / "2099_01_01_00_00_00", plan.task.config, table.heads)
    (run / "data.json").write_text(facts)
    before = {path: path.read_bytes() for path in run.iterdir()}
    resume = ["--data", lists, *common, "--resume"]
    error = fails(train_attributes.main, *SMALL, *resume)
    mend = "give the same --classes and --class-names as it was started with"
    assert error == f"{run} has {heads}; this command asks for product in 3 exclusive classes (0, 1, 2): {mend}"
    assert len(fitted) == 1 and {path: path.read_bytes() for path in run.glob("[!.]*")} == before
    train(lists, *common, *words, "--resume")
    (run / "heads.json").unlink()  # stopped before it had written them
    train(lists, *common, *words, "--resume")
    assert [call[0].run for call in fitted] == [None, run, run]


def test_heads_of_another_version_are_not_taken_for_these_on_a_resume(data, tmp_path, fitted, fails):
    kept = AttributeConfig(network="lite", size=64, batch_size=4, val_fraction=0.25)
    run = bare_run(tmp_path / "attributes" / "all" / "2026_01_01_00_00_00", kept, HEADS[:2])
    error = fails(train_attributes.main, "--data", data, "--out", tmp_path, "--resume")
    assert error.startswith(f"{run} has {HEADS[0].name} in {len(HEADS[0].classes)} {HEADS[0].kind} classes (")
    assert error.endswith("start a new run from its backbone: --load RUN --reset") and not fitted


@pytest.mark.parametrize("task", ["style", "product"])
def test_the_crop_of_the_classifier_that_ships_is_for_its_tasks(tmp_path, fitted, task):
    # `data crop` makes no crops of such sets.
    folder = products(tmp_path / "data") if task == "product" else shards(tmp_path / "data", 40)
    words = ["--weights", "shipped", "--data", folder, "--out", tmp_path, "--task", task]
    train_attributes.main([*map(str, words), "--val-fraction", "0.25", "--batch-size", "4"])
    config = fitted[0][0].task.config
    trained = Manifest.read(shipped("attributes")).attribute_config
    assert (config.network, config.size, config.crop) == (trained.network, trained.size, CropRule())


def test_weights_that_would_be_ignored_are_refused(data, tmp_path, fitted, fails):
    kept = AttributeConfig(network="lite", size=64, batch_size=4, val_fraction=0.25)
    run = bare_run(tmp_path / "attributes" / "all" / "2026_01_01_00_00_00", kept)
    common = [*SMALL, "--data", data, "--out", tmp_path, "--crop", "image"]
    for weights in ("shipped", "none", "x.h5"):
        error = fails(train_attributes.main, *common, "--weights", weights, "--load", run)
        assert error == f"--weights {weights} and --load {run} both say where to start: drop one of them"
    both = ["--weights", "none", "--resume"]
    train(data, "--out", tmp_path, *both, "--load", run)  # stopped before its first state, it starts as it did
    save_state(run, State({}, {"epoch": 1, "step": 0}))
    error = fails(train_attributes.main, *common, *both, "--load", run)
    assert error == f"{run}, which --load names, continues with its weights: drop --weights none"
    for load in ([], ["--load", run]):
        error = fails(train_attributes.main, *common, "--reset", "--resume", *load)
        assert "--reset starts a new run and --resume continues one as it is: drop one of them" in error
    assert len(fitted) == 1


def test_mistakes_are_said_before_any_photo_is_read(data, tmp_path, fitted, fails):
    folder, out = Path(shutil.copytree(data, tmp_path / "data")), tmp_path / "runs"
    for path in (*folder.glob("*_split.csv"), *folder.rglob("*.jpg")):
        path.unlink() if path.suffix == ".csv" else path.write_bytes(b"")
    (tmp_path / "x.weights.h5").write_bytes(b"\x89HDF no network")
    files = sorted(tmp_path.rglob("*"))
    for words, message in (
        (["--task", "hat"], "task = 'hat'; expected one of all, coat_length"),
        (["--network", "vgg"], "unknown network 'vgg'; expected one of lite, resnet50"),
        (["--optimizer", "lion"], "unknown optimizer 'lion'; expected one of adam"),
        (["--schedule", "step"], "unknown schedule 'step'; expected one of cosine"),
        (["--hue", "3"], "hue = 3.0 is outside 0 to 1"),
        (["--weights", "nowhere.h5"], "no weights file at nowhere.h5; expected auto"),
        (["--weights", tmp_path / "x.weights.h5"], "x.weights.h5 does not fit"),
        (["--load", tmp_path / "x.weights.h5"], "x.weights.h5 does not fit"),
        (["--crop", "heatmap"], "make the crops first"),
        (["--reset"], "--reset needs --load with a run folder or weights file"),
        (["--resume"], "no run in "),
        (["--task", "product"], "no train.txt in"),
        (["--classes", "5"], "only --task product takes --classes; the classes of all are known"),
        (["--task", "style", "--class-names", "x"], "only --task product takes --class-names"),
    ):
        assert message in fails(train_attributes.main, *SMALL, "--data", folder, "--out", out, *words)
    assert not fitted and sorted(tmp_path.rglob("*")) == files


def test_a_schedule_says_how_many_epochs_there_are(data, tmp_path, fitted):
    train(data, "--out", tmp_path, "--schedule", "2x")
    train(data, "--out", tmp_path, "--schedule", "2x", "--epochs", "30")
    assert [call[0].epochs for call in fitted] == [24, 30]


# ------------------------------------------------------------------------------------------------------ what it leaves


@pytest.fixture
def barely_fitted(monkeypatch) -> None:
    """Of the three epochs that a training pretends, the second, which is not the best, keeps a model."""
    image = keras.Input((3,), name="image")
    net = keras.Model(image, keras.layers.Dense(2)(image), name="tiny")

    def fit(net, objective, parts, optimizer, batches, validate, run, *_, **__):
        save_model(run, net, 2, 0.3, keep=1)
        return [{"epoch": epoch, "score": score, "map": 1 - score} for epoch, score in ((1, 0.1), (2, 0.3), (3, 0.2))]

    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.setattr(training, "load_start", lambda *_: None)
    monkeypatch.setattr(AttributeTask, "net", lambda *_: net)
    monkeypatch.setattr(AttributeTask, "answers", lambda *_: [])


def test_at_the_end_it_names_the_model_that_is_kept(data, tmp_path, barely_fitted, capsys):
    train(data, "--out", tmp_path, "--save-freq", "2")
    (run,) = tmp_path.glob("attributes/all/*")
    assert f"Best: epoch   2  map 0.7000, on 10 validation photos. Wrote {run}" in capsys.readouterr().out
    assert not (run / "start.json").exists()


@pytest.mark.parametrize("option", ["--load", "--weights"])
@pytest.mark.parametrize("kind", ["run", "file"])
def test_a_run_keeps_where_its_weights_came_from(data, tmp_path, barely_fitted, monkeypatch, option, kind):
    if (option, kind) == ("--weights", "run"):
        monkeypatch.setattr(training, "load_keypoint_backbone", lambda *_: None)
        monkeypatch.setattr(AttributeTask, "backbone", lambda *_: None)
    first = bare_run(tmp_path / "first", AttributeConfig())
    model = keep_model(first, epoch=7)
    word, output = str(first if kind == "run" else model), tmp_path / "runs"
    train(data, "--out", output, option, word)
    (run,) = output.glob("attributes/all/*")
    expected = {"weights": word, "sha256": hashlib.sha256(b"weights").hexdigest()}
    expected |= {"file": str(model)} if kind == "run" else {}
    assert json.loads((run / "start.json").read_text()) == expected


def test_a_resume_leaves_what_the_run_says_of_its_start(data, tmp_path, barely_fitted):
    kept = AttributeConfig(network="lite", size=64, batch_size=4, val_fraction=0.25)
    run = bare_run(tmp_path / "attributes" / "all" / "2026_01_01_00_00_00", kept)
    save_state(run, State({}, {"epoch": 1, "step": 0}))
    (run / "start.json").write_text("as it was")
    train(data, "--out", tmp_path, "--resume", "--load", run)
    assert (run / "start.json").read_text() == "as it was"
