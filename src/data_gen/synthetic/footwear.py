"""Legs and feet: bare, in socks, and in shoes of nine kinds, as seen from a camera that looks slightly down.

A foot is a row of cross sections from heel to toe, in heads: f forward along the foot, a across it, z up from the
floor. The silhouette is the union of the convex hulls of neighbouring sections, projected.
"""
# ruff: noqa: RUF005  (an array + (x, y) moves points, it does not join lists)

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .body import SIDES, Body
from .cloth import Cloth, colour, plain
from .cut import Garment
from .details import ink
from .outline import arc_length, chain, profile, ribbon
from .paint import Piece, Stroke

ANKLE_HEIGHT = 0.36
_LENGTH = 1.0
_SHAFT_ANKLE = 0.145  # half width of a shaft at the ankle
_ANKLE_AT = 0.25
# Sections of a foot: position from heel to toe, half width, height.
_AT = np.array([0.0, 0.07, 0.25, 0.45, 0.62, 0.78, 0.92, 1.0])
_HALF = np.array([0.06, 0.115, 0.125, 0.13, 0.155, 0.175, 0.14, 0.07])
_POINTED = np.array([0.06, 0.115, 0.125, 0.125, 0.15, 0.155, 0.09, 0.02])
_BARE = np.array([0.14, 0.30, 0.37, 0.28, 0.19, 0.12, 0.085, 0.05])
_VAMP = 4  # the pair of sections where the vamp of a shoe with a bare instep begins
# Corners of a section: share of the half width, share of the height.
_CORNERS = np.array([(-1, 0), (1, 0), (-0.97, 0.45), (0.97, 0.45), (-0.5, 1), (0.5, 1)])


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of footwear.

    share: of all figures. top: heights of the upper over the sole at the sections; none for bare feet, socks and
    sandals. sock: probability of a sock in it. heel: probability of a raised heel, and its range in heads. sole: range
    of the thickness in heads. shaft: range of its height above the ankle in heads.
    """

    share: float
    top: tuple[float, ...] = ()
    sock: float = 0.0
    heel: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sole: tuple[float, float] = (0.0, 0.0)
    shaft: tuple[float, float] = (0.0, 0.0)


_LOW = (0.28, 0.33, 0.31, 0.31, 0.24, 0.16, 0.12, 0.08)
_CUT_OUT = (0.2, 0.22, 0.1, 0.07, 0.07, 0.13, 0.1, 0.07)
_OPEN = ((), _CUT_OUT)
_HIGH = (0.32, 0.37, 0.42, 0.36, 0.25, 0.17, 0.13, 0.08)
KINDS = {
    "bare": Kind(0.06),
    "socks": Kind(0.03, sock=1.0),
    "sneakers": Kind(0.24, _LOW, 0.6, sole=(0.05, 0.12), shaft=(0.0, 0.2)),
    "shoes": Kind(0.14, _LOW, 0.55, (0.2, 0.05, 0.2), (0.0, 0.09)),
    "flats": Kind(0.1, _CUT_OUT, 0.08),
    "heels": Kind(0.14, _CUT_OUT, 0.05, (1.0, 0.2, 0.45), (0.0, 0.1)),
    "sandals": Kind(0.09, (), 0.06, (0.4, 0.15, 0.4), (0.03, 0.12)),
    "ankle_boots": Kind(0.12, _HIGH, 0.3, (0.5, 0.08, 0.35), (0.0, 0.09), (0.3, 0.7)),
    "knee_boots": Kind(0.08, _HIGH, 0.0, (0.5, 0.08, 0.38), (0.0, 0.08), (1.15, 1.6)),
}


@dataclass(frozen=True, slots=True)
class Footwear:
    """What a figure has on its feet, the same on both.

    heel, sole, shaft: heights in heads. shaft_half: half the shaft's width at its top. thin: whether the heel is.
    pointed: 0 a round toe to 1 a pointed one. pitch: of the camera, radians down. yaw: of the feet by side, radians,
    0 towards the camera, positive to the right of the image. cloth: of the upper. sole_cloth: None as the upper.
    matching: whether the upper has the colour of the garment above. sock: None without. sock_height: above the ankle.
    """

    kind: str
    heel: float
    sole: float
    shaft: float
    shaft_half: float
    thin: bool
    pointed: float
    pitch: float
    yaw: dict[int, float]
    cloth: Cloth
    sole_cloth: Cloth | None
    matching: bool
    sock: Cloth | None
    sock_height: float


def random_footwear(rng: np.random.Generator, body: Body) -> Footwear:
    """Random footwear for a figure; each kind occurs at its share."""
    name = str(rng.choice(list(KINDS), p=[kind.share for kind in KINDS.values()]))
    kind = KINDS[name]
    heel = float(rng.uniform(*kind.heel[1:])) if rng.random() < kind.heel[0] else 0.0
    shaft = float(rng.uniform(*kind.shaft))
    if name == "sneakers" and rng.random() < 0.75:
        shaft = 0.0
    aside = rng.choice([-1, 1]) * rng.uniform(0.9, 1.5) if rng.random() < 0.12 else 0.0
    outward = rng.normal(0.28, 0.18)
    yaw = {side: float(body.turn + aside + side * (outward + rng.normal(0, 0.15))) for side in SIDES}
    sock = _sock(rng) if rng.random() < kind.sock else None
    sock_height = rng.uniform(*((0.08, 0.3), (0.35, 0.85), (1.1, 1.5))[rng.choice(3, p=[0.3, 0.58, 0.12])])
    if name == "sneakers":
        tone = rng.random()
        upper = np.full(3, rng.uniform(0.82, 0.97)) if tone < 0.32 else colour(rng)
        light = rng.random() < 0.65
        sole_cloth = plain(np.full(3, rng.uniform(0.8, 0.97)) if light else colour(rng))
    else:
        tone = rng.random()
        leather = np.array([0.34, 0.21, 0.13]) * rng.uniform(0.5, 2.1)
        upper = np.full(3, rng.uniform(0.03, 0.12)) if tone < 0.4 else leather if tone < 0.6 else colour(rng)
        pale = np.full(3, rng.uniform(0.7, 0.95)) if rng.random() < 0.4 else np.array([0.55, 0.38, 0.22])
        dark = np.full(3, rng.uniform(0.03, 0.2))
        sole_cloth = plain(pale if rng.random() < 0.4 else dark) if rng.random() < 0.5 else None
    return Footwear(
        kind=name,
        heel=heel,
        sole=float(rng.uniform(*kind.sole)),
        shaft=shaft,
        shaft_half=float(np.interp(shaft, (0, 0.5, 1.2), (0.15, 0.175, 0.225)) + rng.uniform(0, 0.05)),
        thin=bool(rng.random() < (0.7 if name == "heels" else 0.25)),
        pointed=float(rng.beta(1.5, 1.0) if name == "heels" else 0.0 if name == "sneakers" else rng.beta(0.8, 1.6)),
        pitch=float(rng.uniform(0.1, 0.5)),
        yaw=yaw,
        cloth=plain(np.clip(upper, 0.02, 0.98), gloss=float(rng.choice([0.0, 0.3, 0.9]))),
        sole_cloth=sole_cloth,
        matching=bool(rng.random() < 0.15),
        sock=sock,
        sock_height=float(sock_height),
    )


def shod(body: Body, shoes: Footwear) -> Body:
    """The body with the measures of its footwear that trousers depend on."""
    lift = _lift(shoes) - ANKLE_HEIGHT
    boots = shoes.shaft if shoes.kind.endswith("boots") else 0.0
    return replace(body, boots=boots, boots_half=shoes.shaft_half, lift=lift)


def _sock(rng: np.random.Generator) -> Cloth:
    """White, dark, bright or patterned."""
    style = rng.random()
    if style < 0.25:
        return plain(np.full(3, rng.uniform(0.82, 0.97)))
    if style < 0.45:
        return plain(np.full(3, rng.uniform(0.03, 0.2)))
    if style < 0.7:
        return plain(colour(rng))
    first, second = colour(rng), colour(rng)
    tile = np.empty((32, 32, 3), np.float32)
    tile[:] = first
    pattern = rng.random()
    if pattern < 0.5:  # stripes around the leg
        tile[: int(rng.integers(6, 20))] = second
    elif pattern < 0.8:  # dots
        cv2.circle(tile, (16, 16), int(rng.integers(5, 11)), second.tolist(), -1, cv2.LINE_AA)
    else:  # diamonds
        y, x = np.mgrid[:32, :32]
        tile[np.abs(x - 15.5) + np.abs(y - 15.5) < 14] = second
    return Cloth(tile, float(rng.uniform(0.1, 0.3)))


def _lift(shoes: Footwear) -> float:
    """The height of the ankle above the floor."""
    return ANKLE_HEIGHT + float(np.interp(_ANKLE_AT, _AT, _arch(shoes))) + shoes.sole


def _arch(shoes: Footwear) -> np.ndarray:
    """(8,) how high a raised heel lifts the sections."""
    return shoes.heel * np.interp(_AT, (0.2, 0.68), (1, 0))


class _Foot:
    """One foot and its leg in the picture."""

    def __init__(self, shoes: Footwear, leg: np.ndarray, side: int):
        self.shoes, self.leg, self.side = shoes, leg, side
        self.yaw = shoes.yaw[side]
        self.half = _HALF * (1 - shoes.pointed) + _POINTED * shoes.pointed if KINDS[shoes.kind].top else _HALF
        self.base = _arch(shoes)
        self.low = self.base + shoes.sole
        self.length = float(arc_length(leg[:3])[-1])
        # The point of the floor under the ankle.
        self.origin = leg[2] + (0, _lift(shoes) * np.cos(shoes.pitch))
        toe = self.project(np.array([(1 - _ANKLE_AT) * _LENGTH, 0, 0.05]))
        self.axis, self.reach = np.vstack([leg[2], toe]), np.full(2, 0.18)

    def project(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) forward, across, up -> (..., 2) in the picture."""
        f, a, z = points[..., 0], points[..., 1], points[..., 2]
        sin, cos = np.sin(self.yaw), np.cos(self.yaw)
        down = (f * cos - a * sin) * np.sin(self.shoes.pitch) - z * np.cos(self.shoes.pitch)
        return self.origin + np.stack([f * sin + a * cos, down], -1)

    def sections(self, low: np.ndarray, height: np.ndarray, wider: float = 0.0) -> list[np.ndarray]:
        """Rings whose union is the silhouette from the levels `low` (8,) up by `height` (8,)."""
        solid = np.empty((len(_AT), len(_CORNERS), 3))
        solid[..., 0] = ((_AT - _ANKLE_AT) * _LENGTH * (1 + wider))[:, None]
        solid[..., 1] = (self.half + wider)[:, None] * _CORNERS[:, 0]
        solid[..., 2] = low[:, None] + height[:, None] * _CORNERS[:, 1]
        flat = self.project(solid).astype(np.float32)
        return [_hull(flat[k : k + 2]) for k in range(len(_AT) - 1)]

    def heel(self) -> np.ndarray:
        """The ring of a heel under the back of the foot."""
        back, height = -_ANKLE_AT * _LENGTH + 0.01, float(self.low[0]) + 0.02
        if self.shoes.thin:
            levels = ((back, 0.14, 0.08, height), (back + 0.05, 0.05, 0.025, 0.0))
        else:
            levels = ((back, 0.25, 0.11, height), (back + 0.01, 0.2, 0.1, 0.0))
        corners = [(f + d, s * half, z) for f, deep, half, z in levels for d in (0, deep) for s in (-1, 1)]
        return _hull(self.project(np.array(corners)).astype(np.float32))

    def strap(self, at: float, height: np.ndarray) -> np.ndarray:
        """(6, 2) a line over the foot at a position from heel to toe, from one side of the sole to the other."""
        half, rise, low = (float(np.interp(at, _AT, values)) for values in (self.half, height, self.low))
        line = np.array([(-1, 0.1), (-0.97, 0.45), (-0.5, 1), (0.5, 1), (0.97, 0.45), (1, 0.1)])
        forward = np.full(len(line), (at - _ANKLE_AT) * _LENGTH)
        return self.project(np.stack([forward, half * line[:, 0], low + rise * line[:, 1]], -1))

    def tube(self, levels: tuple[float, ...], half: tuple[float, ...]) -> np.ndarray:
        """The ring of a tube around the lower leg. levels: heads above the ankle, falling; half: its half widths."""
        up = (self.leg[1] - self.leg[2]) / np.hypot(*(self.leg[1] - self.leg[2]))
        centre = self.leg[2] + up * np.array(levels)[:, None]
        across = np.array([-up[1], up[0]]) * np.array(half)[:, None]
        return np.vstack([centre + across, (centre - across)[::-1]])


