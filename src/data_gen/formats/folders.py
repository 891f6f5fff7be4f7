"""Which folders below a data folder are searched for a challenge's files."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

CROPS_FILE = "crops.json"
"""Beside cropped photos: what they are crops of."""
DRAWN_FILE = "synthetic.json"
"""Beside drawn photos: how they were drawn."""
RECIPE_FILE = "recipe.json"
"""Beside what a pair of networks is made from."""

_DEPTH = 4  # folders searched below the data folder
_PASSED_OVER = ("Images", "__MACOSX")  # tens of thousands of photos; what comes with some archives


Folders = Iterable[tuple[Path, list[str]]]
"""Folders, each with the names of the files in it."""


def find_files(data: Path, sort: Callable[[Folders], Sequence[list[Path]]], missing: str) -> list[tuple[Path, ...]]:
    """A challenge's files below `data`, by kind, each kind in the order of their paths.

    sort: finds those of every kind in some folders. Drawn photos count where it finds nothing but them. Raises
    FileNotFoundError, which says what is `missing`, where it finds nothing at all.
    """
    for drawn in (False, True):
        kinds = sort(challenge_folders(data, drawn))
        if any(kinds):
            return [tuple(sorted(kind)) for kind in kinds]
    raise FileNotFoundError(missing)


def challenge_folders(data: Path, drawn: bool) -> Iterator[tuple[Path, list[str]]]:
    """The folders up to four below `data`, itself too, in which a challenge's files may lie, and the files' names.

    A folder that this package filled from others' photos, crops or what `weights make` works with, is searched only
    where it is `data` itself; drawn photos also where `drawn` says so.
    """
    ours = {CROPS_FILE, RECIPE_FILE} if drawn else {CROPS_FILE, RECIPE_FILE, DRAWN_FILE}
    for folder, children, names in os.walk(data):
        here = Path(folder)
        depth = len(here.relative_to(data).parts)
        if depth and ours.intersection(names):
            children.clear()
            continue
        children[:] = [c for c in children if depth < _DEPTH and c not in _PASSED_OVER and not c.startswith(".")]
        yield here, names


def drawn_below(data: Path) -> str:
    """A line of advice that names the folders of drawn photos below `data`, empty where there are none."""
    found = [str(here) for here, names in challenge_folders(data, True) if here != data and DRAWN_FILE in names]
    if not found:
        return ""
    return f"\ndrawn photos count only where no others are; to use those below {data}, name {' or '.join(found)}"
