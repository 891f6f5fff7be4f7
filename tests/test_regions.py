import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aifashion.geometry import Frame, identity, letterbox, shift, zoom
from aifashion.records import Box
from aifashion.regions import garment_region, join_keypoints, largest_region, squared_box, summed_heatmap

EVERY = np.ones(2, bool)


def blobs(*rectangles: tuple[int, int, int, int, float], shape: tuple[int, int] = (16, 16)) -> np.ndarray:
    """(h, w, 2): rectangles of cells (left, top, right, bottom, value), in turn on either keypoint's heatmap."""
    heatmaps = np.zeros((*shape, 2), np.float32)
    for i, (left, top, right, bottom, value) in enumerate(rectangles):
        heatmaps[top:bottom, left:right, i % 2] = value
    return heatmaps


def test_the_sum_is_over_the_present_keypoints_and_scaled_to_its_peak():
    heatmaps = np.array([[[1, 2, 50], [-3, 1, 50]], [[0, 0, 50], [4, 4, 50]]], np.float32)
    heat = summed_heatmap(heatmaps, np.array([True, True, False]))
    # Negative values count as zero, not against the others.
    np.testing.assert_allclose(heat, np.array([[3, 1], [0, 8]]) / 8)
    assert heat.dtype == np.float32


def test_the_sum_is_zero_without_present_keypoints_or_positive_values():
    heatmaps = np.ones((3, 4, 2), np.float32)
    for heat in (summed_heatmap(heatmaps, np.zeros(2, bool)), summed_heatmap(-heatmaps, EVERY)):
        np.testing.assert_array_equal(heat, np.zeros((3, 4)))


def test_the_largest_region_is_the_one_with_the_most_cells():
    heat = np.zeros((8, 10))
    heat[0:2, 0:2] = 1.0  # brighter, but smaller
    heat[4:6, 5:8] = 0.3
    heat[7, 0] = 0.29
    expected = np.zeros((8, 10), bool)
    expected[4:6, 5:8] = True
    np.testing.assert_array_equal(largest_region(heat, 0.3), expected)


def test_cells_that_touch_at_a_corner_are_connected():
    heat = np.zeros((6, 6))
    heat[[0, 1, 2], [0, 1, 2]] = 1
    heat[5, 4:6] = 1
    region = largest_region(heat, 0.5)
    assert region is not None and np.argwhere(region).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_no_region_where_no_cell_reaches_the_threshold():
    assert largest_region(np.full((4, 4), 0.4), 0.5) is None
    assert garment_region(blobs(), EVERY, identity(), (16, 16)) is None
    assert garment_region(blobs((2, 2, 5, 5, 1.0)), np.array([False, True]), identity(), (16, 16)) is None


@pytest.mark.parametrize(
    ("points", "margin", "expected"),
    [
        # Pixels 10..19 and 5..8: ten columns, so a square of 10 about row 6.5 (rows 2..11).
        ([[10, 5], [19, 8]], 0.0, Box(10, 2, 20, 12)),
        # A margin of 0.2 adds two pixels on each side.
        ([[10, 5], [19, 8]], 0.2, Box(8, 0, 22, 14)),
        # Two pixels more on each side again would begin at row -2: it is shifted down.
        ([[10, 5], [19, 8]], 0.4, Box(6, 0, 24, 18)),
        # At the right and lower edge it is shifted back.
        ([[30, 20], [39, 29]], 0.1, Box(28, 18, 40, 30)),
        ([[12, 7]], 0.0, Box(12, 7, 13, 8)),
        # 40 x 30: larger than the image is high, so it reaches 5 rows beyond on each side.
        ([[0, 3], [39, 20]], 0.0, Box(0, -5, 40, 35)),
        # A margin would show nothing; a tenth would need eight more columns than 38, and the image has only two.
        ([[0, 3], [39, 20]], 0.05, Box(0, -5, 40, 35)),
        ([[1, 3], [38, 20]], 0.1, Box(0, -5, 40, 35)),
    ],
)
def test_square_boxes_by_hand(points, margin, expected):
    assert squared_box(np.array(points, float), (40, 30), margin) == expected


