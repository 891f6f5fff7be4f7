"""Photos that are named on a command line."""

from collections.abc import Sequence
from pathlib import Path

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


def find_photos(paths: Sequence[Path]) -> list[Path]:
    """The paths, folders replaced by the photos anywhere in them. Raises FileNotFoundError for a folder without any."""
    photos: list[Path] = []
    for path in paths:
        if not path.is_dir():
            photos.append(path)
            continue
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
        if not found:
            raise FileNotFoundError(f"no photos ({', '.join(sorted(SUFFIXES))}) in {path}")
        photos += found
    return photos
