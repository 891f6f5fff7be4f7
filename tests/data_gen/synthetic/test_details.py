from dataclasses import replace

import numpy as np
import pytest

from aifashion.data_gen.synthetic import details
from aifashion.data_gen.synthetic.body import random_body
from aifashion.data_gen.synthetic.cloth import plain
from aifashion.data_gen.synthetic.cut import Cut, Garment
from aifashion.data_gen.synthetic.garment import upper
from aifashion.data_gen.synthetic.paint import Piece

GREY = plain(np.full(3, 0.5))
BOMBER = Cut(2.0, 0.95, 0.4, "collar_design", "Rib Collar", True, 0.0)


def made(cut: Cut, category: str, seed: int) -> Garment:
    body = random_body(np.random.default_rng(seed), False)
    return upper(np.random.default_rng(seed), body, category, cut, GREY, False, 25.0, category)


def parts(garment: Garment, name: str) -> list[Piece]:
    return [piece for piece in garment.pieces if piece.part == name]


def some_with(name: str, cut: Cut, category: str) -> list[Garment]:
    garments = [made(cut, category, seed) for seed in range(120)]
    return [garment for garment in garments if parts(garment, name)]


def test_a_jacket_in_rib_has_a_band_along_each_front_and_its_hem_points_at_the_bands_low_ends():
    jackets = some_with("hem_band", BOMBER, "outwear")
    assert 20 < len(jackets) < 100
    for jacket in jackets:
        bands = parts(jacket, "hem_band")
        assert len(bands) == 2
        corners = np.vstack([band.rings[0] for band in bands])
        for side in ("left", "right"):
            assert np.hypot(*(corners - jacket.marks[f"top_hem_{side}"].xy).T).min() < 1e-9
        assert "hem_band" in jacket.marks["top_hem_left"].spared


def test_only_short_garments_that_are_no_dresses_have_ribs(rng):
    for category, cut in (("outwear", replace(BOMBER, hem=3.0)), ("dress", BOMBER)):
        assert all(details.random_rib(rng, category, cut, GREY) is None for _ in range(50))


def test_a_longer_back_is_visible_below_the_front_and_has_no_keypoints():
    shirts = some_with("back_hem", Cut(2.0, 0.3, 0.3, "neckline_design", "Round Neckline", False, 0.0), "blouse")
    assert shirts
    for shirt in shirts:
        (back,), (front,) = parts(shirt, "back_hem"), parts(shirt, "torso")
        assert back.rings[0][:, 1].max() > front.rings[0][:, 1].max() + 0.04
        assert back.z < front.z
        assert all(mark.home != "back_hem" for mark in shirt.marks.values())


def test_a_yoke_lies_between_neck_and_chest():
    dresses = some_with("yoke", Cut(3.4, 0.3, 0.3, "neckline_design", "Round Neckline", False, 0.1), "dress")
    assert dresses
    for dress in dresses:
        (piece,) = parts(dress, "yoke")
        low = piece.rings[0][:, 1].max()
        assert dress.marks["center_front"].xy[1] < low < dress.marks["armpit_left"].xy[1] + 0.3
        assert "yoke" in dress.marks["armpit_left"].spared


@pytest.mark.parametrize("category", ["blouse", "outwear"])
def test_buttons_of_coats_are_larger_than_those_of_shirts(category):
    cut = Cut(2.3, 0.9, 0.3, "collar_design", "Shirt Collar", False, 0.0)
    widths = []
    for seed in range(60):
        (torso,) = parts(made(cut, category, seed), "torso")
        dots = [stroke.width for stroke in torso.strokes if np.ptp(stroke.xy, 0).max() == 0]
        widths += dots
    assert widths
    low, high = (0.07, 0.1) if category == "outwear" else (0.04, 0.055)
    assert low <= min(widths) and max(widths) <= high
