"""The content of a photo: the target garment on a figure, a hanger or the floor, other clothes, bags and phones."""
# ruff: noqa: RUF005  (an array + (x, y) moves points, it does not join lists)

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..formats.challenges import CATEGORIES
from . import bottoms, lying
from .body import HIP, Body, hand_of, random_skin, skin_pieces
from .cloth import Cloth, colour, plain, random_cloth
from .cut import Cut, Garment, random_cut
from .details import ink
from .footwear import Footwear, leg_pieces, random_footwear, shod
from .garment import upper
from .outline import polyline
from .paint import Piece, Stroke

WITH_SLEEVES = ("blouse", "dress", "outwear")
LEVEL = {"blouse": 25.0, "dress": 25.0, "outwear": 35.0, "skirt": 20.0, "trousers": 20.0}


def laid_out(
    rng: np.random.Generator, body: Body, category: str, cloth: Cloth | None = None
) -> tuple[Garment, list[Piece]]:
    """A garment that lies flat or hangs: (garment, all pieces to paint). cloth: by default random.

    body: not posed, as `random_body` gives it.
    """
    hangs = category in WITH_SLEEVES and rng.random() < 0.3
    posed = (lying.hung if hangs else lying.laid)(rng, body)
    target = garment_of(rng, posed, category, False, LEVEL[category], category, cloth)
    pieces = list(target.pieces)
    if hangs:
        pieces += hanger(rng, body)
    if category == "outwear" and rng.random() < 0.35:
        pieces += top_under_coat(rng, posed).pieces
    if rng.random() < 0.12:
        pieces += _beside(rng, lying.laid(rng, body), category)
    return target, pieces


def worn(
    rng: np.random.Generator, body: Body, category: str, cloth: Cloth | None = None
) -> tuple[Garment, list[Piece]]:
    """A garment on a figure with other clothes and things: (garment, all pieces to paint). cloth: by default random."""
    others: list[Garment] = []
    shoes = random_footwear(rng, body)
    body = shod(body, shoes)
    if category in ("skirt", "trousers"):
        target = garment_of(rng, body, category, True, 20.0, category, cloth)
        over = rng.random() < 0.3
        hem = waist_of(target) + (rng.uniform(0.1, 0.6) if over else rng.uniform(-0.5, 0.15))
        cut = replace(random_cut(rng, "blouse"), hem=max(hem, 1.2), flare=0.0)
        cut = replace(cut, loose=cut.loose * 0.5)
        level = 25.0 if over else 19.5
        others.append(upper(rng, body, "blouse", cut, random_cloth(rng, "blouse"), True, level, "other"))
    else:
        cut = random_cut(rng, category)
        if category != "dress":
            tucked = category == "blouse" and rng.random() < 0.3
            kind = "skirt" if rng.random() < 0.3 else "trousers"
            below = garment_of(rng, body, kind, True, 30.0 if tucked else 20.0, "other")
            if tucked:  # the visible hem is where the cloth enters the waistband
                cut = replace(cut, hem=waist_of(below) + 0.03)
            others.append(below)
        cloth = cloth or random_cloth(rng, category)
        target = upper(rng, body, category, cut, cloth, True, LEVEL[category], category)
    if category == "outwear":
        others.append(top_under_coat(rng, body))
    elif rng.random() < (0.15 if category in ("skirt", "trousers") else 0.07):
        others.append(_open_coat(rng, body))
    garments = [target, *others]
    pieces = wearer(rng, body, shoes, garments)
    pieces += [piece for garment in garments for piece in garment.pieces]
    return target, pieces + carried(rng, body)


def wearer(rng: np.random.Generator, body: Body, shoes: Footwear, garments: Sequence[Garment]) -> list[Piece]:
    """The pieces of a figure in its footwear, without its garments. garments: a dress is the first of them."""
    around_legs = next((g for g in garments if g.category in ("skirt", "trousers")), garments[0])
    skin, mannequin = random_skin(rng)
    legs = leg_pieces(rng, body, shoes, skin, around_legs)
    return legs + skin_pieces(rng, body, max(g.sleeve for g in garments), skin, mannequin)


def garment_of(
    rng: np.random.Generator, body: Body, category: str, on: bool, z: float, owner: str, cloth: Cloth | None = None
) -> Garment:
    cloth = cloth or random_cloth(rng, category)
    if category == "skirt":
        return bottoms.skirt(rng, body, cloth, z, owner)
    if category == "trousers":
        return bottoms.trousers(rng, body, cloth, z, owner)
    return upper(rng, body, category, random_cut(rng, category), cloth, on, z, owner)


def waist_of(garment: Garment) -> float:
    """The level of the waistband in heads."""
    return float(np.mean([garment.marks[f"waistband_{side}"].xy[1] for side in ("left", "right")]))


