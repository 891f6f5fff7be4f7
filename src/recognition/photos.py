"""Finds the photos named on a command line."""

import logging
import os
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..paths import walk

log = logging.getLogger(__name__)
_NAMES = (
    *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "webp", "bmp", "gif", "tif", "tiff"),
    *("ppm", "pgm", "pbm", "pnm", "avif", "jp2", "j2k", "jpf", "jpx", "heic", "heif", "hif"),
)
SUFFIXES = frozenset(f".{name}" for name in _NAMES)
"""Suffixes of the files that are read in a folder."""
UNREADABLE = frozenset(
    f".{name}"
    for name in ("jxl", "svg", "psd", "exr", "hdr", "raw", "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf")
)
"""Suffixes of photos that cannot be read; a warning counts them."""
_SHOWN = 5  # kinds of other files that a note names


def find_photos(paths: Sequence[Path]) -> list[Path]:
    """The paths, with folders replaced by all photos in them; see `photos_in`.

    A missing path stays: it becomes a photo that cannot be read.
    """
    photos: list[Path] = []
    for path in paths:
        photos += map(Path, photos_in(path)) if path.is_dir() else [path]
    return photos


def photos_in(folder: Path) -> list[str]:
    """All photos in the folder and its subfolders, by name; strings, which need far less memory than paths.

    Linked folders are searched, too, each folder once. Hidden files and folders, devices and pipes are skipped. A
    broken link stays: it becomes a photo that cannot be read. The log counts photos of kinds that cannot be read, and
    other files. Raises FileNotFoundError for a folder without any photo.
    """
    found: list[str] = []
    unreadable: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for where, children, names in walk(folder):
        children[:] = [child for child in children if not child.startswith(".")]
        for name in names:
            suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 (a hundred thousand Paths are slow)
            if name.startswith("."):
                continue
            if suffix in SUFFIXES:
                path = os.path.join(where, name)  # noqa: PTH118
                if _can_be_photo(path):
                    found.append(path)
                else:
                    others["devices and pipes"] += 1
            else:
                (unreadable if suffix in UNREADABLE else others)[suffix or "without an ending"] += 1
    if unreadable:
        log.warning(f"{folder}: photos of these kinds cannot be read and are left out: {_counts(unreadable)}")
    if others:
        log.info(f"{folder}: other files, which are no photos: {_counts(others)}")
    if not found:
        raise FileNotFoundError(f"no photos ({', '.join(sorted(SUFFIXES))}) in {folder}")
    # The order of sorted paths: by the names of folders, before longer names that begin alike.
    return sorted(found, key=lambda path: path.replace(os.sep, "\0"))


def _can_be_photo(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except OSError:
        return True


def _counts(kinds: Counter[str]) -> str:
    shown = sorted(kinds.items())
    named = [f"{count} {kind}" for kind, count in shown[:_SHOWN]]
    rest = sum(count for _, count in shown[_SHOWN:])
    return ", ".join([*named, *([f"{rest} of other kinds"] if rest else [])])
