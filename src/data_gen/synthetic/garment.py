"""Blouses, dresses and outwear: a trunk with a neckline, two sleeves, and their keypoints and labels."""
# ruff: noqa: RUF005  (an array + (x, y) moves points, it does not join lists)

from dataclasses import dataclass

import numpy as np

from ..formats.challenges import CATEGORY_KEYPOINTS
from . import details, necklines
from .attributes import length_label, one_hot
from .body import ARMPIT, HIP, NECK_HALF, SHOULDER, SIDES, WAIST, Body
from .cloth import Cloth, Drape, colour, lined, plain
from .cut import NECK_TASKS, Cut, Garment, Mark
from .outline import mirror, polyline, profile, round_corners
from .paint import Piece, Stroke
from .sleeve_pieces import random_style, sleeves

_OVER = frozenset({"collar", "lapel", "high_neck", "belt", "print", "hem_band", "yoke"})


@dataclass(frozen=True, slots=True)
class Trunk:
    """The trunk of an upper garment before posing, in heads.

    opening: (N, 2) front edge of the neck, left to right. tip: (2,) right shoulder tip. flanks: by side (N, 2), from
    the neck point over shoulder and armpit to the hem. hem: (21, 2) left to right. spine, reach: the axis of the cloth
    in the pose, and half widths there (see `Piece`).
    """

    opening: np.ndarray
    tip: np.ndarray
    chest: float
    armpit: float
    waist: float
    waist_level: float
    lean: float
    flanks: dict[int, np.ndarray]
    hem: np.ndarray
    spine: np.ndarray
    reach: np.ndarray

    def end(self, side: int) -> np.ndarray:
        """(2,) the neck point of a side."""
        return self.opening[0] if side < 0 else self.opening[-1]

    def strapped(self, cut: Cut, side: int) -> bool:
        """Whether cloth covers the shoulder on this side."""
        one = cut.neck_class == "One Shoulder Neckline" and abs(self.end(side)[0]) > self.chest - 0.01
        return not cut.bare and not one


def upper(
    rng: np.random.Generator, body: Body, category: str, cut: Cut, cloth: Cloth, worn: bool, z: float, owner: str
) -> Garment:
    """An upper garment on a body.

    Its sleeves are painted after the trunk and the arms, unless the arm is behind the trunk.
    """
    trunk = _trunk(rng, body, category, cut)
    rib = details.random_rib(rng, category, cut, cloth)
    front = lined(rng, cloth) if rng.random() < 0.6 else cloth  # sleeves of lace garments are rarely lined
    pieces = _shell(rng, body, category, cut, trunk, front, rib, worn, z, owner)
    pieces += details.extras(rng, body, category, cut, trunk, front, worn, z, owner)
    marks = _trunk_marks(body, cut, trunk)
    sleeved, sleeve_marks = [], {}
    if cut.sleeved:
        style = random_style(rng, category, cut, cloth, rib, worn)
        sleeved, sleeve_marks = sleeves(rng, body, cut, trunk, style, z, owner)
    neck, neck_marks = details.neck(rng, body, cut, trunk, cloth, z, owner)
    name = "hemline" if category == "dress" else "top_hem"
    low = body.place(trunk.hem[[0, -1]])
    spared = frozenset({"hem_band"})
    ends = {f"{name}_left": Mark(low[0], "torso", spared), f"{name}_right": Mark(low[1], "torso", spared)}
    marks |= sleeve_marks | neck_marks | ends
    marks = {name: mark for name, mark in marks.items() if name in CATEGORY_KEYPOINTS[category]}
    return Garment(category, (*pieces, *sleeved, *neck), marks, _labels(rng, category, cut), cut.sleeve)


