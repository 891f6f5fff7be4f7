"""`HeatmapCodec.decode` in the operations of Keras, so that an exported network gives keypoints itself.

The formulas and their sources are those of heatmaps.py, cell for cell; what differs is that nothing depends on values
in Python, so that the graph is the same for every image.
"""

import cv2
import numpy as np
from keras import KerasTensor, layers, ops

from ..heatmaps import Decoder, HeatmapCodec

FAR = -1e30
"""Stands beyond the edge of a heatmap and where a value must not win."""


class KeypointDecoder(layers.Layer):
    """Heatmaps (B, h, w, K) -> (B, K, 3) float32: x and y in px of the input, and the heatmap's peak."""

    def __init__(self, codec: HeatmapCodec, method: Decoder, **kwargs) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.codec, self.method = codec, method
        self.height, self.width = codec.shape

    def call(self, heatmaps: KerasTensor) -> KerasTensor:
        flat = ops.reshape(heatmaps, (-1, self.height * self.width, heatmaps.shape[-1]))
        index, peaks = _highest(flat)
        x, y = index % self.width, index // self.width
        offset = {
            "argmax": self._nothing,
            "quarter": self._quarter,
            "two-peak": self._second_peak,
            "dark": self._newton_step,
            "soft-argmax": self._local_centroid,
        }[self.method](flat, x, y)
        cells = [ops.cast(part, "float32") + move for part, move in zip((x, y), offset, strict=True)]
        stride = self.codec.stride
        xy = [(part + 0.5) * stride - 0.5 for part in cells]
        return ops.stack([*xy, peaks], axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[3], 3)

    def _window(self, flat, x, y, radius: int):
        """The (2r+1)^2 = P cells about each (B, K) centre, row by row, (B, P, K), and whether they are cells at all."""
        dx, dy = _offsets(radius)
        columns, rows = ops.expand_dims(x, 1) + dx, ops.expand_dims(y, 1) + dy
        inside = [rows >= 0, rows < self.height, columns >= 0, columns < self.width]
        indices = ops.clip(rows, 0, self.height - 1) * self.width + ops.clip(columns, 0, self.width - 1)
        return ops.take_along_axis(flat, indices, axis=1), _every(inside)

    def _nothing(self, flat, x, y):
        return 0.0, 0.0

    def _quarter(self, flat, x, y):
        values, known = self._window(flat, x, y, 1)

        def move(after: int, before: int):
            both = ops.logical_and(known[:, after], known[:, before])
            return ops.where(both, 0.25 * ops.sign(values[:, after] - values[:, before]), 0.0)

        return move(5, 3), move(7, 1)

    def _second_peak(self, flat, x, y):
        first = ops.expand_dims(y * self.width + x, 1)
        everywhere = np.arange(self.height * self.width, dtype=np.int32)[None, :, None]
        index, _ = _highest(ops.where(everywhere == first, FAR, flat))
        dx = ops.cast(index % self.width - x, "float32")
        dy = ops.cast(index // self.width - y, "float32")
        length = ops.maximum(ops.sqrt(dx * dx + dy * dy), 1e-9)
        return 0.25 * dx / length, 0.25 * dy / length

    def _newton_step(self, flat, x, y):
        if self.height < 3 or self.width < 3:
            return self._nothing(flat, x, y)
        radius = max(1, round(self.codec.sigma))
        centre_x, centre_y = ops.clip(x, 1, self.width - 2), ops.clip(y, 1, self.height - 2)
        window, known = self._window(flat, centre_x, centre_y, radius + 1)
        blur, pick = _stencils(radius, self.codec.sigma)
        blurred = _combined(blur, window)
        raw = _combined(pick, window)
        # Where the blur would reach over the edge the raw values are better.
        stencil = ops.where(ops.all(known, axis=1, keepdims=True), blurred, raw)
        logs = ops.log(ops.maximum(stencil, 1e-10))
        gx, gy, xx, yy, xy = ops.unstack(_combined(_DERIVATIVES, logs), num=5, axis=1)
        determinant = xx * yy - xy * xy
        peaked = ops.logical_and(determinant > 1e-9, xx < 0)
        safe = ops.where(peaked, determinant, 1.0)
        dx = ops.cast(centre_x - x, "float32") - (yy * gx - xy * gy) / safe
        dy = ops.cast(centre_y - y, "float32") - (xx * gy - xy * gx) / safe
        usable = _every([peaked, ops.abs(dx) <= 1, ops.abs(dy) <= 1])
        return ops.where(usable, dx, 0.0), ops.where(usable, dy, 0.0)

    def _local_centroid(self, flat, x, y):
        radius = int(np.ceil(3 * self.codec.sigma))
        window, known = self._window(flat, x, y, radius)
        dx, dy = _offsets(radius)
        reach_x = ops.expand_dims(ops.minimum(x, self.width - 1 - x), 1)
        reach_y = ops.expand_dims(ops.minimum(y, self.height - 1 - y), 1)
        inside = _every([known, np.abs(dx) <= reach_x, np.abs(dy) <= reach_y])
        weights = ops.where(inside, ops.square(ops.maximum(window, 0.0)), 0.0)
        total = ops.sum(weights, axis=1)
        some = ops.maximum(total, 1e-30)
        moves = [ops.sum(weights * d.astype(np.float32), axis=1) / some for d in (dx, dy)]
        return tuple(ops.where(total > 0, move, 0.0) for move in moves)


def _highest(flat):
    """(B, N, K) -> index of the first highest of the N, (B, K) int32, and its value.

    The operation argmax of Keras looks at the bits of negative zeros, which not every runtime can.
    """
    peaks = ops.max(flat, axis=1, keepdims=True)
    indices = np.arange(flat.shape[1], dtype=np.int32)[None, :, None]
    index = ops.min(ops.where(flat == peaks, indices, flat.shape[1] - 1), axis=1)
    return index, peaks[:, 0]


def _offsets(radius: int) -> tuple[np.ndarray, np.ndarray]:
    """(1, P, 1) int32 steps in x and in y from the centre of a window to its cells, row by row."""
    span = np.arange(-radius, radius + 1, dtype=np.int32)
    dy, dx = np.meshgrid(span, span, indexing="ij")
    return dx.reshape(1, -1, 1), dy.reshape(1, -1, 1)


def _stencils(radius: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """(9, P) float32 twice: a window of radius + 1 to its blurred and to its raw 3x3 cells in the middle."""
    kernel = cv2.getGaussianKernel(2 * radius + 1, sigma, cv2.CV_32F).ravel()
    side = 2 * radius + 3
    blur, pick = np.zeros((3, 3, side, side), np.float32), np.zeros((3, 3, side, side), np.float32)
    for i in range(3):
        for j in range(3):
            blur[i, j, i : i + len(kernel), j : j + len(kernel)] = np.outer(kernel, kernel)
            pick[i, j, radius + i, radius + j] = 1
    return blur.reshape(9, -1), pick.reshape(9, -1)


# Central differences on a 3x3 stencil, row by row: d/dx, d/dy, d2/dx2, d2/dy2, d2/dxdy.
_DERIVATIVES = np.array(
    [
        [0, 0, 0, -0.5, 0, 0.5, 0, 0, 0],
        [0, -0.5, 0, 0, 0, 0, 0, 0.5, 0],
        [0, 0, 0, 1, -2, 1, 0, 0, 0],
        [0, 1, 0, 0, -2, 0, 0, 1, 0],
        [0.25, 0, -0.25, 0, 0, 0, -0.25, 0, 0.25],
    ],
    np.float32,
)


def _combined(weights: np.ndarray, values):
    """(S, P) and (B, P, K) -> (B, S, K). Not as a matrix product, which a runtime would compute in low precision."""
    return ops.sum(ops.expand_dims(values, 1) * weights[None, :, :, None], axis=2)


def _every(conditions):
    """Where all of them hold."""
    together = conditions[0]
    for condition in conditions[1:]:
        together = ops.logical_and(together, condition)
    return together
