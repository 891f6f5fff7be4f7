"""Lengths of garments in px and cm, and their standard errors against errors that are drawn."""

import dataclasses

import numpy as np
import pytest

from aifashion.data_gen.synthetic.virtual_camera import Pinhole, seen_at
from aifashion.eval.measuring import KnownLength, ScaleError, describe_measured, knows, measure
from aifashion.measurement_sets import measurements_of
from aifashion.planes import Camera, plane_of_corners, uniform_plane
from aifashion.records import ABSENT, HIDDEN, VISIBLE, Prediction, Uncertainty
from aifashion.vocabulary import load_vocabulary

SKIRTS = load_vocabulary().restricted("skirt", "trousers")
KNOWN = measurements_of(SKIRTS)
PLACES = {"waistband_left": (20, 10), "waistband_right": (60, 10), "hemline_left": (10, 90), "hemline_right": (70, 90)}


def skirt(noise: float = 1.0, **changes: object) -> Prediction:
    """40 px at the waist, 60 at the hem, 80 long."""
    count = len(SKIRTS.keypoints)
    xy, state = np.full((count, 2), -1.0), np.full(count, ABSENT)
    for name, place in PLACES.items():
        xy[SKIRTS.indices[name]], state[SKIRTS.indices[name]] = place, VISIBLE
    covariance = np.tile(noise**2 * np.eye(2), (count, 1, 1))
    made = Prediction("a", "skirt", None, xy, np.ones(count), state, np.ones(count), True, Uncertainty(covariance))
    return dataclasses.replace(made, **changes)


def test_lengths_in_px():
    (measured,) = measure([skirt()], KNOWN)
    lengths = measured.lengths
    assert list(lengths) == ["waist", "hem", "skirt_length", "side_left", "side_right"]
    assert lengths["waist"].px == 40 and lengths["hem"].px == 60 and lengths["skirt_length"].px == 80
    assert lengths["side_left"].px == pytest.approx(np.hypot(10, 80))
    assert lengths["hem"].ratio == 1.5 and lengths["hem"].hidden is False
    assert lengths["waist"].px_se == pytest.approx(np.sqrt(2))
    # The middle of two points is as sure as 1 / sqrt(2); the hem's line, in the middle between its ends, as well.
    assert lengths["skirt_length"].px_se == pytest.approx(1)
    assert lengths["waist"].cm is None and measured.px_per_cm is None and measured.scale_error is None


def test_what_is_hidden_absent_or_not_known():
    state = skirt().state.copy()
    state[SKIRTS.indices["hemline_left"]] = HIDDEN
    (measured,) = measure([skirt(state=state)], KNOWN)
    assert [n for n, length in measured.lengths.items() if length.hidden] == ["hem", "skirt_length", "side_left"]
    state[SKIRTS.indices["hemline_left"]] = ABSENT
    (measured,) = measure([skirt(state=state)], KNOWN)
    assert measured.lengths["hem"].px is None and measured.lengths["hem"].px_se is not None
    assert measured.lengths["waist"].px == 40
    (measured,) = measure([skirt(visible=None, uncertainty=None)], KNOWN)
    assert measured.lengths["hem"].hidden is None and measured.lengths["hem"].px_se is None
    (measured,) = measure([skirt(found=False)], KNOWN, uniform_plane(2))
    assert measured.lengths == {} and measured.scale_error == "no garment was found"


def test_one_scale():
    (measured,) = measure([skirt()], KNOWN, uniform_plane(2))
    assert measured.px_per_cm == pytest.approx(2)
    assert measured.lengths["waist"].cm == pytest.approx(20)
    assert measured.lengths["waist"].cm_se == pytest.approx(np.sqrt(2) / 2)
    # The scale's error is that of all lengths at once, beside the points' own.
    (unsure,) = measure([skirt()], KNOWN, uniform_plane(2, 0.05))
    assert unsure.lengths["waist"].cm_se == pytest.approx(np.hypot(np.sqrt(2) / 2, 0.05 * 20))


def test_factors_of_lengths_widen_standard_errors():
    key = "between waistband_left waistband_right"
    uncertainty = Uncertainty(np.tile(np.eye(2), (len(SKIRTS.keypoints), 1, 1)), {key: 3.0})
    (measured,) = measure([skirt(uncertainty=uncertainty)], KNOWN, uniform_plane(2))
    assert measured.lengths["waist"].px_se == pytest.approx(3 * np.sqrt(2))
    assert measured.lengths["waist"].cm_se == pytest.approx(1.5 * np.sqrt(2))
    assert measured.lengths["hem"].px_se == pytest.approx(np.sqrt(2))


