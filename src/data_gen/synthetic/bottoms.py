"""Skirts and trousers."""
# ruff: noqa: RUF005  (an array + (x, y) moves points, it does not join lists)

import numpy as np

from . import details
from .attributes import length_label
from .body import ANKLE, CROTCH, FLOOR, HIP, KNEE, SIDES, WAIST, Body
from .cloth import Cloth, Drape, plain
from .cut import Garment, Mark
from .details import THREAD
from .outline import along, arc_length, chain, even, profile, ribbon, smooth
from .paint import Piece, Stroke

_IN_BOOT = 0.12  # heads of a leg that are under the edge of a boot
_ACROSS = np.linspace(0, 1, 9)[:, None]


def _waistband(body: Body, y: float, ease: float, drop: float, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower edge of a waistband, each (11, 2) from left to right, before posing."""
    x = np.linspace(-1, 1, 11)
    bow = drop * (1 - x**2)
    top = np.stack([x * (body.half_width(y) + ease), y + bow], -1)
    low = np.stack([x * (body.half_width(y + height) + ease), y + height + bow], -1)
    return top, low


def _band_piece(
    rng: np.random.Generator, body: Body, owner: str, z: float, top: np.ndarray, low: np.ndarray, cloth: Cloth
) -> Piece:
    strokes = [Stroke(body.place(low), THREAD, 0.45)]
    if rng.random() < 0.5:
        middle = body.place(np.array([[0.0, (top[5, 1] + low[5, 1]) / 2]]))
        strokes.append(Stroke(np.vstack([middle, middle]), 0.07, 0.9, (0.55, 0.5, 0.42)))
    spine = body.place(np.array([[0, top[0, 1] - 0.2], [0, low[0, 1] + 0.2]]))
    reach = np.full(2, float(top[-1, 0]))
    ring = body.place(np.vstack([top, low[::-1]]))
    return Piece("waistband", z, (ring,), spine, reach, cloth, tuple(strokes), Drape(roundness=0.3), 0.0, owner)


def skirt(rng: np.random.Generator, body: Body, cloth: Cloth, z: float = 20.0, owner: str = "skirt") -> Garment:
    """A random skirt: from a pencil skirt to a full circle, from short to floor length."""
    y0 = WAIST + rng.uniform(-0.12, 0.3)
    spans = ((2.75, KNEE - 0.35), (KNEE - 0.4, KNEE + 0.4), (KNEE + 0.3, ANKLE), (ANKLE - 0.1, FLOOR))
    hem = float(rng.uniform(*spans[rng.choice(4, p=[0.42, 0.22, 0.23, 0.13])]))
    style = str(rng.choice(["pencil", "line", "full", "tiered"], p=[0.27, 0.37, 0.28, 0.08]))
    narrow, wide = {"pencil": (-0.06, 0.03), "line": (0.08, 0.3), "full": (0.3, 0.75), "tiered": (0.3, 0.4)}[style]
    spread = rng.uniform(narrow, wide)
    ease = rng.uniform(0.01, 0.06)
    top, low = _waistband(body, y0, ease, rng.uniform(0.0, 0.08), rng.uniform(0.1, 0.25))
    hip = float(body.half_width(HIP)) + ease + max(spread, 0.0) * 0.25
    hem_half = hip + spread * (hem - HIP) / 1.6
    y = np.linspace(y0, hem, 14)
    half = profile(y, (y0, max(HIP, y0 + 0.3), max(hem, HIP + 0.4)), (float(top[-1, 0]), hip, hem_half))
    low[:, 0] *= float(np.interp(low[0, 1], y, half)) / float(low[-1, 0])
    swing = rng.normal(0, 0.06) * spread * (np.clip(y - HIP, 0, None))
    lean = rng.normal(0, 0.05) if rng.random() < 0.75 else rng.normal(0, 0.3)  # a slanted hem
    left, right = np.stack([swing - half, y], -1), np.stack([swing + half, y], -1)
    t = np.linspace(0, 1, 25)
    hem_bow = rng.uniform(0.0, 0.16) * (1 + spread)
    waves = rng.uniform(0.0, 0.05) * (style in ("full", "tiered"))
    count = rng.uniform(4, 11)
    raised = (y - y0) / (hem - y0)
    left[:, 1] += lean * raised
    right[:, 1] -= lean * raised
    hem_line = left[-1] + (right[-1] - left[-1]) * t[:, None]
    hem_line[:, 1] += hem_bow * 4 * t * (1 - t) + waves * np.sin(t * np.pi * count) * np.sin(np.pi * t) ** 0.5
    if rng.random() < 0.06:
        hem_line[:, 1] -= 0.4 * np.exp(-(((t - 0.6) / 0.14) ** 2))  # a wrapped or slit front
    if rng.random() < 0.07:  # points and wrapped fronts
        hem_line[:, 1] += np.interp(t, np.linspace(0, 1, 7), [0, *rng.uniform(-0.05, 0.35, 5), 0])
    outline = np.vstack([top, right[1:], hem_line[::-1][1:-1], left[::-1][:-1]])
    spine = body.place(np.array([[0, y0], [0, HIP], [float(swing[-1]), hem]]))
    reach = np.array([float(top[-1, 0]), hip, hem_half])
    strokes = []
    if rng.random() < 0.5:
        strokes.append(Stroke(body.place(hem_line - (0, rng.uniform(0.05, 0.15))), THREAD, 0.3))
    if rng.random() < 0.2:  # buttons or a front seam
        line = np.array([[0.0, y0], [float(swing[-1]), hem + hem_bow * 0.9]])
        strokes.append(Stroke(body.place(line), THREAD, 0.4))
    if style == "tiered":
        for f in (0.4, 0.7):
            k = int(f * 13)
            tier = left[k] + (right[k] - left[k]) * t[:, None]
            strokes.append(Stroke(body.place(tier + np.stack([0 * t, 0.06 * np.sin(np.pi * t)], -1)), 0.04, 0.45))
    pleats = rng.random() < 0.3 and style != "pencil"
    drape = Drape(
        folds=rng.uniform(14, 26) if pleats else rng.uniform(3, 9),
        depth=0.3 if pleats else rng.uniform(0.02, 0.08) + 0.35 * max(spread, 0),
        grows=0.2 if pleats else 0.8,
        wrinkles=rng.uniform(0.02, 0.2),
        roundness=rng.uniform(0.15, 0.45),
        length=hem - y0,
    )
    pieces = [Piece("skirt", z, (body.place(outline),), spine, reach, cloth, tuple(strokes), drape, 0.3, owner)]
    if hem < ANKLE and spread > 0.05:
        inside = np.vstack([hem_line, np.stack([hem_line[:, 0] * 0.97, hem_line[:, 1] - 0.12], -1)[::-1]])
        inside[:, 1] -= 0.02
        dark = plain(cloth.mean * 0.45)
        pieces.append(Piece("skirt_inside", 9, (body.place(inside),), spine, reach, dark, (), Drape(), 0.0, owner))
    if rng.random() < 0.75:
        band = cloth if rng.random() < 0.8 else plain(np.clip(rng.uniform(0, 1, 3), 0.02, 0.95))
        pieces.append(_band_piece(rng, body, owner, z + 0.2, top, low, band))
    ends = body.place(np.vstack([top[[0, -1]], hem_line[[0, -1]]]))
    spared = frozenset({"waistband"})
    marks = {
        "waistband_left": Mark(ends[0], "skirt", spared),
        "waistband_right": Mark(ends[1], "skirt", spared),
        "hemline_left": Mark(ends[2], "skirt", spared),
        "hemline_right": Mark(ends[3], "skirt", spared),
    }
    return Garment("skirt", tuple(pieces), marks, {"skirt_length": length_label("skirt_length", hem)})


def _tears(rng: np.random.Generator, outside: np.ndarray, inside: np.ndarray) -> list[Stroke]:
    """Tears with pale threads across a leg."""
    strokes = []
    for k in rng.integers(2, len(outside) - 2, int(rng.integers(1, 4))).tolist():
        across = inside[k] - outside[k]
        start = outside[k] + across * rng.uniform(0.1, 0.4)
        for row in range(int(rng.integers(1, 4))):
            line = np.vstack([start, start + across * rng.uniform(0.3, 0.5)]) + (0, 0.05 * row)
            strokes.append(Stroke(line, 0.035, 0.8, (0.86, 0.85, 0.82)))
    return strokes


def _piles(rng: np.random.Generator, outside: np.ndarray, inside: np.ndarray) -> list[Stroke]:
    """Creases across the end of a leg, which piles up on a shoe or a boot."""
    strokes = []
    for k in range(int(rng.integers(2, 5))):
        low = 0.1 + 0.11 * k + rng.uniform(-0.03, 0.03)
        a, b = (along(edge, arc_length(edge)[-1] - low + rng.normal(0, 0.04)) for edge in (outside, inside))
        if k % 2:
            a, b = b, a
        line = a + (b - a) * np.linspace(0, rng.uniform(0.45, 0.95), 5)[:, None]
        line[1:4, 1] += rng.uniform(0.0, 0.05)
        strokes.append(Stroke(line, rng.uniform(0.02, 0.05), rng.uniform(0.1, 0.3)))
    return strokes


def trousers(rng: np.random.Generator, body: Body, cloth: Cloth, z: float = 20.0, owner: str = "trousers") -> Garment:
    """Random trousers: from hot pants to full length, from skinny to wide and flared."""
    y0 = WAIST + rng.uniform(-0.1, 0.45)
    style = str(rng.choice(["skinny", "straight", "wide", "flare", "baggy"], p=[0.32, 0.3, 0.17, 0.1, 0.11]))
    loose = {"skinny": 0.0, "straight": 0.07, "wide": 0.17, "flare": 0.02, "baggy": 0.13}[style] + rng.uniform(0, 0.03)
    spans = ((0.2, 0.42), (0.42, 0.75), (0.75, 0.95), (0.94, 1.03))
    fraction = float(rng.uniform(*spans[rng.choice(4, p=[0.2, 0.16, 0.2, 0.44])]))
    ease = 0.012 + loose * 0.5
    top, low = _waistband(body, y0, ease * 0.6, rng.uniform(0.0, 0.07), rng.uniform(0.1, 0.18))
    crotch = np.array([0.0, CROTCH + 0.02 + loose * rng.uniform(0.2, 1.2)])
    crotch_at = body.place(crotch)
    ankle = {"skinny": 0.14, "straight": 0.2, "wide": 0.36, "flare": 0.33, "baggy": 0.16}[style] + rng.uniform(0, 0.03)
    knee = {"skinny": 0.22, "straight": 0.26, "wide": 0.36, "flare": 0.22, "baggy": 0.3}[style]
    pieces, marks = [], {}
    # One leg is painted over the other; which one is random.
    first = int(rng.choice([-1, 1]))
    drape = Drape(rng.uniform(1, 3), rng.uniform(0.02, 0.12), 0.3, rng.uniform(0.05, 0.3), rng.normal(0, 0.5),
                  rng.uniform(0.2, 0.5), 3.5)  # fmt: skip
    crease, wash = rng.random() < 0.2, rng.random() < 0.12
    cuffs = rng.random() < 0.25
    turned_up = details.ink(cloth.mean * 0.6 + 0.35) if rng.random() < 0.12 else None
    torn = rng.random() < 0.08
    low_end = 0.0
    if fraction > 0.97:  # over the foot; wide legs can reach the floor
        low_end = rng.uniform(0.03, 0.3 + body.lift if style in ("wide", "flare") else 0.16)
    piled = low_end > 0.06 and style not in ("wide", "flare") and rng.random() < 0.7
    bow = rng.uniform(0.0, 0.22)
    total = float(np.mean([arc_length(leg[:3])[-1] for leg in body.legs.values()]))
    tucked = (
        body.boots > 0
        and fraction * total + low_end > total - body.boots + _IN_BOOT
        and (style == "skinny" or (style in ("straight", "baggy") and bool(rng.random() < 0.55)))
    )
    for side in (first, -first):
        name = SIDES[side]
        bone = body.legs[side][:3]
        total = float(arc_length(bone)[-1])
        end = total - body.boots + _IN_BOOT if tucked else fraction * total + low_end
        start = min(0.75, end * 0.8)
        s = np.linspace(start, end, 15)
        half = profile(s / total, (0.2, 0.52, 1.0), (0.47 * body.hip + ease + loose * 0.3, knee + loose * 0.3, ankle))
        if tucked:
            half = np.minimum(half, body.boots_half - 0.012 + 0.5 * np.clip(total - body.boots - s, 0, None))
        outer, inner = ribbon(bone, s, half, side)
        hip = np.array([[side * (float(body.half_width(y)) + ease), y] for y in np.linspace(y0, CROTCH - 0.1, 7)])
        hip[0] = (side * abs(top[0, 0]), y0)
        outside = np.vstack([body.place(hip), outer[outer[:, 1] > body.place(hip)[-1, 1] + 0.15]])
        outside = smooth(even(outside, 26), 6)
        # Below the crotch the inner edge bends to the edge of the leg within 0.5 heads.
        weight = np.clip(1 - (s - start) / 0.5, 0, 1)[:, None] ** 1.5
        seam = np.stack([np.full(len(s), crotch_at[0]), inner[:, 1]], -1) + (0.015 * side, 0)
        inner = inner * (1 - weight) + seam * weight
        inside = np.vstack([crotch_at, inner[inner[:, 1] > crotch_at[1] + 0.03]])
        middle = body.place(np.array([[-0.03 * side, y0 + top[5, 1] - top[0, 1]], [-0.03 * side, HIP]]))
        # One polygon above the crotch, overlapping polygons along the leg below it.
        split = min(int(np.searchsorted(outside[:, 1], crotch_at[1])), len(outside) - 3)
        upper = np.vstack([outside[: split + 3], inside[:2][::-1], crotch_at[None], middle[::-1]])
        leg = even(outside[split:], 14)
        inside = even(inside, 14)
        rings = [upper, *chain(leg, inside, 4)]
        strokes = [Stroke(outside, THREAD, 0.2)]
        fly = body.place(np.array([[0.0, y0], [0.0, crotch[1]]]))
        strokes.append(Stroke(fly, THREAD, 0.5))
        pocket = np.array([[side * abs(top[0, 0]) * 0.62, y0 + 0.12], [side * abs(top[0, 0]) * 0.75, y0 + 0.3],
                           [side * float(body.half_width(y0 + 0.45)), y0 + 0.42]])  # fmt: skip
        strokes.append(Stroke(body.place(pocket), 0.025, 0.5))
        if crease:
            strokes.append(Stroke((leg + inside) / 2, 0.03, 0.2))
        if wash:
            strokes.append(Stroke(((leg + inside) / 2)[1:8], 0.16, 0.09, (0.85, 0.87, 0.9)))
        up = (bone[1] - bone[2]) / np.hypot(*(bone[1] - bone[2]))
        ends = np.vstack([outside[-1], inside[-1]])
        if tucked:  # the legs vanish at the edge of the boots
            ends = np.vstack([along(edge, arc_length(edge)[-1] - _IN_BOOT) for edge in (outside, inside)])
        else:
            # Seen from above, the front of the hem hangs lower than its sides.
            across = ends[0] + (ends[1] - ends[0]) * _ACROSS - up * bow * half[-1] * (1 - (2 * _ACROSS - 1) ** 2)
            rings.append(across)
            strokes.append(Stroke(across + up * (0.12 if cuffs else 0.05), 0.03 if cuffs else THREAD, 0.4))
            if turned_up is not None:
                strokes.append(Stroke(across + up * 0.1, 0.2, 0.8, turned_up))
        if piled or tucked:
            strokes += _piles(rng, leg, inside)
        if torn:
            strokes += _tears(rng, leg, inside)
        for k in range(int(rng.integers(0, 3))):  # creases from the crotch
            far = crotch_at + (side * rng.uniform(0.2, 0.45), rng.uniform(-0.2, 0.15) - 0.1 * k)
            strokes.append(Stroke(np.vstack([crotch_at, far]), 0.035, 0.12))
        axis = np.vstack([body.place(np.array([[side * 0.3, y0]])), bone])
        reach = np.array([0.36, 0.36 + loose, knee + 0.03, ankle])
        part = f"trouser_{name}"
        level = z + 0.05 * (side == -first)
        pieces.append(Piece(part, level, tuple(rings), axis, reach, cloth, tuple(strokes), drape, 0.25, owner))
        marks[f"bottom_{name}_out"] = Mark(ends[0], part, hidden=tucked)
        marks[f"bottom_{name}_in"] = Mark(ends[1], part, hidden=tucked)
    pieces.append(_band_piece(rng, body, owner, z + 0.2, top, low, cloth))
    ends = body.place(top[[0, -1]])
    legs = frozenset({"trouser_left", "trouser_right", "waistband"})
    marks["waistband_left"] = Mark(ends[0], "trouser_left", legs)
    marks["waistband_right"] = Mark(ends[1], "trouser_right", legs)
    marks["crotch"] = Mark(crotch_at, "trouser_left", legs)
    level = HIP + 0.1 + fraction * (ANKLE - HIP - 0.1)
    labels = {"pant_length": length_label("pant_length", level)}
    return Garment("trousers", tuple(pieces), marks, labels, tucked=tucked)
