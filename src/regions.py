"""Heatmaps -> the largest connected region -> the squared box that frames the garment."""

from collections.abc import Sequence

import cv2
import numpy as np

from .geometry import Frame, Size
from .records import Box


def summed_heatmap(heatmaps: np.ndarray, present: np.ndarray) -> np.ndarray:
    """(h, w, K) and (K,) bool -> (h, w) float32 in 0..1: the sum over the present keypoints, its peak scaled to 1.

    All zero where nothing is present or nothing is positive.
    """
    total = np.maximum(heatmaps[..., present], 0).sum(axis=-1, dtype=np.float32)
    peak = total.max(initial=0)
    return total / peak if peak > 0 else total


def join_keypoints(
    heat: np.ndarray, heatmaps: np.ndarray, present: np.ndarray, edges: Sequence[tuple[int, int]]
) -> np.ndarray:
    """The heat (h, w) with the garment's outline drawn into it: a line between the peaks of each of the edges.

    heatmaps: (h, w, K) in 0..1. edges: pairs of keypoints. A line is as warm as the cooler of its two peaks, so that
    one connected region holds the garment, but not a point that the network hardly believes in. Without the lines the
    keypoints are islands, of which the largest holds two or three.
    """
    height, width, count = heatmaps.shape
    flat = heatmaps.reshape(-1, count)
    places = flat.argmax(axis=0)
    peaks = flat[places, np.arange(count)].tolist()
    lines = []
    for a, b in edges:
        if present[a] and present[b]:
            ends = [(int(places[k] % width), int(places[k] // width)) for k in (a, b)]
            lines.append((min(max(min(peaks[a], peaks[b]), 0.0), 1.0), *ends))
    drawn = np.zeros((height, width), np.float32)
    for warmth, start, end in sorted(lines):  # the warmest last, over the others
        cv2.line(drawn, start, end, (warmth,))
    return np.maximum(heat, drawn)


def largest_region(heat: np.ndarray, threshold: float) -> np.ndarray | None:
    """(h, w) -> the largest 8-connected region at or above `threshold` as (h, w) bool; None where there is none."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((heat >= threshold).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    return labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())


def squared_box(points: np.ndarray, size: Size, margin: float) -> Box:
    """The square about (N, 2) px points, `margin` (a fraction of its side) added on each side.

    Kept inside the image of `size` by shifting. Where it is longer than the image's longer side, it has only as much
    margin as there is image. One that is longer than the shorter side stays square and reaches beyond the image,
    centred, to be padded: it is never squeezed. Raises ValueError without points.
    """
    if len(points) == 0:
        raise ValueError("a box needs at least one point")
    # A point stands for its pixel, which reaches half a pixel to either side.
    return _squared_area(points.min(axis=0) - 0.5, points.max(axis=0) + 0.5, size, margin)


def _squared_area(low: np.ndarray, high: np.ndarray, size: Size, margin: float) -> Box:
    extent = float((high - low).max())
    # More margin than that would show nothing, and the garment smaller.
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
    """The squared box, in photo pixels, about the largest connected region of the summed heatmaps.

    heatmaps: (h, w, K). present: (K,) bool. cells_to_photo maps heatmap cells to pixels of the photo of `size`.
    edges: pairs of keypoints along which the heat is joined first, see `join_keypoints`.
    None where no cell of the photo reaches the threshold: the caller takes the whole photo and says so.
    """
    heat = join_keypoints(summed_heatmap(heatmaps, present), heatmaps, present, edges)
    region = largest_region(heat, threshold)
    if region is None:
        return None
    # The ends of its rows bound it, however it is turned.
    rows = np.flatnonzero(region.any(axis=1))
    first = region[rows].argmax(axis=1)
    last = region.shape[1] - 1 - region[rows, ::-1].argmax(axis=1)
    # A cell is an area, not a point: its corners bound the region in the photo.
    ends = [np.stack([columns, rows + dy], 1) for columns in (first - 0.5, last + 0.5) for dy in (-0.5, 0.5)]
    corners = np.concatenate(ends)
    photo = np.clip(cells_to_photo.forward(corners), -0.5, np.array(size) - 0.5)
    low, high = photo.min(axis=0), photo.max(axis=0)
    # A region that lies wholly in the padding about the photo frames nothing of it.
    return _squared_area(low, high, size, margin) if (high > low).all() else None
