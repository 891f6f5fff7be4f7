"""Atomic writing: write a temporary file in the same folder, flush it to the disk, rename it over the old file.

And what else keeps files right: reading that waits for no pipe; locks, for commands that go on with an output, since
two of them at once would lose what one of them writes; and seals, by which a changed record is noticed.
"""

import errno
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TEMPORARY = re.compile(r"\.[0-9a-f]{8}-.+")
_OPEN_FILES = re.compile(r"/dev/(stdin|stdout|stderr|fd/\d+)|/proc/[^/]+/fd/\d+")
_ABOVE_PACKAGE = Path(__file__).resolve().parent.parent
CHECKOUT = _ABOVE_PACKAGE if (_ABOVE_PACKAGE / "pyproject.toml").is_file() else Path.cwd()
"""The folder of data/, trained_models/ and submission/: the checkout; for an installed wheel the current folder."""


@contextmanager
def atomic_path(path: Path, flush: bool = True) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path` to write to; on exit, that file replaces `path` in one step.

    flush: flush the file to the disk before the rename, so that it is complete even after a power cut. This is too slow
    for thousands of small files that can be made again.

    The temporary name ends in `path.name`, for writers that choose a format by the suffix. Any failure leaves `path` as
    it was and removes the temporary file. A link stays one: the file that it leads to is replaced. A device or a pipe
    cannot be replaced: what was written is copied into it. Raises OSError (a full disk, a missing or read-only folder)
    with the original errno and a message that names `path` and the free space.
    """
    path = Path(path)
    try:
        if is_stream(path):
            with _copied_into(path) as beside:
                yield beside
            return
        target = _behind_links(path)
        beside = target.with_name(_temporary_name(target.name))
        try:
            yield beside
            if flush:
                _flush(beside)
            beside.replace(target)
            if flush and os.name != "nt":  # Windows cannot open a folder, and its file system journals the rename
                _flush(target.parent)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        why = f"{error.strerror or error} ({_free_space(path)})"
        if Path(path).is_dir():
            why = "it is a folder; expected the name of a file"
        raise OSError(error.errno or errno.EIO, f"cannot write {path}: {why}") from error


def write_atomic(path: Path, data: bytes | str, flush: bool = True) -> None:
    """Writes `data` to `path`; text as UTF-8 with its line ends unchanged. `flush` and errors as in `atomic_path`."""
    with atomic_path(path, flush) as beside:
        beside.write_bytes(data.encode() if isinstance(data, str) else data)


def is_stream(path: Path) -> bool:
    """Whether there is a device, a pipe or a socket at the path, or a file that is already open (`/dev/stdout`): what
    can be written into, but not replaced."""
    if _OPEN_FILES.fullmatch(str(path)):
        return True
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def regular(path: Path) -> Path:
    """The path, if there is a file or nothing at it. Raises OSError, with what to do, for a pipe, a device, a socket or
    a folder: for files with names of ours, which no user makes anything else on purpose."""
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return path
    if not stat.S_ISREG(mode):
        raise _no_file(path, mode)
    return path


def open_regular(path: Path) -> io.BufferedReader:
    """Opens a file to read its bytes, and waits for nobody: a pipe that no process writes into would block for ever.

    Raises OSError where there is none, or a pipe, a device, a socket or a folder. What is already open (`/dev/stdin`,
    or `/dev/fd/63` of a process substitution) can be a pipe, since a user means it.
    """
    if _OPEN_FILES.fullmatch(str(path)):
        return Path(path).open("rb")
    mode = Path(path).stat().st_mode  # first of all: a process that writes into a pipe would notice a reader that goes
    if not stat.S_ISREG(mode):
        raise _no_file(path, mode)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _no_file(path, mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path) -> bytes:
    """The content of a file. Raises OSError as `open_regular`."""
    with open_regular(path) as stream:
        return stream.read()


def read_regular_text(path: Path) -> str:
    """The content of a file as UTF-8 text, with `\\n` as line end. Raises OSError as `open_regular`,
    UnicodeDecodeError."""
    return read_regular(path).decode("utf-8").replace("\r\n", "\n")


def _no_file(path: Path, mode: int) -> OSError:
    kinds = (
        (stat.S_ISDIR, "folder"),
        (stat.S_ISFIFO, "named pipe"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISCHR, "device"),
        (stat.S_ISBLK, "device"),
    )
    kind = next((name for test, name in kinds if test(mode)), "special file")
    number = errno.EISDIR if kind == "folder" else errno.EINVAL
    return OSError(number, f"a {kind}; expected a file: move it away, or name a file", str(path))


@contextmanager
def locked(output: Path) -> Iterator[None]:
    """Keeps other processes that lock the same output out, for as long as the block runs.

    output: the file, or the folder that is made if needed, which a command goes on with. The lock is a hidden file: in
    the folder, or beside the file. It ends with the process, however that ends; the file stays and does no harm.
    A device or a pipe needs no lock. Raises BlockingIOError, at once, where another process has the lock.
    """
    from filelock import FileLock, Timeout  # not with this module, which every command loads

    if is_stream(output):
        yield
        return
    output = _behind_links(output)
    if output.is_dir():
        lock = FileLock(output / ".lock", timeout=0)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(output.with_name(_hidden_name(output.name, ".lock")), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        reason = f"another command is writing to {output}; wait until it ends, or name another output"
        raise BlockingIOError(errno.EAGAIN, reason) from None
    try:
        yield
    finally:
        lock.release()


def sweep(folder: Path, *names: str) -> None:
    """Deletes what killed processes left of `atomic_path` and `replace_folder` in `folder`: of the files or folders
    `names`, or of all. Call it only while the output is `locked`: what another process is writing would be deleted.
    """
    ends = {_end_of(name) for name in names if name}
    for path in Path(folder).glob(".*"):
        if _TEMPORARY.fullmatch(path.name) and (not ends or path.name[10:].removesuffix(".old") in ends):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Makes `target`, and its folder, a hard link to a file, or a copy if the file system has no hard links; replaces
    what is there. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)  # of a link, the file behind it: a link moved elsewhere can lead nowhere
    except OSError:
        shutil.copyfile(source, target)


def replace_folder(out: Path, beside: Path) -> None:
    """Replaces the folder `out` with `beside`, a folder next to it, by renaming: `out` is never half written.

    A link stays one: the folder that it leads to is replaced.
    If the process is stopped between two steps, the old folder can remain under a hidden name that ends in `-NAME.old`.
    """
    out = _behind_links(out)
    if beside.parent.resolve() != out.parent:
        beside = Path(shutil.move(beside, out.with_name(_temporary_name(out.name))))
    old = out.with_name(f".{secrets.token_hex(4)}-{out.name}.old")
    if out.exists():
        out.rename(old)
    try:
        beside.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


SEAL = "record_sha256"


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record for a JSON file with its seal, the sha256 of all else in it, by which `unsealed` notices a change."""
    return {**record, SEAL: _record_digest(record)}


def unsealed(record: Any, fields: Collection[str] | None = None, older: bool = False) -> dict[str, Any]:
    """The record without its seal. Raises ValueError where it was changed since it was written, or is no record.

    fields: all that the record has, so that a change of the word for the seal is noticed as well; None: any. older: the
    record can come from a version that wrote no seals.
    """
    if not isinstance(record, dict):
        raise ValueError(f"expected an object, found {type(record).__name__}")
    rest = {name: value for name, value in record.items() if name != SEAL}
    if fields is not None and set(rest) != set(fields):
        raise ValueError(f"expected the fields {', '.join(fields)}, found {', '.join(map(str, rest)) or 'none'}")
    if SEAL not in record:
        if not older:
            raise ValueError(f"it lacks its {SEAL}")
    elif record[SEAL] != _record_digest(rest):
        raise ValueError(f"it was changed since it was written: its {SEAL} does not match")
    return rest


def claim_folder(
    folder: Path,
    manifest: str,
    facts: Mapping[str, Any],
    upgrade: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> None:
    """Makes the folder and writes `facts` to the JSON file `manifest` in it, or accepts a folder with the same facts.

    A command that is called again with the same arguments can so continue in its folder. upgrade: turns the content of
    an older manifest into today's facts. Raises FileExistsError, and changes nothing, if the folder has other facts, or
    has files but no manifest.
    """
    folder = Path(folder)
    # File managers and interrupted writes leave hidden files.
    names = sorted(path.name for path in folder.glob("[!.]*"))
    if names and manifest not in names:
        raise FileExistsError(f"{folder} holds other things ({', '.join(names[:5])}); give an empty or a new folder")
    if names:
        try:
            found = json.loads(read_regular(folder / manifest))
        except (ValueError, RecursionError) as error:
            raise FileExistsError(f"{folder / manifest} is damaged ({error}); give an empty or a new folder") from None
        if not isinstance(found, dict):
            raise FileExistsError(f"{folder / manifest} is damaged (no object); give an empty or a new folder")
        found = upgrade(found) if upgrade else found
        differing = [name for name in {**found, **facts} if found.get(name) != facts.get(name)]
        if differing:
            shown = ", ".join(f"{name} {found.get(name)}, not {facts.get(name)}" for name in differing)
            raise FileExistsError(f"{folder} was begun with {shown}; give the same, or an empty or a new folder")
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / manifest, json.dumps(dict(facts)) + "\n")


def _record_digest(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()


def _temporary_name(name: str) -> str:
    """A hidden name with the same end; of a long name without its start, since file systems take 255 bytes."""
    return f".{secrets.token_hex(4)}-{_end_of(name)}"


def _hidden_name(name: str, suffix: str) -> str:
    return f".{_end_of(name)}{suffix}"


def _end_of(name: str) -> str:
    return os.fsencode(name)[-240:].decode(errors="ignore")


def _behind_links(path: Path) -> Path:
    try:
        return Path(path).resolve()
    except RuntimeError as error:  # Python before 3.13, for a loop of links
        raise OSError(errno.ELOOP, f"{path}: a loop of links") from error


@contextmanager
def _copied_into(stream: Path) -> Iterator[Path]:
    """A temporary file, for writers that move in it; its content goes into the device or pipe at the end."""
    with tempfile.TemporaryDirectory() as folder:
        beside = Path(folder) / stream.name
        yield beside
        with beside.open("rb") as source, stream.open("wb") as target:
            shutil.copyfileobj(source, target)


def _flush(path: Path) -> None:
    # Windows flushes only files opened for writing; folders can only be opened for reading.
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
