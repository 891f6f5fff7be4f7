"""Lists of photos: text files with a path on each line, or in a column of a table.

The separator, the column and the header are detected: paths of existing photos count most, then names of columns and
suffixes of photos. A list that cannot be read with certainty is refused, with file and line.
"""

import csv
import io
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data_gen.formats.problems import FormatError, Problem
from ..files import read_regular
from ..paths import raw_name
from .photos import SUFFIXES, UNREADABLE

log = logging.getLogger(__name__)
LIST_SUFFIXES = (".csv", ".tsv", ".txt", ".lst", ".list")
"""Suffixes of files that are lists of photos."""
COLUMNS = ("photo", "path", "file", "filename", "image", "image_path", "image_id", "picture", "img", "id")
"""Names of the column with the paths, the most probable first; _, spaces and capitals are ignored."""
_SAMPLE = 200  # number of rows for detecting the separator and the column
_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}
_KNOWN = {name.replace("_", ""): rank for rank, name in enumerate(COLUMNS)} | {
    name: len(COLUMNS)
    for name in ("photopath", "filepath", "imagefile", "imagename", "photos", "images", "files", "paths", "photofile")
}
_ENDINGS = SUFFIXES | UNREADABLE
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SUSPECT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_BYTES = re.compile("[\udc80-\udcff]")
"""Bytes that are not UTF-8, in a text that was read with surrogates."""
_HEADER_CELL = re.compile(r"[^\W\d][\w .()/-]{0,63}")
_PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "a ZIP archive or an Excel file", b"PAR1": "Parquet", b"BZh": "bzip2"}


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read the list. score: how well it fits. error: why this way fails."""

    separator: str
    rows: list[_Row]
    column: int = 0
    header: bool = False
    score: tuple[int, int, int] = (0, 0, 0)
    error: Problem | None = None


def read_photo_list(path: Path) -> list[str]:
    """The paths of the photos of a list, in its order, relative to the folder of the list.

    A path can be written as in the tables of `aifashion predict`, `\\xe9` for a byte that is no UTF-8. Rows without a
    path are counted in a warning. Raises OSError if the file cannot be read, and FormatError, with file and line, for a
    list without photos and for one that cannot be read with certainty: another encoding than UTF-8 or UTF-16, an open
    quote, a control character, several columns none of which holds paths, a row with too many cells, a URL.
    """
    path = Path(path)
    text = _text(path)
    reading = _best(path, text)
    if reading.error is not None:
        raise FormatError([reading.error])
    rows = reading.rows[1:] if reading.header else reading.rows
    names, empty = [], []
    problems = []
    if _BYTES.search(text):
        problems = [Problem(path, row.line, reason) for row in reading.rows if (reason := _encoding(path.parent, row))]
    width = max(len(reading.rows[0].cells), reading.column + 1) if reading.rows else 1
    wrong = {problem.line for problem in problems}
    for row in rows:
        if row.line in wrong:
            continue
        cell = row.cells[reading.column] if reading.column < len(row.cells) else ""
        reason = _problem(path.parent, row, cell, width)
        if reason:
            problems.append(Problem(path, row.line, reason))
        elif not cell.strip():
            empty.append(row.line)
        else:
            names.append(_file(path.parent, cell))
    if problems:
        raise FormatError(sorted(problems, key=lambda problem: problem.line or 0))
    if not names:
        raise FormatError([Problem(path, None, "the file lists no photos")])
    if empty:
        log.warning(f"{path}: {len(empty)} rows without a path are left out, the first on line {empty[0]}")
    if width > 1:
        called = f", called {reading.rows[0].cells[reading.column]!r}" if reading.header else ""
        named = [_KNOWN.get(re.sub(r"[\W_]", "", cell).lower()) for cell in reading.rows[0].cells]
        likely = [column for column, rank in enumerate(named) if rank is not None and reading.header]
        where = f"{path}: paths of photos in column {reading.column + 1} of {width}{called}"
        if likely and reading.column not in likely:
            log.warning(f"{where}; those of column {likely[0] + 1} lead nowhere")
        else:
            log.info(where)
        others = _other_columns(path.parent, rows[:_SAMPLE], reading.column)
        if others:
            log.warning(
                f"{path}: column {', '.join(map(str, others))} has paths of photos as well, which are left out: one "
                "photo a row is read; make a list of one column for all of them"
            )
    return names


def _other_columns(folder: Path, rows: Sequence[_Row], column: int) -> list[int]:
    """The numbers, from 1, of further columns whose cells lead to files that look like photos."""
    width = max((len(row.cells) for row in rows), default=0)
    return [
        other + 1
        for other in range(width)
        if other != column
        and any(
            other < len(row.cells) and _looks_like_photo(row.cells[other]) and _is_there(folder, row.cells[other])
            for row in rows
        )
    ]


def _text(path: Path) -> str:
    """The text of the file; bytes that are not UTF-8 become surrogates, since file names can have them."""
    data = read_regular(path)
    for start, kind in _PACKED.items():
        if data.startswith(start):
            raise FormatError(
                [Problem(path, None, f"this is {kind}, not text; expected a list of paths as plain text")]
            )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise FormatError([Problem(path, None, f"not UTF-16 text: {error.reason}")]) from None
    else:
        text = data.decode("utf-8-sig", errors="surrogateescape")
    # Old Macs ended lines with only \r.
    if "\n" not in text:
        text = text.replace("\r", "\n")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise FormatError([Problem(path, line, "a NUL character; expected a list of paths as plain text")])
    return text


def _best(path: Path, text: str) -> _Reading:
    """The reading with the best score, the first of equal ones. One with an error is used only if all have one."""
    kinds = list(_SEPARATORS)
    suffix = path.suffix.lower()
    if suffix == ".tsv":
        kinds = ["tab", "comma", "semicolon"]
    kinds = [*kinds, "line"] if suffix in (".csv", ".tsv") else ["line", *kinds, "label"]
    quoted = re.search(r'(?:^|[,;\t])[ ]*"', text, re.MULTILINE)
    if quoted and suffix in (".csv", ".tsv"):
        kinds.remove("line")
    readings = [_reading(path, text, kind) for kind in kinds]
    sound = [reading for reading in readings if reading.error is None]
    best = max(sound, key=lambda reading: reading.score) if sound else readings[0]
    # Nothing in it looks like a photo, and it has separators: probably another kind of table.
    several = [reading for reading in readings if reading.error is not None and reading.rows]
    return several[0] if several and not any(best.score) else best


def _reading(path: Path, text: str, kind: str) -> _Reading:
    try:
        rows = list(_rows(text, kind))
    except csv.Error as error:
        return _Reading(kind, [], error=Problem(path, _error_line(text, kind), f"not a CSV: {error}"))
    if not rows:
        return _Reading(kind, [], error=Problem(path, None, "the file lists no photos"))
    first, sample = rows[0].cells, rows[:_SAMPLE]
    named = [_KNOWN.get(re.sub(r"[\W_]", "", cell).lower()) for cell in first]
    folder, best = path.parent, None
    for column in range(max(len(row.cells) for row in sample)):
        cells = [row.cells[column] for row in sample if column < len(row.cells)]
        there = [_is_there(folder, cell) for cell in cells]
        known = named[column] if column < len(named) and not there[0] else None
        rest = cells[1:] if known is not None else cells
        like = sum(_looks_like_photo(cell) for cell in rest)
        score = (sum(there), like, 0 if known is None else len(COLUMNS) + 1 - known)
        if best is None or score > best[0]:
            best = score, column, known is not None
    assert best is not None
    score, column, header = best
    several = len(first) > 1
    if several and not header and not any(score):
        reason = (
            f"none of the {len(first)} columns holds paths of photos; call the one that does photo, in a first line"
        )
        return _Reading(kind, rows, score=score, error=Problem(path, rows[0].line, reason))
    if several and not header and column < len(first):
        cell = first[column]
        photo = _is_there(folder, cell) or _looks_like_photo(cell)
        # A header with other words: only names, above a column of existing photos.
        header = not photo and score[0] > 0 and all(_HEADER_CELL.fullmatch(c.strip()) for c in first if c.strip())
    return _Reading(kind, rows, column, header, score)


def _rows(text: str, kind: str) -> Iterator[_Row]:
    """The rows that are not blank. Raises csv.Error."""
    if kind in _SEPARATORS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_SEPARATORS[kind], strict=True)
        start = 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _Row(start, cells)
            start = reader.line_num + 1
        return
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if line.strip():
            yield _Row(number, line.rsplit(" ", 1) if kind == "label" and " " in line.strip() else [line])


def _error_line(text: str, kind: str) -> int:
    """The row where the invalid CSV begins: an open quote is noticed only at the end of the file."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_SEPARATORS[kind], strict=True)
    start = 1
    try:
        for _ in reader:
            start = reader.line_num + 1
    except csv.Error:
        pass
    return start


