"""Cloth: repeating tiles of many patterns, and the shading of folds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

TILE = 96


@dataclass(frozen=True, slots=True)
class Cloth:
    """tile: (T, T, 3) float32 RGB that repeats every `repeat` heads. turn: of the tile in radians. gloss: from 0.

    opacity: (T, T) float32 in 0..1, None for opaque cloth.
    """

    tile: np.ndarray
    repeat: float
    turn: float = 0.0
    gloss: float = 0.0
    opacity: np.ndarray | None = None

    @property
    def mean(self) -> np.ndarray:
        """(3,) average colour."""
        return self.tile.reshape(-1, 3).mean(0)


@dataclass(frozen=True, slots=True)
class Drape:
    """The folds of a piece.

    folds, depth: number and depth of folds along it; grows: 0..1, how much of the depth builds up over `length` heads.
    wrinkles, slant: their depth and direction in radians. roundness: of the body in it.
    """

    folds: float = 0.0
    depth: float = 0.0
    grows: float = 0.0
    wrinkles: float = 0.0
    slant: float = 0.0
    roundness: float = 0.25
    length: float = 2.0


@lru_cache(maxsize=1)
def _wrinkle_bank() -> np.ndarray:
    """(8, 128, 128) repeating relief shaded by side light, zero mean; the same in every process."""
    rng = np.random.default_rng(20180406)
    fields = []
    for i in range(8):
        height = np.zeros((128, 128))
        for sigma in (3, 6, 12):
            height += _blurred_tile(rng.normal(size=height.shape), sigma) * sigma**1.6
        if i % 2:
            height = -np.abs(height - np.median(height)) * 1.5
        slope = np.roll(height, -2, 1) - np.roll(height, 2, 1)
        slope = np.tanh(slope / slope.std() * 0.8)
        fields.append(slope - slope.mean())
    return np.stack(fields).astype(np.float32)


def _blurred_tile(tile: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian blur over the edges of a repeating tile, (H, W) float64."""
    radius = round(4 * sigma)
    kernel = cv2.getGaussianKernel(2 * radius + 1, sigma)
    blurred = cv2.sepFilter2D(np.pad(tile, radius, mode="wrap"), cv2.CV_64F, kernel, kernel)
    return blurred[radius:-radius, radius:-radius]


def _wrapped(x: np.ndarray, period: int) -> np.ndarray:
    """x modulo a period, float32; several times faster than NumPy's operator."""
    x -= np.floor(x * np.float32(1 / period)) * np.float32(period)
    return x


def fold_shade(rng: np.random.Generator, u: np.ndarray, v: np.ndarray, drape: Drape, light: float) -> np.ndarray:
    """(h, w) float32 brightness factor around 1.

    u: across in half widths, v: along in heads, each (h, w). light: its direction, -1 left to 1 right.
    """
    round_u = np.minimum(np.maximum(u, -1), 1)
    shade = 1.04 + (round_u * (0.55 * light * drape.roundness) - round_u * round_u * (0.6 * drape.roundness))
    if drape.wrinkles:
        bank = _wrinkle_bank()
        for size, weight in ((18.0, 0.6), (50.0, 0.35)):
            angle = drape.slant + rng.normal(0, 0.35)
            cos, sin = float(np.cos(angle)), float(np.sin(angle))
            field = bank[rng.integers(len(bank))]
            ox, oy = rng.uniform(0, 128, 2).tolist()
            x = (u * cos - v * sin) * size + ox
            y = (u * sin + v * cos) * size * rng.uniform(0.25, 0.6) + oy
            shade = shade + cv2.remap(field, _wrapped(x, 127), _wrapped(y, 127), cv2.INTER_LINEAR) * (
                drape.wrinkles * weight
            )
    if drape.folds and drape.depth:
        phase, skew = rng.uniform(0, 6.28), rng.normal(0, 0.25)
        bend = v * float(skew + rng.normal(0, 0.3)) + np.sin(v * rng.uniform(0.8, 2.0) + phase) * 0.5
        wave = np.sin(u * drape.folds * 1.57 + bend + phase) + 0.5 * np.sin(u * drape.folds * 2.9 - bend + phase * 2)
        wave = wave * (0.6 + 0.4 * np.abs(wave))
        amount = drape.depth * ((1 - drape.grows) + drape.grows * np.clip(v / drape.length, 0, 1.2))
        shade = shade + wave * amount * 0.55
    return np.clip(shade, 0.25, 1.5, dtype=np.float32)


