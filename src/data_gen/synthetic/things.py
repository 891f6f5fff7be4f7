"""Things that are no garments of the vocabulary: bags, shoes, hats, scarves, furniture, textiles.

A thing stands on the floor at y = 0 and reaches up to negative y; its middle is at about x = 0. In heads, so a chair is
about four high.
"""

from collections.abc import Callable, Sequence

import numpy as np

from .cloth import Cloth, Drape, colour, plain, random_cloth
from .outline import band, mirror, polyline, round_corners
from .paint import Piece, Stroke

_FLAT = Drape(roundness=0.15)


def random_thing(rng: np.random.Generator) -> list[Piece]:
    """The pieces of a random thing."""
    return THINGS[str(rng.choice(list(THINGS)))](rng)


def _piece(
    part: str, z: float, rings: Sequence[np.ndarray], cloth: Cloth, strokes: Sequence[Stroke] = (), drape: Drape = _FLAT
) -> Piece:
    points = np.vstack(list(rings))
    low, high = points.min(0), points.max(0)
    middle = float(low[0] + high[0]) / 2
    axis = polyline((middle, float(low[1])), (middle, float(high[1])))
    return Piece(
        part, z, tuple(rings), axis, np.full(2, float(high[0] - low[0]) / 2), cloth, tuple(strokes), drape, 0.3
    )


def _box(left: float, top: float, right: float, bottom: float, rounded: bool = False) -> np.ndarray:
    if not rounded:
        return polyline((left, top), (right, top), (right, bottom), (left, bottom))
    ring = _oval(0, 0, 1, 1)
    ring = np.sign(ring) * np.abs(ring) ** 0.35
    return polyline(((left + right) / 2, (top + bottom) / 2)) + ring * ((right - left) / 2, (bottom - top) / 2)


def _oval(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 26, endpoint=False)
    return np.stack([x + rx * np.cos(t), y + ry * np.sin(t)], -1)


def _symmetric(*right_half: tuple[float, float], times: int = 0) -> np.ndarray:
    """A closed outline from its right half, from top to bottom."""
    half = round_corners(polyline(*right_half), times)
    return np.vstack([half, mirror(half)[::-1]])


def _wood(rng: np.random.Generator) -> Cloth:
    wood = np.array([0.55, 0.4, 0.26]) * rng.uniform(0.3, 1.6)
    return plain(np.clip(wood if rng.random() < 0.6 else np.full(3, rng.uniform(0.05, 0.95)), 0, 1))


def _leather(rng: np.random.Generator) -> Cloth:
    return plain(colour(rng), gloss=float(rng.uniform(0.2, 0.8)))


def _bag(rng: np.random.Generator) -> list[Piece]:
    """A handbag, a shopper or a backpack."""
    w, h, narrow = rng.uniform(0.5, 1.0), rng.uniform(0.7, 1.5), rng.uniform(0.7, 1.1)
    leather = _leather(rng) if rng.random() < 0.8 else random_cloth(rng, "blouse")
    body = _symmetric((w * narrow * 0.9, -h), (w * narrow, -h), (w, 0.0), (w * 0.9, 0.0), times=1)
    t = np.linspace(np.pi, 0, 14)
    rise = rng.uniform(0.3, 1.2)
    handle = band(np.stack([w * 0.5 * np.cos(t), -h * 0.95 - rise * np.sin(t)], -1), 0.07)
    fold = h * rng.uniform(0.3, 0.7)
    flap = Stroke(polyline((-w, -h), (-w * 0.7, -fold), (w * 0.7, -fold), (w, -h)), 0.03, 0.5)
    return [_piece("handle", 1, (handle,), leather), _piece("bag", 2, (body,), leather, (flap,))]


