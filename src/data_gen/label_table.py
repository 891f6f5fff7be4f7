"""Photos and their labels in columns, so that a list of millions of photos takes little memory."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from ..records import HeadSpec
from .images import read_image, resolve_image

if TYPE_CHECKING:  # importing it is slow, and short lists do not need it
    import pyarrow

_CHUNK = 1 << 16  # texts


class Photos(Protocol):
    """N photos in any storage: files (`PhotoFiles`) or shards (`tfrecords.PhotoShards`)."""

    @property
    def names(self) -> Iterable[str]:
        """The names of all rows, faster than `name` row by row."""
        ...

    def __len__(self) -> int: ...

    def name(self, row: int) -> str:
        """The name of the photo in lists and submissions."""
        ...

    def read(self, row: int) -> np.ndarray:
        """(H, W, 3) uint8. Raises ImageError if the photo cannot be read."""
        ...

    def select(self, rows: np.ndarray) -> Self:
        """The photos at `rows`, (N',) int, in that order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TextColumn:
    """N texts in one Arrow column, without a Python object for each: for lists of millions."""

    column: "pyarrow.LargeStringArray"

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, row: int) -> str:
        return self.column[row].as_py()

    def __iter__(self) -> Iterator[str]:
        # In chunks: one text at a time takes ten times as long, and all at once would need the memory that this saves.
        for start in range(0, len(self.column), _CHUNK):
            yield from self.column.slice(start, _CHUNK).to_pylist()

    def take(self, rows: np.ndarray) -> "TextColumn":
        """The texts at `rows`, (N',) int from 0, in that order."""
        return TextColumn(self.column.take(rows))


@dataclass(frozen=True, slots=True, eq=False)
class PhotoFiles:
    """Photos in files below `root`. names: their paths relative to `root`, with forward slashes."""

    root: Path
    names: Sequence[str] | TextColumn

    def __len__(self) -> int:
        return len(self.names)

    def name(self, row: int) -> str:
        return self.names[row]

    def path(self, row: int) -> Path:
        """The file of a row. Raises ValueError for a name that leads out of `root`."""
        return resolve_image(self.root, self.names[row])

    def read(self, row: int) -> np.ndarray:
        return read_image(self.path(row))

    def select(self, rows: np.ndarray) -> "PhotoFiles":
        if isinstance(self.names, TextColumn):
            return PhotoFiles(self.root, self.names.take(rows))
        return PhotoFiles(self.root, [self.names[int(row)] for row in rows])


@dataclass(frozen=True, slots=True, eq=False)
class LabelTable:
    """N photos and their labels.

    heads: the outputs of the classifier that the labels belong to.
    codes: (N, heads) int32, for each head a row of its targets; -1 if the photo is not labelled for it.
    targets: for each head (codes, C) float32, the probability of every class (independent head: of every label); None
    if code c means class c.
    Raises ValueError if the shapes do not match.
    """

    photos: Photos
    heads: tuple[HeadSpec, ...]
    codes: np.ndarray
    targets: tuple[np.ndarray | None, ...]

    def __post_init__(self) -> None:
        if self.codes.shape != (len(self.photos), len(self.heads)) or len(self.targets) != len(self.heads):
            raise ValueError(
                f"{len(self.photos)} photos and {len(self.heads)} heads need codes of shape "
                f"({len(self.photos)}, {len(self.heads)}) and {len(self.heads)} tables of targets; "
                f"got {self.codes.shape} and {len(self.targets)}"
            )
        for head, target, column in zip(self.heads, self.targets, self.codes.T, strict=True):
            count = len(head.classes) if target is None else len(target)
            if target is not None and target.shape != (count, len(head.classes)):
                raise ValueError(
                    f"head {head.name}: targets of shape {target.shape}; expected {(count, len(head.classes))}"
                )
            if len(column) and not -1 <= column.min() <= column.max() < count:
                raise ValueError(
                    f"head {head.name}: codes from {column.min()} to {column.max()}; expected -1 to {count - 1}"
                )

    def __len__(self) -> int:
        return len(self.photos)

    def target(self, index: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Targets (B, C) float32 of `heads[index]` for `rows` (B,) int, 0 without a label; and (B,) bool: labelled."""
        codes = self.codes[rows, index]
        known = codes >= 0
        table, classes = self.targets[index], len(self.heads[index].classes)
        if table is not None:
            return np.where(known[:, None], table[codes], np.float32(0)), known
        target = np.zeros((len(codes), classes), np.float32)
        target[known, codes[known]] = 1
        return target, known

    def counts(self, index: int) -> np.ndarray:
        """(C,) float64: the number of photos of each class of `heads[index]`; a soft label counts in fractions."""
        codes, table = self.codes[:, index], self.targets[index]
        size = len(self.heads[index].classes) if table is None else len(table)
        times = np.bincount(codes[codes >= 0], minlength=size).astype(np.float64)
        return times if table is None else times @ table

    def select(self, rows: np.ndarray) -> "LabelTable":
        """The photos at `rows`, (N',) int, in that order."""
        return dataclasses.replace(self, photos=self.photos.select(rows), codes=self.codes[rows])


def check_labels(source: Path, train: LabelTable, val: LabelTable) -> None:
    """Raises ValueError where a training could learn nothing, or not be scored.

    That is where no photo has a label, in one of the parts, and where for every head all labels to train on are one.
    source: what messages call the data.
    """
    names = ", ".join(head.name for head in train.heads)
    for part, purpose in ((train, "train on"), (val, "validate on")):
        if not (part.codes >= 0).any():
            raise ValueError(f"{source}: not one photo to {purpose} has a label for {names}")
    if not any(_differ(train, index) for index in range(len(train.heads))):
        raise ValueError(f"{source}: all photos to train on have the same label for {names}: nothing to learn")


def _differ(table: LabelTable, index: int) -> bool:
    """Whether two photos have different labels for a head; of soft labels the likeliest class counts."""
    codes, targets = np.unique(table.codes[:, index]), table.targets[index]
    codes = codes[codes >= 0]
    if targets is None or not len(codes):
        return len(codes) > 1
    independent = table.heads[index].kind == "independent"
    answers = targets[codes] if independent else targets[codes].argmax(axis=1)
    return len(np.unique(answers, axis=0)) > 1
