"""From pixels to centimetres: the plane in which a garment lies, how the camera sees it, and how sure that is.

A `Plane` is a homography with the covariance of its parameters, so that the error of the scale, which all lengths of a
photo share, is known beside the errors of the points.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

from .geometry import Size

SCALES = 1e-4, 1e6
"""The px per cm that a photo can have: from a landscape to a microscope."""
_STEP = 1e-3  # px, of derivatives
_ITERATIONS = cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 100, 1e-9
_MOST_LEFT = 0.1  # px
_NONE = np.zeros((0, 3, 3))


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera, in OpenCV's terms. matrix: (3, 3). distortion: (D,), D of 4, 5, 8, 12 or 14. size: (width,
    height) of the photos that it was calibrated with; None: of any."""

    matrix: np.ndarray
    distortion: np.ndarray
    size: Size | None = None

    def for_size(self, size: Size) -> "Camera":
        """The camera for photos that were resized. Raises ValueError where they have another shape than its own."""
        if self.size is None or self.size == size:
            return self
        scale = size[0] / self.size[0], size[1] / self.size[1]
        if abs(scale[0] / scale[1] - 1) > 0.01:
            raise ValueError(
                f"the photo has {size[0]} x {size[1]} px, the camera was calibrated with {self.size[0]} x "
                f"{self.size[1]}: photos that were turned or cut need a calibration of their own"
            )
        # Pixel centres lie on integers: the corner at -0.5 stays where it is.
        grow = np.array([[scale[0], 0, (scale[0] - 1) / 2], [0, scale[1], (scale[1] - 1) / 2], [0, 0, 1]])
        return Camera(grow @ self.matrix, self.distortion, size)

    def straight(self, xy: np.ndarray) -> np.ndarray:
        """Points (N, 2) of the photo -> where a camera without distortion would show them.

        NaN for a point that no such place is distorted to: the calibration does not hold there.
        """
        if not len(xy) or not self.distortion.any():
            return np.asarray(xy, np.float64)
        points = np.ascontiguousarray(xy, np.float64).reshape(-1, 1, 2)
        flat = cv2.undistortPoints(points, self.matrix, self.distortion, criteria=_ITERATIONS)
        rays = np.concatenate([flat, np.ones((len(flat), 1, 1))], axis=2)
        still = np.zeros(3)
        back, _ = cv2.projectPoints(rays, still, still, self.matrix, self.distortion)
        with np.errstate(invalid="ignore", over="ignore"):
            sound = np.all(np.abs(back - points) < _MOST_LEFT, axis=2)
            straight = rays @ self.matrix[:2].T
        return np.where(np.asarray(sound)[:, :, None], straight, np.nan).reshape(-1, 2)


