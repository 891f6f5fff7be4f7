"""Necklines as curves, and the collars, lapels and high necks around them; points in heads on the trunk."""

import numpy as np

from .body import ARMPIT, NECK_HALF, NECK_TOP, SHOULDER
from .outline import band, mirror, polyline, round_corners


def shoulder_line(x: float, shoulder: float) -> float:
    """The level, at |x|, of the line from the side of the neck to the shoulder tip."""
    t = (abs(x) - NECK_HALF) / (shoulder - NECK_HALF)
    return NECK_TOP + t * (SHOULDER - NECK_TOP)


def front(rng: np.random.Generator, kind: str, shoulder: float, chest: float) -> np.ndarray:
    """(N, 2) the front edge of the neck opening, from the left neck point to the right one.

    kind: a class of neckline_design; raises ValueError for any other.
    """

    def symmetric(*right_half: tuple[float, float], times: int = 0) -> np.ndarray:
        half = round_corners(polyline(*right_half), times) if times else polyline(*right_half)
        return np.vstack([mirror(half)[::-1], half[1:] if half[0, 0] == 0 else half])

    if kind == "Round Neckline":
        n, depth = rng.uniform(0.27, 0.44), rng.uniform(0.16, 0.5)
        t = np.linspace(0, np.pi / 2, 9)
        y = shoulder_line(n, shoulder)
        return symmetric(*zip(n * np.sin(t), y + depth * np.cos(t) ** rng.uniform(0.8, 1.2), strict=True))
    if kind in ("V Neckline", "Deep V Neckline"):
        n = rng.uniform(0.26, 0.42)
        depth = rng.uniform(0.4, 0.68) if kind == "V Neckline" else rng.uniform(0.9, 1.35)
        y = shoulder_line(n, shoulder)
        bulge = rng.uniform(-0.02, 0.05)
        return symmetric((0, y + depth), (n * 0.5 + bulge, y + depth * 0.5), (n, y), times=1)
    if kind == "Square Neckline":
        n, depth = rng.uniform(0.38, 0.55), rng.uniform(0.38, 0.6)
        y = shoulder_line(n, shoulder)
        return symmetric((0, y + depth), (n * rng.uniform(0.85, 1.0), y + depth), (n, y))
    if kind == "Straight Neck":
        n = rng.uniform(0.5, 0.68) * shoulder / 0.8
        y = shoulder_line(n, shoulder)
        return symmetric((0, y + rng.uniform(0.03, 0.12)), (n * 0.6, y + 0.05), (n, y), times=1)
    if kind == "Sweat Heart Neck":
        n, y = rng.uniform(0.42, 0.56), rng.uniform(0.45, 0.62)
        top = shoulder_line(n, shoulder)
        lobe = round_corners(polyline((0, y + 0.2), (0.1, y + 0.03), (0.3, y - 0.03), (n * 0.95, y + 0.02)), 2)
        return symmetric(*map(tuple, lobe), (n, top))
    if kind == "Strapless Neck":
        y, dip = ARMPIT + rng.uniform(-0.12, 0.04), rng.uniform(-0.06, 0.12)
        return symmetric((0, y + dip), (0.25, y + dip * 0.2), (chest, y), times=1)
    if kind == "Off Shoulder":
        y = rng.uniform(0.3, 0.45)
        return symmetric((0, y + rng.uniform(0.02, 0.14)), (chest * 0.6, y + 0.06), (chest * 1.02, y), times=1)
    if kind == "One Shoulder Neckline":
        n, side = rng.uniform(0.32, 0.5), int(rng.choice([-1, 1]))
        curve = polyline((-n, shoulder_line(n, shoulder)), (-0.1, 0.35), (0.35, 0.58), (chest, ARMPIT))
        curve = round_corners(curve, 2)
        return curve if side < 0 else mirror(curve)[::-1]
    raise ValueError(f"unknown neckline {kind!r}; expected a visible class of neckline_design")


