"""The rows of a table while it is being made: a file that grows by a line a photo, and is read back row by row.

Every line has a checksum, so that one which was cut short or changed is left out and its photo is done again. Of the
rows only their positions in the file are held, 8 bytes a photo.
"""

import json
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Stamp = tuple[int, ...]
"""What tells a photo from another one that later lies at its path: bytes, and the time of the last change."""


def stamp(photo: str) -> Stamp:
    """The stamp of the file; empty where there is none."""
    try:
        state = Path(photo).stat()
    except (OSError, ValueError):
        return ()
    return state.st_size, state.st_mtime_ns


def _is_foreign(path: Path) -> bool:
    """Whether there is something at the path that no version of this module wrote: each began with a line of JSON."""
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
    """The rows of `photos` so far, in the file `path`.

    settings: what the answers depend on. same: whether the file was made with the same settings, and so goes on; it is
    None where there was no file. done: how many photos it has answers for, those not counted that could not be read or
    that have been replaced since.
    Raises OSError where the file cannot be read or written, FileExistsError where it is another file.
    """

    def __init__(self, path: Path, photos: Sequence[str], settings: Mapping[str, Any]) -> None:
        self.path, self.photos = path, photos
        self.same: bool | None = None
        self._positions = array("q", [-1]) * len(photos)
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
        self._file.close()

    @property
    def done(self) -> int:
        return len(self.photos) - self._positions.count(-1)

    def left(self) -> Iterator[int]:
        """The indices of the photos without an answer, as they are when the iteration begins."""
        return (index for index, position in enumerate(self._positions[:]) if position < 0)

    def add(self, index: int, row: Mapping[str, Any], of: Stamp) -> None:
        """Adds the row of a photo; on return it is in the file. of: the stamp of the photo when it was read."""
        self._positions[index] = self._write({"name": self.photos[index], "stamp": of, "row": row})

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows in the order of the photos. Raises ValueError where the file was changed meanwhile."""
        with self.path.open("rb") as file:
            for index, position in enumerate(self._positions):
                file.seek(position)
                line = _read(file.readline())
                if line is None or line.get("name") != self.photos[index]:
                    raise ValueError(f"{self.path} was changed while it was in use; run the command again")
                yield line["row"]

    def _write(self, facts: Mapping[str, Any]) -> int:
        text = json.dumps(facts).encode()
        position = self._file.tell()
        self._file.write(b"%08x %b\n" % (zlib.crc32(text), text))
        self._file.flush()
        return position

    def _ends_whole(self) -> bool:
        self._file.seek(-1, 2)
        return self._file.read(1) == b"\n"

    def _read_back(self, settings: Mapping[str, Any]) -> bool:
        """Fills the positions from the file. False for one of other settings."""
        found: dict[str, int] = {}
        with self.path.open("rb") as file:
            if _read(file.readline()) != settings:
                return False
            position = file.tell()
            for text in file:
                line = _read(text)
                if line is not None and not line["row"]["error"] and tuple(line["stamp"]) == stamp(line["name"]):
                    found[line["name"]] = position
                position += len(text)
        for index, name in enumerate(self.photos):
            self._positions[index] = found.get(name, -1)
        return True


def _read(line: bytes) -> dict[str, Any] | None:
    """The facts of a line; None for one that is not whole."""
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
        return None
    return json.loads(text)