def _shoes(rng: np.random.Generator) -> list[Piece]:
    """Two shoes from the side, flat ones, heels or boots."""
    high = float(rng.choice([0.35, 0.6, 1.3, 1.9]))
    heel = float(rng.choice([0.06, 0.1, 0.3]))
    leather, sole = _leather(rng), plain(np.full(3, rng.uniform(0.05, 0.95)))
    shoe = polyline((-0.5, -heel), (-0.52, -0.3 - heel), (-0.48, -high), (-0.1, -high), (-0.02, -0.42 - heel * 0.6),
                    (0.35, -0.25), (0.62, -0.12), (0.62, -0.05), (0.1, -0.06))  # fmt: skip
    shoe = round_corners(np.vstack([shoe, shoe[:1]]), 2)[:-1]
    under = polyline(
        (-0.5, -heel), (0.1, -0.06), (0.62, -0.07), (0.62, 0), (-0.1, 0), (-0.25, -heel * 0.4), (-0.3, 0), (-0.5, 0)
    )
    laces = [Stroke(polyline((0.0, -0.4 + k), (0.16, -0.34 + k)), 0.03, 0.6) for k in (0.0, 0.08)]
    away = np.array([rng.uniform(0.2, 1.4), rng.uniform(-0.2, 0.25)])
    pieces = []
    for k, at in enumerate((np.zeros(2), away)):
        pieces.append(_piece(f"sole {k}", 2 * k, (under + at,), sole))
        strokes = [Stroke(lace.xy + at, lace.width, lace.darkness) for lace in laces]
        pieces.append(_piece(f"shoe {k}", 2 * k + 1, (shoe + at,), leather, strokes))
    return pieces


def _hat(rng: np.random.Generator) -> list[Piece]:
    felt = plain(colour(rng)) if rng.random() < 0.7 else random_cloth(rng, "outwear")
    if rng.random() < 0.5:
        brim, tall = rng.uniform(0.6, 1.0), rng.uniform(0.3, 0.6)
        dome = _symmetric((0.1, -0.1 - tall), (0.34, -0.1 - tall), (0.42, -0.05), times=2)
        ribbon = Stroke(polyline((-0.42, -0.14), (0.42, -0.14)), 0.12, 0.9, (0.1, 0.1, 0.1))
        return [_piece("brim", 1, (_oval(0, -0.05, brim, 0.14),), felt), _piece("dome", 2, (dome,), felt, (ribbon,))]
    peak = round_corners(polyline((0.3, -0.18), (0.7, -0.14), (0.85, 0.0), (0.3, -0.04)), 1)
    dome = _symmetric((0.05, -0.55), (0.3, -0.5), (0.44, -0.2), (0.42, -0.02), times=2)
    return [_piece("peak", 1, (peak,), felt), _piece("cap", 2, (dome,), felt)]


def _scarf(rng: np.random.Generator) -> list[Piece]:
    """A long band of cloth with fringes, straight or in a bow."""
    length, wide = rng.uniform(3, 6), rng.uniform(0.35, 0.8)
    t = np.linspace(0, 1, 16)
    line = np.stack([(t - 0.5) * length, -0.6 - rng.uniform(-1.2, 1.2) * np.sin(np.pi * t)], -1)
    ring = band(line, wide)
    ends = [ring[[0, -1]], ring[[15, 16]]]
    fringes = [Stroke(end, 0.12, 0.5) for end in ends]
    return [_piece("scarf", 1, (ring,), random_cloth(rng, "outwear"), fringes, Drape(wrinkles=0.25))]


def _chair(rng: np.random.Generator) -> list[Piece]:
    wood = _wood(rng)
    seat = wood if rng.random() < 0.5 else random_cloth(rng, "blouse")
    w, thin = rng.uniform(0.8, 1.1), rng.uniform(0.05, 0.1)
    legs = [_box(x - thin, -1.9, x + thin, 0.0) for x in (-w, w, -w * 0.7, w * 0.8)]
    back = [_box(-w, -4.0, -w + 2 * thin, -1.9), _box(w - 2 * thin, -4.0, w, -1.9)]
    back += [_box(-w, y, w, y + rng.uniform(0.12, 0.5)) for y in (-3.9, -3.2, -2.6)[: rng.integers(1, 4)]]
    return [
        _piece("legs", 1, legs, wood),
        _piece("back", 2, back, wood),
        _piece("seat", 3, (_symmetric((w * 0.85, -2.2), (w * 1.05, -1.85), (w * 1.0, -1.75)),), seat),
    ]


