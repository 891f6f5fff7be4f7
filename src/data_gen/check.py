"""Checks a data set before training: unreadable photos, invalid rows, suspicious labels, duplicates and leaks."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry import Size
from ..records import Sample
from .duplicates import Fingerprint, fingerprint, group_fingerprints
from .formats.fashionai import find_keypoint_sets, scan_keypoint_rows
from .formats.fashionai_attributes import (
    AttributeRow,
    attribute_root,
    find_attribute_sets,
    photo_identity,
    scan_labels,
    scan_questions,
)
from .formats.problems import Problem
from .images import ImageError, decode_image, read_bytes, resolve_image
from .label_checks import (
    contradictions,
    missing_classes,
    never_visible,
    not_scored,
    one_label,
    other_folders,
    suspicions,
    unlabelled,
    unusable,
)
from .label_summaries import ListedRow, SetSummary, TaskSummary, summarise, summarise_tasks
from .split import ATTRIBUTE_PREFIX, photo_key, scan_split, split_files


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
class _Lists:
    """The rows of one challenge: training lists, test lists, and answers, which repeat the photos of the test lists."""

    train: list[ListedRow]
    tests: list[ListedRow]
    answers: list[ListedRow]


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
        reading = pool.map(inspect_photo, paths)
        inspected = dict(zip(paths, shown(reading, len(paths)), strict=True))
    warnings: list[Problem] = []
    for row in photos:
        found = inspected[row.photo]
        if isinstance(found, str):
            problems.append(Problem(row.file, row.line, found))
        size = None if isinstance(found, str) else found[0]
        if isinstance(row.row, Sample):
            warnings += [Problem(row.file, row.line, message) for message in suspicions(row.row, size)]
    warnings += other_folders(photos)

    duplicates: list[tuple[Path, ...]] = []
    leaks: list[tuple[Path, ...]] = []
    for lists in challenges:
        train, tests = {row.photo for row in lists.train}, {row.photo for row in lists.tests}
        paths = list(dict.fromkeys(row.photo for row in lists.train + lists.tests))
        prints = [None if isinstance(found := inspected[path], str) else found[1] for path in paths]
        groups = repeated(paths, group_fingerprints(prints))
        duplicates += groups
        leaks += [group for group in groups if not train.isdisjoint(group) and not tests.isdisjoint(group)]
        warnings += contradictions(lists.train, groups)
        wrong, doubtful = _check_split(Path(data), lists.train, groups)
        problems += wrong
        warnings += doubtful
    keypoints, attributes = ([*lists.train, *lists.tests, *lists.answers] for lists in challenges)
    tasks = tuple(summarise_tasks(attributes))
    labelled = {row.file for row in challenges[1].train}
    warnings += [*missing_classes(tasks, labelled), *unlabelled(tasks, labelled)]
    problems += [*unusable(challenges[0].train, Path(data)), *one_label(tasks, labelled)]
    warnings += never_visible(challenges[0].train, Path(data))
    warnings += not_scored([*challenges[0].train, *challenges[0].answers])
    return Report(
        Path(data),
        tuple(summarise(keypoints)),
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
            found += [ListedRow(file, line, sample.path, sample) for line, sample in zip(lines, samples, strict=True)]
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
                    found.append(ListedRow(file, row.line, resolve_image(attribute_root(file), row.path), row))
                except ValueError as error:
                    problems.append(Problem(file, row.line, str(error)))
    return lists


def inspect_photo(path: Path) -> tuple[Size, Fingerprint] | str:
    """(width, height) and fingerprint of a photo, or the reason why it cannot be read."""
    try:
        data = read_bytes(path)
        image = decode_image(data, str(path))
    except ImageError as error:
        return str(error)
    return (image.shape[1], image.shape[0]), fingerprint(data, image)


def _check_split(
    data: Path, rows: Sequence[ListedRow], groups: Sequence[tuple[Path, ...]]
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


def repeated(paths: Sequence[Path], labels: np.ndarray) -> tuple[tuple[Path, ...], ...]:
    """The groups of more than one photo. labels: of each photo the number of its group."""
    members: dict[int, list[Path]] = {}
    for path, label in zip(paths, labels.tolist(), strict=True):
        members.setdefault(label, []).append(path)
    return tuple(tuple(group) for group in members.values() if len(group) > 1)
