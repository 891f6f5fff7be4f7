"""The pieces of the two sleeves of a garment: their cloth, their ends, and what lies folded over the trunk."""
# ruff: noqa: RUF005  (an array + (x, y) moves points, it does not join lists)

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from . import details
from .body import SIDES, Body, Fold
from .cloth import Cloth, Drape, colour, lace, plain, random_cloth, sheer
from .cut import Cut, Mark
from .outline import arc_length
from .paint import Colour, Piece, Stroke
from .sleeves import SleeveCut, folded_at_elbow, folded_at_shoulder, random_sleeve, sleeve

if TYPE_CHECKING:
    from .garment import Trunk

_BELOW_ELBOW = 0.35  # heads of a sleeve that a fold at the elbow needs below it
_LONG = 0.5  # of the arm: shorter sleeves are not folded at the shoulder, and not rolled


@dataclass(frozen=True, slots=True)
class SleeveStyle:
    """What both sleeves of a garment have in common.

    trim: colour of a band at their ends, or None. cuffed: whether a seam is there. roll: height in heads of the ends
    that are turned back, of which `inside` is seen; 0 without.
    """

    shape: SleeveCut
    cloth: Cloth
    rib: details.Rib | None
    cuffed: bool
    trim: Colour | None
    drape: Drape
    roll: float = 0.0
    inside: Cloth | None = None


def random_style(
    rng: np.random.Generator, category: str, cut: Cut, cloth: Cloth, rib: details.Rib | None, worn: bool
) -> SleeveStyle:
    """A random style. cloth: of the trunk. worn: by a figure; the ends of other sleeves are sometimes rolled."""
    shape = random_sleeve(rng, cut.sleeve, cut.loose)
    fabric = _sleeve_cloth(rng, category, cloth)
    cuffed = bool(rng.random() < 0.35)
    trim = details.ink(colour(rng)) if rng.random() < 0.3 else None
    drape = Drape(
        folds=rng.uniform(0.5, 2),
        depth=rng.uniform(0.0, 0.1),
        grows=0.2,
        wrinkles=rng.uniform(0.04, 0.28),
        slant=rng.normal(0.6, 0.5),
        roundness=rng.uniform(0.2, 0.5),
        length=2.5,
    )
    if worn or cut.sleeve < _LONG or rng.random() > 0.12:
        return SleeveStyle(shape, fabric, rib, cuffed, trim, drape)
    pale = fabric.mean + (1 - fabric.mean) * rng.uniform(0.3, 0.85)
    inside = plain(pale) if rng.random() < 0.75 else random_cloth(rng, "blouse")
    return SleeveStyle(shape, fabric, None, cuffed, None, drape, float(rng.uniform(0.14, 0.38)), inside)


def _sleeve_cloth(rng: np.random.Generator, category: str, cloth: Cloth) -> Cloth:
    """The cloth of the sleeves: mostly that of the trunk; else any cloth on outwear, often sheer or lace on others."""
    if rng.random() > (0.18 if category == "outwear" else 0.2):
        return cloth
    if category == "outwear":
        return random_cloth(rng, "outwear")
    base = cloth.mean if rng.random() < 0.65 else None
    kind = rng.choice(["sheer", "lace", "other"], p=[0.45, 0.3, 0.25])
    if kind == "other":
        return random_cloth(rng, "blouse")
    return sheer(rng, base) if kind == "sheer" else lace(rng, base)


def sleeves(
    rng: np.random.Generator, body: Body, cut: Cut, trunk: Trunk, style: SleeveStyle, z: float, owner: str
) -> tuple[list[Piece], dict[str, Mark]]:
    """The pieces of both sleeves and the keypoints on them.

    The part of a sleeve that lies folded over the front is the part `fold_left` or `fold_right`.
    """
    pieces: list[Piece] = []
    marks: dict[str, Mark] = {}
    for side, name in SIDES.items():
        shoulder, armpit = _seam(body, cut, trunk, side)
        fold = _possible(body.folds.get(side), cut)
        bone = body.arms[side][:3] if fold is None else fold.joints
        over, cuffs = _outlines(style.shape, fold, bone, shoulder, armpit, side)
        if not cut.bare:  # fill the arm hole, so that there is no gap between sleeve and trunk
            tip = trunk.tip
            inner = body.place(np.array([side * (min(tip[0], trunk.chest) - 0.08), (tip[1] + trunk.armpit) / 2]))
            over[0].append(np.vstack([shoulder, over[0][0][1], armpit, inner]))
        level = 17.0 + z / 1000 if body.behind[side] else 50.0 + z / 10
        layers = _layers(over, fold, bone, style, name, level, owner)
        back = bone[1] - bone[2] if cut.sleeve > 0.55 else bone[0] - bone[1]
        up = back / np.hypot(*back)
        ends = _end_strokes(style, cuffs, up)
        creases = _elbow_creases(rng, bone[1]) if cut.sleeve > 0.6 else []
        if len(layers) > 1:
            layers[0] = replace(layers[0], strokes=tuple(creases))
        layers[-1] = replace(layers[-1], strokes=(*ends, *creases))
        if style.roll:
            rolled, cuffs = _rolled(style, cuffs, up, f"roll_{name}", layers[-1].z + 0.05, owner)
            layers.append(rolled)
        pieces += layers
        home, spared = layers[-1].part, frozenset({f"hand_{name}", f"arm_{name}"})
        for end, xy in zip(("in", "out"), cuffs, strict=True):
            marks[f"cuff_{name}_{end}"] = Mark(xy, home, spared)
        if cut.bare:
            marks[f"shoulder_{name}"] = Mark(shoulder, layers[0].part, spared)
    return pieces, marks