@given(st.lists(st.tuples(st.floats(0, 59), st.floats(0, 39)), min_size=1, max_size=6).map(np.array), st.floats(0, 0.5))
def test_a_square_box_contains_its_points(points: np.ndarray, margin: float):
    box = squared_box(points, (60, 40), margin)
    assert box.width == box.height
    side = min((np.ptp(points, axis=0).max() + 1) * (1 + 2 * margin), 60)
    assert abs(box.width - side) <= 0.5 + 1e-9
    # Side and start are whole pixels: each can be off by half a pixel.
    low, high = points.min(axis=0) - 0.5, points.max(axis=0) + 0.5
    assert (low >= np.array([box.left, box.top]) - 0.5 - 1.0).all()
    assert (high <= np.array([box.right, box.bottom]) - 0.5 + 1.0).all()
    for start, end, length in ((box.left, box.right, 60), (box.top, box.bottom, 40)):
        if box.width <= length:
            assert start >= 0 and end <= length
        else:  # as far beyond one edge as beyond the other
            assert abs(-start - (end - length)) <= 1


def test_a_box_needs_points():
    with pytest.raises(ValueError, match="at least one point"):
        squared_box(np.zeros((0, 2)), (10, 10), 0.1)


def test_the_box_frames_the_largest_blob_in_photo_pixels():
    # Columns 3..6 and rows 5..6 of 16 x 16 cells of 4 px: pixels 12..27 and 20..27, squared about row 23.5.
    heatmaps = blobs((3, 5, 7, 7, 0.5), (12, 12, 14, 14, 1.0))
    cells_to_photo = zoom(4)
    assert garment_region(heatmaps, EVERY, cells_to_photo, (64, 64), margin=0) == Box(12, 16, 28, 32)
    # A quarter of 16 px on each side.
    assert garment_region(heatmaps, EVERY, cells_to_photo, (64, 64), margin=0.25) == Box(8, 12, 32, 36)


def test_blobs_of_two_keypoints_that_touch_are_one_region():
    heatmaps = blobs((1, 1, 3, 3, 1.0), (3, 3, 5, 5, 1.0), (10, 10, 13, 12, 1.0))
    assert garment_region(heatmaps, EVERY, zoom(4), (64, 64), margin=0) == Box(4, 4, 20, 20)
    # Without the second keypoint, what is left of the first is smaller than the third blob, of six cells.
    only_first = np.array([True, False])
    assert garment_region(heatmaps, only_first, zoom(4), (64, 64), margin=0) == Box(40, 38, 52, 50)


def test_the_threshold_is_a_share_of_the_peak():
    # The weak blob is the larger one and touches no other; it counts only below its share of the peak, 2/8.
    heatmaps = blobs((1, 1, 3, 3, 8.0), (8, 8, 12, 12, 2.0))
    whole = {"cells_to_photo": identity(), "size": (16, 16), "margin": 0}
    assert garment_region(heatmaps, EVERY, **whole, threshold=0.26) == Box(1, 1, 3, 3)
    assert garment_region(heatmaps, EVERY, **whole, threshold=0.25) == Box(8, 8, 12, 12)


def test_regions_are_clipped_to_the_photo():
    # 32 x 16 px, letterboxed into 64 x 64 px: cells of 4 px are 2 px of the photo, which fills rows 4..11 of 16.
    cells_to_photo = Frame(letterbox((32, 16), (16, 16)).inverse)
    heatmaps = blobs((2, 0, 6, 6, 1.0))
    # Columns 2..5 are pixels 4..11; rows 4..5 pixels 0..3, rows 0..3 lie above the photo. Squared it would begin above
    # the photo, so it is shifted down.
    assert garment_region(heatmaps, EVERY, cells_to_photo, (32, 16), margin=0) == Box(4, 0, 12, 8)


def test_a_region_wider_than_the_photo_is_high_is_padded():
    heatmaps = blobs((0, 6, 16, 10, 1.0))
    # All 64 columns of a 64 x 32 photo: 16 rows of padding above and below.
    cells_to_photo = Frame(letterbox((64, 32), (16, 16)).inverse)
    assert garment_region(heatmaps, EVERY, cells_to_photo, (64, 32), margin=0) == Box(0, -16, 64, 48)


