"""Photos whose garments are labelled, as labelling tools and data sets exchange them, in one form for all formats.

A format's module reads a file or folder into a `LabelSet` and writes one. Names of categories and keypoints are those
of the file: what they mean in a vocabulary is decided once, for all formats, in `label_names`. Points are pixel
centres on whole numbers and boxes pixel edges, as everywhere in this package; a format that counts otherwise converts
in its own module.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...boxes import around
from ...geometry import Size
from ...records import ABSENT, Keypoints
from ...vocabulary import Vocabulary
from .entries import Edges
from .problems import Problem


@dataclass(frozen=True, slots=True, eq=False)
class LabelledGarment:
    """One garment of a photo.

    id: of its annotation in the file, for messages. category: as the file names it. names: of its keypoints in the
    file, in the order of `keypoints`; (-1, -1) where absent. box: None where the file has none. scores: of a network,
    0..1 for each keypoint, None for labels by people.
    """

    id: str
    category: str
    names: tuple[str, ...]
    keypoints: Keypoints
    box: Edges | None = None
    scores: tuple[float, ...] | None = None

    @property
    def outline(self) -> Edges | None:
        """Its box, or else the one about its labelled keypoints; None where it has neither."""
        if self.box is not None:
            return self.box
        known = self.keypoints.xy[self.keypoints.state != ABSENT]
        if not len(known):
            return None
        left, top, right, bottom = around(known).tolist()
        return left, top, right, bottom


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPhoto:
    """file_name: with forward slashes, relative to the folder of the photos. size: (width, height) as the file says it;
    None where it does not. garments: none of a photo that was looked at and shows none."""

    file_name: str
    size: Size | None
    garments: tuple[LabelledGarment, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LabelSet:
    """The content of a file or folder.

    root: the folder that file names are relative to, as far as the format tells it. problems: of entries that are
    malformed, each with file and line or the id of the annotation; they are not in `photos`. left_out: how many entries
    are sound but are no garment with keypoints, by their kind in the plural, such as "boxes without keypoints".
    """

    path: Path
    root: Path
    photos: tuple[LabelledPhoto, ...]
    problems: tuple[Problem, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def garment_count(self) -> int:
        return sum(len(photo.garments) for photo in self.photos)

    def only(self, keep: Callable[[LabelledGarment], bool]) -> "LabelSet":
        """The same with the garments that `keep` is true of, and the photos that show one or none at all."""
        photos = []
        for photo in self.photos:
            garments = tuple(garment for garment in photo.garments if keep(garment))
            if len(garments) == len(photo.garments):
                photos.append(photo)
            elif garments:
                photos.append(replace(photo, garments=garments))
        return replace(self, photos=tuple(photos))


@dataclass(frozen=True, slots=True)
class LabelFormat:
    """A format by its name, such as `label-studio`.

    reads: what a path is, for help and errors, such as "JSON file". recognises: whether a file or folder is of this
    format, by its name and first bytes, without raising. read: raises FormatError for a file of another kind or one of
    which nothing is sound. write: to a new file or folder, whole or not at all; the names of categories and keypoints
    are those of the vocabulary. It raises ValueError for what the format cannot hold. None where the format is read
    only. pieces: of a format of one text file, the text that `write` writes, in memory. needs_size: whether `write`
    needs the size of every photo. one_garment: whether a photo can have one alone.
    """

    name: str
    reads: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], LabelSet]
    write: Callable[[LabelSet, Path, Vocabulary], None] | None
    pieces: Callable[[LabelSet, Vocabulary], Iterator[str]] | None = None
    needs_size: bool = True
    one_garment: bool = False
