"""Scales found in photos of a virtual camera over a table of known size, and what is said where there is none."""

import cv2
import numpy as np
import pytest

from aifashion.data_gen.synthetic.virtual_camera import Pinhole, Table, seen_at
from aifashion.eval.measuring import KnownLength, ScaleError
from aifashion.geometry import resize
from aifashion.planes import Camera, Plane
from aifashion.recognition.markers import Marker, dictionaries
from aifashion.recognition.scales import PxPerCm, Scale, Sheet

MARKER = Marker("4X4_50", 7, 18.0)
NUMBER = cv2.aruco.DICT_4X4_50
SIZE = (900, 900)
STRAIGHT = Pinhole(SIZE)
PLACES = np.array([[5.0, 5], [45, 5], [40, 90], [10, 60]])


def table(seed: int = 0) -> Table:
    return Table.empty(80, 96, 12, np.random.default_rng(seed))


def with_marker(side: float = 18.0, number: int = 7, left: float = 56, top: float = 70) -> Table:
    made = table()
    made.lay_marker(NUMBER, number, side, left, top)
    return made


def with_sheet(left: float = 54, top: float = 60) -> Table:
    made = table()
    made.lay_sheet(21.0, 29.7, left, top)
    return made


def photographed(of: Table, camera: Pinhole) -> np.ndarray:
    return of.photographed(camera, np.random.default_rng(5))


def error_of(of: Table, scale: Scale, camera: Pinhole = STRAIGHT) -> str:
    photo = photographed(of, camera)
    found = scale.of_photo(photo, camera.size)
    assert isinstance(found, ScaleError)
    return str(found)


@pytest.mark.parametrize("tilt", [0, 20, 45])
@pytest.mark.parametrize("kind", ["marker", "sheet"])
def test_lengths_are_exact_at_any_tilt(kind, tilt):
    of, scale = (with_marker(), Scale(MARKER)) if kind == "marker" else (with_sheet(), Scale(Sheet("a4")))
    for turn in (15, 160, 280):
        camera = Pinhole(SIZE, tilt, turn)
        plane = scale.of_photo(photographed(of, camera), SIZE)
        assert isinstance(plane, Plane), plane
        found, _, by_parameter = plane.to_cm(seen_at(camera.matrix(of.cm), PLACES))
        for a, b in ((0, 1), (1, 2), (0, 3)):
            true, apart = np.linalg.norm(PLACES[b] - PLACES[a]), found[b] - found[a]
            length = float(np.linalg.norm(apart))
            slope = (by_parameter[b] - by_parameter[a]) @ (apart / length)
            error = float(np.sqrt(slope @ plane.covariance @ slope))
            assert length == pytest.approx(true, rel=0.015)
            assert abs(length - true) < 4 * error < 0.06 * true


def test_a_reduced_photo_has_the_scale_of_the_whole_one():
    camera = Pinhole((1200, 1200), 25, 100)
    of = with_marker()
    photo = photographed(of, camera)
    small = cv2.resize(photo, (600, 600), interpolation=cv2.INTER_AREA)
    plane = Scale(MARKER).of_photo(small, (1200, 1200), resize((600, 600), (1200, 1200)))
    assert isinstance(plane, Plane)
    found = plane.to_cm(seen_at(camera.matrix(of.cm), PLACES))[0]
    assert np.linalg.norm(found[1] - found[0]) == pytest.approx(40, rel=0.015)


def test_the_distortion_of_the_lens_is_undone():
    camera = Pinhole((1000, 1000), 20, 30)
    distortion = np.array([-0.25, 0.08, 0, 0, 0])
    of = with_marker()
    photo = photographed(of, camera)
    # Each pixel of the distorted photo shows what the straight one has where the distortion is undone.
    at = np.stack(np.meshgrid(np.arange(1000.0), np.arange(1000.0)), axis=-1).reshape(-1, 2)
    calibrated = Camera(camera.lens, distortion, (1000, 1000))
    source = calibrated.straight(at).astype(np.float32).reshape(1000, 1000, 2)
    bent = cv2.remap(photo, source[..., 0], source[..., 1], cv2.INTER_LINEAR)
    true = seen_at(camera.matrix(of.cm), PLACES)
    seen = np.array([at[np.linalg.norm(source.reshape(-1, 2) - place, axis=1).argmin()] for place in true])
    errors = []
    for lens in (None, calibrated):
        plane = Scale(MARKER, lens).of_photo(bent, (1000, 1000))
        assert isinstance(plane, Plane)
        found = plane.to_cm(seen)[0]
        errors.append(abs(np.linalg.norm(found[2] - found[0]) / np.linalg.norm(PLACES[2] - PLACES[0]) - 1))
    assert errors[1] < 0.012 < errors[0]


def test_no_marker():
    assert "no marker 7 of 4X4_50 in the photo: it must be whole" in error_of(table(), Scale(MARKER))


def test_another_marker():
    assert error_of(with_marker(number=3), Scale(MARKER)) == "no marker 7 of 4X4_50 in the photo, only 3"


def test_a_marker_of_another_dictionary():
    error = error_of(with_marker(), Scale(Marker("6X6_250", 7, 18.0)))
    assert "but one of 4X4_1000 (number 7): is it of another dictionary?" in error