def _table(rng: np.random.Generator) -> list[Piece]:
    wood, w, tall, leg = _wood(rng), rng.uniform(1.2, 3.5), rng.uniform(1.5, 3.3), rng.uniform(0.06, 0.14)
    legs = [_box(x - leg, -tall, x + leg, 0.0) for x in (-w * 0.9, w * 0.9)]
    pieces = [_piece("legs", 1, legs, wood), _piece("top", 2, (_box(-w, -tall - 0.12, w, -tall + 0.06),), wood)]
    if rng.random() < 0.4:  # a cloth on it
        drop = rng.uniform(0.4, tall * 0.8)
        cloth = _box(-w, -tall - 0.14, w, -tall + drop)
        pieces.append(
            _piece("cloth", 3, (cloth,), random_cloth(rng, "dress"), (), Drape(8, 0.2, 0.9, 0.1, length=drop))
        )
    return pieces


def _sofa(rng: np.random.Generator) -> list[Piece]:
    cover = random_cloth(rng, str(rng.choice(["outwear", "trousers", "dress"])))
    w = rng.uniform(1.8, 4.2)
    soft = Drape(wrinkles=0.1, roundness=0.2)
    arms = [_box(-w - 0.5, -2.3, -w + 0.1, -0.1, True), _box(w - 0.1, -2.3, w + 0.5, -0.1, True)]
    pieces = [
        _piece("back", 1, (_box(-w, -3.3, w, -0.5, True),), cover, (), soft),
        _piece(
            "base", 2, (_box(-w, -1.7, w, -0.15),), cover, (Stroke(polyline((-w, -1.2), (w, -1.2)), 0.04, 0.5),), soft
        ),
        _piece("arms", 3, arms, cover, (), soft),
    ]
    for _ in range(int(rng.integers(0, 3))):
        x = rng.uniform(-w + 0.6, w - 0.6)
        pieces.append(_piece("cushion", 4, (_box(x - 0.7, -2.9, x + 0.7, -1.6, True),), random_cloth(rng, "dress")))
    return pieces


def _lamp(rng: np.random.Generator) -> list[Piece]:
    tall, w = rng.uniform(2.0, 6.0), rng.uniform(0.5, 1.0)
    metal, shade = plain(np.full(3, rng.uniform(0.1, 0.8)), gloss=0.5), plain(np.clip(colour(rng) + 0.3, 0, 1))
    stand = [_box(-0.05, -tall, 0.05, 0.0), _oval(0, -0.06, w * 0.6, 0.08)]
    hood = _symmetric((w * 0.55, -tall - 0.9), (w, -tall + 0.1))
    return [_piece("stand", 1, stand, metal), _piece("shade", 2, (hood,), shade)]


def _shelf(rng: np.random.Generator) -> list[Piece]:
    """Boards with books, boxes and folded cloth."""
    wood, w, rows = _wood(rng), rng.uniform(1.2, 2.6), int(rng.integers(2, 5))
    pieces = [_piece("shelf", 1, [_box(-w, -1.5 * rows, -w + 0.1, 0), _box(w - 0.1, -1.5 * rows, w, 0)], wood)]
    for row in range(rows):
        y = -1.5 * row
        pieces.append(_piece("board", 2, (_box(-w, y - 0.1, w, y),), wood))
        x = -w + 0.15
        while x < w - 0.5 and rng.random() < 0.9:
            wide, tall = rng.uniform(0.12, 0.9), rng.uniform(0.3, 1.2)
            cover = random_cloth(rng, "blouse") if rng.random() < 0.3 else plain(colour(rng))
            pieces.append(_piece("book", 3, (_box(x, y - 0.1 - tall, min(x + wide, w - 0.1), y - 0.1),), cover))
            x += wide + rng.uniform(0.0, 0.2)
    return pieces


def _curtain(rng: np.random.Generator) -> list[Piece]:
    """A curtain, a towel or a bedspread that hangs."""
    w, tall = rng.uniform(0.7, 2.5), rng.uniform(1.5, 7.0)
    deep = tall > 3
    drape = Drape(rng.uniform(4, 14), rng.uniform(0.15, 0.5), 0.1, 0.05) if deep else Drape(2, 0.05, 0.5, 0.15)
    sides = rng.uniform(0.97, 1.03)  # straight, unlike a skirt
    ring = _symmetric((w, -tall), (w * sides, 0.0))
    rod = _box(-w * 1.25, -tall - 0.1, w * 1.25, -tall)
    hem = Stroke(polyline((-w * sides, -0.15), (w * sides, -0.15)), 0.03, 0.4)
    metal = plain(np.full(3, rng.uniform(0.1, 0.9)), gloss=0.4)
    return [_piece("rod", 1, (rod,), metal), _piece("curtain", 2, (ring,), random_cloth(rng, "dress"), (hem,), drape)]


