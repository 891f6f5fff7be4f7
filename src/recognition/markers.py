"""Finds ArUco markers in a photo, by OpenCV."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from ..eval.measuring import ScaleError
from ..geometry import Size
from ..planes import Camera
from .quads import Quad, Straighten, refined_quad
from .views import MOST_TILT, view_of

SEARCHED_SIDE = 800
"""Longer side in px of the reduced photo for the search; corners are refined in the photo itself."""
LEAST_SIDE = 24.0
"""Minimum length in px of a marker's shortest edge."""
_PREFIX = "DICT_"
_OTHERS = (
    *("4X4_1000", "5X5_1000", "6X6_1000", "7X7_1000", "ARUCO_ORIGINAL", "APRILTAG_36h11", "APRILTAG_25h9"),
    "APRILTAG_16h5",
)


@dataclass(frozen=True, slots=True)
class Marker:
    """dictionary: OpenCV's name without DICT_, such as 4X4_50. id: of the marker. cm: the side of its black square.

    Raises ValueError for values that OpenCV does not have.
    """

    dictionary: str
    id: int
    cm: float

    def __post_init__(self) -> None:
        size = len(_dictionary(self.dictionary).bytesList)
        if not 0 <= self.id < size:
            raise ValueError(f"the dictionary {self.dictionary} has the markers 0 to {size - 1}; got {self.id}")
        if not 0 < self.cm < 1000:
            raise ValueError(f"the side of a marker is {self.cm:g} cm; expected a number above 0 and below 1000")


def dictionaries() -> tuple[str, ...]:
    """The names of OpenCV's dictionaries."""
    names = (name.removeprefix(_PREFIX) for name in dir(cv2.aruco) if name.startswith(_PREFIX))
    return tuple(sorted(name for name in names if name == name.upper() or name.startswith("APRILTAG_")))


@lru_cache
def _dictionary(name: str) -> cv2.aruco.Dictionary:
    number = getattr(cv2.aruco, _PREFIX + name, None)
    if not isinstance(number, int):
        raise ValueError(f"no dictionary of markers is called {name!r}; expected one of {', '.join(dictionaries())}")
    return cv2.aruco.getPredefinedDictionary(number)


@lru_cache
def _detector(name: str) -> cv2.aruco.ArucoDetector:
    parameters = cv2.aruco.DetectorParameters()
    parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_NONE  # refined_quad does it in the whole photo
    # Two windows find as many markers as OpenCV's three, in photos of the reduced size.
    parameters.adaptiveThreshWinSizeMin = 9
    parameters.adaptiveThreshWinSizeMax = 21
    parameters.adaptiveThreshWinSizeStep = 12
    parameters.minMarkerPerimeterRate = 0.02
    return cv2.aruco.ArucoDetector(_dictionary(name), parameters)


def find_marker(
    grey: np.ndarray, kind: Marker, straight: Straighten, size: Size, camera: Camera | None = None
) -> tuple[Quad, np.ndarray]:
    """The marker's corners in a photo (H, W) uint8, and their positions (4, 2) in cm.

    straight: frame to the whole photo of (width, height) `size`. camera: of the photo, if calibrated. Raises
    ScaleError, with the reason, if the marker is missing, occurs twice, is cut off, or is too small to be exact.
    """
    seen = _seen(grey, kind)
    found = seen.places.get(kind.id, [])
    if len(found) > 1:
        raise ScaleError(
            f"the marker {kind.id} of {kind.dictionary} is {len(found)} times in the photo; it must be once"
        )
    if not found:
        raise ScaleError(_why_none(grey, kind, seen))
    sides = np.linalg.norm(found[0] - np.roll(found[0], 1, axis=0), axis=1)
    if sides.min() < LEAST_SIDE:
        raise ScaleError(
            f"the marker has {sides.min():.0f} px on its shortest edge, too few to be exact; expected {LEAST_SIDE:.0f}"
        )
    if not np.isfinite(straight(found[0])).all():
        raise ScaleError("the marker lies where the calibration of the camera does not hold")
    quad = refined_quad(grey, found[0], True, straight)
    if quad is None:
        raise ScaleError("the edges of the marker cannot be seen: it is blurred, or has no white margin")
    # From its upper left corner clockwise, as OpenCV has them.
    places = kind.cm * np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    tilt = view_of(quad.corners, places, size, camera)[1]
    if tilt > MOST_TILT:
        raise ScaleError(
            f"the marker is seen too flat to be exact, at {tilt:.0f} degrees; expected at most {MOST_TILT:.0f}"
        )
    return quad, places


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """places: corners (4, 2) px by the number of the dictionary's marker. rejected: corners of other squares."""

    places: dict[int, list[np.ndarray]]
    rejected: list[np.ndarray]


def _seen(grey: np.ndarray, kind: Marker) -> _Seen:
    """The found markers of the dictionary; searches the whole photo if the marker is not in the reduced one."""
    longest, seen = max(grey.shape), _Seen({}, [])
    for side in dict.fromkeys((min(longest, SEARCHED_SIDE), longest)):
        shrink = side / longest
        reduced = (max(1, round(grey.shape[1] * shrink)), max(1, round(grey.shape[0] * shrink)))
        # Down to one half, linear sampling uses every pixel, in a fraction of the time.
        sampling = cv2.INTER_LINEAR if shrink >= 0.5 else cv2.INTER_AREA
        image = grey if side == longest else cv2.resize(grey, reduced, interpolation=sampling)
        scale = np.array([grey.shape[1] / reduced[0], grey.shape[0] / reduced[1]])
        corners, ids, rejected = _detector(kind.dictionary).detectMarkers(image)
        squares = [
            [(np.asarray(c, np.float64).reshape(4, 2) + 0.5) * scale - 0.5 for c in s] for s in (corners, rejected)
        ]
        places: dict[int, list[np.ndarray]] = {}
        for number, place in zip([] if ids is None else np.ravel(ids).tolist(), squares[0], strict=True):
            places.setdefault(int(number), []).append(place)
        seen = _Seen(places, squares[1])
        if kind.id in places:
            break
    return seen


def _why_none(grey: np.ndarray, kind: Marker, seen: _Seen) -> str:
    missing = f"no marker {kind.id} of {kind.dictionary} in the photo"
    if seen.places:
        return f"{missing}, only {', '.join(map(str, sorted(seen.places)))}"
    other = _of_another_dictionary(grey, kind.dictionary)
    if other:
        return f"{missing}, but one of {other}: is it of another dictionary?"
    limits = np.array([grey.shape[1], grey.shape[0]]) - 1.0
    at_edge = any(
        ((c < 4) | (c > limits - 4)).any() and np.ptp(c, axis=0).min() >= LEAST_SIDE / 2 for c in seen.rejected
    )
    if at_edge:
        return f"{missing}; a square at the edge may be one that is cut off: the whole marker with its margin is needed"
    return f"{missing}: it must be whole, flat, with a white margin, and at least {LEAST_SIDE:.0f} px wide"


def _of_another_dictionary(grey: np.ndarray, name: str) -> str | None:
    """A found marker of another dictionary than `name`, as text: its dictionary and number."""
    shrink = min(1.0, SEARCHED_SIDE / max(grey.shape))
    image = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else grey
    for other in _OTHERS:
        if other.partition("_")[0] == name.partition("_")[0] and not name.startswith("APRILTAG"):
            continue
        _, ids, _ = _detector(other).detectMarkers(image)
        if ids is not None and other != name:
            return f"{other} (number {int(np.ravel(ids)[0])})"
    return None
