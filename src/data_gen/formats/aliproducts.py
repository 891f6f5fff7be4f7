"""Catalogues of products in the layout of AliProducts (Alibaba, CVPR 2020): `train.txt` and `val.txt`, a photo a line.

A line is `path label`. The label is the part after the last space, a class number from 0; the path can contain spaces
and is relative to the folder of the list. Lists of test photos have only the path. A list can have millions of lines,
so all lines are processed as Arrow columns, never one by one.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...files import write_atomic
from ...records import HeadSpec
from ..images import image_id_problem
from ..label_table import LabelTable, PhotoFiles, TextColumn
from .problems import FormatError, Problem, leave_out, not_utf8, read_bytes

HEAD = "product"
TRAIN, VAL = "train.txt", "val.txt"
LAYOUT = f"""expected
  {TRAIN} and {VAL}: lines `path label`, with classes numbered from 0 and paths relative to the folder of the list"""

_MAX_CLASSES = 1_000_000  # if counted from the labels; larger labels are probably not class numbers
_MAX_PROBLEMS = 1000  # kept of one kind, for long lists of another format
_SHOWN = 10  # class numbers named in a warning
_MAX_DIGITS = 9  # of a label, so that it fits int32
# Texts that `image_id_problem` could refuse; it decides, and gives the reason.
_SUSPECT = r"^\s*$|^[./]+$|^/|\\|\.\.|:"


class _Rows(NamedTuple):
    """texts: N lines without trailing white space, blank ones left out. lines: (N,) int line numbers from 1."""

    texts: pa.LargeStringArray
    lines: np.ndarray


class _Labelled(NamedTuple):
    path: Path
    names: pa.LargeStringArray
    labels: np.ndarray
    lines: np.ndarray


def find_product_lists(data: Path) -> list[Path]:
    """The lists of photos to train and validate on. Raises FileNotFoundError, with the layout, if one is missing."""
    paths = [Path(data) / name for name in (TRAIN, VAL)]
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"no {path.name} in {data}; {LAYOUT}")
    return paths


def read_product_lists(
    data: Path,
    classes: int | None = None,
    class_names: Path | None = None,
    warn: Callable[[str], None] = lambda text: None,
    strict: bool = False,
) -> tuple[LabelTable, LabelTable]:
    """The training and the validation photos, with the same exclusive head. The photo files need not exist yet.

    Left out and counted in a warning are lines without a label, with a label that is no class, with a path that leads
    out of the folder, and all lines of a photo but the first.

    Args:
        data: the folder of `train.txt` and `val.txt`.
        classes: the number of classes; by default that of `class_names`, otherwise the largest label + 1.
        class_names: a file with one class name per line, in the order of the labels; by default the class numbers.
        warn: called with each warning: classes without a training photo, photos in both lists.
        strict: raise FormatError instead of leaving lines out.

    Raises:
        FileNotFoundError: one of the lists is missing.
        ValueError: `classes` below 1 or above a million.
        FormatError: a list without a sound line; or numbers of names and classes that differ.
    """
    paths = find_product_lists(data)
    if classes is not None and not 1 <= classes <= _MAX_CLASSES:
        raise ValueError(f"{classes:,} classes; expected 1 to {_MAX_CLASSES:,}")
    names = None if class_names is None else read_class_names(class_names)
    if names is not None and classes not in (None, len(names)):
        raise FormatError(
            [Problem(Path(str(class_names)), None, f"{len(names)} names; expected one for each of {classes} classes")]
        )
    limit = classes if names is None else len(names)
    lists = [_read_labelled(path, limit, strict) for path in paths]
    head = HeadSpec(
        HEAD,
        "exclusive",
        names or tuple(map(str, range(limit or 1 + max(int(listed.labels.max()) for listed in lists)))),
    )
    train, val = (
        LabelTable(PhotoFiles(Path(data), TextColumn(listed.names)), (head,), listed.labels[:, None], (None,))
        for listed in lists
    )
    _warn_of_gaps(paths[0], train.counts(0), warn)
    shared = pc.sum(pc.is_in(lists[0].names, value_set=lists[1].names)).as_py()
    if shared:
        warn(f"{paths[0]}: {shared:,} photos are also in {paths[1]}")
    return train, val


def read_product_test(path: Path, root: Path | None = None, strict: bool = False) -> PhotoFiles:
    """The photos of a list without labels, in its order. root: the folder of the paths, by default that of the list.

    A path that leads out of the folder, or that comes again, is left out and counted in a warning. Raises FormatError
    where no line is sound, with `strict` where one is not; OSError if the list cannot be read.
    """
    texts, lines = _read_lines(Path(path))
    wrong, problems = _wrong_names(Path(path), texts, lines)
    if strict and problems:
        raise FormatError(problems)
    leave_out(Path(path), problems, int((~wrong).sum()), "lines", int(wrong.sum()))
    texts = texts.filter(pa.array(~wrong)) if problems else texts
    return PhotoFiles(Path(path).parent if root is None else Path(root), TextColumn(texts))


def read_product_labels(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Paths, labels (N,) int32 and line numbers (N,) of a list of lines `path label`: of photos, or a submission.

    Raises FormatError for a line that `read_product_lists` would leave out, OSError if the list cannot be read.
    """
    listed = _read_labelled(Path(path), None, strict=True)
    return listed.names.to_pylist(), listed.labels, listed.lines


