from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from aifashion.data_gen.synthetic.outline import along, arc_length, chain, even, mirror, polyline, profile, ribbon


def test_arc_length_and_points_along_a_polyline():
    line = polyline((0, 0), (3, 4), (3, 10))
    np.testing.assert_allclose(arc_length(line), [0, 5, 11])
    np.testing.assert_allclose(along(line, np.array([2.5, 8.0, 13.0])), [[1.5, 2], [3, 7], [3, 12]])


def test_even_points_keep_the_ends_and_lie_at_equal_distances():
    points = even(polyline((0, 0), (2, 0), (2, 4)), 7)
    np.testing.assert_allclose(points[[0, -1]], [[0, 0], [2, 4]])
    np.testing.assert_allclose(np.diff(arc_length(points)), 1.0)


def test_mirror_is_its_own_inverse():
    line = polyline((1, 2), (-3, 4))
    np.testing.assert_array_equal(mirror(mirror(line)), line)


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=6))
def test_profile_passes_its_knots_without_overshoot(values):
    levels = tuple(float(i) for i in range(len(values)))
    np.testing.assert_allclose(profile(np.array(levels), levels, tuple(values)), values, atol=1e-9)
    for i in range(len(values) - 1):
        inside = profile(np.linspace(i, i + 1, 20), levels, tuple(values))
        low, high = sorted(values[i : i + 2])
        assert (inside >= low - 1e-9).all()
        assert (inside <= high + 1e-9).all()


def test_profile_agrees_with_scipy_inside_even_knots():
    levels, values = (0.0, 1.0, 2.0, 3.0, 4.0), (1.0, 0.5, 0.9, 1.0, 3.0)
    at = np.linspace(1, 3, 21)
    np.testing.assert_allclose(profile(at, levels, values), PchipInterpolator(levels, values)(at), atol=1e-12)


def test_ribbon_around_a_straight_bone_has_its_outer_edge_on_the_limb_s_side():
    bone, s = polyline((0, 0), (0, 1), (0, 2)), np.linspace(0.2, 1.8, 5)
    for side in (-1, 1):
        outer, inner = ribbon(bone, s, np.full(5, 0.3), side)
        np.testing.assert_allclose(outer, np.stack([np.full(5, 0.3 * side), s], -1), atol=1e-9)
        np.testing.assert_allclose(inner, np.stack([np.full(5, -0.3 * side), s], -1), atol=1e-9)


def test_chain_overlaps_and_reaches_both_ends():
    outer, inner = polyline(*[(1, i) for i in range(8)]), polyline(*[(0, i) for i in range(8)])
    rings = chain(outer, inner, 3)
    assert rings[0][0].tolist() == [1, 0]
    assert max(ring[:, 1].max() for ring in rings) == 7
    for one, two in pairwise(rings):
        assert one[:, 1].max() >= two[:, 1].min()
