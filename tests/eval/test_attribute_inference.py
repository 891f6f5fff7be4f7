from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import pytest
from scipy.special import expit
from scipy.special import softmax as reference_softmax

from aifashion.data_gen.images import ImageError
from aifashion.data_gen.preprocess import PADDING, letterboxed
from aifashion.eval.attribute_inference import Outcome, Views, predict_attributes
from aifashion.records import HeadSpec

SHAPE = HeadSpec("shape", "exclusive", ("round", "square", "other"))
LENGTH = HeadSpec("length", "ordinal", ("short", "knee", "long"))
STYLE = HeadSpec("style", "independent", ("sport", "lady"))
HEADS = (SHAPE, LENGTH, STYLE)
TEN_CROP = Views(crops=5, mirror=True)


@dataclass
class Pictures:
    """Photos in memory; a text in place of one is why it cannot be read."""

    photos: Sequence[np.ndarray | Exception]

    def __len__(self) -> int:
        return len(self.photos)

    def name(self, row: int) -> str:
        return f"{row}.png"

    def read(self, row: int) -> np.ndarray:
        photo = self.photos[row]
        if isinstance(photo, Exception):
            raise photo
        return photo

    def select(self, rows: np.ndarray) -> "Pictures":
        return Pictures([self.photos[row] for row in rows])


def flat(level: int, size: tuple[int, int] = (64, 64)) -> np.ndarray:
    return np.full((size[1], size[0], 3), level, np.uint8)


def by_left(images: np.ndarray) -> dict[str, np.ndarray]:
    """A network that looks at the brightness of the left and of the right half."""
    half = images.shape[2] // 2
    left, right = (
        part.mean(axis=(1, 2, 3), dtype=np.float32) / 64 for part in (images[:, :, :half], images[:, :, half:])
    )
    return {
        "shape": np.stack([left, right, 0 * left], axis=1),
        "length": np.stack([left, left - 2], axis=1),
        "style": np.stack([left - 1, right - 1], axis=1),
    }


class Spy:
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        self.seen.append(images.copy())
        return by_left(images)


def shown(photo: np.ndarray, views: Views, size: int = 64) -> list[np.ndarray]:
    """The inputs (S, S, 3) that a network sees of one photo."""
    spy = Spy()
    list(predict_attributes(spy, Pictures([photo]), HEADS, size, views, batch_size=1))
    return [images[0] for images in spy.seen]


def outcomes(photos: Sequence, predict=by_left, size: int = 64, **options) -> list[Outcome]:
    return list(predict_attributes(predict, Pictures(photos), HEADS, size, **options))


# ------------------------------------------------------------------------------------------------------ the outcomes


def test_probabilities_and_logits_of_every_head():
    photo = np.concatenate([flat(128, (32, 64)), flat(64, (32, 64))], axis=1)
    (outcome,) = outcomes([photo])
    assert outcome.probabilities is not None and outcome.logits is not None and outcome.error is None
    np.testing.assert_allclose(outcome.logits["shape"], [2, 1, 0])
    np.testing.assert_allclose(outcome.probabilities["shape"], reference_softmax([2, 1, 0]))
    np.testing.assert_allclose(outcome.probabilities["length"], [1 - expit(2), expit(2) - 0.5, 0.5])
    np.testing.assert_allclose(outcome.probabilities["style"], expit([1, 0]))
    assert outcome.logits["length"].shape == (2,)


def test_outcomes_come_in_order_with_errors_in_their_places():
    photos: list = [flat(10 * i) for i in range(9)]
    photos[1], photos[4] = ImageError("1.png is cut short"), ValueError("the path of 4.png leads out of the folder")
    spy = Spy()
    found = outcomes(photos, spy, batch_size=4, threads=3)
    assert [outcome.row for outcome in found] == list(range(9))
    for i, outcome in enumerate(found):
        if i in (1, 4):
            assert outcome.probabilities is outcome.logits is None and outcome.error == str(photos[i])
        else:
            assert outcome.logits is not None and outcome.error is None
            np.testing.assert_allclose(outcome.logits["shape"], [10 * i / 64, 10 * i / 64, 0], rtol=1e-6)
    # Nine photos in fours; the network always sees the same shape.
    assert [(images.shape, images.dtype) for images in spy.seen] == [((4, 64, 64, 3), np.uint8)] * 3


