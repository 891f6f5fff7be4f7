import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aifashion.boxes import (
    UNKNOWN,
    Detections,
    areas,
    around,
    clipped,
    moved,
    no_detections,
    overlaps,
    squared,
    suppressed,
)
from aifashion.geometry import crop, flip, letterbox, zoom
from aifashion.records import Box

corners = st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(1, 40)] * 2)
boxes = st.lists(corners, min_size=1, max_size=6).map(
    lambda rows: np.array([(x, y, x + w, y + h) for x, y, w, h in rows])
)


def found(*rows: tuple[float, ...]) -> Detections:
    """Rows of left, top, right, bottom, category, score."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4].astype(int), table[:, 5])


@given(boxes, boxes)
def test_overlap_is_that_of_the_pixels_that_two_boxes_share(first, second):
    def pixels(box):
        left, top, right, bottom = box
        return {(x, y) for x in range(left, right) for y in range(top, bottom)}

    result = overlaps(first, second)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            shared, both = pixels(a) & pixels(b), pixels(a) | pixels(b)
            assert result[i, j] == pytest.approx(len(shared) / len(both))


def test_the_likelier_of_two_boxes_of_one_garment_is_kept():
    shirt, again, trousers = (0, 0, 10, 10, 0, 0.6), (0, 0, 10, 9, 0, 0.9), (0, 8, 10, 20, 2, 0.3)
    kept = suppressed(found(shirt, again, trousers))
    assert kept.boxes.tolist() == [list(again[:4]), list(trousers[:4])]
    np.testing.assert_allclose(kept.score, [0.9, 0.3])


def test_a_jacket_lies_over_a_shirt():
    shirt, jacket = (1, 0, 9, 10, 0, 0.6), (0, 0, 10, 10, 1, 0.9)  # they overlap by 80%
    assert len(suppressed(found(shirt, jacket))) == 2
    assert len(suppressed(found(shirt, (*jacket[:4], 0, 0.9)))) == 1, "two of one category"
    assert len(suppressed(found(shirt, jacket), other=0.7)) == 1


def test_of_a_chain_of_boxes_only_what_a_kept_one_overlaps_is_left_out():
    first, second, third = (0, 0, 10, 10, 0, 0.9), (3, 0, 13, 10, 0, 0.8), (6, 0, 16, 10, 0, 0.7)
    assert suppressed(found(first, second, third), same=0.5).boxes[:, 0].tolist() == [0, 6]


def test_of_equal_scores_the_first_is_kept_and_none_stay_none():
    assert suppressed(found((0, 0, 10, 10, 0, 0.5), (0, 0, 10, 9, 0, 0.5))).boxes[:, 3].tolist() == [10]
    assert len(suppressed(no_detections())) == 0


@given(boxes)
def test_a_box_moves_as_the_edges_of_its_pixels(these):
    doubled = moved(these, zoom(2))
    np.testing.assert_allclose(doubled, 2 * these)
    np.testing.assert_allclose(moved(these, crop(Box(5, 3, 50, 50))), these - [5, 3, 5, 3])
    np.testing.assert_allclose(
        moved(these, flip(100)), np.stack([100 - these[:, 2], these[:, 1], 100 - these[:, 0], these[:, 3]], 1)
    )


def test_a_whole_photo_fills_its_part_of_the_input():
    np.testing.assert_allclose(moved(np.array([[0, 0, 200, 100]]), letterbox((200, 100), (64, 64))), [[0, 16, 64, 48]])


def test_a_box_about_points_has_their_pixels_and_nothing_else():
    assert around(np.array([[3, 4]])).tolist() == [3, 4, 4, 5]
    assert around(np.array([[0, 0], [9, 4], [2, 2]])).tolist() == [0, 0, 10, 5]
    with pytest.raises(ValueError, match="at least one point"):
        around(np.zeros((0, 2)))


def test_what_reaches_beyond_the_photo_is_cut_off():
    assert clipped(np.array([[-3, 2, 14, 30], [20, 5, 30, 9]]), (12, 10)).tolist() == [[0, 2, 12, 10], [12, 5, 12, 9]]
    assert areas(clipped(np.array([[20, 5, 30, 9.0]]), (12, 10))).tolist() == [0]


def test_the_square_of_a_box_has_its_middle_and_margin():
    assert squared((10, 20, 30, 60), 0) == Box(0, 20, 40, 60)
    assert squared((10, 20, 30, 60), 0.25) == Box(-10, 10, 50, 70)
    assert squared((3.2, 4.4, 3.3, 4.5), 0.1) == Box(3, 4, 4, 5)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(0, 0, 0, 5)], "empty box: 0, 0, 0, 5"),
        ([(0, 0, 5, np.inf)], "not a finite number"),
        ([(0, 0, 5)], r"boxes \(N, 4\)"),
    ],
)
def test_what_is_no_box_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        Detections(np.array(rows), np.array([UNKNOWN]), np.array([1.0]))