def _opening(rng: np.random.Generator, cut: Cut, body: Body, chest: float) -> np.ndarray:
    """(N, 2) the front edge of the neck opening, left to right; under collar or lapels if there are any."""
    if cut.neck_task == "neckline_design":
        return necklines.front(rng, cut.neck_class, body.shoulder, chest)
    n = NECK_HALF + rng.uniform(0.0, 0.08)
    top = necklines.shoulder_line(n, body.shoulder)
    depth = rng.uniform(0.22, 0.32)
    if cut.neck_class == "Shirt Collar":
        depth = rng.choice([rng.uniform(0.14, 0.22), rng.uniform(0.25, 0.6)], p=[0.6, 0.4])
    if cut.neck_task == "lapel_design":
        depth = rng.uniform(0.8, min(1.6, cut.hem - 0.3))
    if cut.neck_task == "lapel_design" or cut.neck_class == "Shirt Collar":
        half = polyline((0, top + depth), (n * 0.55, top + depth * 0.5), (n, top))
    else:
        t = np.linspace(0, np.pi / 2, 8)
        half = np.stack([n * np.sin(t), top + depth * np.cos(t)], -1)
    return np.vstack([mirror(half)[::-1], half[1:]])


def _trunk(rng: np.random.Generator, body: Body, category: str, cut: Cut) -> Trunk:
    ease = 0.02 + 0.16 * cut.loose + (0.05 if category == "outwear" else 0.0)
    chest = body.chest + ease
    armpit = _arm_hole_depth(rng, cut)
    opening = _opening(rng, cut, body, chest)
    if cut.neck_class == "Strapless Neck":
        armpit = max(armpit, float(opening[:, 1].max()) + 0.03)
    level = min(WAIST + rng.normal(0, 0.08), cut.hem - 0.12)
    waist = body.waist + ease * 1.1 + rng.uniform(0, 0.12) * (0.3 + cut.loose)
    waist = min(waist, chest - 0.01) if rng.random() < 0.9 else chest + 0.03
    hip = body.hip + 0.02 + ease * 0.8 + max(cut.flare, 0) * 0.25
    if category == "blouse" and cut.loose > 0.5:
        hip = max(waist, hip - 0.1)
    end = max(cut.hem, HIP + 0.35)
    levels = (armpit, max(level, armpit + 0.25), HIP + 0.1, end)
    halves = (chest, waist, hip, hip + cut.flare * (end - HIP - 0.1) / (1.6 if category == "dress" else 1.0))
    y = np.linspace(armpit, cut.hem, 15)
    half = profile(y, levels, halves)
    lean = float(rng.normal(0, 0.02))
    tip = _shoulder_tip(rng, body, category, cut, opening)
    spine = polyline((0, -0.3), (0, armpit), (0, max(level, armpit + 0.05)), (0, max(cut.hem, level + 0.1)))
    trunk = Trunk(
        opening=opening,
        tip=tip,
        chest=chest,
        armpit=armpit,
        waist=float(profile(np.array([level]), levels, halves)[0]),
        waist_level=level,
        lean=lean,
        flanks={},
        hem=np.empty((21, 2)),
        spine=body.place(spine),
        reach=np.array([chest, chest, waist, float(half[-1])]),
    )
    for side in SIDES:
        down = np.stack([half * side, y + lean * side * (y - armpit)], -1)
        trunk.flanks[side] = np.vstack([trunk.end(side), down])
        if trunk.strapped(cut, side):
            inward = 0.04 if cut.sleeved else min(0.14, max(chest - 0.1 - tip[0], 0.03))
            middle = (min(tip[0], chest) - inward, (tip[1] + armpit) / 2)
            hole = round_corners(polyline((tip[0], tip[1]), middle, (chest, armpit)), 2)
            trunk.flanks[side] = np.vstack([trunk.end(side), hole * (side, 1), down[1:]])
    trunk.hem[:] = _hem(rng, category, cut, trunk.flanks[-1][-1], trunk.flanks[1][-1])
    return trunk


def _arm_hole_depth(rng: np.random.Generator, cut: Cut) -> float:
    """The level of a garment's armpits, which are below those of the body."""
    if cut.sleeved:
        return ARMPIT + rng.uniform(0.02, 0.24) + 0.16 * cut.loose
    return ARMPIT + rng.uniform(0.0, 0.18)


