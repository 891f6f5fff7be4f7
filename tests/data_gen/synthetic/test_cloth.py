from dataclasses import replace

import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import CATEGORIES
from aifashion.data_gen.synthetic.cloth import (
    PATTERNS,
    Drape,
    fold_shade,
    lace,
    lined,
    plain,
    random_cloth,
    sheer,
    weave,
)


def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    v, u = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j].astype(np.float32)
    return u, v


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_is_a_coloured_tile(name, rng):
    for _ in range(5):
        cloth = PATTERNS[name](rng)
        assert cloth.tile.dtype == np.float32
        assert cloth.tile.shape[0] == cloth.tile.shape[1]
        assert 0 <= cloth.tile.min() <= cloth.tile.max() <= 1.5
        if cloth.opacity is not None:
            assert 0 <= cloth.opacity.min() <= cloth.opacity.max() <= 1


def test_only_lace_is_translucent(rng):
    assert [name for name in PATTERNS if PATTERNS[name](rng).opacity is not None] == ["lace"]


def test_cloth_repeats_after_its_repeat(rng):
    cloth = replace(PATTERNS["dots"](rng), turn=0.0)
    u, v = grid(40)
    colour, _ = weave(cloth, u, v, 1.0, 60.0)
    again, _ = weave(cloth, u, v + np.float32(cloth.repeat), 1.0, 60.0)
    assert np.ptp(colour) > 0.1
    np.testing.assert_allclose(colour, again, atol=0.02)


def test_plain_cloth_has_one_colour():
    cloth = plain(np.array([0.2, 0.4, 0.6]))
    np.testing.assert_allclose(cloth.mean, [0.2, 0.4, 0.6], atol=1e-6)
    assert np.ptp(cloth.tile.reshape(-1, 3), axis=0).max() == 0


def test_shade_is_a_factor_around_one_and_folds_deepen_it(rng):
    u, v = grid(64)
    flat = fold_shade(rng, u, v, Drape(roundness=0.0), 0.0)
    folded = fold_shade(rng, u, v, Drape(folds=8, depth=0.4, roundness=0.0), 0.0)
    assert flat.dtype == np.float32
    assert np.ptp(flat) == 0
    assert folded.std() > 0.05
    assert 0.7 < folded.mean() < 1.3


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_has_cloth(category, rng):
    assert len({random_cloth(rng, category).tile.mean().round(3) for _ in range(8)}) > 1


@pytest.mark.parametrize("veil", [sheer, lace])
def test_sheer_cloth_and_lace_take_the_given_colour(veil, rng):
    red = np.array([0.8, 0.1, 0.1])
    cloth = veil(rng, red)
    assert cloth.opacity is not None
    assert cloth.opacity.min() < 0.9
    np.testing.assert_allclose(cloth.mean / cloth.mean[0], red / red[0], atol=1e-5)


def test_a_lining_is_visible_only_through_the_holes(rng):
    cloth = lace(rng, np.array([0.9, 0.9, 0.9]))
    hidden = lined(rng, cloth)
    assert hidden.opacity is None
    assert hidden.tile.dtype == np.float32
    solid = cloth.opacity
    # The lining has one colour: the tile without the lace, divided by the transparency, is the same everywhere.
    holes = solid < 0.9
    lining = (hidden.tile - cloth.tile * solid[..., None])[holes] / (1 - solid[holes])[:, None]
    np.testing.assert_allclose(lining, np.broadcast_to(lining[0], lining.shape), atol=1e-3)


def test_opaque_cloth_gets_no_lining(rng):
    cloth = plain(np.array([0.2, 0.4, 0.6]))
    assert lined(rng, cloth) is cloth
