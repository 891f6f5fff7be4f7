import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifashion.geometry import letterbox
from aifashion.heatmaps import DECODERS, Decoder, HeatmapCodec

STRIDE, SIGMA, SIZE = 4, 1.5, (256, 192)
CODEC = HeatmapCodec(SIZE, STRIDE, SIGMA)
# Two neighbouring cells whose float32 values are equal (a difference of about 1e-7) may be 1e-6 cells off the tie.
ROUNDING = 1e-4


def round_trip(xy: np.ndarray, decoder: Decoder, codec: HeatmapCodec = CODEC) -> np.ndarray:
    """(N, 2) px -> the same points, each encoded and decoded."""
    heatmaps = codec.encode(xy, np.ones(len(xy), bool))
    return codec.decode(heatmaps[None], decoder)[0][0]


def decode_cells(heatmap: list, decoder: Decoder, sigma: float = SIGMA) -> tuple[float, float]:
    """One hand-made heatmap -> the decoded point in cells (the stride is 1, so pixels are cells)."""
    values = np.array(heatmap, np.float32)
    codec = HeatmapCodec((values.shape[1], values.shape[0]), 1, sigma)
    return tuple(codec.decode(values[None, :, :, None], decoder)[0][0, 0])


def points_within(margin: float, size: tuple[int, int] = SIZE):
    """Hypothesis strategy: (N, 2) px points at least `margin` px inside the edges of the image's area."""
    axes = [st.floats(margin - 0.5, side - 0.5 - margin) for side in size]
    return st.lists(st.tuples(*axes), min_size=1, max_size=20).map(np.array)


def evenly(rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """`count` random numbers, one in each of `count` equal parts of the interval, in random order."""
    return low + (high - low) * (rng.permutation(count) + rng.random(count)) / count


# ------------------------------------------------------------------------------------------------ the grid of cells


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_cell_i_is_centred_on_pixel_i_and_a_half_strides_less_a_half(stride: int, decoder: Decoder):
    # A single positive cell, with nothing about it to be refined by (two-peak always takes a quarter step).
    codec = HeatmapCodec((16 * stride, 12 * stride), stride)
    heatmaps = np.zeros((1, 12, 16, 3), np.float32)
    cells = [(0, 0), (5, 3), (15, 11)]
    for k, (x, y) in enumerate(cells):
        heatmaps[0, y, x, k] = 1
    expected = [[(x + 0.5) * stride - 0.5, (y + 0.5) * stride - 0.5] for x, y in cells]
    tolerance = stride / 4 if decoder == "two-peak" else 1e-9
    np.testing.assert_allclose(codec.decode(heatmaps, decoder)[0][0], expected, rtol=0, atol=tolerance)


def test_cells_cover_their_pixels_evenly():
    # Without the formula: a cell is an area of 4 x 4 pixels. A blob of pixels, averaged over each cell, is a heatmap
    # that balances about the same point; decoding it by its centroid must give that point back.
    y, x = np.mgrid[:192, :256]
    for point in ((101.0, 61.25), (99.5, 80.0), (130.75, 102.5)):
        blob = np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * 6.0**2))
        cells = blob.reshape(48, 4, 64, 4).mean(axis=(1, 3)).astype(np.float32)
        found = CODEC.decode(cells[None, :, :, None], "soft-argmax")[0][0, 0]
        np.testing.assert_allclose(found, point, rtol=0, atol=0.01)


def test_encode_by_hand():
    # (2.5, 5.5) px lies at cell (0.25, 1): (2.5 + 0.5) / 4 - 0.5.
    codec = HeatmapCodec((12, 8), 4, 0.5)
    heatmaps = codec.encode(np.array([[2.5, 5.5], [1.0, 1.0]]), np.array([True, False]))
    assert heatmaps.shape == (2, 3, 2) and heatmaps.dtype == np.float32
    distances = np.array([[0.25**2 + 1, 0.75**2 + 1, 1.75**2 + 1], [0.25**2, 0.75**2, 1.75**2]])
    np.testing.assert_allclose(heatmaps[..., 0], np.exp(-distances / (2 * 0.5**2)), rtol=1e-5)
    assert not heatmaps[..., 1].any()


