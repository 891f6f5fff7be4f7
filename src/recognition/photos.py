"""Photos that are named on a command line."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger(__name__)
_NAMES = (
    *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "webp", "bmp", "gif", "tif", "tiff"),
    *("ppm", "pgm", "pbm", "pnm", "avif", "jp2", "j2k", "jpf", "jpx", "heic", "heif", "hif"),
)
SUFFIXES = frozenset(f".{name}" for name in _NAMES)
"""Endings of the files of a folder that are read."""
UNREADABLE = frozenset(
    f".{name}"
    for name in ("jxl", "svg", "psd", "exr", "hdr", "raw", "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf")
)
"""Endings of photos that cannot be read; a warning counts them."""


def find_photos(paths: Sequence[Path]) -> list[Path]:
    """The paths, folders replaced by the photos anywhere in them; hidden files are none.

    A path that is not there stays: it becomes a photo that cannot be read. Photos in a folder that cannot be read are
    counted in a warning. Raises FileNotFoundError for a folder without any photo.
    """
    photos: list[Path] = []
    for path in paths:
        if not path.is_dir():
            photos.append(path)
            continue
        files = [p for p in sorted(path.rglob("*")) if not p.name.startswith(".") and p.is_file()]
        found = [p for p in files if p.suffix.lower() in SUFFIXES]
        others = Counter(p.suffix.lower() for p in files if p.suffix.lower() in UNREADABLE)
        if others:
            counts = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
            log.warning(f"{path}: photos of these kinds cannot be read and are left out: {counts}")
        if not found:
            raise FileNotFoundError(f"no photos ({', '.join(sorted(SUFFIXES))}) in {path}")
        photos += found
    return photos
