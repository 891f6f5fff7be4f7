"""Reads and writes CVAT for images 1.1: XML (docs.cvat.ai/docs/dataset_management/formats/format-cvat).

A garment is a skeleton with its category as label. Of its points, one that is `outside` is absent and one that is
`occluded` is hidden. Its box is the rectangle in the same group. Single points that are grouped with one rectangle are
a garment as well, of the rectangle's label; so Datumaro writes skeletons. Coordinates are px, pixel edges.

The file is read in a stream by Python's own parser (expat). A document type is refused, and with it all entities, by
which a small file can become a large one or name other files.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

from ...geometry import Size
from ...records import ABSENT
from .coco_entries import FAULTS, entry_problem, number_of
from .cvat_tasks import BOX_SUFFIX
from .cvat_tasks import write_cvat as write_cvat
from .labels import Edges, LabelledGarment, LabelledPhoto, LabelSet
from .photo_names import posix_name
from .problems import FormatError, Problem, read_chunks
from .tool_labels import HALF, Collected, Mark, coordinate, garment_of, head_of, reason_of, state_of, turned

_VERSION = "1.1"
_FILE = "annotations.xml"
_DEEPEST = 32
_LONGEST_TEXT = 1000
_OTHERS = {
    "box": "boxes without keypoints",
    "points": "points that are in no skeleton",
    **{name: f"shapes of type {name}" for name in ("polygon", "polyline", "ellipse", "cuboid", "mask", "tag")},
}
_EXPORT = "export the task in the format CVAT for images 1.1"
_IS_CVAT = re.compile(rb"<annotations\b")


class _Shape(NamedTuple):
    line: int
    tag: str
    attributes: Mapping[str, str]


class _Candidate(NamedTuple):
    """What should be a garment. shapes: the numbers of those it is made of. named: the one that has its category."""

    shapes: tuple[int, ...]
    named: _Shape
    parts: list[Mapping[str, str]]
    box: _Shape | None


def is_cvat(path: Path) -> bool:
    """Whether a file, or the `annotations.xml` of a folder, begins as CVAT's XML."""
    return bool(_IS_CVAT.search(head_of(_file(Path(path)))))


