"""JingDong style lists: `id,url` and 13 cells 0 or 1, one for each of `STYLES`, in that order, without a header.

Test lists have only `id,url`, submissions `id` and the 13 cells. These are the three files of the JingDong AI Fashion
Challenge (2018). A first line that names the columns is read as a header.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...files import write_atomic
from ...records import HeadSpec
from ..label_table import LabelTable, Photos
from .challenges import STYLES
from .problems import FormatError, Problem, leave_out, read_csv_rows

STYLE_HEAD = HeadSpec("style", "independent", STYLES)

_COLUMNS = {2: "id,url", 1 + len(STYLES): "id,l0,...,l12", 2 + len(STYLES): "id,url,l0,...,l12"}
_ID_NAMES = ("id", "image_id", "item_id")
_CELLS = {"0", "1"}


@dataclass(frozen=True, slots=True, eq=False)
class StyleList:
    """The rows of one list.

    ids: N different texts. urls: N texts as in the file, None for a submission. labels: (N, 13) uint8, 0 or 1; None for
    a test list. header: whether the first line has the column names. lines: N line numbers, from 1.
    """

    ids: tuple[str, ...]
    urls: tuple[str, ...] | None
    labels: np.ndarray | None
    header: bool
    lines: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)


def read_style_list(path: Path, strict: bool = True) -> StyleList:
    """Reads a training list, a test list or a submission; the kind is known from the number of cells of most rows.

    Raises FormatError with all problems and their lines: another number of cells, a label that is not 0 or 1, an empty
    or repeated id, an empty URL. URLs are not checked further here, but when they are fetched. Without `strict` rows
    with problems are left out and counted in a warning, unless all are.
    """
    path = Path(path)
    rows = _read_rows(path)
    header = rows[0][1][0].lower() in _ID_NAMES
    widths = Counter(len(row) for _, row in rows if len(row) in _COLUMNS)
    width = len(rows[0][1]) if header or not widths else widths.most_common(1)[0][0]
    problems = []
    if width not in _COLUMNS:
        problems.append(Problem(path, rows[0][0], f"{width} cells; expected {' or '.join(_COLUMNS.values())}"))
    elif header:
        problems += _check_header(path, *rows[0])
        rows = rows[1:]
        if not rows:
            problems.append(Problem(path, None, "the file has a header, but no rows"))
    if problems:
        raise FormatError(problems)
    problems = _check_rows(path, rows, width)
    if strict and problems:
        raise FormatError(problems)
    wrong = {problem.line for problem in problems}
    rows = [(line, row) for line, row in rows if line not in wrong]
    leave_out(path, problems, len(rows), count=len(wrong))
    first_label = 1 if width == 1 + len(STYLES) else 2
    labels = None
    if width > 2:
        digits = "".join(["".join(row[first_label:]) for _, row in rows]).encode()
        labels = np.frombuffer(digits, np.uint8).reshape(len(rows), len(STYLES)) - ord("0")
    urls = tuple(row[1] for _, row in rows) if first_label == 2 else None
    lines, names = tuple(line for line, _ in rows), tuple(row[0] for _, row in rows)
    return StyleList(names, urls, labels, header, lines)


def write_style_submission(path: Path, ids: Sequence[str], labels: np.ndarray) -> None:
    """Writes rows `id,l0,...,l12` without a header, as the challenge accepts them, atomically.

    labels: (N, 13), 0 or 1 (or bool): the styles of each photo, with thresholds applied. Raises ValueError for other
    shapes or values; OSError as `write_atomic`.
    """
    labels = np.asarray(labels)
    if labels.shape != (len(ids), len(STYLES)):
        raise ValueError(f"{len(ids)} photos need labels ({len(ids)}, {len(STYLES)}); got {labels.shape}")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("a submission needs labels 0 or 1; apply the thresholds to the probabilities first")
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([name, *row] for name, row in zip(ids, labels.astype(int).tolist(), strict=True))
    write_atomic(path, text.getvalue())


def style_table(photos: Photos, labels: np.ndarray | None) -> LabelTable:
    """The table of photos with their styles; the codes are indices of the distinct rows of `labels`.

    labels: (N, 13), 0 or 1; None without labels. Raises ValueError for other shapes or values.
    """
    if labels is None:
        codes, targets = np.full((len(photos), 1), -1, np.int32), np.zeros((1, len(STYLES)), np.float32)
        return LabelTable(photos, (STYLE_HEAD,), codes, (targets,))
    labels = np.asarray(labels)
    if labels.shape != (len(photos), len(STYLES)) or not np.isin(labels, (0, 1)).all():
        raise ValueError(f"{len(photos)} photos need labels ({len(photos)}, {len(STYLES)}) of 0 and 1")
    distinct, codes = np.unique(labels, axis=0, return_inverse=True)
    return LabelTable(photos, (STYLE_HEAD,), codes.reshape(-1, 1).astype(np.int32), (distinct.astype(np.float32),))


Rows = list[tuple[int, list[str]]]
"""(line number, cells without surrounding spaces) of every row."""


def _read_rows(path: Path) -> Rows:
    rows = [(line, [cell.strip() for cell in row]) for line, row in read_csv_rows(path)]
    if not rows:
        raise FormatError([Problem(path, None, f"the file is empty; expected {' or '.join(_COLUMNS.values())}")])
    return rows


def _check_header(path: Path, line: int, names: list[str]) -> list[Problem]:
    """Problems of a header: it must name the labels l0 to l12 or by the styles, in the official order."""
    rest = [name.lower() for name in names[1:]]
    labels = rest[1:] if rest[0] == "url" else rest
    valid = ([], [f"l{i}" for i in range(len(STYLES))], [style.lower() for style in STYLES])
    if labels in valid:
        return []
    expected = f"{_COLUMNS[len(names)]} or the names of the styles in the order {', '.join(STYLES)}"
    return [Problem(path, line, f"unknown columns {','.join(names)}; expected {expected}")]


def _check_rows(path: Path, rows: Rows, width: int) -> list[Problem]:
    problems, first = [], {}
    first_label = 1 if width == 1 + len(STYLES) else 2
    for line, row in rows:
        name = row[0]
        if len(row) != width:
            problems.append(Problem(path, line, f"{len(row)} cells; expected {width}: {_COLUMNS[width]}"))
        elif not _CELLS.issuperset(row[first_label:]):
            column = next(i for i in range(first_label, width) if row[i] not in _CELLS)
            reason = (
                f"label l{column - first_label} ({STYLES[column - first_label]}) is {row[column]!r}; expected 0 or 1"
            )
            problems.append(Problem(path, line, reason))
        elif first_label == 2 and not row[1]:
            problems.append(Problem(path, line, "the URL is empty"))
        if not name or not name.isprintable():
            problems.append(Problem(path, line, f"id {name!r}: it is empty or has a control character"))
        elif first.setdefault(name, line) != line:
            problems.append(Problem(path, line, f"id {name!r} again; first on line {first[name]}"))
    return problems
