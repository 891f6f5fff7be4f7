from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2yiq

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.data_gen.augment import (
    blur_image,
    change_colours,
    change_pixels,
    erase_rectangle,
    random_frame,
    turn_colours,
    warp_keypoints,
)
from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.geometry import flip, identity, shift
from aifashion.records import Keypoints
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()

NOTHING = KeypointConfig(size=64, rotate=0, zoom=0, shift=0, flip=False, colour=0, blur=0, erase=0)
SIZE = 128
CENTRE = np.full(2, (SIZE - 1) / 2)
MIRROR = np.diag([-1.0, 1.0])


@pytest.fixture
def photo() -> np.ndarray:
    """Colour noise, (96, 80, 3); read-only, so that changing it in place fails."""
    image = np.random.default_rng(0).integers(0, 256, (96, 80, 3), dtype=np.uint8)
    image.flags.writeable = False
    return image


def decomposed(seed: int, config: KeypointConfig) -> tuple[float, float, np.ndarray, bool]:
    """A random frame taken apart: degrees, zoom, shift in px before the mirror, mirrored."""
    frame, mirrored = random_frame(np.random.default_rng(seed), config)
    linear, centre = frame.matrix[:, :2], frame.forward(CENTRE) - CENTRE
    assert (np.linalg.det(linear) < 0) == mirrored
    if mirrored:  # the mirror comes last: undo it
        linear, centre = MIRROR @ linear, MIRROR @ centre
    factor = np.sqrt(np.linalg.det(linear))
    # Rotated, and zoomed equally in both directions: no shear, no change of aspect.
    np.testing.assert_allclose(linear @ linear.T, factor**2 * np.eye(2), atol=1e-12)
    return np.rad2deg(np.arctan2(linear[1, 0], linear[0, 0])), factor, centre, mirrored


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.floats(0, 90), st.floats(0, 0.9), st.floats(0, 0.5), st.booleans())
def test_random_frames_stay_within_the_configured_ranges(seed, turn, zoom, move, mirror):
    config = replace(NOTHING, size=SIZE, rotate=turn, zoom=zoom, shift=move, flip=mirror)
    degrees, factor, centre, mirrored = decomposed(seed, config)
    assert abs(degrees) <= turn + 1e-9
    assert 1 - zoom - 1e-9 <= factor <= 1 + zoom + 1e-9
    assert (np.abs(centre) <= move * SIZE + 1e-9).all()
    assert mirror or not mirrored


def test_random_frames_use_the_whole_ranges():
    config = KeypointConfig(size=SIZE, rotate=30, zoom=0.25, shift=0.1, flip=True)
    found = [decomposed(seed, config) for seed in range(400)]
    degrees, factors, mirrored = (np.array([f[i] for f in found]) for i in (0, 1, 3))
    shifts = np.array([f[2] for f in found])
    # Of 400 uniform numbers, none in the outer 5% of a range has a probability of 0.95**400, about 1e-9.
    for values, low, high in ((degrees, -30, 30), (factors, 0.75, 1.25), (shifts[:, 0], -12.8, 12.8)):
        span = high - low
        assert low <= values.min() < low + 0.05 * span and high - 0.05 * span < values.max() <= high
    assert 150 < mirrored.sum() < 250  # half of 400, five standard deviations of 10
    # Drawn independently: correlations of 400 independent pairs have a standard deviation of 0.05.
    independent = np.corrcoef([degrees, factors, *shifts.T, mirrored])
    assert np.abs(independent - np.eye(5)).max() < 0.25


def test_a_share_of_the_photos_is_turned_by_quarters_and_halves():
    config = replace(NOTHING, size=SIZE, rotate=10, turn=0.4, flip=True)
    degrees = np.array([decomposed(seed, config)[0] for seed in range(600)]) % 360
    quarters = np.round(degrees / 90).astype(int) % 4
    away = (degrees - 90 * quarters + 180) % 360 - 180
    assert np.abs(away).max() <= 10 + 1e-9 and np.ptp(away) > 18
    counts = np.bincount(quarters, minlength=4)
    # Of 600, each 13.3% of the turned: 80, with a standard deviation of 8.3; upright 360, with one of 12.
    assert (np.abs(counts - [360, 80, 80, 80]) < [60, 42, 42, 42]).all()


