"""The formats of labelled photos, by name. A new one gets a module and an entry here."""

from collections.abc import Iterable
from pathlib import Path

from ...files import regular
from .coco import is_coco, read_coco_labels
from .coco_writing import write_coco
from .fashionai_labels import is_fashionai, read_fashionai, write_fashionai
from .labels import LabelFormat
from .problems import FormatError, Problem

_TABLE = (
    LabelFormat(
        "fashionai",
        "lists of the FashionAI challenge",
        "CSV file, or a folder in the challenge's layout",
        "CSV file",
        is_fashionai,
        read_fashionai,
        write_fashionai,
        needs_size=False,
        one_garment=True,
    ),
    LabelFormat(
        "coco",
        "COCO keypoints, also as CVAT 2 exports them",
        "JSON file",
        "JSON file",
        is_coco,
        read_coco_labels,
        write_coco,
    ),
)

FORMATS = {entry.name: entry for entry in _TABLE}


def formats_of(path: Path) -> list[LabelFormat]:
    """The formats that a file or folder looks like. Raises OSError where there is none, or a pipe or a device."""
    path = Path(path)
    if not path.is_dir():
        regular(path)
        path.stat()
    return [entry for entry in FORMATS.values() if entry.recognises(path)]


def format_of(path: Path, name: str | None = None) -> LabelFormat:
    """The format called `name`, or the one that the path looks like, which can be read.

    Raises FormatError, with the formats that there are, where none or several are possible; ValueError for another
    name; OSError as `formats_of`.
    """
    readable = [entry for entry in FORMATS.values() if entry.read is not None]
    if name is not None:
        found = next((entry for entry in readable if entry.name == name), None)
        if found is None:
            raise ValueError(f"--from {name}: expected one of {_names(readable)}")
        return found
    likely = [entry for entry in formats_of(path) if entry.read is not None]
    if len(likely) == 1:
        return likely[0]
    said = f"it can be {' or '.join(entry.name for entry in likely)}" if likely else "not a format that is known"
    kinds = "; ".join(f"{entry.name} ({entry.reads})" for entry in likely or readable)
    raise FormatError([Problem(Path(path), None, f"{said}; name it with --from, one of: {kinds}")])


def _names(formats: Iterable[LabelFormat]) -> str:
    return ", ".join(entry.name for entry in formats)
