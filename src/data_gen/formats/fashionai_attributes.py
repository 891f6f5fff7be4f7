"""FashionAI attribute files: rows of photo, task and marks, without a header (Alibaba and HKPU, 2018).

Label rows are `path,<task>_labels,nnmyn`, with a letter for each class: exactly one y (yes), any number of m (maybe, a
plausible alternative) and n (no). Test lists have `?` instead of the letters; the answers released later are label
rows. Paths are relative to the folder above `Annotations` or `Tests`. A photo with labels for several tasks has several
rows.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...files import open_regular
from ...records import HeadSpec
from ..images import image_id_problem
from ..label_table import LabelTable, PhotoFiles
from .challenges import ATTRIBUTE_TASKS, LENGTHS
from .folders import Folders, drawn_below, find_files
from .problems import FormatError, Problem, leave_out, read_csv_rows

ANSWERS = "fashionAI_attributes_answer_*.csv"
SUFFIX = "_labels"
"""The name of a task is `<task>_labels` in files, `<task>` everywhere else."""

LAYOUT = """expected, for example,
  base/Annotations/label.csv (and train/..., web/...) beside base/Images/<task>_labels/
  rank/Tests/question.csv beside rank/Images/<task>_labels/
  fashionAI_attributes_answer_a_<date>.csv anywhere
