"""Paints pieces of cloth and skin onto a photo, and records which piece is on top at each pixel."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import hypot

import cv2
import numpy as np

from ...geometry import Frame, Size
from .cloth import Cloth, Drape, fold_shade, weave

Colour = tuple[float, float, float]
_FLAT = Drape()
_SHIFT = 4  # bits of subpixel in cv2's integer coordinates


@dataclass(frozen=True, slots=True)
class Stroke:
    """A seam, a crease or a line of colour. xy (N, 2) heads; width heads; darkness 0..1, or opacity of `colour`."""

    xy: np.ndarray
    width: float
    darkness: float
    colour: Colour | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a garment or a body in one cloth.

    rings: polygons (N, 2) in heads whose union is the shape. axis: (M, 2) the line along which it hangs or bends;
    reach: (M,) half its width there; both determine texture and shading. z: order of painting, lowest first.
    """

    part: str
    z: float
    rings: tuple[np.ndarray, ...]
    axis: np.ndarray
    reach: np.ndarray
    cloth: Cloth
    strokes: tuple[Stroke, ...] = ()
    drape: Drape = _FLAT
    shadow: float = 0.0
    owner: str = ""


def _pixels(xy: np.ndarray, origin: tuple[int, int]) -> np.ndarray:
    return np.round((xy - origin) * (1 << _SHIFT)).astype(np.int32)


def _filled(piece: Piece, camera: Frame, size: Size, pad: int = 0) -> tuple[np.ndarray, tuple[int, int]]:
    """The shape of a piece in a photo, (h, w) uint8 from 0 to 255, and where its top left pixel (x, y) lies.

    pad: px that are added on each side of the rectangle about the shape, which ends where the photo does.
    """
    rings = [camera.forward(ring) for ring in piece.rings]
    points = np.vstack(rings)
    left, upper = np.maximum(np.floor(points.min(0)).astype(int) - pad, 0).tolist()
    right, lower = np.minimum(np.ceil(points.max(0)).astype(int) + pad, size).tolist()
    mask = np.zeros((max(lower - upper, 0), max(right - left, 0)), np.uint8)
    if mask.size:
        for ring in rings:
            cv2.fillPoly(mask, [_pixels(ring, (left, upper))], 255, cv2.LINE_AA, _SHIFT)
    return mask, (left, upper)


def silhouette(pieces: Iterable[Piece], camera: Frame, size: Size) -> np.ndarray:
    """(H, W) bool: the pixels of pieces in a photo of `size`, wherever they are covered or not."""
    whole = np.zeros(size[::-1], bool)
    for piece in pieces:
        mask, (left, upper) = _filled(piece, camera, size, pad=2)
        whole[upper : upper + mask.shape[0], left : left + mask.shape[1]] |= mask > 127
    return whole


