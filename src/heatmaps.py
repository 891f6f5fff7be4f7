"""Keypoints <-> heatmaps: encode beside decode.

Cell i of a heatmap is centred on pixel (i + 0.5) * stride - 0.5 of the network's input, in both directions.
Decoders: `argmax`; `quarter` (a quarter cell towards the higher neighbour, as in stacked hourglass,
arXiv:1603.06937); `two-peak` (a quarter cell from the highest towards the second highest cell); `dark` (one
Newton step on the smoothed log-heatmap, arXiv:1910.06278); `soft-argmax` (centroid of the squared heatmap in a
window about the highest cell).
"""

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np

from .geometry import Frame, Size, zoom

Decoder = Literal["argmax", "quarter", "two-peak", "dark", "soft-argmax"]
DECODERS: tuple[str, ...] = get_args(Decoder)


@dataclass(frozen=True, slots=True)
class HeatmapCodec:
    """Encodes points of an input of `size` (width, height) px as Gaussians on a grid of `stride` px, and back.

    sigma is the Gaussian's standard deviation in cells. Raises ValueError where the stride does not divide the size.
    """

    size: Size
    stride: int = 4
    sigma: float = 1.5

    def __post_init__(self) -> None:
        if self.stride < 1 or any(side <= 0 or side % self.stride for side in self.size):
            raise ValueError(f"heatmap stride {self.stride} must divide the input size {self.size}")
        if not self.sigma > 0:
            raise ValueError(f"heatmap sigma must be positive, not {self.sigma}")

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) of a heatmap in cells."""
        return self.size[1] // self.stride, self.size[0] // self.stride

    @property
    def frame(self) -> Frame:
        """Input pixels -> heatmap cells."""
        return zoom(1 / self.stride)

    def encode(self, xy: np.ndarray, labelled: np.ndarray) -> np.ndarray:
        """Points (K, 2) px and (K,) bool -> (h, w, K) float32 Gaussians with peak 1; zero where not labelled."""
        h, w = self.shape
        cells = self.frame.forward(xy)
        cells = np.where(labelled[:, None], cells, 0).astype(np.float32)
        factor = np.float32(-0.5 / self.sigma**2)
        gx = np.exp(factor * np.square(np.arange(w, dtype=np.float32)[:, None] - cells[:, 0]))
        gy = np.exp(factor * np.square(np.arange(h, dtype=np.float32)[:, None] - cells[:, 1]))
        return (gy * labelled)[:, None, :] * gx[None]

    def decode(self, heatmaps: np.ndarray, method: Decoder = "dark") -> tuple[np.ndarray, np.ndarray]:
        """(B, h, w, K) -> points (B, K, 2) float64 px of the input, and peaks (B, K) float32.

        A heatmap of equal values decodes to its first cell (by two-peak a quarter beside it), with that value as its
        peak.
        Raises ValueError for another shape or an unknown method.
        """
        if heatmaps.ndim != 4 or heatmaps.shape[1:3] != self.shape:
            raise ValueError(f"expected heatmaps (B, {self.shape[0]}, {self.shape[1]}, K); got {heatmaps.shape}")
        if method not in DECODERS:
            raise ValueError(f"unknown decoder {method!r}; expected one of {', '.join(DECODERS)}")
        # Hundreds of keypoints take tens of megabytes. Transposing or padding them costs ten times one pass over them,
        # so the rows' peaks are found first, and then single rows and windows are taken out.
        heatmaps = np.asarray(heatmaps, np.float32)
        batch, _, _, count = heatmaps.shape
        row_peaks = heatmaps.max(axis=2)
        cells, peaks = _peaks(heatmaps, row_peaks)
        if method == "quarter":
            cells = cells + _quarter_offset(heatmaps, cells)
        elif method == "two-peak":
            cells = cells + _second_peak_offset(heatmaps, cells, row_peaks)
        elif method == "dark":
            cells = _newton_step(heatmaps, cells, self.sigma)
        elif method == "soft-argmax":
            cells = _local_centroid(heatmaps, cells, self.sigma)
        xy = self.frame.back(cells.astype(np.float64))
        return xy.reshape(batch, count, 2), peaks.reshape(batch, count)


def _peaks(heatmaps: np.ndarray, row_peaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B, h, w, K) and the peaks of its rows (B, h, K) -> the highest cells (B * K, 2) int as (x, y), and their values.

    Of several equal ones the first, row by row.
    """
    y = row_peaks.argmax(axis=1).ravel()
    row = _rows(heatmaps, y)
    x = row.argmax(axis=1)
    return np.stack([x, y], axis=1), row[np.arange(len(row)), x]


