"""Records which photo each crop of a folder was cut from, so that a resumed call notices replaced or damaged files.

The file grows by a line for each crop: its name, the stamp of its photo, and the sha256 of the crop.
"""

import hashlib
from pathlib import Path
from typing import BinaryIO

from ..data_gen.images import ImageError, decode_reduced
from ..files import read_regular, regular
from .partial_table import Stamp, checked_line, read_checked, stamp

RECORD_FILE = "crops_made.txt"


class CropRecord:
    """The record of the crops in `folder`. Raises OSError if it cannot be read.

    Folders of earlier versions have none: their crops count if they are complete and not older than their photos.
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
        """Whether the crop exists, is complete, and was cut from the present photo (or the last one, if it is gone).

        Raises OSError if something else than a file has the name of the crop.
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
        """Records a crop that was written. of: the stamp of its photo before it was read. data: the crop's bytes."""
        if self._file is None:
            whole = not self.path.exists() or read_regular(self.path).endswith(b"\n")
            self._file = self.path.open("ab")
            self._file.write(b"" if whole else b"\n")
        self._file.write(checked_line({"name": name, "stamp": of, "sha256": hashlib.sha256(data).hexdigest()}))
        self._file.flush()
