import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.boxes import MARGIN, Detections, squared
from aifashion.data_gen.memory import Budget
from aifashion.data_gen.preprocess import PADDING
from aifashion.eval.detection import BoxSource, Garments
from aifashion.eval.garments import predict_garments
from aifashion.eval.inference import KeypointNet, PhotoResult, PixelSample, predict_photos
from aifashion.eval.listed_garments import ListedGarments
from aifashion.eval.two_stage import recognise
from aifashion.heatmaps import HeatmapCodec
from aifashion.records import Box, Sample
from aifashion.vocabulary import load_vocabulary
from small_detector import detector, painted

ALL = load_vocabulary()
CODEC = HeatmapCodec((128, 128))
SKIRT = ALL.restricted("skirt")
NAMES = ALL.categories


def spots(size: tuple[int, int], *garments: np.ndarray, radius: float = 6.0) -> np.ndarray:
    """A photo with a red, a green, a blue and a dark spot for each garment, (4, 2) px."""
    x, y = np.arange(size[0]), np.arange(size[1])[:, None]
    photo = np.zeros((size[1], size[0], 3)) + PADDING
    for xy in garments:
        red, green, blue, dark = (100 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * radius**2)) for a, b in xy)
        photo += np.stack([red, green, blue], axis=-1) - dark[..., None]
    return np.rint(np.clip(photo, 0, 255)).astype(np.uint8)


