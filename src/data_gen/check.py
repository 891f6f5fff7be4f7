"""Checks a data set before training: unreadable photos, invalid rows, suspicious labels, duplicates and leaks."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry import Size, inside
from ..records import ABSENT, HIDDEN, NO_GARMENT, VISIBLE, Sample
from .duplicates import Fingerprint, fingerprint, group_fingerprints
from .formats.challenges import ATTRIBUTE_TASKS, CATEGORIES, FASHIONAI, KEYPOINTS
from .formats.fashionai import find_keypoint_sets, scan_keypoint_rows
from .formats.fashionai_attributes import (
    SUFFIX,
    AttributeRow,
    attribute_root,
    find_attribute_sets,
    photo_identity,
    scan_labels,
    scan_questions,
)
from .formats.problems import Problem
from .images import ImageError, decode_image, read_bytes, resolve_image
from .spans import scorable, spans
from .split import ATTRIBUTE_PREFIX, photo_key, scan_split, split_files


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
class Report:
    """The result of `check_dataset`.

    problems: rows and photos that cannot be used, lists from which nothing can be learnt, and split files that do not
    fit the lists. warnings: rows and lists that look wrong. duplicates: groups of photos that show the same picture,
    within the keypoint sets and within the attribute sets (a picture in both is no duplicate).
    leaks: the groups that have photos in both training and test.
    """

    data: Path
    summaries: tuple[SetSummary, ...]
    tasks: tuple[TaskSummary, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    duplicates: tuple[tuple[Path, ...], ...]
    leaks: tuple[tuple[Path, ...], ...]

    @property
    def ok(self) -> bool:
        """Whether every row and photo can be used; warnings and duplicates do not count."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a keypoint or an attribute list, with its file, line and photo."""

    file: Path
    line: int
    photo: Path
    row: Sample | AttributeRow


@dataclass(frozen=True, slots=True)
class _Lists:
    """The rows of one challenge: training lists, test lists, and answers, which repeat the photos of the test lists."""

    train: list[_Row]
    tests: list[_Row]
    answers: list[_Row]


def check_dataset(
    data: Path, workers: int = 2, shown: Callable[[Iterable[Any], int], Iterable[Any]] = lambda results, total: results
) -> Report:
    """Reads every keypoint and attribute CSV below `data` and decodes every photo once, in `workers` threads.

    shown: is given the results and their number while photos are read, and passes them on; for a progress bar.

    Continues after every problem, and keeps about 3 KB in memory for each photo. Answer files are read, but not their
    photos: the test lists name the same ones. Raises FileNotFoundError if there is no CSV of either kind.
    """
    problems: list[Problem] = []
    challenges = [_keypoint_lists(data, problems), _attribute_lists(data, problems)]
    photos = [row for lists in challenges for row in lists.train + lists.tests]
    paths = list(dict.fromkeys(row.photo for row in photos))
    with ThreadPoolExecutor(max_workers=workers) as pool:
        reading = pool.map(_inspect, paths)
        inspected = dict(zip(paths, shown(reading, len(paths)), strict=True))
    warnings: list[Problem] = []
    for row in photos:
        found = inspected[row.photo]
        if isinstance(found, str):
            problems.append(Problem(row.file, row.line, found))
        size = None if isinstance(found, str) else found[0]
        if isinstance(row.row, Sample):
            warnings += [Problem(row.file, row.line, message) for message in _suspicions(row.row, size)]
    warnings += _other_folders(photos)

    duplicates: list[tuple[Path, ...]] = []
    leaks: list[tuple[Path, ...]] = []
    for lists in challenges:
        train, tests = {row.photo for row in lists.train}, {row.photo for row in lists.tests}
        paths = list(dict.fromkeys(row.photo for row in lists.train + lists.tests))
        prints = [None if isinstance(found := inspected[path], str) else found[1] for path in paths]
        groups = _groups(paths, group_fingerprints(prints))
        duplicates += groups
        leaks += [group for group in groups if not train.isdisjoint(group) and not tests.isdisjoint(group)]
        warnings += _contradictions(lists.train, groups)
        wrong, doubtful = _check_split(Path(data), lists.train, groups)
        problems += wrong
        warnings += doubtful
    keypoints, attributes = ([*lists.train, *lists.tests, *lists.answers] for lists in challenges)
    tasks = tuple(_summarise_tasks(attributes))
    labelled = {row.file for row in challenges[1].train}
    warnings += [*_missing_classes(tasks, labelled), *_unlabelled(tasks, labelled)]
    problems += [*_unusable(challenges[0].train, Path(data)), *_one_label(tasks, labelled)]
    warnings += _never_visible(challenges[0].train, Path(data))
    warnings += _not_scored([*challenges[0].train, *challenges[0].answers])
    return Report(
        Path(data),
        tuple(_summarise(keypoints)),
        tasks,
        tuple(problems),
        tuple(warnings),
        tuple(duplicates),
        tuple(leaks),
    )