def weave(
    cloth: Cloth, u: np.ndarray, v: np.ndarray, half: float, scale: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """Colour (h, w, 3) and opacity (h, w), None if opaque, at (u, v). half: half width in heads. scale: px per head."""
    per_tile = int(np.clip(cloth.repeat * scale, 4, TILE * 2))
    tile, opacity = cloth.tile, cloth.opacity
    if per_tile < TILE:  # shrink first, otherwise fine patterns alias
        tile = cv2.resize(tile, (per_tile, per_tile), interpolation=cv2.INTER_AREA)
        opacity = None if opacity is None else cv2.resize(opacity, (per_tile, per_tile), interpolation=cv2.INTER_AREA)
    size = tile.shape[0]
    cos, sin = float(np.cos(cloth.turn) * size / cloth.repeat), float(np.sin(cloth.turn) * size / cloth.repeat)
    x, y = _wrapped(u * (half * cos) - v * sin, size), _wrapped(u * (half * sin) + v * cos, size)
    tile = np.pad(tile, ((0, 1), (0, 1), (0, 0)), mode="wrap")
    colour = cv2.remap(tile, x, y, cv2.INTER_LINEAR)
    if opacity is None:
        return colour, None
    return colour, cv2.remap(np.pad(opacity, ((0, 1), (0, 1)), mode="wrap"), x, y, cv2.INTER_LINEAR)


_COMMON_COLOURS = np.array(
    [
        (0.05, 0.05, 0.06), (0.10, 0.10, 0.12), (0.93, 0.93, 0.92), (0.97, 0.96, 0.94), (0.45, 0.45, 0.47),
        (0.68, 0.68, 0.69), (0.10, 0.13, 0.26), (0.20, 0.28, 0.45), (0.82, 0.75, 0.64), (0.66, 0.52, 0.38),
        (0.36, 0.25, 0.18), (0.60, 0.09, 0.13), (0.90, 0.20, 0.42), (0.93, 0.70, 0.74), (0.95, 0.87, 0.80),
        (0.35, 0.42, 0.28), (0.15, 0.35, 0.28), (0.90, 0.75, 0.25),
    ]
)  # fmt: skip


def colour(rng: np.random.Generator) -> np.ndarray:
    """(3,) RGB in 0..1: mostly a common colour of clothes, sometimes any colour."""
    if rng.random() < 0.7:
        return np.clip(_COMMON_COLOURS[rng.integers(len(_COMMON_COLOURS))] + rng.normal(0, 0.03, 3), 0.02, 0.99)
    hsv = np.array([[[rng.uniform(0, 360), rng.uniform(0.1, 0.95), rng.uniform(0.2, 1.0)]]], np.float32)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64)


def _other(rng: np.random.Generator, base: np.ndarray, contrast: float = 0.25) -> np.ndarray:
    """A colour that differs from `base` by more than `contrast` on average."""
    for _ in range(6):
        other = colour(rng)
        if np.abs(other - base).mean() > contrast:
            return other
    return 1 - base


def _filled(base: np.ndarray) -> np.ndarray:
    return np.broadcast_to(base, (TILE, TILE, 3)).astype(np.float32).copy()


