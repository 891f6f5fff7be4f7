"""Finds a sheet of white paper in a photo: a bright quadrilateral that can be a view of a rectangle of its shape."""

from dataclasses import dataclass

import cv2
import numpy as np

from ..eval.measuring import ScaleError
from ..geometry import Size
from ..planes import Camera
from .quads import Quad, Straighten, refined_quad
from .views import MOST_TILT, view_of

SHEETS = {"a4": (21.0, 29.7), "letter": (21.59, 27.94)}
"""Width and height in cm."""
SEARCHED_SIDE = 800
_LEAST_AREA, _MOST_AREA = 0.004, 0.7  # of the photo
_LEAST_SIDE = 40.0  # px
_OFF, _ROUGHLY_OFF = 0.045, 0.4
"""Largest difference of proportions between a view and a sheet: with exact corners, and before."""
_FAR = 0.35  # of a sheet's side: two candidates that are closer are the same
_FITTED = 0.7
_MOST_ERROR, _MOST_PART = 0.35, 0.003  # of a corner: px, or of a side


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """A quad as a view of a sheet. places: (4, 2) cm of its corners. off: the difference of its proportions. tilt:
    degrees."""

    quad: Quad
    places: np.ndarray
    off: float
    tilt: float


def find_sheet(
    rgb: np.ndarray, kind: str, straight: Straighten, size: Size, camera: Camera | None = None
) -> tuple[Quad, np.ndarray]:
    """The corners of the sheet in a photo (H, W, 3) uint8, and their positions (4, 2) in cm.

    straight: frame to the whole photo of (width, height) `size`. camera: of the photo, if calibrated. Raises
    ScaleError, with the reason, if there is no sheet, more than one, one cut off by the photo's edge, or one at too
    steep an angle.
    """
    height, width = rgb.shape[:2]
    shrink = min(1.0, SEARCHED_SIDE / max(height, width))
    reduced = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = cv2.resize(rgb, reduced, interpolation=cv2.INTER_AREA) if shrink < 1 else rgb
    scale = np.array([width / reduced[0], height / reduced[1]])
    # White paper is bright in all three channels; coloured cloth is dark in one.
    grey = rgb.min(axis=2) if shrink == 1 else None
    views = []
    rough, cut = _candidates(small.min(axis=2))
    for corners in rough:
        places = (corners + 0.5) * scale - 0.5
        if _plausible(straight(places), kind, size, camera, _ROUGHLY_OFF) is None:
            continue
        grey = rgb.min(axis=2) if grey is None else grey
        quad = refined_quad(grey, places, False, straight)
        if quad is None or quad.fitted < _FITTED or _is_blurred(quad):
            continue
        found = _plausible(quad.corners, kind, size, camera, _OFF)
        if found is not None and _is_paper(rgb, places):
            views.append(_View(quad, *found))
    views = _distinct(views)
    if not views:
        raise ScaleError(_why_none(kind, cut))
    flat = [view for view in views if view.tilt <= MOST_TILT]
    if not flat:
        raise ScaleError(
            f"the sheet is seen too flat to be exact, at {views[0].tilt:.0f} degrees; expected at most {MOST_TILT:.0f}"
        )
    if len(flat) > 1:
        raise ScaleError(f"{len(flat)} sheets of paper are in the photo; expected one")
    return flat[0].quad, flat[0].places


def _is_blurred(quad: Quad) -> bool:
    """Whether the edges fit so badly that something other than paper is near them, such as a fold or a shadow."""
    side = np.linalg.norm(quad.corners - np.roll(quad.corners, 1, axis=0), axis=1).min()
    return bool(np.sqrt(quad.covariance.diagonal().max()) > max(_MOST_ERROR, _MOST_PART * side))


def _why_none(kind: str, cut: bool) -> str:
    missing = f"no {kind} sheet in the photo"
    if cut:
        return f"{missing}; a bright one at the edge may be cut off: the whole sheet is needed"
    return f"{missing}: it must be white, whole and flat, on a darker ground that shows on all sides"


