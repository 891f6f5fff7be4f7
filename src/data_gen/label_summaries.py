"""The rows of keypoint and attribute lists, and counts of them by list and category or task."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..records import ABSENT, HIDDEN, NO_GARMENT, VISIBLE, Sample
from ..vocabulary import Vocabulary
from .formats.challenges import ATTRIBUTE_TASKS, FASHIONAI
from .formats.fashionai_attributes import AttributeRow
from .spans import scorable, spans


@dataclass(frozen=True, slots=True)
class SetSummary:
    """Counts of one category in one CSV.

    visible, hidden, absent: keypoints of the category by state. no_span: garments that cannot be scored, because a
    keypoint of the span pair is absent or both have the same position. unseen: annotated garments that can be neither
    learnt nor scored, because no keypoint is visible.
    """

    file: Path
    category: str
    images: int
    visible: int
    hidden: int
    absent: int
    no_span: int
    unseen: int


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """Counts of one task in one attribute CSV. yes: images of each class, () for questions. maybe: images with m."""

    file: Path
    task: str
    images: int
    yes: tuple[int, ...]
    maybe: int


@dataclass(frozen=True, slots=True)
class ListedRow:
    """A row of a keypoint or an attribute list, with its file, line and photo."""

    file: Path
    line: int
    photo: Path
    row: Sample | AttributeRow


def summarise(rows: Sequence[ListedRow], vocabulary: Vocabulary = FASHIONAI) -> Iterator[SetSummary]:
    for (file, category), samples in by_list(rows).items():
        if category == NO_GARMENT:
            yield SetSummary(file, category, len(samples), 0, 0, 0, 0, 0)
            continue
        annotated = [s.keypoints for s in samples if s.keypoints is not None]
        mask = vocabulary.mask(category)
        states = np.array([k.state[mask] for k in annotated])
        visible, hidden, absent = (int((states == value).sum()) for value in (VISIBLE, HIDDEN, ABSENT))
        xy, state = np.array([k.xy for k in annotated]), np.array([k.state for k in annotated])
        no_span = np.isnan(spans(xy, state, [category] * len(annotated), vocabulary)).sum() if annotated else 0
        unseen = scorable(samples, vocabulary).unseen
        yield SetSummary(file, category, len(samples), visible, hidden, absent, int(no_span), unseen)


def summarise_tasks(rows: Sequence[ListedRow]) -> Iterator[TaskSummary]:
    parts: dict[tuple[Path, str], list[str]] = {}
    for row in rows:
        if isinstance(row.row, AttributeRow):
            parts.setdefault((row.file, row.row.task), []).append(row.row.value)
    for (file, task), marks in sorted(parts.items()):
        questions = marks[0] == "?"
        yes = () if questions else tuple(sum(m[c] == "y" for m in marks) for c in range(len(ATTRIBUTE_TASKS[task])))
        yield TaskSummary(file, task, len(marks), yes, sum("m" in m for m in marks))


def by_list(rows: Sequence[ListedRow]) -> dict[tuple[Path, str], list[Sample]]:
    """The samples of each file and category, sorted."""
    parts: dict[tuple[Path, str], list[Sample]] = {}
    for row in rows:
        if isinstance(row.row, Sample):
            parts.setdefault((row.file, str(row.row.category)), []).append(row.row)
    return dict(sorted(parts.items()))
