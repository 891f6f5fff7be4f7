"""The corners of a flat rectangle in a photo to a fraction of a pixel, from its four edges, with their uncertainty.

Profiles are taken across each edge; the steepest place of a profile is a point of the edge. A straight line through
dozens of points is far more exact than a pixel, and the corners are the intersections of four such lines.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

Straighten = Callable[[np.ndarray], np.ndarray]
"""Points (N, 2) of the photo -> positions without the lens's distortion; NaN if these are not known."""
_MOST_PROFILES, _SAMPLES = 48, 25
_NEAR, _FAINT = 2.5, 6.0  # px about the steepest place that count, and the minimum contrast of an edge in grey levels
_MARGIN = 0.06  # of an edge, at its ends: lens and print round the corners
_FLOOR = 0.05
"""Error in px of an edge as a whole, even if its points agree: by light, and by ink that spreads."""
_PARALLEL = 1e-3
_STILL, _MOST_LEFT = 0.1, 0.7  # px that a corner moves in the last step
_SHIFT, _TURN = 1e-3, 1e-5  # px and radians, of derivatives


@dataclass(frozen=True, slots=True, eq=False)
class Quad:
    """corners: (4, 2) px, in the given order. covariance: (8, 8) of x, y, x, y, ... fitted: the smallest share of an
    edge's points that lie on its line."""

    corners: np.ndarray
    covariance: np.ndarray
    fitted: float


def refined_quad(
    grey: np.ndarray, corners: np.ndarray, darker_inside: bool, straight: Straighten = lambda xy: xy
) -> Quad | None:
    """The quad whose corners are about (4, 2) px, clockwise or not; None if its edges are not visible.

    grey: (H, W) uint8. darker_inside: whether it is darker than its surroundings, as the border of a marker is, or
    brighter, as paper is.
    """
    found = np.asarray(corners, np.float64)
    shortest = float(np.linalg.norm(found - np.roll(found, 1, axis=0), axis=1).min())
    edges: list[np.ndarray] = []
    moved = np.inf
    # In each round the profiles start at the edges of the last one and are shorter, until the edges stay.
    for reach in (1.0, 1.0, 0.5, 0.5):
        edges = _edge_points(grey, found, darker_inside, reach) or []
        lines = [line for line in map(_line, edges) if line is not None]
        met = _corners(np.array([line.of for line in lines])) if len(lines) == 4 else None
        if met is None:
            return None
        moved = float(np.linalg.norm(met - found, axis=1).max())
        if moved > 0.15 * shortest + 3:
            return None
        found = met
        if moved < _STILL:
            break
    if moved > _MOST_LEFT:
        return None
    # Profiles are taken in the photo itself; lines are straight only without the distortion.
    flat = [straight(edge) for edge in edges]
    if not all(np.isfinite(points).all() for points in flat):
        return None
    lines = [line for points in flat if (line := _line(points)) is not None]
    met = _corners(np.array([line.of for line in lines])) if len(lines) == 4 else None
    return None if met is None else Quad(met, _covariance(lines), min(line.inside for line in lines))


