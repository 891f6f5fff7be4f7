import csv
import hashlib
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from aifashion.config import KeypointConfig
from aifashion.data_gen.formats.challenges import CATEGORY_KEYPOINTS, KEYPOINTS
from aifashion.data_gen.formats.fashionai import load_training_samples
from aifashion.data_gen.split import load_or_make_split
from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import shipped, shipped_weights
from aifashion.top import train
from aifashion.unet.predictors import trained_keypoint_net
from aifashion.unet.runs import State, best_model, read_config, save_state
from small_runs import SMALL, spoil, train_run


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def validation_photos(data: Path) -> list[Path]:
    with (data / "val_split.csv").open(newline="") as file:
        return [data / row["path"] for row in csv.DictReader(file)]


def training_photos(data: Path) -> list[Path]:
    with (data / "train_split.csv").open(newline="") as file:
        return [data / row["path"] for row in csv.DictReader(file)]


# Mistakes, which end in one line before anything is written


def test_no_data(fails, tmp_path):
    output = tmp_path / "runs"
    error = fails(train.main, *SMALL, "--data", tmp_path / "nowhere", "--out", output)
    assert f"no FashionAI keypoint files in {tmp_path / 'nowhere'}; expected, for example" in error
    assert not output.exists()


def test_a_set_without_photos(fails, own_data, tmp_path):
    table = own_data / "train" / "Annotations" / "train.csv"
    table.write_text(table.read_text().splitlines()[0] + "\n")
    assert "train.csv" in fails(train.main, *SMALL, "--data", own_data, "--out", tmp_path / "runs")


def test_a_category_without_photos(fails, own_data, tmp_path):
    table = own_data / "train" / "Annotations" / "train.csv"
    table.write_text("".join(line for line in table.read_text().splitlines(True) if ",skirt," not in line))
    error = fails(train.main, *SMALL, "--category", "skirt", "--data", own_data, "--out", tmp_path / "runs")
    assert f"{own_data} has 0 photos of category skirt to train on and 0 to validate on; both must be there" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--category", "hat"], "unknown category ['hat']; expected 'all' or some of"),
        (["--network", "vgg"], "unknown network 'vgg'; expected one of v11, resnet50, lite"),
        (["--size", "100"], "size = 100 is outside its range"),
        (["--epochs", "0"], "epochs = 0 is outside its range"),
        (["--batch-size", "50"], "do not fill a batch of 50: use --batch-size 40 or less"),
        (["--save-every", "0"], "at least 1 step between states"),
        (["--keep", "-1"], "no fewer than 0 models"),
        (["--weights", "nowhere.h5"], "no weights file at nowhere.h5"),
        (["--weights", "imagenet"], "no ImageNet weights"),
        (["--init-epoch", "1"], "--init-epoch needs --load"),
        (["--load", "x.weights.h5"], "--load needs --resume"),
        (["--resume"], "no run in {output}/all: train one first"),
        (["--resume", "--load", "{data}"], "no run in {data}: train one first, or name a run folder"),
        (["--resume", "--load", "x.weights.h5"], "no weights file at x.weights.h5"),
        (
            ["--resume", "--load", "x.h5", "--weights", "y.h5"],
            "--weights y.h5 and --load x.h5 both",
        ),
        (
            ["--resume", "--load", "x.h5", "--init-epoch", "9", "--epochs", "9"],
            "leaves no epoch to train",
        ),
        (["--resume", "--load", "x.h5", "--init-epoch", "-1"], "--init-epoch -1 leaves no epoch"),
        (["--resume", "--load", "x.h5", "--init-epoch", "2", "--debug"], "of the 2 asked for"),
    ],
)
def test_mistakes_in_the_options(fails, data, tmp_path, words, message):
    names = {"output": str(tmp_path / "runs"), "data": str(data)}
    words = [word.format(**names) for word in words]
    network = [] if "--network" in words else ["--network", "lite"]
    common = ["--size", "64", "--val-fraction", "0.3", "--data", data, "--out", names["output"]]
    error = fails(train.main, *network, *common, *words)
    assert message.format(**names).replace("/", "\\" if "\\" in names["output"] else "/") in error
    assert not (tmp_path / "runs").exists()


def test_an_exact_resume_changes_no_option(fails, data, bare_run):
    output = bare_run.parent.parent
    words = ["--data", data, "--out", output, "--resume"]
    error = fails(train.main, *words, "--learning-rate", "0.1", "--lrdecay", "False", "--size", "64")
    assert f"{bare_run} was trained with another learning_rate, lrdecay; an exact resume changes nothing" in error
    error = fails(train.main, *words, "--init-epoch", "1")
    assert "knows its own epoch" in error


