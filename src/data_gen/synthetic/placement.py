"""What is painted together and where: groups of garments and things, each with a camera of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...geometry import Frame
from .cut import Garment
from .paint import Piece

Area = tuple[float, float, float, float]
"""A rectangle of a photo: left, top, right, bottom, px."""


@dataclass(frozen=True, slots=True)
class Group:
    """A dressed person, a garment on its hanger, a bag: painted as a whole, over the groups before it.

    garments: those to label, each with an owner of its own (see `grouped`). things: all other pieces. camera: heads ->
    pixels.
    """

    garments: tuple[Garment, ...]
    things: tuple[Piece, ...]
    camera: Frame

    @property
    def pieces(self) -> list[Piece]:
        """All pieces in the order of painting."""
        worn = [piece for garment in self.garments for piece in garment.pieces]
        return sorted([*self.things, *worn], key=lambda piece: piece.z)


def grouped(garments: Sequence[Garment], things: Iterable[Piece], camera: Frame) -> Group:
    """A group whose garments can be told apart by the owners of their pieces."""
    owned = [
        replace(garment, pieces=tuple(replace(piece, owner=f"garment {i}") for piece in garment.pieces))
        for i, garment in enumerate(garments)
    ]
    return Group(tuple(owned), tuple(things), camera)


def extent(pieces: Iterable[Piece]) -> tuple[np.ndarray, np.ndarray]:
    """The corners of the upright rectangle about pieces, each (2,) heads: top left, bottom right."""
    points = np.vstack([ring for piece in pieces for ring in piece.rings])
    return points.min(0), points.max(0)


def turned(degrees: float, stretch: float = 1.0) -> np.ndarray:
    """(2, 2): a rotation after a stretch across by `stretch`, which keeps areas."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]]) @ np.diag([stretch, 1 / stretch])


def standing(turn: np.ndarray, scale: float, at: tuple[float, float]) -> Frame:
    """The camera by which (0, 0), the base of the neck, is at a pixel position, with `scale` px per head."""
    return Frame(np.hstack([turn * scale, np.array(at, np.float64)[:, None]]))


def fitted(
    pieces: Iterable[Piece],
    area: Area,
    turn: np.ndarray,
    fill: float,
    anchor: tuple[float, float] = (0.5, 0.5),
) -> Frame:
    """The camera by which pieces fill a fraction of an area, in its tighter direction.

    turn: (2, 2). anchor: where in the rest of the area they are, across and down, from 0 to 1.
    """
    points = np.vstack([ring for piece in pieces for ring in piece.rings]) @ turn.T
    low, high = points.min(0), points.max(0)
    corner, room = np.array(area[:2]), np.array(area[2:]) - area[:2]
    span = np.maximum(high - low, 0.3)
    scale = float((room * fill / span).min())
    start = corner + (room - span * scale) * anchor
    return Frame(np.hstack([turn * scale, (start - low * scale)[:, None]]))