def _keypoint_lists(data: Path, problems: list[Problem]) -> _Lists:
    """The valid rows of the keypoint CSVs; problems of the other rows are added to `problems`."""
    lists = _Lists([], [], [])
    try:
        sets = find_keypoint_sets(data)
    except FileNotFoundError as error:
        try:
            find_attribute_sets(data)
        except FileNotFoundError as other:
            raise FileNotFoundError(f"{error}\n{other}") from None
        return lists
    for kind, found in (("train", lists.train), ("tests", lists.tests), ("answers", lists.answers)):
        for file in getattr(sets, kind):
            try:
                samples, lines, wrong = scan_keypoint_rows(file, training=True)
            except OSError as error:
                samples, lines, wrong = [], [], [Problem(file, None, error.strerror or str(error))]
            problems += wrong
            found += [_Row(file, line, sample.path, sample) for line, sample in zip(lines, samples, strict=True)]
    return lists


def _attribute_lists(data: Path, problems: list[Problem]) -> _Lists:
    """The valid rows of the attribute CSVs; problems of the other rows are added to `problems`."""
    lists = _Lists([], [], [])
    try:
        sets = find_attribute_sets(data)
    except FileNotFoundError:
        return lists
    for scan, files, found in (
        (scan_labels, sets.labels, lists.train),
        (scan_questions, sets.questions, lists.tests),
        (scan_labels, sets.answers, lists.answers),
    ):
        for file in files:
            try:
                rows, wrong = scan(file)
            except OSError as error:
                rows, wrong = [], [Problem(file, None, error.strerror or str(error))]
            problems += wrong
            for row in rows:
                try:
                    found.append(_Row(file, row.line, resolve_image(attribute_root(file), row.path), row))
                except ValueError as error:
                    problems.append(Problem(file, row.line, str(error)))
    return lists


def _inspect(path: Path) -> tuple[Size, Fingerprint] | str:
    """(width, height) and fingerprint of a photo, or the reason why it cannot be read."""
    try:
        data = read_bytes(path)
        image = decode_image(data, str(path))
    except ImageError as error:
        return str(error)
    return (image.shape[1], image.shape[0]), fingerprint(data, image)


def _suspicions(sample: Sample, size: Size | None) -> Iterator[str]:
    """Warnings about a sample. size: (width, height) of its photo, None if it cannot be read."""
    folder = sample.path.parent.name
    if folder in CATEGORIES and folder != sample.category:
        yield f"{sample.image_id}: labelled as {sample.category}, but is in the folder {folder}"
    if sample.keypoints is None:
        return
    xy, present = sample.keypoints.xy, sample.keypoints.state != ABSENT
    if size is not None:
        outside = np.flatnonzero(present & ~inside(xy, size))
        if len(outside):
            points = ", ".join(f"{KEYPOINTS[k]} ({xy[k, 0]:g}, {xy[k, 1]:g})" for k in outside)
            yield f"{sample.image_id}: keypoints outside the photo of {size[0]} x {size[1]} pixels: {points}"
    lefts = np.flatnonzero((FASHIONAI.sides < 0) & present & present[FASHIONAI.twins])
    if len(lefts) > 1 and (xy[lefts, 0] > xy[FASHIONAI.twins[lefts], 0]).all():
        yield f"{sample.image_id}: left and right keypoints look exchanged; left must be the left of the picture"