def _hull(points: np.ndarray) -> np.ndarray:
    return cv2.convexHull(points.reshape(-1, 2))[:, 0]


_LEG = (0.34, 0.29, 0.19, 0.2, 0.11)  # half widths from root to ankle
_SOCK = ((0, 0.45, 0.9, 1.75), (0.125, 0.185, 0.215, 0.205))  # heads above the ankle, half widths


def leg_pieces(rng: np.random.Generator, body: Body, shoes: Footwear, skin: Cloth, above: Garment) -> list[Piece]:
    """Legs, feet, socks and shoes. above: the garment around the legs."""
    stockings = skin
    if rng.random() < 0.1:
        stockings = plain(np.full(3, rng.uniform(0.04, 0.2)) if rng.random() < 0.75 else colour(rng))
    if shoes.matching:
        shoes = replace(shoes, cloth=plain(np.clip(above.pieces[0].cloth.mean * rng.uniform(0.8, 1.15), 0.02, 0.98)))
    style = rng.random(4)
    pieces = []
    for side, name in SIDES.items():
        foot = _Foot(shoes, body.legs[side], side)
        bone, reach = foot.leg[:3], np.full(3, 0.2)
        along_leg = np.linspace(0.1, foot.length + 0.1, 15)
        half = profile(along_leg / foot.length, (0, 0.25, 0.5, 0.75, 1), _LEG)
        leg = chain(*ribbon(bone, along_leg, half, side))
        pieces.append(Piece(f"leg_{name}", 10, tuple(leg), bone, reach, stockings))
        open_shoe = KINDS[shoes.kind].top in _OPEN
        if shoes.sock is not None:
            top = min(shoes.sock_height + shoes.shaft, 1.7, _bare_height(foot, name, above))
            levels = tuple(np.linspace(top, 0, 6)) + (-0.1,)
            sock = [foot.tube(levels, tuple(np.interp(levels, *_SOCK)))]
            if open_shoe:
                sock += foot.sections(foot.low, _BARE, 0.01)
            strokes = _straps(foot, style) if open_shoe else []
            pieces.append(Piece(f"sock_{name}", 11, tuple(sock), bone, reach, shoes.sock, tuple(strokes), shadow=0.1))
        elif open_shoe:
            strokes = _straps(foot, style) + (_toes(foot) if stockings is skin else [])
            rings = tuple(foot.sections(foot.low, _BARE))
            pieces.append(Piece(f"foot_{name}", 11, rings, foot.axis, foot.reach, stockings, tuple(strokes)))
        pieces += _shoe(foot, style, name, above)
    return pieces


