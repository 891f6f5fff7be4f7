import numpy as np
import pytest

from aifashion.data_gen.synthetic.paint import Canvas
from aifashion.data_gen.synthetic.placement import extent, fitted
from aifashion.data_gen.synthetic.things import SMALL, THINGS, random_thing


@pytest.mark.parametrize("name", THINGS)
def test_a_thing_stands_on_the_floor_and_is_seen(name):
    for seed in range(8):
        pieces = THINGS[name](np.random.default_rng(seed))
        low, high = extent(pieces)
        assert np.isfinite([low, high]).all() and (high - low > 0.1).all()
        if name != "scarf":
            assert -0.3 < high[1] < 0.5 and low[0] < 0 < high[0]
        assert {piece.owner for piece in pieces} == {""}  # of no garment
        canvas = Canvas(np.ones((60, 60, 3), np.float32), fitted(pieces, (0, 0, 60, 60), np.eye(2), 0.9), 0, 1, 0.1, 1)
        for piece in pieces:
            canvas.paint(piece, np.random.default_rng(0))
        assert (canvas.top >= 0).mean() > 0.015
        assert set(range(len(pieces))) & set(np.unique(canvas.top))


def test_things_are_of_many_kinds_and_the_small_ones_are_among_them():
    assert set(SMALL) < set(THINGS)
    parts = {random_thing(np.random.default_rng(seed))[-1].part for seed in range(200)}
    assert len(parts) >= len(THINGS) - 2
