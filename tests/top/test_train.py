import csv
import hashlib
import json
import re
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import CATEGORY_KEYPOINTS, KEYPOINTS
from aifashion.data_gen.formats.fashionai import load_training_samples
from aifashion.data_gen.split import load_or_make_split
from aifashion.files import sealed
from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import shipped, shipped_weights
from aifashion.tasks import training
from aifashion.top import runs_commands, train
from aifashion.unet.predictors import keypoint_backbone, keypoint_net, trained_keypoint_net
from aifashion.unet.runs import best_model, read_keypoint_config
from small_runs import SMALL, spoil, train_run

SHIPPED = Manifest.read(shipped("keypoints")).keypoint_config.network


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
    assert f"{own_data} has 0 photos of skirt to train on and 0 to validate on; both are needed" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--category", "hat"], "unknown category 'hat'; expected one of blouse, dress"),
        (["--network", "vgg"], "unknown network 'vgg'; expected one of v11, resnet50, lite"),
        (["--size", "100"], "size = 100 is not a multiple of 32"),
        (["--epochs", "0"], "epochs = 0 is outside the numbers from 1 up"),
        (["--optimizer", "lion"], "unknown optimizer 'lion'; expected one of adam, adamw"),
        (["--schedule", "step"], "unknown schedule 'step'; expected one of cosine, constant, 1x"),
        (["--schedule", "2x", "--epochs", "9"], "schedule 2x: 9 epochs never reach the drop after epoch 14"),
        (["--save-every", "0"], "--save-every 0; expected 1 or more"),
        (["--val-freq", "0"], "--val-freq 0; expected 1 or more"),
        (["--keep", "-1"], "--keep -1; expected 0 or more"),
        (["--weights", "nowhere.h5"], "no weights file at nowhere.h5; expected auto, imagenet, none, shipped"),
        (["--weights", "imagenet"], "no ImageNet weights"),
        (["--weights", "{weights}"], "does not fit"),
        (["--weights", "shipped", "--network", "v11"], f"the weights are of {SHIPPED}, not of v11: choose --network "),
        (
            ["--tag", "first\nsecond"],
            r"--tag 'first\nsecond' has a line end or another control",
        ),
        (["--tag", "\x1b[31mred"], r"--tag '\x1b[31mred' has a line end or another control character"),
        (["--init-epoch", "1"], "--init-epoch needs --load"),
        (["--reset"], "--reset needs --load"),
        (["--resume"], "no run in {out}/all: train one first"),
        (["--resume", "--load", "{data}"], "no run in {data}: train one first, or name a run folder"),
        (["--load", "x.weights.h5"], "no run folder and no weights file at x.weights.h5"),
        (["--load", "{weights}"], "does not fit"),
        (["--load", "{weights}", "--reset", "--resume"], "--reset starts a new run and --resume continues one"),
        (["--load", "{weights}", "--weights", "none"], "--weights none and --load {weights} both say where to start"),
        (["--load", "{weights}", "--init-epoch", "9", "--epochs", "9"], "leaves no epoch to train"),
        (["--load", "{weights}", "--init-epoch", "-1"], "--init-epoch -1 leaves no epoch"),
        (["--load", "{weights}", "--init-epoch", "2", "--debug"], "of the 2 asked for"),
    ],
)
def test_mistakes_are_said_before_any_photo_is_read(fails, own_data, tmp_path, words, message):
    names = {"out": str(tmp_path / "runs"), "data": str(own_data), "weights": str(tmp_path / "x.weights.h5")}
    (tmp_path / "x.weights.h5").write_bytes(b"\x89HDF no network")
    for photo in own_data.rglob("*.jpg"):  # whoever reads one says so
        photo.write_bytes(b"")
    files = sorted(own_data.rglob("*"))
    words = [word.format(**names) for word in words]
    network = [] if "--network" in words else ["--network", "lite"]
    common = ["--size", "64", "--val-fraction", "0.3", "--data", own_data, "--out", names["out"]]
    error = fails(train.main, *network, *common, *words)
    assert message.format(**names) in error
    assert sorted(own_data.rglob("*")) == files and not (tmp_path / "runs").exists()