def _straps(foot: _Foot, style: np.ndarray) -> list[Stroke]:
    """The straps of sandals, and of some shoes that leave the instep bare."""
    sandals = foot.shoes.kind == "sandals"
    if not sandals and foot.shoes.kind not in ("flats", "heels"):
        return []
    straps: list[tuple[float, float]] = []
    if sandals:
        straps = [(0.72, 0.28)] if style[0] < 0.35 else [(0.7, 0.1), (0.86, 0.08)] if style[0] < 0.8 else [(0.8, 0.07)]
    if style[1] < (0.55 if sandals else 0.2):
        straps.append((0.29, 0.07))
    elif style[1] < (0.7 if sandals else 0.35):
        straps.append((0.5, 0.09))
    tone = ink(foot.shoes.cloth.mean)
    return [Stroke(foot.strap(at, _BARE), width, 0.97, tone) for at, width in straps]


def _toes(foot: _Foot) -> list[Stroke]:
    """The gaps between bare toes."""
    gaps = [
        np.array([(0.58, a, 0.09), (0.76, a * 1.1, 0.03)]) + (0, 0, foot.shoes.sole) for a in (-0.08, -0.03, 0.03, 0.08)
    ]
    return [Stroke(foot.project(gap), 0.02, 0.3) for gap in gaps]


