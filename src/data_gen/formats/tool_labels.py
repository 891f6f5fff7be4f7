"""What the formats of annotation tools share: garments made of single points and boxes, and their checks.

CVAT, labelme and Label Studio count pixel edges: the middle of pixel 100 is at 100.5. Points here are pixel centres, so
each of those formats takes off HALF where it reads a point and adds it where it writes one. Boxes are edges here as
there.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...boxes import around
from ...files import open_regular
from ...records import ABSENT, HIDDEN, VISIBLE, Keypoints
from ...vocabulary import Vocabulary
from .coco_entries import entry_problem, number_of
from .labels import Edges, LabelledGarment, LabelledPhoto, LabelSet
from .photo_names import posix_name
from .problems import FormatError, Problem

HALF = 0.5
_HEAD = 4096


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


def coordinate(value: Any, what: str) -> float:
    """A finite number, also as text, as `number_of`, which is slow for millions of points."""
    if (type(value) is float or type(value) is str) and math.isfinite(number := _float(value)):
        return number
    return number_of(value, what)


def _float(value: float | str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan


def reason_of(error: Exception) -> str:
    """What is wrong with an entry, of one of FAULTS that reading it raised."""
    return entry_problem(Path(), "", error).message.removeprefix(": ")


def state_of(hidden: bool) -> int:
    return HIDDEN if hidden else VISIBLE


def box_about(garment: LabelledGarment) -> Edges:
    """The box of a garment, or else that about its keypoints. One of the two is there in what `checked` gives."""
    if garment.box is not None:
        return garment.box
    left, top, right, bottom = around(garment.keypoints.xy[garment.keypoints.state != ABSENT]).tolist()
    return left, top, right, bottom


def edges_of(corners: Iterable[tuple[float, float]]) -> Edges:
    """The upright box about corners in px. Raises ValueError where it has no area or is not finite."""
    xs, ys = zip(*corners, strict=True)
    box = min(xs), min(ys), max(xs), max(ys)
    if not all(map(math.isfinite, box)) or box[2] <= box[0] or box[3] <= box[1]:
        raise ValueError(f"the box {', '.join(f'{value:g}' for value in box)} has no area")
    return box


def turned(box: Edges, degrees: float, about: tuple[float, float]) -> Edges:
    """The upright box about one that is turned clockwise about a point in px."""
    left, top, right, bottom = box
    if not degrees:
        return edges_of([(left, top), (right, bottom)])
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = about
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return edges_of((x + (a - x) * cos - (b - y) * sin, y + (a - x) * sin + (b - y) * cos) for a, b in corners)


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


def checked(labels: LabelSet, vocabulary: Vocabulary) -> Iterator[LabelledPhoto]:
    """The photos of a set, checked one by one while they are written.

    Raises ValueError, with the photo and the id of the garment, where there is no size, a category or keypoint is not
    one of the vocabulary, or a garment has neither a box nor a keypoint; and for a photo that comes twice.
    """
    keypoints: Mapping[str, frozenset[str]] = {c.name: frozenset(c.keypoints) for c in vocabulary.definitions}
    seen = set()
    for photo in labels.photos:
        if posix_name(photo.file_name) in seen:
            raise ValueError(f"photo {photo.file_name} comes twice; join its garments")
        seen.add(posix_name(photo.file_name))
        if photo.size is None:
            raise ValueError(f"photo {photo.file_name}: its size is not known, and coordinates cannot be written")
        for garment in photo.garments:
            where = f"photo {photo.file_name}, garment {garment.id}"
            known = keypoints.get(garment.category)
            if known is None:
                raise ValueError(f"{where}: category {garment.category!r} is not in the vocabulary {vocabulary.name}")
            present = garment.keypoints.state != ABSENT
            other = {name for name, there in zip(garment.names, present, strict=True) if there} - known
            if other:
                raise ValueError(f"{where}: a {garment.category} has no keypoint {', '.join(sorted(other))}")
            if garment.box is None and not present.any():
                raise ValueError(f"{where}: neither a box nor a keypoint; there is nothing to write")
        yield photo


def head_of(path: Path) -> bytes:
    """The first bytes of a file; none of what is no file, or cannot be read."""
    try:
        with open_regular(path) as stream:
            return stream.read(_HEAD)
    except OSError:
        return b""