def _shoulder_tip(rng: np.random.Generator, body: Body, category: str, cut: Cut, opening: np.ndarray) -> np.ndarray:
    """(2,) the right shoulder tip: at the seam of the sleeve, or at the end of a sleeveless shoulder."""
    if cut.sleeved:
        dropped = 0.1 * cut.loose * (cut.sleeve > 0.1) + (0.04 if category == "outwear" else 0.0)
        return np.array([body.shoulder + dropped, SHOULDER + 0.08 * cut.loose])
    x = min(max(opening[-1, 0] + rng.uniform(0.07, 0.3), 0.3), body.shoulder * 0.98)
    return np.array([x, necklines.shoulder_line(x, body.shoulder) + 0.015])


def _hem(rng: np.random.Generator, category: str, cut: Cut, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(21, 2) the lower edge: straight, bowed like a shirt's, longer at the sides, or in waves."""
    t = np.linspace(0, 1, 21)
    bow = rng.choice([rng.uniform(0.0, 0.08), rng.uniform(0.1, 0.28)], p=[0.75, 0.25])
    if category == "dress" and cut.flare > 0.1 and rng.random() < 0.2:
        bow = rng.uniform(-0.25, -0.05)
    waves = rng.uniform(0, 0.035) * (cut.flare > 0.25)
    rounded = 2.0 if rng.random() < 0.6 else rng.uniform(2, 6)  # the hem of a shirt rises steeply at its sides
    hem = left + (right - left) * t[:, None]
    hem[:, 1] += bow * (1 - np.abs(2 * t - 1) ** rounded) + waves * np.sin(t * np.pi * rng.uniform(5, 11)) * np.sin(
        np.pi * t
    )
    return hem


def _shell(
    rng: np.random.Generator,
    body: Body,
    category: str,
    cut: Cut,
    trunk: Trunk,
    cloth: Cloth,
    rib: details.Rib | None,
    worn: bool,
    z: float,
    owner: str,
) -> list[Piece]:
    """The pieces of the trunk, closed or open in front, with the visible parts of its inside."""
    drape = Drape(
        folds=rng.uniform(2, 6) + 6 * max(cut.flare, 0),
        depth=rng.uniform(0.01, 0.08) + 0.3 * max(cut.flare, 0) * (category == "dress"),
        grows=0.9,
        wrinkles=rng.uniform(0.02, 0.14) if rng.random() < 0.8 else rng.uniform(0.1, 0.28),
        slant=rng.normal(0, 0.6),
        roundness=rng.uniform(0.15, 0.45) if worn else rng.uniform(0.03, 0.25),
        length=cut.hem,
    )
    dark = plain(cloth.mean * rng.uniform(0.35, 0.7))
    opening, flanks = trunk.opening, trunk.flanks
    whole = body.place(np.vstack([flanks[-1], trunk.hem[1:-1], flanks[1][::-1], opening[::-1][1:-1]]))
    pieces = [] if cut.bare else [details.back_of_neck(rng, body, cut, trunk, dark, worn, owner)]
    strokes: list[Stroke] = []
    if cut.open_front:
        wide = 1.0
        if not worn:  # the fronts of coats that lie are often turned far aside, over a lining of any colour
            wide = float(rng.uniform(0.8, 2.2))
            dark = plain(colour(rng) * rng.uniform(0.5, 0.9)) if rng.random() < 0.5 else dark
        rings, edges, lows = _panels(rng, cut, trunk, wide)
        rings = [body.place(ring) for ring in rings]
        strokes += [Stroke(body.place(edge), 0.035, 0.45) for edge in edges]
        pieces.append(
            Piece("lining_back", 4, (whole,), trunk.spine, trunk.reach, dark, drape=drape, shadow=0.2, owner=owner)
        )
    else:
        rings, lows = [whole], [trunk.hem]
        if rng.random() < 0.12:
            pieces.append(details.back_hem(rng, body, trunk, dark, owner))
        strokes += details.front(rng, body, category, cut, trunk)
    strokes += details.seams(rng, body, cut, trunk)
    pieces.append(Piece("torso", z, tuple(rings), trunk.spine, trunk.reach, cloth, tuple(strokes), drape, 0.3, owner))
    if rib is not None:
        pieces += details.hem_bands(body, trunk, lows, rib, z + 0.2, owner)
    return pieces


def _panels(
    rng: np.random.Generator, cut: Cut, trunk: Trunk, wide: float
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """The polygons of the two fronts of an open coat, their edges and their hems. wide: of the gap, 1 as worn."""
    half = float(trunk.reach[-1])
    gap = np.array([rng.uniform(0.06, 0.3), rng.uniform(0.08, 0.45)]) * min(1.0, half / 0.8)
    gap = np.minimum(gap * wide, np.maximum(gap, 0.5 * np.array([trunk.waist, half])))
    rings, edges, hems = [], [], []
    for side in SIDES:
        wobble = rng.uniform(0.7, 1.3)
        edge = np.array([
            trunk.end(side),
            [side * (0.1 + gap[0] * 0.7), trunk.armpit + 0.15],
            [side * gap[0] * wobble, trunk.waist_level],
            [side * min(gap[1] * wobble, half * 0.7), cut.hem + 0.02],
        ])  # fmt: skip
        edge = round_corners(edge, 1)
        corner = trunk.flanks[side][-1]
        low = corner + (edge[-1] - corner) * np.linspace(0, 1, 8)[1:-1, None]
        rings.append(np.vstack([trunk.flanks[side], low, edge[::-1]]))
        edges.append(edge)
        hems.append(np.vstack([corner, low, edge[-1]]))
    return rings, edges, hems


def _trunk_marks(body: Body, cut: Cut, trunk: Trunk) -> dict[str, Mark]:
    """The keypoints on the trunk; `upper` leaves out those that the category does not have."""
    middle = trunk.opening[len(trunk.opening) // 2]
    marks = {"center_front": Mark(body.place(middle), "torso", _OVER)}
    for side, name in SIDES.items():
        spared = _OVER | {f"sleeve_{name}", f"arm_{name}"}
        end = trunk.end(side)
        armpit = np.array([side * trunk.chest, trunk.armpit])
        marks[f"neckline_{name}"] = Mark(body.place(end), "torso", spared)
        marks[f"armpit_{name}"] = Mark(body.place(armpit), "torso", spared)
        if trunk.strapped(cut, side):
            shoulder = trunk.tip * (side, 1)
            marks[f"shoulder_{name}"] = Mark(body.place(shoulder), "torso", spared)
            if not cut.sleeved:  # the arm hole is the opening of the sleeve
                marks[f"cuff_{name}_out"] = Mark(body.place(shoulder + (-side * 0.012, 0.05)), "torso", spared)
                marks[f"cuff_{name}_in"] = Mark(body.place(armpit - (side * 0.012, 0.04)), "torso", spared)
        drop = trunk.lean * side * (trunk.waist_level - trunk.armpit)
        waist = np.array([side * trunk.waist, trunk.waist_level + drop])
        marks[f"waistline_{name}"] = Mark(body.place(waist), "torso", frozenset({"belt"}))
    return marks


def _labels(rng: np.random.Generator, category: str, cut: Cut) -> dict[str, str]:
    labels = {"sleeve_length": length_label("sleeve_length", cut.sleeve)}
    if category == "outwear":
        labels["coat_length"] = length_label("coat_length", cut.hem)
    if category == "dress":
        labels["skirt_length"] = length_label("skirt_length", cut.hem)
    if category != "outwear" or cut.neck_task != "neckline_design":
        labels[cut.neck_task] = one_hot(cut.neck_task, cut.neck_class)
    if rng.random() < 0.06:  # a design task that does not apply to this garment
        other = str(rng.choice([task for task in NECK_TASKS if task != cut.neck_task]))
        labels[other] = one_hot(other, "Invisible")
    return labels
