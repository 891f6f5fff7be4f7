"""Labelled photos for the tests of annotation tools' formats, and what of them has to come back."""

from pathlib import Path

import numpy as np

from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.records import Keypoints
from aifashion.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary("fashionai")
SIZE = (317, 401)


def garment(category: str, seed: int, scored: bool = False) -> LabelledGarment:
    """With visible, hidden and absent keypoints, at positions with many decimals."""
    names = next(c.keypoints for c in VOCABULARY.definitions if c.name == category)
    rng = np.random.default_rng(seed)
    state = rng.integers(-1, 2, len(names))
    state[:3] = 1, 0, -1
    xy = np.where(state[:, None] < 0, -1, rng.uniform(0, 300, (len(names), 2)))
    scores = tuple(rng.uniform(0, 1, len(names)).tolist()) if scored else None
    return LabelledGarment(
        f"{category} {seed}", category, names, Keypoints(xy, state), (0.25, 1 / 3, 316.5, 400), scores
    )


def labels(root: Path, scored: bool = False) -> LabelSet:
    """Three photos: of two garments of one category and another, of one garment, and of none."""
    three = (garment("skirt", 1, scored), garment("skirt", 2, scored), garment("outwear", 3, scored))
    photos = (
        LabelledPhoto("a/first photo.jpg", SIZE, three),
        LabelledPhoto("a/größer & mehr.png", (640, 480), (garment("trousers", 4, scored),)),
        LabelledPhoto("empty.jpg", SIZE, ()),
    )
    return LabelSet(root / "labels", root, photos)


def present(labelled: LabelledGarment) -> dict[str, tuple[float, float, int]]:
    rows = zip(labelled.names, labelled.keypoints.xy.tolist(), labelled.keypoints.state.tolist(), strict=True)
    return {name: (x, y, state) for name, (x, y), state in rows if state != -1}


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