def top_under_coat(rng: np.random.Generator, body: Body) -> Garment:
    name = str(rng.choice(["Round Neckline", "V Neckline"]))
    cut = Cut(float(rng.uniform(1.7, 2.6)), 0.0, 0.0, "neckline_design", name, False, 0.0)
    return upper(rng, body, "blouse", cut, random_cloth(rng, "blouse"), True, 24.0, "other")


def _open_coat(rng: np.random.Generator, body: Body) -> Garment:
    cut = random_cut(rng, "outwear")
    cut = Cut(cut.hem, max(cut.sleeve, 0.9), 0.4, "lapel_design", "Shawl Collar", True, 0.05)
    return upper(rng, body, "outwear", cut, random_cloth(rng, "outwear"), True, 35.0, "coat")


def _beside(rng: np.random.Generator, body: Body, category: str) -> list[Piece]:
    """Another garment next to the target garment or partly under it."""
    other = str(rng.choice([c for c in CATEGORIES if c != category]))
    garment = garment_of(rng, body, other, False, 25.0, "other")
    away = np.array([rng.choice([-1, 1]) * rng.uniform(1.3, 2.4), rng.normal(0, 0.8)])

    def moved(piece: Piece) -> Piece:
        strokes = tuple(replace(stroke, xy=stroke.xy + away) for stroke in piece.strokes)
        rings = tuple(ring + away for ring in piece.rings)
        return replace(piece, z=piece.z / 100, axis=piece.axis + away, rings=rings, strokes=strokes)

    return [moved(piece) for piece in garment.pieces]


def hanger(rng: np.random.Generator, body: Body) -> list[Piece]:
    wood = np.array([0.6, 0.45, 0.3]) * rng.uniform(0.3, 1.5)
    if rng.random() < 0.4:
        wood = np.full(3, rng.uniform(0.05, 0.95))
    bar = polyline((-body.shoulder * 0.85, 0.2), (0, -0.12), (body.shoulder * 0.85, 0.2), (0, 0.0))
    t = np.linspace(-0.5 * np.pi, 0.9 * np.pi, 12)
    hook = np.vstack([polyline((0, -0.1), (0, -0.35)), np.stack([0.13 * np.cos(t), -0.48 - 0.13 * np.sin(t)], -1)])
    wire = np.vstack([hook + (0.03, 0.0), (hook - (0.03, 0.0))[::-1]])
    axis = polyline((0.0, -0.6), (0.0, 0.3))
    return [
        Piece("hook", 0.5, (wire,), axis, np.full(2, 0.3), plain(np.full(3, rng.uniform(0.4, 0.8)))),
        Piece("hanger", 6, (bar,), axis, np.full(2, 0.8), plain(np.clip(wood, 0, 1))),
    ]


def carried(rng: np.random.Generator, body: Body) -> list[Piece]:
    """A bag on a strap, and a phone or a clutch in a hand."""
    pieces: list[Piece] = []
    axis = polyline((0.0, 0.0), (0.0, 3.0))
    if rng.random() < 0.12:
        side = int(rng.choice([-1, 1]))
        leather = plain(colour(rng), gloss=0.5)
        start = body.place(np.array([-side * 0.5 if rng.random() < 0.5 else side * 0.6, 0.05]))
        bag = body.place(np.array([side * (body.hip + 0.12), HIP + rng.uniform(-0.3, 0.4)]))
        strap = np.vstack([start - (0.035, 0), bag - (0.035, 0), bag + (0.035, 0), start + (0.035, 0)])
        w, h = rng.uniform(0.25, 0.5), rng.uniform(0.2, 0.45)
        box = bag + polyline((-w * 0.85, -h), (w * 0.85, -h), (w, h), (-w, h))
        flap = Stroke(bag + polyline((-w, -h * 0.2), (0, h * 0.1), (w, -h * 0.2)), 0.03, 0.5)
        pieces.append(Piece("strap", 72, (strap,), axis, np.full(2, 1.0), leather, shadow=0.2))
        pieces.append(Piece("bag", 73, (box,), axis + bag, np.full(2, w), leather, (flap,), shadow=0.35))
    side = int(rng.choice([-1, 1]))
    if rng.random() < 0.1 and not body.behind[side]:
        phone = rng.random() < 0.5
        w, h = (rng.uniform(0.09, 0.13), 0.2) if phone else (rng.uniform(0.25, 0.5), rng.uniform(0.2, 0.4))
        hand = hand_of(body, side)
        box = hand + polyline((-w, -h), (w, -h), (w, h), (-w, h)) + (0, h * 0.6)
        thing = plain(np.asarray(ink(colour(rng))), gloss=0.6)
        pieces.append(Piece("held", 71, (box,), axis + hand, np.full(2, w), thing, shadow=0.3))
    return pieces
