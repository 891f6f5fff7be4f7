"""Heatmaps -> the largest connected region -> the square box around the garment."""

from collections.abc import Sequence

import cv2
import numpy as np

from .geometry import Frame, Size
from .records import Box


def summed_heatmap(heatmaps: np.ndarray, present: np.ndarray) -> np.ndarray:
    """(h, w, K) and (K,) bool -> (h, w) float32 in 0..1: the sum over the present keypoints, scaled to a peak of 1.

    Negative values count as 0. All zero if no keypoint is present or no value is positive.
    """
    total = np.maximum(heatmaps[..., present], 0).sum(axis=-1, dtype=np.float32)
    peak = total.max(initial=0)
    return total / peak if peak > 0 else total


def join_keypoints(
    heat: np.ndarray, heatmaps: np.ndarray, present: np.ndarray, edges: Sequence[tuple[int, int]]
) -> np.ndarray:
    """The summed heatmap (h, w) with the garment's outline drawn into it: for each edge, a line between its two peaks.

    heatmaps: (h, w, K) in 0..1. edges: pairs of keypoint indices. A line has the value of the lower of its two peaks:
    confident keypoints become one connected region, and keypoints of low confidence stay out of it. Without the lines
    the keypoints are separate regions, and the largest holds only two or three of them.
    """
    height, width, count = heatmaps.shape
    flat = heatmaps.reshape(-1, count)
    cells = flat.argmax(axis=0)
    peaks = flat[cells, np.arange(count)].tolist()
    lines = []  # (value, start, end)
    for a, b in edges:
        if present[a] and present[b]:
            ends = [(int(cells[k] % width), int(cells[k] // width)) for k in (a, b)]
            lines.append((min(max(min(peaks[a], peaks[b]), 0.0), 1.0), *ends))
    drawn = np.zeros((height, width), np.float32)
    for value, start, end in sorted(lines):  # the highest value last, over the others
        cv2.line(drawn, start, end, (value,))
    return np.maximum(heat, drawn)


def largest_region(heat: np.ndarray, threshold: float) -> np.ndarray | None:
    """(h, w) -> the largest 8-connected region of cells >= `threshold`, (h, w) bool; None if no cell reaches it."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((heat >= threshold).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    return labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())


def squared_box(points: np.ndarray, size: Size, margin: float) -> Box:
    """The square box around (N, 2) px points, with `margin` (a fraction of its side) added on each side.

    The box is shifted to lie inside the image of `size`. The margin is reduced so that the side does not exceed the
    image's longer side. A box longer than the image's shorter side stays square: it is centred and reaches beyond the
    image, to be padded. Raises ValueError if there are no points.
    """
    if len(points) == 0:
        raise ValueError("a box needs at least one point; got none")
    # A point is a pixel centre; the pixel extends half a pixel to each side of it.
    return _squared_area(points.min(axis=0) - 0.5, points.max(axis=0) + 0.5, size, margin)


def _squared_area(low: np.ndarray, high: np.ndarray, size: Size, margin: float) -> Box:
    extent = float((high - low).max())
    # A larger margin would only add padding and make the garment smaller.
    side = max(1, round(min(extent * (1 + 2 * margin), max(extent, *size))))
    corner = []
    for centre, length in zip((low + high) / 2, size, strict=True):
        start = round(float(centre + 0.5 - side / 2))
        corner.append(min(max(start, 0), length - side) if side <= length else (length - side) // 2)
    return Box(corner[0], corner[1], corner[0] + side, corner[1] + side)


def garment_region(
    heatmaps: np.ndarray,
    present: np.ndarray,
    cells_to_photo: Frame,
    size: Size,
    edges: Sequence[tuple[int, int]] = (),
    threshold: float = 0.2,
    margin: float = 0.05,
) -> Box | None:
    """The square box, in photo pixels, around the largest connected region of the summed heatmaps.

    heatmaps: (h, w, K). present: (K,) bool. cells_to_photo maps heatmap cells to pixels of the photo of `size`.
    edges: pairs of keypoint indices that are joined first, see `join_keypoints`. threshold: fraction of the peak.
    margin: as in `squared_box`. None if no cell inside the photo reaches the threshold: the caller then uses the whole
    photo and reports it.
    """
    heat = join_keypoints(summed_heatmap(heatmaps, present), heatmaps, present, edges)
    region = largest_region(heat, threshold)
    if region is None:
        return None
    # The first and last cell of every row are enough: they bound the region after any affine map.
    rows = np.flatnonzero(region.any(axis=1))
    first = region[rows].argmax(axis=1)
    last = region.shape[1] - 1 - region[rows, ::-1].argmax(axis=1)
    # A cell is an area, not a point: its corners bound the region in the photo.
    corners = np.concatenate(
        [np.stack([columns, rows + dy], 1) for columns in (first - 0.5, last + 0.5) for dy in (-0.5, 0.5)]
    )
    photo = np.clip(cells_to_photo.forward(corners), -0.5, np.array(size) - 0.5)
    low, high = photo.min(axis=0), photo.max(axis=0)
    # A region that lies entirely in the padding around the photo contains nothing of the photo.
    return _squared_area(low, high, size, margin) if (high > low).all() else None