def _rows(heatmaps: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Row y (B * K,) of each of the (B, h, w, K) heatmaps -> (B * K, w)."""
    image, keypoint = np.divmod(np.arange(len(y)), heatmaps.shape[3])
    return heatmaps[image, y, :, keypoint]


def _windows(heatmaps: np.ndarray, centres: np.ndarray, radius: int, fill: float) -> np.ndarray:
    """The (B * K, 2r+1, 2r+1) neighbourhoods of (B * K, 2) integer cells (x, y), `fill` beyond the edge."""
    _, h, w, count = heatmaps.shape
    image, keypoint = np.divmod(np.arange(len(centres))[:, None, None], count)
    span = np.arange(-radius, radius + 1)
    columns, rows = centres[:, 0, None, None] + span, centres[:, 1, None, None] + span[:, None]
    nearest_row, nearest_column = np.clip(rows, 0, h - 1), np.clip(columns, 0, w - 1)
    starts, steps = (image * h + nearest_row) * (w * count), nearest_column * count + keypoint
    windows = heatmaps.reshape(-1).take(starts + steps)
    windows[(rows != nearest_row) | (columns != nearest_column)] = fill
    return windows


def _quarter_offset(heatmaps: np.ndarray, cells: np.ndarray) -> np.ndarray:
    # Beyond the border stands nan, whose comparisons are false: a peak on the border is not moved across it.
    window = _windows(heatmaps, cells, 1, np.nan)
    after = np.stack([window[:, 1, 2], window[:, 2, 1]], 1)
    before = np.stack([window[:, 1, 0], window[:, 0, 1]], 1)
    return 0.25 * ((after > before).astype(np.float64) - (after < before))


def _second_peak_offset(heatmaps: np.ndarray, cells: np.ndarray, row_peaks: np.ndarray) -> np.ndarray:
    x, y = cells.T
    rest = _rows(heatmaps, y)
    rest[np.arange(len(rest)), x] = -np.inf
    rest_peaks = np.moveaxis(row_peaks, 2, 1).reshape(len(rest), heatmaps.shape[1]).copy()
    rest_peaks[np.arange(len(rest)), y] = rest.max(axis=1)
    second_y = rest_peaks.argmax(axis=1)
    second_row = np.where((second_y == y)[:, None], rest, _rows(heatmaps, second_y))
    second = np.stack([second_row.argmax(axis=1), second_y], axis=1)
    direction = (second - cells).astype(np.float64)
    return 0.25 * direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)


def _newton_step(heatmaps: np.ndarray, cells: np.ndarray, sigma: float) -> np.ndarray:
    h, w = heatmaps.shape[1:3]
    if h < 3 or w < 3:
        return cells.astype(np.float64)
    # Predicted maps are ragged near the peak. Only the 3x3 stencil is needed, so blur a small window and not the map.
    radius = max(1, round(sigma))
    # At the border the stencil moves one cell inwards; a Gaussian's logarithm is a parabola, so that costs nothing.
    centre = np.clip(cells, 1, [w - 2, h - 2])
    window = _windows(heatmaps, centre, radius + 1, np.nan)
    kernel = cv2.getGaussianKernel(2 * radius + 1, sigma, cv2.CV_32F).ravel()
    known = np.isfinite(window)
    stencil = _correlate3(np.where(known, window, 0), kernel) / _correlate3(np.ones_like(window[:1]), kernel)
    # The blur over cells beyond the border is one-sided and would shift the peak; there the raw values are better.
    cut = ~known.all(axis=(1, 2))
    stencil[cut] = window[cut, radius : radius + 3, radius : radius + 3]
    log = np.log(np.maximum(stencil, 1e-10)).astype(np.float64)
    gradient = np.stack([log[:, 1, 2] - log[:, 1, 0], log[:, 2, 1] - log[:, 0, 1]], 1) / 2
    xx = log[:, 1, 2] - 2 * log[:, 1, 1] + log[:, 1, 0]
    yy = log[:, 2, 1] - 2 * log[:, 1, 1] + log[:, 0, 1]
    xy = (log[:, 2, 2] - log[:, 2, 0] - log[:, 0, 2] + log[:, 0, 0]) / 4
    determinant = xx * yy - xy * xy
    # Only a true maximum (negative definite) has a peak to step to.
    peaked = (determinant > 1e-9) & (xx < 0)
    safe = np.where(peaked, determinant, 1)
    step = -np.stack([yy * gradient[:, 0] - xy * gradient[:, 1], xx * gradient[:, 1] - xy * gradient[:, 0]], 1)
    refined = centre + step / safe[:, None]
    # The true peak lies within the highest cell or next to it; a longer step is noise.
    usable = peaked & (np.abs(refined - cells) <= 1).all(axis=1)
    return np.where(usable[:, None], refined, cells)


def _correlate3(window: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Separable correlation of (N, s+2, s+2) with (s,) -> (N, 3, 3)."""
    size = len(kernel)
    rows = np.stack([np.tensordot(window[:, i : i + size], kernel, axes=(1, 0)) for i in range(3)], axis=1)
    return np.stack([np.tensordot(rows[:, :, i : i + size], kernel, axes=(2, 0)) for i in range(3)], axis=2)


def _local_centroid(heatmaps: np.ndarray, cells: np.ndarray, sigma: float) -> np.ndarray:
    h, w = heatmaps.shape[1:3]
    radius = int(np.ceil(3 * sigma))
    # Squared, a Gaussian is narrower by the root of two, so the window cuts off less than 1e-4 of its mass.
    weights = np.square(np.maximum(_windows(heatmaps, cells, radius, 0.0), 0)).astype(np.float64)
    span = np.arange(-radius, radius + 1)
    # Near the border the window shrinks evenly: cut on one side alone it would pull the centroid to the other.
    reach = np.minimum(cells, np.array([w - 1, h - 1]) - cells)
    weights *= (np.abs(span) <= reach[:, 1, None])[:, :, None] & (np.abs(span) <= reach[:, 0, None])[:, None, :]
    total = weights.sum(axis=(1, 2))
    dx, dy = (weights.sum(axis=1) * span).sum(axis=1), (weights.sum(axis=2) * span).sum(axis=1)
    offset = np.stack([dx, dy], 1) / np.maximum(total, 1e-30)[:, None]
    return cells + np.where((total > 0)[:, None], offset, 0)
