"""Views of a flat rectangle: whether four corners can be one, and at which angle."""

import cv2
import numpy as np

from ..geometry import Size
from ..planes import Camera

MOST_TILT = 65.0
"""Maximum angle in degrees between camera and plane of a marker or sheet; beyond, a pixel covers centimetres."""
_LENSES = tuple(np.geomspace(0.55, 6, 13))  # focal lengths in longer sides of the photo, from wide to tele


def view_of(corners: np.ndarray, places: np.ndarray, size: Size, camera: Camera | None) -> tuple[float, float]:
    """The difference between the corners and the best view of `places` by a lens, and that view's tilt in degrees."""
    matrix = cv2.getPerspectiveTransform(places.astype(np.float32), corners.astype(np.float32)).astype(np.float64)
    if camera is not None:
        lenses = [camera.matrix]
    else:
        x, y = (size[0] - 1) / 2, (size[1] - 1) / 2
        lenses = [np.array([[f * max(size), 0, x], [0, f * max(size), y], [0, 0, 1]]) for f in _LENSES]
    rays = np.linalg.inv(np.array(lenses)) @ matrix
    a, b = rays[:, :, 0], rays[:, :, 1]
    long_a, long_b = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    skew = np.abs((a * b).sum(axis=1)) / (long_a * long_b)
    off = np.abs(np.log(long_a / long_b)) + skew
    chosen = int(off.argmin())
    normal = np.cross(a[chosen], b[chosen])
    middle = np.linalg.inv(lenses[chosen]) @ [*corners.mean(axis=0), 1]
    cosine = abs(normal @ middle) / (np.linalg.norm(normal) * np.linalg.norm(middle))
    return float(off[chosen]), float(np.degrees(np.arccos(min(1.0, cosine))))