def test_an_exact_resume_changes_no_data(fails, data, bare_run):
    (bare_run / "data.json").write_text("{}\n")
    error = fails(train.main, "--data", data, "--resume", "--load", bare_run)
    assert f"{bare_run} was trained on other data, or with another split, than {data} holds now" in error


def test_a_run_of_another_kind_is_not_resumed(fails, data, bare_run):
    (bare_run / "config.json").write_text('{"kind": "attributes"}')
    error = fails(train.main, "--data", data, "--resume", "--load", bare_run)
    assert "config.json is the configuration of a 'attributes' run; expected one of kind 'keypoints'" in error


# The start of the backbone


@pytest.mark.parametrize(
    ("words", "state", "wanted"),
    [
        ([], False, ["imagenet"]),
        (["--network", "lite"], False, [None]),
        (["--weights", "none"], False, [None]),
        (["--weights", "file.h5"], False, ["file.h5"]),
        (["--resume", "--load", "x.weights.h5"], False, [None]),
        (["--resume"], True, [None]),
        (["--resume", "--weights", "imagenet"], True, [None]),
        (["--resume"], False, ["imagenet"]),  # stopped before its first state: it starts as it did
    ],
)
def test_where_the_backbone_starts(monkeypatch, tmp_path, words, state, wanted):
    asked = []
    monkeypatch.setattr("aifashion.unet.predictors.keypoint_net", lambda config, weights=None: asked.append(weights))
    args = train.read_arguments(train.Arguments, "train.py", words)
    run = tmp_path if args.resume and args.resume_model is None else None
    if state:
        save_state(tmp_path, State({"x": np.zeros(1)}, {"epoch": 1, "step": 0}))
    train._network(args, run)
    assert asked == wanted


def test_without_imagenet_weights_it_says_so_and_starts_anyway(monkeypatch, capsys):
    from aifashion.unet.backbones import WeightsError

    def net(config, weights=None):
        if weights:
            raise WeightsError("the ImageNet weights could not be fetched (no network)")
        return "random"

    monkeypatch.setattr("aifashion.unet.predictors.keypoint_net", net)
    args = train.Arguments()
    assert train._network(args, None) == "random"
    assert "could not be fetched (no network). Starting from random weights" in capsys.readouterr().out


# Whole runs


@pytest.mark.slow
def test_a_run_of_one_category(skirt_run, data):
    config = KeypointConfig.from_json((skirt_run / "config.json").read_text())
    assert (skirt_run.parent.name, config.category, config.network, config.size) == ("skirt", "skirt", "lite", 64)
    assert config.learning_rate == 2e-3  # of the network's preset
    facts = json.loads((skirt_run / "data.json").read_text())
    skirts = [
        len([p for p in part if p.parent.name == "skirt"]) for part in (training_photos(data), validation_photos(data))
    ]
    assert [facts["train"], facts["val"], facts["debug"]] == [*skirts, False]
    (row,) = history(skirt_run)
    losses = ["global", "refined"]
    assert list(row) == ["epoch", "learning_rate", *losses, "score", "ne", "ne_skirt", "category_accuracy"]
    assert row["score"] == row["ne"] == row["ne_skirt"] and float(row["ne"]) > 0
    assert float(row["category_accuracy"]) == 1
    assert 0.5 < float(row["refined"]) < 3  # predicting nothing costs 1
    percent = f"{float(row['ne']):.2%}"
    assert (skirt_run / "val.log").read_text() == f"epoch   1  NE {percent}  skirt {percent}  category 100.00%\n"
    assert best_model(skirt_run, pytest.fail).score == float(row["ne"])


@pytest.mark.slow
def test_a_run_of_all_categories(all_run):
    rows = history(all_run)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert "category" in rows[0] and "ne_dress" in rows[0]
    assert len((all_run / "val.log").read_text().splitlines()) == 2
    assert sorted(path.name for path in (all_run / "models").glob("*.h5")) == [
        "epoch_001.weights.h5",
        "epoch_002.weights.h5",
    ]


@pytest.mark.slow
def test_debugging_takes_two_short_epochs(data, tmp_path, capsys):
    run = train_run(data, tmp_path, "--epochs", "9", "--debug", "--batch-size", "2", "--save-every", "1")
    assert [row["epoch"] for row in history(run)] == ["1", "2"]
    assert KeypointConfig.from_json((run / "config.json").read_text()).epochs == 9
    facts = json.loads((run / "data.json").read_text())
    assert facts["debug"] is True and facts["train"] <= 40 and facts["val"] <= 32
    # Ten steps an epoch: the last state within the second one is that after its ninth.
    assert (run / "states" / "epoch_002_step_0000009.safetensors").is_file()
    assert "Best: epoch" in capsys.readouterr().out


