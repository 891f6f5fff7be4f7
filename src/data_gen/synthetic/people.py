"""People in several garments, each with all its keypoints: one in a street, or a crowd."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...geometry import Size
from .body import Body, random_body
from .cloth import random_cloth
from .cut import Cut, Garment, random_cut
from .footwear import random_footwear, shod
from .garment import upper
from .outfit import carried, garment_of, top_under_coat, waist_of, wearer
from .paint import Piece
from .placement import Group, grouped, standing, turned

_HEAD, _SOLES = -1.45, 6.5
"""Levels of the top of the head and of the soles in heads."""
_VIEWS = (  # levels in heads between which a person is shown, and how often
    ((_HEAD, _SOLES), 0.56),
    ((_HEAD, 4.5), 0.16),
    ((_HEAD, 3.0), 0.1),
    ((-0.35, _SOLES), 0.06),
    ((-0.35, 4.4), 0.06),
    ((1.0, _SOLES), 0.06),
)
_OPEN_NECKS = (
    ("lapel_design", "Notched"),
    ("lapel_design", "Shawl Collar"),
    ("lapel_design", "Collarless"),
    ("collar_design", "Shirt Collar"),
    ("collar_design", "Rib Collar"),
)


def dressed(rng: np.random.Generator) -> tuple[list[Garment], list[Piece]]:
    """A random person: two or three garments, or a dress; and the pieces of the body, its footwear and its bags."""
    body = random_body(rng, True)
    shoes = random_footwear(rng, body)
    body = shod(body, shoes)
    outfit = str(rng.choice(list(_OUTFITS), p=[probability for probability, _ in _OUTFITS.values()]))
    garments = _OUTFITS[outfit][1](rng, body)
    return garments, [*wearer(rng, body, shoes, garments), *carried(rng, body)]


def _top_and_bottom(rng: np.random.Generator, body: Body) -> list[Garment]:
    below, tucked = _bottom(rng, body)
    cut = _hemmed(rng, random_cut(rng, "blouse"), below, tucked)
    return [below, upper(rng, body, "blouse", cut, random_cloth(rng, "blouse"), True, 25.0, "top")]


def _dress(rng: np.random.Generator, body: Body) -> list[Garment]:
    return [garment_of(rng, body, "dress", True, 25.0, "dress")]


def _open_jacket(rng: np.random.Generator, body: Body) -> list[Garment]:
    jacket, fit = _jacket(rng, body)
    below, tucked = _bottom(rng, body)
    cut = _under(_hemmed(rng, random_cut(rng, "blouse"), below, tucked), fit)
    return [below, upper(rng, body, "blouse", cut, random_cloth(rng, "blouse"), True, 25.0, "top"), jacket]


def _dress_and_jacket(rng: np.random.Generator, body: Body) -> list[Garment]:
    jacket, fit = _jacket(rng, body)
    cut = _under(random_cut(rng, "dress"), fit)
    return [upper(rng, body, "dress", cut, random_cloth(rng, "dress"), True, 25.0, "dress"), jacket]


def _coat(rng: np.random.Generator, body: Body) -> list[Garment]:
    """A coat, mostly closed, over a bottom and a top, of which little is seen."""
    below, _ = _bottom(rng, body)
    coat = garment_of(rng, body, "outwear", True, 35.0, "coat")
    return [below, top_under_coat(rng, body), coat]


_OUTFITS: dict[str, tuple[float, Callable[[np.random.Generator, Body], list[Garment]]]] = {
    "top and bottom": (0.4, _top_and_bottom),
    "dress": (0.18, _dress),
    "open jacket": (0.22, _open_jacket),
    "dress and jacket": (0.08, _dress_and_jacket),
    "coat": (0.12, _coat),
}
"""Name -> probability, and what makes the garments."""


def _bottom(rng: np.random.Generator, body: Body) -> tuple[Garment, bool]:
    """A skirt or trousers, and whether the top is tucked in."""
    tucked = bool(rng.random() < 0.35)
    category = "skirt" if rng.random() < 0.3 else "trousers"
    return garment_of(rng, body, category, True, 30.0 if tucked else 20.0, category), tucked


def _hemmed(rng: np.random.Generator, cut: Cut, below: Garment, tucked: bool) -> Cut:
    """The top ends where it enters the waistband, or over it, or leaves a little of the waist bare."""
    if tucked:
        return replace(cut, hem=waist_of(below) + 0.03, flare=0.0)
    return replace(cut, hem=max(cut.hem, waist_of(below) - rng.uniform(0.0, 0.35), 1.2))


def _jacket(rng: np.random.Generator, body: Body) -> tuple[Garment, Cut]:
    """A jacket that is open in front."""
    task, name = _OPEN_NECKS[rng.integers(len(_OPEN_NECKS))]
    cut = replace(random_cut(rng, "outwear"), neck_task=task, neck_class=name, open_front=True)
    return upper(rng, body, "outwear", cut, random_cloth(rng, "outwear"), True, 35.0, "jacket"), cut


def _under(cut: Cut, jacket: Cut) -> Cut:
    """The cut of what fits under a jacket: not wider, and with sleeves that end in its sleeves."""
    return replace(
        cut,
        loose=0.6 * min(cut.loose, jacket.loose),
        sleeve=min(cut.sleeve, 0.5 * jacket.sleeve),
        flare=min(cut.flare, 0.1),
    )


def one_person(rng: np.random.Generator, size: Size) -> list[Group]:
    """A person in a photo of (width, height): the whole figure, or a part of it that fills the photo."""
    width, height = size
    (top, bottom), _ = _VIEWS[rng.choice(len(_VIEWS), p=[probability for _, probability in _VIEWS])]
    whole = (top, bottom) == (_HEAD, _SOLES)
    shares = (rng.uniform(0.3, 0.6), rng.uniform(0.6, 0.88), rng.uniform(0.88, 1.02))
    fill = rng.choice(shares, p=(0.2, 0.27, 0.53)) if whole else rng.uniform(0.95, 1.1)
    scale = float(height * fill / (bottom - top))
    if not whole:  # the shoulders stay in the photo
        scale = min(scale, width / 2.2)
    slack = height - scale * (bottom - top)
    x = width * float(np.clip(rng.normal(0.5, 0.12), 0.22, 0.78))
    y = slack * rng.uniform(0.4, 0.9) - top * scale
    return [_person(rng, scale, (x, y))]


def crowd(rng: np.random.Generator, size: Size) -> list[Group]:
    """2 to 5 people from the farthest to the nearest; the nearer ones cover parts of the others.

    Eyes of standing people are about as high in the photo as the camera's horizon, however far they are.
    """
    width, height = size
    count = int(rng.choice([2, 3, 4, 5], p=[0.36, 0.3, 0.2, 0.14]))
    nearest = (
        height * float(rng.uniform(0.55, 0.97) if rng.random() < 0.65 else rng.uniform(0.97, 1.7)) / (_SOLES - _HEAD)
    )
    together = rng.random() < 0.5  # a group that poses
    scales = nearest * (rng.uniform(0.92, 1.0, count) if together else rng.uniform(0.45, 1.0, count))
    scales *= nearest / scales.max()
    lift = 0.84 + (0.0 if together else float(rng.normal(0.0, 0.6)))
    low = height - min(nearest * (_SOLES + lift), height * 0.9)
    horizon = float(rng.uniform(0.12 * height, max(low, 0.2 * height)))
    if together:
        step = nearest * rng.uniform(1.35, 2.5)
        start = width * rng.uniform(0.4, 0.6) - step * (count - 1) / 2
        places = np.clip(
            start + step * np.arange(count) + rng.normal(0, 0.15, count) * nearest, 0.05 * width, 0.95 * width
        )
    else:
        places = (rng.permutation(count) + rng.uniform(0.15, 0.85, count)) / count * width
    order = np.argsort(scales)
    return [
        _person(rng, scale, (x, horizon + (lift + rng.normal(0, 0.12)) * scale))
        for scale, x in zip(scales[order].tolist(), places[order].tolist(), strict=True)
    ]


def _person(rng: np.random.Generator, scale: float, neck: tuple[float, float]) -> Group:
    garments, things = dressed(rng)
    turn = turned(float(rng.normal(0, 2.5)), float(rng.uniform(0.94, 1.06)))
    return grouped(garments, things, standing(turn, scale, neck))