def _cushion(rng: np.random.Generator) -> list[Piece]:
    w, h = rng.uniform(0.7, 1.2), rng.uniform(0.9, 1.9)
    cover = random_cloth(rng, str(rng.choice(["blouse", "dress", "skirt"])))
    seam = Stroke(_box(-w * 0.92, -h * 0.95, w * 0.92, -h * 0.05, True), 0.02, 0.3)
    return [_piece("cushion", 1, (_box(-w, -h, w, 0, True),), cover, (seam,), Drape(wrinkles=0.2, roundness=0.3))]


def _plant(rng: np.random.Generator) -> list[Piece]:
    pot = _symmetric((0.5, -0.9), (0.38, 0.0))
    green = np.array([0.2, 0.42, 0.16]) * rng.uniform(0.5, 1.6)
    leaves = []
    for angle in rng.uniform(-1.3, 1.3, int(rng.integers(7, 16))).tolist():
        tip = np.array([np.sin(angle), -np.cos(angle)]) * rng.uniform(0.8, 2.4) + (0, -0.9)
        side = np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.1, 0.3)
        foot = np.array([0.1 * np.sin(angle), -0.85])
        leaves.append(round_corners(np.vstack([foot, (foot + tip) / 2 + side, tip, (foot + tip) / 2 - side, foot]), 1))
    return [
        _piece("leaves", 1, leaves, plain(np.clip(green, 0, 1)), (), Drape(6, 0.2)),
        _piece("pot", 2, (pot,), plain(colour(rng), gloss=0.3)),
    ]


def _umbrella(rng: np.random.Generator) -> list[Piece]:
    w, tall = rng.uniform(1.4, 2.4), rng.uniform(0.9, 1.5)
    t = np.linspace(np.pi, 0, 17)
    dome = np.stack([w * np.cos(t), -3.0 - tall * np.sin(t)], -1)
    x = np.linspace(w, -w, 17)
    low = np.stack([x, -3.0 - 0.15 * np.abs(np.sin(np.linspace(0, 4 * np.pi, 17)))], -1)
    ribs = [Stroke(polyline((0.0, -3.0 - tall), (float(v), -3.0)), 0.02, 0.4) for v in (-w / 2, 0.0, w / 2)]
    stick = _box(-0.03, -3.0 - tall * 1.1, 0.03, 0.0)
    return [
        _piece("stick", 1, (stick,), _wood(rng)),
        _piece("umbrella", 2, (np.vstack([dome, low]),), random_cloth(rng, "blouse"), ribs),
    ]


def _carton(rng: np.random.Generator) -> list[Piece]:
    w, h, deep = rng.uniform(0.5, 2.0), rng.uniform(0.5, 2.5), rng.uniform(0.1, 0.6)
    tone = plain(colour(rng) if rng.random() < 0.5 else np.array([0.72, 0.56, 0.38]) * rng.uniform(0.6, 1.2))
    lid = polyline((-w, -h), (-w + deep, -h - deep * 0.6), (w + deep, -h - deep * 0.6), (w, -h))
    side = polyline((w, -h), (w + deep, -h - deep * 0.6), (w + deep, -deep * 0.6), (w, 0))
    darker = plain(tone.mean * 0.75)
    tape = Stroke(polyline((0, -h), (0, -h * 0.5)), 0.1, 0.3)
    return [_piece("side", 1, (lid, side), darker), _piece("carton", 2, (_box(-w, -h, w, 0),), tone, (tape,))]


THINGS: dict[str, Callable[[np.random.Generator], list[Piece]]] = {
    "bag": _bag, "shoes": _shoes, "hat": _hat, "scarf": _scarf, "chair": _chair, "table": _table, "sofa": _sofa,
    "lamp": _lamp, "shelf": _shelf, "curtain": _curtain, "cushion": _cushion, "plant": _plant, "umbrella": _umbrella,
    "carton": _carton,
}  # fmt: skip
"""Name -> what draws one of it."""
SMALL = ("bag", "shoes", "hat", "scarf")
"""Those that are laid beside garments."""
