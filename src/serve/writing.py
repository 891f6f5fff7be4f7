"""The folder of an export takes the place of an earlier one whole, or not at all."""

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..files import locked, replace_folder, sweep
from .artifact import check_replaceable

PACKAGES = ("aifashion", "keras", "tensorflow", "openvino", "nncf", "onnx", "tf2onnx", "onnxruntime")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ROOM = 1 << 20
"""Bytes; a disk with less is full."""


@contextmanager
def artifact_folder(out: Path) -> Iterator[Path]:
    """Yields a folder to write into, which then replaces `out`; where the block raises, `out` is as it was.

    Raises FileExistsError where `out` is something else than an artifact, BlockingIOError where another process is
    exporting to it, OSError on a full disk. What killed exports left beside `out` is deleted.
    """
    out = Path(out).resolve()  # a link stays one
    check_replaceable(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    # The folder itself is replaced, so that a lock in it would be another one afterwards.
    with locked(out.with_name(f"{out.name}.export")):
        sweep(out.parent, out.name)
        beside = out.with_name(f".{secrets.token_hex(4)}-{out.name}")
        beside.mkdir()
        try:
            with _full_disk_named(out):
                yield beside
                _flush(beside)
                replace_folder(out, beside)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def _full_disk_named(out: Path) -> Iterator[None]:
    """Turns whatever a library raises on a full disk into an OSError that says so.

    Some of them ignore that a write failed, and stumble over what they wrote later.
    """
    try:
        yield
    except Exception as error:
        for folder in (out.parent, Path(tempfile.gettempdir())):
            free = shutil.disk_usage(folder).free
            code = error.errno if isinstance(error, OSError) and error.errno in _FULL else errno.ENOSPC
            if free < _ROOM or (isinstance(error, OSError) and error.errno in _FULL):
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise OSError(
                    code, f"cannot write {out}: {folder} has {free / 1e6:.1f} MB free ({reason}); nothing was replaced"
                ) from error
        raise


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())


def versions() -> dict[str, str]:
    """Of the packages that make artifacts, those that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