def test_without_turns_the_frame_is_drawn_as_before_there_were_any():
    config = KeypointConfig(size=SIZE)
    rng, numbers = np.random.default_rng(5), np.random.default_rng(5)
    random_frame(rng, config)
    numbers.uniform(size=4)  # zoom, two shifts and the rotation
    numbers.random()  # the mirror
    assert rng.bit_generator.state == numbers.bit_generator.state


def test_the_same_generator_gives_the_same_frame():
    config = KeypointConfig(size=SIZE)
    first, second, other = (random_frame(np.random.default_rng(seed), config) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first[0].matrix, second[0].matrix)
    assert first[1] == second[1]
    assert (first[0].matrix != other[0].matrix).any()


def test_with_all_strengths_at_zero_nothing_changes(photo):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        frame, mirrored = random_frame(rng, NOTHING)
        np.testing.assert_allclose(frame.matrix, identity().matrix, atol=1e-12)
        assert not mirrored
        np.testing.assert_array_equal(change_pixels(rng, photo, NOTHING), photo)


def test_a_mirrored_garment_exchanges_twins_with_their_states():
    skirt = ALL.restricted("skirt")  # waistband left and right, hemline left and right
    points = Keypoints([[10, 5], [30, 6], [8, 50], [33, 52]], [1, 0, -1, 1])
    mirrored = warp_keypoints(points, flip(64), True, skirt.twins)
    # x becomes 63 - x, and what was on the right is now on the left.
    assert mirrored == Keypoints([[33, 6], [53, 5], [30, 52], [55, 50]], [0, 1, 1, -1])
    assert warp_keypoints(mirrored, flip(64), True, skirt.twins) == points


def test_a_garment_that_is_not_mirrored_keeps_its_sides():
    points = Keypoints(np.arange(48.0).reshape(24, 2), np.resize([1, 0, -1], 24))
    moved = warp_keypoints(points, shift(2, -1), False, ALL.twins)
    np.testing.assert_array_equal(moved.xy, points.xy + np.array([2, -1]))
    np.testing.assert_array_equal(moved.state, points.state)


@given(st.integers(0, 2**32), st.integers(1, 500))
def test_mirroring_twice_gives_the_same_keypoints(seed: int, width: int):
    rng = np.random.default_rng(seed)
    points = Keypoints(rng.integers(0, 500, (24, 2)), rng.integers(-1, 2, 24))
    once = warp_keypoints(points, flip(width), True, ALL.twins)
    assert warp_keypoints(once, flip(width), True, ALL.twins) == points
    left, right = KEYPOINTS.index("cuff_left_out"), KEYPOINTS.index("cuff_right_out")
    assert once.state[left] == points.state[right]
    assert once.xy[KEYPOINTS.index("crotch"), 0] == width - 1 - points.xy[KEYPOINTS.index("crotch"), 0]


CHANGES = {
    "colours": lambda rng, image: change_colours(rng, image, 0.8),
    "turn": lambda rng, image: turn_colours(rng, image, 0.2, 0.5, 0.5),
    "blur": blur_image,
    "erase": erase_rectangle,
    "all": lambda rng, image: change_pixels(rng, image, KeypointConfig(colour=1.0, blur=1.0, erase=1.0)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_keep_the_shape_and_depend_on_the_generator_alone(name: str, photo):
    change = CHANGES[name]
    before = photo.copy()
    results = [change(np.random.default_rng(seed), photo) for seed in range(30)]
    for seed, result in enumerate(results):
        assert result.shape == photo.shape and result.dtype == np.uint8
        np.testing.assert_array_equal(change(np.random.default_rng(seed), photo), result)
    np.testing.assert_array_equal(photo, before)
    assert len({result.tobytes() for result in results}) > 20


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3), (200, 2, 3)])
@pytest.mark.parametrize("name", CHANGES)
def test_tiny_images_can_be_changed(name: str, shape: tuple):
    for seed in range(20):
        assert CHANGES[name](np.random.default_rng(seed), np.full(shape, 90, np.uint8)).shape == shape


