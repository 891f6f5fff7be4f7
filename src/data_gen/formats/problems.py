"""Problems in data files, the error that reports them, and the bounded reading that all formats share."""

import csv
import io
import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ...files import open_regular

log = logging.getLogger(__name__)

LARGEST_FILE, LARGEST_JSON = 2 << 30, 1 << 30
"""Bytes of a list, about 30 million rows of a catalogue; and of a JSON file, four times COCO's own keypoint file."""
_SHOWN = 10  # problems in the message of one error
_SHOWN_AS_WARNING = 3
_HEAD = 1 << 16  # bytes that tell what kind of JSON a file is
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|[{}\[\]:]')
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a data file. line: from 1, with the header; None if it concerns the whole file."""

    path: Path
    line: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.path}{'' if self.line is None else f':{self.line}'}: {self.message}"


class FormatError(ValueError):
    """A data file with problems. The message has the first of them, `problems` all."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = _first(self.problems, _SHOWN)
        super().__init__(lines[0] if len(lines) == 1 else "\n  ".join([f"{len(self.problems)} problems:", *lines]))


def leave_out(path: Path, problems: Sequence[Problem], kept: int, what: str = "rows", count: int | None = None) -> None:
    """Reports what of a file is left out, with the first reasons, as a warning.

    kept: how many of `what` are sound. count: how many are not, where that differs from the number of problems. Raises
    FormatError where none is sound: then the whole file is wrong.
    """
    if not problems:
        return
    if not kept:
        raise FormatError(problems)
    lines = [f"{path}: left out {len(problems) if count is None else count:,} {what} with problems, {kept:,} are used"]
    log.warning("\n  ".join([*lines, *_first(problems, _SHOWN_AS_WARNING)]))


def read_bytes(path: Path, most: int = LARGEST_FILE) -> bytes:
    """The content of a list. Raises FormatError for a file above `most` bytes or one that is compressed; OSError, for
    what is no file as well: see `files.open_regular`."""
    with open_regular(path) as stream:
        size = stream.seek(0, io.SEEK_END) if stream.seekable() else 0
        if size:
            stream.seek(0)
        if size > most:
            raise FormatError([Problem(path, None, _too_large(size, most))])
        data = stream.read(size) if size else _read_pipe(stream, path, most)
    _check_unpacked(path, data)
    return data


def read_chunks(path: Path, most: int = LARGEST_FILE) -> Iterator[bytes]:
    """The content of a file that is too large to be held, in pieces of up to 1 MiB. Raises as `read_bytes`."""
    with open_regular(path) as stream:
        size = 0
        while part := stream.read(1 << 20):
            if not size:
                _check_unpacked(path, part)
            size += len(part)
            if size > most:
                raise FormatError([Problem(path, None, _too_large(size, most))])
            yield part


def read_text(path: Path) -> str:
    """The text of a list, without a byte order mark. Raises FormatError as `read_bytes`, and where it is not UTF-8."""
    data = read_bytes(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError([not_utf8(path, data, error)]) from None


def not_utf8(path: Path, data: bytes, error: UnicodeDecodeError) -> Problem:
    """With the line, and with the encoding where the first bytes name it."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem(path, None, "not UTF-8 text, but UTF-16: save it as UTF-8")
    line = data.count(b"\n", 0, error.start) + 1
    return Problem(path, line, f"not UTF-8 text: {error.reason} at byte {error.start} of the file; save it as UTF-8")


def read_csv_rows(path: Path, delimiters: str = ",") -> list[tuple[int, list[str]]]:
    """(line number, cells) of all rows that are not blank. Raises FormatError as `read_text`, and for a broken CSV.

    delimiters: of several the one that the first line has most often separates the cells.
    """
    text = read_text(path)
    first = text.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(delimiters, key=first.count), strict=True)
    try:
        return [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise FormatError([Problem(path, reader.line_num, f"not a CSV: {error}")]) from None


def read_json(path: Path, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The content of a JSON file. hook: what becomes of each object in it; by default it stays as it is.

    Raises FormatError as `read_bytes`, and for what is not JSON or nested too deeply.
    """
    data = read_bytes(path, LARGEST_JSON)
    try:
        return json.loads(data, object_hook=hook)
    except RecursionError:
        raise FormatError([Problem(path, None, "nested too deeply for a data file")]) from None
    except UnicodeDecodeError as error:
        raise FormatError([not_utf8(path, data, error)]) from None
    except ValueError as error:  # also numbers of thousands of digits
        raise FormatError([Problem(path, getattr(error, "lineno", None), f"not JSON: {error}")]) from None


def first_keys(path: Path) -> set[str]:
    """Names in the object that a JSON file is, as far as its first bytes have them; none for anything else."""
    try:
        with open_regular(path) as stream:
            text = stream.read(_HEAD).decode("utf-8-sig", "ignore")
    except OSError:
        return set()
    if not text.lstrip().startswith("{"):
        return set()
    keys, depth, last = set(), 0, ""
    for token in _TOKEN.finditer(text):
        if token[1] is not None:
            last = token[1]
        elif token[0] == ":":
            keys.update([last] if depth == 1 else [])
        else:
            depth += 1 if token[0] in "{[" else -1
    return keys


def _first(problems: Sequence[Problem], shown: int) -> list[str]:
    more = len(problems) - shown
    return [str(problem) for problem in problems[:shown]] + ([f"... and {more:,} more"] if more > 0 else [])


def _check_unpacked(path: Path, data: bytes) -> None:
    packed = next((name for start, name in _PACKED.items() if data.startswith(start)), None)
    if packed:
        raise FormatError([Problem(path, None, f"the file is compressed ({packed}); unpack it first")])


def _read_pipe(stream: BinaryIO, path: Path, most: int) -> bytes:
    parts, size = [], 0
    while part := stream.read(1 << 20):
        parts.append(part)
        size += len(part)
        if size > most:
            raise FormatError([Problem(path, None, _too_large(size, most))])
    return b"".join(parts)


def _too_large(size: int, most: int) -> str:
    return f"{size / 1e9:.1f} GB or more; a list can have {most / 1e9:.1f} GB: divide it"