def _seam(body: Body, cut: Cut, trunk: Trunk, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The ends of a sleeve's seam, each (2,): at the shoulder and at the armpit."""
    armpit = body.place(np.array([side * trunk.chest, trunk.armpit]))
    if cut.bare:
        return body.place(np.array([side * trunk.chest * 1.02, 0.36])) + (side * 0.14, 0.02), armpit
    return body.place(trunk.tip * (side, 1)), armpit


def _possible(fold: Fold | None, cut: Cut) -> Fold | None:
    """The fold, or None where the sleeve is too short for it or has no seam at the shoulder."""
    if fold is None:
        return None
    if fold.at_shoulder:
        return fold if cut.sleeve > _LONG and not cut.bare else None
    length = arc_length(fold.joints)
    return fold if cut.sleeve * length[-1] > length[1] + _BELOW_ELBOW else None


def _outlines(
    shape: SleeveCut, fold: Fold | None, bone: np.ndarray, shoulder: np.ndarray, armpit: np.ndarray, side: int
) -> tuple[list[list[np.ndarray]], np.ndarray]:
    """The polygons of the sleeve, and of its part below a fold at the elbow; and (2, 2) cuff in and cuff out."""
    if fold is not None and not fold.at_shoulder:
        above, below, cuff_in, cuff_out = folded_at_elbow(shape, bone, shoulder, armpit, side)
        return [above, below], np.vstack([cuff_in, cuff_out])
    make = sleeve if fold is None else folded_at_shoulder
    rings, cuff_in, cuff_out = make(shape, bone, shoulder, armpit, side)
    return [rings], np.vstack([cuff_in, cuff_out])


def _layers(
    rings: list[list[np.ndarray]],
    fold: Fold | None,
    bone: np.ndarray,
    style: SleeveStyle,
    name: str,
    level: float,
    owner: str,
) -> list[Piece]:
    """One piece, or the one above the elbow and the one that is folded over it; without strokes."""
    shape = style.shape
    reach = np.array([shape.top, (shape.top + shape.cuff) / 2 + shape.swell, max(shape.cuff, 0.1)])

    def piece(part: str, z: float, outline: list[np.ndarray], joints: slice) -> Piece:
        return Piece(part, z, tuple(outline), bone[joints], reach[joints], style.cloth, (), style.drape, 0.3, owner)

    if fold is None:
        return [piece(f"sleeve_{name}", level, rings[0], slice(3))]
    over = level + 0.3 + 0.1 * fold.layer
    if fold.at_shoulder:
        return [piece(f"fold_{name}", over, rings[0], slice(3))]
    return [
        piece(f"sleeve_{name}", level, rings[0], slice(2)),
        piece(f"fold_{name}", over, rings[1], slice(1, 3)),
    ]


def _end_strokes(style: SleeveStyle, across: np.ndarray, up: np.ndarray) -> list[Stroke]:
    """The seam, the rib or the band at the end of a sleeve. across: (2, 2) its opening. up: (2,) along the sleeve."""
    strokes = [Stroke(across + up * (0.16 if style.cuffed else 0.06), 0.025, 0.4)]
    if style.rib is not None:
        strokes.append(Stroke(across + up * 0.09, 0.18, 0.95, details.ink(style.rib.cloth.mean)))
        if style.rib.stripe is not None:
            strokes.append(Stroke(across + up * 0.09, 0.05, 0.95, style.rib.stripe))
    elif style.trim is not None:
        strokes.append(Stroke(across + up * 0.07, 0.14, 0.9, style.trim))
    return strokes


def _elbow_creases(rng: np.random.Generator, elbow: np.ndarray) -> list[Stroke]:
    strokes = []
    for _ in range(3):
        at, far = elbow + rng.normal(0, 0.08, 2), rng.normal(0, 0.12, 2)
        strokes.append(Stroke(np.vstack([at, at + far]), 0.04, 0.13))
    return strokes


def _rolled(
    style: SleeveStyle, cuffs: np.ndarray, up: np.ndarray, part: str, z: float, owner: str
) -> tuple[Piece, np.ndarray]:
    """The turned back end of a sleeve, a little wider than the sleeve; and (2, 2) the ends of its opening."""
    middle = cuffs.mean(0)
    low = middle + (cuffs - middle) * 1.1
    high = low + up * style.roll
    half = float(np.hypot(*(low[1] - low[0]))) / 2
    edge = Stroke(high - up * 0.02, 0.03, 0.35)
    axis, reach = np.vstack([middle + up * style.roll, middle]), np.full(2, half)
    drape = Drape(wrinkles=style.drape.wrinkles, roundness=0.3)
    ring = np.vstack([low, high[::-1]])
    return Piece(part, z, (ring,), axis, reach, style.inside or style.cloth, (edge,), drape, 0.3, owner), low