def read_class_names(path: Path) -> tuple[str, ...]:
    """The names of the classes, one per line, class 0 first.

    Raises FormatError for a blank line, a repeated name, a control character, or more than a million names.
    """
    texts, lines = _read_lines(Path(path))
    if len(texts) > _MAX_CLASSES:
        reason = f"{len(texts):,} names; at most {_MAX_CLASSES:,} classes are possible"
        raise FormatError([Problem(Path(path), None, reason)])
    _, again = _again(Path(path), texts, lines, "class name")
    hidden = [row for row, name in enumerate(texts.to_pylist()) if not name.isprintable()]
    again += _problems(Path(path), lines, hidden, lambda row: f"{texts[row].as_py()!r} has a control character")
    if len(lines) != lines[-1]:
        gap = int(np.flatnonzero(lines != np.arange(1, len(lines) + 1))[0]) + 1
        again.append(Problem(Path(path), gap, "blank line; expected the name of a class"))
    if again:
        raise FormatError(again)
    return tuple(texts.to_pylist())


def write_product_submission(path: Path, names: Sequence[str], labels: np.ndarray) -> None:
    """Writes a line `path label` for each photo of `names`, in their order, atomically.

    labels: (N,) int. Raises ValueError for another number of labels or a label that is no class, OSError as
    `write_atomic`.
    """
    labels = np.asarray(labels)
    if labels.shape != (len(names),) or not np.issubdtype(labels.dtype, np.integer) or (labels < 0).any():
        raise ValueError(
            f"{len(names)} photos need {len(names)} labels, whole numbers from 0; got shape {labels.shape}, "
            f"{labels.dtype}, minimum {labels.min(initial=0)}"
        )
    write_atomic(path, "".join(f"{name} {label}\n" for name, label in zip(names, labels.tolist(), strict=True)))


def _read_lines(path: Path) -> _Rows:
    """Raises FormatError for a file that is empty or not UTF-8."""
    data = read_bytes(path)
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    bounds = np.concatenate([[start], ends, [len(data)] if not data.endswith(b"\n") else []]).astype(np.int64)
    texts = pa.LargeStringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), pa.py_buffer(data))
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        _refuse_encoding(path, data)
    texts = pc.ascii_rtrim_whitespace(texts)
    lines = np.arange(1, len(texts) + 1)
    filled = pc.not_equal(texts, "")
    if not pc.all(filled).as_py():
        texts, lines = texts.filter(filled), lines[filled.to_numpy(zero_copy_only=False)]
    if not len(texts):
        raise FormatError([Problem(path, None, "the list is empty")])
    return _Rows(texts, lines)


def _refuse_encoding(path: Path, data: bytes) -> NoReturn:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise FormatError([not_utf8(path, data, error)]) from None
    raise FormatError([Problem(path, None, "not UTF-8 text")])


