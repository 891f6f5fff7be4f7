"""The search for a challenge's files below a data folder."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ...files import regular
from ...paths import walk

CROPS_FILE = "crops.json"
"""In a folder of cropped photos: their origin and the settings."""
DRAWN_FILE = "synthetic.json"
"""In a folder of synthetic photos: the settings with which they were drawn."""
RECIPE_FILE = "recipe.json"
"""In the work folder of a recipe: its settings."""

_DEPTH = 4  # folders searched below the data folder
_IGNORED = ("Images", "__MACOSX")  # tens of thousands of photos; extra files of some archives

Folders = Iterable[tuple[Path, list[str]]]
"""Folders, each with the names of the files in it."""


def find_files(data: Path, sort: Callable[[Folders], Sequence[list[Path]]], missing: str) -> list[tuple[Path, ...]]:
    """A challenge's files below `data`, by kind, each kind sorted by path.

    sort: folders -> the files of every kind in them. Synthetic sets are used only if there are no others. missing: the
    message of the FileNotFoundError that is raised if there are no files. Raises OSError for a pipe or a device.
    """
    if not data.is_dir():
        regular(data)
    if data.is_file():
        raise FileNotFoundError(f"{data} is a file; expected a folder: {missing}")
    for drawn in (False, True):
        kinds = sort(challenge_folders(data, drawn))
        if any(kinds):
            return [tuple(sorted(kind)) for kind in kinds]
    raise FileNotFoundError(missing)


def challenge_folders(data: Path, drawn: bool) -> Iterator[tuple[Path, list[str]]]:
    """`data` and the folders up to four levels below it that can contain a challenge's files, with their file names.

    Folders of crops and work folders of recipes are searched only if they are `data` itself.
    drawn: also search folders of synthetic photos below `data`. Linked folders are searched as well.
    """
    markers = {CROPS_FILE, RECIPE_FILE} if drawn else {CROPS_FILE, RECIPE_FILE, DRAWN_FILE}
    for folder, children, names in walk(data):
        here = Path(folder)
        depth = len(here.relative_to(data).parts)
        if depth and markers.intersection(names):
            children.clear()
            continue
        children[:] = [c for c in children if depth < _DEPTH and c not in _IGNORED and not c.startswith(".")]
        yield here, names


def drawn_below(data: Path) -> str:
    """A line of advice that names the folders of synthetic photos below `data`; empty if there are none."""
    found = [str(here) for here, names in challenge_folders(data, True) if here != data and DRAWN_FILE in names]
    if not found:
        return ""
    return (
        f"\nsynthetic photos below {data} are used only if there are no others: to use them, give {' or '.join(found)}"
    )
