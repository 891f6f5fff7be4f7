"""Labels of all garments that were drawn in one photo: category, keypoints, box."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...geometry import inside, shift, zoom
from ...records import ABSENT, HIDDEN, VISIBLE, Keypoints
from ..formats.challenges import KEYPOINTS
from .cut import Garment
from .lens import bent, grid
from .paint import Canvas, silhouette
from .placement import Group, extent

SEEN = 0.1
"""A garment of which less is seen, as a fraction of its cloth, is not labelled."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledGarment:
    """One garment of a photo.

    keypoints: all 24, px, exact: hidden where something covers them, absent beyond the photo. box: (4,) float64 left,
    top, right, bottom, px, edges of pixels: about its cloth in the photo, the cloth that something covers too. seen:
    the fraction of the cloth that is in the photo and uncovered.
    """

    category: str
    keypoints: Keypoints
    box: np.ndarray
    seen: float


def paint_groups(canvas: Canvas, groups: Sequence[Group], rng: np.random.Generator) -> list[range]:
    """Paints the groups, each with its camera, and gives the indices of its pieces on the canvas."""
    painted = []
    for group in groups:
        start = len(canvas.pieces)
        canvas.camera = group.camera
        for piece in group.pieces:
            canvas.paint(piece, rng)
        painted.append(range(start, len(canvas.pieces)))
    return painted


def labelled(
    canvas: Canvas, groups: Sequence[Group], painted: Sequence[range], bend: np.ndarray
) -> tuple[LabelledGarment, ...]:
    """The garments of which at least SEEN is seen. painted: from `paint_groups`. bend: (2, H, W), of the photo."""
    top = _moved(canvas.top, bend)
    height, width = top.shape
    found = []
    for group, indices in zip(groups, painted, strict=True):
        for garment in group.garments:
            cloth = silhouette(garment.pieces, group.camera, (width, height))
            there = _moved(cloth.astype(np.uint8), bend) > 0
            own = [i for i in indices if canvas.pieces[i].owner == garment.pieces[0].owner]
            seen = np.isin(top, own).sum() / max(_whole(garment, group, there), 1.0)
            if there.any() and seen >= SEEN:
                keypoints = _keypoints(canvas, garment, group, indices, cloth, bend)
                found.append(LabelledGarment(garment.category, keypoints, mask_box(there), float(min(seen, 1.0))))
    return tuple(found)


def mask_box(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool with some pixel -> (4,) float64: the box about its pixels, left, top, right, bottom edges."""
    x, y = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return np.array([x[0], y[0], x[-1] + 1, y[-1] + 1], np.float64)


def _moved(picture: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """(H, W) indices or marks where the bent photo shows them."""
    return cv2.remap(picture, *grid(bend), cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)


def _whole(garment: Garment, group: Group, there: np.ndarray) -> float:
    """The area of a garment's cloth in px², also of what is beyond the photo. there: (H, W) bool, what is in it."""
    low, high = extent(garment.pieces)
    corners = group.camera.forward(
        np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    )
    if inside(corners, there.shape[::-1]).all():
        return float(there.sum())
    # A small picture of all of it.
    start, span = corners.min(0), np.ptp(corners, axis=0).max()
    factor = 128 / span
    camera = group.camera.then(shift(*(-start).tolist())).then(zoom(factor))
    return float(silhouette(garment.pieces, camera, (130, 130)).sum() / factor**2)


def _keypoints(
    canvas: Canvas, garment: Garment, group: Group, indices: range, cloth: np.ndarray, bend: np.ndarray
) -> Keypoints:
    """cloth: (H, W) bool, that of the garment before the photo is bent."""
    owner = garment.pieces[0].owner
    homes = {canvas.pieces[i].part: i for i in indices if canvas.pieces[i].owner == owner}
    names = [name for name in KEYPOINTS if name in garment.marks]
    points = group.camera.forward(np.array([garment.marks[name].xy for name in names]))
    shown = bent(points, bend)
    radius = max(2, round(0.05 * group.camera.scale))
    xy, state = np.full((len(KEYPOINTS), 2), -1.0), np.full(len(KEYPOINTS), ABSENT, np.int8)
    within = inside(np.round(shown), cloth.shape[::-1])
    for i in np.flatnonzero(within).tolist():
        k, mark = KEYPOINTS.index(names[i]), garment.marks[names[i]]
        xy[k] = shown[i]
        hidden = mark.hidden or canvas.covered(points[i], homes[mark.home], mark.spared, radius, cloth, indices)
        state[k] = HIDDEN if hidden else VISIBLE
    return Keypoints(xy, state)
