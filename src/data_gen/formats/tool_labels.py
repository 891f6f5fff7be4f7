"""What the formats of annotation tools share: garments made of single points and boxes.

CVAT, labelme and Label Studio count pixel edges: the middle of pixel 100 is at 100.5. Points here are pixel centres, so
each of those formats takes off HALF where it reads a point and adds it where it writes one. Boxes are edges here as
there.
"""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...records import ABSENT, HIDDEN, VISIBLE, Keypoints
from .entries import Edges, edges, edges_about
from .labels import LabelledGarment, LabelledPhoto, LabelSet
from .problems import FormatError, Problem

HALF = 0.5


class Mark(NamedTuple):
    """One keypoint of a garment. x, y: px, pixel centres. state: ABSENT, HIDDEN or VISIBLE."""

    name: str
    x: float
    y: float
    state: int = VISIBLE
    score: float | None = None


def garment_of(id: str, category: str, marks: Sequence[Mark], box: Edges | None) -> LabelledGarment:
    """Scores are kept where every keypoint has one. Raises ValueError for a keypoint that comes twice, and for one that
    is not finite."""
    names = tuple(mark.name for mark in marks)
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise ValueError(f"keypoint {twice!r:.80} comes twice; expected one for each garment")
    xy = [(mark.x, mark.y) if mark.state != ABSENT else (-1.0, -1.0) for mark in marks]
    scores = tuple(mark.score for mark in marks if mark.score is not None)
    keypoints = Keypoints(xy, [mark.state for mark in marks])  # type: ignore[arg-type]
    return LabelledGarment(
        id, category, names, keypoints, box, scores if scores and len(scores) == len(marks) else None
    )


def marks_of(garment: LabelledGarment) -> list[Mark]:
    """Its keypoints without the absent ones."""
    scores = garment.scores or (None,) * len(garment.names)
    rows = zip(garment.names, garment.keypoints.xy.tolist(), garment.keypoints.state.tolist(), scores, strict=True)
    return [Mark(name, x, y, state, score) for name, (x, y), state, score in rows if state != ABSENT]


def state_of(hidden: bool) -> int:
    return HIDDEN if hidden else VISIBLE


def turned(box: Edges, degrees: float, about: tuple[float, float]) -> Edges:
    """The upright box about one that is turned clockwise about a point in px."""
    left, top, right, bottom = box
    if not degrees:
        return edges((left, top, right, bottom))
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = about
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return edges_about((x + (a - x) * cos - (b - y) * sin, y + (a - x) * sin + (b - y) * cos) for a, b in corners)


class Collected:
    """The photos of a file or folder while it is read, with what is wrong and what is left out."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path, self.root = path, root
        self.photos: dict[str, LabelledPhoto] = {}
        self.problems: list[Problem] = []
        self.left_out: Counter[str] = Counter()

    def wrong(self, where: str, reason: object, line: int | None = None, path: Path | None = None) -> None:
        self.problems.append(Problem(path or self.path, line, f"{where}: {reason}"))

    def add(self, photo: LabelledPhoto, whole: bool = True) -> None:
        """whole: nothing in the photo was wrong or left out. If it was, a photo without a garment does not say that
        there is none, and is not kept. Raises ValueError for a photo that is there already."""
        if photo.file_name in self.photos:
            raise ValueError(f"the photo {photo.file_name} is listed before; its first labels are used")
        if photo.garments or whole:
            self.photos[photo.file_name] = photo

    def finished(self) -> LabelSet:
        """Raises FormatError where there is no photo."""
        if not self.photos:
            counts = ", ".join(f"{count} {kind}" for kind, count in self.left_out.items())
            reason = f"no photo with labelled garments{'; left out ' + counts if counts else ''}"
            raise FormatError(self.problems or [Problem(self.path, None, reason)])
        photos = tuple(self.photos.values())
        return LabelSet(self.path, self.root, photos, tuple(self.problems), self.left_out)
