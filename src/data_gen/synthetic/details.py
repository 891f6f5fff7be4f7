"""Details of upper garments: collars, buttons, pockets, seams, belts, prints, hoods."""
# ruff: noqa: RUF005  (an array + (x, y) moves points, it does not join lists)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from . import necklines
from .body import SIDES, Body
from .cloth import PATTERNS, Cloth, Drape, colour, plain, random_cloth
from .cut import Cut, Mark
from .outline import polyline, round_corners
from .paint import Colour, Piece, Stroke

if TYPE_CHECKING:
    from .garment import Trunk

THREAD = 0.018  # width of a seam in heads


@dataclass(frozen=True, slots=True)
class Rib:
    """The ribbed ends of hem and sleeves. stripe: colour of a line along them, or None."""

    cloth: Cloth
    stripe: Colour | None


def ink(rgb: np.ndarray) -> Colour:
    """An RGB array as the colour of a stroke."""
    r, g, b = np.clip(rgb, 0, 1).tolist()
    return r, g, b


def back_of_neck(
    rng: np.random.Generator, body: Body, cut: Cut, trunk: Trunk, dark: Cloth, worn: bool, owner: str
) -> Piece:
    """The inside of the back that is visible in the neck opening, sometimes with a label."""
    opening = trunk.opening
    t = np.linspace(0, 1, 21)
    rise = 0.13 if cut.stands else 0.0
    back = opening[0] + (opening[-1] - opening[0]) * t[:, None]
    back[:, 1] += (0.1 - rise * 1.2) * 4 * t * (1 - t) * min(1.0, abs(opening[-1, 0]) * 2) - rise
    label: list[Stroke] = []
    if not worn and rng.random() < 0.7:
        at = back[10] + (0, 0.08)
        tone = ink(np.full(3, rng.choice([0.05, 0.95])))
        label.append(Stroke(body.place(np.array([at - (0.08, 0), at + (0.08, 0)])), 0.08, 0.9, tone))
    ring = body.place(np.vstack([opening, back[::-1]]))
    return Piece("lining", 5, (ring,), trunk.spine, trunk.reach, dark, tuple(label), owner=owner)


def seams(rng: np.random.Generator, body: Body, cut: Cut, trunk: Trunk) -> list[Stroke]:
    """Strokes: stitches of hem and neckline, seams of the arm holes, folds at the armpits."""
    strokes = []
    if rng.random() < 0.6:
        strokes.append(Stroke(body.place(trunk.hem - (0, rng.uniform(0.04, 0.1))), THREAD, 0.35))
    if cut.neck_task == "neckline_design" and rng.random() < 0.6:
        strokes.append(Stroke(body.place(trunk.opening + (0, 0.05)), THREAD if rng.random() < 0.6 else 0.06, 0.35))
    tip, armpit = trunk.tip, np.array([trunk.chest, trunk.armpit])
    for side in SIDES:
        if cut.sleeved and not cut.bare:
            hole = polyline((tip[0], tip[1]), (tip[0] - 0.06, (tip[1] + armpit[1]) / 2), (armpit[0], armpit[1]))
            strokes.append(Stroke(body.place(round_corners(hole, 1) * (side, 1)), 0.03, 0.35))
        if rng.random() < 0.4:
            start = armpit * (side * 0.97, 1) + (0, 0.05)
            far = start + (-side * rng.uniform(0.2, 0.45), rng.uniform(-0.25, 0.35))
            strokes.append(Stroke(body.place(np.vstack([start, far])), 0.04, 0.18))
    return strokes


