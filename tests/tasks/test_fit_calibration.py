"""What a classifier's calibration finds on validation photos, and that the run keeps it."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, log_softmax

from aifashion.data_gen.label_table import LabelTable, PhotoFiles
from aifashion.eval.attribute_inference import Outcome
from aifashion.recognition.attribute_model import Calibration, read_calibration
from aifashion.records import HeadSpec
from aifashion.tasks.attribute_scores import fit_calibration

SHAPE = HeadSpec("shape", "exclusive", ("round", "square", "other"))
LENGTH = HeadSpec("length", "ordinal", ("short", "knee", "long"))
STYLE = HeadSpec("style", "independent", ("sport", "OL/commuter"))
NEVER = HeadSpec("never", "exclusive", ("a", "b"))
HEADS = (SHAPE, LENGTH, STYLE, NEVER)
COUNT = 8000


def steps(logits: np.ndarray) -> np.ndarray:
    """Probabilities of the three lengths from `higher than short` and `higher than knee`, which never contradict."""
    higher = expit(logits)
    return np.stack([1 - higher[:, 0], higher[:, 0] - higher[:, 1], higher[:, 1]], axis=1)


def drawn(rng: np.random.Generator, probabilities: np.ndarray) -> np.ndarray:
    return (probabilities.cumsum(axis=1) > rng.random((len(probabilities), 1))).argmax(axis=1)


@pytest.fixture(scope="module")
def validated() -> tuple[LabelTable, list[Outcome]]:
    """Photos whose labels are drawn from the right probabilities, and logits that are 2, 3, 4 and 0.5 times too large.

    Every third photo is labelled for one of the first three heads, none for the last.
    """
    rng = np.random.default_rng(0)
    shape = rng.normal(0, 1.5, (COUNT, 3))
    length = np.sort(rng.normal(0, 2, (COUNT, 2)), axis=1)[:, ::-1]
    style = rng.normal(-1, 1.5, (COUNT, 2))
    codes = np.full((COUNT, 4), -1, np.int32)
    codes[0::3, 0] = drawn(rng, np.exp(log_softmax(shape, axis=1)))[0::3]
    codes[1::3, 1] = drawn(rng, steps(length))[1::3]
    codes[2::3, 2] = (rng.random(style.shape) < expit(style)).astype(int)[2::3] @ [1, 2]
    styles = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    photos = PhotoFiles(Path("there"), [f"{i}.jpg" for i in range(COUNT)])
    table = LabelTable(photos, HEADS, codes, (None, None, styles, None))
    logits = {"shape": 2 * shape, "length": 3 * length, "style": style * [4, 0.5], "never": shape[:, :2]}
    outcomes = [Outcome(row, {}, {name: values[row] for name, values in logits.items()}) for row in range(COUNT)]
    return table, outcomes


@pytest.fixture(scope="module")
def calibration(validated, tmp_path_factory) -> tuple[Calibration, Path]:
    run = tmp_path_factory.mktemp("run")
    return fit_calibration(run, *validated), run


def test_the_temperatures_of_all_kinds_of_heads_are_found_again(calibration):
    temperatures = calibration[0].temperatures
    assert set(temperatures) == {"shape", "length", "style"}  # nothing is known of the last
    assert float(temperatures["shape"]) == pytest.approx(2, rel=0.1)
    assert float(temperatures["length"]) == pytest.approx(3, rel=0.1)
    np.testing.assert_allclose(temperatures["style"], [4, 0.5], rtol=0.12)


def test_thresholds_belong_to_the_scaled_probabilities(calibration, validated):
    table, outcomes = validated
    (thresholds,) = calibration[0].thresholds.values()
    assert list(calibration[0].thresholds) == ["style"] and len(thresholds) == 2
    rows = np.arange(2, COUNT, 3)
    truth = table.target(2, rows)[0].astype(bool)
    right = expit(np.array([outcomes[row].logits["style"] for row in rows]) / [4, 0.5])  # type: ignore[index]

    def f2(cuts: np.ndarray) -> float:
        said = right >= cuts
        hits, count = (said & truth).sum(axis=1), 4 * truth.sum(axis=1) + said.sum(axis=1)
        return float(np.where(count > 0, 5 * hits / np.maximum(count, 1), 1).mean())

    grid = [f2(np.array([a, b])) for a in np.linspace(0.05, 0.95, 19) for b in np.linspace(0.05, 0.95, 19)]
    assert f2(np.array(thresholds)) > max(grid) - 0.01
    assert f2(np.array([0.5, 0.5])) < max(grid) - 0.01  # to answer as usual would be worse


def test_what_was_found_is_kept_with_the_run(calibration):
    found, run = calibration
    again = read_calibration(run, HEADS)
    assert set(again.temperatures) == set(found.temperatures) and again.thresholds == found.thresholds
    for name, value in again.temperatures.items():
        np.testing.assert_array_equal(value, found.temperatures[name])
    assert set(json.loads((run / "calibration.json").read_text())) == {"temperatures", "thresholds", "sha256"}
    assert [path.name for path in run.iterdir()] == ["calibration.json"]
