import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aifashion.data_gen.formats.fashionai_attributes import soft_label
from aifashion.data_gen.formats.problems import FormatError
from aifashion.eval.attribute_metrics import (
    average_precision,
    confusion_matrix,
    precision_curve,
    score_attribute_files,
    score_attributes,
    score_task,
)
from aifashion.eval.attribute_submission import write_attribute_submission

CASES = json.loads((Path(__file__).parent.parent / "golden" / "attribute_map_cases.json").read_text(encoding="utf-8"))
ROW = "a.jpg,neck_design_labels"


def random_task(rng: np.random.Generator, count: int, steps: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Probabilities (N, 6) rounded to `steps` values so that many are equal, soft labels and their marks."""
    probabilities = np.round(rng.random((count, 6)) * steps) / steps
    letters = []
    for _ in range(count):
        row = rng.choice(["n", "m"], 6, p=[0.7, 0.3])
        row[rng.integers(6)] = "y"
        letters.append("".join(row))
    return probabilities, np.array([soft_label(marks) for marks in letters]), letters


def slow_ap(probabilities: list[list[float]], letters: list[str]) -> float:
    """AP word by word as it is defined."""
    precisions = []
    for threshold in {max(row) for row in probabilities}:
        predicted = correct = 0
        for row, marks in zip(probabilities, letters, strict=True):
            if max(row) >= threshold:
                mark = marks[row.index(max(row))]
                predicted += mark != "m"
                correct += mark == "y"
        if predicted:
            precisions.append(correct / predicted)
    return sum(precisions) / len(precisions) if precisions else math.nan


def write_truth(path: Path, rows: list) -> Path:
    path.write_text("".join(f"{name},{task}_labels,{marks}\n" for name, task, marks, _ in rows))
    return path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_hand_worked_cases(case, tmp_path):
    rows = case["rows"]
    tasks = sorted({row[1] for row in rows})
    found = score_attributes(
        {task: np.array([row[3] for row in rows if row[1] == task]) for task in tasks},
        {task: np.array([soft_label(row[2]) for row in rows if row[1] == task]) for task in tasks},
    )
    truth = write_truth(tmp_path / "truth.csv", rows)
    mixed = rows[::-1]
    write_attribute_submission(
        tmp_path / "out.csv", [r[0] for r in mixed], [r[1] for r in mixed], [np.array(r[3], float) for r in mixed]
    )
    from_files = score_attribute_files(truth, tmp_path / "out.csv")
    for score in (found.to_json(), from_files.to_json()):
        for name in ("map", "basic_precision", "accuracy"):
            assert score[name] == (None if case[name] is None else pytest.approx(case[name], abs=1e-12))
        assert list(score["per_task"]) == list(case["per_task"])
        for task, expected in case["per_task"].items():
            assert score["per_task"][task] == {
                key: value if value is None else pytest.approx(value, abs=1e-12) for key, value in expected.items()
            }
        assert score["images"] == len(rows)
    assert from_files.unnormalised == (2 if "sums" in case["name"] else 0)


@given(st.integers(0, 2**32), st.integers(1, 60), st.sampled_from([2, 5, 100000]))
def test_agrees_with_the_definition_word_by_word(seed, count, steps):
    probabilities, truth, letters = random_task(np.random.default_rng(seed), count, steps)
    expected = slow_ap(probabilities.tolist(), letters)
    assert average_precision(probabilities, truth) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    answers = [marks[row.argmax()] for row, marks in zip(probabilities, letters, strict=True)]
    score = score_task(probabilities, truth)
    counted = len(answers) - answers.count("m")
    basic = answers.count("y") / counted if counted else math.nan
    assert score.basic_precision == pytest.approx(basic, nan_ok=True)
    assert score.accuracy == pytest.approx(answers.count("y") / count)
    assert (score.images, score.maybe) == (count, answers.count("m"))
    assert score.confusion.sum() == count and np.trace(score.confusion) == answers.count("y")


@given(st.integers(0, 2**32))
def test_order_of_photos_and_growing_maps_of_probability_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    probabilities, truth, _ = random_task(rng, 30, 8)
    expected = average_precision(probabilities, truth)
    order = rng.permutation(30)
    assert average_precision(probabilities[order], truth[order]) == pytest.approx(expected, nan_ok=True)
    assert average_precision(probabilities**2 / 3, truth) == pytest.approx(expected, nan_ok=True)


def test_curve_runs_from_the_surest_photo_to_all():
    probabilities = np.array([[0.5, 0.4], [0.9, 0.1], [0.3, 0.7], [0.8, 0.2]])
    truth = np.array([[1, 0], [1, 0], [1, 0], [0.2, 0.8]], np.float32)
    thresholds, precision = precision_curve(probabilities, truth)
    np.testing.assert_array_equal(thresholds, [0.9, 0.8, 0.7, 0.5])
    np.testing.assert_allclose(precision, [1, 1, 1 / 2, 2 / 3])
    for empty in precision_curve(np.empty((0, 3)), np.empty((0, 3))):
        assert empty.shape == (0,)


def test_perfect_and_hopeless():
    truth = np.eye(4)
    assert average_precision(truth, truth) == 1
    assert average_precision(truth[::-1], truth) == 0


def test_tasks_that_nobody_asks_for_are_left_out_and_missing_ones_told():
    probabilities, truth, _ = random_task(np.random.default_rng(0), 5, 9)
    assert list(score_attributes({"b": probabilities, "a": probabilities}, {"a": truth}).per_task) == ["a"]
    with pytest.raises(ValueError, match="no probabilities for b"):
        score_attributes({"a": probabilities}, {"a": truth, "b": truth})
    with pytest.raises(ValueError, match="nothing to score"):
        score_attributes({"a": probabilities}, {})


@pytest.mark.parametrize(
    ("probabilities", "truth", "message"),
    [
        (np.zeros((2, 3)), np.eye(3), r"a: expected probabilities and truth \(N, C\); got \(2, 3\) and \(3, 3\)"),
        (np.zeros(3), np.ones(3), "expected probabilities and truth"),
        (np.eye(3) - 0.1, np.eye(3), "negative or not a finite number; give probabilities, not logits"),
        (np.eye(3) * np.nan, np.eye(3), "negative or not a finite number"),
        (np.eye(3), np.diag([1, 0, 1]), "a photo has no label"),
    ],
)
def test_what_cannot_be_scored_is_an_error(probabilities, truth, message):
    with pytest.raises(ValueError, match=message):
        score_attributes({"a": probabilities}, {"a": truth})


def test_json_is_plain_and_has_no_nan():
    score = score_attributes({"a": np.array([[0.1, 0.9]])}, {"a": np.array([[0.8, 0.2]], np.float32)})
    found = json.loads(json.dumps(score.to_json(), allow_nan=False))
    assert found["map"] is None and found["per_task"]["a"]["accuracy"] == 0.0


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        (
            f"{ROW},ynnnn\nb.jpg,neck_design_labels,ynnnn\n",
            f"{ROW},1;0;0;0;0\n",
            r"truth.csv:2: 'b.jpg' of neck_design",
        ),
        (f"{ROW},ynnnn\n", f"b{ROW},1;0;0;0;0\n{ROW},1;0;0;0;0\n", r"out.csv:1: 'ba.jpg' of neck_design has no row in"),
        (f"{ROW},ynnnn\n", f"{ROW},1;0;0;0;0\n{ROW},1;0;0;0;0\n", r"out.csv:2: 'a.jpg' again for neck_design_labels"),
        (f"{ROW},ynnnn\n", f"{ROW},1;0;0;0\n", r"out.csv:1: 4 probabilities; neck_design_labels has 5 classes"),
        (f"{ROW},ynnnn\n", f"{ROW},1;0;0;0;nan\n", r"out.csv:1: probability nan"),
        (f"{ROW},ynnnn\n", f"{ROW},1;0;0;0;-1\n", r"out.csv:1: probability -1"),
        (f"{ROW},ynnn\n", f"{ROW},1;0;0;0;0\n", r"truth.csv:1: marks 'ynnn': 4 letters"),
        (f"{ROW},?\n", f"{ROW},1;0;0;0;0\n", r"truth.csv:1: marks '\?'"),
    ],
)
def test_what_is_wrong_with_files_is_told_with_its_line(tmp_path, truth, predicted, message):
    (tmp_path / "truth.csv").write_text(truth)
    (tmp_path / "out.csv").write_text(predicted)
    with pytest.raises(FormatError, match=message):
        score_attribute_files(tmp_path / "truth.csv", tmp_path / "out.csv")


def test_confusion_has_the_truth_in_rows():
    found = confusion_matrix(np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1]), 3)
    np.testing.assert_array_equal(found, [[1, 1, 0], [0, 1, 1], [0, 0, 0]])
    for predicted, true in (([3], [0]), ([0], [-1]), ([0, 1], [0])):
        with pytest.raises(ValueError, match=r"expected (predicted|0 to 2)"):
            confusion_matrix(np.array(predicted), np.array(true), 3)
