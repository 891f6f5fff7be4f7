"""Renders one photo of a garment, worn or flat, with its keypoints and labels."""

from dataclasses import dataclass

import cv2
import numpy as np

from ...geometry import Frame, inside
from ...records import ABSENT, HIDDEN, VISIBLE, Keypoints
from ..formats.challenges import ATTRIBUTE_TASKS, CATEGORIES, KEYPOINTS
from . import outfit
from .attributes import one_hot
from .backdrop import backdrop
from .body import random_body
from .cloth import Cloth
from .cut import Garment
from .lens import bent, develop, grid, random_bend
from .paint import Canvas, Piece

_NOTHING = np.empty((0, 2))


@dataclass(frozen=True, slots=True)
class SyntheticPhoto:
    """image: (H, W, 3) uint8 RGB. keypoints: all 24, px, exact. attributes: task -> marks such as `nymnnn`."""

    image: np.ndarray
    category: str
    keypoints: Keypoints
    attributes: dict[str, str]


def render(
    rng: np.random.Generator, size: int, category: str | None = None, cloth: Cloth | None = None
) -> SyntheticPhoto:
    """Draws a photo whose longer side is `size` px. category, cloth: of the garment, by default random.

    Raises ValueError for an unknown category or a size below 32.
    """
    if category is None:
        category = CATEGORIES[rng.integers(len(CATEGORIES))]
    if category not in CATEGORIES:
        raise ValueError(f"unknown category {category!r}; expected one of {', '.join(CATEGORIES)}")
    if size < 32:
        raise ValueError(f"a photo needs at least 32 px on its longer side; got {size}")
    on = bool(rng.random() < 0.6)
    body = random_body(rng, on)
    target, pieces = (outfit.worn if on else outfit.laid_out)(rng, body, category, cloth)
    height, width = _photo_size(rng, size)
    camera = _camera(rng, target, height, width, _feet(rng, pieces) if on else _elbows(rng, target))
    light = float(rng.uniform(-1, 1))
    shadow = (
        rng.uniform(0.5, 1.4) if rng.random() < 0.65 else rng.uniform(0.0, 0.2)
    )  # 0 to 0.2 like a photo cut out by a shop
    canvas = Canvas(
        backdrop(rng, height, width, on), camera, light, rng.uniform(0.25, 1.0), rng.uniform(0.04, 0.22), shadow
    )
    for piece in sorted(pieces, key=lambda p: p.z):
        canvas.paint(piece, rng)
    bend = random_bend(rng, height, width)
    keypoints, cut_off = _keypoints(canvas, target, bend)
    image = cv2.remap(canvas.image, *grid(bend), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.07:
        _pad_sides(rng, image, keypoints)
    return SyntheticPhoto(develop(rng, image), category, keypoints, _visible_attributes(rng, target, cut_off))


def _photo_size(rng: np.random.Generator, size: int) -> tuple[int, int]:
    """(height, width): the longer side is `size`; mostly upright or square."""
    short = round(size * rng.uniform(0.7, 1.0)) if rng.random() < 0.75 else size
    return (size, short) if rng.random() < 0.88 else (short, size)


def _feet(rng: np.random.Generator, pieces: list[Piece]) -> np.ndarray:
    """(N, 2) outlines of the feet, or none: about half of the photos of figures show the feet."""
    feet = [ring for p in pieces if p.part.startswith(("foot", "shoe", "sock")) for ring in p.rings]
    return np.vstack(feet) if feet and rng.random() < 0.5 else _NOTHING


def _elbows(rng: np.random.Generator, target: Garment) -> np.ndarray:
    """(N, 2) outlines of sleeves, or none: most photos of a garment with folded sleeves show these as a whole."""
    if not any(p.part.startswith("fold") for p in target.pieces) or rng.random() > 0.8:
        return _NOTHING
    return np.vstack([ring for p in target.pieces if p.part.startswith(("sleeve", "fold")) for ring in p.rings])


def _camera(rng: np.random.Generator, target: Garment, height: int, width: int, others: np.ndarray = _NOTHING) -> Frame:
    """Heads -> pixels, so that the garment's keypoints lie in the photo at a random size, position and rotation.

    others: (N, 2) points in heads, shown too if the garment ends at most two heads above them.
    """
    points = np.array([m.xy for m in target.marks.values()])
    if len(others) and others[:, 1].max() - points[:, 1].max() < 2:
        points = np.vstack([points, others])
    degrees = rng.normal(0, 4) if rng.random() < 0.85 else rng.uniform(-35, 35)
    angle = np.deg2rad(degrees)
    stretch = rng.uniform(0.93, 1.07)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([stretch, 1 / stretch])
    turned = points @ turn.T
    low, high = turned.min(0), turned.max(0)
    extent = np.maximum(high - low, 0.3)
    room = np.array([width, height]) - 2.0
    fill = rng.choice([rng.uniform(0.4, 0.7), rng.uniform(0.7, 0.92), rng.uniform(0.92, 1.0)], p=[0.2, 0.42, 0.38])
    scale = float((room * fill / extent).min())
    slack = room - extent * scale
    # A whole figure is mostly in the middle; a close view can be anywhere.
    corner = slack * np.clip(0.5 + rng.normal(0, 0.15, 2), 0, 1) + 0.5
    if rng.random() < 0.04:
        corner += rng.normal(0, 0.12, 2) * room
    matrix = np.hstack([turn * scale, (corner - low * scale)[:, None]])
    return Frame(matrix)


def _keypoints(canvas: Canvas, target: Garment, bend: np.ndarray) -> tuple[Keypoints, set[str]]:
    """The 24 keypoints, and the names of those outside the photo."""
    xy = np.full((len(KEYPOINTS), 2), -1.0)
    state = np.full(len(KEYPOINTS), ABSENT, np.int8)
    owner = target.pieces[0].owner
    homes = {piece.part: i for i, piece in enumerate(canvas.pieces) if piece.owner == owner}
    names = [name for name in KEYPOINTS if name in target.marks]
    points = canvas.camera.forward(np.array([target.marks[name].xy for name in names]))
    shown = bent(points, bend)
    height, width = canvas.planes.shape[1:]
    in_photo = inside(np.round(shown), (width, height))
    for name, point, position, within in zip(names, points, shown, in_photo, strict=True):
        if within:
            k, mark = KEYPOINTS.index(name), target.marks[name]
            xy[k] = position
            hidden = mark.hidden or canvas.covered(point, homes[mark.home], mark.spared)
            state[k] = HIDDEN if hidden else VISIBLE
    return Keypoints(xy, state), {name for name, within in zip(names, in_photo, strict=True) if not within}


_KEYPOINTS_OF_TASK = {
    "coat_length": "top_hem",
    "skirt_length": "hemline",
    "pant_length": "bottom",
    "sleeve_length": "cuff",
}


def _visible_attributes(rng: np.random.Generator, target: Garment, cut_off: set[str]) -> dict[str, str]:
    """The garment's labels; `Invisible` if the part is outside the photo."""
    labels = dict(target.attributes)
    for task in labels:
        part = _KEYPOINTS_OF_TASK.get(task, "neckline")
        if sum(name.startswith(part) for name in cut_off) >= 2:
            labels[task] = one_hot(task, "Invisible")
    return {task: labels[task] for task in ATTRIBUTE_TASKS if task in labels}


def _pad_sides(rng: np.random.Generator, image: np.ndarray, keypoints: Keypoints) -> None:
    """Paints plain bars left and right, as in photos that shops pad to a square; they cover no keypoint."""
    x = keypoints.xy[keypoints.state != ABSENT, 0]
    width = image.shape[1]
    bar = int(min(x.min() - 6, width - 7 - x.max()) * rng.uniform(0.4, 1.0)) if len(x) else 0
    if bar > 0:
        tone = rng.choice([0.0, 0.9, 1.0])
        image[:, :bar] = tone
        image[:, width - bar :] = tone