def _noise(rng: np.random.Generator, sigma: float) -> np.ndarray:
    field = rng.normal(size=(TILE // 2, TILE // 2)).astype(np.float32)
    field = np.pad(field, 12, mode="wrap")
    field = cv2.GaussianBlur(field, (0, 0), sigma)[12:-12, 12:-12]
    return cv2.resize(field / (field.std() + 1e-6), (TILE, TILE), interpolation=cv2.INTER_LINEAR)


def plain(base: np.ndarray, gloss: float = 0.0, grain: float = 0.0) -> Cloth:
    """Cloth of one colour. grain: strength of fine lines along it, for hair."""
    lines = 1 + grain * np.sin(np.arange(16) * 2.4) * np.cos(np.arange(16) * 1.1) if grain else np.ones(1)
    tile = np.broadcast_to(base, (len(lines), len(lines), 3)) * lines[None, :, None]
    return Cloth(np.ascontiguousarray(tile, np.float32), 0.5, gloss=gloss)


def _plain(rng: np.random.Generator) -> Cloth:
    tile = _filled(colour(rng)) * (1 + rng.uniform(0, 0.06) * rng.normal(size=(TILE, TILE, 1)))
    return Cloth(np.clip(tile, 0, 1).astype(np.float32), 1.0, gloss=float(rng.choice([0, 0, 0.3, 0.8])))


def _stripe(rng: np.random.Generator) -> Cloth:
    base = colour(rng)
    tile = _filled(base)
    count = int(rng.integers(1, 4))
    for i in range(count):
        at = int(i * TILE / count + rng.integers(0, 8))
        tile[at : at + int(rng.uniform(0.12, 0.6) * TILE / count)] = _other(rng, base)
    turn = float(rng.choice([0, np.pi / 2, rng.uniform(-0.6, 0.6)], p=[0.6, 0.33, 0.07]))
    return Cloth(tile, float(rng.uniform(0.12, 0.7) * count**0.5), turn)


def _check(rng: np.random.Generator) -> Cloth:
    base, second, third = colour(rng), colour(rng), colour(rng)
    weft = np.broadcast_to(base, (TILE, 3)).copy()
    at = rng.integers(0, 10)
    weft[at : at + TILE // int(rng.integers(2, 5))] = second
    weft[-int(rng.integers(3, 14)) :] = third
    tile = (weft[:, None] + weft[None]) / 2
    turn = 0.78 if rng.random() < 0.1 else 0.0
    return Cloth(tile.astype(np.float32), float(rng.uniform(0.2, 0.9)), turn)


def _dots(rng: np.random.Generator) -> Cloth:
    base = colour(rng)
    tile = _filled(base)
    ink, radius = _other(rng, base).tolist(), int(rng.integers(7, 20))
    for x, y in ((24, 24), (72, 72)):
        cv2.circle(tile, (x, y), radius, ink, -1, cv2.LINE_AA)
    return Cloth(tile, float(rng.uniform(0.15, 0.7)))


def _floral(rng: np.random.Generator) -> Cloth:
    base = colour(rng)
    tile = _filled(base)
    petals = [_other(rng, base, 0.15) for _ in range(3)]
    green = np.array([0.2, 0.4, 0.2]) * rng.uniform(0.5, 1.4)
    for _ in range(int(rng.integers(3, 9))):
        centre, radius = rng.uniform(0, TILE, 2), rng.uniform(5, 15)
        ink = petals[rng.integers(3)]
        leaf = centre + rng.normal(0, radius, 2)
        start, number = rng.uniform(0, 6.28), int(rng.integers(4, 7))
        for shift in ((0, 0), (TILE, 0), (0, TILE), (-TILE, 0), (0, -TILE)):
            c = centre + shift
            cv2.ellipse(tile, (int(leaf[0] + shift[0]), int(leaf[1] + shift[1])), (int(radius), int(radius * 0.4) + 1),
                        float(np.rad2deg(start)), 0, 360, green.tolist(), -1, cv2.LINE_AA)  # fmt: skip
            for k in range(number):
                a = start + k * 6.283 / number
                at = (int(c[0] + np.cos(a) * radius * 0.6), int(c[1] + np.sin(a) * radius * 0.6))
                cv2.circle(tile, at, int(radius * 0.55) + 1, (ink * (0.8 + 0.2 * (k % 2))).tolist(), -1, cv2.LINE_AA)
            cv2.circle(tile, (int(c[0]), int(c[1])), int(radius * 0.35) + 1, (ink * 0.6).tolist(), -1, cv2.LINE_AA)
    return Cloth(np.clip(tile, 0, 1), float(rng.uniform(0.5, 1.8)), float(rng.uniform(-0.4, 0.4)))


def _blotches(rng: np.random.Generator) -> Cloth:
    """Camouflage, animal prints, marble."""
    levels = np.digitize(_noise(rng, rng.uniform(1.5, 4)), np.sort(rng.normal(0, 0.8, int(rng.integers(1, 4)))))
    inks = np.stack([colour(rng) for _ in range(levels.max() + 1)])
    return Cloth(inks[levels].astype(np.float32), float(rng.uniform(0.4, 1.6)))


def _denim(rng: np.random.Generator) -> Cloth:
    base = np.array([0.16, 0.23, 0.36]) * rng.uniform(0.45, 2.2) + rng.normal(0, 0.02, 3)
    if rng.random() < 0.25:
        base = np.full(3, rng.uniform(0.08, 0.5))
    y, x = np.mgrid[:TILE, :TILE]
    twill = 1 + 0.10 * np.sign(np.sin((x + y) * 2 * np.pi / 6)) + 0.07 * rng.normal(size=(TILE, TILE))
    tile = _filled(np.clip(base, 0.03, 0.95)) * (twill + rng.uniform(0, 0.06) * _noise(rng, 4))[..., None]
    return Cloth(np.clip(tile, 0, 1).astype(np.float32), 0.8)


def _knit(rng: np.random.Generator) -> Cloth:
    base = colour(rng)
    y, x = np.mgrid[:TILE, :TILE] * (2 * np.pi / TILE)
    n = int(rng.integers(4, 10))
    stitch = np.sin(x * n) * 0.6 + np.sin(y * n + np.abs(np.sin(x * n / 2)) * 2.5) * 0.4
    if rng.random() < 0.3:
        stitch = np.sign(np.sin(x * n)) * np.abs(np.sin(x * n)) ** 0.5  # rib
    tile = _filled(base) * (1 + rng.uniform(0.06, 0.2) * stitch)[..., None]
    if rng.random() < 0.2:
        tile *= 1 + 0.15 * rng.normal(size=(TILE, TILE, 1))  # melange
    return Cloth(np.clip(tile, 0, 1).astype(np.float32), float(rng.uniform(0.4, 1.2)))


def lace(rng: np.random.Generator, base: np.ndarray | None = None) -> Cloth:
    """Flowers on a translucent mesh. base: (3,) its colour; by default a common colour of lace."""
    cloth = _floral(rng)
    if base is None:
        base = colour(rng) if rng.random() < 0.4 else _COMMON_COLOURS[rng.choice([0, 2, 3, 13])]
    solid = np.abs(cloth.tile - cloth.tile[0, 0]).sum(-1) > 0.05
    y, x = np.mgrid[:TILE, :TILE]
    mesh = (np.sin((x + y) * 0.8) > 0.6) | (np.sin((x - y) * 0.8) > 0.6)
    opacity = np.clip(np.where(solid, 0.97, np.where(mesh, 0.8, rng.uniform(0.25, 0.7))), 0, 1).astype(np.float32)
    tile = _filled(base) * np.where(solid, 1.0, 0.9)[..., None]
    return Cloth(tile.astype(np.float32), float(rng.uniform(0.4, 0.9)), opacity=opacity)


def _leather(rng: np.random.Generator) -> Cloth:
    base = np.clip(np.array([0.10, 0.08, 0.07]) * rng.uniform(0.5, 3) + rng.normal(0, 0.02, 3), 0.03, 1)
    return Cloth(np.clip(_filled(base) * (1 + 0.1 * _noise(rng, 1.2))[..., None], 0, 1), 1.0, gloss=1.2)


def _quilted(rng: np.random.Generator) -> Cloth:
    """Quilted chambers, or stitched diamonds."""
    y, x = np.mgrid[:TILE, :TILE] * (np.pi / TILE)
    if rng.random() < 0.65:
        swell = np.abs(np.sin(y)) + 0.08 * np.sin(x * 2 * int(rng.integers(3, 9)))
    else:
        swell = np.minimum(np.abs(np.sin(x + y)), np.abs(np.sin(x - y)))
    shade = 0.6 + 0.45 * np.clip(swell, 0, 1) ** 0.5
    tile = _filled(colour(rng)) * shade[..., None]
    return Cloth(np.clip(tile, 0, 1).astype(np.float32), float(rng.uniform(0.18, 0.5)), gloss=float(rng.uniform(0, 1)))


def sheer(rng: np.random.Generator, base: np.ndarray | None = None) -> Cloth:
    """Translucent cloth of one colour. base: (3,) the colour, by default random."""
    tile = (colour(rng) if base is None else base)[None, None].astype(np.float32)
    opacity = np.full((TILE, TILE), rng.uniform(0.25, 0.8), np.float32)
    return Cloth(np.tile(tile, (TILE, TILE, 1)), 0.5, opacity=opacity)


def lined(rng: np.random.Generator, cloth: Cloth) -> Cloth:
    """Translucent cloth on a lining in its colour, a skin colour or another one; opaque cloth as it is."""
    if cloth.opacity is None:
        return cloth
    skin = np.array([0.87, 0.72, 0.6]) * rng.uniform(0.6, 1.1)
    lining = (cloth.mean * rng.uniform(0.7, 1.0), np.clip(skin, 0, 1), colour(rng))[rng.choice(3, p=[0.6, 0.25, 0.15])]
    solid = cloth.opacity[..., None]
    return replace(cloth, tile=(cloth.tile * solid + lining * (1 - solid)).astype(np.float32), opacity=None)


def _tweed(rng: np.random.Generator) -> Cloth:
    base, other = colour(rng), colour(rng)
    pick = np.clip(0.3 + 0.35 * rng.normal(size=(TILE, TILE, 1)), 0, 1)
    return Cloth((base * (1 - pick) + other * pick).astype(np.float32), 0.9)


PATTERNS: dict[str, Callable[[np.random.Generator], Cloth]] = {
    "plain": _plain, "stripe": _stripe, "check": _check, "dots": _dots, "floral": _floral, "blotches": _blotches,
    "denim": _denim, "knit": _knit, "lace": lace, "leather": _leather, "tweed": _tweed,
    "quilted": _quilted,
}  # fmt: skip

_PATTERN_PROBABILITIES = {  # in the order of PATTERNS
    "blouse": (0.36, 0.13, 0.09, 0.05, 0.11, 0.05, 0.04, 0.10, 0.06, 0.0, 0.01, 0.0),
    "dress": (0.36, 0.09, 0.06, 0.07, 0.19, 0.06, 0.02, 0.05, 0.09, 0.0, 0.01, 0.0),
    "outwear": (0.44, 0.02, 0.08, 0.0, 0.02, 0.03, 0.09, 0.07, 0.0, 0.09, 0.09, 0.07),
    "skirt": (0.42, 0.08, 0.09, 0.05, 0.12, 0.05, 0.07, 0.03, 0.05, 0.03, 0.01, 0.0),
    "trousers": (0.42, 0.06, 0.06, 0.01, 0.05, 0.04, 0.29, 0.01, 0.0, 0.04, 0.02, 0.0),
}


def random_cloth(rng: np.random.Generator, category: str) -> Cloth:
    """Random cloth, with the pattern probabilities of the category."""
    return PATTERNS[str(rng.choice(list(PATTERNS), p=_PATTERN_PROBABILITIES[category]))](rng)
