from collections import Counter

import numpy as np
import pytest

from aifashion.data_gen.synthetic.compose import KINDS, render_scene
from aifashion.records import ABSENT, HIDDEN, VISIBLE
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()
FEWEST = {"street": 0, "crowd": 1, "wall": 2, "rail": 1, "pair": 2, "single": 1, "empty": 0}
"""Garments in view: of a person from the hips down little can be left in the photo."""


@pytest.fixture(scope="module")
def scenes():
    return {kind: [render_scene(np.random.default_rng([seed, 9]), 160, kind) for seed in range(12)] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_scene(kind):
    one, two, other = (render_scene(np.random.default_rng(seed), 96, kind) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.image, two.image)
    assert len(one.garments) == len(two.garments)
    for a, b in zip(one.garments, two.garments, strict=True):
        assert (a.category, a.keypoints, a.seen, a.box.tolist()) == (b.category, b.keypoints, b.seen, b.box.tolist())
    assert one.image.shape != other.image.shape or (one.image != other.image).any()


@pytest.mark.parametrize("kind", KINDS)
def test_points_lie_in_the_box_and_the_box_in_the_photo(kind, scenes):
    for scene in scenes[kind]:
        height, width = scene.image.shape[:2]
        assert scene.image.dtype == np.uint8 and scene.kind == kind
        assert 88 <= max(height, width) <= 160
        assert FEWEST[kind] <= len(scene.garments)
        for garment in scene.garments:
            left, top, right, bottom = garment.box
            assert 0 <= left < right <= width and 0 <= top < bottom <= height
            state, xy = garment.keypoints.state, garment.keypoints.xy
            assert (state[~ALL.mask(garment.category)] == ABSENT).all()
            present = xy[state != ABSENT]
            # A point counts the middle of its pixel: half a pixel less than the edges of a box.
            assert (present >= (left - 1.5, top - 1.5)).all() and (present <= (right + 0.5, bottom + 0.5)).all()
            assert 0.1 <= garment.seen <= 1


def test_scenes_are_of_their_kinds(scenes):
    categories = {kind: [[g.category for g in scene.garments] for scene in scenes[kind]] for kind in KINDS}
    assert all(not found for found in categories["empty"])
    assert all(found and len(set(found)) == len(found) for found in categories["street"] if found)
    assert np.mean([len(found) for found in categories["crowd"]]) > 3
    hidden = {kind: share_hidden(scenes[kind]) for kind in KINDS if kind != "empty"}
    assert hidden["rail"] > 0.15 > hidden["wall"] and hidden["crowd"] > hidden["single"]


def share_hidden(scenes) -> float:
    states = np.concatenate([garment.keypoints.state for scene in scenes for garment in scene.garments])
    return float((states == HIDDEN).sum() / np.isin(states, (HIDDEN, VISIBLE)).sum())


def test_photos_and_garments_are_of_many_sizes(scenes):
    shapes = {scene.image.shape[:2] for kind in KINDS for scene in scenes[kind]}
    assert any(h > w for h, w in shapes) and any(h == w for h, w in shapes) and any(h < w for h, w in shapes)
    shares = [
        (garment.box[2:] - garment.box[:2]).max() / max(scene.image.shape)
        for kind in KINDS
        for scene in scenes[kind]
        for garment in scene.garments
    ]
    assert min(shares) < 0.12 and max(shares) > 0.9


def test_kinds_are_as_frequent_as_they_are_said_to_be():
    drawn = Counter(render_scene(np.random.default_rng([seed, 1]), 64).kind for seed in range(100))
    assert sum(probability for probability, *_ in KINDS.values()) == pytest.approx(1)
    for kind, (probability, *_) in KINDS.items():
        assert abs(drawn[kind] - 100 * probability) < 4 * (100 * probability * (1 - probability)) ** 0.5


def test_unknown_kinds_and_tiny_photos_are_refused(rng):
    with pytest.raises(ValueError, match="unknown kind of scene 'beach'; expected one of street, crowd"):
        render_scene(rng, 96, "beach")
    with pytest.raises(ValueError, match="at least 64 px on its longer side; got 63"):
        render_scene(rng, 63)