def test_colours_change_with_the_strength(photo):
    def difference(strength: float) -> float:
        changed = [change_colours(np.random.default_rng(seed), photo, strength) for seed in range(40)]
        return float(np.abs(np.array(changed).astype(float) - photo).mean())

    assert change_colours(np.random.default_rng(0), photo, 0.0) is photo
    weak, medium, strong = difference(0.02), difference(0.3), difference(1.0)
    assert 0 < weak < 4 < medium < strong


def turned(colour: tuple[int, int, int], *strengths: float, count: int = 300) -> np.ndarray:
    """(count, 3) float: the results for one colour."""
    pixel = np.array(colour, np.uint8).reshape(1, 1, 3)
    return np.array([turn_colours(np.random.default_rng(s), pixel, *strengths)[0, 0] for s in range(count)], float)


def test_colours_are_unchanged_with_zero_strengths(photo):
    assert turn_colours(np.random.default_rng(0), photo, 0.0, 0.0, 0.0) is photo


@pytest.mark.parametrize("strengths", [(0.5, 0.0, 0.0), (0.0, 1.0, 0.0), (0.3, 0.8, 0.0), (0.3, 0.8, 0.6)])
def test_greys_stay_grey(strengths: tuple[float, float, float]):
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    for seed in range(50):
        changed = turn_colours(np.random.default_rng(seed), greys, *strengths)
        assert np.ptp(changed.astype(int), axis=2).max() <= 1  # rounded to 8 bits for each channel
        if strengths[2] == 0:
            np.testing.assert_array_equal(changed, greys)


def test_hue_turns_and_saturation_scales_colours_about_grey():
    # Dull colours, so that nothing is clipped; their turn and distance from grey as skimage's YIQ sees them.
    for colour in ((150, 120, 100), (110, 125, 160), (100, 140, 118)):
        y, i, q = rgb2yiq(np.array(colour) / 255)
        hues, saturations, both = (rgb2yiq(turned(colour, *s) / 255) for s in ((0.1, 0, 0), (0, 0.4, 0), (0.1, 0.4, 0)))
        for found in (hues, saturations, both):
            np.testing.assert_allclose(found[:, 0], y, atol=0.6 / 255)  # as bright as before, but for the rounding
        angles = np.angle((hues[:, 1] + 1j * hues[:, 2]) / (i + 1j * q)) / (2 * np.pi)
        factors = np.hypot(saturations[:, 1], saturations[:, 2]) / np.hypot(i, q)
        for values, low, high in ((angles, -0.1, 0.1), (factors, 0.6, 1.4)):
            # Of 300 uniform numbers, one lies in the outer 5% of either end; rounding to 8 bits turns by under 0.01.
            assert low - 0.03 < values.min() < low + 0.03 and high - 0.03 < values.max() < high + 0.03
        np.testing.assert_allclose(np.hypot(hues[:, 1], hues[:, 2]), np.hypot(i, q), atol=0.006)


def test_brightness_scales_all_channels_alike():
    factors = turned((120, 80, 40), 0.0, 0.0, 0.5) / [120, 80, 40]
    np.testing.assert_allclose(factors, factors[:, :1].repeat(3, axis=1), atol=0.02)
    assert 0.49 < factors.min() < 0.53 and 1.47 < factors.max() < 1.51


def test_frames_for_another_side_than_the_configured_one():
    # Turned and zoomed about the middle of that side, shifted by fractions of it.
    config = AttributeConfig(size=64, rotate=20, zoom=0.2, shift=0.0, flip=True)
    for seed in range(20):
        frame, _ = random_frame(np.random.default_rng(seed), config, SIZE)
        np.testing.assert_allclose(frame.forward(CENTRE), CENTRE, atol=1e-9)
        expected, _ = random_frame(np.random.default_rng(seed), replace(config, size=SIZE))
        np.testing.assert_array_equal(frame.matrix, expected.matrix)
    moved = [random_frame(np.random.default_rng(seed), replace(config, shift=0.25), SIZE)[0] for seed in range(200)]
    reach = np.abs([frame.forward(CENTRE) - CENTRE for frame in moved]).max(axis=0)
    assert (reach > 0.23 * SIZE).all() and (reach <= 0.25 * SIZE).all()


