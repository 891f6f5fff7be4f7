"""Labelled photos for the tests of formats, and what of them has to come back."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.records import ABSENT, Keypoints
from aifashion.vocabulary import Vocabulary, load_vocabulary

VOCABULARY = load_vocabulary("fashionai")
SIZE = (317, 401)
Points = Mapping[str, tuple[float, float, int]]
"""x, y and state by the names of keypoints."""


def garment(category: str, points: Points, vocabulary: Vocabulary, box=None) -> LabelledGarment:
    """With all keypoints of its category; those that are not in `points` are absent."""
    names = vocabulary.definitions[vocabulary.category_index(category)].keypoints
    xy, state = np.full((len(names), 2), -1.0), np.full(len(names), ABSENT)
    for name, (x, y, seen) in points.items():
        xy[names.index(name)], state[names.index(name)] = (x, y), seen
    return LabelledGarment("made", category, names, Keypoints(xy, state), box)


def random_garment(category: str, seed: int, scored: bool = False) -> LabelledGarment:
    """With visible, hidden and absent keypoints, at positions with many decimals."""
    names = VOCABULARY.definitions[VOCABULARY.category_index(category)].keypoints
    rng = np.random.default_rng(seed)
    state = rng.integers(-1, 2, len(names))
    state[:3] = 1, 0, ABSENT
    xy = np.where(state[:, None] == ABSENT, -1, rng.uniform(0, 300, (len(names), 2)))
    scores = tuple(rng.uniform(0, 1, len(names)).tolist()) if scored else None
    return LabelledGarment(
        f"{category} {seed}", category, names, Keypoints(xy, state), (0.25, 1 / 3, 316.5, 400), scores
    )


def photo_file(path: Path, size: tuple[int, int] = (200, 100)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 30, 90)).save(path)
    return path


def label_set(root: Path, *photos: LabelledPhoto) -> LabelSet:
    return LabelSet(root, root, photos)


def labels(root: Path, scored: bool = False) -> LabelSet:
    """Three photos: of two garments of one category and another, of one garment, and of none."""
    three = tuple(random_garment(*one, scored) for one in (("skirt", 1), ("skirt", 2), ("outwear", 3)))
    photos = (
        LabelledPhoto("a/first photo.jpg", SIZE, three),
        LabelledPhoto("a/größer & mehr.png", (640, 480), (random_garment("trousers", 4, scored),)),
        LabelledPhoto("empty.jpg", SIZE, ()),
    )
    return LabelSet(root / "labels", root, photos)


def only(found: LabelSet) -> LabelledGarment:
    """The garment of a set that has a single one."""
    ((one,),) = (photo.garments for photo in found.photos)
    return one


def present(found: LabelledGarment) -> dict[str, tuple[float, float, int]]:
    """The keypoints that are not absent."""
    rows = zip(found.names, found.keypoints.xy.tolist(), found.keypoints.state.tolist(), strict=True)
    return {name: (x, y, state) for name, (x, y), state in rows if state != ABSENT}


def by_file(found: LabelSet) -> dict[str, LabelledPhoto]:
    return {photo.file_name: photo for photo in found.photos}


def check_same(found: LabelSet, expected: LabelSet, within: float = 1e-6) -> None:
    """The same photos, garments, boxes, categories and present keypoints, with the same states."""
    assert by_file(found).keys() == by_file(expected).keys()
    for name, photo in by_file(found).items():
        other = by_file(expected)[name]
        assert photo.size == other.size or not other.garments
        assert [g.category for g in photo.garments] == [g.category for g in other.garments]
        for ours, theirs in zip(photo.garments, other.garments, strict=True):
            assert ours.box is not None and theirs.box is not None
            np.testing.assert_allclose(ours.box, theirs.box, rtol=0, atol=within)
            assert present(ours).keys() == present(theirs).keys()
            for point, values in present(ours).items():
                np.testing.assert_allclose(values, present(theirs)[point], rtol=0, atol=within)


def check_comes_back(
    written: Path, ours: LabelSet, known: Callable[[Path], bool], read: Callable[[Path], LabelSet]
) -> LabelSet:
    """What was written is known as its format and has all of `ours`, with nothing to report; gives what was read."""
    assert known(written)
    found = read(written)
    check_same(found, ours)
    assert not found.problems and not found.left_out
    return found