def read_cvat(path: Path) -> LabelSet:
    """Reads an XML file of CVAT for images 1.1, or the folder that such an export unpacks to.

    File names are relative to the folder `images` beside the file, if there is one. A faulty skeleton costs one
    garment. Shapes that are no garment are counted in `left_out`. Raises FormatError for a file of another kind, also
    for CVAT for video and other versions, and where no photo is sound.
    """
    path = Path(path)
    file = _file(path)
    images = file.parent / "images"
    found = Collected(path, images if images.is_dir() else file.parent)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    reader = _Reader(parser, found)
    try:
        for chunk in read_chunks(file):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise FormatError([Problem(path, error.lineno, f"not XML: {expat.ErrorString(error.code)}")]) from None
    except (UnicodeError, LookupError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError([Problem(path, parser.CurrentLineNumber, f"not XML that can be read: {error}")]) from None
    if reader.tracks and not found.photos:
        reason = f"{reader.tracks} tracks and no images; this is CVAT for video: {_EXPORT}"
        raise FormatError([Problem(path, None, reason)])
    if reader.tracks:
        found.left_out["tracks of videos"] += reader.tracks
    return found.finished()


def _file(path: Path) -> Path:
    return path / _FILE if path.is_dir() else path


class _Reader:
    """What the parser calls. Elements inside a shape are its parts: points of a skeleton, or attributes."""

    def __init__(self, parser: expat.XMLParserType, found: Collected) -> None:
        self.parser, self.found = parser, found
        self.open: list[str] = []
        self.version = ""
        self.tracks = 0
        self.image: Mapping[str, str] = {}
        self.shapes: list[_Shape] = []
        self.parts: dict[int, list[Mapping[str, str]]] = {}
        parser.StartDoctypeDeclHandler = self.doctype
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end

    def fail(self, reason: str) -> None:
        raise FormatError([Problem(self.found.path, self.parser.CurrentLineNumber, reason)])

    def doctype(self, *_: object) -> None:
        self.fail("a document type, which CVAT does not write; files with entities are not read")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        inside = self.open[-1] if self.open else ""
        self.open.append(tag)
        if len(self.open) > _DEEPEST:
            self.fail("nested too deeply for CVAT's XML")
        if not inside:
            if tag != "annotations":
                self.fail(f"the first element is <{tag[:80]}>; expected <annotations> of CVAT: {_EXPORT}")
        elif inside == "skeleton" and tag == "points":
            if "image" in self.open:
                self.parts.setdefault(len(self.shapes) - 1, []).append(attributes)
        elif inside == "image":
            self.shapes.append(_Shape(self.parser.CurrentLineNumber, tag, attributes))
        elif tag == "image":
            self.check_version()
            self.image, self.shapes, self.parts = attributes, [], {}
        elif tag == "track":
            self.check_version()
            self.tracks += 1
        elif self.open == ["annotations", "version"]:
            self.parser.CharacterDataHandler = self.characters

    def characters(self, text: str) -> None:
        """Of the version alone: spaces between the points would be half of the calls."""
        self.version += text
        if len(self.version) > _LONGEST_TEXT:
            self.fail("the version is no version")

    def check_version(self) -> None:
        if self.version.strip() != _VERSION:
            self.fail(
                f"version {self.version.strip() or 'unknown'!s:.80} of CVAT's XML; expected {_VERSION}: {_EXPORT}"
            )

    def end(self, tag: str) -> None:
        self.open.pop()
        self.parser.CharacterDataHandler = None
        if tag == "image":
            label = f"image {self.image.get('id', self.image.get('name', ''))!s:.80}"
            try:
                self.photo(label)
            except FAULTS as error:
                self.found.problems.append(entry_problem(self.found.path, label, error))

    def photo(self, label: str) -> None:
        name = self.file_name()
        numbers = [number_of(self.image[side], side) for side in ("width", "height")]
        if min(numbers) < 1 or any(number != int(number) for number in numbers):
            raise ValueError(f"width and height are {numbers}; expected whole numbers from 1")
        size: Size = int(numbers[0]), int(numbers[1])
        garments: list[LabelledGarment] = []
        used: set[int] = set()
        whole = True
        for candidate in self.candidates():
            used.update(candidate.shapes)
            first = self.shapes[candidate.shapes[0]]
            where = f"{label} ({name}), {first.tag} {candidate.shapes[0] + 1}"
            try:
                category = candidate.named.attributes["label"]
                marks = [_mark(part) for part in candidate.parts]
                box = None if candidate.box is None else _box(candidate.box.attributes)
                if all(mark.state == ABSENT for mark in marks):
                    whole = False
                    self.found.left_out["skeletons without a present point"] += 1
                    continue
                garments.append(garment_of(where, category.removesuffix(BOX_SUFFIX), marks, box))
            except FAULTS as error:
                whole = False
                self.found.wrong(where, reason_of(error), first.line)
        others = [shape.tag for number, shape in enumerate(self.shapes) if number not in used]
        self.found.left_out.update(_OTHERS.get(tag, f"elements named {tag:.40}") for tag in others)
        self.found.add(LabelledPhoto(name, size, tuple(garments)), whole and not others)

    def file_name(self) -> str:
        """A project's export has its photos in a folder for each of its subsets."""
        name, subset = posix_name(self.image["name"]), self.image.get("subset")
        if subset and (self.found.root / posix_name(subset)).is_dir():
            return posix_name(f"{subset}/{name}")
        return name

    def candidates(self) -> Iterator[_Candidate]:
        """The skeletons, each with the only box of its group, and then the groups of single points with one box."""
        groups: dict[str, dict[str, list[int]]] = {}
        for number, shape in enumerate(self.shapes):
            group = shape.attributes.get("group_id", "0")
            if group != "0":
                groups.setdefault(group, {}).setdefault(shape.tag, []).append(number)
        for number, shape in enumerate(self.shapes):
            if shape.tag == "skeleton":
                group = groups.get(shape.attributes.get("group_id", "0"), {})
                boxes = group.get("box", [])
                mates = boxes if len(boxes) == len(group.get("skeleton", ())) == 1 else []
                box = self.shapes[mates[0]] if mates else None
                yield _Candidate((number, *mates), shape, self.parts.get(number, []), box)
        for group in groups.values():
            points, boxes = group.get("points", []), group.get("box", [])
            if points and len(boxes) == 1 and "skeleton" not in group:
                box = self.shapes[boxes[0]]
                parts = [self.shapes[number].attributes for number in points]
                yield _Candidate((*points, *boxes), box, parts, box)


def _mark(attributes: Mapping[str, str]) -> Mark:
    name = attributes["label"]
    if attributes.get("outside") == "1":
        return Mark(name, -1.0, -1.0, ABSENT)
    x, separator, y = attributes["points"].partition(",")
    if not separator or ";" in y:
        raise ValueError(f"the points {attributes['points']!r:.80} of {name}; expected x,y")
    state = state_of(attributes.get("occluded") == "1")
    return Mark(name, coordinate(x, "x") - HALF, coordinate(y, "y") - HALF, state)


def _box(attributes: Mapping[str, Any]) -> Edges:
    left, top, right, bottom = (coordinate(attributes[name], name) for name in ("xtl", "ytl", "xbr", "ybr"))
    degrees = number_of(attributes.get("rotation") or "0", "rotation")
    return turned((left, top, right, bottom), degrees, ((left + right) / 2, (top + bottom) / 2))
