import numpy as np
import pytest

from aifashion.data_gen.preprocess import PADDING, boxed, letterboxed, sample_image, scaled_side
from aifashion.geometry import Frame, crop, flip, letterbox, rotate, shift, zoom
from aifashion.records import Box

COLOUR = np.array([200, 30, 90], np.uint8)


def dot(size: tuple[int, int], centre: tuple[float, float], sigma: float) -> np.ndarray:
    """(H, W, 3): a white Gaussian spot on the colour of the padding, so that an image's edges do not show."""
    x, y = np.arange(size[0]), np.arange(size[1])[:, None]
    spot = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * sigma**2))[..., None]
    return np.rint(np.array(PADDING) + (255 - np.array(PADDING)) * spot).astype(np.uint8)


def centroid(image: np.ndarray) -> np.ndarray:
    """The centroid (x, y) in px of what differs from the padding."""
    weights = np.abs(image.astype(float) - PADDING).sum(axis=2)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(weights * x).sum(), (weights * y).sum()]) / weights.sum()


FRAMES = {
    "letterbox": lambda size: letterbox(size, (160, 160)),
    "letterbox, enlarged": lambda size: letterbox(size, (300, 500)),
    "letterbox, reduced": lambda size: letterbox(size, (64, 64)),
    "letterbox, much reduced": lambda size: letterbox(size, (32, 48)),
    "flip": lambda size: flip(size[0]),
    "rotate": lambda size: rotate(25, size),
    "rotate back": lambda size: rotate(-70, size),
    "crop": lambda size: crop(Box(20, 10, 180, 170)),
    "all": lambda size: (
        crop(Box(10, 5, 190, 150))
        .then(letterbox((180, 145), (128, 128)))
        .then(rotate(-20, (128, 128)))
        .then(shift(3.3, -2.6))
        .then(flip(128))
    ),
    "all, reduced": lambda size: rotate(15, size).then(letterbox(size, (60, 80))).then(flip(60)).then(zoom(0.9)),
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("centre", [(101.0, 80.0), (85.3, 60.8)])
def test_pixels_move_with_the_points(name: str, centre: tuple[float, float]):
    # Interpolating a spot between pixels, or averaging it over areas, does not move its centroid. What does: OpenCV
    # rounds source positions to 1/32 px (1/64 px off at most, here times a scale of at most 2.2), and 8 bits round the
    # spot's faint rim, both evenly to all sides. An error of convention is half a pixel of source or target.
    size = (200, 160)
    frame: Frame = FRAMES[name](size)
    image = sample_image(dot(size, centre, 7.0), frame, (300, 500))
    assert image.shape == (500, 300, 3) and image.dtype == np.uint8
    np.testing.assert_allclose(centroid(image), frame.forward(np.array(centre)), rtol=0, atol=0.05)


def test_the_identity_changes_nothing():
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    np.testing.assert_array_equal(sample_image(photo, zoom(1), (60, 40)), photo)
    np.testing.assert_array_equal(sample_image(photo, flip(60), (60, 40)), photo[:, ::-1])
    np.testing.assert_array_equal(sample_image(photo, crop(Box(7, 5, 27, 25)), (20, 20)), photo[5:25, 7:27])


@pytest.mark.parametrize(
    ("photo", "size", "filled"),
    [
        # 100 x 50 into 64 x 64: 32 of 64 rows. 50 x 100 into 96 x 64: 32 of 96 columns. Much larger; much smaller.
        ((100, 50), (64, 64), (slice(16, 48), slice(None))),
        ((50, 100), (96, 64), (slice(None), slice(32, 64))),
        ((960, 480), (64, 64), (slice(16, 48), slice(None))),
        ((64, 64), (64, 64), (slice(None), slice(None))),
    ],
)
def test_letterbox_keeps_the_aspect_and_pads_with_the_padding(photo, size, filled):
    image, frame = letterboxed(np.full((photo[1], photo[0], 3), COLOUR), size)
    assert image.shape == (size[1], size[0], 3)
    expected = np.full_like(image, PADDING)
    expected[filled] = COLOUR
    np.testing.assert_array_equal(image, expected)
    assert frame.matrix[0, 0] == frame.matrix[1, 1]
    np.testing.assert_array_equal(frame.matrix, letterbox(photo, size).matrix)


@pytest.mark.parametrize("photo", [(1000, 500), (997, 503), (331, 512), (130, 129)])
def test_a_much_larger_photo_ends_within_half_a_pixel_of_where_it_should(photo):
    image, frame = letterboxed(np.full((photo[1], photo[0], 3), COLOUR), (64, 64))
    # The part of every row and column that is photo, by the share of the colour in it.
    share = (image[..., 0].astype(float) - PADDING[0]) / (float(COLOUR[0]) - PADDING[0])
    low, high = frame.forward(np.array([[-0.5, -0.5], [photo[0] - 0.5, photo[1] - 0.5]]))
    np.testing.assert_allclose([share[32].sum(), share[:, 32].sum()], high - low, atol=0.55)
    # The middle must be right; the edges are rounded.
    ramp = np.broadcast_to(np.linspace(0, 250, photo[0])[None, :, None], (photo[1], photo[0], 3)).astype(np.uint8)
    image, frame = letterboxed(ramp, (64, 64))
    xy = frame.back(np.array([[24.0, 32.0], [40.0, 32.0]]))
    np.testing.assert_allclose(image[32, [24, 40], 0], xy[:, 0] * 250 / (photo[0] - 1), atol=1.5)


def test_enlarged_photos_blend_into_the_padding_by_half_a_source_pixel_at_most():
    image, _ = letterboxed(np.full((10, 20, 3), COLOUR), (80, 80))  # 4 times: 40 of 80 rows
    assert (image[22:58, 2:78] == COLOUR).all()
    assert (image[:18] == PADDING).all() and (image[62:] == PADDING).all()


@pytest.mark.parametrize("side", [1024, 1000, 517])
@pytest.mark.parametrize("cells", [1, 2, 3])
def test_shrinking_does_not_alias(side: int, cells: int):
    # A checkerboard of c = 1..3 px becomes grey. Areas of at least 517 / 60 / 1.5 = 5.7 px are averaged, in which black
    # and white cancel but for c px per direction: at most (3 / 5.7)^2 of 127.5, or 35. Picking single pixels instead
    # leaves patterns of full black and white.
    y, x = np.mgrid[:side, :side]
    board = np.repeat(255 * ((x // cells + y // cells) % 2)[..., None], 3, axis=2).astype(np.uint8)
    image, _ = letterboxed(board, (60, 60))
    inner = image[2:-2, 2:-2].astype(float)
    assert abs(inner.mean() - 127.5) < 2
    assert inner.std() < 8
    assert np.abs(inner - 127.5).max() < 40


def test_stripes_do_not_alias_when_turned_and_shrunk():
    x = np.arange(800)
    stripes = np.broadcast_to((255 * (x % 2))[None, :, None], (800, 800, 3)).astype(np.uint8)
    frame = rotate(31, (800, 800)).then(letterbox((800, 800), (80, 80)))
    inner = sample_image(stripes, frame, (80, 80))[20:60, 20:60].astype(float)
    # Areas 6.67 px wide hold three pairs of stripes and 0.67 of one stripe: 0.67 / 6.67 of 127.5 is 12.75.
    assert np.abs(inner - 127.5).max() < 14


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (3, 2000)])
def test_photos_of_extreme_size_or_aspect(shape: tuple[int, int]):
    image, frame = letterboxed(np.full((*shape, 3), COLOUR), (64, 64))
    assert image.shape == (64, 64, 3)
    centre = frame.forward((np.array(shape[::-1]) - 1) / 2)
    np.testing.assert_allclose(centre, [31.5, 31.5])


def test_the_photo_is_not_written_to():
    photo = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    before = photo.copy()
    photo.flags.writeable = False
    letterboxed(photo, (32, 32))
    np.testing.assert_array_equal(photo, before)


def test_sides_are_multiples_of_32_if_the_size_is_one():
    assert [scaled_side(224, scale) for scale in (1, 0.5, 1.25, 0.875, 1.08, 0.01)] == [224, 128, 288, 192, 256, 32]
    assert [scaled_side(100, scale) for scale in (1, 0.5, 1.257, 0.001)] == [100, 50, 126, 1]


def test_a_photo_of_the_right_size_is_unchanged():
    photo = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    image, frame = letterboxed(photo, (40, 40))
    assert image is photo
    np.testing.assert_array_equal(frame.matrix, np.eye(2, 3))


@pytest.mark.parametrize("box", [Box(100, 40, 228, 168), Box(-40, -30, 216, 226), Box(250, 100, 314, 164)])
def test_the_cut_of_a_box_is_that_of_the_whole_photo(box: Box):
    photo = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    image, frame = boxed(photo, box, (64, 64))
    expected = crop(box).then(zoom(64 / box.width))
    np.testing.assert_allclose(frame.matrix, expected.matrix)
    # Where the photo is averaged, its blocks begin elsewhere; without that every pixel is the same.
    apart = np.abs(image.astype(int) - sample_image(photo, expected, (64, 64)))
    assert apart.max() <= (0 if box.width <= 128 else 60)
    padded = frame.back(np.array([[0, 0], [63, 63]]))
    assert (image[0, 0] == PADDING).all() == (padded[0] < 0).all()
    assert (image[-1, -1] == PADDING).all() == (padded[1] > (300, 200)).any()


def test_a_box_of_a_reduced_photo():
    smooth = np.add.outer(np.arange(400), np.arange(600))[..., None] // 5 * np.ones(3, int)
    photo = smooth.astype(np.uint8)
    reduced = photo.reshape(200, 2, 300, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    whole, frame = boxed(photo, Box(100, 100, 228, 228), (64, 64))
    half, same = boxed(reduced, Box(100, 100, 228, 228), (64, 64), zoom(2))
    np.testing.assert_array_equal(frame.matrix, same.matrix)
    np.testing.assert_allclose(half.astype(int), whole, atol=1)


def test_a_box_outside_the_photo_has_nothing_to_see():
    with pytest.raises(ValueError, match="has no pixel of an image of 40 x 30 px"):
        boxed(np.zeros((30, 40, 3), np.uint8), Box(500, 500, 520, 520), (64, 64))
