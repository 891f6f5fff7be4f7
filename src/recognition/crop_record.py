"""Which photo each crop of a folder was cut from, so that a call that goes on notices what was replaced or damaged.

A file that grows by a line a crop: its name, the stamp of its photo, and the sha256 of the crop.
"""

import hashlib
from pathlib import Path
from typing import BinaryIO

from ..data_gen.images import ImageError, decode_reduced
from ..files import read_regular, regular
from .partial_table import Stamp, checked_line, read_checked, stamp

RECORD_FILE = "crops_made.txt"


class CropRecord:
    """The record of the crops in `folder`. Raises OSError where it cannot be read.

    Folders of earlier versions have none: their crops count if they are whole and not older than their photos.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, regular(folder / RECORD_FILE)
        self._made: dict[str, tuple[Stamp, str]] = {}
        self._file: BinaryIO | None = None
        self._older = not self.path.exists()
        if not self._older:
            for text in read_regular(self.path).splitlines(keepends=True):
                line = read_checked(text)
                if line is not None:
                    self._made[line["name"]] = tuple(line["stamp"]), line["sha256"]

    def __enter__(self) -> "CropRecord":
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def holds(self, name: str, photo: Path) -> bool:
        """Whether the crop is there, whole, and that of the photo as it is now, or was before it went away.

        Raises OSError where something else than a file has the name of the crop.
        """
        try:
            data = read_regular(self.folder / name)
        except FileNotFoundError:
            return False
        now = stamp(str(photo))
        if self._older:
            if now and (self.folder / name).stat().st_mtime_ns < now[1]:
                return False
            try:
                decode_reduced(data, name, 1)
            except ImageError:
                return False
            self.add(name, now, data)
            return True
        of, digest = self._made.get(name, ((), ""))
        return now in ((), of) and hashlib.sha256(data).hexdigest() == digest

    def add(self, name: str, of: Stamp, data: bytes) -> None:
        """Notes a crop that was written. of: the stamp of its photo before that was read. data: the crop's bytes."""
        if self._file is None:
            whole = not self.path.exists() or read_regular(self.path).endswith(b"\n")
            self._file = self.path.open("ab")
            self._file.write(b"" if whole else b"\n")
        self._file.write(checked_line({"name": name, "stamp": of, "sha256": hashlib.sha256(data).hexdigest()}))
        self._file.flush()