each also below data1/ and data2/"""

_HASH_NAME = re.compile(r"[0-9a-f]{32}")
_YES = (1.0, 0.8, 0.7, 0.7)
"""The probability of y by the number of m, which share the rest; 0.6 from four m on (source: author of the Gluon
seed)."""


class AttributeRow(NamedTuple):
    """One row. path: of the photo, as in the file. task: without `_labels`. value: the third cell. line: from 1."""

    path: str
    task: str
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class AttributeFiles:
    """The CSVs of the attribute challenge found in a data folder, each kind sorted by path."""

    labels: tuple[Path, ...]
    questions: tuple[Path, ...]
    answers: tuple[Path, ...]


def soft_label(marks: str) -> np.ndarray:
    """(C,) float32, the probability of every class: y has 1 without m, 0.8 with one m, 0.7 with two or three, else 0.6.

    The m share the rest equally. Raises ValueError for other letters than n, m and y, or not exactly one y.
    """
    reason = _marks_problem(marks)
    if reason:
        raise ValueError(f"marks {marks!r}: {reason}")
    maybe = marks.count("m")
    yes = _YES[maybe] if maybe < len(_YES) else 0.6
    parts = {"y": yes, "m": (1 - yes) / max(maybe, 1), "n": 0.0}
    return np.array([parts[letter] for letter in marks], np.float32)


def marks(target: np.ndarray) -> str:
    """The marks of a soft label, (C,): y for the largest probability, m for every other one above 0, n for 0.

    Raises ValueError if no probability is above 0.
    """
    target = np.asarray(target)
    if target.ndim != 1 or not (target > 0).any():
        raise ValueError(f"expected the soft label of one photo, (C,) with a probability above 0; got {target!r}")
    yes = int(target.argmax())
    return "".join(
        "y" if i == yes else "m" if probability > 0 else "n" for i, probability in enumerate(target.tolist())
    )


def attribute_heads(ordinal: bool | Collection[str] = False) -> tuple[HeadSpec, ...]:
    """A head for each of the 8 tasks: of kind ordinal for the tasks in `ordinal` (True: the 4 lengths), else exclusive.

    Raises ValueError for a task that is not a length: the classes of designs have no order.
    """
    chosen = (LENGTHS if ordinal else ()) if isinstance(ordinal, bool) else tuple(ordinal)
    unknown = sorted(set(chosen) - set(LENGTHS))
    if unknown:
        raise ValueError(f"not ordinal tasks: {', '.join(unknown)}; expected some of {', '.join(LENGTHS)}")
    return tuple(
        HeadSpec(task, "ordinal" if task in chosen else "exclusive", classes)
        for task, classes in ATTRIBUTE_TASKS.items()
    )


def attribute_root(path: Path) -> Path:
    """The folder of the paths in the CSV at `path`: the one above `Annotations` or `Tests`, else that of the CSV."""
    folder = Path(path).parent
    return folder.parent if folder.name in ("Annotations", "Tests") else folder


def read_label_table(path: Path, root: Path | None = None, ordinal: bool | Collection[str] = False) -> LabelTable:
    """The labelled photos of one CSV, a row for each photo, with the heads of `attribute_heads(ordinal)`.

    root: the folder of the paths, by default `attribute_root(path)`. Errors as in `read_labels`.
    """
    rows = [(row.path, row) for row in read_labels(path)]
    return _table(attribute_root(path) if root is None else Path(root), rows, attribute_heads(ordinal))


def read_labels(
    path: Path, classes: Mapping[str, tuple[str, ...]] = ATTRIBUTE_TASKS, strict: bool = True
) -> list[AttributeRow]:
    """The rows of a label file or of released answers; `value` has the marks. classes: of every task.

    Raises FormatError for any problem (`scan_labels` returns the problems), OSError if the file cannot be read. Without
    `strict` rows with problems are left out and counted in a warning, unless all are.
    """
    return _sound(Path(path), *scan_labels(path, classes), strict)


def scan_labels(
    path: Path, classes: Mapping[str, tuple[str, ...]] = ATTRIBUTE_TASKS
) -> tuple[list[AttributeRow], list[Problem]]:
    """The valid rows of a label file, and the problems of the other rows, in the order of the lines."""
    checked: dict[tuple[str, str], str | None] = {}

    def reason(row: AttributeRow) -> str | None:
        key = row.task, row.value
        if key not in checked:  # 200,000 rows have a few hundred different labels
            checked[key] = _marks_problem(row.value, row.task, classes)
        return f"marks {row.value!r}: {checked[key]}" if checked[key] else None

    rows, problems = scan_attribute_rows(path, "nnmyn", classes)
    return _checked_rows(Path(path), rows, problems, reason)


def read_questions(
    path: Path,
    root: Path | None = None,
    classes: Mapping[str, tuple[str, ...]] = ATTRIBUTE_TASKS,
    strict: bool = False,
) -> tuple[PhotoFiles, list[str]]:
    """The photos of a `question.csv` and the task of each; one photo for each row of the file.

    root: as in `read_label_table`. Rows with problems, for example marks instead of `?`, are left out and counted in a
    warning. Raises FormatError where no row is sound, with `strict` where one is not.
    """
    rows = _sound(Path(path), *scan_questions(path, classes), strict)
    photos = PhotoFiles(attribute_root(path) if root is None else Path(root), [row.path for row in rows])
    return photos, [row.task for row in rows]


def scan_questions(
    path: Path, classes: Mapping[str, tuple[str, ...]] = ATTRIBUTE_TASKS
) -> tuple[list[AttributeRow], list[Problem]]:
    """The valid rows of a `question.csv`, and the problems of the other rows, in the order of the lines."""
    rows, problems = scan_attribute_rows(path, "?", classes)
    wrong = "the third column of a list of questions must be ?; read a file with marks as labels"
    return _checked_rows(Path(path), rows, problems, lambda row: None if row.value == "?" else wrong)


def scan_attribute_rows(
    path: Path, third: str, classes: Mapping[str, tuple[str, ...]] = ATTRIBUTE_TASKS
) -> tuple[list[AttributeRow], list[Problem]]:
    """The valid rows of a file of any of the three kinds, their third cell not checked, and the problems of the others.

    Problems are another number of columns, an unknown task, a path that leads out of the data folder, and a repeated
    row. third: the third cell in messages. Raises OSError if the file cannot be read.
    """
    path = Path(path)
    try:
        cells = read_csv_rows(path)
    except FormatError as error:
        return [], list(error.problems)
    expected = f"path,<task>{SUFFIX},{third}"
    if not cells:
        return [], [Problem(path, None, f"the file is empty; expected rows {expected}")]
    tasks = {task + SUFFIX: task for task in classes}
    rows, problems, first = [], [], {}
    for line, row in cells:
        reason = None
        if len(row) != 3:
            reason = f"{len(row)} columns; expected {expected}"
        elif row[1] not in tasks:
            reason = f"unknown task {row[1]!r}; expected one of {', '.join(tasks)}"
        elif wrong := image_id_problem(row[0]):
            reason = f"path {row[0]!r}: {wrong}; expected a path inside the data folder"
        elif (earlier := first.setdefault((row[0], row[1]), line)) != line:
            reason = f"{row[0]!r} again for {row[1]}; first on line {earlier}"
        if reason:
            problems.append(Problem(path, line, reason))
        else:
            rows.append(AttributeRow(row[0], tasks[row[1]], row[2], line))
    return rows, problems


def find_attribute_sets(data: Path) -> AttributeFiles:
    """Finds the challenge's CSVs up to four levels below `data`, in any folder names of the unpacked archives.

    Labels are the `label.csv` and other CSVs of that form in a folder `Annotations`, questions the same in `Tests`.
    Answers are found by their file name in any folder, so that they are never used for training. Synthetic photos below
    `data` are used only if there are no others. Raises FileNotFoundError, with the expected layout, if there is no CSV.
    """
    return AttributeFiles(*find_files(data, _by_kind, f"no FashionAI attribute files in {data}; {LAYOUT}"))


def _by_kind(folders: Folders) -> tuple[list[Path], ...]:
    labels, questions, answers = [], [], []
    for here, names in folders:
        # Some archives contain files ._x.csv.
        for file in (here / name for name in names if name.endswith(".csv") and not name.startswith(".")):
            if fnmatch(file.name, ANSWERS):
                answers.append(file)
            elif file.name == "question.csv" or (here.name == "Tests" and _third_cell(file) == "?"):
                questions.append(file)
            elif here.name == "Annotations" and (file.name == "label.csv" or _third_cell(file)):
                labels.append(file)
    return labels, questions, answers


def find_attribute_labels(data: Path) -> tuple[Path, ...]:
    """The label files below `data`. Raises FileNotFoundError, with the expected layout, if there is none."""
    files = find_attribute_sets(data).labels
    if not files:
        raise FileNotFoundError(f"no FashionAI attribute labels in {data}; {LAYOUT}{drawn_below(data)}")
    return files


def load_attribute_table(data: Path, heads: Sequence[HeadSpec] | None = None) -> LabelTable:
    """All labelled photos below `data`, both seasons and the warm-up set together; names are paths relative to `data`.

    heads: the tasks that the files can name; by default those of FashionAI.

    A photo with labels for several tasks is one row. The file names of the challenge are hashes, and the second season
    repeats photos of the first, so photos with the same hash in two sets are one photo: the set that is last by path
    gives the file, and the label if both have one. Photos with other names are identified by their path. Rows with
    problems are left out and counted in a warning. Raises FileNotFoundError if there is no label file, FormatError for
    one without a sound row.
    """
    heads = attribute_heads() if heads is None else heads
    files = find_attribute_labels(data)
    rows: list[tuple[str, AttributeRow]] = []
    for file in files:
        folder = attribute_root(file).relative_to(data).as_posix()
        for row in read_labels(file, {head.name: head.classes for head in heads}, strict=False):
            path = row.path if folder == "." else f"{folder}/{row.path}"
            rows.append((photo_identity(path), row._replace(path=path)))
    return _table(Path(data), rows, heads)


def photo_identity(path: str) -> str:
    """What makes rows with these paths, relative to the data folder, rows of one photo: its hash, if it is named so."""
    name = path.rpartition("/")[2].partition(".")[0]
    return name if _HASH_NAME.fullmatch(name) else path


def _table(root: Path, rows: Sequence[tuple[str, AttributeRow]], heads: Sequence[HeadSpec]) -> LabelTable:
    """rows: (key that identifies the photo, row). If two rows label a photo for one task, the last one counts."""
    paths = {photo: row.path for photo, row in rows}
    row_of = {photo: i for i, photo in enumerate(paths)}
    codes = np.full((len(paths), len(heads)), -1, np.int32)
    targets: list[np.ndarray | None] = []
    for column, head in enumerate(heads):
        marks_of = {photo: row.value for photo, row in rows if row.task == head.name}
        labels = sorted(set(marks_of.values()))
        code = {label: i for i, label in enumerate(labels)}
        codes[[row_of[photo] for photo in marks_of], column] = [code[label] for label in marks_of.values()]
        targets.append(np.stack([soft_label(label) for label in labels]) if labels else None)
    return LabelTable(PhotoFiles(root, list(paths.values())), tuple(heads), codes, tuple(targets))


def _marks_problem(
    letters: str, task: str | None = None, classes: Mapping[str, tuple[str, ...]] = ATTRIBUTE_TASKS
) -> str | None:
    """Why marks are invalid; None if they are valid."""
    if task is not None and len(letters) != len(classes[task]):
        return f"{len(letters)} letters; expected one for each of the {len(classes[task])} classes of {task}{SUFFIX}"
    if set(letters) - set("nmy"):
        return "letters other than n, m and y"
    if letters.count("y") != 1:
        return f"{letters.count('y')} y; expected exactly one"
    return None


def _checked_rows(
    path: Path, rows: list[AttributeRow], problems: list[Problem], reason: Callable[[AttributeRow], str | None]
) -> tuple[list[AttributeRow], list[Problem]]:
    """The valid rows, and all problems sorted by line. reason: row -> why it is invalid, or None."""
    found = [(row, reason(row)) for row in rows]
    problems = problems + [Problem(path, row.line, text) for row, text in found if text]
    return [row for row, text in found if not text], sorted(problems, key=lambda problem: problem.line or 0)


def _sound(path: Path, rows: list[AttributeRow], problems: list[Problem], strict: bool) -> list[AttributeRow]:
    if strict and problems:
        raise FormatError(problems)
    leave_out(path, problems, len(rows))
    return rows


def _third_cell(path: Path) -> str | None:
    """The third cell of the first row if the row has the form of the challenge, otherwise None."""
    if not path.is_file():  # a pipe, or a link that leads nowhere
        return None
    with open_regular(path) as stream:
        cells = stream.readline(4096).decode("utf-8-sig", "replace").split(",")
    return cells[2].strip() if len(cells) == 3 and cells[1].endswith(SUFFIX) else None
