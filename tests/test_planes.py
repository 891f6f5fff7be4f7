"""From px to cm, against a camera whose matrix is known, and the uncertainty against repeated noise."""

import cv2
import numpy as np
import pytest

from aifashion.data_gen.synthetic.virtual_camera import Pinhole, seen_at
from aifashion.planes import Camera, plane_of_corners, uniform_plane

CM = np.array([[20, 60], [41, 60], [41, 89.7], [20, 89.7]])
TABLE = (80.0, 100.0)


@pytest.mark.parametrize("tilt", [0, 30, 60])
def test_a_tilted_plane_is_measured_exactly(tilt):
    matrix = Pinhole(tilt=tilt, turn=40).matrix(TABLE)
    plane = plane_of_corners(seen_at(matrix, CM), np.zeros((8, 8)), CM)
    places = np.array([[3.0, 5], [70, 12], [40, 50], [11, 93]])
    found, by_point, _ = plane.to_cm(seen_at(matrix, places))
    np.testing.assert_allclose(found, places, atol=1e-6)
    step = plane.to_cm(seen_at(matrix, places) + np.array([0.01, 0]))[0]
    np.testing.assert_allclose((step - found) / 0.01, by_point[:, :, 0], rtol=1e-2, atol=1e-5)


def test_noise_of_the_corners_moves_places_as_far_as_it_says():
    matrix = Pinhole(tilt=25, turn=200).matrix(TABLE)
    rng = np.random.default_rng(0)
    noise = 0.3
    plane = plane_of_corners(seen_at(matrix, CM), noise**2 * np.eye(8), CM)
    at = seen_at(matrix, np.array([[70.0, 15]]))
    _, _, by_parameter = plane.to_cm(at)
    expected = np.sqrt(np.diag(by_parameter[0].T @ plane.covariance @ by_parameter[0]))
    drawn = [
        plane_of_corners(seen_at(matrix, CM) + rng.normal(0, noise, (4, 2)), np.zeros((8, 8)), CM).to_cm(at)[0][0]
        for _ in range(1500)
    ]
    np.testing.assert_allclose(np.std(drawn, axis=0), expected, rtol=0.1)


def test_beyond_the_horizon_there_is_nothing():
    camera = Pinhole(tilt=70, turn=0, focal=0.7)
    matrix = camera.matrix(TABLE)
    plane = plane_of_corners(seen_at(matrix, CM), np.zeros((8, 8)), CM)
    horizon = np.linalg.inv(matrix)[2]
    # Two points on both sides of the horizon, in the photo's middle column.
    y = -(horizon[0] * 500 + horizon[2]) / horizon[1]
    points = np.array([[500, y - 30], [500, y + 30]])
    assert np.isnan(plane.to_cm(points)[0][:, 0]).sum() == 1


def test_corners_on_a_line_are_refused():
    with pytest.raises(ValueError, match="corners"):
        plane_of_corners(np.array([[0, 0], [10, 0], [20, 0], [0, 10.0]]), np.eye(8), CM)
    with pytest.raises(ValueError, match="no view of a rectangle"):
        plane_of_corners(np.array([[0, 0], [10, 0], [2, 2], [0, 10.0]]), np.eye(8), CM)


def test_one_scale_everywhere():
    plane = uniform_plane(12.5, 0.02)
    found, _, by_parameter = plane.to_cm(np.array([[125.0, 250]]))
    assert found.tolist() == [[10, 20]] and plane.px_per_cm(np.array([3, 3])) == pytest.approx(12.5)
    assert np.sqrt(by_parameter[0].T @ plane.covariance @ by_parameter[0])[0, 0] == pytest.approx(0.2)
    with pytest.raises(ValueError, match="expected a number from"):
        uniform_plane(-1)


def test_the_distortion_of_a_lens_is_undone():
    lens = Pinhole(tilt=20).lens
    distortion = np.array([-0.2, 0.05, 0.001, -0.001, 0])
    camera = Camera(lens, distortion, (1000, 1000))
    matrix = Pinhole(tilt=20).matrix(TABLE)
    places = np.array([[3.0, 5], [70, 12], [40, 50], [11, 93]])
    bent = distorted(seen_at(matrix, places), lens, distortion)
    corners = distorted(seen_at(matrix, CM), lens, distortion)
    plane = plane_of_corners(camera.straight(corners), np.zeros((8, 8)), CM, camera)
    found, by_point, _ = plane.to_cm(bent)
    np.testing.assert_allclose(found, places, atol=1e-3)
    assert np.abs(plane_of_corners(corners, np.zeros((8, 8)), CM).to_cm(bent)[0] - places).max() > 0.5
    step = plane.to_cm(bent + np.array([0, 0.1]))[0]
    np.testing.assert_allclose((step - found) / 0.1, by_point[:, :, 1], rtol=1e-2, atol=1e-4)


def distorted(xy: np.ndarray, lens: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    rays = np.concatenate([(xy - lens[:2, 2]) / lens[[0, 1], [0, 1]], np.ones((len(xy), 1))], axis=1)
    return cv2.projectPoints(rays, np.zeros(3), np.zeros(3), lens, distortion)[0].reshape(-1, 2)


def test_a_camera_serves_photos_that_were_resized_but_not_others():
    camera = Camera(np.array([[800, 0, 499.5], [0, 800, 299.5], [0, 0, 1.0]]), np.zeros(5), (1000, 600))
    half = camera.for_size((500, 300))
    assert half.matrix[0, 0] == 400 and half.matrix[0, 2] == 249.5 and half.size == (500, 300)
    with pytest.raises(ValueError, match="the photo has 600 x 1000 px, the camera was calibrated with 1000 x 600"):
        camera.for_size((600, 1000))


def test_where_a_calibration_does_not_hold_there_are_no_places():
    """With k1 = -5, x = u (1 - 5 u^2) reaches at most 0.172, where u is the root of 1/15: nothing is seen beyond."""
    camera = Camera(np.array([[1000.0, 0, 0], [0, 1000, 0], [0, 0, 1]]), np.array([-5.0, 0, 0, 0, 0]))
    u = 0.2
    seen = np.array([[1000 * u * (1 - 5 * u * u), 0], [175, 0], [400, 0]])
    found = camera.straight(seen)
    np.testing.assert_allclose(found[0], [200, 0], atol=1e-3)
    assert np.isnan(found[1:]).all()


@pytest.mark.parametrize("value", [0, -1, 1e-5, 1e7, float("inf"), float("nan")])
def test_a_scale_that_no_photo_has(value):
    with pytest.raises(ValueError, match=r"expected a number from 0\.0001 to 1,000,000"):
        uniform_plane(value)