@dataclass(frozen=True, eq=False)
class Plane:
    """homography: (3, 3), px of a photo without distortion -> cm in the plane, its third coordinate positive on the
    plane's side of the horizon. partials: (P, 3, 3), its derivatives by P parameters whose covariance is (P, P).
    camera: how to undo the distortion; None where there is none."""

    homography: np.ndarray
    partials: np.ndarray = field(default_factory=lambda: _NONE)
    covariance: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    camera: Camera | None = None

    def to_cm(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (N, 2) px -> cm (N, 2), their derivatives by the points (N, 2, 2), and by the parameters (N, P, 2).

        NaN for a point at or beyond the horizon of the plane, and where the distortion cannot be undone.
        """
        xy = np.asarray(xy, np.float64)
        bends = None
        if self.camera is not None and self.camera.distortion.any():
            xy, bends = _bent_back(self.camera, xy)
        ones = np.concatenate([xy, np.ones((len(xy), 1))], axis=1)
        mapped = ones @ self.homography.T
        depth = np.where(mapped[:, 2] > 0, mapped[:, 2], np.nan)[:, None]
        found = mapped[:, :2] / depth
        by_point = (self.homography[:2, :2] - found[:, :, None] * self.homography[2, :2]) / depth[:, :, None]
        if bends is not None:
            by_point = by_point @ bends
        changed = ones @ self.partials.transpose(0, 2, 1)  # (P, N, 3)
        by_parameter = (changed[:, :, :2] - found * changed[:, :, 2:]) / depth
        return found, by_point, by_parameter.transpose(1, 0, 2)

    def px_per_cm(self, xy: np.ndarray) -> float:
        """At a point (2,) of the photo: the square root of the area factor. NaN beyond the horizon."""
        _, by_point, _ = self.to_cm(np.asarray(xy)[None])
        return float(np.abs(np.linalg.det(by_point[0])) ** -0.5)


def _bent_back(camera: Camera, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`Camera.straight` with its derivatives (N, 2, 2)."""
    moves = np.array([[0, 0], [0.5, 0], [-0.5, 0], [0, 0.5], [0, -0.5]])
    seen = camera.straight((xy[:, None] + moves).reshape(-1, 2)).reshape(-1, 5, 2)
    return seen[:, 0], np.stack([seen[:, 1] - seen[:, 2], seen[:, 3] - seen[:, 4]], axis=2)


def uniform_plane(px_per_cm: float, relative_error: float = 0.0) -> Plane:
    """The same scale everywhere, known up to a relative standard error."""
    if not SCALES[0] <= px_per_cm <= SCALES[1]:
        raise ValueError(f"px per cm = {px_per_cm!r}; expected a number from {SCALES[0]:g} to {SCALES[1]:,.0f}")
    scale = np.diag([1 / px_per_cm, 1 / px_per_cm, 0])
    if relative_error == 0:
        return Plane(scale + np.diag([0, 0, 1.0]))
    return Plane(scale + np.diag([0, 0, 1.0]), scale[None], np.array([[relative_error**2]]))


def plane_of_corners(
    corners: np.ndarray, covariance: np.ndarray, cm: np.ndarray, camera: Camera | None = None
) -> Plane:
    """The plane in which four corners (4, 2) px, the distortion undone, have the places (4, 2) in cm.

    covariance: (8, 8) of the corners x, y, x, y, ... Raises ValueError where three of them lie on a line.
    """
    corners, cm = np.asarray(corners, np.float64), np.asarray(cm, np.float64)
    middle = corners.mean(axis=0)
    shift = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, 1]])
    moves = _STEP * np.eye(8).reshape(8, 4, 2)
    near = corners - middle
    try:
        found = _homographies(np.concatenate([near[None], near + moves, near - moves]), cm)
    except np.linalg.LinAlgError:
        raise ValueError(f"three of the corners lie on a line: {corners.round(1).tolist()}") from None
    homography, partials = found[0], (found[1:9] - found[9:]) / (2 * _STEP)
    sound = np.isfinite(found).all() and (np.c_[near, np.ones(4)] @ homography[2] > 0).all()
    if not sound:
        raise ValueError(f"the corners are no view of a rectangle: {corners.round(1).tolist()}")
    return Plane(homography @ shift, partials @ shift, np.asarray(covariance, np.float64), camera)


def _homographies(corners: np.ndarray, cm: np.ndarray) -> np.ndarray:
    """(B, 4, 2) px about 0 -> (B, 3, 3), each to the four places (4, 2), with 1 in the last corner."""
    x, y = corners[..., 0], corners[..., 1]
    zero, one = np.zeros_like(x), np.ones_like(x)
    u, v = cm[:, 0], cm[:, 1]
    rows = np.concatenate(
        [
            np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=-1),
            np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=-1),
        ],
        axis=1,
    )
    right = np.broadcast_to(np.concatenate([u, v])[:, None], (*rows.shape[:2], 1))
    entries = np.linalg.solve(rows, right)[..., 0]
    return np.concatenate([entries, np.ones((len(entries), 1))], axis=1).reshape(-1, 3, 3)
