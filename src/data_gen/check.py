"""What is wrong with a data set, before hours of training find out."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ..garments import ALL, CATEGORIES, KEYPOINTS, SPAN_PAIRS
from ..geometry import Size, inside
from ..records import ABSENT, HIDDEN, VISIBLE, Sample
from .duplicates import Fingerprint, fingerprint, group_fingerprints
from .formats.fashionai import Problem, find_keypoint_sets, scan_keypoint_rows
from .images import ImageError, decode_image


@dataclass(frozen=True, slots=True)
class SetSummary:
    """One category of one CSV. absent: keypoints the category has but the garment lacks. no_span: garments that cannot
    be scored, since a point of the span is absent or both coincide."""

    file: Path
    category: str
    images: int
    visible: int
    hidden: int
    absent: int
    no_span: int


@dataclass(frozen=True, slots=True)
class Report:
    """problems: rows and photos that cannot be used. warnings: those that look wrong. duplicates: groups of photos that
    show the same picture. leaks: those of the groups with photos on both sides, training and test."""

    data: Path
    summaries: tuple[SetSummary, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    duplicates: tuple[tuple[Path, ...], ...]
    leaks: tuple[tuple[Path, ...], ...]

    @property
    def ok(self) -> bool:
        """Whether everything can be used; warnings and duplicates do not count."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class _Row:
    file: Path
    line: int
    sample: Sample


def check_dataset(data: Path, workers: int = 2) -> Report:
    """Reads every keypoint CSV below `data` and decodes every photo once, in `workers` threads.

    Goes on past whatever is broken, and keeps 3 KB of each photo. Answer files are read, but name no photos of their
    own. Raises FileNotFoundError where there is no keypoint CSV at all.
    """
    sets = find_keypoint_sets(data)
    problems: list[Problem] = []
    rows: dict[str, list[_Row]] = {"train": [], "tests": [], "answers": []}
    for kind, found in rows.items():
        for file in getattr(sets, kind):
            try:
                samples, lines, wrong = scan_keypoint_rows(file)
            except OSError as error:
                samples, lines, wrong = [], [], [Problem(file, None, str(error))]
            problems += wrong
            found += [_Row(file, line, sample) for line, sample in zip(lines, samples, strict=True)]

    photos = rows["train"] + rows["tests"]
    paths = list(dict.fromkeys(row.sample.path for row in photos))
    with ThreadPoolExecutor(max_workers=workers) as pool:
        reading = pool.map(_inspect, paths)
        seen = dict(zip(paths, track(reading, "Reading photos", len(paths), console=Console(stderr=True)), strict=True))
    warnings: list[Problem] = []
    for row in photos:
        known = seen[row.sample.path]
        if isinstance(known, str):
            problems.append(Problem(row.file, row.line, known))
        size = None if isinstance(known, str) else known[0]
        warnings += [Problem(row.file, row.line, message) for message in _suspicions(row.sample, size)]

    labels = group_fingerprints([None if isinstance(known, str) else known[1] for known in seen.values()])
    duplicates = _groups(paths, labels)
    train, tests = ({row.sample.path for row in rows[kind]} for kind in ("train", "tests"))
    leaks = tuple(group for group in duplicates if not train.isdisjoint(group) and not tests.isdisjoint(group))
    summaries = tuple(summary for found in rows.values() for summary in _summarise(found))
    return Report(Path(data), summaries, tuple(problems), tuple(warnings), duplicates, leaks)


def print_report(report: Report, console: Console) -> None:
    """Prints the summary table, every finding and a verdict."""
    table = Table(title=f"Keypoint sets in {report.data}")
    table.add_column("set")
    table.add_column("category")
    for name in ("images", "visible", "hidden", "absent", "no span"):
        table.add_column(name, justify="right")
    for s in report.summaries:
        counts = (s.images, s.visible, s.hidden, s.absent, s.no_span)
        table.add_row(str(_short(s.file, report.data)), s.category, *(f"{count:,}" for count in counts))
    console.print(table)
    for title, findings in (("Problems", report.problems), ("Warnings", report.warnings)):
        _print_list(console, title, [str(finding) for finding in findings])
    for title, groups in (
        ("Pictures that occur more than once", report.duplicates),
        ("In training and test", report.leaks),
    ):
        _print_list(console, title, [" = ".join(str(_short(path, report.data)) for path in group) for group in groups])
    counts = (
        f"{len(report.problems)} problems, {len(report.warnings)} warnings, "
        f"{len(report.duplicates)} repeated pictures, "
        f"{len(report.leaks)} of them in training and test"
    )
    console.print(f"{'usable' if report.ok else 'not usable as it is'}: {counts}", markup=False, highlight=False)


def _inspect(path: Path) -> tuple[Size, Fingerprint] | str:
    """(width, height) and fingerprint of a photo, or what is wrong with it."""
    try:
        data = path.read_bytes()
        image = decode_image(data, str(path))
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    except ImageError as error:
        return str(error)
    return (image.shape[1], image.shape[0]), fingerprint(data, image)


def _suspicions(sample: Sample, size: Size | None) -> Iterator[str]:
    folder = sample.path.parent.name
    if folder in CATEGORIES and folder != sample.category:
        yield f"{sample.image_id}: called a {sample.category}, but lies in the folder {folder}"
    if sample.keypoints is None:
        return
    xy, present = sample.keypoints.xy, sample.keypoints.state != ABSENT
    if size is not None:
        outside = np.flatnonzero(present & ~inside(xy, size))
        if len(outside):
            points = ", ".join(f"{KEYPOINTS[k]} ({xy[k, 0]:g}, {xy[k, 1]:g})" for k in outside)
            yield f"{sample.image_id}: outside the photo of {size[0]} x {size[1]} pixels: {points}"
    lefts = np.flatnonzero(["left" in name for name in KEYPOINTS] & present & present[ALL.twins])
    if len(lefts) > 1 and (xy[lefts, 0] > xy[ALL.twins[lefts], 0]).all():
        yield f"{sample.image_id}: left and right look exchanged; left means the left of the picture"


def _groups(paths: Sequence[Path], labels: np.ndarray) -> tuple[tuple[Path, ...], ...]:
    members: dict[int, list[Path]] = {}
    for path, label in zip(paths, labels.tolist(), strict=True):
        members.setdefault(label, []).append(path)
    return tuple(tuple(group) for group in members.values() if len(group) > 1)


def _summarise(rows: Sequence[_Row]) -> Iterator[SetSummary]:
    parts: dict[tuple[Path, str], list[Sample]] = {}
    for row in rows:
        parts.setdefault((row.file, str(row.sample.category)), []).append(row.sample)
    for (file, category), samples in sorted(parts.items()):
        annotated = [s.keypoints for s in samples if s.keypoints is not None]
        own = ALL.mask(category)
        states = np.array([k.state[own] for k in annotated])
        visible, hidden, absent = (int((states == value).sum()) for value in (VISIBLE, HIDDEN, ABSENT))
        ends = [KEYPOINTS.index(name) for name in SPAN_PAIRS[category]]
        no_span = sum((k.state[ends] == ABSENT).any() or (k.xy[ends[0]] == k.xy[ends[1]]).all() for k in annotated)
        yield SetSummary(file, category, len(samples), visible, hidden, absent, int(no_span))


def _short(path: Path, data: Path) -> Path:
    return path.relative_to(data) if path.is_relative_to(data) else path


def _print_list(console: Console, title: str, lines: Sequence[str]) -> None:
    if lines:
        console.print(f"{title} ({len(lines)})", style="bold")
    for line in lines:
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