def _edge_points(grey: np.ndarray, corners: np.ndarray, darker_inside: bool, reach: float) -> list[np.ndarray] | None:
    """For each edge of the quad (4, 2) the points (N, 2) px at which its profiles are steepest; None if an edge has too
    few."""
    along = np.roll(corners, -1, axis=0) - corners
    lengths = np.hypot(along[:, 0], along[:, 1])
    if lengths.min() < 8:
        return None
    along = along / lengths[:, None]
    across = np.stack([along[:, 1], -along[:, 0]], axis=1)
    inwards = ((corners.mean(axis=0) - corners) * across).sum(axis=1) > 0
    across[inwards] *= -1
    count = int(np.clip(lengths.min() * (1 - 2 * _MARGIN) / 2, 6, _MOST_PROFILES))
    starts = np.linspace(_MARGIN, 1 - _MARGIN, count)[:, None] * (lengths[:, None, None] * along[:, None])
    at = corners[:, None] + starts  # (4, N, 2)
    offsets = reach * np.clip(0.05 * lengths, 2.5, 7)[:, None] * np.linspace(-1, 1, _SAMPLES)
    places = (at[:, :, None] + offsets[:, None, :, None] * across[:, None, None]).reshape(4 * count, _SAMPLES, 2)
    x, y = (np.ascontiguousarray(places[..., i], np.float32) for i in (0, 1))
    profile = cv2.remap(grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    profile = cv2.blur(profile, (3, 1)).reshape(4, count, _SAMPLES)
    rise = np.diff(profile, axis=2) * (1 if darker_inside else -1)
    middles = ((offsets[:, :-1] + offsets[:, 1:]) / 2)[:, None]  # (4, 1, M)
    peak = rise.argmax(axis=2)
    centre = np.take_along_axis(np.broadcast_to(middles, rise.shape), peak[..., None], 2)
    rise, strength = np.maximum(rise, 0), np.zeros(peak.shape)
    for _ in range(3):  # a window without hard ends, which moves to the centre of what it contains
        weight = rise * np.maximum(1 - ((middles - centre) / _NEAR) ** 2, 0)
        strength = weight.sum(axis=2)
        centre = ((weight * middles).sum(axis=2) / np.maximum(strength, 1e-9))[..., None]
    height, width = grey.shape
    usable = (peak > 0) & (peak < _SAMPLES - 2) & (at >= 1).all(axis=2)
    usable &= (at[..., 0] < width - 2) & (at[..., 1] < height - 2)
    usable &= strength >= np.maximum(_FAINT, 0.3 * np.median(strength, axis=1, keepdims=True))
    if (usable.sum(axis=1) < max(5, 0.5 * count)).any():
        return None
    found = at + centre * across[:, None]
    return [points[kept] for points, kept in zip(found, usable, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """of: (3,), normal x, normal y and distance: n . p = d. middle: (2,) of its points. offset, turn: the variances of
    its distance there, and of its angle. inside: the share of its points that lie on it."""

    of: np.ndarray
    middle: np.ndarray
    offset: float
    turn: float
    inside: float


def _line(points: np.ndarray) -> _Line | None:
    """The line through the points, without outliers; None if too few are left."""
    kept = np.ones(len(points), bool)
    middle, axes, off = _through(points, kept)
    for _ in range(3):
        again = np.abs(off) <= max(3 * 1.4826 * float(np.median(np.abs(off[kept]))), 0.15)
        if again.sum() < 5:
            return None
        if (again == kept).all():
            break
        kept = again
        middle, axes, off = _through(points, kept)
    normal = axes[:, 0]
    along = (points[kept] - middle) @ axes[:, 1]
    # Neighbouring profiles share pixels, so their errors are correlated.
    variance = float((off[kept] ** 2).sum() / (kept.sum() - 2)) * 2
    offset = variance / kept.sum() + _FLOOR**2
    turn = (variance + _FLOOR**2) / float((along**2).sum())
    return _Line(np.array([*normal, normal @ middle]), middle, offset, turn, float(kept.mean()))


def _through(points: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The middle (2,) of the kept points (N, 2), their narrow and their wide axis as columns, and the distances (N,) of
    all points from the wide one."""
    middle = points[kept].mean(axis=0)
    away = points[kept] - middle
    axes = np.linalg.eigh(away.T @ away)[1]
    return middle, axes, (points - middle) @ axes[:, 0]


def _corners(lines: np.ndarray) -> np.ndarray | None:
    """(..., 4, 3) lines of the edges in order -> (..., 4, 2), where each meets the one before; None if two are
    parallel."""
    before = np.roll(lines, 1, axis=-2)
    a, b, c = np.moveaxis(before, -1, 0)
    d, e, f = np.moveaxis(lines, -1, 0)
    across = a * e - b * d
    if (np.abs(across) < _PARALLEL).any():
        return None
    return np.stack([(c * e - f * b) / across, (a * f - d * c) / across], axis=-1)


def _covariance(lines: list[_Line]) -> np.ndarray:
    """(8, 8) of the corners: each line can shift, and turn about the middle of its points."""
    still = np.array([line.of for line in lines])
    moved = np.repeat(still[None], 8, axis=0)
    for i, line in enumerate(lines):
        normal = line.of[:2] + _TURN * np.array([-line.of[1], line.of[0]])
        moved[2 * i, i, 2] += _SHIFT
        moved[2 * i + 1, i] = [*normal, normal @ line.middle]
    met = _corners(np.concatenate([still[None], moved]))
    if met is None:
        return np.full((8, 8), np.inf)
    slopes = (met[1:] - met[0]).reshape(8, 8) / np.tile([_SHIFT, _TURN], 4)[:, None]
    variances = np.array([(line.offset, line.turn) for line in lines]).ravel()
    return (slopes.T * variances) @ slopes