def test_standard_errors_in_a_tilted_photo_are_those_of_drawn_errors():
    rng = np.random.default_rng(0)
    camera = Pinhole((1000, 1000), 35, 70)
    matrix = camera.matrix((80, 100))
    corners = np.array([[30.0, 40], [51, 40], [51, 69.7], [30, 69.7]])
    noise, noise_of_corners = 1.5, 0.5
    xy = np.where((skirt().state == ABSENT)[:, None], 500, seen_at(matrix, skirt().xy))
    prediction = skirt(noise, xy=xy)
    at = seen_at(matrix, corners)
    plane = plane_of_corners(at, noise_of_corners**2 * np.eye(8), corners)
    (measured,) = measure([prediction], KNOWN, plane)
    true = {"waist": 40, "hem": 60, "skirt_length": 80}
    assert {name: measured.lengths[name].cm for name in true} == pytest.approx(true, rel=1e-6)
    drawn = []
    for _ in range(1500):
        moved = dataclasses.replace(prediction, xy=xy + rng.normal(0, noise, xy.shape))
        seen = plane_of_corners(at + rng.normal(0, noise_of_corners, (4, 2)), 0 * plane.covariance, corners)
        drawn.append([measure([moved], KNOWN, seen)[0].lengths[name].cm for name in true])
    expected = [measured.lengths[name].cm_se for name in true]
    np.testing.assert_allclose(np.std(drawn, axis=0), expected, rtol=0.08)


def test_a_known_length_gives_the_scale_of_all_garments_of_its_photo():
    wider = skirt(xy=2 * skirt().xy)
    first, second = measure([skirt(), wider], KNOWN, KnownLength("waist", 20))
    assert first.lengths["waist"].cm == pytest.approx(20) and first.lengths["waist"].cm_se == pytest.approx(0, abs=1e-9)
    assert first.lengths["hem"].cm == pytest.approx(30) and second.lengths["waist"].cm == pytest.approx(40)
    # Of the garment itself the errors of both lengths, of the other one that of the scale.
    assert first.lengths["hem"].cm_se == pytest.approx(np.hypot(np.sqrt(2) / 2, 1.5 * np.sqrt(2) / 2))
    assert second.lengths["waist"].cm_se == pytest.approx(np.hypot(np.sqrt(2) / 2, 40 * np.sqrt(2) / 40))


def test_a_known_length_can_be_that_of_a_pair_of_keypoints():
    (measured,) = measure([skirt()], KNOWN, KnownLength("hemline", 30))
    assert measured.lengths["waist"].cm == pytest.approx(20)
    assert knows(KNOWN, "hemline") and knows(KNOWN, "rise") and not knows(KNOWN, "sleeve")


def test_a_known_length_that_no_garment_has():
    (measured,) = measure([skirt()], KNOWN, KnownLength("rise", 20))
    assert measured.scale_error == "no garment of this photo has the known length rise (skirt)"
    assert measured.lengths["waist"].px == 40 and measured.lengths["waist"].cm is None
    (flat,) = measure([skirt(xy=np.zeros_like(skirt().xy))], KNOWN, KnownLength("waist", 20))
    assert "has no extent" in str(flat.scale_error)


def test_a_known_length_that_no_photo_has():
    (found,) = measure([skirt()], KNOWN, KnownLength("waist", 1e-6))
    assert found.scale_error is not None and "the known length waist, 1e-06 cm, has" in found.scale_error
    assert all(length.cm is None and length.px is not None for length in found.lengths.values())


@pytest.mark.parametrize(
    ("coefficient", "message"),
    [(-5000.0, "to where the calibration of the camera does not hold"), (0.0, None)],
)
def test_a_calibration_that_does_not_hold_at_the_garment(coefficient, message):
    camera = Camera(np.array([[1000.0, 0, 0], [0, 1000, 0], [0, 0, 1]]), np.array([coefficient, 0, 0, 0, 0]))
    (found,) = measure([skirt()], KNOWN, dataclasses.replace(uniform_plane(5), camera=camera))
    assert (found.scale_error is None) == (message is None) and (message or "") in (found.scale_error or "")


def test_a_scale_that_is_too_unsure_gives_no_cm():
    matrix = Pinhole().matrix((80, 100))
    corners = np.array([[5.0, 5], [7, 5], [7, 7], [5, 7]])
    xy = np.where((skirt().state == ABSENT)[:, None], 500, seen_at(matrix, skirt().xy))
    plane = plane_of_corners(seen_at(matrix, corners), 0.3**2 * np.eye(8), corners)
    (measured,) = measure([skirt(xy=xy)], KNOWN, plane)
    assert "unsure at the garment" in str(measured.scale_error) and measured.lengths["waist"].cm is None


def test_an_error_of_the_photo_is_that_of_its_garments():
    first, second = measure([skirt(), skirt()], KNOWN, ScaleError("no marker"))
    assert first.scale_error == second.scale_error == "no marker" and first.lengths["waist"].px == 40


def test_plain_data():
    (measured,) = measure([skirt()], KNOWN)
    assert describe_measured(measured, scaled=False)["measurements"]["hem"] == {
        "px": 60.0,
        "px_se": 1.414,
        "ratio": 1.5,
        "hidden": False,
    }
    (measured,) = measure([skirt()], KNOWN, uniform_plane(2))
    facts = describe_measured(measured, scaled=True)
    assert facts["measurements"]["hem"]["cm"] == 30 and facts["scale"] == {"px_per_cm": 2.0, "error": None}
    assert describe_measured(measure([skirt()], KNOWN, ScaleError("x"))[0], True)["scale"]["error"] == "x"
