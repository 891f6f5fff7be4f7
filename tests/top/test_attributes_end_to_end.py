"""Classifiers from a data folder to a score, on little: training, test set, transfer, and an exact resume."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.numpy

from aifashion.data_gen import attribute_batches as batches
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, STYLES
from aifashion.data_gen.formats.fashionai_attributes import attribute_heads
from aifashion.data_gen.synthetic.writer import ATTRIBUTE_ANSWER
from aifashion.data_gen.tfrecords import Record, shard_path, write_shard
from aifashion.recognition.attribute_model import load_attribute_model, read_heads
from aifashion.top import cli, evaluate, test_attributes, train_attributes
from aifashion.unet.runs import read_attribute_config

pytestmark = pytest.mark.slow

SMALL = ("--network", "lite", "--size", "64", "--batch-size", "8", "--val-fraction", "0.3", "--epochs", "1")


def train(data: Path, output: Path, *words: str) -> Path:
    """The new run folder."""
    before = set(output.glob("attributes/*/*"))
    train_attributes.main([*SMALL, "--data", str(data), "--out", str(output), *words])
    (run,) = set(output.glob("attributes/*/*")) - before
    return run


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def arrays_in(model: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with h5py.File(model) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def state_arrays(run: Path) -> list[dict[str, np.ndarray]]:
    """Of the states kept, by group and index: Keras numbers the rest of the names through the process."""
    entries = json.loads((run / "states" / "index.json").read_text())
    states = [safetensors.numpy.load_file(run / "states" / entry["file"]) for entry in entries]
    return [{name[: name.index("/") + 5]: state[name] for name in sorted(state)} for state in states]


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module")
def ordinal(data, tmp_path_factory) -> Path:
    return train(data, tmp_path_factory.mktemp("ordinal"), "--task", "all")


@pytest.fixture(scope="module")
def exclusive(data, tmp_path_factory) -> Path:
    return train(data, tmp_path_factory.mktemp("exclusive"), "--length-heads", "exclusive", "--layers", "heads")


@pytest.mark.parametrize("name", ["ordinal", "exclusive"])
def test_a_run_and_what_it_leaves(name, request):
    run = request.getfixturevalue(name)
    config = read_attribute_config(run)
    assert (run.parent.name, config.task, config.length_heads) == ("all", "all", name)
    assert read_heads(run) == attribute_heads(ordinal=name == "ordinal")
    (row,) = history(run)
    assert set(ATTRIBUTE_TASKS) | {"score", "map", "basic_precision", "accuracy", "learning_rate"} <= set(row)
    assert float(row["score"]) == pytest.approx(1 - float(row["map"])) and 0 <= float(row["map"]) <= 1
    facts = json.loads((run / "data.json").read_text())
    assert facts["train"] + facts["val"] == 60 and 14 <= facts["val"] <= 20
    assert (run / "val.log").read_text().startswith(f"epoch   1  map {float(row['map']):.4f}  basic_precision")
    found = json.loads((run / "calibration.json").read_text())
    assert set(found["temperatures"]) <= set(ATTRIBUTE_TASKS) and len(found["temperatures"]) >= 4
    assert found["thresholds"] == {}
    model = load_attribute_model(run)
    assert model.config == config and len(model.heads) == 8
    shapes = {key: value.shape for key, value in model.predict(np.zeros((2, 96, 64, 3), np.uint8)).items()}
    assert shapes["skirt_length"] == (2, 5 if name == "ordinal" else 6) and shapes["neck_design"] == (2, 5)


@pytest.mark.parametrize("words", [(), ("--flip", "--crops", "5", "--scales", "0.5", "1.0")])
def test_a_test_set_is_answered_and_scored(ordinal, data, tmp_path, words, capsys):
    test_attributes.main(["--model", str(ordinal), "--data", str(data), "--out", str(tmp_path), *words])
    submission = tmp_path / "attribute_submission.csv"
    asked = rows_of(data / "attributes" / "rank" / "Tests" / "question.csv")
    told = rows_of(submission)
    assert [row[:2] for row in told] == [row[:2] for row in asked] and len(told) == 12
    for _, task, cell in told:
        probabilities = np.array(cell.split(";"), float)
        assert len(probabilities) == len(ATTRIBUTE_TASKS[task.removesuffix("_labels")])
        assert probabilities.sum() == pytest.approx(1, abs=1e-6)
    assert "Wrote 12 rows" in capsys.readouterr().out
    numbers = tmp_path / "score.json"
    truth = data / "attributes" / ATTRIBUTE_ANSWER
    cli.main(["score", "attributes", "--truth", str(truth), "--predicted", str(submission), "--json", str(numbers)])
    score = json.loads(numbers.read_text())
    assert score["images"] == 12 and score["unnormalised"] == 0 and 0 <= score["accuracy"] <= 1


def test_an_ensemble_of_both_kinds_of_lengths(ordinal, exclusive, data, tmp_path):
    runs = ["--model", str(ordinal), str(exclusive), "--data", str(data)]
    alone = {}
    for number, run in enumerate((ordinal, exclusive)):
        test_attributes.main(["--model", str(run), "--data", str(data), "--out", str(tmp_path / str(number))])
        alone[number] = rows_of(tmp_path / str(number) / "attribute_submission.csv")
    test_attributes.main([*runs, "--out", str(tmp_path / "both")])
    for row, first, second in zip(
        rows_of(tmp_path / "both" / "attribute_submission.csv"), *alone.values(), strict=True
    ):
        mean = (np.array(first[2].split(";"), float) + np.array(second[2].split(";"), float)) / 2
        np.testing.assert_allclose(np.array(row[2].split(";"), float), mean, atol=1e-9)
    test_attributes.main([*runs, "--out", str(tmp_path), "--weights", "validation", "--val-data", str(data)])
    shares = json.loads((tmp_path / "ensemble.json").read_text())
    assert set(shares) <= set(ATTRIBUTE_TASKS)
    for share in shares.values():
        assert set(share) == {str(ordinal), str(exclusive)} and sum(share.values()) == pytest.approx(1)


def test_a_run_is_evaluated_on_its_validation_set(exclusive, data, tmp_path):
    words = ["--data", str(data), "--json", str(tmp_path / "numbers.json"), "--pictures", str(tmp_path / "pictures")]
    evaluate.main([str(exclusive), *words])
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    (row,) = history(exclusive)
    # Temperatures change the order of the photos, and with it AP, but of classes that exclude each other no answer.
    assert numbers["accuracy"] == pytest.approx(float(row["accuracy"]))
    assert numbers["basic_precision"] == pytest.approx(float(row["basic_precision"]))
    ece = {name for name in numbers if name.startswith("ece_")}
    assert set(numbers) - ece == {name for name in row if name in numbers} and 0 <= numbers["score"] <= 1
    assert ece == {f"ece_{name[3:]}_{when}" for name in row if name.startswith("ap_") for when in ("before", "after")}
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["confusion.png", "reliability.png"]


def kernels(model: Path) -> dict[str, np.ndarray]:
    return {name: array for name, array in arrays_in(model).items() if "functional" in name}


def test_heads_first_then_all_layers(exclusive, data, tmp_path, fails):
    # Training the heads alone changed nothing of the backbone, which started at random: another epoch is the same.
    two = train(data, tmp_path / "two", "--length-heads", "exclusive", "--layers", "heads", "--epochs", "2")
    start = kernels(exclusive / "models" / "epoch_001.weights.h5")
    after = kernels(two / "models" / "epoch_002.weights.h5")
    assert len(start) > 50 and start.keys() == after.keys()
    assert [name for name in start if start[name].tobytes() != after[name].tobytes()] == []
    # The second phase starts from the first: with next to no learning rate and no average the kernels stay, while the
    # statistics of the batch normalisation now move.
    words = ("--length-heads", "exclusive", "--load", str(two), "--learning-rate", "1e-9", "--weight-decay", "0")
    run = train(data, tmp_path / "all", *words, "--layers", "all", "--ema", "0")
    last = kernels(run / "models" / "epoch_001.weights.h5")
    moved = {name for name in after if not np.allclose(last[name], after[name], atol=1e-5)}
    assert moved and all(last[name].ndim == 1 for name in moved)
    best = json.loads((two / "best.json").read_text())["file"]
    heads = arrays_in(run / "models" / "epoch_001.weights.h5"), arrays_in(two / "models" / best)
    np.testing.assert_allclose(heads[0]["layers/dense/vars/0"], heads[1]["layers/dense/vars/0"], atol=1e-5)
    # Heads of other tasks are not taken for these; the backbone alone is.
    common = [*SMALL, "--data", data, "--out", tmp_path / "one", "--load", two]
    error = fails(train_attributes.main, *common, "--task", "neck_design_labels")
    assert f"{two} has other heads than this training: --reset starts from its backbone alone" in error
    assert not (tmp_path / "one").exists()
    one = train(
        data,
        tmp_path / "one",
        *words[2:],
        "--ema",
        "0",
        "--task",
        "sleeve_length",
        "--reset",
        "--batch-size",
        "2",
    )
    assert one.parent.name == "sleeve_length" and len(read_heads(one)) == 1
    only = kernels(one / "models" / "epoch_001.weights.h5")
    assert [n for n in only if only[n].ndim == 4 and not np.allclose(only[n], after[n], atol=1e-5)] == []


class Killed(Exception):
    pass


EVERYTHING = (
    *("--epochs", "2", "--save-every", "2", "--optimizer", "ranger", "--schedule", "1=0.1", "--dropout", "0.2"),
    *("--mixup", "0.3", "--cutmix", "0.5", "--balance", "0.5", "--scales", "0.5", "1.0", "--label-smoothing", "0.1"),
)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    """A run that was never stopped."""
    return train(data, tmp_path_factory.mktemp("whole"), *EVERYTHING)


@pytest.mark.parametrize(("epoch", "step"), [(1, 3), (2, 1)])
def test_killed_and_resumed(whole, data, tmp_path, monkeypatch, epoch, step):
    make = batches.attribute_batches

    def until_killed(table, config, now: int, first_step: int = 0, workers: int = 0) -> Iterator[dict]:
        for number, batch in enumerate(make(table, config, now, first_step, workers), start=first_step):
            if (now, number) == (epoch, step):
                raise Killed
            yield batch

    monkeypatch.setattr(batches, "attribute_batches", until_killed)
    with pytest.raises(Killed):
        train(data, tmp_path, *EVERYTHING)
    monkeypatch.undo()
    (run,) = tmp_path.glob("attributes/all/*")
    assert len(history(run)) == epoch - 1 and not (run / "calibration.json").exists()
    words = ["--data", str(data), "--out", str(tmp_path), "--save-every", "2", "--resume"]
    train_attributes.main(words)
    assert list(tmp_path.glob("attributes/all/*")) == [run]
    for name in ("config.json", "heads.json", "data.json", "history.csv", "val.log", "calibration.json"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    assert len(history(run)) == 2
    for one, other in zip(state_arrays(run), state_arrays(whole), strict=True):
        assert list(one) == list(other) and len(one) > 100
        assert [name for name in one if one[name].tobytes() != other[name].tobytes()] == []
    for model in ("epoch_001.weights.h5", "epoch_002.weights.h5"):
        found, expected = (arrays_in(each / "models" / model) for each in (run, whole))
        assert list(found) == list(expected)
        assert [name for name in found if found[name].tobytes() != expected[name].tobytes()] == []


def test_an_exact_resume_changes_no_option_and_no_data(whole, data, fails, tmp_path):
    words = ["--data", data, "--resume", "--load", whole]
    error = fails(train_attributes.main, *words, "--learning-rate", "0.1", "--mixup", "0")
    assert f"{whole} was trained with another learning_rate, mixup; an exact resume changes nothing" in error
    error = fails(train_attributes.main, *words, "--debug")
    assert f"{whole} is not a --debug run: resume it in the same way" in error


@pytest.mark.parametrize("task", ["style", "product"])
def test_styles_and_products(task, data, tmp_path):
    photos = sorted((data / "train" / "Images").rglob("*.jpg"))[:40]
    labels = np.random.default_rng(0).integers(0, 2, (40, len(STYLES)))
    folder = tmp_path / "data"
    folder.mkdir()
    if task == "style":
        records = [Record(f"{i}", path.read_bytes(), labels[i]) for i, path in enumerate(photos)]
        write_shard(shard_path(folder, 0, 1), records)
        test = tmp_path / "test"
        test.mkdir()
        write_shard(shard_path(test, 0, 1), [record._replace(labels=None) for record in records[:9]])
    else:
        lines = []
        for i, path in enumerate(photos):
            (folder / f"{i}.jpg").write_bytes(path.read_bytes())
            lines.append(f"{i}.jpg {i % 3}\n")
        (folder / "train.txt").write_text("".join(lines[:30]))
        (folder / "val.txt").write_text("".join(lines[30:]))
        test = folder / "test.txt"
        test.write_text("".join(f"{i}.jpg\n" for i in range(9)))
    run = train(folder, tmp_path / "runs", "--task", task)
    (row,) = history(run)
    assert run.parent.name == task and 0 <= float(row["score"]) <= 1
    assert ("style/OL/commuter" in row) == (task == "style") and ("error" in row) == (task == "product")
    thresholds = json.loads((run / "calibration.json").read_text())["thresholds"]
    assert {name: len(values) for name, values in thresholds.items()} == ({"style": 13} if task == "style" else {})
    test_attributes.main(["--model", str(run), "--data", str(test), "--out", str(tmp_path)])
    if task == "style":
        told = rows_of(tmp_path / "style_submission.csv")
        assert [row[0] for row in told] == [str(i) for i in range(9)]
        assert {cell for row in told for cell in row[1:]} <= {"0", "1"} and {len(row) for row in told} == {14}
    else:
        told = [line.split() for line in (tmp_path / "product_submission.txt").read_text().splitlines()]
        assert [row[0] for row in told] == [f"{i}.jpg" for i in range(9)] and {row[1] for row in told} <= set("012")