def _problem(folder: Path, row: _Row, cell: str, width: int) -> str | None:
    more = [text for text in row.cells[width:] if text.strip()]
    if more and cell.strip():
        return f"{len(row.cells)} cells; expected {width} as in the first line: quote paths with separators in them"
    name = cell.strip()
    if not _SUSPECT.search(name) or _is_there(folder, cell):
        return (
            f"{name!r} is a URL; expected the path of a file: download the photos first" if _URL.match(name) else None
        )
    return f"{_shown(name)} has a line end or another control character, and there is no such file"


def _encoding(folder: Path, row: _Row) -> str | None:
    """Why the row has another encoding, in any of its columns; file names can have any bytes."""
    for cell in row.cells:
        if _BYTES.search(cell) and not _is_there(folder, cell):
            return f"{_shown(cell.strip())} is not UTF-8 text, and there is no such file; save the list as UTF-8"
    return None


def _shown(name: str) -> str:
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text if text.isprintable() else repr(text)


def _candidates(cell: str) -> Iterator[str]:
    """Possible meanings of the cell; the first that exists counts, else the text without surrounding spaces."""
    name = cell.strip()
    yield name
    if cell != name:
        yield cell
    if "\\" in name:
        yield raw_name(name)
        yield name.replace("\\", "/")


def _existing(folder: Path, cell: str) -> str | None:
    for name in _candidates(cell):
        try:
            if name and (folder / name).is_file():
                return name
        except (OSError, ValueError):
            continue
    return None


def _is_there(folder: Path, cell: str) -> bool:
    return _existing(folder, cell) is not None


def _file(folder: Path, cell: str) -> str:
    name = cell.strip()
    # The usual characters are skipped: a list can have a hundred thousand rows.
    if cell != name or "\\" in name:
        name = _existing(folder, cell) or name
    return str(folder / name)


def _looks_like_photo(cell: str) -> bool:
    return Path(cell.strip()).suffix.lower() in _ENDINGS
