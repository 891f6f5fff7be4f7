"""Files written whole or not at all: write beside, flush to the disk, rename over the old file."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; on leaving, that file replaces `path` in one step.

    The temporary name ends in `path.name`, for writers that judge by the suffix. Any failure leaves `path` as it was
    and removes the temporary file. An OSError (a full disk, a folder that is missing or read-only) is raised again
    with the same errno and a message that names `path` and the free space.
    """
    path = Path(path)
    beside = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        try:
            yield beside
            _flush(beside)
            beside.replace(path)
            if os.name != "nt":  # Windows cannot open a folder, and journals the rename by itself
                _flush(path.parent)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        reason = f"cannot write {path}: {error.strerror or error} ({_free_space(path)})"
        raise OSError(error.errno or errno.EIO, reason) from error


def write_atomic(path: Path, data: bytes | str) -> None:
    """Writes `data` to `path`, text as UTF-8 with its line ends kept. Errors as in `atomic_path`."""
    with atomic_path(path) as beside:
        beside.write_bytes(data.encode() if isinstance(data, str) else data)


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