def _other_folders(rows: Sequence[_Row]) -> Iterator[Problem]:
    """A warning for each photo in the folder of a task that it is not labelled for."""
    labelled = {(row.photo, row.row.task) for row in rows if isinstance(row.row, AttributeRow)}
    for row in rows:
        folder = row.photo.parent.name.removesuffix(SUFFIX)
        if isinstance(row.row, AttributeRow) and folder in ATTRIBUTE_TASKS and (row.photo, folder) not in labelled:
            text = f"{row.row.path}: labelled for {row.row.task}, but is in the folder of {folder}"
            yield Problem(row.file, row.line, text)


def _contradictions(rows: Sequence[_Row], groups: Sequence[tuple[Path, ...]]) -> Iterator[Problem]:
    """A warning for each row that gives a picture another class than an earlier row, for the same task."""
    group_of = {path: number for number, group in enumerate(groups) for path in group}
    first: dict[tuple[int, str], tuple[_Row, str]] = {}
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


def _check_split(
    data: Path, rows: Sequence[_Row], groups: Sequence[tuple[Path, ...]]
) -> tuple[list[Problem], list[Problem]]:
    """(problems, warnings) of the stored split of the training rows of one challenge, if there is one."""
    if not rows:
        return [], []
    attributes = isinstance(rows[0].row, AttributeRow)
    prefix = ATTRIBUTE_PREFIX if attributes else ""
    try:
        paths = {row.photo: photo_key(row.photo, data) for row in rows}
    except ValueError as error:
        return [Problem(data, None, str(error))], []
    # A photo that two sets have under one name, a hash, is one photo to train on: that of the last one.
    keys = {photo_identity(key): key for key in paths.values()} if attributes else dict(enumerate(paths.values()))
    halves, problems = scan_split(data, dict.fromkeys(keys.values()), prefix)
    warnings = []
    for group in groups if halves else ():
        named = [paths[path] for path in group if path in paths]
        train, val = ([key for key in named if key in half] for half in halves)
        file = split_files(data, prefix)[1]
        warnings += [
            Problem(file, halves[1][key], f"{key!r} shows the same picture as {train[0]!r}, which is trained on")
            for key in val
            if train
        ]
    return problems, warnings


def _missing_classes(tasks: Sequence[TaskSummary], train: Collection[Path]) -> Iterator[Problem]:
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


def _unlabelled(tasks: Sequence[TaskSummary], train: Collection[Path]) -> Iterator[Problem]:
    """A warning that names the tasks for which no training photo is labelled, where there are attribute lists."""
    found = {summary.task for summary in tasks if summary.file in train}
    bare = [task for task in ATTRIBUTE_TASKS if task not in found]
    if found and bare:
        text = f"no training photo is labelled for {', '.join(bare)}: a network of all tasks would not learn them"
        yield Problem(min(train), None, text)


def _unusable(rows: Sequence[_Row], data: Path) -> Iterator[Problem]:
    """A problem where no training photo has anything to learn from, or none could be scored."""
    samples = [row.row for row in rows if isinstance(row.row, Sample) and row.row.keypoints is not None]
    if not samples:
        return
    counts = scorable(samples, FASHIONAI)
    if counts.unseen == counts.garments:
        text = f"none of the {counts.garments:,} training photos has a visible keypoint: nothing to learn or to score"
        yield Problem(data, None, text)
    elif not counts.scored:
        yield Problem(data, None, f"none of the {counts.garments:,} training photos can be scored: {counts.reasons()}")