def test_a_batch_that_the_photos_do_not_fill(fails, data, tmp_path):
    error = fails(train.main, *SMALL, "--batch-size", "60", "--data", data, "--out", tmp_path / "runs")
    assert (
        re.search(r"do not fill a batch of 60: use --batch-size (40|55) or less", error)
        and not (tmp_path / "runs").exists()
    )


def test_an_exact_resume_changes_no_option(fails, data, bare_run):
    words = ["--data", data, "--out", bare_run.parent.parent, "--resume"]
    error = fails(train.main, *words, "--learning-rate", "0.1", "--schedule", "constant", "--size", "64")
    assert f"{bare_run} was trained with another schedule, learning_rate; an exact resume changes nothing" in error
    error = fails(train.main, *words, "--load", bare_run, "--init-epoch", "1")
    assert "knows its epoch" in error


def test_an_exact_resume_changes_no_data(fails, data, bare_run):
    facts = {"train": 1, "val": 1, "debug": False, "photos_sha256": "0" * 64}
    (bare_run / "data.json").write_text(json.dumps(sealed(facts)))
    error = fails(train.main, "--data", data, "--resume", "--load", bare_run)
    assert f"{bare_run} was trained on other data, or with another split, than {data} holds now" in error


def test_a_run_of_another_kind_is_not_resumed(fails, data, bare_run):
    (bare_run / "config.json").write_text('{"kind": "attributes"}')
    error = fails(train.main, "--data", data, "--resume", "--load", bare_run)
    assert "config.json is the configuration of a 'attributes' run; expected one of kind 'keypoints'" in error


# Whole runs


def test_validation_photos_without_a_visible_keypoint(fails, own_data, tmp_path):
    table = own_data / "train" / "Annotations" / "train.csv"
    table.write_text(table.read_text().replace("_1,", "_0,").replace("_1\n", "_0\n"))
    error = fails(train.main, *SMALL, "--data", own_data, "--out", tmp_path / "runs")
    assert "none of the 40 photos to train on has a visible keypoint: nothing to learn" in error
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_training_without_any_score_ends_with_an_error_and_keeps_its_models(fails, data, tmp_path, monkeypatch):
    def numbers(seen, vocabulary):
        return None, {"score": float("nan"), "ne": float("nan"), "category_accuracy": 0.0}

    monkeypatch.setattr("aifashion.tasks.keypoints.validation_numbers", numbers)
    words = ("--data", data, "--out", tmp_path, "--epochs", 2, "--category", "skirt")
    error = fails(train.main, *SMALL, *words)
    (run,) = tmp_path.glob("skirt/*")
    assert error.startswith(f"no epoch of {run} got a score, so none is the best: ")
    assert json.loads((run / "best.json").read_text())["score"] is None
    assert [row["score"] for row in history(run)] == ["nan", "nan"] and (run / "calibration.json").exists()


@pytest.mark.slow
def test_a_run_of_one_category(skirt_run, data):
    config = read_keypoint_config(skirt_run)
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
    assert read_keypoint_config(run).epochs == 9
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
    (all_run / "calibration.json").unlink()
    train.main(["--data", str(data), "--resume", "--load", str(all_run)])  # as the error of such a run says
    assert {path.name: path.read_bytes() for path in all_run.glob("*.*")} == before


@pytest.mark.slow
def test_a_new_run_from_the_weights_of_another(all_run, data, tmp_path):
    start = all_run / "models" / "epoch_002.weights.h5"
    words = ["--load", str(start), "--init-epoch", "1", "--epochs", "3"]
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


def test_finetuning_takes_the_network_that_ships_unless_asked_otherwise(data, tmp_path, monkeypatch):
    planned = []
    monkeypatch.setattr(training, "fit_network", lambda plan, *_: planned.append(plan.task.config))
    train.main(["--weights", "shipped", "--data", str(data), "--out", str(tmp_path)])
    (config,) = planned
    trained = Manifest.read(shipped("keypoints")).keypoint_config
    assert (config.network, config.size) == (trained.network, trained.size)
    (run,) = (tmp_path / "all").iterdir()
    assert not list((run / "states").glob("*"))


