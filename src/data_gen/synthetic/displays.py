"""Garments without people: one alone, two that lie together, a wall of them, a rail."""
# ruff: noqa: RUF005  (an array + (x, y) moves points, it does not join lists)

from dataclasses import replace

import numpy as np

from ...geometry import Size, shift, zoom
from ..formats.challenges import CATEGORIES
from . import lying, outfit
from .body import random_body
from .cloth import plain
from .cut import Garment
from .outline import polyline
from .paint import Piece
from .placement import Area, Group, extent, fitted, grouped, standing, turned
from .things import SMALL, THINGS

_HOOK = 0.62
"""How far above the base of the neck the hook of a hanger ends, in heads."""


def article(
    rng: np.random.Generator, category: str | None = None, hung: bool = False
) -> tuple[list[Garment], list[Piece]]:
    """A garment that lies or hangs, sometimes a coat with the top in it; and its hanger.

    category: by default random. hung: its sleeves hang down, and it has a hanger in any case.
    """
    category = category or CATEGORIES[rng.integers(len(CATEGORIES))]
    hangs = hung or (category in outfit.WITH_SLEEVES and bool(rng.random() < 0.2))
    body = (lying.hung if hangs else lying.laid)(rng, random_body(rng, False))
    garment = outfit.garment_of(rng, body, category, False, outfit.LEVEL[category], category)
    garments = [garment]
    if category == "outwear" and rng.random() < 0.25:
        garments.append(outfit.top_under_coat(rng, body))
    things: list[Piece] = []
    if category in outfit.WITH_SLEEVES:
        things += outfit.hanger(rng, body) if hangs else []
    elif hangs:
        things += _clips(rng, garment)
    return garments, things


def _clips(rng: np.random.Generator, garment: Garment) -> list[Piece]:
    """A hanger that holds a waistband with two clips."""
    left, right = (garment.marks[f"waistband_{side}"].xy for side in ("left", "right"))
    middle, half = (left + right) / 2, float(right[0] - left[0]) * 0.4
    metal = plain(np.full(3, rng.uniform(0.3, 0.85)))
    tone = plain(np.full(3, rng.uniform(0.05, 0.9)))
    axis = middle + polyline((0.0, -0.6), (0.0, 0.1))
    t = np.linspace(-0.5 * np.pi, 0.9 * np.pi, 12)
    bow = np.vstack([polyline((0, -0.2), (0, -0.36)), np.stack([0.13 * np.cos(t), -0.49 - 0.13 * np.sin(t)], -1)])
    hook = middle + np.vstack([bow + (0.03, 0.0), (bow - (0.03, 0.0))[::-1]])
    bar = middle + polyline((-half, -0.22), (half, -0.22), (half, -0.15), (-half, -0.15))
    clips = tuple(
        middle + polyline((x - 0.06, -0.2), (x + 0.06, -0.2), (x + 0.06, 0.06), (x - 0.06, 0.06))
        for x in (-half * 0.85, half * 0.85)
    )
    reach = np.full(2, 0.5)
    return [
        Piece("hook", 0.5, (hook,), axis, np.full(2, 0.3), metal),
        Piece("hanger", 6, (bar,), axis, reach, tone),
        Piece("clip", 60, clips, axis, reach, tone, shadow=0.2),
    ]


def _pieces(garments: list[Garment]) -> list[Piece]:
    return [piece for garment in garments for piece in garment.pieces]


def _turn(rng: np.random.Generator, degrees: float) -> np.ndarray:
    return turned(float(rng.normal(0, degrees)), float(rng.uniform(0.95, 1.05)))


def single(rng: np.random.Generator, size: Size) -> list[Group]:
    """One garment, from an eighth of the photo to all of it."""
    garments, things = article(rng)
    fill = float(
        rng.choice([rng.uniform(0.12, 0.4), rng.uniform(0.4, 0.8), rng.uniform(0.8, 1.0)], p=[0.25, 0.4, 0.35])
    )
    turn = _turn(rng, 6 if rng.random() < 0.85 else 40)
    anchor = tuple(rng.uniform(0.1, 0.9, 2).tolist())
    return [grouped(garments, things, fitted(_pieces(garments), (0, 0, *size), turn, fill, anchor))]


def pair(rng: np.random.Generator, size: Size) -> list[Group]:
    """Two garments that lie side by side, or a top above a bottom; some overlap."""
    width, height = size
    beside = width > height * 0.9 or rng.random() < 0.3
    upper = str(rng.choice(["blouse", "outwear", "dress"] if beside else ["blouse", "outwear"]))
    lower = str(rng.choice(["skirt", "trousers"]))
    categories = [upper, lower] if rng.random() < 0.7 or not beside else [str(c) for c in rng.choice(CATEGORIES, 2)]
    edge = float(rng.uniform(0.4, 0.6))
    over = float(rng.uniform(-0.03, 0.1))
    areas: list[Area]
    if beside:
        areas = [(0, 0, width * (edge + over), height), (width * (edge - over), 0, width, height)]
    else:
        areas = [(0, 0, width, height * (edge + over)), (0, height * (edge - over), width, height)]
    groups = [_filling(rng, article(rng, category), area, 5) for category, area in zip(categories, areas, strict=True)]
    if rng.random() < 0.6:
        groups = _alike(groups)
    return groups[::-1] if rng.random() < 0.5 else groups


