"""Checks COCO sets and sets in all other formats of `formats.table` before training, as `check` does FashionAI's."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..records import Sample
from ..vocabulary import Vocabulary
from .check import Report, inspect_photo, repeated
from .duplicates import group_fingerprints
from .formats.box_files import scan_boxes
from .formats.fashionai_labels import is_fashionai
from .formats.label_names import named, where
from .formats.label_samples import fitting, garments_of
from .formats.labels import LabelSet
from .formats.problems import FormatError, Problem
from .formats.table import format_of, formats_of
from .images import resolve_image
from .keypoint_sets import TEST, TRAIN, VAL
from .label_checks import never_visible, not_scored, suspicions, unusable
from .label_summaries import ListedRow, summarise


def label_files(data: Path) -> list[Path]:
    """The files or the folder of a set that is no folder of FashionAI: of a COCO folder its parts; else none."""
    data = Path(data)
    if data.is_dir() and (data / TRAIN).exists():
        return [data / name for name in (TRAIN, VAL, TEST) if (data / name).exists()]
    if not data.exists() or (is_fashionai(data) and data.is_dir()):
        return []
    return [data] if formats_of(data) else []


def check_labels(
    data: Path,
    vocabulary: Vocabulary,
    workers: int = 2,
    shown: Callable[[Iterable[Any], int], Iterable[Any]] = lambda results, total: results,
) -> Report:
    """Reads the files of the set and decodes every photo once; arguments as of `check.check_dataset`.

    Problems are those for which training leaves something out. Sound annotations without keypoints are counted in a
    warning. Raises FileNotFoundError where there is no such set, FormatError where nothing of its only file is sound.
    """
    data = Path(data)
    files = label_files(data)
    if not files:
        raise FileNotFoundError(f"no annotations that can be read in {data}")
    problems: list[Problem] = []
    warnings: list[Problem] = []
    photos: dict[Path, list[Path]] = {}
    rows: dict[Path, list[tuple[str, ListedRow]]] = {}
    for file in files:
        labels, wrong, doubtful = _read(file, vocabulary)
        problems += wrong
        warnings += doubtful
        if labels is None and len(files) == 1:
            raise FormatError(wrong)
        photos[file], rows[file], wrong = _listed(labels, vocabulary) if labels else ([], [], [])
        problems += wrong
    paths = list(dict.fromkeys(path for listed in photos.values() for path in listed))
    with ThreadPoolExecutor(max_workers=workers) as pool:
        inspected = dict(zip(paths, shown(pool.map(inspect_photo, paths), len(paths)), strict=True))
    for file in files:
        unread = ((path, found) for path in photos[file] if isinstance(found := inspected[path], str))
        problems += [Problem(file, None, reason) for _, reason in unread]
        for name, row in rows[file]:
            found = inspected[row.photo]
            if isinstance(row.row, Sample):
                doubts = suspicions(row.row, None if isinstance(found, str) else found[0], vocabulary)
                warnings += [Problem(file, None, f"{where(name)}, photo {doubt}") for doubt in doubts]
    prints = [None if isinstance(found := inspected[path], str) else found[1] for path in paths]
    groups = repeated(paths, group_fingerprints(prints))
    learnt = [row for file in files if file.name not in (VAL, TEST) or len(files) == 1 for _, row in rows[file]]
    train, val, test = ({*photos.get(data / name, ())} for name in (TRAIN, VAL, TEST))
    for group in groups:
        if not train.isdisjoint(group) and not val.isdisjoint(group):
            first, other = (next(path for path in group if path in part) for part in (train, val))
            warnings.append(
                Problem(data / VAL, None, f"{other.name} shows the same picture as {first.name}, which is trained on")
            )
    every = [row for listed in rows.values() for _, row in listed]
    problems += unusable(learnt, data, vocabulary)
    warnings += [*never_visible(learnt, data, vocabulary), *not_scored(every, vocabulary)]
    leaks = tuple(group for group in groups if not train.isdisjoint(group) and not test.isdisjoint(group))
    return Report(data, tuple(summarise(every, vocabulary)), (), tuple(problems), tuple(warnings), groups, leaks)


def _read(file: Path, vocabulary: Vocabulary) -> tuple[LabelSet | None, list[Problem], list[Problem]]:
    """What of the file fits its photos, problems, and warnings; None where nothing does."""
    try:
        labels = fitting(named(format_of(file).read(file), vocabulary))
    except FormatError as error:
        return None, list(error.problems), []
    except OSError as error:
        return None, [Problem(file, None, error.strerror or str(error))], []
    warnings = [Problem(file, None, f"{count:,} {kind}: not for keypoints") for kind, count in labels.left_out.items()]
    return replace(labels, problems=(), left_out=Counter()), list(labels.problems), warnings


def _listed(labels: LabelSet, vocabulary: Vocabulary) -> tuple[list[Path], list[tuple[str, ListedRow]], list[Problem]]:
    """The photos of a file, its garments with the ids of their annotations, and problems."""
    problems, paths = [], []
    for photo in labels.photos:
        try:
            paths.append(resolve_image(labels.root, photo.file_name))
        except ValueError as error:
            problems.append(Problem(labels.path, None, f"photo {photo.file_name}: {error}"))
    if not labels.garment_count:
        # Boxes alone, as a detector is trained on.
        boxes = scan_boxes(labels.path).problems if labels.path.suffix.lower() == ".json" else ()
        return paths, [], [*problems, *boxes]
    garments = garments_of(labels, vocabulary)
    return paths, [(garment.id, ListedRow(labels.path, 0, s.path, s)) for garment, s in garments], problems