def see_spots(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A network of the skirt's four keypoints: one heatmap for each colour, averaged over each cell."""
    change = (images.astype(np.float32) - PADDING) / 100
    maps = np.concatenate([np.maximum(change, 0), np.maximum(-change.max(axis=3, keepdims=True), 0)], axis=3)
    return maps.reshape(len(images), 32, 4, 32, 4, 4).mean(axis=(2, 4)), np.ones((len(images), 1), np.float32)


class Light:
    """A network of all categories: the category by the light in the middle of what it sees, 20 i for number i."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.seen.append(images.copy())
        maps = CODEC.encode(np.full((24, 2), 63.5), np.ones(24, bool))
        return np.repeat(maps[None], len(images), 0), np.eye(5)[np.rint(images[:, 64, 64, 0] / 20).astype(int) % 5]


def given(*rows: tuple[float, ...]) -> Detections:
    """Of rows (left, top, right, bottom, category, score)."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4].astype(int), table[:, 5])


def flat(name: str, light: int, size: tuple[int, int] = (100, 80), category: str | None = None) -> PixelSample:
    return PixelSample(name, Path(name), category, pixels=np.full((size[1], size[0], 3), light, np.uint8))


def results(samples, boxes, garments: Garments = "all", network=None, **options) -> list[PhotoResult]:
    net = KeypointNet(network or Light(), ALL, CODEC)
    return list(predict_garments(net, samples, BoxSource(boxes, garments), **options))


# ----------------------------------------------------------------------------------------------------------- geometry


@pytest.mark.parametrize("offset", [(0, 0), (301, 127), (40, 460)])
def test_a_garment_in_a_larger_photo_has_the_points_of_the_garment_alone(offset: tuple[int, int]):
    points = np.array([[30.0, 25], [95, 22], [25, 110], [104, 112]])
    alone = PixelSample("a", Path("a"), "skirt", pixels=spots((128, 128), points))
    (expected,) = predict_photos(see_spots, [alone], SKIRT, CODEC, "soft-argmax")
    large = spots((640, 600), points + offset, points + np.array([480, 300]), points + np.array([180, 300]))
    # Without its margin the square is as large as the photo of the garment alone.
    box = np.array([0, 0, 128, 128]) / (1 + 2 * MARGIN) + 128 * MARGIN / (1 + 2 * MARGIN)
    boxes = {"b": given((*(box + np.tile(offset, 2)), 0, 1))}
    sample = PixelSample("b", Path("b"), None, pixels=large)
    net = KeypointNet(see_spots, SKIRT, CODEC, "soft-argmax")
    (result,) = predict_garments(net, [sample], BoxSource(boxes))
    assert result.prediction is not None and expected.prediction is not None
    np.testing.assert_allclose(result.prediction.xy, expected.prediction.xy + offset, rtol=0, atol=1)
    assert result.size == (640, 600) and result.place is not None and result.place.square is not None
    assert (result.place.square.width, result.place.square.height) == (128, 128)


def test_the_square_of_a_box_is_all_that_the_network_sees():
    network = Light()
    photo = np.full((200, 300, 3), 40, np.uint8)
    photo[50:150, 0:80] = 60
    sample = PixelSample("a", Path("a"), None, pixels=photo)
    boxes = given((0, 50, 80, 150, 3, 0.5))
    (result,) = results([sample], {"a": boxes}, network=network, batch_size=1)
    assert result.place is not None and result.place.square == squared((0, 50, 80, 150), 0.15) == Box(-25, 35, 105, 165)
    (image,) = network.seen[0]
    cells = image[:, :, 0]
    # A pixel of the input is 130 / 128 px of the photo. Left of column 24.6 there is padding.
    assert (cells[:, :23] == PADDING[0]).all() and (cells[20:108, 30:100] == 60).all() and (cells[:10, 30:] == 40).all()


def test_points_lie_in_the_photo():
    # The middle of the square about a box in the corner lies in the photo, and the point of an empty map beside it.
    network = Light()
    maps = CODEC.encode(np.full((24, 2), 2.0), np.ones(24, bool))

    def corner(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.repeat(maps[None], len(images), 0), network(images)[1]

    (result,) = results([flat("a", 40)], {"a": given((0, 0, 50, 50, 0, 1))}, network=corner)
    assert result.prediction is not None and (result.prediction.xy >= 0).all()


@pytest.mark.parametrize(("kind", "size"), [("jpg", (1600, 1200)), ("png", (1203, 1601))])
def test_a_photo_is_reduced_as_far_as_its_smallest_box_allows(tmp_path: Path, kind: str, size: tuple[int, int]):
    xy = np.array([[300.0, 300], [500, 300], [300, 500], [520, 510]])
    Image.fromarray(spots(size, xy, radius=24)).save(tmp_path / f"a.{kind}")
    sample = Sample("a", tmp_path / f"a.{kind}", None)
    net = KeypointNet(see_spots, SKIRT, CODEC, "soft-argmax")
    # The square of 520 px has 128 px of input; that of 130 px has no more than it needs.
    for small, by in ((None, 4), ((0, 0, 100, 100, 0, 0.5), 1)):
        rows = [(200, 200, 600, 600, 0, 1), *([small] if small else [])]
        source = BoxSource({"a": given(*rows)})
        first, *_ = predict_garments(net, [sample], source, keep_photos=True, photo_side=128)
        assert first.photo is not None and first.prediction is not None
        assert first.photo.shape[1] == -(-size[0] // by) and first.size == size
        np.testing.assert_allclose(first.prediction.xy, xy, rtol=0, atol=2)


def test_a_narrow_photo():
    (result,) = results([flat("a", 40, (60, 4000))], {"a": given((0, 0, 60, 4000, -1, 1))})
    assert result.prediction is not None and result.prediction.category == NAMES[2]
    np.testing.assert_allclose(result.prediction.xy[result.prediction.state == 1][0], [29.5, 1999.5], atol=1)


# --------------------------------------------------------------------------------------------------- order and batches


def test_results_come_by_photo_and_then_by_garment(tmp_path: Path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    samples = [flat("a", 20), Sample("bad", tmp_path / "bad.png", None), flat("b", 60), flat("c", 80)]
    boxes = {
        "a": given((0, 0, 40, 40, 0, 0.25), (50, 0, 90, 40, 2, 0.75), (50, 40, 70, 60, -1, 0.75)),
        "c": given((0, 0, 40, 40, 4, 1)),
        "bad": given((0, 0, 1, 1, 0, 1)),
    }
    network = Light()
    found = results(samples, boxes, network=network, batch_size=2)
    assert [result.sample.image_id for result in found] == ["a", "a", "a", "bad", "b", "c"]
    places = [result.place for result in found if result.place]
    assert [(place.number, place.count, place.score) for place in places] == [
        (0, 3, 0.75),
        (1, 3, 0.75),
        (2, 3, 0.25),
        (0, 1, None),
        (0, 1, 1.0),
    ]
    assert [r.is_last for r in found] == [False, False, True, True, True, True]
    predictions = [result.prediction for result in found if result.prediction]
    # The box says the category, or else the network does, and then its probability.
    assert [(p.category, p.category_probability) for p in predictions] == [
        (NAMES[2], None),
        (NAMES[1], 1.0),
        (NAMES[0], None),
        (NAMES[3], 1.0),
        (NAMES[4], None),
    ]
    assert found[3].error is not None and found[3].place is None
    # Three garments and two photos in twos, with the photo that cannot be read among them.
    assert [images.shape for images in network.seen] == [(2, 128, 128, 3)] * 3


def test_batches_are_full_of_garments_of_several_photos():
    network = Light()
    row = [(x, 0, x + 9, 9, 0, 1) for x in range(0, 30, 10)]
    found = results([flat(str(i), 20) for i in range(8)], {str(i): given(*row) for i in range(8)}, network=network)
    assert len(found) == 24 and [len(images) for images in network.seen] == [16, 16]


def test_where_no_box_is_found_the_photo_is_seen_whole_and_is_no_garment():
    (result,) = results([flat("a", 60)], {})
    (whole,) = predict_photos(Light(), [flat("a", 60)], ALL, CODEC)
    assert result.prediction is not None and whole.prediction is not None
    np.testing.assert_array_equal(result.prediction.xy, whole.prediction.xy)
    assert result.prediction.category == whole.prediction.category == NAMES[3]
    assert result.prediction.found is False and result.place is not None and result.place.box is None


def test_which_garments_are_wanted():
    boxes = {"a": given((0, 0, 40, 40, 0, 0.5), (50, 0, 60, 10, 2, 0.75), (50, 40, 70, 60, 2, 0.25))}

    def scores(garments: Garments, category: str | None = None) -> list[float | None]:
        found = results([flat("a", 20, category=category)], boxes, garments)
        return [result.place.score for result in found if result.place]

    assert scores("all") == [0.75, 0.5, 0.25] and scores("largest") == [0.5] and scores(2) == [0.75, 0.5]
    assert scores("all", NAMES[2]) == [0.75, 0.25] and scores("largest", NAMES[2]) == [0.25]
    assert scores(1, NAMES[1]) == [None]


def test_listed_garments_of_one_category_have_boxes_of_their_own():
    """The likelier box is that of the garment that is listed second, a third box is no listed garment's."""
    rows = (0, 0, 40, 40, 2, 0.5), (50, 30, 90, 70, 2, 0.75), (5, 5, 40, 40, 0, 0.9), (60, 0, 70, 10, 2, 0.25)
    first, second = Box(-6, -6, 46, 46), Box(44, 24, 96, 76)
    samples = [replace(flat("a", 20, category=NAMES[2]), square=square) for square in (first, second)]
    net = KeypointNet(Light(), ALL, CODEC)

    def boxes(samples: list[PixelSample], *rows: tuple[float, ...]) -> list[list[float] | None]:
        source = BoxSource({"a": given(*rows)}, listed=ListedGarments(samples))
        found = predict_garments(net, samples, source)
        return [None if r.place is None or r.place.box is None else r.place.box.tolist() for r in found]

    assert boxes(samples, *rows) == [[0, 0, 40, 40], [50, 30, 90, 70]]
    assert boxes(samples[::-1], *rows) == [[50, 30, 90, 70], [0, 0, 40, 40]]
    assert boxes(samples, rows[1]) == [None, [50, 30, 90, 70]]
    assert boxes(samples) == [None, None]
    assert boxes(samples[:1], *rows) == [[50, 30, 90, 70]]
    unplaced = [replace(sample, square=None) for sample in samples]
    assert boxes(unplaced, *rows) == [[50, 30, 90, 70], [0, 0, 40, 40]]
    other = replace(samples[0], category=NAMES[0])
    assert boxes([samples[0], other], *rows) == [[50, 30, 90, 70], [5, 5, 40, 40]]


def test_photos_are_taken_as_they_are_needed():
    taken = []

    def endless() -> Iterator[Sample]:
        for i in count():
            taken.append(i)
            yield flat(str(i), 20)

    net = KeypointNet(Light(), ALL, CODEC)
    stream = predict_garments(net, endless(), BoxSource(detector(batch_size=2)), 2)
    assert len(list(islice(stream, 3))) == 3 and len(taken) <= 20


# --------------------------------------------------------------------------------------------------------- a detector


def test_a_detector_says_where_the_garments_are():
    photo = painted((400, 300), {"red": (20, 40, 120, 240), "blue": (220, 60, 360, 260)})
    sample = PixelSample("a", Path("a"), None, pixels=photo)
    found = results([sample, flat("b", 60)], detector(batch_size=2))
    first, second, none = found
    names = [result.prediction.category for result in found if result.prediction]
    assert sorted(names[:2]) == ["dress", "skirt"] and names[2] == NAMES[3]
    for result in (first, second):
        assert result.place is not None and result.place.box is not None and result.prediction is not None
        expected = (20, 40, 120, 240) if result.prediction.category == "dress" else (220, 60, 360, 260)
        np.testing.assert_allclose(result.place.box, expected, rtol=0, atol=7)
        assert result.place.score == pytest.approx(0.9)
    assert none.place is not None and none.place.box is None


def test_a_large_photo_is_still_large_enough_for_the_smallest_garment_that_a_detector_finds(tmp_path: Path):
    # Two cells of 8 px in an input of 128 px are an eighth of the photo, in a square of 0.1625.
    for side, by in ((1024, 1), (1600, 2)):
        Image.fromarray(np.full((50, side, 3), 20, np.uint8)).save(tmp_path / "a.png")
        sample = Sample("a", tmp_path / "a.png", None)
        (result,) = results([sample], detector(), keep_photos=True, photo_side=128)
        assert result.photo is not None and result.photo.shape[1] == side / by


# ------------------------------------------------------------------------------------------------- bad boxes and memory


def test_a_bad_box_costs_one_garment(caplog):
    boxes = given((200, 0, 220, 10, 0, 1), (0, 0, 40, 40, 9, 1), (10, 10, 50, 70, 1, 0.5))
    with caplog.at_level(logging.WARNING, "aifashion"):
        (result,) = results([flat("a", 20)], {"a": boxes})
    assert result.place is not None and result.place.left_out == 2 and result.place.score == 0.5
    assert "a: left out: the box 200, 0, 220, 10 lies outside the photo of 100 x 80 px" in caplog.text
    assert "(1 more boxes are left out)" in caplog.text


def test_three_hundred_boxes_in_one_photo_do_not_fill_the_memory():
    many = given(*[(i, 0, i + 20, 20, 0, 1) for i in range(300)])
    photo = flat("a", 20, (400, 80))
    budget, held, ahead = Budget(10**9), [], []
    network = Light()
    source = BoxSource({"a": many})
    stream = predict_garments(KeypointNet(network, ALL, CODEC), [photo], source, 16, keep_photos=True, budget=budget)
    for number, result in enumerate(stream, start=1):
        held.append(budget.used)
        ahead.append(16 * len(network.seen) - number)
        budget.add(-result.freed)
    # The photo is counted once, for as long as it has garments; the network is a few batches ahead of who asks.
    assert len(held) == 300 and set(held) == {photo.pixels.nbytes} and budget.used == 0 and max(ahead) <= 48


@pytest.mark.parametrize("boxes", ["given", "detected"])
def test_a_full_budget_makes_nobody_wait_for_ever(boxes: str):
    row = [(x, 0, x + 9, 9, 0, 1) for x in range(0, 90, 10)]
    names = [str(i) for i in range(7)]
    source = BoxSource({name: given(*row) for name in names} if boxes == "given" else detector(batch_size=3))
    budget, net = Budget(1), KeypointNet(Light(), ALL, CODEC)

    def stage1(samples: Iterable[Sample]) -> Iterator[PhotoResult]:
        return predict_garments(net, samples, source, 2, keep_photos=True, budget=budget)

    answers = list(recognise(stage1, None, [flat(name, 20) for name in names], ALL, CODEC, 2, budget))
    assert len(answers) == (63 if boxes == "given" else 7) and budget.used == 0
    assert all(answer.framed is not None for answer in answers)


def test_bytes_of_photos_are_given_back_where_they_are_not_kept():
    budget = Budget(10**9)
    boxes = {"a": given((0, 0, 9, 9, 0, 1), (9, 0, 18, 9, 0, 1))}
    found = results([flat("a", 20), flat("b", 20)], boxes, budget=budget)
    assert budget.used == 0 and [result.photo for result in found] == [None] * 3