def test_unlabelled_points_may_be_anything():
    xy = np.array([[np.nan, np.inf], [1e30, -1e30]])
    heatmaps = CODEC.encode(xy, np.zeros(2, bool))
    assert heatmaps.shape == (48, 64, 2) and not heatmaps.any()


def test_points_far_outside_leave_nothing_and_near_ones_a_tail():
    heatmaps = CODEC.encode(np.array([[-400.0, 20], [-3.5, 21.5]]), np.ones(2, bool))
    assert not heatmaps[..., 0].any()
    # 3 px outside the first pixel's edge: at cell -3/4 - 1/2, and exactly in row 5.
    assert heatmaps[5, 0, 1] == pytest.approx(np.exp(-(1.25**2) / (2 * SIGMA**2)), rel=1e-5)


# --------------------------------------------------------------------------------------- decoders by hand, in cells


def test_peaks_are_the_highest_values():
    xy = np.array([[101.5, 61.5], [20.0, 20]])
    heatmaps = CODEC.encode(xy, np.array([True, True]))[None] * np.float32(0.7)
    found = CODEC.decode(heatmaps, "argmax")[1]
    assert found.shape == (1, 2) and found.dtype == np.float32
    # (20, 20) lies at cell 4.625 on both axes, 0.375 from the nearest.
    np.testing.assert_allclose(found[0], [0.7, 0.7 * np.exp(-(2 * 0.375**2) / (2 * SIGMA**2))], rtol=1e-5)


@pytest.mark.parametrize("decoder", DECODERS)
def test_batches_and_keypoints_do_not_mix(decoder: Decoder):
    rng = np.random.default_rng(3)
    xy = rng.uniform(20, 170, (3, 5, 2))
    heatmaps = np.stack([CODEC.encode(points, np.ones(5, bool)) for points in xy])
    together = CODEC.decode(heatmaps, decoder)[0]
    assert together.shape == (3, 5, 2) and together.dtype == np.float64
    np.testing.assert_allclose(together, xy, atol=STRIDE / 2 + ROUNDING)
    alone = [[CODEC.decode(heatmaps[b : b + 1, :, :, k : k + 1], decoder)[0][0, 0] for k in range(5)] for b in range(3)]
    np.testing.assert_allclose(together, alone, rtol=0, atol=ROUNDING)


def test_equal_peaks_decode_to_the_first_row_by_row():
    # Few different values: nearly every map has its maximum several times, also in one row and in one column.
    heatmaps = np.random.default_rng(5).integers(0, 9, (2, 7, 9, 300)).astype(np.float32)
    codec = HeatmapCodec((9, 7), 1)
    xy, peaks = codec.decode(heatmaps, "argmax")
    for image, points, highest in zip(heatmaps, xy, peaks, strict=True):
        for k in range(300):
            assert (points[k, 1], points[k, 0]) == np.unravel_index(np.argmax(image[:, :, k]), (7, 9))
            assert highest[k] == image[:, :, k].max()


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_294_keypoints_of_deepfashion2(decoder: Decoder):
    # Two garments' worth of labelled points; the other heatmaps are zero everywhere.
    rng = np.random.default_rng(6)
    xy, labelled = rng.uniform(20, 170, (2, 294, 2)), np.zeros((2, 294), bool)
    labelled[0, 25:58] = labelled[1, 275:294] = True
    heatmaps = np.stack([CODEC.encode(points, known) for points, known in zip(xy, labelled, strict=True)])
    found, peaks = CODEC.decode(heatmaps, decoder)
    assert found.shape == (2, 294, 2)
    np.testing.assert_array_equal(peaks > 0, labelled)
    np.testing.assert_allclose(found[labelled], xy[labelled], rtol=0, atol=STRIDE / 2 + ROUNDING)


