import json
import math

import numpy as np
import pytest
from scipy.special import expit
from scipy.special import log_softmax as reference_log_softmax

from aifashion.eval.calibration import (
    LIMITS,
    fit_label_temperatures,
    fit_temperature,
    log_softmax,
    reliability,
    sigmoid,
    softmax,
    top_label,
)


def answers(rng: np.random.Generator, temperature: float, count: int = 20000) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, 5) that are `temperature` times too large, and one-hot targets drawn from the right probabilities."""
    right = rng.normal(0, 2, (count, 5))
    drawn = (softmax(right).cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    return temperature * right, np.eye(5)[drawn]


def slow_ece(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
    total = 0.0
    for m in range(bins):
        inside = [i for i, c in enumerate(confidence) if (m / bins < c <= (m + 1) / bins) or (m == 0 and c == 0)]
        if inside:
            gap = np.mean([correct[i] for i in inside]) - np.mean([confidence[i] for i in inside])
            total += len(inside) / len(confidence) * float(abs(gap))
    return total


def test_probabilities_are_stable_and_agree_with_scipy():
    logits = np.array([[1e4, 0, -1e4], [1, 2, 3], [-5, -5, -5]])
    np.testing.assert_allclose(log_softmax(logits), reference_log_softmax(logits, axis=1))
    np.testing.assert_allclose(softmax(logits, 2.0), np.exp(reference_log_softmax(logits / 2, axis=1)))
    np.testing.assert_allclose(sigmoid(logits, np.array([1, 2, 4])), expit(logits / [1, 2, 4]))


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_is_found_again_and_calibrates(temperature):
    logits, targets = answers(np.random.default_rng(0), temperature)
    found = fit_temperature(logits, targets)
    assert found == pytest.approx(temperature, rel=0.03)
    before, after = (reliability(*top_label(softmax(logits, t), targets)).ece for t in (1.0, found))
    assert after < 0.015 and (temperature == 1 or before > 5 * after)
    assert (softmax(logits, found).argmax(axis=1) == logits.argmax(axis=1)).all()


def test_the_temperature_minimises_the_cross_entropy_with_soft_targets():
    rng = np.random.default_rng(1)
    logits, targets = answers(rng, 2.0, 300)
    targets = 0.8 * targets + 0.2 * np.roll(targets, 1, axis=1)

    def loss(temperature: float) -> float:
        return -float((targets * reference_log_softmax(logits / temperature, axis=1)).sum())

    found = fit_temperature(logits, targets)
    assert loss(found) <= min(loss(t) for t in np.geomspace(*LIMITS, 2000)) + 1e-6


def test_certainty_stops_at_the_limit():
    assert fit_temperature(np.eye(3), np.eye(3)) == pytest.approx(LIMITS[0], rel=1e-3)
    assert fit_temperature(np.eye(3), np.eye(3)[::-1]) == pytest.approx(LIMITS[1], rel=1e-3)


def test_a_head_may_turn_logits_into_probabilities_in_its_own_way():
    rng = np.random.default_rng(3)
    steps = np.sort(rng.normal(0, 3, (20000, 2)), axis=1)[:, ::-1]

    def cumulative(logits: np.ndarray) -> np.ndarray:
        beyond = expit(logits)
        return np.log(np.stack([1 - beyond[:, 0], beyond[:, 0] - beyond[:, 1], beyond[:, 1]], axis=1) + 1e-300)

    drawn = (np.exp(cumulative(steps)).cumsum(axis=1) > rng.random((20000, 1))).argmax(axis=1)
    assert fit_temperature(1.7 * steps, np.eye(3)[drawn], cumulative) == pytest.approx(1.7, rel=0.04)


def test_a_class_without_any_part_may_have_no_probability():
    def only_two(logits: np.ndarray) -> np.ndarray:
        return np.concatenate([log_softmax(logits), np.full((len(logits), 1), -np.inf)], axis=1)

    found = fit_temperature(np.eye(2), np.array([[0.7, 0.3, 0], [0.3, 0.7, 0]]), only_two)
    assert softmax(np.eye(2), found)[0, 0] == pytest.approx(0.7, abs=1e-4)


def test_every_label_of_an_independent_head_has_its_own_temperature():
    rng = np.random.default_rng(2)
    right = rng.normal(0, 2, (20000, 4))
    targets = (rng.random(right.shape) < expit(right)).astype(float)
    targets[:, 2], targets[:, 3] = 0, 1
    found = fit_label_temperatures(right * [0.5, 3, 1, 1], targets)
    np.testing.assert_allclose(found, [0.5, 3, 1, 1], rtol=0.05)
    np.testing.assert_array_equal(found[2:], 1)


def test_bins_hold_their_upper_edge():
    found = reliability(np.array([0.0, 0.3, 0.5, 0.9, 1.0]), np.array([0, 1, 0, 1, 1]), bins=2)
    np.testing.assert_array_equal(found.counts, [3, 2])
    np.testing.assert_allclose(found.confidence, [0.8 / 3, 0.95])
    np.testing.assert_allclose(found.accuracy, [1 / 3, 1])
    assert found.ece == pytest.approx(0.6 * (1 / 3 - 0.8 / 3) + 0.4 * 0.05)
    edges = reliability(np.arange(1, 16) / 15, np.ones(15), bins=15)
    np.testing.assert_array_equal(edges.counts, 1)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_ece_agrees_with_the_definition(bins):
    rng = np.random.default_rng(bins)
    confidence = rng.beta(4, 1, 300)
    correct = (rng.random(300) < confidence**2).astype(float)
    assert reliability(confidence, correct, bins).ece == pytest.approx(slow_ece(confidence, correct, bins))


def test_a_soft_target_is_correct_in_part():
    confidence, correct = top_label(np.array([[0.6, 0.4], [0.1, 0.9]]), np.array([[0.2, 0.8], [0.0, 1.0]]))
    np.testing.assert_allclose(confidence, [0.6, 0.9])
    np.testing.assert_allclose(correct, [0.2, 1])


def test_empty_bins_are_null_in_json():
    found = json.loads(json.dumps(reliability(np.array([0.9]), np.array([True]), 3).to_json(), allow_nan=False))
    assert found["accuracy"] == [None, None, 1.0] and found["counts"] == [0, 0, 1]
    assert found["ece"] == pytest.approx(0.1)
    nothing = reliability(np.array([]), np.array([]))
    assert math.isnan(nothing.ece) and nothing.to_json()["ece"] is None


def test_what_cannot_be_calibrated_is_an_error():
    for logits, targets in ((np.empty((0, 3)), np.empty((0, 3))), (np.ones((2, 3)), np.ones((3, 3))), ([1], [1])):
        with pytest.raises(ValueError, match="N > 0"):
            fit_temperature(np.array(logits), np.array(targets))
    with pytest.raises(ValueError, match="diverged"):
        fit_temperature(np.array([[np.inf, 0]]), np.array([[1, 0]]))
    with pytest.raises(ValueError, match="one shape"):
        fit_label_temperatures(np.ones((2, 3)), np.ones((2, 2)))
    with pytest.raises(ValueError, match="not logits"):
        reliability(np.array([1.5]), np.array([1]))
    with pytest.raises(ValueError, match="bins >= 1"):
        reliability(np.array([0.5]), np.array([1]), bins=0)
    with pytest.raises(ValueError, match="twice"):
        reliability(np.array([0.5]), np.array([1, 0]))
