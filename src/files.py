"""Files written whole or not at all: write beside, flush to the disk, rename over the old file."""

import errno
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ABOVE_PACKAGE = Path(__file__).resolve().parent.parent
CHECKOUT = _ABOVE_PACKAGE if (_ABOVE_PACKAGE / "pyproject.toml").is_file() else Path.cwd()
"""The folder of data/, trained_models/ and submission/: the checkout, or for an installed wheel the current folder."""


@contextmanager
def atomic_path(path: Path, flush: bool = True) -> Iterator[Path]:
    """Yields a path beside `path` to write to; on leaving, that file replaces `path` in one step.

    flush: first to the disk, so that it is whole even after a power cut; for thousands of small files that can be made
    again this takes too long.

    The temporary name ends in `path.name`, for writers that judge by the suffix. Any failure leaves `path` as it was
    and removes the temporary file. An OSError (a full disk, a folder that is missing or read-only) is raised again
    with the same errno and a message that names `path` and the free space.
    """
    path = Path(path)
    beside = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        try:
            yield beside
            if flush:
                _flush(beside)
            beside.replace(path)
            if flush and os.name != "nt":  # Windows cannot open a folder, and journals the rename by itself
                _flush(path.parent)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        reason = f"cannot write {path}: {error.strerror or error} ({_free_space(path)})"
        raise OSError(error.errno or errno.EIO, reason) from error


def write_atomic(path: Path, data: bytes | str, flush: bool = True) -> None:
    """Writes `data` to `path`, text as UTF-8 with its line ends kept. `flush` and errors as in `atomic_path`."""
    with atomic_path(path, flush) as beside:
        beside.write_bytes(data.encode() if isinstance(data, str) else data)


def replace_folder(out: Path, beside: Path) -> None:
    """`beside`, a folder next to `out`, takes its name by renaming: `out` is never half of one.

    Stopped between two of its steps, it may leave the old folder under a hidden name that ends in `-NAME.old`.
    """
    old = out.with_name(f".{secrets.token_hex(4)}-{out.name}.old")
    if out.exists():
        out.rename(old)
    beside.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def claim_folder(
    folder: Path,
    manifest: str,
    facts: Mapping[str, Any],
    upgrade: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> None:
    """Makes the folder with the JSON file `manifest`, which says what it is for, or finds the same facts there.

    upgrade: what an older manifest means in today's facts. So a command that is called again goes on, and one that was
    called with other options, or with a folder of something else, changes nothing: raises FileExistsError.
    """
    folder = Path(folder)
    # Hidden files are left by file managers, and by writing that was cut short.
    names = sorted(path.name for path in folder.glob("[!.]*"))
    if names and manifest not in names:
        raise FileExistsError(f"{folder} holds other things ({', '.join(names[:5])}); give an empty or a new folder")
    if names:
        found = json.loads((folder / manifest).read_text(encoding="utf-8"))
        found = upgrade(found) if upgrade else found
        differing = [name for name in {**found, **facts} if found.get(name) != facts.get(name)]
        if differing:
            shown = ", ".join(f"{name} {found.get(name)}, not {facts.get(name)}" for name in differing)
            raise FileExistsError(f"{folder} was begun with {shown}; give the same, or an empty or a new folder")
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / manifest, json.dumps(dict(facts)) + "\n")


def _flush(path: Path) -> None:
    # Windows flushes only files opened for writing; a folder can only be opened for reading.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _free_space(path: Path) -> str:
    folder = next((parent for parent in path.absolute().parents if parent.is_dir()), None)
    if folder is None:
        return "no such drive"
    missing = "" if folder == path.absolute().parent else f"the folder {path.parent} does not exist, "
    return f"{missing}{shutil.disk_usage(folder).free / 1e9:.1f} GB free"
