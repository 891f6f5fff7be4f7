"""Places names on a picture so that they do not cover each other or the points that they name."""

import numpy as np

from ..geometry import Size

_DIRECTIONS = np.deg2rad(np.arange(0, 360, 22.5))
_DISTANCES = (1.9, 3.5, 6.0, 9.0, 13.0)
"""Distances from the point to the nearest side of its label, in radii of the points."""
_ROUNDS = 4

# Costs of a label, in the same unit: wholly covering another label, covering one point, lying wholly along an
# outline, standing one step further from its point, and standing on the garment's side of its point.
_LABEL, _POINT, _LINE, _STEP, _INWARD = 12.0, 3.0, 2.0, 0.35, 0.5


def place_labels(
    points: np.ndarray, sizes: np.ndarray, radius: float, lines: list[tuple[np.ndarray, np.ndarray]], image: Size
) -> np.ndarray:
    """A rectangle for the label of each point, inside the image if it fits.

    Each label in turn moves to the cheapest position around its point, while the others stay, for a few rounds. The
    same input gives the same positions.

    Args:
        points: (N, 2) px.
        sizes: (N, 2) width and height of the labels, px.
        radius: of the drawn points, px.
        lines: pairs of ends (2,), (2,) that labels should not cover.
        image: (width, height) px.

    Returns:
        (N, 4) float64: left, top, right, bottom.
    """
    centre = points.mean(axis=0)
    along = np.linspace(0, 1, 25)[:, None]
    outline = np.concatenate([a + along * (b - a) for a, b in lines]) if lines else np.empty((0, 2))
    choices, fixed_costs = [], []
    for point, size in zip(points, sizes, strict=True):
        boxes, cost = _choices(point, size, radius, centre, image)
        cost += _POINT * _covered(_grown(boxes, 1.3 * radius), points).sum(axis=1)
        cost += _LINE * _covered(boxes, outline).sum(axis=1) / len(along)
        choices.append(boxes)
        fixed_costs.append(cost)

    placed = np.stack([boxes[cost.argmin()] for boxes, cost in zip(choices, fixed_costs, strict=True)])
    for _ in range(_ROUNDS):
        for i, (boxes, cost) in enumerate(zip(choices, fixed_costs, strict=True)):
            others = np.delete(placed, i, axis=0)
            shares = _overlap(boxes, others) / np.prod(sizes[i])
            placed[i] = boxes[(cost + _LABEL * shares.sum(axis=1)).argmin()]
    return placed


def _choices(
    point: np.ndarray, size: np.ndarray, radius: float, centre: np.ndarray, image: Size
) -> tuple[np.ndarray, np.ndarray]:
    """Candidate rectangles (M, 4) around the point, moved into the image, and the cost (M,) of their positions."""
    unit = np.stack([np.cos(_DIRECTIONS), np.sin(_DIRECTIONS)], axis=1)
    middles = np.concatenate([point + unit * (distance * radius + size / 2) for distance in _DISTANCES])
    low, high = size / 2, np.array(image) - size / 2
    middles = np.clip(middles, low, np.maximum(low, high))
    boxes = np.hstack([middles - size / 2, middles + size / 2])

    near = np.clip(point, boxes[:, :2], boxes[:, 2:])
    distance = np.linalg.norm(near - point, axis=1) / radius
    outward = (point - centre) / max(1e-9, float(np.linalg.norm(point - centre)))
    cost = _STEP * np.maximum(0, distance - _DISTANCES[0]) / 2 + _INWARD * (
        1 - np.tile(unit @ outward, len(_DISTANCES))
    )
    return boxes, cost


def _grown(boxes: np.ndarray, margin: float) -> np.ndarray:
    return boxes + np.array([-margin, -margin, margin, margin])


def _covered(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(M, 4), (P, 2) -> (M, P) bool: which points lie in which rectangles."""
    within = (points >= boxes[:, None, :2]) & (points <= boxes[:, None, 2:])
    return within[..., 0] & within[..., 1]


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(M, 4), (N, 4) -> (M, N): areas that the rectangles share."""
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    shared = np.maximum(0, high - low)
    return shared[..., 0] * shared[..., 1]