def test_quarter_steps_towards_the_higher_neighbour():
    rows = [[0, 0, 0, 0, 0], [0, 0, 3, 0, 0], [0, 1, 9, 2, 0], [0, 0, 3, 0, 0], [0, 0, 0, 0, 0]]
    assert decode_cells(rows, "quarter") == (2.25, 2)
    assert decode_cells(np.transpose(rows), "quarter") == (2, 2.25)
    # On the border there is no neighbour to compare with, so that axis stays.
    assert decode_cells([[0, 0, 0], [9, 5, 0], [1, 0, 0]], "quarter") == (0, 1.25)
    assert decode_cells([[0, 0, 1], [0, 5, 9], [0, 0, 0]], "quarter") == (2, 0.75)


def test_two_peak_steps_a_quarter_cell_towards_the_second_highest_wherever_it_is():
    rows = np.zeros((6, 8))
    rows[1, 1], rows[5, 4] = 9, 5  # 3 to the right and 4 down: a quarter cell along (0.6, 0.8)
    assert decode_cells(rows, "two-peak") == pytest.approx((1.15, 1.2))
    rows[1, 0] = 6
    assert decode_cells(rows, "two-peak") == pytest.approx((0.75, 1))


def test_dark_finds_the_vertex_of_a_parabola_on_the_border():
    # Logarithms are exact parabolas with the vertex at x = 0.3, y = 1.6; near the border nothing is smoothed.
    y, x = np.mgrid[:4, :4]
    assert decode_cells(np.exp(-0.3 * (x - 0.3) ** 2 - 0.2 * (y - 1.6) ** 2), "dark") == pytest.approx(
        (0.3, 1.6), abs=1e-5
    )


def test_dark_follows_a_slanted_peak():
    # A Gaussian that is narrow along one diagonal: the mixed derivative matters. Vertex at (0.8, 1.3).
    y, x = np.mgrid[:4, :4]
    u, v = (x - 0.8) + (y - 1.3), (x - 0.8) - (y - 1.3)
    assert decode_cells(np.exp(-0.05 * u**2 - 0.4 * v**2), "dark") == pytest.approx((0.8, 1.3), abs=1e-5)


def test_dark_stays_on_a_cell_that_smoothing_turns_into_a_hollow():
    # A lone spike within a ring of more mass: smoothed, the middle is a minimum, to which no step may lead.
    rows = np.full((11, 11), 0.01)
    rows[2:9, 2:9] = 0.5
    rows[2:9, 8] = 0.7
    rows[3:8, 3:8] = 0.01
    rows[5, 5] = 1
    assert decode_cells(rows, "dark") == (5, 5)


