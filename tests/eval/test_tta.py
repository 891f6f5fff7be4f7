import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from aifashion.eval.tta import SEED_ANGLES, with_augmentation, with_flip, with_views
from aifashion.geometry import Frame, rotate
from aifashion.heatmaps import HeatmapCodec

SIDE, STRIDE = 128, 4
CODEC = HeatmapCodec((SIDE, SIDE), STRIDE)
PAIR = np.array([1, 0])


def spots(*centres: tuple[float, float]) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8: white spots, as wide as the codec's Gaussians, on black."""
    y, x = np.mgrid[:SIDE, :SIDE]
    image = sum(np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 6.0**2)) for cx, cy in centres)
    return np.rint(250 * np.repeat(np.asarray(image)[..., None], 3, axis=2)).astype(np.uint8)


def heat_of(images: np.ndarray) -> np.ndarray:
    """(B, S, S, 3) -> (B, h, w) in 0..1: red above the grey of the padding, averaged over each cell."""
    cells = SIDE // STRIDE
    return (np.maximum(images[..., 0].astype(np.float32) - 124, 0) / 126).reshape(-1, cells, 4, cells, 4).mean((2, 4))


def whole(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A network of one keypoint, which is wherever it is bright."""
    return heat_of(images)[..., None], np.ones((len(images), 1), np.float32)


def by_side(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A network of a left and a right keypoint: what is bright in the left half, and in the right half.

    Its probabilities are those of "the left is brighter" and "the right is".
    """
    heat = heat_of(images)
    left = np.arange(SIDE // STRIDE) < SIDE // STRIDE // 2
    heatmaps = np.stack([heat * left, heat * ~left], axis=-1)
    mass = heatmaps.sum(axis=(1, 2))
    return heatmaps, np.where((mass[:, :1] > mass[:, 1:]), [[0.9, 0.1]], [[0.3, 0.7]]).astype(np.float32)


def decoded(heatmaps: np.ndarray) -> np.ndarray:
    return CODEC.decode(heatmaps, "soft-argmax")[0]


def test_flip_finds_the_same_points_on_the_same_sides():
    images = np.stack([spots((30, 40.5), (90, 60)), spots((50.5, 90), (75, 20))])
    plain, _ = by_side(images)
    heatmaps, _ = with_flip(by_side, PAIR)(images)
    np.testing.assert_allclose(heatmaps, plain, rtol=0, atol=1e-6)
    # The spots lose their rim below the padding's grey, evenly; so they stay where they were drawn.
    expected = [[[30, 40.5], [90, 60]], [[50.5, 90], [75, 20]]]
    np.testing.assert_allclose(decoded(heatmaps), expected, rtol=0, atol=0.1)


def test_flip_exchanges_twins_alone():
    # Keypoint 2 has no twin: a network that sees it everywhere bright must find it where it is, too.
    def three(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sides, probabilities = by_side(images)
        return np.concatenate([sides, sides.sum(-1, keepdims=True)], axis=-1), probabilities

    heatmaps, _ = with_flip(three, np.array([1, 0, 2]))(spots((30, 40))[None])
    np.testing.assert_allclose(heatmaps, three(spots((30, 40))[None])[0], rtol=0, atol=1e-6)
    assert not heatmaps[..., 1].any()


def test_flip_cancels_an_error_to_one_side():
    # A network that answers one cell too far to the right is 4 px off; mirrored, 4 px to the left.
    def biased(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        heatmaps, probabilities = whole(images)
        return np.roll(heatmaps, 1, axis=2), probabilities

    image = spots((41.5, 61.5))[None]
    assert decoded(biased(image)[0])[0, 0] == pytest.approx([45.5, 61.5], abs=0.05)
    assert decoded(with_flip(biased, np.array([0]))(image)[0])[0, 0] == pytest.approx([41.5, 61.5], abs=0.05)


def test_flip_averages_the_probabilities():
    images = np.stack([spots((30, 40)), spots((100, 40))])
    _, probabilities = with_flip(by_side, PAIR)(images)
    np.testing.assert_allclose(probabilities, [[0.6, 0.4], [0.6, 0.4]])  # of (0.9, 0.1) and (0.3, 0.7)


def test_flip_shows_the_network_the_photo_and_its_mirror_image():
    seen = []

    def spy(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert images.dtype == np.uint8 and images.flags.c_contiguous
        seen.append(images.copy())
        return by_side(images)

    image = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    with_flip(spy, PAIR)(image)
    assert len(seen) == 2
    np.testing.assert_array_equal(seen[0], image)
    np.testing.assert_array_equal(seen[1][:, :, 0], image[:, :, SIDE - 1])
    np.testing.assert_array_equal(seen[1][:, :, ::-1], image)


@pytest.mark.parametrize("angles", [SEED_ANGLES, (90.0,), (33.0, -57.0)])
@pytest.mark.parametrize("centre", [(63.5, 63.5), (40, 70), (83.2, 45.7)])
def test_rotations_find_the_same_point(angles: tuple[float, ...], centre: tuple[float, float]):
    # What is off: the spots are drawn in 8 bits, and interpolating between the cells moves a peak by up to 0.1 px.
    calls = []

    def counted(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        calls.append(images.shape)
        return whole(images)

    heatmaps, probabilities = with_views(counted, angles)(spots(centre)[None])
    assert calls == [(1, SIDE, SIDE, 3)] * (len(angles) + 1)
    np.testing.assert_allclose(decoded(heatmaps)[0, 0], centre, rtol=0, atol=0.1)
    np.testing.assert_allclose(probabilities, [[1]])
    assert heatmaps.shape == (1, 32, 32, 1) and heatmaps.dtype == np.float32


def seen_back_exactly(heatmaps: np.ndarray, frame: Frame) -> np.ndarray:
    """(h, w, K) of a turned image -> (h, w, K) of the image, interpolated in float64, nothing beyond the edge.

    frame: the turn, in px of the input.
    """
    h, w, _ = heatmaps.shape
    y, x = np.mgrid[:h, :w]
    pixels = frame.forward((np.stack([x, y], axis=-1) + 0.5) * STRIDE - 0.5)
    cells = np.moveaxis((pixels + 0.5) / STRIDE - 0.5, -1, 0)[::-1]
    planes = np.moveaxis(heatmaps, -1, 0).astype(np.float64)
    return np.stack([map_coordinates(plane, cells, order=1, mode="grid-constant") for plane in planes], axis=-1)


@pytest.mark.parametrize("angles", [*((angle,) for angle in SEED_ANGLES), SEED_ANGLES])
@pytest.mark.parametrize("count", [24, 120, 294])
def test_the_way_back_costs_less_than_a_hundredth_of_a_pixel(count: int, angles: tuple[float, ...]):
    # A network that finds every keypoint exactly, turned and mirrored too, and nothing in the image as it is, so that
    # only what was turned back is decoded. Positions rounded to 1/32 of a cell, as OpenCV rounds them for many channels
    # at once, put a point 0.02 to 0.05 px off after one turn.
    xy = np.random.default_rng(8).uniform(34, 93, (count, 2))  # inside the picture at every angle
    frames = [rotate(angle, (SIDE, SIDE)) for angle in angles]
    answers = [CODEC.encode(frame.forward(xy), np.ones(count, bool)) for frame in frames]
    nothing = np.zeros_like(answers[0])
    passes = iter([side for answer in (nothing, *answers) for side in (answer, answer[:, ::-1])])

    def exact(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return next(passes)[None], np.ones((1, 1), np.float32)

    predict = with_views(with_flip(exact, np.arange(count)), angles)
    found = CODEC.decode(predict(spots((1, 1))[None])[0])[0][0]
    assert next(passes, None) is None

    turned_back = sum(seen_back_exactly(answer, frame) for answer, frame in zip(answers, frames, strict=True))
    weight = 1 + sum(seen_back_exactly(np.ones((*CODEC.shape, 1)), frame) for frame in frames)
    expected = CODEC.decode((turned_back / weight)[None])[0][0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.01)
    # Interpolating between cells widens a peak, by more in one place than in another: that is all that is off.
    np.testing.assert_allclose(found, xy, rtol=0, atol=0.12)


def test_rotations_turn_the_answer_back():
    # A network that always answers pixel (101.5, 65.5), whatever it sees. In a photo turned clockwise by 90 degrees
    # about (63.5, 63.5), that is what was 38 px above the centre and 2 px to its right: (65.5, 25.5).
    def stubborn(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        heatmap = CODEC.encode(np.array([[101.5, 65.5]]), np.ones(1, bool))
        return np.repeat(heatmap[None], len(images), axis=0), np.ones((len(images), 1), np.float32)

    heatmaps, _ = with_views(stubborn, [90.0])(spots((1, 1))[None])
    expected = CODEC.encode(np.array([[101.5, 65.5], [65.5, 25.5]]), np.ones(2, bool)).mean(axis=-1)
    np.testing.assert_allclose(heatmaps[0, ..., 0], expected, rtol=0, atol=1e-3)


def test_corners_that_a_turn_cuts_off_count_fewer_predictions():
    def certain(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.ones((len(images), 32, 32, 2), np.float32), np.ones((len(images), 1), np.float32)

    heatmaps, _ = with_views(certain)(np.zeros((2, SIDE, SIDE, 3), np.uint8))
    np.testing.assert_allclose(heatmaps, 1, rtol=0, atol=1e-5)
    # A spot in the corner leaves the picture at +-20 degrees, and for the most part at +-10: counted as zero there,
    # its peak would fall below a half.
    image = spots((8, 8))[None]
    turned, _ = with_views(whole)(image)
    assert turned.max() > 0.75 * whole(image)[0].max()


def test_rotations_average_the_probabilities():
    # Clockwise from the upper left: the upper right, then the lower right, then the lower left.
    image = spots((30, 40))[None]
    left, right = np.array([0.9, 0.1]), np.array([0.3, 0.7])
    for angles, expected in (
        ((90.0,), (left + right) / 2),
        ((90.0, 180.0), (left + 2 * right) / 3),
        ((90.0, 180.0, 270.0), (left + right) / 2),
    ):
        np.testing.assert_allclose(with_views(by_side, angles)(image)[1], [expected], atol=1e-6)


def test_augmentations_can_be_nested():
    image = spots((30, 40.5), (90, 60))[None]
    calls = []

    def counted(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        calls.append(1)
        return by_side(images)

    heatmaps, _ = with_views(with_flip(counted, PAIR), (-10.0, 10.0))(image)
    assert len(calls) == 6
    np.testing.assert_allclose(decoded(heatmaps)[0], [[30, 40.5], [90, 60]], rtol=0, atol=0.15)


@pytest.mark.parametrize("scale", [0.7, 1.25])
@pytest.mark.parametrize("centre", [(63.5, 63.5), (40, 70), (83.2, 45.7)])
def test_other_scales_find_the_same_point(scale: float, centre: tuple[float, float]):
    # Only what was brought back from the other scale is decoded: the photo as it is shows nothing to this network.
    passes = iter([lambda images: np.zeros((1, 32, 32, 1), np.float32), lambda images: heat_of(images)[..., None]])

    def alternating(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return next(passes)(images), np.ones((1, 1), np.float32)

    heatmaps, _ = with_views(alternating, (), (scale,))(spots(centre)[None])
    np.testing.assert_allclose(decoded(heatmaps)[0, 0], centre, rtol=0, atol=0.25)


def test_what_is_asked_for_is_averaged():
    calls = []

    def counted(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        calls.append(1)
        return by_side(images)

    image = spots((30, 40))[None]
    for turned, scales, mirrors, passes in (
        (False, (), False, 1),
        (True, (), False, 10),
        (False, (0.8, 1.25), False, 6),
        (True, (1.25,), True, 6),
    ):
        calls.clear()
        with_augmentation(counted, PAIR, turned, scales, mirrors)(image)
        assert len(calls) == passes, (turned, scales)


@pytest.mark.parametrize("scale", [0.0, -1.0, 5.0, float("nan"), float("inf")])
def test_scales_at_which_nothing_is_seen_are_refused(scale: float):
    with pytest.raises(ValueError, match=r"expected scales from 0\.25 to 4"):
        with_augmentation(whole, PAIR, False, (1.0, scale))