def _candidates(bright: np.ndarray) -> tuple[list[np.ndarray], bool]:
    """Quads (4, 2) px of bright areas, and whether there is an angular one at the photo's edge."""
    smooth = cv2.GaussianBlur(bright, (5, 5), 0)
    area = bright.size
    otsu, _ = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    levels = {int(otsu), *np.quantile(smooth, [0.6, 0.75, 0.85, 0.92, 0.97]).astype(int).tolist(), 110, 150, 190, 220}
    masks = [cv2.threshold(smooth, level, 255, cv2.THRESH_BINARY)[1] for level in sorted(levels) if 20 < level < 250]
    edges = cv2.morphologyEx(cv2.Canny(smooth, 20, 60), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    masks.append(cv2.bitwise_not(cv2.dilate(edges, np.ones((3, 3), np.uint8))))
    found: list[np.ndarray] = []
    cut = False
    for mask in masks:
        for opened in (mask, cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))):
            contours, _ = cv2.findContours(opened, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
            for contour in contours:
                size = cv2.contourArea(contour)
                if not _LEAST_AREA * area <= size <= _MOST_AREA * area:
                    continue
                hull = cv2.convexHull(contour)
                if size < 0.9 * cv2.contourArea(hull):
                    continue
                quad = cv2.approxPolyDP(hull, 0.03 * cv2.arcLength(hull, True), True)[:, 0].astype(np.float64)
                at_edge = _at_edge(contour[:, 0], bright.shape)
                if at_edge:
                    cut = cut or len(quad) in (3, 4, 5)
                elif len(quad) == 4:
                    found.append(_grown(quad, mask is masks[-1]))
    return _without_doubles(found), cut


def _at_edge(points: np.ndarray, shape: tuple[int, ...]) -> bool:
    limits = np.array([shape[1], shape[0]]) - 1
    return bool(((points <= 1) | (points >= limits - 1)).any())


def _grown(quad: np.ndarray, by_edges: bool) -> np.ndarray:
    """Corrects for the dilated edges, which make the area inside them smaller."""
    if not by_edges:
        return quad
    away = quad - quad.mean(axis=0)
    return quad + 2.5 * away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1)


def _without_doubles(quads: list[np.ndarray]) -> list[np.ndarray]:
    kept: list[np.ndarray] = []
    for quad in quads:
        turned = [np.roll(quad, i, axis=0) for i in range(4)]
        near = (np.abs(other - turn).max() <= 4 for other in kept for turn in turned)
        if not any(near):
            kept.append(quad)
    return kept


def _plausible(
    corners: np.ndarray, kind: str, size: Size, camera: Camera | None, most: float
) -> tuple[np.ndarray, float, float] | None:
    """The corners' positions in cm, the difference of the proportions and the tilt; None if it is no such sheet."""
    if not np.isfinite(corners).all():
        return None
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    if sides.min() < _LEAST_SIDE / 2 or not cv2.isContourConvex(corners.astype(np.float32)):
        return None
    width, height = SHEETS[kind]
    best: tuple[float, float, np.ndarray] | None = None
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    for places in (square * [width, height], square * [height, width]):
        off, tilt = view_of(corners, places, size, camera)
        if best is None or off < best[0]:
            best = off, tilt, places
    if best is None or best[0] > most:
        return None
    return best[2], best[0], best[1]


def _is_paper(rgb: np.ndarray, corners: np.ndarray) -> bool:
    """Whether the area is nearly white and even: its colours are weak, and little is drawn on it."""
    size = 48
    inner = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
    to_square = cv2.getPerspectiveTransform(corners.astype(np.float32), inner)
    seen = cv2.warpPerspective(rgb, to_square, (size, size), flags=cv2.INTER_LINEAR)[4:-4, 4:-4].astype(np.float32)
    brightest = seen.max(axis=2)
    pale = np.median((brightest - seen.min(axis=2)) / np.maximum(brightest, 1)) < 0.3
    even = np.abs(brightest - np.median(brightest)) < 0.12 * np.median(brightest) + 6
    return bool(pale and np.median(brightest) > 90 and even.mean() > 0.75)


def _distinct(views: list[_View]) -> list[_View]:
    """The best of the candidates that show the same sheet."""
    kept: list[_View] = []
    for view in sorted(views, key=lambda v: (-v.quad.fitted, v.off)):
        side = np.linalg.norm(view.quad.corners - np.roll(view.quad.corners, 1, axis=0), axis=1).max()
        middle = view.quad.corners.mean(axis=0)
        if all(np.linalg.norm(middle - other.quad.corners.mean(axis=0)) > _FAR * side for other in kept):
            kept.append(view)
    return kept
