import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aifashion.box_maps import BoxCodec
from aifashion.boxes import overlaps

CODEC = BoxCodec((96, 64), 8)


def garments(limit: int) -> st.SearchStrategy:
    """Boxes in the input whose middles lie in cells that do not touch, each with a category."""
    box = st.tuples(st.integers(0, 80), st.integers(0, 50), st.integers(4, 60), st.integers(4, 60)).map(
        lambda b: (b[0], b[1], min(b[0] + b[2], 96), min(b[1] + b[3], 64))
    )

    def apart(rows: list) -> bool:
        cells = [((b[0] + b[2]) // 16, (b[1] + b[3]) // 16, c) for b, c in rows]
        return all(
            max(abs(a[0] - b[0]), abs(a[1] - b[1])) > 1 for i, a in enumerate(cells) for b in cells[:i] if a[2] == b[2]
        )

    return st.lists(st.tuples(box, st.integers(0, 2)), max_size=limit).filter(apart)


@given(garments(4))
def test_decode_gives_back_what_encode_was_given(rows):
    boxes, category = np.array([b for b, _ in rows]).reshape(-1, 4), np.array([c for _, c in rows], int)
    targets = CODEC.encode(boxes, category, 3)
    (found,) = CODEC.decode(targets.heat[None], targets.distances[None], lowest=1.0)
    assert len(found) == len(rows)
    assert (found.score == 1).all()
    order = [int(overlaps(boxes[i : i + 1], found.boxes)[0].argmax()) for i in range(len(rows))]
    for i, b in enumerate(boxes):
        matches = [k for k in range(len(found)) if found.category[k] == category[i]]
        assert any(np.allclose(found.boxes[k], b, atol=1e-4) for k in matches), (b, found.boxes, order)


def test_a_box_worked_by_hand():
    # 32 px wide and 16 high about (32, 24): its middle is in cell (4, 3), and it reaches int(4 / 2 * 0.54) = 1 cell
    # to the left and right and none up and down.
    targets = CODEC.encode(np.array([[16, 16, 48, 32]]), np.array([1]), 2)
    row = np.zeros(12)
    near = np.exp(-1 / (2 * (3 / 6) ** 2))
    row[3:6] = near, 1, near
    np.testing.assert_allclose(targets.heat[3, :, 1], row, rtol=1e-6)
    assert targets.heat[..., 0].sum() == 0 and targets.heat[2].sum() == 0
    assert targets.distances[3, 4, 1].tolist() == [20, 12, 12, 4]  # from the cell's middle, (36, 28)
    np.testing.assert_allclose(targets.weight[3, :, 1], row / row.sum(), rtol=1e-6)
    assert (targets.counted == 1).all()


def test_the_smaller_of_two_boxes_in_one_cell_is_learned_and_other_categories_are_apart():
    large, small = [0, 0, 64, 64], [24, 24, 40, 40]
    targets = CODEC.encode(np.array([small, large]), np.array([0, 0]), 2)
    assert targets.distances[4, 4, 0].tolist() == [12, 12, 4, 4]
    targets = CODEC.encode(np.array([small, large]), np.array([0, 1]), 2)
    assert targets.distances[4, 4, 0].tolist() == [12, 12, 4, 4]
    assert targets.distances[4, 4, 1].tolist() == [36, 36, 28, 28]


def test_what_is_ignored_is_not_counted_but_for_the_middles_of_known_garments():
    targets = CODEC.encode(np.array([[16, 16, 48, 32]]), np.array([0]), 1, ignored=np.array([[0, 0, 50, 30]]))
    assert targets.counted[3, 4, 0] == 1
    assert targets.counted[0:4, 0:7].sum() == 1
    assert targets.counted[4:].all() and targets.counted[:, 7:].all()


def test_only_the_likeliest_peaks_are_kept():
    heat = np.zeros((1, 8, 12, 1), np.float32)
    heat[0, 2, 2, 0], heat[0, 2, 3, 0], heat[0, 6, 8, 0], heat[0, 0, 11, 0] = 0.9, 0.8, 0.4, 0.04
    distances = np.full((1, 8, 12, 1, 4), 10.0)
    (found,) = CODEC.decode(heat, distances)
    np.testing.assert_allclose(found.score, [0.9, 0.4])
    assert found.boxes[0].tolist() == [10, 10, 30, 30]
    (found,) = CODEC.decode(heat, distances, limit=1)
    assert len(found) == 1
    (found,) = CODEC.decode(heat, distances, lowest=0.01)
    assert found.boxes[2].tolist() == [82, 0, 96, 14], "cut off at the input's edges"


def test_boxes_without_an_area_and_no_numbers_are_left_out():
    heat = np.zeros((1, 8, 12, 1), np.float32)
    heat[0, 2, 2, 0], heat[0, 6, 8, 0] = 0.9, 0.8
    distances = np.zeros((1, 8, 12, 1, 4))
    distances[0, 6, 8, 0] = np.nan
    assert len(CODEC.decode(heat, distances)[0]) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BoxCodec((100, 64), 8), "must divide"),
        (lambda: CODEC.encode(np.array([[0, 0, 97, 10]]), np.array([0]), 1), "must lie in the input"),
        (lambda: CODEC.encode(np.array([[5, 0, 5, 10]]), np.array([0]), 1), "have an area"),
        (lambda: CODEC.encode(np.array([[0, 0, 5, 10]]), np.array([1]), 1), "categories must be 0 to 0"),
        (lambda: CODEC.decode(np.zeros((1, 8, 12, 2)), np.zeros((1, 8, 12, 4))), "expected heat"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
