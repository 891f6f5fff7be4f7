"""Data sets in any format of `formats.table`, beside COCO sets and the folders of the FashionAI challenge."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..records import ABSENT, NO_GARMENT, Keypoints, Sample
from ..vocabulary import Vocabulary
from .formats.fashionai_labels import is_fashionai
from .formats.label_names import named, of_category
from .formats.label_samples import fitting, garments_of
from .formats.labels import LabelSet
from .formats.problems import FormatError, Problem
from .formats.table import format_of, formats_of
from .images import resolve_image
from .split import load_or_make_split


def is_labels(data: Path, coco: str) -> bool:
    """Whether the data are in a format of the table that is read as labels: not COCO, and no folder of FashionAI.

    coco: the name of the file that makes a folder a COCO set.
    """
    if not data.exists() or (data.is_dir() and ((data / coco).exists() or is_fashionai(data))):
        return False
    likely = {entry.name for entry in formats_of(data)}
    return bool(likely) and "coco" not in likely


def read_labels(data: Path, vocabulary: Vocabulary, category: str = "all") -> LabelSet:
    """What of a file or folder fits the photos, with the names of the vocabulary; category: all, or the one to keep.

    Raises FormatError for a file of which nothing is sound, of several or no formats, and for unknown names.
    """
    labels = format_of(data).read(data)  # type: ignore[misc]
    labels = labels if category == "all" else of_category(labels, category)
    return fitting(named(labels, vocabulary))


def samples_of_labels(data: Path, vocabulary: Vocabulary, category: str = "all") -> tuple[LabelSet, list[Sample]]:
    """The labels, and one sample for each garment; of FashionAI's lists, photos of the category `none` as well."""
    labels = read_labels(data, vocabulary, category)
    samples = [sample for _, sample in garments_of(labels, vocabulary)]
    if is_fashionai(data):
        count = len(vocabulary.keypoints)
        nothing = Keypoints(np.full((count, 2), -1.0), np.full(count, ABSENT))
        empty = [photo.file_name for photo in labels.photos if not photo.garments]
        samples += [Sample(name, resolve_image(labels.root, name), NO_GARMENT, nothing) for name in empty]
    return labels, samples


def bare_samples(labels: LabelSet) -> tuple[list[Sample], list[Problem]]:
    """The photos without a garment as samples without a category, and those whose names leave the folder."""
    samples, problems = [], []
    for photo in labels.photos:
        if not photo.garments:
            try:
                samples.append(Sample(photo.file_name, resolve_image(labels.root, photo.file_name), None))
            except ValueError as error:
                problems.append(Problem(labels.path, None, f"photo {photo.file_name}: {error}"))
    return samples, problems


def split_by_photo(
    data: Path, root: Path, samples: Sequence[Sample], fraction: float, seed: int
) -> tuple[list[Sample], list[Sample]]:
    """(train, val): the split that is stored beside the data, or in the folder of the photos where that is another.

    All garments of a photo are in one part. Raises ValueError as `load_or_make_split`.
    """
    folder, prefix = (data, "") if data.is_dir() else (data.parent, f"{data.stem}_")
    if not Path(os.path.realpath(root)).is_relative_to(os.path.realpath(folder)):
        folder = root
    by_photo: dict[Path, list[Sample]] = {}
    for sample in samples:
        by_photo.setdefault(sample.path, []).append(sample)
    if not by_photo:
        raise FormatError([Problem(data, None, "no garment with a labelled keypoint: nothing to train on")])
    first = [group[0] for group in by_photo.values()]
    halves = load_or_make_split(folder, first, fraction, seed, prefix=prefix)
    train, val = ([sample for one in half for sample in by_photo[one.path]] for half in halves)
    return train, val