def _one_label(tasks: Sequence[TaskSummary], train: Collection[Path]) -> Iterator[Problem]:
    """A problem where all labels to train on are of one class, for every task."""
    by_task: dict[str, list[tuple[int, ...]]] = {}
    for summary in tasks:
        if summary.file in train:
            by_task.setdefault(summary.task, []).append(summary.yes)
    if by_task and all((np.sum(counts, axis=0) > 0).sum() < 2 for counts in by_task.values()):
        text = f"for {', '.join(by_task)} all training photos have the same label: nothing to learn"
        yield Problem(min(train), None, text)


def _not_scored(rows: Sequence[_Row]) -> Iterator[Problem]:
    """A warning for each list and category of which no garment can be scored."""
    for (file, category), samples in _by_list(rows).items():
        counts = scorable(samples, FASHIONAI)
        if counts.garments and not counts.scored:
            text = f"{category}: none of {counts.garments:,} garments can be scored: {counts.reasons()}"
            yield Problem(file, None, text)


def _never_visible(rows: Sequence[_Row], data: Path) -> Iterator[Problem]:
    """A warning for each category, with its keypoints that no training photo shows."""
    states: dict[str, list[np.ndarray]] = {}
    for row in rows:
        if isinstance(row.row, Sample) and row.row.keypoints is not None and row.row.category != NO_GARMENT:
            states.setdefault(str(row.row.category), []).append(row.row.keypoints.state)
    for category, found in sorted(states.items()):
        never = FASHIONAI.mask(category) & ~(np.stack(found) == VISIBLE).any(axis=0)
        if never.any():
            names = ", ".join(KEYPOINTS[k] for k in np.flatnonzero(never))
            yield Problem(data, None, f"{category}: no training photo has a visible {names}")


def _by_list(rows: Sequence[_Row]) -> dict[tuple[Path, str], list[Sample]]:
    """The samples of each file and category, sorted."""
    parts: dict[tuple[Path, str], list[Sample]] = {}
    for row in rows:
        if isinstance(row.row, Sample):
            parts.setdefault((row.file, str(row.row.category)), []).append(row.row)
    return dict(sorted(parts.items()))


def _groups(paths: Sequence[Path], labels: np.ndarray) -> tuple[tuple[Path, ...], ...]:
    members: dict[int, list[Path]] = {}
    for path, label in zip(paths, labels.tolist(), strict=True):
        members.setdefault(label, []).append(path)
    return tuple(tuple(group) for group in members.values() if len(group) > 1)


def _summarise(rows: Sequence[_Row]) -> Iterator[SetSummary]:
    for (file, category), samples in _by_list(rows).items():
        if category == NO_GARMENT:
            yield SetSummary(file, category, len(samples), 0, 0, 0, 0, 0)
            continue
        annotated = [s.keypoints for s in samples if s.keypoints is not None]
        mask = FASHIONAI.mask(category)
        states = np.array([k.state[mask] for k in annotated])
        visible, hidden, absent = (int((states == value).sum()) for value in (VISIBLE, HIDDEN, ABSENT))
        xy, state = np.array([k.xy for k in annotated]), np.array([k.state for k in annotated])
        no_span = np.isnan(spans(xy, state, [category] * len(annotated), FASHIONAI)).sum() if annotated else 0
        unseen = scorable(samples, FASHIONAI).unseen
        yield SetSummary(file, category, len(samples), visible, hidden, absent, int(no_span), unseen)


def _summarise_tasks(rows: Sequence[_Row]) -> Iterator[TaskSummary]:
    parts: dict[tuple[Path, str], list[str]] = {}
    for row in rows:
        if isinstance(row.row, AttributeRow):
            parts.setdefault((row.file, row.row.task), []).append(row.row.value)
    for (file, task), marks in sorted(parts.items()):
        questions = marks[0] == "?"
        yes = () if questions else tuple(sum(m[c] == "y" for m in marks) for c in range(len(ATTRIBUTE_TASKS[task])))
        yield TaskSummary(file, task, len(marks), yes, sum("m" in m for m in marks))
