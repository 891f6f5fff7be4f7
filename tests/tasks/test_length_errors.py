"""Standard errors of lengths that are fitted to answers whose errors are drawn."""

from pathlib import Path

import numpy as np
import pytest

from aifashion.config import KeypointConfig
from aifashion.eval.inference import PhotoResult
from aifashion.eval.keypoint_errors import default_errors
from aifashion.geometry import Frame, zoom
from aifashion.records import HIDDEN, VISIBLE, Keypoints, Prediction, Sample
from aifashion.tasks.length_errors import fit_keypoint_errors
from aifashion.vocabulary import load_vocabulary

CONFIG = KeypointConfig(size=64, category="skirt", vocabulary=load_vocabulary().restricted("skirt"))
TRUE = np.array([[100.0, 50], [200, 50], [80, 300], [220, 300]])
FRAME = zoom(0.2)


def answers(count: int, seed: int, shared: float = 0.0) -> list[PhotoResult]:
    """Garments in photos of which a cell is 20 px. Each heatmap is as wide as its error is likely to be large.

    shared: the deviation in px by which both points of a pair are off together, up or down.
    """
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        wide = np.exp(rng.normal(0, 0.6, 4))
        spread = wide[:, None, None] ** 2 * np.eye(2)
        off = rng.normal(0, 1, (4, 2)) * 0.4 * wide[:, None] * 20
        off[:2, 1] += rng.normal(0, shared)
        off[2:, 1] += rng.normal(0, shared)
        truth = Keypoints(TRUE, np.full(4, VISIBLE))
        prediction = Prediction("a", "skirt", None, TRUE + off, np.full(4, 0.7), np.full(4, VISIBLE))
        sample = Sample(f"{number}", Path("a"), "skirt", truth)
        found.append(PhotoResult(sample, prediction, frame=FRAME, spread=spread))
    return found


def test_lengths_are_covered_as_they_should_be():
    fitted = fit_keypoint_errors(answers(800, 0), CONFIG)
    assert fitted.lengths == 800 * 5
    assert fitted.after[0] == pytest.approx(0.683, abs=0.02) and fitted.after[1] == pytest.approx(0.955, abs=0.015)
    again = fit_keypoint_errors(answers(400, 1), CONFIG, fitted.errors)
    assert again.before[0] == pytest.approx(0.683, abs=0.03) and again.before[1] == pytest.approx(0.955, abs=0.02)


def test_errors_that_two_points_share_are_in_the_factors():
    fitted = fit_keypoint_errors(answers(800, 2, shared=20), CONFIG)
    factors = fitted.errors.lengths
    length = "from waistband_left+waistband_right onto hemline_left hemline_right"
    # Both ends of a width go up together, which hardly changes it; a length to the hem takes all of it.
    assert factors[length] > 1.3 > 1 > factors["between hemline_left hemline_right"]
    assert fitted.after[0] == pytest.approx(0.683, abs=0.03)


def test_without_earlier_errors_those_before_are_the_default():
    seen = answers(200, 3)
    plain = fit_keypoint_errors(seen, CONFIG)
    assert plain.before == fit_keypoint_errors(seen, CONFIG, default_errors(4)).before != plain.after


def test_points_that_are_not_visible_do_not_count():
    seen = answers(200, 4)
    states = np.array([VISIBLE, VISIBLE, HIDDEN, HIDDEN])
    for result in seen:
        object.__setattr__(result.sample, "keypoints", Keypoints(TRUE, states))
    assert fit_keypoint_errors(seen, CONFIG).lengths == 200  # the waist
    for result in seen:
        object.__setattr__(result.sample, "keypoints", None)
    with pytest.raises(ValueError, match="no annotated photo was answered"):
        fit_keypoint_errors(seen, CONFIG)


def test_the_size_of_photos_does_not_matter():
    seen = answers(300, 5)
    small = []
    for result in seen:
        prediction, sample = result.prediction, result.sample
        assert prediction is not None
        shrunk = Prediction("a", "skirt", None, prediction.xy / 10, prediction.score, prediction.state)
        truth = Sample("a", sample.path, "skirt", Keypoints(TRUE / 10, np.full(4, VISIBLE)))
        small.append(PhotoResult(truth, shrunk, frame=Frame(np.array([[2, 0, 0], [0, 2, 0.0]])), spread=result.spread))
    one, other = fit_keypoint_errors(seen, CONFIG), fit_keypoint_errors(small, CONFIG)
    np.testing.assert_allclose(one.errors.scale, other.errors.scale, rtol=1e-4)
