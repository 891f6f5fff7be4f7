import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aifashion.eval.label_placement import place_labels


def covered(boxes: np.ndarray) -> np.ndarray:
    """(N, N): area that two rectangles share, 0 on the diagonal."""
    low, high = np.maximum(boxes[:, None, :2], boxes[:, :2]), np.minimum(boxes[:, None, 2:], boxes[:, 2:])
    area = np.maximum(0, high - low).prod(axis=-1)
    np.fill_diagonal(area, 0)
    return area


def test_labels_of_points_close_together_do_not_overlap():
    points = np.array([[400.0, 400], [412, 402], [405, 415], [420, 418]])
    sizes = np.tile([110.0, 20.0], (4, 1))
    boxes = place_labels(points, sizes, 6.0, [(points[0], points[3])], (800, 800))
    assert covered(boxes).max() == 0
    inside = (points >= boxes[:, None, :2]) & (points <= boxes[:, None, 2:])
    assert not inside.all(axis=-1).any()  # no label covers a point


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_labels_keep_their_size_and_stay_inside(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-50, 350, (10, 2))
    sizes = rng.uniform(10, 60, (10, 2))
    boxes = place_labels(points, sizes, 3.0, [], (300, 300))
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], sizes)
    assert boxes.min() >= 0 and boxes.max() <= 300
    np.testing.assert_array_equal(boxes, place_labels(points, sizes, 3.0, [], (300, 300)))
