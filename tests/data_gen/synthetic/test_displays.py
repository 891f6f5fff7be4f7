import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import CATEGORIES
from aifashion.data_gen.synthetic.displays import article, pair, rail, single, wall
from aifashion.data_gen.synthetic.paint import silhouette
from aifashion.data_gen.synthetic.placement import Group

SIZE = (240, 200)


def cloths(groups: list[Group]) -> list[np.ndarray]:
    """(H, W) bool of the garments of each group."""
    return [silhouette([p for g in group.garments for p in g.pieces], group.camera, SIZE) for group in groups]


@pytest.mark.parametrize("category", CATEGORIES)
def test_what_hangs_has_a_hanger_and_sleeves_that_hang_down(category):
    for seed in range(10):
        garments, things = article(np.random.default_rng(seed), category, hung=True)
        assert garments[0].category == category
        assert {"hook", "hanger"} <= {thing.part for thing in things}
        marks = garments[0].marks
        if "cuff_left_out" in marks and garments[0].sleeve > 0.8:
            assert marks["cuff_left_out"].xy[1] > marks["shoulder_left"].xy[1] + 1


def test_one_garment_alone_is_whole_and_of_many_sizes():
    shares = []
    for seed in range(60):
        (group,) = single(np.random.default_rng(seed), SIZE)
        points = group.camera.forward(np.vstack([r for g in group.garments for p in g.pieces for r in p.rings]))
        assert (points > -0.5).all() and (points < np.array(SIZE) + 0.5).all()
        shares.append((np.ptp(points, axis=0) / SIZE).max())
    assert min(shares) < 0.25 and max(shares) > 0.95


def test_two_garments_overlap_little():
    for seed in range(20):
        first, second = cloths(pair(np.random.default_rng(seed), SIZE))
        assert (first & second).sum() < 0.35 * min(first.sum(), second.sum())


def test_a_wall_has_many_garments_and_they_hardly_overlap():
    counts = []
    for seed in range(20):
        groups = wall(np.random.default_rng(seed), SIZE)
        shapes = cloths([group for group in groups if group.garments])
        counts.append(len(shapes))
        assert (np.sum(shapes, axis=0) > 1).sum() < 0.1 * np.any(shapes, axis=0).sum()
    assert min(counts) >= 2 and max(counts) > 8


def test_garments_on_a_rail_hang_below_it_and_many_overlap():
    overlapping = 0
    for seed in range(20):
        bar, *hung = rail(np.random.default_rng(seed), SIZE)
        level = bar.camera.forward(bar.things[0].rings[0])[0, 1]
        assert not bar.garments and len(hung) >= 2
        for group in hung:
            hooks = [piece for piece in group.things if piece.part == "hook"]
            top = group.camera.forward(np.vstack([ring for piece in hooks for ring in piece.rings]))[:, 1].min()
            assert abs(top - level) < 0.2 * group.camera.scale
        overlapping += (np.sum(cloths(hung), axis=0) > 1).any()
    assert overlapping > 12