def _filling(rng: np.random.Generator, made: tuple[list[Garment], list[Piece]], area: Area, degrees: float) -> Group:
    """Garments and their hanger in most of an area (left, top, right, bottom), turned by about some degrees."""
    garments, things = made
    fill, anchor = float(rng.uniform(0.75, 1.02)), (float(rng.uniform(0.4, 0.6)), float(rng.uniform(0.3, 0.7)))
    return grouped(garments, things, fitted(_pieces(garments), area, _turn(rng, degrees), fill, anchor))


def _alike(groups: list[Group]) -> list[Group]:
    """The groups on one scale, the smallest of them, as in a photo that was taken at once; each about its middle."""
    scale = min(group.camera.scale for group in groups)
    together = []
    for group in groups:
        middle = group.camera.forward(np.mean(extent(group.pieces), axis=0))
        about = shift(*(-middle).tolist()).then(zoom(scale / group.camera.scale)).then(shift(*middle.tolist()))
        together.append(replace(group, camera=group.camera.then(about)))
    return together


def wall(rng: np.random.Generator, size: Size) -> list[Group]:
    """Rows of garments on the wall of a shop or on a page of its catalogue, rarely with something else among them."""
    width, height = size
    rows, columns = int(rng.integers(1, 4)), int(rng.integers(2, 5))
    if rows == 1:
        columns = max(columns, 3)
    hung = rng.random() < 0.5
    margin = min(width, height) * rng.uniform(0.0, 0.06)
    across, down = (width - 2 * margin) / columns, (height - 2 * margin) / rows
    alike = rng.random() < 0.4  # one category in each row
    groups = []
    for row in range(rows):
        category = str(rng.choice(CATEGORIES)) if alike else None
        for column in range(columns):
            left, top = margin + column * across, margin + row * down
            area = (left, top, left + across, top + down)
            if rng.random() < 0.06:
                thing = THINGS[str(rng.choice(SMALL))](rng)
                groups.append(Group((), tuple(thing), fitted(thing, area, _turn(rng, 3), 0.6)))
                continue
            groups.append(_filling(rng, article(rng, category, hung), area, 2))
    return _alike(groups) if rng.random() < 0.3 else groups


def rail(rng: np.random.Generator, size: Size) -> list[Group]:
    """Garments that hang side by side on a rail, turned more or less sideways, each over a part of the one before."""
    width, height = size
    scale = height * float(rng.uniform(0.11, 0.24))
    level = height * float(rng.uniform(0.04, 0.22))
    sideways = float(rng.uniform(0.4, 1.0))
    step = 1.9 * sideways * scale * float(rng.uniform(0.4, 1.15))
    start = width * float(rng.uniform(-0.05, 0.25))
    count = int(np.clip((width * rng.uniform(0.8, 1.05) - start) // step, 2, 12))
    groups = [_bar(rng, size, scale, level)]
    hanging = []
    for i in range(count):
        category = str(rng.choice(CATEGORIES, p=(0.34, 0.22, 0.22, 0.1, 0.12)))
        garments, things = article(rng, category, hung=True)
        hook = _HOOK
        if category in ("skirt", "trousers"):
            hook = _HOOK - outfit.waist_of(garments[0])
        squeeze = sideways * float(rng.uniform(0.85, 1.1))
        turn = turned(float(rng.normal(0, 1.5))) @ np.diag([squeeze, 1.0])
        x = start + step * (i + float(rng.normal(0, 0.1)))
        hanging.append(grouped(garments, things, standing(turn, scale, (x, level + hook * scale))))
    return groups + (hanging[::-1] if rng.random() < 0.5 else hanging)


def _bar(rng: np.random.Generator, size: Size, scale: float, level: float) -> Group:
    """The rail from one side of the photo to the other, or on two posts."""
    width, height = size[0] / scale, size[1] / scale
    metal = plain(np.full(3, rng.uniform(0.1, 0.9)), gloss=0.6)
    thick, y = float(rng.uniform(0.04, 0.1)), level / scale
    left, right = (0.0, width) if rng.random() < 0.5 else (width * 0.03, width * 0.97)
    rings = [polyline((left, y), (right, y), (right, y + thick), (left, y + thick))]
    if left > 0:
        rings += [
            polyline((x - thick, y), (x + thick, y), (x + thick, height), (x - thick, height)) for x in (left, right)
        ]
    axis = polyline((0.0, 0.0), (0.0, height))
    piece = Piece("rail", 0, tuple(rings), axis, np.full(2, width / 2), metal, shadow=0.2)
    return Group((), (piece,), standing(np.eye(2), scale, (0.0, 0.0)))