def _read_labelled(path: Path, classes: int | None, strict: bool) -> _Labelled:
    """The rows of a list `path label`; those with problems are left out, or with `strict` raised as FormatError."""
    names, texts, lines, problems = _split_lines(path)
    unlabelled = len(problems)
    digits = pc.and_(pc.ascii_is_decimal(texts), pc.less_equal(pc.binary_length(texts), _MAX_DIGITS))
    whole = digits.to_numpy(zero_copy_only=False)
    labels = pc.if_else(digits, texts, "0").cast(pa.int32()).to_numpy()
    last = " or above" if classes is None else f"..{classes - 1}"

    def not_a_class(row: int) -> str:
        if classes is None and whole[row]:
            return f"label {labels[row]} would make {labels[row] + 1:,} classes; number them from 0"
        return f"label {texts[row].as_py()!r}; expected a class, a whole number 0{last}"

    outside = ~whole | (labels >= (classes or _MAX_CLASSES))
    problems += _problems(path, lines, np.flatnonzero(outside), not_a_class)
    wrong, found = _wrong_names(path, names, lines)
    problems += found
    if problems:
        problems = sorted(problems, key=lambda problem: problem.line or math.inf)
        if strict:
            raise FormatError(problems)
        kept = ~(outside | wrong)
        leave_out(path, problems, int(kept.sum()), "lines", unlabelled + int((~kept).sum()))
        names, labels, lines = names.filter(pa.array(kept)), labels[kept], lines[kept]
    return _Labelled(path, names, labels, lines)


def _split_lines(path: Path) -> tuple[pa.LargeStringArray, pa.LargeStringArray, np.ndarray, list[Problem]]:
    """Paths, labels as texts and line numbers of the rows that have both; and the problems of the other rows."""
    texts, lines = _read_lines(path)
    parts = pc.ascii_split_whitespace(texts, max_splits=1, reverse=True)
    both = pc.equal(pc.list_value_length(parts), 2)
    problems = []
    if not pc.all(both).as_py():
        mask = both.to_numpy(zero_copy_only=False)

        def no_label(row: int) -> str:
            return f"{texts[row].as_py()!r} has no label; expected `path label`"

        problems = _problems(path, lines, np.flatnonzero(~mask), no_label)
        parts, lines = parts.filter(both), lines[mask]
    return pc.list_element(parts, 0), pc.list_element(parts, 1), lines, problems


def _wrong_names(path: Path, names: pa.LargeStringArray, lines: np.ndarray) -> tuple[np.ndarray, list[Problem]]:
    """(N,) bool: paths that lead out of the folder or were there before; and the problems of these rows."""
    suspect = pc.match_substring_regex(names, _SUSPECT).to_numpy(zero_copy_only=False)
    # The Unicode check is slow, so only texts with other characters than ASCII get it.
    rest = np.flatnonzero(~pc.ascii_is_printable(names).to_numpy(zero_copy_only=False))
    suspect[rest] |= ~pc.utf8_is_printable(names.take(rest)).to_numpy(zero_copy_only=False)
    reasons = {
        row: f"path {name!r}: {reason}; expected a path inside the data folder"
        for row in np.flatnonzero(suspect).tolist()
        if (reason := image_id_problem(name := names[row].as_py()))
    }
    wrong, problems = _again(path, names, lines, "path")
    wrong[list(reasons)] = True
    return wrong, _problems(path, lines, list(reasons), reasons.__getitem__) + problems


def _again(path: Path, texts: pa.LargeStringArray, lines: np.ndarray, what: str) -> tuple[np.ndarray, list[Problem]]:
    """(N,) bool: texts that repeat an earlier line; and their problems."""
    if pc.count_distinct(texts).as_py() == len(texts):
        return np.zeros(len(texts), bool), []
    codes = texts.dictionary_encode().indices.to_numpy()
    first = np.unique(codes, return_index=True)[1][codes]

    def reason(row: int) -> str:
        return f"{what} {texts[row].as_py()!r} again; first on line {lines[first[row]]}"

    repeated = first != np.arange(len(texts))
    return repeated, _problems(path, lines, np.flatnonzero(repeated), reason)


def _problems(
    path: Path, lines: np.ndarray, rows: Sequence[int] | np.ndarray, reason: Callable[[int], str]
) -> list[Problem]:
    found = [Problem(path, int(lines[row]), reason(row)) for row in rows[:_MAX_PROBLEMS]]
    more = len(rows) - len(found)
    return found + ([Problem(path, None, f"{more} more lines like line {lines[rows[0]]}")] if more else [])


def _warn_of_gaps(path: Path, counts: np.ndarray, warn: Callable[[str], None]) -> None:
    missing = np.flatnonzero(counts == 0)
    if len(missing):
        shown = ", ".join(map(str, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
        warn(f"{path}: {len(missing):,} of {len(counts):,} classes have no training photo: {shown}")