def test_soft_argmax_is_the_centroid_of_the_squares():
    # The window of sigma 0.3 reaches one cell. Squares: 1, 16, 9 in the row (and 4 above): x = 2 + (9 - 1) / 30.
    rows = [[0, 0, 0, 0, 0], [0, 0, 2, 0, 0], [7, 1, 8, 3, 7], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert decode_cells(rows, "soft-argmax", sigma=0.3) == pytest.approx((2 + 8 / 78, 2 - 4 / 78))


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("value", [0.0, -2.0, 0.5])
def test_a_flat_heatmap_has_its_peak_in_the_first_cell(decoder: Decoder, value: float):
    xy, peaks = CODEC.decode(np.full((1, 48, 64, 2), value, np.float32), decoder)
    assert peaks.tolist() == [[value, value]]
    # The first cell is centred on 1.5; two-peak looks towards the second cell.
    expected = [2.5, 1.5] if decoder == "two-peak" else [1.5, 1.5]
    np.testing.assert_array_equal(xy, [[expected, expected]])


@pytest.mark.parametrize("decoder", DECODERS)
def test_any_heatmap_decodes_near_its_highest_cell(decoder: Decoder):
    # Noise, with values far below zero as networks give them: refinement may not run away.
    rng = np.random.default_rng(0)
    for scale in (1e-12, 1.0, 1e6):
        heatmaps = (rng.normal(size=(4, 48, 64, 24)) * scale).astype(np.float32)
        xy, peaks = CODEC.decode(heatmaps, decoder)
        coarse = CODEC.decode(heatmaps, "argmax")[0]
        assert np.isfinite(xy).all() and np.isfinite(peaks).all()
        reach = {"argmax": 0, "quarter": 0.25, "two-peak": 0.25, "dark": 1, "soft-argmax": np.ceil(3 * SIGMA)}[decoder]
        assert np.abs(xy - coarse).max() <= reach * STRIDE + 1e-9


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 2), (3, 3), (2, 9)])
def test_tiny_heatmaps(decoder: Decoder, shape: tuple[int, int]):
    h, w = shape
    codec = HeatmapCodec((w * STRIDE, h * STRIDE), STRIDE, SIGMA)
    xy = codec.frame.back(np.array([[w - 1.0, h - 1.0]]))
    # two-peak always takes a quarter step, where there is a second cell.
    tolerance = STRIDE / 4 if decoder == "two-peak" else 1e-3
    np.testing.assert_allclose(round_trip(xy, decoder, codec), xy, rtol=0, atol=tolerance)


# ------------------------------------------------------------------------------------------------- how far off, in px


@settings(max_examples=60)
@given(st.floats(0.5, 4), points_within(0))
def test_argmax_is_within_half_a_cell(sigma: float, xy: np.ndarray):
    # A Gaussian falls with the distance, so the highest cell is the nearest one, and no point of the image's area is
    # further than half a cell (stride / 2) from the nearest centre, per axis.
    error = np.abs(round_trip(xy, "argmax", HeatmapCodec(SIZE, STRIDE, sigma)) - xy)
    assert error.max() <= STRIDE / 2 + ROUNDING


@settings(max_examples=60)
@given(st.floats(0.5, 4), points_within(STRIDE + ROUNDING))
def test_quarter_is_within_a_quarter_cell(sigma: float, xy: np.ndarray):
    # The higher neighbour is on the side of the point: an error of up to half a cell becomes one of |e| - 1/4. The
    # outermost cells lack a neighbour and stay as argmax has them, hence a margin of one cell.
    error = np.abs(round_trip(xy, "quarter", HeatmapCodec(SIZE, STRIDE, sigma)) - xy)
    assert error.max() <= STRIDE / 4 + ROUNDING


@settings(max_examples=60)
@given(st.floats(0.5, 4), points_within(STRIDE))
def test_two_peak_is_within_a_quarter_cell_on_the_axis_of_the_larger_error(sigma: float, xy: np.ndarray):
    # The second highest cell is the second nearest: the neighbour on the axis where the point is further from the
    # centre. There |e| becomes ||e| - 1/4|; on the other axis e <= 1/2 stays. A corner cell of the heatmap may lack
    # that neighbour, hence the margin of one cell.
    codec = HeatmapCodec(SIZE, STRIDE, sigma)
    error = np.abs(round_trip(xy, "two-peak", codec) - xy)
    assert error.max() <= STRIDE / 2 + ROUNDING
    coarse = np.abs(round_trip(xy, "argmax", codec) - xy)
    clear = np.abs(coarse[:, 0] - coarse[:, 1]) > ROUNDING
    refined = error[np.arange(len(xy)), coarse.argmax(axis=1)]
    assert (refined[clear] <= STRIDE / 4 + ROUNDING).all()