def _shoe(foot: _Foot, style: np.ndarray, name: str, above: Garment) -> list[Piece]:
    """The sole if it differs from the upper, and the upper with its shaft."""
    shoes, kind = foot.shoes, KINDS[foot.shoes.kind]
    if shoes.kind in ("bare", "socks"):
        return []
    level = above.pieces[0].z + 0.1 if above.tucked else 11.2
    under = [foot.heel()] if shoes.heel else []
    sole_cloth = shoes.sole_cloth or (None if kind.top else shoes.cloth)
    pieces = []
    if sole_cloth is not None:
        rings = (*foot.sections(foot.base, np.full(len(_AT), max(shoes.sole, 0.03)), 0.02), *under)
        z = 10.9 if kind.top in _OPEN else level
        pieces.append(Piece(f"sole_{name}", z, rings, foot.axis, foot.reach, sole_cloth, shadow=0.2))
        under = []
    if not kind.top:
        return pieces
    height = np.array(kind.top)
    if kind.top is _CUT_OUT:  # the counter is behind the ankle unless the foot is turned
        height[:2] *= 0.3 + 0.7 * abs(np.sin(foot.yaw))
    one_piece = sole_cloth is None  # in one piece with the upper
    rings = foot.sections(foot.base if one_piece else foot.low, height + shoes.sole * one_piece, 0.015)
    if kind.top is _CUT_OUT and abs(np.sin(foot.yaw)) < 0.5:  # the instep is before the back of the shoe
        back = (*rings[:_VAMP], *under)
        pieces.append(Piece(f"shoe_back_{name}", 10.95, back, foot.axis, foot.reach, shoes.cloth, shadow=0.2))
        rings, under = rings[_VAMP:], []
    shaft = min(shoes.shaft, _bare_height(foot, name, above))
    strokes = _seams(foot, style, height)
    if shaft > 0:
        levels = (shaft, 0.8 * shaft, 0.5 * shaft, 0.2 * shaft, 0.0, -0.15)
        knots = (0.0, 0.35 * shoes.shaft, shoes.shaft)
        narrow = 0.5 * (shoes.shaft_half + _SHAFT_ANKLE)
        ring = foot.tube(levels, tuple(np.interp(levels, knots, (_SHAFT_ANKLE, narrow, shoes.shaft_half))))
        rings.append(ring)
        strokes.append(Stroke(ring[[0, -1]], 0.04, 0.35))  # its top edge
    pieces.append(
        Piece(
            f"shoe_{name}",
            level + 0.02,
            (*rings, *under),
            foot.axis,
            foot.reach,
            shoes.cloth,
            tuple(strokes),
            shadow=0.2,
        )
    )
    return pieces


