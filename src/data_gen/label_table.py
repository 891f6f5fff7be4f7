"""Photos and their labels in columns, so that a list of millions of photos stays small."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from ..records import HeadSpec
from .images import read_image, resolve_image

if TYPE_CHECKING:  # loading it takes long, and short lists do without
    import pyarrow


_PIECE = 1 << 16


class Photos(Protocol):
    """N photos, wherever they lie: in files, or inside shards."""

    @property
    def names(self) -> Iterable[str]:
        """What `name` gives for every row, faster than one by one."""
        ...

    def __len__(self) -> int: ...

    def name(self, row: int) -> str:
        """What lists and submissions call the photo."""
        ...

    def read(self, row: int) -> np.ndarray:
        """(H, W, 3) uint8. Raises ImageError where it cannot be read."""
        ...

    def select(self, rows: np.ndarray) -> Self:
        """The photos at `rows`, (N',) int, in that order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TextColumn:
    """N texts in one Arrow column: for millions of them, without a Python object each."""

    column: "pyarrow.LargeStringArray"

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, row: int) -> str:
        return self.column[row].as_py()

    def __iter__(self) -> Iterator[str]:
        # In pieces: a text each costs ten times as much, and all at once is what this class is there to avoid.
        for start in range(0, len(self.column), _PIECE):
            yield from self.column.slice(start, _PIECE).to_pylist()

    def take(self, rows: np.ndarray) -> "TextColumn":
        """The texts at `rows`, (N',) int from 0, in that order."""
        return TextColumn(self.column.take(rows))


@dataclass(frozen=True, slots=True, eq=False)
class PhotoFiles:
    """Photos in files below `root`, called `names`: their paths from there, with forward slashes."""

    root: Path
    names: Sequence[str] | TextColumn

    def __len__(self) -> int:
        return len(self.names)

    def name(self, row: int) -> str:
        return self.names[row]

    def path(self, row: int) -> Path:
        """Raises ValueError for a name that leads out of `root`."""
        return resolve_image(self.root, self.names[row])

    def read(self, row: int) -> np.ndarray:
        return read_image(self.path(row))

    def select(self, rows: np.ndarray) -> "PhotoFiles":
        if isinstance(self.names, TextColumn):
            return PhotoFiles(self.root, self.names.take(rows))
        return PhotoFiles(self.root, [self.names[int(row)] for row in rows])


@dataclass(frozen=True, slots=True, eq=False)
class LabelTable:
    """N photos and what is known of each.

    heads: the outputs that the labels speak of.
    codes: (N, heads) int32, for each head a row of its targets, -1 where the photo is not labelled for it.
    targets: for each head (codes, C) float32: the probability of every class, or for an independent head that each
    holds; None where code c simply means class c.
    Raises ValueError where the shapes do not fit.
    """

    photos: Photos
    heads: tuple[HeadSpec, ...]
    codes: np.ndarray
    targets: tuple[np.ndarray | None, ...]

    def __post_init__(self) -> None:
        if self.codes.shape != (len(self.photos), len(self.heads)) or len(self.targets) != len(self.heads):
            raise ValueError(
                f"{len(self.photos)} photos and {len(self.heads)} heads need codes of that shape; "
                f"got {self.codes.shape} and {len(self.targets)} tables of targets"
            )
        for head, target, column in zip(self.heads, self.targets, self.codes.T, strict=True):
            count = len(head.classes) if target is None else len(target)
            if target is not None and target.shape != (count, len(head.classes)):
                raise ValueError(f"head {head.name}: targets {target.shape} for {len(head.classes)} classes")
            if len(column) and not -1 <= column.min() <= column.max() < count:
                raise ValueError(f"head {head.name}: codes {column.min()} to {column.max()}, of {count}")

    def __len__(self) -> int:
        return len(self.photos)

    def target(self, place: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Targets (B, C) float32 of `heads[place]` for `rows`, (B,) int, and (B,) bool: labelled. Unlabelled is 0."""
        codes = self.codes[rows, place]
        known = codes >= 0
        table, classes = self.targets[place], len(self.heads[place].classes)
        if table is not None:
            return np.where(known[:, None], table[codes], np.float32(0)), known
        target = np.zeros((len(codes), classes), np.float32)
        target[known, codes[known]] = 1
        return target, known

    def counts(self, place: int) -> np.ndarray:
        """(C,) float64: how many photos of `heads[place]` are of each class, a soft label counting in parts."""
        codes, table = self.codes[:, place], self.targets[place]
        size = len(self.heads[place].classes) if table is None else len(table)
        times = np.bincount(codes[codes >= 0], minlength=size).astype(np.float64)
        return times if table is None else times @ table

    def select(self, rows: np.ndarray) -> "LabelTable":
        """The photos at `rows`, (N',) int, in that order."""
        return dataclasses.replace(self, photos=self.photos.select(rows), codes=self.codes[rows])
