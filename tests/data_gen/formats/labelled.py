"""Labelled photos for the tests of formats."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.records import ABSENT, Keypoints
from aifashion.vocabulary import Vocabulary

Points = Mapping[str, tuple[float, float, int]]


def garment(category: str, points: Points, vocabulary: Vocabulary, box=None) -> LabelledGarment:
    """With all keypoints of its category; those that are not in `points` are absent."""
    names = vocabulary.definitions[vocabulary.category_index(category)].keypoints
    xy, state = np.full((len(names), 2), -1.0), np.full(len(names), ABSENT)
    for name, (x, y, seen) in points.items():
        xy[names.index(name)], state[names.index(name)] = (x, y), seen
    return LabelledGarment("made", category, names, Keypoints(xy, state), box)


def photo_file(path: Path, size: tuple[int, int] = (200, 100)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 30, 90)).save(path)
    return path


def label_set(root: Path, *photos: LabelledPhoto) -> LabelSet:
    return LabelSet(root, root, photos)


def points_of(found: LabelledGarment) -> dict[str, tuple[float, float, int]]:
    """The present keypoints by their names, rounded to 1/1000 px."""
    rows = zip(found.names, found.keypoints.xy.tolist(), found.keypoints.state.tolist(), strict=True)
    return {name: (round(x, 3), round(y, 3), state) for name, (x, y), state in rows if state != ABSENT}