@pytest.mark.slow
def test_a_run_starts_from_the_network_that_ships(data, tmp_path):
    words = (
        "--weights",
        "shipped",
        "--network",
        "efficientnet_lite0",
        "--category",
        "skirt",
        "--debug",
        "--epochs",
        "1",
    )
    run = train_run(data, tmp_path, *words, "--learning-rate", "1e-9", "--weight-decay", "0")
    digest = hashlib.sha256(shipped_weights("keypoints").read_bytes()).hexdigest()
    assert json.loads((run / "start.json").read_text()) == {"weights": "shipped", "sha256": digest}
    configs = Manifest.read(shipped("keypoints")).keypoint_config, read_keypoint_config(run)
    files = shipped_weights("keypoints"), best_model(run, print).path
    nets = [trained_keypoint_net(config, file) for config, file in zip(configs, files, strict=True)]
    kernels = [net.get_layer("refined_conv").get_weights()[0] for net in nets]
    indices = [index for index, name in enumerate(KEYPOINTS) if name in CATEGORY_KEYPOINTS["skirt"]]
    np.testing.assert_allclose(kernels[1], kernels[0][..., indices], atol=1e-5)


@pytest.mark.slow
def test_photos_that_cannot_be_read_are_named_at_the_end(own_data, tmp_path, capsys, fails):
    load_or_make_split(own_data, load_training_samples(own_data), 0.3)
    bad = [spoil(training_photos(own_data)[3]), spoil(validation_photos(own_data)[1])]
    bad[1].unlink()
    capsys.readouterr()
    run = train_run(own_data, tmp_path, "--epochs", "1", "--batch-size", "7")
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:-1] == [f"left out, cannot be read: {path}" for path in sorted(bad)]
    assert lines[-1].startswith("Best: epoch   1") and len(history(run)) == 1
    words = [*SMALL, "--data", own_data, "--out", tmp_path, "--epochs", "1", "--strict"]
    error = fails(train.main, *words, "--batch-size", "7")
    assert error == f"{bad[0]} cannot be read; without --strict it would be left out"


@pytest.mark.slow
def test_heads_alone_by_steps_under_a_tag(data, tmp_path, capsys):
    """The powers that both trainings have: layers, optimizer, schedule, val-freq, save-freq and tag."""
    words = ["--layers", "heads", "--optimizer", "sgd", "--schedule", "2=0.1", "--warmup-epochs", "0", "--epochs", "3"]
    words += ["--val-freq", "2", "--save-freq", "3", "--tag", "night"]
    run = train_run(data, tmp_path, *words, "--weights", "none", "--ema", "0")
    rows = history(run)
    assert [bool(row["ne"]) for row in rows] == [False, True, True]
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx([2e-3, 2e-4, 2e-4])
    assert (run / "val.log").read_text().splitlines()[0] == "epoch   1  not validated"
    assert [path.name for path in (run / "models").glob("*.h5")] == ["epoch_003.weights.h5"]
    assert "all" in capsys.readouterr().out
    runs_commands.list_runs(["--folder", str(tmp_path), "--tag", "night"])
    assert run.name in capsys.readouterr().out
    # The backbone is as it started: the same seed starts another network of it.
    config = read_keypoint_config(run)
    keras.utils.set_random_seed(config.seed)
    nets = keypoint_net(config), trained_keypoint_net(config, run / "models" / "epoch_003.weights.h5")
    start, end = ([w.copy() for w in keypoint_backbone(net, "lite").get_weights()] for net in nets)
    assert all(np.array_equal(a, b) for a, b in zip(start, end, strict=True)) and len(start) > 50
    heads = [net.get_layer("refined_conv").get_weights()[0] for net in nets]
    assert not np.allclose(*heads)
    # Another set of keypoints starts from the backbone alone.
    error = ["--load", str(run), "--category", "skirt", "--debug"]
    with pytest.raises(SystemExit):
        train.main([*SMALL, "--data", str(data), "--out", str(tmp_path), *error])
    assert (
        "has other keypoints or categories than this training: --reset starts from its backbone"
        in capsys.readouterr().err
    )
    words = ["--load", str(run), "--reset", "--category", "skirt", "--epochs", "1", "--layers", "heads"]
    skirt = train_run(data, tmp_path, *words)
    again = trained_keypoint_net(read_keypoint_config(skirt), best_model(skirt, print).path)
    found = keypoint_backbone(again, "lite").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(found, end, strict=True))
    runs_commands.clear(["--tag", "night", "--folder", str(tmp_path), "--yes"])
    assert not run.exists() and skirt.is_dir()