def dark_bound(sigma: float) -> float:
    """Cells by which one Newton step may miss the mean of a smoothed Gaussian, per axis.

    A Gaussian's logarithm is the parabola -u^2 / 2s^2, on which a Newton step is exact. Smoothing with a Gaussian that
    is cut at r cells adds K(u / s^2), where K is the cumulant function of weights exp(-j^2 / s^2) on -r..r (write out
    the sum over j). So the logarithm is a u^2 + b u^4 + ..., with a = -1/2s^2 + k2/2s^4 and b = k4/24s^8. A step by
    central differences from u then ends at b u (4u^2 - 1) / (a + ...), at most 0.1925 b / a for |u| <= 1/2.
    """
    j = np.arange(-max(1, round(sigma)), max(1, round(sigma)) + 1)
    weights = np.exp(-(j**2) / sigma**2)
    second, fourth = (np.average(j**n, weights=weights) for n in (2, 4))
    a = -1 / (2 * sigma**2) + second / (2 * sigma**4)
    b = (fourth - 3 * second**2) / (24 * sigma**8)
    return 2 * 0.1925 * abs(b) / abs(2 * a)


def soft_argmax_bound(sigma: float, reach: int) -> float:
    """Cells by which the centroid in a window of `reach` cells about the nearest cell may miss the mean, per axis.

    Squared, the Gaussian is exp(-u^2 / s^2). Over all cells, sums differ from integrals by Poisson's first term,
    q = exp(-pi^2 s^2), which moves the centroid by at most 2 pi s^2 q / (1 - 2q). Cut off is, on the heavier side,
    at most the sum of t exp(-t^2 / s^2) over t = reach + 1/2, reach + 3/2 ...
    """
    q = np.exp(-((np.pi * sigma) ** 2))
    t = reach + 0.5 + np.arange(50)
    tail = np.exp(-(t**2) / sigma**2)
    mass = np.sqrt(np.pi) * sigma * (1 - 2 * q) - 2 * tail.sum()
    return 2 * np.pi * sigma**2 * q / (1 - 2 * q) + (t * tail).sum() / mass


@settings(max_examples=60)
@given(st.floats(1, 4), points_within(0))
def test_dark_is_within_a_tenth_of_a_pixel_up_to_the_border(sigma: float, xy: np.ndarray):
    # At the border the raw values serve, whose logarithm is an exact parabola: no margin is needed. The bound is the
    # first neglected order, doubled for the others; 2e-4 cells for float32 logarithms over a curvature of 1 / s^2.
    error = np.abs(round_trip(xy, "dark", HeatmapCodec(SIZE, STRIDE, sigma)) - xy)
    assert error.max() <= STRIDE * (2 * dark_bound(sigma) + 2e-4)
    assert error.max() <= 0.1


def test_dark_at_the_standard_sigma_is_within_a_hundredth_of_a_pixel():
    xy = np.random.default_rng(1).uniform((-0.5, -0.5), (255.5, 191.5), (5000, 2))
    assert STRIDE * dark_bound(SIGMA) == pytest.approx(0.005, rel=0.1)
    assert np.abs(round_trip(xy, "dark") - xy).max() < 0.01


@settings(max_examples=60)
@given(st.floats(1, 4), points_within(0))
def test_soft_argmax_loses_what_its_window_cuts_off(sigma: float, xy: np.ndarray):
    error = np.abs(round_trip(xy, "soft-argmax", HeatmapCodec(SIZE, STRIDE, sigma)) - xy)
    # The window shrinks, symmetrically, to what the border leaves of it; that only pulls the centroid towards the
    # highest cell, so it is never worse than argmax.
    assert error.max() <= STRIDE / 2 + ROUNDING
    # The nearest cell is `reach` cells from the border (a tie between two cells counts as the outer one).
    cells = CODEC.frame.forward(xy)
    reach = np.ceil(np.minimum(cells, np.array([63, 47]) - cells) - 0.5 - 1e-5).astype(int)
    for e, r in zip(error.ravel(), reach.ravel(), strict=True):
        window = min(r, int(np.ceil(3 * sigma)))
        if window >= sigma:  # from here on t exp(-t^2 / s^2) falls, as the bound needs
            assert e <= STRIDE * soft_argmax_bound(sigma, window) + 1e-3


