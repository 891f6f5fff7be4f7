"""The attribute challenge's submission: `path,<task>_labels,p0;p1;...`, a probability for each class, no header."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data_gen.formats.challenges import ATTRIBUTE_TASKS
from ..data_gen.formats.fashionai_attributes import SUFFIX, scan_attribute_rows
from ..data_gen.formats.problems import FormatError, Problem
from ..files import write_atomic

SUM_TOLERANCE = 0.01
"""Largest difference of a sum of probabilities from 1 without a warning; ten classes with three digits stay within."""


@dataclass(frozen=True, slots=True, eq=False)
class AttributeSubmission:
    """N rows in the order of the file. probabilities: (C,) float64 for each, C of its task. lines: of each, from 1."""

    names: list[str]
    tasks: list[str]
    probabilities: list[np.ndarray]
    lines: list[int]


def write_attribute_submission(
    path: Path,
    names: Sequence[str],
    tasks: Sequence[str],
    probabilities: Sequence[np.ndarray],
    classes: Mapping[str, tuple[str, ...]] = ATTRIBUTE_TASKS,
) -> None:
    """Writes a submission, whole or not at all; names and tasks are those of `question.csv`, in its order.

    probabilities: (C,) for each row, C of its task. classes: by task, for a vocabulary other than FashionAI's. Numbers
    have as few digits as restore the same value in their precision, and no exponents, which not every scorer reads.

    Raises ValueError for another number of rows, an unknown task, another number of classes than the task has, or a
    probability that is negative or not finite; OSError as `write_atomic`.
    """
    if not len(names) == len(tasks) == len(probabilities):
        raise ValueError(f"{len(names)} names, {len(tasks)} tasks, {len(probabilities)} rows of probabilities")
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    for name, task, row in zip(names, tasks, probabilities, strict=True):
        row = np.asarray(row)
        if task not in classes:
            raise ValueError(f"{name}: unknown task {task!r}; expected one of {', '.join(classes)}")
        if row.shape != (len(classes[task]),):
            raise ValueError(f"{name}: probabilities {row.shape}; {task} has {len(classes[task])} classes")
        if not (np.isfinite(row) & (row >= 0)).all():
            raise ValueError(f"{name}: a probability for {task} is negative or not a finite number: {row}")
        cell = ";".join(np.format_float_positional(value, trim="0") for value in row)
        writer.writerow((name, task + SUFFIX, cell))
    write_atomic(path, text.getvalue())


def read_attribute_submission(path: Path) -> AttributeSubmission:
    """Reads a submission back. The probabilities of a row may have any sum.

    Raises FormatError, naming file and line, for rows as `scan_attribute_rows` refuses them, another number of
    probabilities than the task has classes, and probabilities that are negative or not finite numbers.
    """
    path = Path(path)
    rows, problems = scan_attribute_rows(path, "p0;p1;...")
    read = AttributeSubmission([], [], [], [])
    for name, task, cell, line in rows:
        values = _numbers(cell)
        count = len(ATTRIBUTE_TASKS[task])
        if isinstance(values, str):
            problems.append(Problem(path, line, values))
        elif len(values) != count:
            problems.append(Problem(path, line, f"{len(values)} probabilities; {task}{SUFFIX} has {count} classes"))
        else:
            read.names.append(name)
            read.tasks.append(task)
            read.probabilities.append(np.array(values))
            read.lines.append(line)
    if problems:
        raise FormatError(sorted(problems, key=lambda problem: problem.line or 0))
    return read


def _numbers(cell: str) -> list[float] | str:
    """The numbers of a cell, or the problem of the first one that is not a probability."""
    parts = cell.split(";")
    try:
        values = [float(part) for part in parts]
    except ValueError as error:  # "could not convert string to float: 'x'"
        return f"{error}; expected p0;p1;..."
    wrong = [part for part, value in zip(parts, values, strict=True) if not 0 <= value < math.inf]
    return f"probability {wrong[0]}; expected a finite number, not below 0" if wrong else values