def _bare_height(foot: _Foot, name: str, above: Garment) -> float:
    """How far above the ankle socks and shafts can be drawn: under trouser legs they would be seen at their sides."""
    ends = [mark.xy[1] for key, mark in above.marks.items() if key.startswith(f"bottom_{name}")]
    if not ends or above.tucked:
        return np.inf
    return max(float(foot.leg[2][1] - np.mean(ends)) + 0.1, 0.0)


def _seams(foot: _Foot, style: np.ndarray, height: np.ndarray) -> list[Stroke]:
    """Laces, toe caps, stripes and seams on the upper."""
    kind, light = foot.shoes.kind, foot.shoes.cloth.mean.mean() > 0.5
    strokes = []
    laced = {"sneakers": 0.9, "shoes": 0.5, "ankle_boots": 0.3}.get(kind, 0.0)
    if kind == "sneakers" and style[0] < 0.35:
        strokes.append(Stroke(foot.strap(0.93, height), 0.14, 0.95, (0.9, 0.9, 0.88)))
    elif style[0] < 0.5:
        strokes.append(Stroke(foot.strap(0.8, height), 0.025, 0.4))
    if kind == "sneakers" and style[1] < 0.5:
        band = foot.strap(0.42 + 0.2 * style[2], height)
        tone = (0.05, 0.05, 0.06) if light else (0.93, 0.93, 0.92)
        strokes += [Stroke(part, 0.06, 0.9, tone) for part in (band[:3], band[3:])]
    if style[3] < laced:
        tone = (0.95, 0.95, 0.94) if style[2] < 0.6 else (0.05, 0.05, 0.05)
        strokes += [Stroke(foot.strap(at, height)[2:4], 0.025, 0.9, tone) for at in (0.42, 0.49, 0.56, 0.63)]
    return strokes