def _axis_coordinates(
    axis: np.ndarray, reach: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels -> (u, v): across the axis in half widths, -1..1 within the piece, and along it in pixels."""
    best = np.full(np.broadcast_shapes(x.shape, y.shape), np.inf, np.float32)
    u_best, v_best = np.zeros_like(best), np.zeros_like(best)
    start = 0.0
    # Python floats: NumPy's float64 would turn the float32 grids into float64.
    joints, half = axis.tolist(), reach.tolist()
    for i, (a, b) in enumerate(pairwise(joints)):
        length = max(hypot(b[0] - a[0], b[1] - a[1]), 1e-3)
        tx, ty = (b[0] - a[0]) / length, (b[1] - a[1]) / length
        v = (x - a[0]) * tx + (y - a[1]) * ty
        across = (x - a[0]) * ty - (y - a[1]) * tx
        grow = (half[i + 1] - half[i]) / length
        u = across / (np.minimum(np.maximum(v, 0), length) * grow + half[i]) if grow else across / half[i]
        if len(joints) == 2:
            return u, v
        distance = np.abs(across)
        if i > 0:
            distance += np.maximum(-v, 0)
        if i < len(joints) - 2:
            distance += np.maximum(v - length, 0)
        nearer = distance < best
        for kept, new in ((best, distance), (u_best, u), (v_best, v + start)):
            np.copyto(kept, new, where=nearer)
        start += length
    return u_best, v_best


def _enlarge(field: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A field sampled at every second pixel -> at all pixels."""
    twice = cv2.resize(field, (field.shape[1] * 2, field.shape[0] * 2), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(twice[: shape[0], : shape[1]])


class Canvas:
    """A photo being painted.

    planes: (3, H, W) float32 RGB in 0..1; channels first because NumPy is three times faster that way. top: (H, W)
    int16, index of the topmost piece, -1 without one. light: its direction, -1 left to 1 right. ink, rim: darkness of
    seams and of the rounded rims of pieces, 0..1. shadow: factor of the shadows that pieces cast.
    """

    def __init__(self, backdrop: np.ndarray, camera: Frame, light: float, ink: float, rim: float, shadow: float):
        self.planes = np.ascontiguousarray(backdrop.transpose(2, 0, 1))
        self.top = np.full(backdrop.shape[:2], -1, np.int16)
        self.camera = camera
        self.light = light
        self.ink = ink
        self.rim = rim
        self.shadow = shadow
        self.pieces: list[Piece] = []

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) float32 RGB."""
        return np.ascontiguousarray(self.planes.transpose(1, 2, 0))

    def paint(self, piece: Piece, rng: np.random.Generator) -> None:
        """Paints one piece over the pieces so far."""
        index = len(self.pieces)
        self.pieces.append(piece)
        height, width = self.planes.shape[1:]
        pad = 6 if not piece.shadow else 8 + int(min(self.camera.scale * 0.16, 24))
        mask, (left, upper) = _filled(piece, self.camera, (width, height), pad)
        lower, right = upper + mask.shape[0], left + mask.shape[1]
        if right - left < 2 or lower - upper < 2:
            return
        origin = (left, upper)
        region = self.planes[:, upper:lower, left:right]
        scale = self.camera.scale
        if piece.shadow:
            self._cast_shadow(region, mask, min(piece.shadow * self.shadow, 0.8), scale)
        # Cloth coordinates and shading vary slowly: every second pixel is enough.
        x = np.arange(left + 0.5, right, 2, dtype=np.float32)[None, :]
        y = np.arange(upper + 0.5, lower, 2, dtype=np.float32)[:, None]
        axis, reach = self.camera.forward(piece.axis), np.maximum(piece.reach * scale, 0.5)
        u, v = _axis_coordinates(axis, reach, x, y)
        v /= scale
        shade = _enlarge(fold_shade(rng, u, v, piece.drape, self.light), mask.shape)
        shade *= cv2.blur(mask, (5, 5)).astype(np.float32) * np.float32(self.rim / 255) + np.float32(1 - self.rim)
        opacity = None
        if piece.cloth.tile.shape[0] == 1:
            colour = np.empty((3, *mask.shape), np.float32)
            colour[:] = piece.cloth.tile[0, 0][:, None, None]
        else:
            u, v = _enlarge(u, mask.shape), _enlarge(v, mask.shape)
            colour, opacity = weave(piece.cloth, u, v, float(piece.reach.mean()), scale)
            colour = np.ascontiguousarray(colour.transpose(2, 0, 1))
        for stroke in piece.strokes:
            self._stroke(stroke, shade, colour, origin, scale)
        alpha = mask.astype(np.float32) * np.float32(1 / 255)
        if opacity is not None:
            alpha *= opacity
        shine = np.maximum(shade - 1, 0) * np.float32(piece.cloth.gloss) if piece.cloth.gloss else None
        for plane, under in zip(colour, region, strict=True):
            plane *= shade
            if shine is not None:
                plane += shine
            plane -= under
            plane *= alpha
            under += plane
        self.top[upper:lower, left:right][mask > 127] = index

    def _cast_shadow(self, region: np.ndarray, mask: np.ndarray, strength: float, scale: float) -> None:
        size = int(np.clip(scale * 0.18, 3, 31)) | 1
        soft = cv2.blur(mask, (size, size))
        dx, dy = round(-self.light * scale * 0.05), round(scale * 0.04)
        height, width = mask.shape
        if dy >= height or abs(dx) >= width:
            return
        fallen = soft[: height - dy, max(-dx, 0) : width - max(dx, 0)]
        region[:, dy:, max(dx, 0) : width - max(-dx, 0)] *= 1 - fallen.astype(np.float32) * np.float32(strength / 255)

    def _stroke(
        self, stroke: Stroke, shade: np.ndarray, colour: np.ndarray, origin: tuple[int, int], scale: float
    ) -> None:
        ink = np.zeros(shade.shape, np.uint8)
        width = stroke.width * scale
        # A line thinner than one pixel becomes a fainter line of one pixel.
        strength = stroke.darkness * min(width, 1.0)
        points = _pixels(self.camera.forward(stroke.xy), origin)
        cv2.polylines(ink, [points], False, 255, max(round(width), 1), cv2.LINE_AA, _SHIFT)
        amount = ink.astype(np.float32) * (strength / 255)
        if stroke.colour is None:
            shade *= 1 - amount * np.float32(self.ink)
        else:
            for plane, ink_value in zip(colour, stroke.colour, strict=True):
                plane += (float(ink_value) - plane) * amount

    def covered(
        self,
        xy: np.ndarray,
        home: int,
        spared: frozenset[str],
        radius: int | None = None,
        cloth: np.ndarray | None = None,
        figure: range | None = None,
    ) -> bool:
        """Whether pieces painted after piece `home` hide a pixel position: more than 70% of a small square around it.

        Parts named in `spared` do not count if they belong to the same garment or to the body: an armpit is not hidden
        by the sleeve of its garment, but by that of a coat. radius: half the square's side in px, by default 1/110 of
        the photo. cloth: (H, W) bool, the pixels of the square that count, by default all. figure: the pieces of the
        body and what it wears, where there are several; by default all.
        """
        owners = (self.pieces[home].owner, "")
        height, width = self.planes.shape[1:]
        if radius is None:
            radius = max(2, round(max(height, width) / 110))
        cx, cy = int(np.clip(round(xy[0]), 0, width - 1)), int(np.clip(round(xy[1]), 0, height - 1))
        square = slice(max(cy - radius, 0), cy + radius + 1), slice(max(cx - radius, 0), cx + radius + 1)
        around = self.top[square]
        if cloth is not None and cloth[square].any():
            around = around[cloth[square]]
        on_top, counts = np.unique(around[around > home], return_counts=True)
        hides = [
            (p := self.pieces[i]).part not in spared
            or p.owner not in owners
            or (figure is not None and i not in figure)
            for i in on_top.tolist()
        ]
        return bool(counts[hides].sum() > 0.7 * around.size)
