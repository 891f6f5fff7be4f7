from dataclasses import replace

import numpy as np
import pytest

from aifashion.eval.uncertainty import doubt
from aifashion.records import Prediction, Uncertainty
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()
SKIRT = ALL.restricted("skirt")


def skirt(variances: list[tuple[float, float]], visible: list[float] | None = None) -> Prediction:
    """A skirt whose waistband, its span, is 100 px long; the variances of the errors in px² along x and y."""
    xy = np.array([[10.0, 20], [110, 20], [0, 220], [120, 220]])
    covariance = np.array([np.diag(pair) for pair in variances], float)
    seen = None if visible is None else np.array(visible)
    return Prediction("a", "skirt", None, xy, np.full(4, 0.5), np.ones(4, int), seen, True, Uncertainty(covariance))


def test_points_are_as_far_off_as_their_standard_errors_say_in_spans():
    found = doubt(skirt([(9, 16), (0, 0), (36, 64), (9, 16)]), None, None, SKIRT)
    np.testing.assert_allclose(found.points, [0.05, 0, 0.1, 0.05])
    assert found.error == pytest.approx(0.05) and found.total == pytest.approx(0.05)
    assert found.category == found.box == 0


def test_a_keypoint_counts_as_much_as_it_is_likely_to_be_visible():
    found = doubt(skirt([(9, 16), (0, 0), (36, 64), (9, 16)], [1, 1, 0.5, 0]), None, None, SKIRT)
    assert found.error == pytest.approx((0.05 + 0.1 * 0.5) / 2.5)
    nowhere = doubt(skirt([(9, 16), (0, 0), (36, 64), (9, 16)], [0, 0, 0, 0]), None, None, SKIRT)
    assert nowhere.error == pytest.approx(0.05)


def test_no_point_is_further_off_than_the_span_and_without_a_span_all_are():
    assert doubt(skirt([(1e6, 0), (0, 0), (0, 0), (0, 0)]), None, None, SKIRT).error == pytest.approx(0.25)
    one_place = replace(skirt([(1, 1)] * 4), xy=np.full((4, 2), 7.0))
    assert doubt(one_place, None, None, SKIRT).error == 1


def test_absent_keypoints_have_no_error():
    absent = replace(skirt([(9, 16), (9, 16), (36, 64), (1e6, 0)]), state=np.array([1, 1, 1, -1]))
    found = doubt(absent, None, None, SKIRT)
    assert found.points[3] == 0 and found.error == pytest.approx(0.2 / 3)


def test_a_category_counts_by_the_keypoints_that_another_one_would_change():
    mask = ALL.mask("skirt")
    count = len(mask)
    xy = np.zeros((count, 2))
    xy[ALL.indices["waistband_right"]] = 100, 0
    state = np.where(mask, 1, -1)
    sure = Uncertainty(np.zeros((count, 2, 2)))
    answer = Prediction("a", "skirt", 0.6, xy, np.ones(count), state, None, True, sure)
    likely = np.zeros(len(ALL.categories))
    likely[ALL.category_index("skirt")], likely[ALL.category_index("trousers")] = 0.6, 0.3
    likely[ALL.category_index("dress")] = 0.1
    # Trousers share the waistband, 2 of 4 + 7 - 2 keypoints; a dress the hemline, 2 of 4 + 15 - 2.
    expected = 0.3 * 7 / 9 + 0.1 * 15 / 17
    assert doubt(answer, likely, None, ALL).category == pytest.approx(expected)
    assert doubt(replace(answer, category_probability=None), likely, None, ALL).category == 0


def test_the_parts_are_taken_as_independent():
    found = doubt(skirt([(9, 16)] * 4), None, 0.8, SKIRT)
    assert found.box == pytest.approx(0.2) and found.total == pytest.approx(1 - 0.95 * 0.8)


def test_an_answer_without_standard_errors_is_refused():
    with pytest.raises(ValueError, match="a: the answer says nothing of the errors"):
        doubt(replace(skirt([(1, 1)] * 4), uncertainty=None), None, None, SKIRT)
