import numpy as np
import pytest

from aifashion.data_gen.synthetic.cloth import plain
from aifashion.data_gen.synthetic.cut import Garment
from aifashion.data_gen.synthetic.outline import polyline
from aifashion.data_gen.synthetic.paint import Piece
from aifashion.data_gen.synthetic.placement import extent, fitted, grouped, standing, turned


def square(part: str, left: float, top: float, side: float, z: float = 0.0) -> Piece:
    ring = polyline((left, top), (left + side, top), (left + side, top + side), (left, top + side))
    axis = polyline((left, top), (left, top + side))
    return Piece(part, z, (ring,), axis, np.full(2, side), plain(np.full(3, 0.5)), owner="other")


def test_garments_of_a_group_have_owners_of_their_own_and_all_is_painted_from_the_lowest_on():
    garments = [Garment("blouse", (square("torso", 0, 0, 1, 25), square("hood", 0, 0, 1, 3)), {}, {}) for _ in range(2)]
    group = grouped(garments, [square("bag", 0, 0, 1, 7)], standing(np.eye(2), 10, (0, 0)))
    assert [{piece.owner for piece in garment.pieces} for garment in group.garments] == [{"garment 0"}, {"garment 1"}]
    assert [piece.part for piece in group.pieces] == ["hood", "hood", "bag", "torso", "torso"]


def test_the_extent_is_about_all_pieces():
    low, high = extent([square("a", 1, 2, 3), square("b", -2, 4, 1)])
    assert low.tolist() == [-2, 2] and high.tolist() == [4, 5]


def test_the_neck_of_who_stands_is_where_it_is_said_to_be():
    camera = standing(turned(30, 1.1), 20, (50, 60))
    np.testing.assert_allclose(camera.forward(np.zeros((1, 2))), [[50, 60]])
    assert camera.scale == pytest.approx(20)


@pytest.mark.parametrize("degrees", [0, 35, -90])
@pytest.mark.parametrize(("anchor", "left"), [((0.0, 0.5), True), ((1.0, 0.5), False)])
def test_what_is_fitted_fills_its_area_in_the_tighter_direction(degrees, anchor, left):
    pieces = [square("a", 3, 1, 2), square("b", 4, 2, 2)]
    camera = fitted(pieces, (10, 20, 110, 70), turned(degrees), 0.8, anchor)
    points = camera.forward(np.vstack([piece.rings[0] for piece in pieces]))
    low, high = points.min(0), points.max(0)
    np.testing.assert_allclose((high - low)[1], 40)  # 80% of 50, in the middle
    np.testing.assert_allclose(low[1], 25)
    assert low[0] == pytest.approx(10) if left else high[0] == pytest.approx(110)