def test_colours_become_lighter_as_often_as_darker():
    # On mid-grey, gamma, contrast and gains cancel on average to a few levels; brightness is +-0.4 of 255 at most.
    grey = np.full((1, 1, 3), 128, np.uint8)
    means = np.array([change_colours(np.random.default_rng(seed), grey, 0.5).mean() for seed in range(400)])
    assert abs(means.mean() - 128) < 12
    assert 100 < (means > 128).sum() < 300
    assert means.min() < 100 and means.max() > 156


def test_colour_changes_do_not_depend_on_the_position(photo):
    # One table for all pixels: shuffled pixels give shuffled results.
    order = np.random.default_rng(1).permutation(96)
    for seed in range(10):
        changed = change_colours(np.random.default_rng(seed), photo, 0.7)
        again = change_colours(np.random.default_rng(seed), np.ascontiguousarray(photo[order]), 0.7)
        np.testing.assert_array_equal(again, changed[order])


def test_blur_smooths_and_does_not_move_the_picture():
    # A symmetric smoothing kernel leaves the centroid of a spot where it is, up to rounding to 8
    # bits; the keypoints are not moved along. A kernel of even width, say, would move it by half a pixel.
    y, x = np.mgrid[:61, :61]
    spot = np.rint(250 * np.exp(-((x - 30) ** 2 + (y - 30) ** 2) / 32.0)).astype(np.uint8)
    image = np.repeat(spot[..., None], 3, axis=2)
    for seed in range(200):
        blurred = blur_image(np.random.default_rng(seed), image)[..., 0].astype(float)
        assert blurred.max() < 250
        assert blurred.sum() == pytest.approx(spot.sum(), rel=0.02)
        centre = np.array([(blurred * x).sum(), (blurred * y).sum()]) / blurred.sum()
        np.testing.assert_allclose(centre, [30, 30], rtol=0, atol=0.05)


def test_a_rectangle_of_2_to_15_percent_is_erased():
    image = np.full((96, 80, 3), 77, np.uint8)
    shares, plain = [], 0
    for seed in range(300):
        erased = erase_rectangle(np.random.default_rng(seed), image)
        rows, columns = np.nonzero((erased != 77).any(axis=2))
        inner = erased[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        shares.append(inner.shape[0] * inner.shape[1] / (96 * 80))
        plain += (inner == inner[0, 0]).all()
        # Noise can keep the old colour of a pixel by chance (1 in 256^3); a rectangle of one colour cannot have holes.
        assert (inner != 77).any(axis=2).mean() > 0.99
    # Sides are whole pixels: half a pixel on each of sides of at least 5 px is 10% of 2%, and less of more.
    assert 0.018 <= min(shares) < 0.03 and 0.13 < max(shares) <= 0.155
    assert 160 < plain < 260  # 70% of 300 are of one colour, with six standard deviations of 8


def test_erasing_reaches_every_part_of_the_image():
    erased = np.zeros((40, 50), bool)
    for seed in range(300):
        erased |= (erase_rectangle(np.random.default_rng(seed), np.full((40, 50, 3), 77, np.uint8)) != 77).any(axis=2)
    assert erased.mean() > 0.95 and all(edge.any() for edge in (erased[0], erased[-1], erased[:, 0], erased[:, -1]))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_photos_are_blurred_and_erased_as_often_as_configured(share: float, photo):
    blurred = erased = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        blurred += (change_pixels(rng, photo, replace(NOTHING, blur=share)) != photo).any()
        erased += (change_pixels(rng, photo, replace(NOTHING, erase=share)) != photo).any()
    # Five standard deviations of 200 draws; none where the share is 0 or 1.
    spread = 5 * np.sqrt(share * (1 - share) * 200)
    assert abs(blurred - 200 * share) <= spread and abs(erased - 200 * share) <= spread
