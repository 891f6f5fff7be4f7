"""The rows of an unfinished table: a file that grows by a line for each photo, and is read back row by row.

Every line has a checksum: a line that was cut short or changed is left out, and its photo is predicted again. Only the
positions of the rows in the file are in memory, 8 bytes for each photo.
"""

import errno
import json
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..files import write_atomic

Stamp = tuple[int, ...]
"""Distinguishes a photo from another one that later lies at its path: bytes, and the time of the last change."""


def stamp(photo: str) -> Stamp:
    """The stamp of the file; empty if there is none."""
    try:
        state = Path(photo).stat()
    except (OSError, ValueError):
        return ()
    return state.st_size, state.st_mtime_ns


def _is_foreign(path: Path) -> bool:
    """Whether the path has something that no version of this module wrote: each began with a line of JSON."""
    if path.is_symlink():
        return True
    if not path.is_file():
        return path.exists()
    with path.open("rb") as file:
        first = file.readline(1 << 20)
    if not first.strip() or (len(first) < 10 and not first.endswith(b"\n")):  # cut short when it was written
        return False
    return b"{" not in first[:10]


class PartialTable:
    """The finished rows of `photos`, in the file `path`.

    settings: everything that the predictions depend on. same: whether the file has the same settings, and is continued;
    None if there was no file. done: number of photos with a prediction, without those that could not be read or were
    replaced since. Raises OSError if the file cannot be read or written, FileExistsError if it is another file, or has
    rows of other settings: finished rows are never discarded.
    """

    def __init__(self, path: Path, photos: Sequence[str], settings: Mapping[str, Any]) -> None:
        self.path, self.photos = path, photos
        self.same: bool | None = None
        self._positions = array("q", [-1]) * len(photos)
        self._others = array("q")
        if _is_foreign(path):
            raise FileExistsError(f"{path} is no unfinished table of this command: move it away, or name another table")
        if path.is_file():
            self.same = self._read_back(settings)
        self._file = path.open("r+b" if self.same else "wb")
        self._file.seek(0, 2)
        if not self.same:
            self._write(settings)
        elif not self._ends_whole():
            self._file.write(b"\n")

    def __enter__(self) -> "PartialTable":
        return self

    def __exit__(self, *error: object) -> None:
        with self._named():  # what a full disk did not take is written once more
            self._file.close()

    @property
    def done(self) -> int:
        return len(self.photos) - self._positions.count(-1)

    def left(self) -> Iterator[int]:
        """The indices of the photos without a prediction, as of the start of the iteration."""
        return (index for index, position in enumerate(self._positions[:]) if position < 0)

    def add(self, index: int, row: Mapping[str, Any], of: Stamp) -> None:
        """Adds the row of a photo and writes it to the file. of: the stamp of the photo when it was read.

        Raises OSError, naming the file, if it cannot be written.
        """
        self._positions[index] = self._write({"name": self.photos[index], "stamp": of, "row": row})

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows in the order of the photos. Raises ValueError if the file was changed meanwhile."""
        with self.path.open("rb") as file:
            for index, position in enumerate(self._positions):
                file.seek(position)
                line = read_checked(file.readline())
                if line is None or line.get("name") != self.photos[index]:
                    raise ValueError(f"{self.path} was changed while it was in use; run the command again")
                yield line["row"]

    def finish(self) -> int:
        """Deletes the file after its rows were written to their table; close it first.

        Rows of other photos stay in it, for a call that asks for them, and so do those of photos that are missing now,
        as on a disk that is not connected. Returns their number.
        """
        kept = []
        with self.path.open("rb") as file:
            first = file.readline()
            for position in self._others:
                file.seek(position)
                line = read_checked(text := file.readline())
                if line is not None and stamp(line["name"]) in ((), tuple(line["stamp"])):
                    kept.append(text)
        if kept:
            write_atomic(self.path, b"".join([first, *kept]))
        else:
            self.path.unlink()
        return len(kept)

    def _write(self, facts: Mapping[str, Any]) -> int:
        with self._named():
            position = self._file.tell()
            self._file.write(checked_line(facts))
            self._file.flush()
        return position

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = f"{error.strerror or error}; it keeps the rows so far: make room, and run the same command again"
            raise OSError(error.errno or errno.EIO, reason, str(self.path)) from error

    def _ends_whole(self) -> bool:
        self._file.seek(-1, 2)
        return self._file.read(1) == b"\n"

    def _read_back(self, settings: Mapping[str, Any]) -> bool:
        """Reads the positions from the file. False if it has other settings and no rows."""
        found: dict[str, int] = {}
        with self.path.open("rb") as file:
            made_with = read_checked(file.readline())
            if made_with != settings:
                rows = sum(bool(text.strip()) and not _is_error(read_checked(text)) for text in file)
                if rows:
                    raise FileExistsError(
                        f"{self.path} keeps {rows} finished rows of an interrupted call {_other(made_with, settings)}, "
                        "name another table, or delete this file"
                    )
                return False
            position = file.tell()
            gone: dict[str, int] = {}
            for text in file:
                line = read_checked(text)
                if line is not None and not line["row"]["error"]:
                    now = stamp(line["name"])
                    if now == tuple(line["stamp"]):
                        found[line["name"]] = position
                    elif not now:
                        gone[line["name"]] = position
                position += len(text)
        for index, name in enumerate(self.photos):
            self._positions[index] = found.get(name, -1)
        listed = set(self.photos)
        self._others.extend(position for name, position in found.items() if name not in listed)
        self._others.extend(gone.values())
        return True


def _other(made_with: Mapping[str, Any] | None, settings: Mapping[str, Any]) -> str:
    """The differences of another call, in words."""
    if made_with is None or made_with.get("layout") != settings.get("layout"):
        return "of another version: finish that table with it"
    names = dict.fromkeys([*settings, *made_with])
    shown = [
        f"{name} {made_with.get(name)}, not {settings.get(name)}"
        for name in names
        if made_with.get(name) != settings.get(name)
    ]
    return f"with {'; '.join(shown)}: call it so again to finish that table"


def _is_error(line: Mapping[str, Any] | None) -> bool:
    return line is not None and bool(line["row"]["error"])


def checked_line(facts: Mapping[str, Any]) -> bytes:
    """A line of JSON after its checksum."""
    text = json.dumps(facts).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def read_checked(line: bytes) -> dict[str, Any] | None:
    """The facts of such a line; None if it is damaged."""
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
        return None
    return json.loads(text)
