import numpy as np
import pytest

from aifashion.boxes import Detections
from aifashion.eval.calibration import logit, sigmoid
from aifashion.eval.detection_calibration import BoxCalibration, fit_boxes


def test_the_curve_of_boxes_that_follow_one_is_found():
    rng = np.random.default_rng(3)
    score = rng.uniform(0.02, 0.98, 20_000)
    right = rng.random(len(score)) < sigmoid(1.7 * logit(score) - 0.8)
    found = fit_boxes(score, right, int(right.sum()))
    assert found.slope == pytest.approx(1.7, abs=0.08)
    assert found.offset == pytest.approx(-0.8, abs=0.08)


def test_the_threshold_has_the_best_f1_worked_by_hand():
    # From the likeliest on: right, right, wrong, right, wrong, of 4 garments. F1 after each: 2/5, 4/6, 4/7, 6/8, 6/9.
    score, right = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([1, 1, 0, 1, 0], bool)
    found = fit_boxes(score, right, 4)
    told = found.probability(score) >= np.float32(found.threshold) - 1e-6
    assert told.tolist() == [True, True, True, True, False]


def test_boxes_of_one_score_are_all_told_or_none():
    found = fit_boxes(np.full(4, 0.5), np.array([True, True, False, True]), 3)
    assert (found.probability(np.full(4, 0.5)) >= np.float32(found.threshold) - 1e-6).all()


def test_without_boxes_scores_stay_what_they_are():
    found = fit_boxes(np.zeros(0), np.zeros(0, bool), 5)
    assert found == BoxCalibration(1.0, 0.0, 0.5)
    np.testing.assert_allclose(found.probability(np.array([0.1, 0.5, 0.9])), [0.1, 0.5, 0.9], rtol=1e-5)


@pytest.mark.parametrize("right", [True, False])
def test_boxes_that_are_all_right_or_all_wrong_keep_a_finite_curve(right):
    found = fit_boxes(np.linspace(0.1, 0.9, 9), np.full(9, right), 9)
    assert np.isfinite([found.slope, found.offset]).all()


def test_calibrated_boxes_have_probabilities_and_the_unlikely_are_gone():
    score = np.array([0.2, 0.9, 0.6], np.float32)
    found = Detections(np.array([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3.0]]), np.array([0, 1, 2]), score)
    told = BoxCalibration(2.0, 0.5, 0.4).calibrated(found)
    expected = 1 / (1 + np.exp(-(2 * np.log(score / (1 - score)) + 0.5)))
    np.testing.assert_allclose(told.score, expected[1:], rtol=1e-5)
    assert told.category.tolist() == [1, 2]


def test_it_goes_through_json():
    known = BoxCalibration(2.0, -0.5, 0.4)
    assert BoxCalibration.from_json(known.to_json()) == known
    assert BoxCalibration.from_json(known.to_json() | {"slope": 2**64}).slope == 2.0**64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slope": -1.0}, "a slope from 0 up"),
        ({"threshold": 1.5}, "a threshold from 0 to 1"),
        ({"offset": float("nan")}, "finite numbers"),
        ({"slope": "1"}, "finite numbers"),
        ({"offset": -(10**400)}, "finite numbers"),
        ({"more": 1}, "expected slope, offset, threshold"),
    ],
)
def test_what_no_fit_writes_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        BoxCalibration.from_json(BoxCalibration(1.0, 0.0, 0.5).to_json() | change)
