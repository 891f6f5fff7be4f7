"""Boxes of garments <-> maps that a detector learns: encode beside decode.

A garment is a peak in the map of its category, in the cell of its box's middle, and there and around it the distances
to the box's four edges (as in CenterNet, arXiv:1904.07850, and TTFNet, arXiv:1909.00700). Every category has distances
of its own: a jacket and the dress under it have their middles in one cell.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from .boxes import Detections, areas
from .geometry import Size

ALPHA = 0.54
"""How much of a box, in each direction, learns its distances."""


@dataclass(frozen=True, slots=True, eq=False)
class BoxTargets:
    """What the maps of a photo should be, h rows and w columns of cells, for C categories.

    heat: (h, w, C) float32, 1 in the middle of a garment and falling off about it. counted: (h, w, C) float32, 0 where
    no garment is known to be absent, else 1. distances: (h, w, C, 4) float32 px, to the left, top, right and bottom
    edge. weight: (h, w, C) float32, how much of the distances of a garment depends on a cell; their sum is 1 for each
    garment, less for one of whose cells a smaller garment of its category takes some.
    """

    heat: np.ndarray
    counted: np.ndarray
    distances: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, slots=True)
class BoxCodec:
    """Encodes boxes in an input of `size` (width, height) px on a grid of `stride` px, and back.

    Raises ValueError where the stride does not divide the size.
    """

    size: Size
    stride: int = 8

    def __post_init__(self) -> None:
        if self.stride < 1 or any(side <= 0 or side % self.stride for side in self.size):
            raise ValueError(f"the stride of the maps, {self.stride}, must divide the input size {self.size}")

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) of a map in cells."""
        return self.size[1] // self.stride, self.size[0] // self.stride

    def encode(
        self, boxes: np.ndarray, category: np.ndarray, categories: int, ignored: np.ndarray | None = None
    ) -> BoxTargets:
        """Boxes (N, 4) in the input and their categories (N,) int -> the maps of `categories`.

        ignored: (M, 4) boxes in which other garments can be, as in a crowd: an answer there is neither right nor wrong.
        Of two boxes of one category in one cell the smaller one is learned. Raises ValueError for a box that does not
        lie in the input, and for a category that there is not.
        """
        (h, w), stride = self.shape, self.stride
        boxes, category = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(category, np.int64).reshape(-1)
        inside = (boxes[:, :2] >= 0).all(axis=1) & (boxes[:, 2:] <= self.size).all(axis=1)
        if not (inside & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)).all():
            raise ValueError(f"a box must lie in the input of {self.size} and have an area; got {boxes.tolist()}")
        if not ((category >= 0) & (category < categories)).all():
            raise ValueError(f"categories must be 0 to {categories - 1}; got {category.tolist()}")
        heat = np.zeros((h, w, categories), np.float32)
        counted, weight = np.ones_like(heat), np.zeros_like(heat)
        distances = np.zeros((h, w, categories, 4), np.float32)
        for left, top, right, bottom in np.asarray(ignored if ignored is not None else np.zeros((0, 4))):
            rows = slice(max(0, int(top // stride)), max(0, int(np.ceil(bottom / stride))))
            counted[rows, max(0, int(left // stride)) : max(0, int(np.ceil(right / stride)))] = 0
        middles = (np.arange(w) + 0.5) * stride, (np.arange(h) + 0.5) * stride
        for index in np.argsort(-areas(boxes), kind="stable"):
            (left, top, right, bottom), c = boxes[index], category[index]
            bump = self._bump(boxes[index])
            taken = bump > 0
            heat[..., c] = np.maximum(heat[..., c], bump)
            weight[..., c][taken] = bump[taken] / bump.sum()
            x, y = np.broadcast_to(middles[0], (h, w))[taken], np.broadcast_to(middles[1][:, None], (h, w))[taken]
            distances[..., c, :][taken] = np.stack([x - left, y - top, right - x, bottom - y], axis=1)
        counted[heat == 1] = 1
        return BoxTargets(heat, counted, distances, weight)

    def _bump(self, box: np.ndarray) -> np.ndarray:
        """(h, w) float32: 1 in the cell of the box's middle, falling off about it as far as ALPHA of the box."""
        bumps = []
        for axis, count in ((1, self.shape[0]), (0, self.shape[1])):
            low, high = box[axis], box[axis + 2]
            cell = min(int((low + high) / 2 // self.stride), count - 1)
            reach = int((high - low) / self.stride / 2 * ALPHA)
            offsets = np.arange(count) - cell
            bump = np.exp(-(offsets**2) / (2 * ((2 * reach + 1) / 6) ** 2))
            bumps.append(np.where(np.abs(offsets) <= reach, bump, 0))
        return np.outer(*bumps).astype(np.float32)

    def decode(
        self, heat: np.ndarray, distances: np.ndarray, limit: int = 100, lowest: float = 0.05
    ) -> list[Detections]:
        """Maps (B, h, w, C) of probabilities and (B, h, w, C, 4) px -> the garments of each input, the likeliest first.

        A garment is a cell that is at least as likely as its eight neighbours and at least `lowest`; `limit`: of each
        input so many at most. Boxes are cut off at the input's edges; one without an area there is left out. They are
        not yet suppressed. Raises ValueError for other shapes.
        """
        h, w = self.shape
        if heat.ndim != 4 or heat.shape[1:3] != (h, w) or distances.shape != (*heat.shape, 4):
            raise ValueError(
                f"expected heat (B, {h}, {w}, C) and distances (B, {h}, {w}, C, 4); got {heat.shape} and "
                f"{distances.shape}"
            )
        return list(self._decoded(np.asarray(heat, np.float32), distances, limit, lowest))

    def _decoded(self, heat: np.ndarray, distances: np.ndarray, limit: int, lowest: float) -> Iterator[Detections]:
        square = np.ones((3, 3), np.uint8)
        for values, edges in zip(heat, distances, strict=True):
            highest = np.stack(
                [cv2.dilate(np.ascontiguousarray(values[..., c]), square) for c in range(values.shape[2])], -1
            )
            y, x, c = np.nonzero((values >= highest) & (values >= lowest))
            score = values[y, x, c]
            first = np.argsort(-score, kind="stable")[:limit]
            y, x, c, score = y[first], x[first], c[first], score[first]
            middle = (np.stack([x, y], axis=1) + 0.5) * self.stride
            to = edges[y, x, c].astype(np.float64)
            boxes = np.concatenate([middle - to[:, :2], middle + to[:, 2:]], axis=1)
            boxes = np.clip(boxes, 0, [*self.size, *self.size])
            sound = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & np.isfinite(boxes).all(axis=1)
            yield Detections(boxes[sound], c[sound], np.clip(score[sound], 0, 1))
