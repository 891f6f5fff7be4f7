"""Geometry of the outlines of garments and limbs: polylines, curves and ribbons. All points are (N, 2) in heads."""

from itertools import pairwise

import numpy as np


def polyline(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, np.float64)


def mirror(points: np.ndarray) -> np.ndarray:
    """The points mirrored at the middle of the body, x = 0."""
    return points * (-1.0, 1.0)


def round_corners(points: np.ndarray, times: int = 2) -> np.ndarray:
    """An open polyline with its corners rounded (Chaikin's algorithm); the ends stay."""
    for _ in range(times):
        quarter = 0.75 * points[:-1] + 0.25 * points[1:]
        three_quarters = 0.25 * points[:-1] + 0.75 * points[1:]
        middle = np.stack([quarter, three_quarters], 1).reshape(-1, 2)
        points = np.vstack([points[:1], middle, points[-1:]])
    return points


def arc_length(points: np.ndarray) -> np.ndarray:
    """(N,) distance from the first point, along the polyline."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])


def along(points: np.ndarray, distance: np.ndarray | float) -> np.ndarray:
    """The points at given distances along a polyline; past its end, on the straight extension."""
    length = arc_length(points)
    distance = np.asarray(distance, np.float64)
    xy = np.stack([np.interp(distance, length, points[:, i]) for i in (0, 1)], -1)
    last = points[-1] - points[-2]
    beyond = np.maximum(distance - length[-1], 0)[..., None]
    return xy + beyond * last / np.hypot(*last)


def profile(at: np.ndarray, levels: tuple[float, ...], values: tuple[float, ...]) -> np.ndarray:
    """A smooth curve through (level, value) without overshoot, constant outside: a monotone cubic.

    Slopes after Fritsch and Butland (1984), in plain Python, which is faster for few knots and many calls.
    """
    gap = [b - a for a, b in pairwise(levels)]
    rise = [(b - a) / g for (a, b), g in zip(pairwise(values), gap, strict=True)]
    inner = [2 * p * q / (p + q) if p * q > 0 else 0.0 for p, q in pairwise(rise)]
    slope = np.array([rise[0], *inner, rise[-1]])
    knots, height = np.array(levels), np.array(values)
    at = np.minimum(np.maximum(at, levels[0]), levels[-1])
    i = np.minimum(np.searchsorted(knots, at, "right") - 1, len(gap) - 1)
    width = np.array(gap)[i]
    t = (at - knots[i]) / width
    bend = t * t * (3 - 2 * t)
    hook = t * (1 - t) * width * ((1 - t) * slope[i] - t * slope[i + 1])
    return height[i] + (height[i + 1] - height[i]) * bend + hook


def ribbon(bone: np.ndarray, distance: np.ndarray, half: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The outer and the inner edge of a tube around a bone, each (N, 2).

    distance: (N,) along the bone. half: (N,) half widths. side: -1 for a limb on the left of the image, whose outer
    edge is to the left of a bone that points down; 1 for the right.
    """
    smooth = round_corners(bone, 2)
    centre = along(smooth, distance)
    direction = along(smooth, distance + 0.05) - along(smooth, np.maximum(distance - 0.05, 0))
    direction /= np.hypot(direction[:, 0], direction[:, 1])[:, None] + 1e-9
    outward = side * np.stack([direction[:, 1], -direction[:, 0]], -1)
    return centre + outward * half[:, None], centre - outward * half[:, None]


def chain(outer: np.ndarray, inner: np.ndarray, step: int = 3) -> list[np.ndarray]:
    """Overlapping polygons that cover a ribbon: unlike a single polygon, their union has no hole at sharp bends."""
    rings = []
    for start in range(0, max(len(outer) - 1, 1), step):
        stop = min(start + step + 1, len(outer))
        rings.append(np.vstack([outer[start:stop], inner[start:stop][::-1]]))
    return rings


def band(curve: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    """The polygon between a curve from left to right and its copy moved down by `width` along the normal."""
    tangent = np.gradient(curve, axis=0)
    tangent /= np.hypot(tangent[:, 0], tangent[:, 1])[:, None] + 1e-9
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], -1)
    offset = curve + normal * np.broadcast_to(width, len(curve))[:, None]
    return np.vstack([curve, offset[::-1]])


def even(curve: np.ndarray, count: int) -> np.ndarray:
    """(count, 2) points at equal distances along a polyline, with its ends."""
    return along(curve, np.linspace(0, arc_length(curve)[-1], count))


def smooth(curve: np.ndarray, times: int) -> np.ndarray:
    """The polyline with each inner point moved towards the middle of its neighbours; the ends stay."""
    for _ in range(times):
        curve = np.vstack([curve[:1], 0.25 * curve[:-2] + 0.5 * curve[1:-1] + 0.25 * curve[2:], curve[-1:]])
    return curve
