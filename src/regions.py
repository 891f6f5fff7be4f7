"""Heatmaps -> the largest connected region -> the squared box that frames the garment."""

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


def largest_region(heat: np.ndarray, threshold: float) -> np.ndarray | None:
    """(h, w) -> the largest 8-connected region at or above `threshold` as (h, w) bool; None where there is none."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((heat >= threshold).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    return labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())


def squared_box(points: np.ndarray, size: Size, margin: float) -> Box:
    """The square about (N, 2) px points, `margin` (a fraction of its side) added on each side.

    Kept inside the image of `size` by shifting. A square larger than the image stays square and reaches beyond it,
    centred, to be padded: it is never squeezed. Raises ValueError without points.
    """
    if len(points) == 0:
        raise ValueError("a box needs at least one point")
    low, high = points.min(axis=0) - 0.5, points.max(axis=0) + 0.5
    side = max(1, round(float((high - low).max()) * (1 + 2 * margin)))
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
    threshold: float = 0.1,
    margin: float = 0.1,
) -> Box | None:
    """The squared box, in photo pixels, about the largest connected region of the summed heatmaps.

    heatmaps: (h, w, K). present: (K,) bool. cells_to_photo maps heatmap cells to pixels of the photo of `size`.
    None where no cell reaches the threshold: the caller takes the whole photo and says so.
    """
    region = largest_region(summed_heatmap(heatmaps, present), threshold)
    if region is None:
        return None
    rows, columns = np.nonzero(region)
    # A cell is an area, not a point: its four corners bound the region in the photo.
    corners = np.concatenate([np.stack([columns + dx, rows + dy], 1) for dx in (-0.5, 0.5) for dy in (-0.5, 0.5)])
    photo = np.clip(cells_to_photo.forward(corners), -0.5, np.array(size) - 0.5)
    return squared_box(photo, size, margin)
