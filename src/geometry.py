"""Coordinates: invertible affine maps between images.

Pixel centres lie on integers, so an image of width W spans x from -0.5 to W - 0.5, and resizing by s maps
x to (x + 0.5) * s - 0.5. Every resize, crop, flip and rotation is a `Frame`; frames compose with `then`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .records import Box

Size = tuple[int, int]
"""(width, height) in pixels."""


@dataclass(frozen=True, eq=False)
class Frame:
    """An invertible affine map from source pixels to target pixels.

    matrix: (2, 3) float64, target = matrix @ (x, y, 1). Raises ValueError for another shape, for values that are not
    finite, and for a map without an inverse.
    """

    matrix: np.ndarray

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, dtype=np.float64)
        if matrix.shape != (2, 3) or not np.isfinite(matrix).all():
            raise ValueError(
                f"a frame needs a finite (2, 3) matrix; got shape {matrix.shape}, values {matrix.tolist()}"
            )
        object.__setattr__(self, "matrix", matrix)
        if abs(self._determinant) < 1e-12:
            raise ValueError(f"a frame needs an invertible matrix; got determinant {self._determinant:g}")

    @cached_property
    def inverse(self) -> np.ndarray:
        """(2, 3) float64: the inverse map, source = inverse @ (x, y, 1)."""
        linear = np.linalg.inv(self.matrix[:, :2])
        return np.hstack([linear, -linear @ self.matrix[:, 2:]])

    def forward(self, xy: np.ndarray) -> np.ndarray:
        """Source points (..., 2) -> target points (..., 2)."""
        return np.asarray(xy, np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2]

    def back(self, xy: np.ndarray) -> np.ndarray:
        """Target points (..., 2) -> source points (..., 2)."""
        # Subtract before the linear map: the translation of the inverse can be large, and adding it loses precision.
        return (np.asarray(xy, np.float64) - self.matrix[:, 2]) @ self.inverse[:, :2].T

    def then(self, after: "Frame") -> "Frame":
        """The composition: this frame first, then `after`."""
        linear = after.matrix[:, :2] @ self.matrix[:, :2]
        return Frame(np.hstack([linear, after.forward(self.matrix[:, 2])[:, None]]))

    @property
    def scale(self) -> float:
        """Target pixels per source pixel: the square root of the area factor."""
        return abs(self._determinant) ** 0.5

    @property
    def _determinant(self) -> float:
        # Dozens of frames are made for every photo; np.linalg takes ten times as long for four numbers.
        (a, b, _), (c, d, _) = self.matrix.tolist()
        return a * d - b * c


def identity() -> Frame:
    return Frame(np.array([[1.0, 0, 0], [0, 1.0, 0]]))


def shift(dx: float, dy: float) -> Frame:
    return Frame(np.array([[1.0, 0, dx], [0, 1.0, dy]]))


def zoom(scale_x: float, scale_y: float | None = None) -> Frame:
    """Scale about the image's corner (-0.5, -0.5), so that pixel areas stay aligned. scale_y: as scale_x by default."""
    sx, sy = scale_x, scale_x if scale_y is None else scale_y
    return Frame(np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2]]))


def resize(source: Size, target: Size) -> Frame:
    """The whole source image onto the whole target image; the aspect ratio is not kept."""
    return zoom(target[0] / source[0], target[1] / source[1])


def letterbox(source: Size, target: Size) -> Frame:
    """The whole source image centred in the target with its aspect ratio kept; the rest of the target is padding."""
    scale = min(target[0] / source[0], target[1] / source[1])
    dx, dy = (target[0] - source[0] * scale) / 2, (target[1] - source[1] * scale) / 2
    return zoom(scale).then(shift(dx, dy))


def crop(box: Box) -> Frame:
    """Shift so that the box's top left pixel becomes (0, 0)."""
    return shift(-box.left, -box.top)


def flip(width: int) -> Frame:
    """Mirror left and right: x becomes width - 1 - x."""
    return Frame(np.array([[-1.0, 0, width - 1], [0, 1.0, 0]]))


def rotate(degrees: float, size: Size) -> Frame:
    """Rotate about the image's centre; positive degrees turn clockwise on the screen."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    centre = (np.array(size) - 1) / 2
    linear = np.array([[cos, -sin], [sin, cos]])
    return Frame(np.hstack([linear, (centre - linear @ centre)[:, None]]))


def zoom_about_centre(scale: float, size: Size) -> Frame:
    """Enlarge (above 1) or reduce an image that keeps its size, about its centre."""
    centre = (np.array(size) - 1) / 2
    return Frame(np.hstack([np.eye(2) * scale, ((1 - scale) * centre)[:, None]]))


def inside(xy: np.ndarray, size: Size) -> np.ndarray:
    """(..., 2) points -> (...) bool: whether they lie in the image, -0.5 <= x < W - 0.5 and -0.5 <= y < H - 0.5."""
    xy = np.asarray(xy)
    return np.asarray(((xy >= -0.5) & (xy < np.array(size) - 0.5)).all(axis=-1))