def test_a_region_in_the_padding_alone_gives_no_box():
    heatmaps = np.zeros((16, 16, 1), np.float32)
    heatmaps[1:3, 4:9, 0] = 1
    photo_lies_below = zoom(4).then(shift(0, -32))
    assert garment_region(heatmaps, np.array([True]), photo_lies_below, (64, 32)) is None


# Three keypoints, at (2, 3), (9, 3) and (9, 11): x and y of the only cell above 0 in each heatmap.
PEAKS = np.array([[2, 3], [9, 3], [9, 11]])
ALL_THREE = np.ones(3, bool)


def single_cells(*values: float) -> np.ndarray:
    heatmaps = np.zeros((16, 16, 3), np.float32)
    for k, (value, (x, y)) in enumerate(zip(values, PEAKS, strict=True)):
        heatmaps[y, x, k] = value
    return heatmaps


def test_a_line_joins_the_two_peaks_of_an_edge_with_the_lower_value():
    heatmaps = single_cells(0.9, 0.6, 0.8)
    heat = summed_heatmap(heatmaps, ALL_THREE)
    before = heat.copy()
    joined = join_keypoints(heat, heatmaps, ALL_THREE, [(0, 1), (1, 2)])
    expected = heat.copy()
    expected[3, 3:9] = 0.6  # between the first two
    expected[4:11, 9] = 0.6  # down to the third
    np.testing.assert_allclose(joined, expected, rtol=1e-6)
    assert joined.dtype == np.float32
    np.testing.assert_array_equal(heat, before)


def test_only_edges_between_keypoints_of_the_garment_are_drawn():
    heatmaps = single_cells(0.9, 0.6, 0.8)
    heat = summed_heatmap(heatmaps, ALL_THREE)
    some = np.array([True, False, True])
    np.testing.assert_array_equal(join_keypoints(heat, heatmaps, some, [(0, 1), (1, 2)]), heat)
    slanted = join_keypoints(heat, heatmaps, some, [(0, 2)])
    # Eight rows down for seven columns: one cell a row between the two.
    changed = slanted != heat
    assert changed[4:11].sum(axis=1).tolist() == [1] * 7 and not changed[:4].any() and not changed[11:].any()
    np.testing.assert_allclose(slanted[changed], 0.8)
    np.testing.assert_array_equal(join_keypoints(heat, heatmaps, ALL_THREE, []), heat)


def test_lines_do_not_lower_cells():
    heatmaps = single_cells(0.9, 0.6, 0.8)
    heat = np.full((16, 16), 0.7, np.float32)
    np.testing.assert_array_equal(join_keypoints(heat, heatmaps, ALL_THREE, [(0, 1)]), heat)
    raised = join_keypoints(heat, heatmaps, ALL_THREE, [(0, 2)])
    assert raised.max() == pytest.approx(0.8) and raised.min() == pytest.approx(0.7)


def test_peaks_are_clipped_to_0_and_1():
    joined = join_keypoints(np.zeros((16, 16), np.float32), single_cells(1.7, 1.2, -0.4), ALL_THREE, [(0, 1)])
    assert joined.max() == 1
    below = single_cells(1.7, 1.2, 0.0) - 0.5  # nothing but -0.5 for the third
    assert not join_keypoints(np.zeros((16, 16), np.float32), below, ALL_THREE, [(1, 2)]).any()


def test_a_garment_joined_along_its_outline_is_one_region():
    heatmaps = single_cells(0.9, 0.6, 0.8)
    edges = [(0, 1), (1, 2)]
    apart = garment_region(heatmaps, ALL_THREE, zoom(4), (64, 64), margin=0)
    assert apart is not None and apart.width == 4  # one cell
    # Columns 2..9 and rows 3..11 of 4 px: 32 px wide and 36 high, squared about column 23.5.
    assert garment_region(heatmaps, ALL_THREE, zoom(4), (64, 64), edges, margin=0) == Box(6, 12, 42, 48)


def test_a_keypoint_of_low_confidence_is_not_joined():
    heatmaps = single_cells(0.9, 0.8, 0.1)
    # With the third it would reach down to row 11; 0.1 is below the threshold of 0.2.
    assert garment_region(heatmaps, ALL_THREE, zoom(4), (64, 64), [(0, 1), (1, 2)], margin=0) == Box(8, 0, 40, 32)
