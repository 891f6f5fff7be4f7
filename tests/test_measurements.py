"""Lengths by hand, and their derivatives against differences."""

import numpy as np
import pytest

from aifashion.measurements import Lengths, measurements_from, plain
from aifashion.vocabulary_names import VocabularyError

POINTS = ("a", "b", "c", "d", "e")
FORMS = {
    "width": {"between": ["a", "b"]},
    "middle": {"between": [["a", "b"], "c"]},
    "way": {"path": ["a", "b", "c"]},
    "drop": {"from": "c", "onto": ["a", "b"]},
    "slant": {"from": "c", "onto": ["a", "b"], "along": ["b", "d"]},
}


def lengths(forms: dict = FORMS) -> Lengths:
    return Lengths(measurements_from(forms, "x", set(POINTS)), POINTS)


def test_lengths_of_a_triangle():
    xy = np.array([[0, 0], [30, 40], [30, 0], [30, 10], [7, 7]])
    found, _ = lengths().measure(xy)
    # From (15, 20) to (30, 0); from (30, 0) to the line of slope 4/3, at a right angle 24; straight down it is 40.
    assert found == pytest.approx([50, 25, 90, 24, 40])


def test_derivatives_are_those_of_small_steps():
    rng = np.random.default_rng(3)
    of = lengths()
    for _ in range(20):
        xy = rng.normal(0, 30, (5, 2))
        _, slopes = of.measure(xy)
        for k, d in np.ndindex(5, 2):
            step = np.zeros((5, 2))
            step[k, d] = 1e-5
            expected = (of.measure(xy + step)[0] - of.measure(xy - step)[0]) / 2e-5
            np.testing.assert_allclose(slopes[:, k, d], expected, rtol=1e-4, atol=1e-5)


def test_lines_without_a_direction_measure_nothing():
    xy = np.array([[5, 5], [5, 5], [30, 0], [0, 0], [0, 0]], float)
    found, slopes = lengths().measure(xy)
    assert np.isnan(found[3:]).all() and found[0] == 0 and np.isfinite(slopes).all()
    parallel = np.array([[0, 0], [10, 0], [30, 5], [20, 0], [0, 0]], float)
    assert np.isnan(lengths().measure(parallel)[0][4])


def test_a_point_on_its_line_is_at_0():
    xy = np.array([[0, 0], [10, 0], [5, 0], [10, 7], [0, 0]], float)
    found, slopes = lengths({"drop": FORMS["drop"], "slant": FORMS["slant"]}).measure(xy)
    assert found.tolist() == [0, 0] and np.isfinite(slopes).all()


def test_which_points_a_length_uses():
    assert lengths().uses[:, 4].tolist() == [False] * 5
    assert lengths().uses[4].tolist() == [True, True, True, True, False]


def test_plain_data_come_back_as_they_were():
    made = measurements_from(FORMS, "x", set(POINTS))
    assert plain(made) == FORMS and measurements_from(plain(made), "x", set(POINTS)) == made


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"between": ["a", "b", "c"]}, "between needs two points; got 3"),
        ({"between": ["a", "z"]}, "keypoint 'z' is not one of a, b, c, d, e"),
        ({"between": ["a", "a"]}, "leads from a to the same point"),
        ({"between": [["a", "b"], ["b", "a"]]}, "leads from a and b to the same point"),
        ({"path": ["c", ["a", "a", "b", "b"], ["a", "b"]]}, "to the same point"),
        ({"between": "a"}, "between must be a list of points; got 'a'"),
        ({"between": ["a", 3]}, "a point is the name of a keypoint, or a list of names"),
        ({"path": ["a"]}, "a path needs two points or more; got 1"),
        ({"from": "a"}, "expected between = two points"),
        ({"from": "a", "onto": ["b", "b"]}, "leads from b to the same point"),
        ({"between": ["a", "b"], "onto": ["c", "d"]}, "expected between = two points"),
        ({"between": ["a", "b"], "along": ["c", "d"]}, "expected between = two points"),
        ({"across": ["a", "b"]}, "unknown entry 'across'"),
        ({}, "got nothing"),
        (["a", "b"], "must be a table"),
    ],
)
def test_what_is_no_measurement(form, message):
    with pytest.raises(VocabularyError, match=r".*") as caught:
        measurements_from({"chest": form}, "blouse", set(POINTS))
    assert message in str(caught.value) and "'chest'" in str(caught.value)
    assert (caught.value.section, caught.value.item) == ("blouse", "chest")


def test_names_become_columns():
    with pytest.raises(VocabularyError, match="measurement 'my chest': expected 1 to 64 letters, digits and _"):
        measurements_from({"my chest": FORMS["width"]}, "blouse", set(POINTS))


def test_a_category_without_measurements_has_no_lengths():
    lengths, slopes = Lengths([], ["a", "b"]).measure(np.array([[1.0, 2], [3, 4]]))
    assert lengths.shape == (0,) and slopes.shape == (0, 2, 2)
