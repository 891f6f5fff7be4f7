import numpy as np
import pytest

from aifashion.eval.dimensions import draw_dimensions, measured_lines, value_text
from aifashion.eval.drawing import LEFT
from aifashion.eval.measuring import Length, Measured, measure
from aifashion.measurement_sets import measurements_of
from aifashion.measurements import measurement_from
from aifashion.planes import uniform_plane
from aifashion.records import ABSENT, VISIBLE, Prediction
from aifashion.vocabulary import load_vocabulary

SKIRTS = load_vocabulary().restricted("skirt")
KNOWN = measurements_of(SKIRTS)
XY = np.array([[100.0, 60], [300, 60], [60, 340], [340, 340]])


def prediction(state: int = VISIBLE) -> Prediction:
    return Prediction("a", "skirt", None, XY, np.ones(4), np.array([VISIBLE, VISIBLE, state, VISIBLE]))


def test_lines_lie_where_they_are_measured():
    photo = np.full((400, 400, 3), 128, np.uint8)
    drawn = draw_dimensions(photo, [(prediction(), measure([prediction()], KNOWN)[0])], KNOWN, longer_side=0)
    assert drawn.shape == photo.shape and (photo == 128).all()
    middle = XY[[0, 2]].mean(axis=0) + np.array([0, 90])  # of the left side, below its name
    at = XY[0] + (XY[2] - XY[0]) * (middle[1] - 60) / 280
    seen = drawn[round(at[1]), round(at[0])].astype(int)
    assert np.abs(seen - LEFT).max() < 60
    assert (drawn[200, 330] == 128).all()


def test_what_is_absent_is_left_out_and_small_photos_grow():
    photo = np.zeros((400, 400, 3), np.uint8)
    whole = draw_dimensions(photo, [(prediction(), measure([prediction()], KNOWN)[0])], KNOWN)
    less = draw_dimensions(photo, [(prediction(ABSENT), measure([prediction(ABSENT)], KNOWN)[0])], KNOWN)
    assert whole.shape == (900, 900, 3) and (less > 0).sum() < (whole > 0).sum()
    assert not draw_dimensions(photo, [(prediction(), Measured({}))], KNOWN).any()


def test_the_values():
    (measured,) = measure([prediction()], KNOWN, uniform_plane(10))
    assert value_text("side_left", Length(214.4, 2.0, 1.0, False)) == "side left 214 px"
    assert value_text("waist", measured.lengths["waist"]) == "waist 20.0 cm"
    assert value_text("waist", Length(200, 3, 1, False, 20.04, 0.66)) == "waist 20.0 ± 0.7 cm"


@pytest.mark.parametrize(("along", "foot"), [(None, (200, 340)), (["waistband_left", "hemline_left"], (160, 340))])
def test_the_foot_of_a_point_on_its_line(along, foot):
    form = {"from": ["waistband_left", "waistband_right"], "onto": ["hemline_left", "hemline_right"]}
    form |= {} if along is None else {"along": along}
    measurement = measurement_from("length", form, "x", set(SKIRTS.keypoints))
    ((start, end),) = measured_lines(measurement, XY, SKIRTS)
    assert start.tolist() == [200, 60] and end == pytest.approx(foot)
