"""Boxes of garments: records, overlap, suppression, and the square of a photo that a network sees of one.

A box is (left, top, right, bottom) in px, edges of pixels: a photo of width W spans 0 to W, pixel i spans i to i + 1.
Those of COCO are the same, written as (left, top, width, height). Points count pixel centres, half a pixel less:
`moved` and `around` know that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .geometry import Frame, Size
from .records import Box

UNKNOWN = -1
"""The category of a box whose category is not known."""
SAME, OTHER = 0.55, 0.9
"""Two boxes that overlap by more than this (intersection over union) are taken as one garment: of one category, and of
two. The latter is high, because a jacket and the shirt under it have nearly the same box."""
MARGIN = 0.15
"""What the keypoint network sees around a box, on each side, as a fraction of the box's longer side; in training as in
recognition."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The garments that were detected in one photo, or that it is said to show.

    boxes: (N, 4) float64, as in this module. category: (N,) int64, indices of the vocabulary's categories or UNKNOWN.
    score: (N,) float32, the probability that there is a garment of that category; 1 where a person says so.
    Raises ValueError for other shapes, and for a box that is not finite or has no area.
    """

    boxes: np.ndarray
    category: np.ndarray
    score: np.ndarray

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, np.float64)
        category, score = np.asarray(self.category, np.int64), np.asarray(self.score, np.float32)
        if boxes.ndim != 2 or boxes.shape[1] != 4 or category.shape != boxes.shape[:1] or score.shape != category.shape:
            raise ValueError(
                f"detections need boxes (N, 4), category (N,) and score (N,); got {boxes.shape}, {category.shape} and "
                f"{score.shape}"
            )
        if not np.isfinite(boxes).all() or not np.isfinite(score).all():
            raise ValueError("a box or score is not a finite number")
        empty = (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
        if empty.any():
            raise ValueError(f"an empty box: {', '.join(f'{value:g}' for value in boxes[empty.argmax()])}")
        for name, value in (("boxes", boxes), ("category", category), ("score", score)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, which: np.ndarray) -> "Detections":
        """Those at indices (M,) int, or where (N,) bool."""
        return Detections(self.boxes[which], self.category[which], self.score[which])


def no_detections() -> Detections:
    return Detections(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, np.float32))


def areas(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) -> (N,) px²."""
    return np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N, 4) and (M, 4) -> (N, M): intersection over union of every pair."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    return shared / (areas(first)[:, None] + areas(second)[None] - shared)


def suppressed(found: Detections, same: float = SAME, other: float = OTHER) -> Detections:
    """Without those that a likelier one overlaps by more than `same` if it is of the same category, `other` if not.

    From the highest score to the lowest (non-maximum suppression); of equal scores the first is kept.
    """
    order = np.argsort(-found.score, kind="stable")
    found = found.select(order)
    limit = np.where(found.category[:, None] == found.category[None], same, other)
    clash = overlaps(found.boxes, found.boxes) > limit
    kept = np.ones(len(found), bool)
    for index in range(len(found)):
        if kept[index]:
            kept[index + 1 :] &= ~clash[index, index + 1 :]
    return found.select(kept)


def moved(boxes: np.ndarray, frame: Frame) -> np.ndarray:
    """(N, 4) -> (N, 4): the upright boxes about where a frame takes the corners."""
    left, top, right, bottom = np.moveaxis(np.asarray(boxes, np.float64), -1, 0)
    corners = np.stack([np.stack(p, -1) for p in ((left, top), (right, top), (right, bottom), (left, bottom))], -2)
    there = frame.forward(corners - 0.5) + 0.5
    return np.concatenate([there.min(axis=-2), there.max(axis=-2)], axis=-1)


def clipped(boxes: np.ndarray, size: Size) -> np.ndarray:
    """(N, 4) -> (N, 4): the part of each box in a photo of (width, height). A box outside the photo gets no area."""
    return np.clip(boxes, 0, np.array([*size, *size], np.float64))


def around(points: np.ndarray) -> np.ndarray:
    """(N, 2) px, pixel centres -> (4,): the box of the pixels. Raises ValueError without a point."""
    if len(points) == 0:
        raise ValueError("a box needs at least one point; got none")
    return np.concatenate([points.min(axis=0) - 0.5, points.max(axis=0) + 0.5]) + 0.5


def squared(box: Sequence[float] | np.ndarray, margin: float) -> Box:
    """The square about the middle of a box (4,), of its longer side and `margin` of that more on each side.

    It may reach beyond the photo, which is padded there.
    """
    left, top, right, bottom = (float(value) for value in box)
    side = max(1, round(max(right - left, bottom - top) * (1 + 2 * margin)))
    x, y = round((left + right - side) / 2), round((top + bottom - side) / 2)
    return Box(x, y, x + side, y + side)
