"""Sources of a photo's scale: a number, a known length, a sheet of paper, or a marker."""

from dataclasses import dataclass

import cv2
import numpy as np

from ..eval.measuring import KnownLength, PhotoScale, ScaleError
from ..geometry import Frame, Size, identity
from ..planes import Camera, Plane, plane_of_corners, uniform_plane
from .markers import Marker as Marker
from .markers import find_marker
from .sheets import SHEETS, find_sheet

_MOST_DOUBT = 0.03
"""Largest relative uncertainty of a marker's or sheet's size; above it, it is too small."""


@dataclass(frozen=True, slots=True)
class PxPerCm:
    """The same scale in all photos. Raises ValueError for one that no photo can have (`planes.SCALES`)."""

    value: float

    def __post_init__(self) -> None:
        uniform_plane(self.value)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of white paper in the plane of the garment: a4 or letter. Raises ValueError for another kind."""

    kind: str = "a4"

    def __post_init__(self) -> None:
        if self.kind not in SHEETS:
            raise ValueError(f"sheet {self.kind!r}: expected {' or '.join(SHEETS)}")


Source = PxPerCm | KnownLength | Sheet | Marker


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Finds the scale of every photo. camera: corrects the distortion of its lens."""

    source: Source
    camera: Camera | None = None

    @property
    def needs_photo(self) -> bool:
        """Whether the scale is found in the pixels."""
        return isinstance(self.source, Sheet | Marker)

    def of_photo(self, photo: np.ndarray | None, size: Size, reduced: Frame | None = None) -> PhotoScale:
        """The scale of one photo; if there is none, the error with the reason.

        photo: (H, W, 3) RGB uint8, None if it is not needed. size: (width, height) of the photo; reduced: the frame to
        its pixels if `photo` has fewer.
        """
        try:
            camera = None if self.camera is None else self.camera.for_size(size)
        except ValueError as error:
            return ScaleError(str(error))
        if isinstance(self.source, KnownLength):
            return self.source
        if isinstance(self.source, PxPerCm):
            plane = uniform_plane(self.source.value)
            return Plane(plane.homography, plane.partials, plane.covariance, camera)
        if photo is None:
            return ScaleError("the photo was not kept, so that nothing can be looked for in it")
        try:
            return _plane_in(photo, self.source, reduced or identity(), size, camera)
        except ScaleError as error:
            return error


def _plane_in(photo: np.ndarray, source: Sheet | Marker, frame: Frame, size: Size, camera: Camera | None) -> Plane:
    def straight(xy: np.ndarray) -> np.ndarray:
        whole = frame.forward(xy)
        return whole if camera is None else camera.straight(whole)

    if isinstance(source, Marker):
        quad, places = find_marker(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), source, straight, size, camera)
        what = "marker"
    else:
        quad, places = find_sheet(photo, source.kind, straight, size, camera)
        what = "sheet"
    if not np.isfinite(quad.covariance).all():
        raise ScaleError(f"the corners of the {what} are too unsure")
    try:
        plane = plane_of_corners(quad.corners, quad.covariance, places, camera)
    except ValueError as error:
        raise ScaleError(f"the {what}: {error}") from None
    _check(quad.corners, quad.covariance, what)
    return plane


def _check(corners: np.ndarray, covariance: np.ndarray, what: str) -> None:
    """Raises ScaleError for a marker or sheet that is too small or too blurred to be exact."""
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
    doubt = float(np.sqrt(covariance.diagonal().max())) / sides.min()
    if doubt > _MOST_DOUBT:
        raise ScaleError(f"the {what} is too small or too blurred to be exact: its size is {doubt:.1%} unsure")