def test_a_batch_without_a_readable_photo_is_not_shown_to_the_network():
    spy = Spy()
    found = outcomes([ImageError("no")] * 4 + [flat(9)], spy, batch_size=2)
    assert len(spy.seen) == 1 and [outcome.error for outcome in found] == ["no"] * 4 + [None]
    assert outcomes([]) == []


def test_what_the_network_says_of_blank_images_leaves_no_trace():
    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        blank = (images == 0).all(axis=(1, 2, 3))[:, None]
        return {name: np.where(blank, np.nan, logits) for name, logits in by_left(images).items()}

    for outcome in outcomes([flat(5), flat(9), flat(200)], predict, batch_size=8):
        assert outcome.probabilities is not None and outcome.logits is not None
        for part in (outcome.probabilities, outcome.logits):
            assert all(np.isfinite(values).all() for values in part.values())


def test_heads_that_are_not_asked_for_are_left_out():
    (outcome,) = predict_attributes(by_left, Pictures([flat(9)]), (STYLE,), 64)
    assert outcome.probabilities is not None and list(outcome.probabilities) == ["style"]


def test_temperatures_by_head():
    photo = np.concatenate([flat(128, (32, 64)), flat(64, (32, 64))], axis=1)
    (plain,), (warm,) = outcomes([photo]), outcomes([photo], temperatures={"shape": 2.0, "style": np.array([4.0, 1.0])})
    assert plain.probabilities is not None and warm.probabilities is not None and warm.logits is not None
    np.testing.assert_allclose(warm.probabilities["shape"], reference_softmax([1, 0.5, 0]))
    np.testing.assert_allclose(warm.probabilities["style"], expit([0.25, 0]))
    np.testing.assert_allclose(warm.probabilities["length"], plain.probabilities["length"])
    np.testing.assert_allclose(warm.logits["shape"], [2, 1, 0])  # those stay as they are


# --------------------------------------------------------------------------------------------------------- the views


def test_the_whole_photo_is_letterboxed():
    photo = np.random.default_rng(0).integers(0, 256, (50, 80, 3), dtype=np.uint8)
    (image,) = shown(photo, Views())
    np.testing.assert_array_equal(image, letterboxed(photo, (64, 64))[0])
    assert (image[0] == PADDING).all()
    plain, mirrored = shown(photo, Views(mirror=True))
    np.testing.assert_array_equal(plain, image)
    np.testing.assert_array_equal(mirrored, image[:, ::-1])


CORNERS = {(0, 0): (255, 0, 0), (56, 0): (0, 255, 0), (0, 56): (0, 0, 255), (56, 56): (255, 255, 0)}
"""Upper left corner of an 8 px square in a photo of 64 px, x and y, and its colour."""


def test_five_crops_are_the_corners_and_the_centre():
    photo = flat(0)
    for (x, y), colour in CORNERS.items():
        photo[y : y + 8, x : x + 8] = colour
    images = shown(photo, Views(crops=5))
    assert [image.shape for image in images] == [(64, 64, 3)] * 5
    # A crop shows 0.875 of the photo, 56 px: of the four squares a corner crop holds its own, enlarged to 9.1 px, and
    # the centre crop the inner half of every one, 4 px enlarged to 4.6.
    ends = [(0, 0), (54, 0), (0, 54), (54, 54)]
    for image, (x, y), colour in zip(images, ends, CORNERS.values(), strict=False):
        assert (image[y + 1 : y + 9, x + 1 : x + 9] == colour).all()
        rest = image.copy()
        rest[y : y + 10, x : x + 10] = 0
        assert rest.max() < 40  # the outermost pixels have a little padding in them
    centre = images[4]
    for (x, y), colour in zip([(0, 0), (60, 0), (0, 60), (60, 60)], CORNERS.values(), strict=True):
        assert (centre[y : y + 4, x : x + 4] == colour).all()
    assert not centre[6:58].any() and not centre[:, 6:58].any()


