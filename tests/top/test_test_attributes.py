"""Ensembles of classifiers that answer from a table: photos are as bright as their number."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from aifashion.config import AttributeConfig
from aifashion.data_gen.formats.challenges import STYLES
from aifashion.data_gen.formats.fashionai_attributes import attribute_heads
from aifashion.data_gen.tfrecords import Record, shard_path, write_shard
from aifashion.eval.style_metrics import sample_f2, tune_thresholds
from aifashion.recognition.attribute_model import AttributeModel, Calibration
from aifashion.records import HeadSpec
from aifashion.tasks import ensembles
from aifashion.tasks.label_kinds import label_kind
from aifashion.top import test_attributes as command
from aifashion.vocabulary import vocabulary_from
from small_attributes import write_rows

STYLE = HeadSpec("style", "independent", STYLES)
NECK = next(head for head in attribute_heads(ordinal=True) if head.name == "neck_design")
COUNT = 40


def photo(number: int) -> bytes:
    return cv2.imencode(".png", np.full((8, 8, 3), 6 * number, np.uint8))[1].tobytes()


def model(
    name: str, head: HeadSpec, answers: np.ndarray, thresholds: list[float] | None = None, **config
) -> AttributeModel:
    """answers: (N, C) logits of photo 0, 1, ..."""

    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        middle = images[:, images.shape[1] // 2, images.shape[2] // 2].mean(axis=1)
        return {head.name: answers[np.rint(middle / 6).astype(int)]}

    options = {"task": head.name, "size": 32, "val_fraction": 0.5} | config
    calibration = Calibration({}, {head.name: thresholds} if thresholds else {})
    return AttributeModel(Path("runs") / name, AttributeConfig(**options), (head,), predict, calibration, None)


@pytest.fixture
def answer(monkeypatch, tmp_path):
    """Calls the command with the models and gives the lines of the submission."""

    def call(models: list[AttributeModel], data: Path, *words: object) -> list[str]:
        known = {model.run.name: model for model in models}
        monkeypatch.setattr(command, "load_attribute_model", lambda path: known[path.name])
        out = tmp_path / "out"
        options = ["--model", *known, "--data", data, "--val-data", tmp_path, "--out", out, *words]
        command.main([str(word) for word in options])
        (path,) = out.glob("*_submission.*")
        return path.read_text().splitlines()

    return call


def logits(probabilities: np.ndarray) -> np.ndarray:
    return np.log(probabilities / (1 - probabilities))


# -------------------------------------------------------------------------------------------------------------- styles


@pytest.fixture
def styles(tmp_path) -> tuple[Path, np.ndarray]:
    """Shards with labels, and those labels (N, C) bool; of photo 0 no style holds, as of many."""
    truth = np.random.default_rng(0).random((COUNT, len(STYLES))) < 0.3
    truth[0] = False
    write_shard(shard_path(tmp_path, 0, 1), [Record(f"{i}.jpg", photo(i), truth[i].astype(int)) for i in range(COUNT)])
    return tmp_path, truth


def test_the_thresholds_of_equal_runs_lie_between_theirs(styles, answer):
    folder, _ = styles
    low, high = np.full((COUNT, len(STYLES)), 0.2), np.full((COUNT, len(STYLES)), 0.5)
    high[1] = 0.7
    runs = [("a", low, [0.1] * 13), ("b", high, [0.7] * 13)]
    lines = answer([model(name, STYLE, logits(answers), cuts) for name, answers, cuts in runs], folder)
    # Blended 0.35, and 0.45 for photo 1: that alone reaches the mean threshold of 0.4, and all reach the first run's.
    assert lines[1] == "1.jpg" + ",1" * 13 and lines[2] == "2.jpg" + ",0" * 13 and len(lines) == COUNT
    alone = answer([model("a", STYLE, logits(low), [0.1] * 13)], folder)
    assert alone[2] == "2.jpg" + ",1" * 13
    unknown = answer([model("a", STYLE, logits(low)), model("b", STYLE, logits(high), [0.1] * 13)], folder)
    assert unknown[1:3] == ["1.jpg" + ",1" * 13, "2.jpg" + ",1" * 13]  # (0.5 + 0.1) / 2


def test_styles_are_weighed_by_f2_and_their_blend_has_thresholds_of_its_own(styles, answer, capsys, tmp_path):
    folder, truth = styles
    rng = np.random.default_rng(1)
    noise = [rng.uniform(0.05, 0.6, truth.shape) for _ in range(2)]
    answers = [np.clip(noise[0] + 0.25 * truth, 0.01, 0.99), np.clip(noise[1] + 0.1 * truth, 0.01, 0.99)]
    runs = [model(name, STYLE, logits(values), [0.99] * 13) for name, values in zip("ab", answers, strict=True)]
    lines = answer(runs, folder, "--weights", "validation")
    shares = json.loads((tmp_path / "out" / "ensemble.json").read_text())["style"]
    weight = shares["runs/a"]
    assert 0.5 < weight <= 1 and weight + shares["runs/b"] == pytest.approx(1)
    _, table = label_kind("style").tables(folder, runs[0].config)
    rows = [int(Path(name).stem) for name in table.photos.names]

    def f2(share: float) -> tuple[float, np.ndarray]:
        blended = share * answers[0] + (1 - share) * answers[1]
        cuts = tune_thresholds(blended[rows], truth[rows])
        return float(sample_f2(blended[rows] >= cuts, truth[rows]).mean()), blended >= cuts

    assert f2(weight)[0] >= f2(0.5)[0]
    assert f"validation F2 {f2(weight)[0]:.4f}" in capsys.readouterr().out
    expected = [f"{i}.jpg," + ",".join(map(str, row)) for i, row in enumerate(f2(weight)[1].astype(int))]
    assert lines == expected


def test_runs_that_were_validated_on_other_photos_are_not_weighed(styles, answer, fails):
    folder, truth = styles
    runs = [model("a", STYLE, 1.0 * truth), model("b", STYLE, 1.0 * truth, seed=1)]
    tables = [label_kind("style").tables(folder, run.config)[1] for run in runs]
    common = len({*tables[0].photos.names} & {*tables[1].photos.names})
    error = fails(lambda _: answer(runs, folder, "--weights", "validation"))
    assert error == (
        f"runs/a and runs/b were not validated on the same photos of style in {folder}: {len(tables[0])} and "
        f"{len(tables[1])}, {common} of them in common. Blend runs of one --seed and --val-fraction, or take "
        "--weights equal"
    )
    assert not (folder / "out").exists()  # answers before any photo is looked at
    assert len(answer(runs, folder)) == COUNT


# ------------------------------------------------------------------------------------------------------------ products


def test_products_are_weighed_by_mean_class_error_over_the_run_s_own_classes(tmp_path, answer, capsys):
    # Of class 0 there are many, of 1 and 2 one each. The first run tells class 0 alone, and is surer of it than the
    # second, which finds the rare ones as well, at the price of one of class 0.
    labels = [0] * 8 + [1, 2]
    for i in range(len(labels)):
        (tmp_path / f"{i}.png").write_bytes(photo(i))
    (tmp_path / "train.txt").write_text("0.png 2\n")
    (tmp_path / "val.txt").write_text("".join(f"{i}.png {label}\n" for i, label in enumerate(labels)))
    (tmp_path / "test.txt").write_text("8.png\n9.png\n")
    head = HeadSpec("product", "exclusive", ("shirt", "skirt", "coat", "hat", "bag"))  # two more than the lists name
    first, second = np.zeros((2, 10, 5))
    first[:, 0] = 4
    second[range(10), [1, *labels[1:]]] = 3
    runs = [model("a", head, first), model("b", head, second)]
    assert answer(runs, tmp_path) == ["8.png 0", "9.png 0"]
    assert answer(runs, tmp_path, "--weights", "validation") == ["8.png 1", "9.png 2"]
    shares = json.loads((tmp_path / "out" / "ensemble.json").read_text())["product"]
    assert shares["runs/b"] > shares["runs/a"]
    # One of eight of class 0 is lost at most.
    score = float(capsys.readouterr().out.partition("validation 1 - mean class error ")[2].split()[0])
    assert score + 1e-4 >= 1 - 1 / 8 / 3


# ---------------------------------------------------------------------------------------------------------- attributes


def test_one_task_is_weighed_by_ap():
    truth = np.eye(5)[[0, 1, 2, 3]]
    right, wrong = truth * 0.6 + 0.08, np.roll(truth, 1, axis=1) * 0.9 + 0.02
    runs = [model(name, NECK, truth) for name in "ab"]
    weights, thresholds = ensembles.find_blend(
        "neck_design", runs, [(right, truth), (wrong, truth)], label_kind("neck_design")
    )
    assert weights[0] > 0.6 and thresholds == []


def test_without_a_validation_photo_of_a_task_its_weights_are_the_same():
    none = np.zeros((0, 5))
    runs = [model(name, NECK, none) for name in "ab"]
    weights, _ = ensembles.find_blend("neck_design", runs, [(none, none), (none, none)], label_kind("neck_design"))
    assert weights.tolist() == [0.5, 0.5]


def test_runs_of_different_classes_are_named_with_what_differs(tmp_path, answer, fails):
    write_rows(tmp_path / "question.csv", [("a.jpg", "neck_design", "?")])
    other = HeadSpec("neck_design", "exclusive", (*NECK.classes[:4], "Bow"))
    runs = [model(name, head, np.zeros((1, 5)), task="all") for name, head in (("a", NECK), ("b", other))]
    error = fails(lambda _: answer(runs, tmp_path / "question.csv"))
    assert error == "runs/a and runs/b have different classes of neck_design (Bow, Draped Collar): choose one of them"
    write_rows(tmp_path / "question.csv", [("a.jpg", "skirt_length", "?")])
    error = fails(lambda _: answer(runs[:1], tmp_path / "question.csv"))
    assert error == "the test set asks for skirt_length, which none of the runs can answer: add one that can"
    assert not (tmp_path / "out").exists()


def test_a_run_of_another_vocabulary_answers_its_own_questions(tmp_path, answer, fails):
    brim = HeadSpec("brim", "exclusive", ("none", "small", "wide"))
    facts = {"name": "hats", "categories": {"hat": {"keypoints": ["a", "b"]}}}
    facts |= {"attributes": {"brim": {"kind": "exclusive", "classes": list(brim.classes)}}}
    run = model("a", brim, np.log([[0.25, 0.5, 0.25]]), vocabulary=vocabulary_from(facts))
    (tmp_path / "a.png").write_bytes(photo(0))
    write_rows(tmp_path / "question.csv", [("a.png", "brim", "?")])
    (line,) = answer([run], tmp_path / "question.csv")
    name, task, cell = line.split(",")
    assert (name, task) == ("a.png", "brim_labels")
    assert [float(value) for value in cell.split(";")] == pytest.approx([0.25, 0.5, 0.25])
    write_rows(tmp_path / "question.csv", [("a.png", "neck_design", "?")])
    assert "unknown task 'neck_design_labels'; expected one of brim_labels" in fails(
        lambda _: answer([run], tmp_path / "question.csv")
    )
