import numpy as np
import pytest

from aifashion.data_gen.synthetic.cloth import plain
from aifashion.data_gen.synthetic.outline import polyline
from aifashion.data_gen.synthetic.paint import Canvas, Piece, Stroke, silhouette
from aifashion.geometry import Frame

RED = np.array([1.0, 0.0, 0.0])


def canvas() -> Canvas:
    """A white photo of 64 by 64 px, 10 px per head, with even light."""
    camera = Frame(np.array([[10.0, 0, 0], [0, 10.0, 0]]))
    return Canvas(np.ones((64, 64, 3), np.float32), camera, light=0.0, ink=1.0, rim=0.0, shadow=0.0)


def box(part: str, left: float, top: float, right: float, bottom: float, owner: str = "", **rest) -> Piece:
    ring = polyline((left, top), (right, top), (right, bottom), (left, bottom))
    middle = (left + right) / 2
    axis = polyline((middle, top), (middle, bottom))
    return Piece(part, 0, (ring,), axis, np.full(2, 1.0), plain(RED), owner=owner, **rest)


def test_a_piece_fills_only_its_shape(rng):
    c = canvas()
    c.paint(box("torso", 1, 2, 4, 5), rng)
    red = c.image[..., 1] < 0.5
    assert red[22:49, 12:39].all()
    assert not red[:18].any()
    assert not red[:, 43:].any()
    assert (c.top[22:49, 12:39] == 0).all()
    assert c.top[0, 0] == -1


def test_a_point_is_covered_by_a_later_piece_but_not_by_an_earlier_one(rng):
    c = canvas()
    c.paint(box("arm", 2, 2, 5, 5), rng)
    c.paint(box("torso", 1, 1, 4, 6, owner="blouse"), rng)
    c.paint(box("bag", 1, 4, 6, 6), rng)
    assert not c.covered(np.array([30.0, 30.0]), 1, frozenset())
    assert c.covered(np.array([30.0, 50.0]), 1, frozenset())
    assert not c.covered(np.array([30.0, 50.0]), 2, frozenset())


def test_a_point_at_the_edge_of_a_later_piece_is_visible(rng):
    c = canvas()
    c.paint(box("torso", 1, 1, 5, 6, owner="blouse"), rng)
    c.paint(box("bag", 3, 1, 6, 6), rng)
    assert not c.covered(np.array([30.0, 30.0]), 0, frozenset())
    assert c.covered(np.array([34.0, 30.0]), 0, frozenset())


@pytest.mark.parametrize(("owner", "hidden"), [("blouse", False), ("", False), ("coat", True)])
def test_spared_parts_do_not_hide_unless_they_belong_to_another_garment(rng, owner, hidden):
    c = canvas()
    c.paint(box("torso", 1, 1, 5, 6, owner="blouse"), rng)
    c.paint(box("sleeve_left", 1, 1, 5, 6, owner=owner), rng)
    assert c.covered(np.array([30.0, 30.0]), 0, frozenset({"sleeve_left"})) == hidden


def test_strokes_stay_on_their_piece(rng):
    c = canvas()
    line = Stroke(polyline((0, 3), (6, 3)), 0.2, 1.0, (0.0, 0.0, 1.0))
    c.paint(box("torso", 1, 1, 4, 5, strokes=(line,)), rng)
    assert c.image[30, 25, 2] > 0.8
    assert c.image[30, 25, 0] < 0.2
    np.testing.assert_allclose(c.image[30, 50], 1.0)


def test_a_piece_outside_the_photo_does_not_change_it(rng):
    c = canvas()
    c.paint(box("torso", 20, 20, 24, 25), rng)
    assert (c.image == 1).all()


def test_of_several_figures_only_one_s_own_body_is_spared(rng):
    c = canvas()
    c.paint(box("torso", 1, 1, 5, 6, owner="blouse"), rng)
    c.paint(box("arm_left", 1, 1, 5, 6), rng)
    at, spared = np.array([30.0, 30.0]), frozenset({"arm_left"})
    assert not c.covered(at, 0, spared, figure=range(2))
    assert c.covered(at, 0, spared, figure=range(1))


def test_only_the_given_cloth_counts_for_what_covers_a_corner(rng):
    # The bag surrounds the corner of the torso at (30, 30), and covers nothing of it.
    c = canvas()
    c.paint(box("torso", 0, 0, 3, 3, owner="blouse"), rng)
    c.paint(box("bag", 3.1, 0, 6, 6), rng)
    c.paint(box("bag", 0, 3.1, 6, 6), rng)
    cloth = silhouette(c.pieces[:1], c.camera, (64, 64))
    assert c.covered(np.array([31.0, 31.0]), 0, frozenset())
    assert not c.covered(np.array([31.0, 31.0]), 0, frozenset(), cloth=cloth)
    c.paint(box("bag", 2, 2, 6, 6), rng)
    assert c.covered(np.array([31.0, 31.0]), 0, frozenset(), cloth=cloth)


def test_a_silhouette_is_what_would_be_on_top_alone_in_the_photo(rng):
    camera = Frame(np.array([[9.0, 2.0, 3.3], [-1.5, 8.0, 7.7]]))
    pieces = [box("torso", 1, 1, 4, 9), box("sleeve", -3, 2, 2, 3), box("hem", 20, 20, 21, 21)]
    c = Canvas(np.ones((64, 50, 3), np.float32), camera, 0.0, 1.0, 0.0, 0.0)
    for piece in pieces:
        c.paint(piece, rng)
    shape = silhouette(pieces, camera, (50, 64))
    assert shape.any() and not shape.all()
    np.testing.assert_array_equal(shape, c.top >= 0)
