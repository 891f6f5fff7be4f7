"""Renders one photo of any number of garments, of one of several kinds, with the labels of every garment in view."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ...geometry import Size
from . import displays, people
from .backdrop import backdrop, street
from .labels import LabelledGarment, labelled, paint_groups
from .lens import develop, grid, random_bend
from .paint import Canvas
from .placement import Group, fitted, standing, turned
from .things import SMALL, THINGS, random_thing

SMALLEST = 64
"""Of the longer side of a photo in px: garments of smaller scenes cannot be drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticScene:
    """image: (H, W, 3) uint8 RGB. kind: one of KINDS. garments: those in view, none in a scene without a garment."""

    image: np.ndarray
    kind: str
    garments: tuple[LabelledGarment, ...]


def render_scene(rng: np.random.Generator, size: int, kind: str | None = None) -> SyntheticScene:
    """Draws a photo whose longer side is at most `size` px. kind: by default random, with the probabilities of KINDS.

    Raises ValueError for an unknown kind or a size below SMALLEST.
    """
    if kind is None:
        kind = str(rng.choice(list(KINDS), p=[probability for probability, *_ in KINDS.values()]))
    if kind not in KINDS:
        raise ValueError(f"unknown kind of scene {kind!r}; expected one of {', '.join(KINDS)}")
    if size < SMALLEST:
        raise ValueError(f"a scene needs at least {SMALLEST} px on its longer side; got {size}")
    _, upright, behind, arrange = KINDS[kind]
    width, height = _photo_size(rng, size, upright)
    groups = arrange(rng, (width, height))
    light, shadow = float(rng.uniform(-1, 1)), float(rng.uniform(0.2, 1.3))
    canvas = Canvas(
        behind(rng, height, width), groups[0].camera, light, rng.uniform(0.25, 1.0), rng.uniform(0.04, 0.22), shadow
    )
    painted = paint_groups(canvas, groups, rng)
    bend = random_bend(rng, height, width)
    garments = labelled(canvas, groups, painted, bend)
    image = cv2.remap(canvas.image, *grid(bend), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return SyntheticScene(develop(rng, image), kind, garments)


def _photo_size(rng: np.random.Generator, size: int, upright: float) -> Size:
    """(width, height). upright: the probability of a photo that is higher than wide."""
    longer = size if rng.random() < 0.6 else max(SMALLEST, round(size * rng.uniform(0.55, 1.0)))
    shorter = round(longer * float(rng.choice([2 / 3, 3 / 4, 1.0, rng.uniform(0.55, 1.0)], p=[0.35, 0.2, 0.2, 0.25])))
    return (shorter, longer) if rng.random() < upright else (longer, shorter)


def _outdoors(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return street(rng, height, width) if rng.random() < 0.55 else backdrop(rng, height, width, True)


def _indoors(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return backdrop(rng, height, width, rng.random() < 0.4)


def _in_street(rng: np.random.Generator, size: Size) -> list[Group]:
    people_there = people.one_person(rng, size)
    return _standing_about(rng, size, 0.3) + people_there


def _in_crowd(rng: np.random.Generator, size: Size) -> list[Group]:
    people_there = people.crowd(rng, size)
    return _standing_about(rng, size, 0.15) + people_there


def _standing_about(rng: np.random.Generator, size: Size, probability: float) -> list[Group]:
    """With a probability one to three things on the ground."""
    if rng.random() > probability:
        return []
    return [_thing(rng, size, float(rng.uniform(0.04, 0.11))) for _ in range(int(rng.integers(1, 4)))]


def _thing(rng: np.random.Generator, size: Size, scale: float) -> Group:
    """A thing that stands somewhere in the lower half. scale: of a head, as a fraction of the photo's height."""
    width, height = size
    at = (float(rng.uniform(0, width)), height * float(rng.uniform(0.6, 1.0)))
    return Group((), tuple(random_thing(rng)), standing(turned(float(rng.normal(0, 2))), scale * height, at))


def _laid(
    arrange: Callable[[np.random.Generator, Size], list[Group]],
) -> Callable[[np.random.Generator, Size], list[Group]]:
    """With bags, shoes and hats beside the garments of some photos, before or behind them."""

    def arranged(rng: np.random.Generator, size: Size) -> list[Group]:
        groups = arrange(rng, size)
        for _ in range(int(rng.integers(1, 4)) if rng.random() < 0.3 else 0):
            side = float(rng.uniform(0.1, 0.3)) * min(size)
            x, y = (float(rng.uniform(0, extent - side)) for extent in size)
            pieces = THINGS[str(rng.choice(SMALL))](rng)
            turn = turned(float(rng.normal(0, 25)))
            thing = Group((), tuple(pieces), fitted(pieces, (x, y, x + side, y + side), turn, 1.0))
            groups.insert(0 if rng.random() < 0.7 else len(groups), thing)
        return groups

    return arranged


def _empty(rng: np.random.Generator, size: Size) -> list[Group]:
    """One to six things, and no garment."""
    if rng.random() < 0.3:
        pieces = random_thing(rng)
        fill, anchor = float(rng.uniform(0.4, 1.0)), (float(rng.uniform(0, 1)), float(rng.uniform(0, 1)))
        return [Group((), tuple(pieces), fitted(pieces, (0, 0, *size), turned(float(rng.normal(0, 5))), fill, anchor))]
    scale = float(rng.uniform(0.05, 0.16))
    return [_thing(rng, size, scale) for _ in range(int(rng.integers(1, 7)))]


_Arrange = Callable[[np.random.Generator, Size], list[Group]]
_Behind = Callable[[np.random.Generator, int, int], np.ndarray]
KINDS: dict[str, tuple[float, float, _Behind, _Arrange]] = {
    "street": (0.3, 0.85, _outdoors, _in_street),
    "crowd": (0.2, 0.45, _outdoors, _in_crowd),
    "wall": (0.13, 0.4, _indoors, displays.wall),
    "rail": (0.12, 0.3, _indoors, displays.rail),
    "pair": (0.09, 0.6, _indoors, _laid(displays.pair)),
    "single": (0.1, 0.7, _indoors, _laid(displays.single)),
    "empty": (0.06, 0.5, _outdoors, _empty),
}
"""Kind of scene -> its probability, that of an upright photo, and what draws its background and places its groups."""
