"""Folders searched through links, and names of files that are no text."""

import logging
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)
_told: set[str] = set()
"""Folders of which the log has said that links lead out of them."""
_told_backslash: set[str] = set()
"""Folders of which the log has said that names have backslashes."""


def walk(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """`os.walk` that goes through linked folders as well, and into every folder once, so that loops of links end.

    Folders are in the order of their names; whoever shortens the list of them keeps the walk out of the others. A link
    is left out if it leads to where the walk comes by itself. Links that are followed are told in the log, as are
    folders that cannot be opened.
    """
    real_top, seen = os.path.realpath(top), {_identity(os.fspath(top))}

    def told(error: OSError) -> None:
        log.warning(f"{error.filename}: {error.strerror}; what is in this folder is left out")

    for folder, children, names in os.walk(top, onerror=told, followlinks=True):
        kept = []
        for child in sorted(children):
            path = os.path.join(folder, child)  # noqa: PTH118 (a hundred thousand Paths are slow)
            linked = os.path.islink(path)  # noqa: PTH114
            if linked and _is_within(os.path.realpath(path), real_top):
                continue
            identity = _identity(path)
            if identity in seen:
                continue
            seen.add(identity)
            if linked:
                tell_link(os.fspath(top), path)
            kept.append(child)
        children[:] = kept
        yield folder, children, names


def is_plain(name: str) -> bool:
    """Whether a name has printable characters and spaces alone. Spaces can be of any width: macOS puts a narrow one
    (U+202F) into the names of screenshots, which Python does not call printable."""
    return name.isprintable() or all(c.isprintable() or unicodedata.category(c) == "Zs" for c in name)


def tell_link(folder: str, path: str) -> None:
    """Notes in the log, once a folder, that files in it lie elsewhere through a link on the way to `path`."""
    if folder not in _told:
        _told.add(folder)
        log.info(f"{folder}: links lead out of it and are followed, such as {path} -> {os.path.realpath(path)}")


def tell_backslash(folder: str, name: str) -> None:
    """Notes in the log, once a folder, that a name in Windows' form means the photo that is there."""
    if folder not in _told_backslash:
        _told_backslash.add(folder)
        log.info(
            f"{folder}: \\ in names of photos is read as /, as Windows writes it, such as {name}: the photo is there"
        )


def readable_name(text: str) -> str:
    """The text with bytes of a file name that are no UTF-8 as `\\xe9`, so that it can be written to files."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half of a pair of UTF-16, as Windows allows in names
        return text.encode("utf-8", "backslashreplace").decode()


def raw_name(text: str) -> str:
    """The file name that `readable_name` was given; what a file is called by the system."""
    data = text.encode("utf-8", "surrogateescape")
    data = re.sub(rb"\\x([89a-f][0-9a-f])", lambda byte: bytes.fromhex(byte[1].decode()), data)
    return data.decode("utf-8", "surrogateescape")


def _identity(folder: str) -> tuple[int, int] | str:
    try:
        state = os.stat(folder)  # noqa: PTH116
    except OSError:
        return folder
    return state.st_dev, state.st_ino


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