def high_neck(rng: np.random.Generator, kind: str, shoulder: float) -> tuple[np.ndarray, np.ndarray]:
    """A turtle neck or another high neck: its polygon, and its upper edge from left to right, each (N, 2)."""
    n = NECK_HALF + rng.uniform(0.0, 0.05)
    low = shoulder_line(n + 0.04, shoulder)
    if kind == "Draped Collar":
        top = polyline((-0.34, 0.0), (-0.2, 0.2), (0, 0.3), (0.2, 0.2), (0.34, 0.0))
        outer = polyline((0.5, 0.06), (0.34, 0.45), (0, 0.66), (-0.34, 0.45), (-0.5, 0.06))
        top = round_corners(top)
        return np.vstack([top, round_corners(outer)]), top
    lowest, highest = {"Turtle Neck": (0.3, 0.4), "Low Turtle Neck": (0.13, 0.2)}.get(kind, (0.16, 0.26))
    rise = rng.uniform(lowest, highest)
    x = np.linspace(-1, 1, 17)
    dip = 0.07 * (1 - x**2)
    top = np.stack([x * (n - 0.03), low - rise + dip], -1)
    if kind == "Ruffle Semi-High Collar":
        top[:, 1] += 0.03 * np.sin(np.arange(17) * 1.9)
        top[:, 0] *= 1.12
    bottom = np.stack([x * (n + 0.04), low + 0.04 + 0.16 * (1 - x**2)], -1)
    return np.vstack([top, bottom[::-1]]), top


def collar(rng: np.random.Generator, kind: str, opening: np.ndarray) -> list[np.ndarray]:
    """The polygons of a collar around the opening (N, 2): one per side, or one for a rib collar."""
    if kind == "Rib Collar":
        return [band(opening, rng.uniform(0.08, 0.15))]
    middle = len(opening) // 2
    right = opening[middle:]
    n, top = right[-1]
    bottom = right[0, 1]
    if kind == "Shirt Collar":
        reach, drop = rng.uniform(0.16, 0.3), rng.uniform(0.1, 0.24)
        inner = polyline((0.01, bottom), (n * 0.62, (top + bottom) / 2 - 0.06), (n * 0.92, top - 0.13))
        outer = polyline((n + 0.1, top + 0.03), (n * 0.85 + reach * 0.5, bottom + drop * 0.4), (reach, bottom + drop))
        leaf = np.vstack([inner, outer])
        return [mirror(leaf), leaf]
    width = rng.uniform(0.2, 0.28) if kind == "Peter Pan" else rng.uniform(0.4, 0.55)
    gap = rng.uniform(0.01, 0.05)
    curve = round_corners(right + np.array([gap, 0.0]), 1)
    t = np.linspace(0, 1, len(curve))
    taper = np.clip(t * 6, 0, 1) ** 0.4
    if kind == "Peter Pan":
        taper = np.sqrt(np.clip(1 - (1 - np.clip(t / 0.35, 0, 1)) ** 2, 0, 1))
    leaf = np.vstack([curve, _offset(curve, width * taper)[::-1]])
    return [mirror(leaf), leaf]


def _offset(curve: np.ndarray, width: np.ndarray) -> np.ndarray:
    """The curve from the middle to the right neck point, moved outward and down."""
    tangent = np.gradient(curve, axis=0)
    tangent /= np.hypot(tangent[:, 0], tangent[:, 1])[:, None] + 1e-9
    return curve + np.stack([-tangent[:, 1], tangent[:, 0]], -1) * width[:, None]


def lapels(rng: np.random.Generator, kind: str, opening: np.ndarray) -> list[np.ndarray]:
    """The polygons of the lapels that fold back from the edges of a deep V opening (N, 2)."""
    middle = len(opening) // 2
    right = opening[middle:]
    n, top = right[-1]
    bottom = right[0, 1]
    tall = bottom - top
    wide = rng.uniform(0.2, 0.3) if kind != "Plus Size Shawl" else rng.uniform(0.42, 0.55)
    if kind == "Notched":
        y = top + tall * rng.uniform(0.3, 0.42)
        notch = polyline(
            (n * 0.75 + wide * 0.75, y - 0.07), (n * 0.6 + wide * 0.42, y - 0.02), (n * 0.62 + wide, y + 0.02)
        )
        shoulder = polyline((n * 0.95, top - 0.12), (n + 0.14, top + 0.02))
        low = polyline((n * 0.3 + wide * 0.45, bottom - tall * 0.2), (0.01, bottom))
        leaf = np.vstack([right[1:], shoulder, notch, low])
        return [mirror(leaf), leaf]
    t = np.linspace(0, 1, 12)
    inner = np.stack([np.interp(t, np.linspace(0, 1, len(right)), right[:, i]) for i in (0, 1)], -1)
    swell = wide * np.sin(np.pi * np.clip(t * 0.92 + 0.02, 0, 1)) ** 0.8
    outer = inner + np.stack([swell, 0.25 * swell], -1)
    leaf = np.vstack([inner, [[n * 0.95, top - 0.12], [n + 0.12, top]], outer[::-1][1:]])
    return [mirror(leaf), leaf]