def test_a_marker_that_is_cut_off():
    photo = photographed(with_marker(), Pinhole(SIZE))
    at = seen_at(Pinhole(SIZE).matrix((80, 96)), np.array([[66.0, 79]]))[0]
    half = np.ascontiguousarray(photo[:, : round(at[0])])
    error = Scale(MARKER).of_photo(half, (half.shape[1], half.shape[0]))
    assert isinstance(error, ScaleError) and "no marker 7" in str(error) and "whole" in str(error)


def test_two_markers():
    of = with_marker()
    of.lay_marker(NUMBER, 7, 18.0, 10, 20)
    assert "is 2 times in the photo" in error_of(of, Scale(MARKER))


def test_a_marker_that_is_too_small():
    error = error_of(with_marker(side=3.0), Scale(Marker("4X4_50", 7, 3.0)), Pinhole((600, 600)))
    assert "too few to be exact" in error or "no marker" in error
    error = error_of(with_marker(side=4.5), Scale(Marker("4X4_50", 7, 4.5)), Pinhole((500, 500)))
    assert "has 1" in error or "has 2" in error or "no marker" in error


def test_a_marker_without_its_margin():
    of = Table(np.zeros((1152, 960, 3), np.uint8), 12)
    marker = cv2.aruco.generateImageMarker(cv2.aruco.getPredefinedDictionary(NUMBER), 7, 216)
    of.lay(marker[..., None].repeat(3, axis=2), 40, 40)
    assert isinstance(Scale(MARKER).of_photo(photographed(of, Pinhole(SIZE)), SIZE), ScaleError)


def test_edge_on():
    error = error_of(with_marker(left=31, top=39), Scale(MARKER), Pinhole((1600, 1600), 75, 0, 1.2, 1.4))
    assert "too flat" in error or "no marker" in error
    error = error_of(with_sheet(left=29, top=33), Scale(Sheet("a4")), Pinhole((1600, 1600), 72, 0, 1.2, 1.4))
    assert "too flat" in error or "no a4 sheet" in error


def test_no_sheet_and_other_rectangles():
    assert "no a4 sheet in the photo" in error_of(table(), Scale(Sheet("a4")))
    other = table()
    other.lay_sheet(25, 25, 20, 30)
    assert "no a4 sheet in the photo" in error_of(other, Scale(Sheet("a4")))
    # Letter is 6% shorter than A4, and 3% wider.
    assert "no letter sheet" in error_of(with_sheet(), Scale(Sheet("letter")))


def test_two_sheets():
    of = with_sheet()
    of.lay_sheet(21.0, 29.7, 10, 10)
    assert error_of(of, Scale(Sheet("a4"))) == "2 sheets of paper are in the photo; expected one"


def test_a_sheet_that_is_cut_off():
    photo = photographed(with_sheet(), Pinhole(SIZE))
    at = seen_at(Pinhole(SIZE).matrix((80, 96)), np.array([[65.0, 75]]))[0]
    half = np.ascontiguousarray(photo[:, : round(at[0])])
    error = Scale(Sheet("a4")).of_photo(half, (half.shape[1], half.shape[0]))
    assert isinstance(error, ScaleError) and "may be cut off" in str(error)


def test_scales_that_need_no_pixels():
    plane = Scale(PxPerCm(10)).of_photo(None, (100, 100))
    assert isinstance(plane, Plane) and plane.px_per_cm(np.zeros(2)) == pytest.approx(10)
    known = KnownLength("waist", 40)
    assert Scale(known).of_photo(None, (100, 100)) is known
    assert isinstance(Scale(MARKER).of_photo(None, (100, 100)), ScaleError)
    assert Scale(MARKER).needs_photo and not Scale(PxPerCm(1)).needs_photo


def test_a_photo_of_another_shape_than_the_camera_s():
    camera = Camera(Pinhole((800, 600)).lens, np.zeros(5), (800, 600))
    found = Scale(PxPerCm(10), camera).of_photo(None, (600, 800))
    assert isinstance(found, ScaleError) and "the camera was calibrated with 800 x 600" in str(found)


def test_a_calibration_that_does_not_hold_at_the_marker_or_the_sheet():
    camera = Camera(Pinhole((1000, 1000)).lens, np.array([-50.0, 0, 0, 0, 0]))
    error = error_of(with_marker(), Scale(MARKER, camera))
    assert error == "the marker lies where the calibration of the camera does not hold"
    assert "no a4 sheet in the photo" in error_of(with_sheet(), Scale(Sheet("a4"), camera))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Marker("4X4_50", 50, 10), "has the markers 0 to 49; got 50"),
        (lambda: Marker("9X9", 1, 10), "no dictionary of markers is called '9X9'"),
        (lambda: Marker("4X4_50", 1, 0), "the side of a marker is 0 cm"),
        (lambda: Sheet("a5"), "sheet 'a5': expected a4 or letter"),
        (lambda: PxPerCm(float("nan")), "expected a number from 0.0001 to 1,000,000"),
    ],
)
def test_what_is_no_scale(make, message):
    with pytest.raises(ValueError, match=message):
        make()
    assert {"4X4_50", "ARUCO_ORIGINAL", "APRILTAG_36h11"} <= set(dictionaries())
