"""What looks wrong in labels, or leaves nothing to learn from: of a sample, of rows, and of whole lists."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..geometry import Size, inside
from ..records import ABSENT, NO_GARMENT, VISIBLE, Sample
from ..vocabulary import Vocabulary
from .formats.challenges import ATTRIBUTE_TASKS, FASHIONAI
from .formats.fashionai_attributes import SUFFIX, AttributeRow
from .formats.problems import Problem
from .label_summaries import ListedRow, TaskSummary, by_list
from .spans import scorable


def suspicions(sample: Sample, size: Size | None, vocabulary: Vocabulary = FASHIONAI) -> Iterator[str]:
    """Warnings about a sample. size: (width, height) of its photo, None if it cannot be read."""
    folder = sample.path.parent.name
    if folder in vocabulary.categories and folder != sample.category:
        yield f"{sample.image_id}: labelled as {sample.category}, but is in the folder {folder}"
    if sample.keypoints is None:
        return
    xy, present = sample.keypoints.xy, sample.keypoints.state != ABSENT
    if size is not None:
        outside = np.flatnonzero(present & ~inside(xy, size))
        if len(outside):
            points = ", ".join(f"{vocabulary.keypoints[k]} ({xy[k, 0]:g}, {xy[k, 1]:g})" for k in outside)
            yield f"{sample.image_id}: keypoints outside the photo of {size[0]} x {size[1]} pixels: {points}"
    lefts = np.flatnonzero((vocabulary.sides < 0) & present & present[vocabulary.twins])
    if len(lefts) > 1 and (xy[lefts, 0] > xy[vocabulary.twins[lefts], 0]).all():
        yield f"{sample.image_id}: left and right keypoints look exchanged; left must be the left of the picture"


def other_folders(rows: Sequence[ListedRow]) -> Iterator[Problem]:
    """A warning for each photo in the folder of a task that it is not labelled for."""
    labelled = {(row.photo, row.row.task) for row in rows if isinstance(row.row, AttributeRow)}
    for row in rows:
        folder = row.photo.parent.name.removesuffix(SUFFIX)
        if isinstance(row.row, AttributeRow) and folder in ATTRIBUTE_TASKS and (row.photo, folder) not in labelled:
            text = f"{row.row.path}: labelled for {row.row.task}, but is in the folder of {folder}"
            yield Problem(row.file, row.line, text)


def contradictions(rows: Sequence[ListedRow], groups: Sequence[tuple[Path, ...]]) -> Iterator[Problem]:
    """A warning for each row that gives a picture another class than an earlier row, for the same task."""
    group_of = {path: number for number, group in enumerate(groups) for path in group}
    first: dict[tuple[int, str], tuple[ListedRow, str]] = {}
    for row in rows:
        if isinstance(row.row, AttributeRow) and row.photo in group_of:
            marks = row.row.value
            earlier, earlier_marks = first.setdefault((group_of[row.photo], row.row.task), (row, marks))
            if earlier_marks.index("y") != marks.index("y"):
                classes = ATTRIBUTE_TASKS[row.row.task]
                yield Problem(
                    row.file,
                    row.line,
                    f"{row.row.path}: {row.row.task} is {classes[marks.index('y')]!r} here, but "
                    f"{classes[earlier_marks.index('y')]!r} for the same picture at {earlier.file}:{earlier.line}",
                )


def missing_classes(tasks: Sequence[TaskSummary], train: Collection[Path]) -> Iterator[Problem]:
    """A warning for each task with classes that no training photo has, over all sets together."""
    for task, classes in ATTRIBUTE_TASKS.items():
        found = [summary for summary in tasks if summary.task == task and summary.file in train]
        counts = np.sum([summary.yes for summary in found], axis=0) if found else ()
        missing = [name for name, count in zip(classes, counts, strict=False) if count == 0]
        if len(missing) == len(classes) - 1:
            (only,) = set(classes) - set(missing)
            yield Problem(found[0].file, None, f"{task}: all training photos have the class {only}: nothing to learn")
        elif missing:
            yield Problem(found[0].file, None, f"{task}: no training photo has the class {', '.join(missing)}")


def unlabelled(tasks: Sequence[TaskSummary], train: Collection[Path]) -> Iterator[Problem]:
    """A warning that names the tasks for which no training photo is labelled, where there are attribute lists."""
    found = {summary.task for summary in tasks if summary.file in train}
    bare = [task for task in ATTRIBUTE_TASKS if task not in found]
    if found and bare:
        text = f"no training photo is labelled for {', '.join(bare)}: a network of all tasks would not learn them"
        yield Problem(min(train), None, text)


def never_visible(rows: Sequence[ListedRow], data: Path, vocabulary: Vocabulary = FASHIONAI) -> Iterator[Problem]:
    """A warning for each category, with its keypoints that no training photo shows."""
    states: dict[str, list[np.ndarray]] = {}
    for row in rows:
        if isinstance(row.row, Sample) and row.row.keypoints is not None and row.row.category != NO_GARMENT:
            states.setdefault(str(row.row.category), []).append(row.row.keypoints.state)
    for category, found in sorted(states.items()):
        never = vocabulary.mask(category) & ~(np.stack(found) == VISIBLE).any(axis=0)
        if never.any():
            names = ", ".join(vocabulary.keypoints[k] for k in np.flatnonzero(never))
            yield Problem(data, None, f"{category}: no training photo has a visible {names}")


def not_scored(rows: Sequence[ListedRow], vocabulary: Vocabulary = FASHIONAI) -> Iterator[Problem]:
    """A warning for each list and category of which no garment can be scored."""
    for (file, category), samples in by_list(rows).items():
        counts = scorable(samples, vocabulary)
        if counts.garments and not counts.scored:
            text = f"{category}: none of {counts.garments:,} garments can be scored: {counts.reasons()}"
            yield Problem(file, None, text)


def unusable(rows: Sequence[ListedRow], data: Path, vocabulary: Vocabulary = FASHIONAI) -> Iterator[Problem]:
    """A problem where no training photo has anything to learn from, or none could be scored."""
    samples = [row.row for row in rows if isinstance(row.row, Sample) and row.row.keypoints is not None]
    if not samples:
        return
    counts = scorable(samples, vocabulary)
    if counts.unseen == counts.garments:
        text = f"none of the {counts.garments:,} training photos has a visible keypoint: nothing to learn or to score"
        yield Problem(data, None, text)
    elif not counts.scored:
        yield Problem(data, None, f"none of the {counts.garments:,} training photos can be scored: {counts.reasons()}")


def one_label(tasks: Sequence[TaskSummary], train: Collection[Path]) -> Iterator[Problem]:
    """A problem where all labels to train on are of one class, for every task."""
    by_task: dict[str, list[tuple[int, ...]]] = {}
    for summary in tasks:
        if summary.file in train:
            by_task.setdefault(summary.task, []).append(summary.yes)
    if by_task and all((np.sum(counts, axis=0) > 0).sum() < 2 for counts in by_task.values()):
        text = f"for {', '.join(by_task)} all training photos have the same label: nothing to learn"
        yield Problem(min(train), None, text)