def test_crops_of_a_slope_by_hand():
    # Red rises with x, green with y, by 3 a pixel. Pixel u of a crop from s on lies at x = (u + 0.5 + s) 0.875 - 0.5.
    photo = flat(0)
    photo[..., 0], photo[..., 1] = 3 * np.arange(64), 3 * np.arange(64)[:, None]
    rest = 64 / 0.875 - 64
    starts = [(0, 0), (rest, 0), (0, rest), (rest, rest), (rest / 2, rest / 2)]
    inner = np.arange(2, 62)  # beyond the edge lies padding, which is mixed into the outermost pixel
    for image, (sx, sy) in zip(shown(photo, Views(crops=5)), starts, strict=True):
        np.testing.assert_allclose(image[30, inner, 0], 3 * ((inner + 0.5 + sx) * 0.875 - 0.5), atol=0.7)
        np.testing.assert_allclose(image[inner, 30, 1], 3 * ((inner + 0.5 + sy) * 0.875 - 0.5), atol=0.7)


def test_crops_are_of_the_letterboxed_photo():
    # 128 x 32 fills rows 24 to 39 of 64. In a crop, a row r of the input becomes (r + 0.5) / 0.875 - 0.5 - start.
    for image, start in zip(
        shown(flat(255, (128, 32)), Views(crops=5)), np.array([0, 0, 1, 1, 0.5]) * 9.143, strict=True
    ):
        rows = np.flatnonzero((image[:, 20:40] > 240).all(axis=(1, 2)))
        assert abs(rows.min() - (24 / 0.875 - start)) <= 1 and abs(rows.max() + 1 - (40 / 0.875 - start)) <= 1


def test_ten_crop_mirrors_each_of_the_five():
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    five, ten = shown(photo, Views(crops=5)), shown(photo, TEN_CROP)
    assert len(ten) == 10
    for i, image in enumerate(five):
        np.testing.assert_array_equal(ten[2 * i], image)
        np.testing.assert_array_equal(ten[2 * i + 1], image[:, ::-1])


def test_scales_are_sides_in_multiples_of_32():
    views = Views(scales=(0.5, 1.0, 1.3, 0.01), crops=5, mirror=True)
    assert [image.shape[0] for image in shown(flat(9), views, 96)] == [64] * 10 + [96] * 10 + [128] * 10 + [32] * 10


@pytest.mark.parametrize("size", [33, 48, 100, 300])
def test_a_size_that_is_no_multiple_of_32_is_what_the_network_was_trained_at(size: int):
    assert [image.shape[0] for image in shown(flat(9), Views(), size)] == [size]
    assert [image.shape[0] for image in shown(flat(9), Views((2.0,)), size)] == [2 * size]


def test_probabilities_are_averaged_over_the_views():
    photo = np.concatenate([flat(192, (32, 64)), flat(0, (32, 64))], axis=1)
    (outcome,) = outcomes([photo], views=Views(mirror=True))
    assert outcome.probabilities is not None and outcome.logits is not None
    # The mean of the probabilities, not that of the logits: these are 3 and 0, mirrored 0 and 3.
    np.testing.assert_allclose(
        outcome.probabilities["shape"], (reference_softmax([3, 0, 0]) + reference_softmax([0, 3, 0])) / 2
    )
    np.testing.assert_allclose(outcome.probabilities["style"], [(expit(2) + expit(-1)) / 2] * 2)
    np.testing.assert_allclose(outcome.logits["shape"], [1.5, 1.5, 0])
    # Temperatures come before the mean.
    (warm,) = outcomes([photo], views=Views(mirror=True), temperatures={"shape": 3.0})
    assert warm.probabilities is not None
    np.testing.assert_allclose(
        warm.probabilities["shape"], (reference_softmax([1, 0, 0]) + reference_softmax([0, 1, 0])) / 2
    )


def test_every_view_counts_the_same():
    answers = count()

    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        value = np.full((len(images), 2), float(next(answers)), np.float32)
        return {"style": value}

    views = Views(scales=(1.0, 1.5), crops=5, mirror=True)
    (outcome,) = predict_attributes(predict, Pictures([flat(9)]), (STYLE,), 64, views)
    assert outcome.logits is not None and outcome.probabilities is not None
    np.testing.assert_allclose(outcome.logits["style"], [np.arange(20).mean()] * 2)
    np.testing.assert_allclose(outcome.probabilities["style"], [expit(np.arange(20)).mean()] * 2, rtol=1e-6)
    assert next(answers) == 20


@pytest.mark.parametrize(
    "wrong", [{"crops": 2}, {"crops": 0}, {"scales": ()}, {"scales": (1.0, 0.0)}, {"scales": (-1.0,)}]
)
def test_views_that_make_no_sense(wrong: dict):
    with pytest.raises(ValueError, match="1 or 5 crops, at scales above 0"):
        Views(**wrong)
