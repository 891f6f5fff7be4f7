"""The lists of the FashionAI keypoint challenge as labelled photos, and back."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...records import ABSENT, NO_GARMENT, Keypoints, Sample
from ...vocabulary import Vocabulary
from .challenges import CATEGORIES, FASHIONAI, KEYPOINTS
from .fashionai import (
    ID_COLUMNS,
    find_keypoint_sets,
    image_root,
    keypoint_csv,
    scan_keypoint_rows,
    scan_training_sets,
    write_keypoint_csv,
)
from .labels import LabelledGarment, LabelledPhoto, LabelSet
from .problems import FormatError, Problem, head_of

DECIMALS = 2
"""Of the coordinates that are written; the challenge's own files have none."""


def is_fashionai(path: Path) -> bool:
    """Whether a file has the header of the challenge's lists, or a folder a list to train on."""
    if path.is_dir():
        try:
            return bool(find_keypoint_sets(path).train)
        except OSError:
            return False
    first = head_of(path).decode("utf-8-sig", "ignore").partition("\n")[0]
    return set(ID_COLUMNS) <= {cell.strip().strip('"') for cell in first.split(",")}


def read_fashionai(path: Path) -> LabelSet:
    """A list with the 24 keypoint columns, or all lists to train on below a folder.

    Photos of the category `none` have no garment. Raises FormatError for a list without a sound row, or without the
    keypoint columns.
    """
    path = Path(path)
    if path.is_dir():
        root, photos, problems = path, [], []
        for rows in scan_training_sets(path):
            listed = f" of {rows.path.relative_to(path).as_posix()}"
            for sample, line in zip(rows.samples, rows.lines, strict=True):
                photos.append(_photo(sample, sample.path.relative_to(path).as_posix(), f"line {line}{listed}"))
            problems += rows.problems
    else:
        root = image_root(path)
        samples, lines, problems = scan_keypoint_rows(path, training=True)
        if any(sample.keypoints is None for sample in samples):
            raise FormatError([Problem(path, 1, "the 24 keypoint columns are missing: a list of photos alone")])
        photos = [_photo(s, s.image_id, f"line {line}") for s, line in zip(samples, lines, strict=True)]
    if not photos:
        raise FormatError(problems or [Problem(path, None, "no rows")])
    return LabelSet(path, root, tuple(photos), tuple(problems))


def write_fashionai(labels: LabelSet, out: Path, vocabulary: Vocabulary) -> None:
    """A list with DECIMALS; photos without a garment get the category `none`.

    Raises ValueError for names of a vocabulary that the list has no column for, and for a photo with several garments:
    a list has one row for each.
    """
    write_keypoint_csv(out, samples_of_fashionai(labels, vocabulary), DECIMALS)


def fashionai_pieces(labels: LabelSet, vocabulary: Vocabulary) -> Iterator[str]:
    """The text of the list that `write_fashionai` writes. Raises ValueError as it does."""
    yield keypoint_csv(samples_of_fashionai(labels, vocabulary), DECIMALS)


def samples_of_fashionai(labels: LabelSet, vocabulary: Vocabulary) -> list[Sample]:
    """The rows of a list. Raises ValueError as `write_fashionai`."""
    unknown = [
        name for name in (*vocabulary.categories, *vocabulary.keypoints) if name not in (*CATEGORIES, *KEYPOINTS)
    ]
    if unknown:
        raise ValueError(
            f"a FashionAI list has no {', '.join(unknown[:5])}: its categories are {', '.join(CATEGORIES)}; convert to "
            "them with --names, or choose another format"
        )
    count, samples = len(KEYPOINTS), []
    for photo in labels.photos:
        path = labels.root / photo.file_name
        if not photo.garments:
            nothing = Keypoints(np.full((count, 2), -1.0), np.full(count, ABSENT))
            samples.append(Sample(photo.file_name, path, NO_GARMENT, nothing))
        for garment in photo.garments:
            xy, state = np.full((count, 2), -1.0), np.full(count, ABSENT)
            place = [FASHIONAI.indices[name] for name in garment.names]
            xy[place], state[place] = garment.keypoints.xy, garment.keypoints.state
            samples.append(Sample(photo.file_name, path, garment.category, Keypoints(xy, state)))
    return samples


def _photo(sample: Sample, name: str, row: str) -> LabelledPhoto:
    if sample.category == NO_GARMENT or sample.keypoints is None:
        return LabelledPhoto(name, None, ())
    return LabelledPhoto(name, None, (LabelledGarment(row, str(sample.category), KEYPOINTS, sample.keypoints),))