@settings(max_examples=60)
@given(points_within(12 + ROUNDING))
def test_soft_argmax_is_within_a_tenth_of_a_pixel_12_px_from_the_border(xy: np.ndarray):
    # 12 px leave a window of three cells, twice the standard sigma, on either side; 8 px only two.
    assert STRIDE * soft_argmax_bound(SIGMA, 3) < 0.03 and STRIDE * soft_argmax_bound(SIGMA, 2) > 0.1
    assert np.abs(round_trip(xy, "soft-argmax") - xy).max() < 0.1


# --------------------------------------------------------------------------------------------- no systematic offset


@pytest.mark.parametrize("decoder", DECODERS)
def test_errors_have_no_direction(decoder: Decoder):
    # One point in each 10,000th of an axis: the error averages to zero over every whole cell, so all that chance
    # leaves is where, within a part of 0.013 px, the error jumps from +stride/2 to -stride/2, once per cell: a standard
    # deviation of sqrt(32) * 2 / 10,000 = 0.001 px. Half a pixel, the usual mistake, is 25 times the limit.
    codec = HeatmapCodec((128, 128), STRIDE, SIGMA)
    rng = np.random.default_rng(11)
    xy = np.stack([evenly(rng, 10_000, -0.5, 127.5) for _ in "xy"], axis=1)
    error = np.concatenate([round_trip(part, decoder, codec) - part for part in np.array_split(xy, 10)])
    assert np.abs(error.mean(axis=0)).max() < 0.02


@pytest.mark.parametrize("decoder", DECODERS)
def test_errors_have_no_direction_in_photo_pixels(decoder: Decoder):
    # 320 x 240 fills 128 x 96 px of the input, between 4 whole cells of padding. An error is 2.5 times as large in
    # the photo: sqrt(32) * 5 / 10,000 = 0.003 px of chance.
    codec, frame = HeatmapCodec((128, 128), STRIDE, SIGMA), letterbox((320, 240), (128, 128))
    rng = np.random.default_rng(12)
    xy = np.stack([evenly(rng, 10_000, -0.5, 319.5), evenly(rng, 10_000, -0.5, 239.5)], axis=1)
    found = [frame.back(round_trip(frame.forward(part), decoder, codec)) - part for part in np.array_split(xy, 10)]
    assert np.abs(np.concatenate(found).mean(axis=0)).max() < 0.02


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((256, 190), 4), r"stride 4 must divide the input size \(256, 190\)"),
        (((255, 192), 4), "stride 4 must divide"),
        (((256, 192), 0), "stride 0 must divide"),
        (((0, 192), 4), "must divide"),
        (((256, 192), 4, 0.0), "sigma must be positive, not 0"),
        (((256, 192), 4, float("nan")), "sigma must be positive, not nan"),
    ],
)
def test_senseless_codecs_are_refused(arguments: tuple, message: str):
    with pytest.raises(ValueError, match=message):
        HeatmapCodec(*arguments)


def test_other_shapes_and_methods_are_refused():
    with pytest.raises(ValueError, match=r"expected heatmaps \(B, 48, 64, K\); got \(1, 64, 48, 3\)"):
        CODEC.decode(np.zeros((1, 64, 48, 3)))
    with pytest.raises(ValueError, match=r"got \(48, 64, 3\)"):
        CODEC.decode(np.zeros((48, 64, 3)))
    with pytest.raises(ValueError, match="unknown decoder 'best'; expected one of argmax, quarter"):
        CODEC.decode(np.zeros((1, 48, 64, 3)), "best")  # type: ignore[arg-type]


def test_nothing_to_decode():
    assert CODEC.decode(np.zeros((0, 48, 64, 24)))[0].shape == (0, 24, 2)
    assert CODEC.decode(np.zeros((2, 48, 64, 0)))[1].shape == (2, 0)
