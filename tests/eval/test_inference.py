from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen.preprocess import PADDING
from aifashion.eval.inference import predict_photos
from aifashion.eval.keypoint_errors import KeypointErrors
from aifashion.eval.visibility import Visibility
from aifashion.heatmaps import HeatmapCodec
from aifashion.records import Box, Sample
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()

CODEC = HeatmapCodec((128, 128))
SKIRT = ALL.restricted("skirt")


def save_spots(path: Path, xy: np.ndarray, size: tuple[int, int], radius: float) -> Sample:
    """A photo with a red, a green, a blue and a dark spot, (4, 2) px."""
    x, y = np.arange(size[0]), np.arange(size[1])[:, None]
    red, green, blue, dark = (100 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * radius**2)) for cx, cy in xy)
    photo = np.array(PADDING) + np.stack([red, green, blue], axis=-1) - dark[..., None]
    Image.fromarray(np.rint(photo).astype(np.uint8)).save(path)
    return Sample(path.name, path, "skirt")


def see_spots(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A network of the skirt's four keypoints: one heatmap for each colour, averaged over each cell."""
    change = (images.astype(np.float32) - PADDING) / 100
    maps = np.concatenate([np.maximum(change, 0), np.maximum(-change.max(axis=3, keepdims=True), 0)], axis=3)
    return maps.reshape(len(images), 32, 4, 32, 4, 4).mean(axis=(2, 4)), np.ones((len(images), 1), np.float32)


def flat_photos(folder: Path, number: int, category: str | None, size: tuple[int, int] = (40, 30)) -> list[Sample]:
    """Photos that are 10 i bright in all pixels."""
    samples = []
    for i in range(number):
        path = folder / f"{i}.png"
        Image.fromarray(np.full((size[1], size[0], 3), 10 * i, np.uint8)).save(path)
        samples.append(Sample(f"{i}.png", path, category))
    return samples


def answers(probabilities: np.ndarray, value: float = 0.5, point: tuple[float, float] = (63.5, 63.5)) -> Callable:
    """A network of all categories that answers one point for all keypoints, and probabilities by a photo's light.

    What it answers for blank images, which fill up a batch, is not a number.
    """

    def predict(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        which = images[:, 64, 64, 0] // 10
        heatmaps = CODEC.encode(np.array([point] * 24), np.ones(24, bool)) * np.float32(value)
        heatmaps = np.repeat(heatmaps[None], len(images), axis=0)
        blank = ~images.any(axis=(1, 2, 3))
        heatmaps[blank] = np.nan
        return heatmaps, np.where(blank[:, None], np.nan, probabilities[which % len(probabilities)])

    return predict


@pytest.mark.parametrize("size", [(300, 200), (150, 310), (128, 128), (70, 50), (640, 200)])
def test_points_come_back_in_photo_pixels(tmp_path: Path, size: tuple[int, int]):
    xy = np.array([[0.25, 0.3], [0.7, 0.26], [0.3, 0.7], [0.81, 0.75]]) * size
    scale = 128 / max(size)
    sample = save_spots(tmp_path / "photo.png", xy, size, 3.0 / scale)
    (result,) = predict_photos(see_spots, [sample], SKIRT, CODEC, "soft-argmax")
    assert result.prediction is not None and result.error is None
    # Half a pixel of the input, a usual mistake, is 0.5 / scale px in the photo; OpenCV's rounding of positions is
    # 1/64 px of the photo or of the input, and the spots' rims are rounded to 8 bits.
    np.testing.assert_allclose(result.prediction.xy, xy, rtol=0, atol=0.15 / min(scale, 1))
    assert result.size == size and result.sample is sample and result.frame is not None
    np.testing.assert_allclose(result.frame.forward((np.array(size) - 1) / 2), [63.5, 63.5])
    assert result.prediction.image_id == "photo.png"


def test_results_come_in_order_with_errors_in_their_places(tmp_path: Path):
    rng = np.random.default_rng(0)
    points = rng.uniform((20, 20), (180, 130), (9, 4, 2))
    # One spot a photo is enough to tell the photos apart; the others lie far away, in a corner.
    points[:, 1:] = [[-500, -500]]
    samples = [save_spots(tmp_path / f"{i}.png", xy, (200, 150), 9.0) for i, xy in enumerate(points)]
    (tmp_path / "1.png").write_bytes(b"no picture")
    (tmp_path / "4.png").unlink()
    shapes = []

    def spy(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shapes.append((images.shape, images.dtype))
        return see_spots(images)

    results = list(predict_photos(spy, samples, SKIRT, CODEC, batch_size=4, threads=3))
    assert [result.sample for result in results] == samples
    for i, result in enumerate(results):
        if i in (1, 4):
            assert result.prediction is result.probabilities is result.heatmaps is result.frame is result.size is None
            assert result.error is not None and f"{i}.png" in result.error
        else:
            assert result.error is None and result.prediction is not None
            np.testing.assert_allclose(result.prediction.xy[0], points[i, 0], rtol=0, atol=0.3)
    # Nine photos in fours; the network always sees the same shape.
    assert shapes == [((4, 128, 128, 3), np.uint8)] * 3


def test_a_batch_without_a_readable_photo_is_not_shown_to_the_network(tmp_path: Path):
    missing = [Sample(str(i), tmp_path / f"missing{i}.png", None) for i in range(4)]
    samples = [*missing, *flat_photos(tmp_path, 2, None)]
    calls = []

    def predict(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        calls.append(len(images))
        return answers(np.full((1, 5), 0.2))(images)

    results = list(predict_photos(predict, samples, ALL, CODEC, batch_size=2))
    assert calls == [2]
    assert [result.error is None for result in results] == [False] * 4 + [True] * 2


def test_no_photos():
    def never(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise AssertionError("there is nothing to predict")

    assert list(predict_photos(never, [], ALL, CODEC)) == []


def test_blank_images_that_fill_a_batch_leave_no_trace(tmp_path: Path):
    samples = flat_photos(tmp_path, 4, "dress")[1:]
    results = list(predict_photos(answers(np.full((1, 5), 0.2)), samples, ALL, CODEC, batch_size=8))
    assert len(results) == 3
    for result in results:
        assert result.prediction is not None and result.probabilities is not None and result.heatmaps is not None
        assert np.isfinite(result.prediction.xy).all() and np.isfinite(result.probabilities).all()
        assert np.isfinite(result.heatmaps).all()


def test_photos_are_read_as_they_are_needed(tmp_path: Path):
    samples = flat_photos(tmp_path, 3, "skirt")
    taken = []

    def endless() -> Iterator[Sample]:
        for i in count():
            taken.append(i)
            yield samples[i % 3]

    stream = predict_photos(answers(np.full((1, 5), 0.2)), endless(), ALL, CODEC, batch_size=2)
    found = [result.sample for result in islice(stream, 5)]
    stream.close()  # type: ignore[attr-defined]
    assert found == [samples[i] for i in (0, 1, 2, 0, 1)]
    assert len(taken) <= 5 + 4 * 2  # the batch begun, the one behind it and two ahead


def test_an_unknown_category_is_the_most_probable_one(tmp_path: Path):
    probabilities = np.array([[0.1, 0.2, 0.05, 0.6, 0.05], [0.2, 0.5, 0.1, 0.1, 0.1], [0.21, 0.2, 0.2, 0.19, 0.2]])
    results = list(predict_photos(answers(probabilities), flat_photos(tmp_path, 4, None)[1:], ALL, CODEC, batch_size=2))
    # Photo i is 10 i bright, so photos 1, 2, 3 get the rows 1, 2, 0: dress, blouse, skirt.
    for result, category, row, points in zip(
        results, ("dress", "blouse", "skirt"), (1, 2, 0), (15, 13, 4), strict=True
    ):
        prediction = result.prediction
        assert prediction is not None
        assert prediction.category == category
        assert prediction.category_probability == probabilities[row].max() and isinstance(
            prediction.category_probability, float
        )
        np.testing.assert_array_equal(result.probabilities, probabilities[row])
        assert (prediction.state == 1).sum() == points
        np.testing.assert_array_equal(prediction.state == 1, ALL.mask(category))


def test_a_given_category_stands_against_the_network_s_guess(tmp_path: Path):
    (sample,) = flat_photos(tmp_path, 1, "trousers")
    Image.fromarray(np.full((30, 40, 3), 10, np.uint8)).save(sample.path)
    probabilities = np.array([[0.9, 0.1, 0, 0, 0]])
    (result,) = predict_photos(answers(probabilities, value=0.75), [sample], ALL, CODEC)
    prediction, own = result.prediction, [15, 16, 19, 20, 21, 22, 23]
    assert prediction is not None and result.heatmaps is not None
    assert prediction.category == "trousers" and prediction.category_probability is None
    assert np.flatnonzero(prediction.state == 1).tolist() == own and set(prediction.state) == {-1, 1}
    assert np.flatnonzero(prediction.score).tolist() == own
    assert np.flatnonzero(result.heatmaps.any(axis=(0, 1))).tolist() == own
    # The point lies between four cells: half a cell off on either axis.
    np.testing.assert_allclose(prediction.score[own], 0.75 * np.exp(-0.5 / (2 * 1.5**2)), rtol=1e-5)
    assert prediction.score.dtype == np.float32 and prediction.state.dtype == np.int8
    np.testing.assert_array_equal(result.probabilities, probabilities[0])


def test_a_category_that_the_network_does_not_know(tmp_path: Path):
    samples = flat_photos(tmp_path, 2, "dress")
    with pytest.raises(ValueError, match="unknown category 'dress'; expected one of skirt"):
        list(predict_photos(see_spots, samples, SKIRT, CODEC))


@pytest.mark.parametrize(("value", "score"), [(1.7, 1.0), (-0.4, 0.0)])
def test_scores_lie_between_0_and_1(tmp_path: Path, value: float, score: float):
    # The point is the centre of a cell, so the heatmap's peak is the value itself.
    predict = answers(np.full((1, 5), 0.2), value, point=(61.5, 61.5))
    (result,) = predict_photos(predict, flat_photos(tmp_path, 2, "skirt")[1:], ALL, CODEC)
    assert result.prediction is not None
    assert result.prediction.score[15:19].tolist() == [score] * 4


def test_keypoints_unlikely_to_be_visible_count_as_hidden(tmp_path: Path):
    offset = np.zeros(24)
    offset[16] = -2.0
    # A peak of 0.7 is probabilities of 7 to 3; by exp(-2) less, hidden.
    visibility = Visibility(np.ones(24), offset, found=0.6)
    predict = answers(np.full((1, 5), 0.2), 0.7, point=(61.5, 61.5))
    (result,) = predict_photos(predict, flat_photos(tmp_path, 2, "skirt")[1:], ALL, CODEC, visibility=visibility)
    told = result.prediction
    assert told is not None and told.visible is not None and told.found
    assert told.state[15:19].tolist() == [1, 0, 1, 1] and (np.delete(told.state, range(15, 19)) == -1).all()
    np.testing.assert_allclose(told.visible[15:19], [0.7, 7 / (7 + 3 * np.exp(2)), 0.7, 0.7], atol=1e-6)
    assert (np.delete(told.visible, range(15, 19)) == 0).all()


def test_keypoints_have_an_uncertainty_in_px_of_the_photo(tmp_path: Path):
    errors = KeypointErrors(np.full(24, 0.5), 0.0, 0.0, {"between a b": 2.0})
    visibility = Visibility(np.ones(24), np.zeros(24), 0.0, errors)
    predict = answers(np.full((1, 5), 0.2), 0.7, point=(61.5, 61.5))
    (result,) = predict_photos(predict, flat_photos(tmp_path, 2, "skirt")[1:], ALL, CODEC, visibility=visibility)
    told, frame = result.prediction, result.frame
    assert told is not None and told.uncertainty is not None and frame is not None and result.spread is not None
    # Half a cell of the network's input, whatever the heatmap looks like.
    px = 0.5 * CODEC.stride / frame.scale
    np.testing.assert_allclose(told.uncertainty.covariance, np.tile(px**2 * np.eye(2), (24, 1, 1)), atol=1e-9)
    assert told.uncertainty.lengths == {"between a b": 2.0}
    assert np.linalg.eigvalsh(result.spread[15]).min() > 0.5


@pytest.mark.parametrize(("value", "found"), [(0.61, True), (0.59, False)])
def test_where_all_points_are_low_there_is_no_garment(tmp_path: Path, value: float, found: bool):
    predict = answers(np.full((1, 5), 0.2), value, point=(61.5, 61.5))
    visibility = Visibility(np.ones(24), np.zeros(24), found=0.6)
    (result,) = predict_photos(predict, flat_photos(tmp_path, 2, "skirt")[1:], ALL, CODEC, visibility=visibility)
    assert result.prediction is not None and result.prediction.found is found


def test_points_in_the_padding_are_moved_to_the_photo_s_edge(tmp_path: Path):
    # 100 x 50 fills rows 32..95 of 128: scale 1.28.
    sample = flat_photos(tmp_path, 2, "skirt", (100, 50))[1]
    # By hand: x = (61.5 + 0.5) / 1.28 - 0.5 = 47.9375, y = (61.5 - 32 + 0.5) / 1.28 - 0.5 = 22.9375, and so on.
    above, below, within = (
        ((61.5, 9.5), (47.9375, 0)),
        ((9.5, 121.5), (7.3125, 49)),
        ((125.5, 61.5), (97.9375, 22.9375)),
    )
    for point, expected in (above, below, within):
        predict = answers(np.full((1, 5), 0.2), point=point)
        (result,) = predict_photos(predict, [sample], ALL, CODEC, "argmax")
        assert result.prediction is not None
        np.testing.assert_allclose(result.prediction.xy[15], expected, rtol=0, atol=1e-9)


def test_the_same_photo_twice(tmp_path: Path):
    sample = flat_photos(tmp_path, 2, "skirt")[1]
    first, second = predict_photos(answers(np.full((1, 5), 0.2)), [sample, sample], ALL, CODEC)
    assert first.prediction is not None and second.prediction is not None
    np.testing.assert_array_equal(first.prediction.xy, second.prediction.xy)


def test_points_of_a_reduced_photo_are_in_its_own_pixels(tmp_path):
    xy = np.array([[100, 120], [420, 130], [60, 700], [500, 710]], float)
    sample = save_spots(tmp_path / "spots.jpg", xy, (600, 800), 14)
    (whole,) = predict_photos(see_spots, [sample], SKIRT, CODEC, keep_photos=True)
    (reduced,) = predict_photos(see_spots, [sample], SKIRT, CODEC, keep_photos=True, photo_side=128)
    assert whole.photo is not None and reduced.photo is not None and whole.prediction and reduced.prediction
    assert whole.photo.shape == (800, 600, 3) and reduced.photo.shape == (200, 150, 3)
    assert reduced.size == (600, 800)
    np.testing.assert_allclose(reduced.prediction.xy, whole.prediction.xy, atol=4)  # half a cell of the heatmap
    np.testing.assert_allclose(reduced.prediction.xy, xy, atol=8)


@pytest.mark.parametrize(("over", "kind"), [*((over, "jpg") for over in range(1, 8)), (1, "png"), (7, "png")])
def test_points_of_a_reduced_photo_agree_with_those_of_the_whole_one(tmp_path: Path, over: int, kind: str):
    """Sides that are no multiples of 8, reduced by 8 and 2: with the quotient of the sides, points lie px off."""
    errors = []
    for by, side in ((8, 128), (2, 400)):
        size = (128 * 8 + over, 120 * 8 + 8 - over)
        xy = np.array([[0.25, 0.3], [0.7, 0.26], [0.3, 0.7], [0.84, 0.83]]) * size
        sample = save_spots(tmp_path / f"{by}.{kind}", xy, size, 30.0)
        (whole,) = predict_photos(see_spots, [sample], SKIRT, CODEC, "soft-argmax")
        (reduced,) = predict_photos(see_spots, [sample], SKIRT, CODEC, "soft-argmax", keep_photos=True, photo_side=side)
        assert whole.prediction is not None and reduced.prediction is not None
        assert reduced.photo is not None and reduced.photo.shape[1] == -(-size[0] // by)
        assert reduced.reduced is not None and reduced.reduced.scale == by and reduced.size == size
        errors.append(reduced.prediction.xy - whole.prediction.xy)
        np.testing.assert_allclose(errors[-1], 0, rtol=0, atol=0.6)
    assert np.abs(np.mean(errors, axis=(0, 1))).max() < 0.2


def test_one_of_several_garments_has_points_in_the_pixels_of_the_photo(tmp_path: Path):
    xy = np.array([[0.25, 0.3], [0.7, 0.26], [0.3, 0.7], [0.81, 0.75]]) * 160 + [300, 50]
    sample = replace(save_spots(tmp_path / "photo.png", xy, (500, 240), 3.0), square=Box(300, 50, 460, 210))
    (result,) = predict_photos(see_spots, [sample], SKIRT, CODEC, "soft-argmax")
    assert result.prediction is not None
    np.testing.assert_allclose(result.prediction.xy, xy, rtol=0, atol=0.2)
    beside = replace(sample, square=Box(600, 50, 700, 150))
    (result,) = predict_photos(see_spots, [beside], SKIRT, CODEC)
    assert result.error is not None and "photo.png" in result.error and "has no pixel" in result.error