@pytest.mark.slow
def test_resuming_a_finished_run_changes_nothing(all_run, data, capsys):
    before = {path.name: path.read_bytes() for path in all_run.glob("*.*")}
    train.main(["--data", str(data), "--out", str(all_run.parent.parent), "--resume"])
    assert f"Resumed {all_run} at epoch 3, step 0." in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in all_run.glob("*.*")} == before


@pytest.mark.slow
def test_a_new_run_from_the_weights_of_another(all_run, data, tmp_path):
    start = all_run / "models" / "epoch_002.weights.h5"
    words = ["--resume", "--load", str(start), "--init-epoch", "1", "--epochs", "3"]
    run = train_run(data, tmp_path, *words, "--learning-rate", "1e-9", "--weight-decay", "0")
    assert [row["epoch"] for row in history(run)] == ["2", "3"]
    digest = hashlib.sha256(start.read_bytes()).hexdigest()
    assert json.loads((run / "start.json").read_text()) == {"weights": str(start), "sha256": digest}
    # With next to no learning rate the kernels stay those of the file.
    with h5py.File(start) as first, h5py.File(run / "models" / "epoch_003.weights.h5") as last:
        names = []
        first.visititems(lambda name, item: names.append(name) if getattr(item, "ndim", 0) == 4 else None)
        assert len(names) == 50
        for name in names:
            np.testing.assert_allclose(last[name][()], first[name][()], atol=1e-6, err_msg=name)
    # The learning rate goes on where one epoch has been trained of three, and does not rise anew.
    assert [float(row["learning_rate"]) for row in history(run)] == pytest.approx(
        [1e-9 * (0.01 + 0.99 * 0.5), 1e-9 * 0.01], rel=1e-3
    )


@pytest.mark.slow
def test_a_run_keeps_where_its_backbone_started(data, tmp_path):
    from aifashion.unet.backbones import build_backbone

    path = tmp_path / "lite.weights.h5"
    build_backbone("lite", (64, 64, 3)).save_weights(path)
    run = train_run(data, tmp_path / "runs", "--weights", str(path), "--debug", "--epochs", "1")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert json.loads((run / "start.json").read_text()) == {"weights": str(path), "sha256": digest}


def test_finetuning_takes_the_network_that_ships_unless_told_otherwise(data, tmp_path, monkeypatch, fails):
    asked = []
    monkeypatch.setattr(train, "_fit", lambda args, *_: asked.append((args.config.network, args.config.size)))
    train.main(["--weights", "shipped", "--data", str(data), "--out", str(tmp_path)])
    own = Manifest.read(shipped("keypoints")).keypoint_config
    assert asked == [(own.network, own.size)]
    monkeypatch.undo()
    words = ["--weights", "shipped", "--network", "v11", "--size", "64", "--data", data, "--out", tmp_path]
    assert "the weights are of lite, not of v11: choose --network lite" in fails(train.main, *words)
    assert not list(tmp_path.glob("*/*/config.json"))


@pytest.mark.slow
def test_a_run_starts_from_the_network_that_ships(data, tmp_path):
    words = ("--weights", "shipped", "--category", "skirt", "--debug", "--epochs", "1")
    run = train_run(data, tmp_path, *words, "--learning-rate", "1e-9", "--weight-decay", "0")
    digest = hashlib.sha256(shipped_weights("keypoints").read_bytes()).hexdigest()
    assert json.loads((run / "start.json").read_text()) == {"weights": "shipped", "sha256": digest}
    configs = Manifest.read(shipped("keypoints")).keypoint_config, KeypointConfig.from_json(read_config(run))
    files = shipped_weights("keypoints"), best_model(run, print).path
    nets = [trained_keypoint_net(config, file) for config, file in zip(configs, files, strict=True)]
    kernels = [net.get_layer("refined_conv").get_weights()[0] for net in nets]
    places = [place for place, name in enumerate(KEYPOINTS) if name in CATEGORY_KEYPOINTS["skirt"]]
    np.testing.assert_allclose(kernels[1], kernels[0][..., places], atol=1e-5)


@pytest.mark.slow
def test_photos_that_cannot_be_read_are_told_at_the_end(own_data, tmp_path, capsys, fails):
    load_or_make_split(own_data, load_training_samples(own_data), 0.3)
    bad = [spoil(training_photos(own_data)[3]), spoil(validation_photos(own_data)[1])]
    bad[1].unlink()
    capsys.readouterr()
    run = train_run(own_data, tmp_path, "--epochs", "1", "--batch-size", "7")
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:-1] == [f"left out, cannot be read: {path}" for path in sorted(bad)]
    assert lines[-1].startswith("Best: epoch 1") and len(history(run)) == 1
    words = [*SMALL, "--data", own_data, "--out", tmp_path, "--epochs", "1", "--strict"]
    error = fails(train.main, *words, "--batch-size", "7")
    assert error == f"{bad[0]} cannot be read; without --strict it would be left out"
