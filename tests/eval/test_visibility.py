import json

import numpy as np
import pytest

from aifashion.eval.calibration import reliability, sigmoid
from aifashion.eval.keypoint_errors import KeypointErrors
from aifashion.eval.visibility import LOST, Visibility, fit_visibility, mean_peak


def drawn(count: int, slope: np.ndarray, offset: np.ndarray, seed: int = 0):
    """Peaks, and visibility drawn with the probabilities of known curves."""
    rng = np.random.default_rng(seed)
    peaks = rng.uniform(0.02, 0.98, (count, len(slope)))
    probabilities = slope * np.log(peaks / (1 - peaks)) + offset
    return peaks, rng.random(peaks.shape) < sigmoid(probabilities)


def test_the_curves_that_it_was_drawn_from_are_found():
    slope, offset = np.array([1.0, 2.0, 0.5]), np.array([0.0, 1.5, -1.0])
    peaks, visible = drawn(20_000, slope, offset)
    found = fit_visibility(peaks, visible, np.ones_like(visible))
    np.testing.assert_allclose(found.slope, slope, atol=0.1)
    np.testing.assert_allclose(found.offset, offset, atol=0.1)
    told = found.probability(peaks)
    assert reliability(told.ravel(), visible.ravel()).ece < 0.01 < reliability(peaks.ravel(), visible.ravel()).ece


def test_a_keypoint_with_few_examples_follows_the_others():
    slope, offset = np.full(3, 1.5), np.full(3, 0.7)
    peaks, visible = drawn(4000, slope, offset)
    present = np.ones_like(visible)
    present[3:, 2] = False
    visible[:3, 2] = True
    found = fit_visibility(peaks, visible, present)
    assert abs(found.slope[2] - 1.5) < 0.3 and abs(found.offset[2] - 0.7) < 0.6


def test_keypoints_that_are_always_visible_or_never_keep_a_curve():
    peaks, _ = drawn(500, np.ones(2), np.zeros(2))
    visible = np.stack([np.ones(500, bool), np.zeros(500, bool)], axis=1)
    found = fit_visibility(peaks, visible, np.ones_like(visible))
    told = found.probability(np.array([0.5, 0.5]))
    assert told[0] > 0.9 and told[1] < 0.1 and np.isfinite(found.offset).all()
    rising = found.probability(np.linspace(0, 1, 9)[:, None])
    assert (np.diff(rising, axis=0) >= 0).all()


def test_a_photo_whose_points_are_all_low_shows_no_garment():
    rng = np.random.default_rng(0)
    peaks = np.full((1000, 4), 0.7) + rng.uniform(-0.1, 0.1, (1000, 1))
    present = np.array([True, True, True, False])[None].repeat(1000, axis=0)
    peaks[:, 3] = 0  # of another category: does not count
    found = fit_visibility(peaks, present, present).found
    means = [mean_peak(*pair) for pair in zip(peaks, present, strict=True)]
    assert np.mean(np.array(means) < found) == pytest.approx(LOST, abs=0.002)
    assert mean_peak(np.full(4, 0.3), present[0]) < found < mean_peak(np.full(4, 0.7), present[0])
    assert mean_peak(np.ones(4), np.zeros(4, bool)) == 0


def test_photos_without_a_garment_lower_what_counts_as_none_but_never_raise_it():
    peaks, present = np.full((1000, 2), 0.6), np.ones((1000, 2), bool)
    peaks[:10] = 0.5
    alone = fit_visibility(peaks, present, present).found
    assert alone == pytest.approx(0.5)
    assert fit_visibility(peaks, present, present, np.full(50, 0.1)).found == pytest.approx(0.3)
    assert fit_visibility(peaks, present, present, np.full(50, 0.7)).found == alone


def test_it_is_kept_as_json():
    found = Visibility(np.array([1.0, 2.0]), np.array([0.5, -0.5]), 0.25)
    again = Visibility.from_json(json.loads(json.dumps(found.to_json())), 2)
    peaks = np.array([[0.2, 0.9]])
    assert (again.probability(peaks) == found.probability(peaks)).all() and again.found == 0.25
    assert found.probability(peaks)[0, 0] == pytest.approx(1 / (1 + np.exp(-(np.log(0.25) + 0.5))))
    assert again.errors is None and "errors" not in found.to_json()  # as earlier versions wrote it


def test_the_errors_of_keypoints_are_kept_with_it():
    errors = KeypointErrors(np.array([0.5, 0.75]), 0.5, -0.25, {"between a b": 1.5})
    found = Visibility(np.array([1.0, 2.0]), np.array([0.5, -0.5]), 0.25, errors)
    again = Visibility.from_json(json.loads(json.dumps(found.to_json())), 2)
    assert again.errors is not None and again.errors.to_json() == errors.to_json()
    with pytest.raises(ValueError, match="expected 2 scales and factors above 0"):
        Visibility.from_json({**found.to_json(), "errors": {**errors.to_json(), "scale": [1.0]}}, 2)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"slope": [1.0]}, "no calibration of keypoints: expected slope, offset and found"),
        ({"slope": [True], "offset": [0.0], "found": 0.1}, "a value is not a number"),
        ({"slope": [1.0, -1.0], "offset": [0.0, 0.0], "found": 0.1}, "expected slopes from 0 up"),
        ({"slope": [1.0, 1.0], "offset": [0.0, 0.0], "found": 1.1}, "for found a number from 0 to 1"),
        ([], "no calibration of keypoints: expected slope, offset and found"),
        ({"slope": [1.0, {}], "offset": [0.0, 0.0], "found": 0.1}, "a value is not a number"),
        ({"slope": [1.0, 10**400], "offset": [0.0, 0.0], "found": 0.1}, "no calibration of keypoints"),
        ({"slope": [1.0, 1.0], "offset": [0.0, 0.0], "found": None}, "a value is not a number"),
        ({"slope": [1.0], "offset": [0.0], "found": 0.1}, r"expected 2 finite slopes and offsets; got \(1,\)"),
        ({"slope": [1.0, float("nan")], "offset": [0.0, 0.0], "found": 0.1}, "expected 2 finite"),
    ],
)
def test_what_is_no_calibration(facts, message):
    with pytest.raises(ValueError, match=message):
        Visibility.from_json(facts, 2)


@pytest.mark.parametrize(
    ("peaks", "present", "message"),
    [
        (np.zeros((2, 3)), np.ones((2, 2), bool), r"expected \(N, K\) three times"),
        (np.zeros((0, 3)), np.ones((0, 3), bool), r"expected \(N, K\) three times"),
        (np.full((2, 3), np.nan), np.ones((2, 3), bool), "not finite"),
        (np.zeros((2, 3)), np.zeros((2, 3), bool), "a photo has no keypoint"),
    ],
)
def test_what_cannot_be_fitted(peaks, present, message):
    with pytest.raises(ValueError, match=message):
        fit_visibility(peaks, present, present)