def front(rng: np.random.Generator, body: Body, category: str, cut: Cut, trunk: Trunk) -> list[Stroke]:
    """Strokes: placket and buttons, zips, princess and waist seams, pockets."""
    strokes = []
    top = float(trunk.opening[len(trunk.opening) // 2, 1])
    bottom = float(trunk.hem[len(trunk.hem) // 2, 1])
    buttoned = cut.stands or cut.neck_class == "Collarless"
    if category == "outwear" or (buttoned and rng.random() < 0.8) or rng.random() < 0.08:
        stop = bottom if category != "dress" or rng.random() < 0.5 else trunk.waist_level
        x = float(rng.choice([0.0, 0.06, 0.2], p=[0.4, 0.4, 0.2])) if category == "outwear" else 0.05
        strokes.append(Stroke(body.place(polyline((x, top), (x, (top + stop) / 2), (x, stop))), 0.022, 0.5))
        tone = ink(rng.choice([0.08, 0.5, 0.9]) + rng.normal(0, 0.05, 3))
        fastening = rng.random()
        if category == "outwear" and fastening < 0.4:
            zip_line = body.place(polyline((0.0, top), (0.0, (top + stop) / 2), (0.0, stop)))
            strokes.append(Stroke(zip_line, float(rng.uniform(0.03, 0.07)), 0.9, tone))
        elif fastening < 0.8:
            columns = (-x, x) if x > 0.1 else (0.0,)
            wide, gap = ((0.07, 0.1), (0.3, 0.5)) if category == "outwear" else ((0.04, 0.055), (0.24, 0.34))
            size = float(rng.uniform(*wide))
            for y in np.arange(top + 0.1, stop - 0.1, rng.uniform(*gap)).tolist():
                strokes += [Stroke(body.place(polyline((c, y), (c, y))), size, 0.95, tone) for c in columns]
    if category == "dress" and rng.random() < 0.5:
        x = np.linspace(-1, 1, 9)
        seam = np.stack([x * (body.waist + 0.2), trunk.waist_level + 0.03 * (1 - x * x)], -1)
        strokes.append(Stroke(body.place(seam), 0.025, 0.45))
    if rng.random() < 0.2:
        for side in SIDES:
            dart = polyline((side * 0.45, 0.95), (side * 0.3, 1.5), (side * 0.4, min(bottom, 2.6)))
            strokes.append(Stroke(body.place(round_corners(dart)), THREAD, 0.3))
    if category != "dress" and rng.random() < 0.3:
        pocket = polyline((0.22, 0.85), (0.5, 0.85), (0.5, 1.13), (0.36, 1.18), (0.22, 1.13), (0.22, 0.85))
        for side in rng.choice([-1, 1], size=rng.integers(1, 3), replace=False):
            strokes.append(Stroke(body.place(pocket * (side, 1)), THREAD, 0.4))
    if category == "outwear" and bottom > 2.1:
        strokes += _hip_pockets(rng, body, bottom)
    return strokes


def _hip_pockets(rng: np.random.Generator, body: Body, bottom: float) -> list[Stroke]:
    """Slit, flap or patch pockets at the hips of a coat; sometimes none."""
    kind, top, slope = rng.random(), rng.uniform(1.75, 2.0), rng.uniform(-0.02, 0.18)
    strokes = []
    for side in SIDES:
        slit = polyline((side * 0.32, top), (side * 0.62, top + slope))
        if kind < 0.35:
            strokes.append(Stroke(body.place(slit), 0.05, 0.4))
        elif kind < 0.6:
            strokes.append(Stroke(body.place(slit + (0, 0.06)), 0.13, 0.12))
            flap = np.vstack([slit, slit[::-1] + (0, 0.13), slit[:1]])
            strokes.append(Stroke(body.place(flap), 0.022, 0.55))
        elif kind < 0.8:
            depth = min(0.45, bottom - top - 0.15)
            patch = np.vstack([slit, slit[::-1] * (1, 0) + (0, top + depth), slit[:1]])
            strokes.append(Stroke(body.place(patch), 0.022, 0.5))
    return strokes


def random_rib(rng: np.random.Generator, category: str, cut: Cut, cloth: Cloth) -> Rib | None:
    """Ribbed ends for short garments that are no dresses; None for most."""
    if cut.hem > 2.5 or category == "dress" or rng.random() > (0.4 if category == "outwear" else 0.14):
        return None
    fabric = plain(colour(rng)) if rng.random() < 0.5 else replace(cloth, tile=cloth.tile * np.float32(0.85))
    return Rib(fabric, ink(colour(rng)) if rng.random() < 0.35 else None)


def hem_bands(body: Body, trunk: Trunk, lines: Sequence[np.ndarray], rib: Rib, z: float, owner: str) -> list[Piece]:
    """A ribbed band above every hem line (N, 2)."""
    pieces = []
    for line in lines:
        strokes = [Stroke(body.place(np.array([p - (0, 0.15), p])), 0.02, 0.2) for p in line[1:-1]]
        if rib.stripe is not None:
            strokes.append(Stroke(body.place(line - (0, 0.075)), 0.045, 0.95, rib.stripe))
        ring = body.place(np.vstack([line - (0, 0.15), line[::-1]]))
        pieces.append(Piece("hem_band", z, (ring,), trunk.spine, trunk.reach, rib.cloth, tuple(strokes), owner=owner))
    return pieces


def back_hem(rng: np.random.Generator, body: Body, trunk: Trunk, dark: Cloth, owner: str) -> Piece:
    """The visible inside of a back that is longer than the front."""
    t = np.linspace(0, 1, len(trunk.hem))
    low = trunk.hem[0] + (trunk.hem[-1] - trunk.hem[0]) * t[:, None]
    rounded = float(rng.uniform(2, 6))
    low[:, 1] += np.maximum(trunk.hem[:, 1] - low[:, 1], 0) + rng.uniform(0.05, 0.4) * (
        1 - np.abs(2 * t - 1) ** rounded
    )
    ring = body.place(np.vstack([trunk.hem - (0, 0.1), low[::-1]]))
    return Piece("back_hem", 4.5, (ring,), trunk.spine, trunk.reach, dark, owner=owner)


def yoke(rng: np.random.Generator, body: Body, trunk: Trunk, z: float, owner: str) -> Piece:
    """A yoke from the neck to the chest in another cloth, sometimes lace."""
    level = min(trunk.armpit + rng.uniform(-0.1, 0.15), float(trunk.hem[:, 1].min()) - 0.1)
    left, right = (trunk.flanks[side][trunk.flanks[side][:, 1] < level] for side in SIDES)
    x = np.linspace(1, -1, 13)
    half = float(max(abs(left[-1, 0]), abs(right[-1, 0])))
    low = np.stack([x * half, level + rng.uniform(-0.25, 0.1) * (1 - x * x)], -1)
    low[:, 1] = np.maximum(low[:, 1], float(trunk.opening[:, 1].max()) + 0.03)
    ring = body.place(np.vstack([trunk.opening, right, low, left[::-1]]))
    cloth = PATTERNS[str(rng.choice(["plain", "lace", "knit", "stripe"]))](rng)
    edge = Stroke(body.place(low), THREAD, 0.4)
    return Piece("yoke", z, (ring,), trunk.spine, trunk.reach, cloth, (edge,), Drape(wrinkles=0.08), owner=owner)


def extras(
    rng: np.random.Generator,
    body: Body,
    category: str,
    cut: Cut,
    trunk: Trunk,
    cloth: Cloth,
    worn: bool,
    z: float,
    owner: str,
) -> list[Piece]:
    """Pieces on the trunk: belts, yokes, prints on the chest, hoods."""
    pieces: list[Piece] = []
    coat = category == "outwear" and cut.hem > 2.3 and not cut.open_front
    if rng.random() < (0.2 if category == "dress" else 0.15 if coat else 0.0):
        pieces.append(_belt(rng, body, trunk, cloth, z + 0.3, owner))
    shallow = float(trunk.opening[:, 1].max()) < trunk.armpit - 0.15
    round_neck = category != "outwear" and cut.neck_task == "neckline_design" and shallow and not cut.bare
    if round_neck and rng.random() < 0.08:
        pieces.append(yoke(rng, body, trunk, z + 0.05, owner))
    if category == "blouse" and cut.neck_task != "collar_design" and cut.hem > 1.6 and rng.random() < 0.25:
        pieces.append(_print(rng, body, trunk, cloth, z + 0.1, owner))
    if category == "outwear" and cut.neck_task == "collar_design" and rng.random() < 0.2:
        t = np.linspace(0, 2 * np.pi, 20)
        top = -0.15 if worn else -0.5
        ring = np.stack([0.48 * np.cos(t), (0.1 + top) / 2 + (0.1 - top) * 0.75 * np.sin(t)], -1)
        folds = Drape(wrinkles=0.2)
        pieces.append(Piece("hood", 3, (body.place(ring),), trunk.spine, trunk.reach, cloth, drape=folds, owner=owner))
    return pieces


def _belt(rng: np.random.Generator, body: Body, trunk: Trunk, cloth: Cloth, z: float, owner: str) -> Piece:
    x = np.linspace(-1, 1, 9)
    line = np.stack([x * (trunk.reach[2] + 0.01), trunk.waist_level + 0.03 * (1 - x * x)], -1)
    thick = rng.uniform(0.04, 0.1)
    ring = body.place(np.vstack([line - (0, thick), (line + (0, thick))[::-1]]))
    strap = cloth if rng.random() < 0.4 else plain(colour(rng), gloss=0.4)
    return Piece("belt", z, (ring,), trunk.spine, trunk.reach, strap, shadow=0.2, owner=owner)


def _print(rng: np.random.Generator, body: Body, trunk: Trunk, cloth: Cloth, z: float, owner: str) -> Piece:
    """A picture or lines of text on the chest, below the neck opening."""
    rx, ry = rng.uniform(0.18, 0.4), rng.uniform(0.1, 0.32)
    lowest = float(trunk.opening[:, 1].max())
    cx, cy = rng.normal(0, 0.04), max(rng.uniform(0.9, 1.15), lowest + ry + 0.1)
    if rng.random() < 0.55:
        t = np.linspace(0, 2 * np.pi, 24)
        squareness = np.abs(np.sin(t)) ** rng.uniform(0.2, 1)
        ring = np.stack([cx + rx * np.cos(t), cy + ry * np.sign(np.sin(t)) * squareness], -1)
        picture = random_cloth(rng, "dress")
        return Piece("print", z, (body.place(ring),), trunk.spine, trunk.reach, picture, owner=owner)
    tone = ink(colour(rng))
    letters = []
    for row in np.arange(cy - ry, cy + ry, 0.17):
        x = np.linspace(cx - rx, cx + rx, int(rng.integers(9, 20)))
        line = np.stack([x, row + rng.choice([-0.05, 0.05, 0.0], len(x))], -1)
        letters.append(Stroke(body.place(line), 0.035, 0.95, tone))
    box = polyline((cx - rx, cy - ry), (cx + rx, cy - ry), (cx + rx, cy + ry), (cx - rx, cy + ry))
    return Piece("print", z, (body.place(box),), trunk.spine, trunk.reach, cloth, tuple(letters), owner=owner)


def neck(
    rng: np.random.Generator, body: Body, cut: Cut, trunk: Trunk, cloth: Cloth, z: float, owner: str
) -> tuple[list[Piece], dict[str, Mark]]:
    """Pieces of collars, lapels and high necks, and the neck keypoints that these move to their upper edge."""
    fabric = random_cloth(rng, "blouse") if rng.random() < 0.2 else cloth
    if cut.neck_task == "neck_design":
        return _high_neck(rng, body, cut, trunk, fabric, z + 0.5, owner)
    if cut.neck_task == "collar_design":
        part, leaves = "collar", necklines.collar(rng, cut.neck_class, trunk.opening)
    elif cut.neck_task == "lapel_design" and cut.neck_class != "Collarless":
        part, leaves = "lapel", necklines.lapels(rng, cut.neck_class, trunk.opening)
    else:
        return [], {}
    leaves = [body.place(leaf) for leaf in leaves]
    marks = {}
    if cut.neck_class == "Rib Collar":
        band = leaves[0]
        strokes = [Stroke(band[: len(band) // 2], 0.02, 0.3), Stroke(band[len(band) // 2 :], 0.02, 0.5)]
    else:
        strokes = [Stroke(np.vstack([leaf, leaf[:1]]), 0.022, 0.55) for leaf in leaves]
        for side, name in SIDES.items():
            end = trunk.end(side) * (0.95, 1) - (0, 0.1 if cut.stands else 0.0)
            spared = frozenset({part, f"sleeve_{name}", f"arm_{name}"})
            marks[f"neckline_{name}"] = Mark(body.place(end), "torso", spared)
    drape = Drape(wrinkles=0.1, roundness=0.2)
    pieces = [
        Piece(part, z + 0.5, (leaf,), trunk.spine, trunk.reach, fabric, tuple(strokes), drape, 0.35, owner)
        for leaf in leaves
    ]
    return pieces, marks


def _high_neck(
    rng: np.random.Generator, body: Body, cut: Cut, trunk: Trunk, fabric: Cloth, z: float, owner: str
) -> tuple[list[Piece], dict[str, Mark]]:
    ring, top = necklines.high_neck(rng, cut.neck_class, body.shoulder)
    middle = top[len(top) // 2]
    strokes = [Stroke(body.place(top + (0, 0.04)), 0.02, 0.3)]
    if cut.neck_class == "Turtle Neck":
        strokes.append(Stroke(body.place(top + (0, 0.17)), 0.04, 0.35))
    if cut.neck_class == "Draped Collar":
        for k in (0.33, 0.66):
            fold = top * (1 + 0.35 * k, 1) + (0, 0.3 * k)
            strokes.append(Stroke(body.place(fold), 0.05, 0.4))
    if cut.neck_class == "Ruffle Semi-High Collar":
        strokes += [Stroke(body.place(np.array([p, p * (0.9, 1) + (0, 0.14)])), 0.025, 0.3) for p in top[1:-1]]
    else:
        for x in np.linspace(-0.8, 0.8, 12):
            rib = polyline((x * 0.3, middle[1] - 0.05 * x * x), (x * 0.33, 0.12))
            strokes.append(Stroke(body.place(rib), THREAD, 0.15))
    spared = frozenset({"collar", "high_neck", "sleeve_left", "sleeve_right"})
    ends = {"neckline_left": top[0], "neckline_right": top[-1], "center_front": middle}
    marks = {name: Mark(body.place(at), "high_neck", spared) for name, at in ends.items()}
    drape = Drape(wrinkles=0.1, roundness=0.2)
    reach = np.full(4, 0.35)
    piece = Piece("high_neck", z, (body.place(ring),), trunk.spine, reach, fabric, tuple(strokes), drape, 0.25, owner)
    return [piece], marks
