from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest

from aifashion import EncodedPhoto, Garment, ImageError, Recognizer, load, to_pandas
from aifashion.boxes import Detections
from aifashion.config import AttributeConfig, DetectionConfig, KeypointConfig
from aifashion.data_gen.images import read_image
from aifashion.recognition import recognizer as recognizer_module
from aifashion.recognition.attribute_model import AttributeModel, Calibration
from aifashion.recognition.detection_model import DetectionModel
from aifashion.recognition.keypoint_model import KeypointModel
from aifashion.recognition.two_stage_model import TwoStageModel
from aifashion.records import CropRule, HeadSpec
from aifashion.vocabulary import load_vocabulary
from small_detector import CODEC, painted, see_colours

PHOTOS = sorted((Path(__file__).parent.parent / "golden" / "shipped").glob("*.jpg"))
BRIGHT = HeadSpec("bright", "independent", ("white", "light"))


class Network:
    """Keypoints of all skirts at one point; the category by how bright the photo is: 10 i for category i. It keeps the
    lengths of the batches that it has seen."""

    def __init__(self) -> None:
        self.config = KeypointConfig(size=64)
        self.batches: list[int] = []

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.batches.append(len(images))
        maps = self.config.codec.encode(np.full((24, 2), 29.5), np.ones(24, bool))
        categories = np.eye(5)[np.rint(images[:, 32, 32, 0] / 10).astype(int) % 5]
        return np.repeat(maps[None], len(images), 0), categories


def attributes(images: np.ndarray) -> dict[str, np.ndarray]:
    return {"bright": images[:, 16, 16, :2].astype(float) - 25}


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def recognizer(network: Network) -> Recognizer:
    stage1 = KeypointModel(Path("k"), network.config, network, "dark")
    config = AttributeConfig(size=32, crop=CropRule("image"))
    return Recognizer(
        TwoStageModel(stage1, AttributeModel(Path("a"), config, (BRIGHT,), attributes, Calibration(), None))
    )


@pytest.fixture(scope="module")
def shipped() -> Recognizer:
    return load("shipped")


def grey(number: int, size: tuple[int, int] = (40, 30)) -> np.ndarray:
    """A photo of category `number`."""
    return np.full((size[1], size[0], 3), 10 * number, np.uint8)


# -------------------------------------------------------------------------------------------------------- what it takes


def test_a_path_a_text_and_pixels_are_the_same_photo(shipped: Recognizer):
    of_path, of_text, of_pixels = (shipped(photo) for photo in (PHOTOS[0], str(PHOTOS[0]), read_image(PHOTOS[0])))
    for garment in (of_text, of_pixels):
        np.testing.assert_array_equal(garment.prediction.xy, of_path.prediction.xy)
        assert garment.attributes == of_path.attributes and garment.region == of_path.region
    assert (of_path.name, of_text.name, of_pixels.name) == (str(PHOTOS[0]), str(PHOTOS[0]), "array 0")


def test_one_photo_gives_a_garment_and_several_a_list_in_order(recognizer: Recognizer, network: Network):
    assert isinstance(recognizer(grey(3)), Garment)
    garments = recognizer([grey(n) for n in (2, 0, 1, 4, 3)], batch_size=2)
    assert [garment.category for garment in garments] == ["outwear", "blouse", "dress", "trousers", "skirt"]
    assert [garment.name for garment in garments] == [f"array {n}" for n in range(5)]
    assert network.batches == [1, 2, 2, 2]
    (garment,) = recognizer(grey(n) for n in [1])
    assert garment.category == "dress" and recognizer([]) == []


def test_a_batch_is_no_longer_than_the_list(recognizer: Recognizer, network: Network):
    recognizer([grey(0)] * 3)
    assert network.batches == [3]


def test_photos_of_a_stream_are_taken_as_they_are_needed(recognizer: Recognizer):
    taken = []

    def endless() -> Iterator[np.ndarray]:
        for number in count():
            taken.append(number)
            yield grey(number % 5)

    garments = list(islice(recognizer.stream(endless(), batch_size=2), 3))
    assert [garment.category for garment in garments] == ["blouse", "dress", "outwear"] and len(taken) < 20


def test_a_frame_that_is_written_over_does_not_change_what_was_recognised(recognizer: Recognizer):
    def frames() -> Iterator[np.ndarray]:
        frame = grey(0)
        for number in range(5):
            frame[:] = 10 * number
            yield frame

    garments = recognizer(frames(), batch_size=2)
    assert [garment.category for garment in garments] == list(load_vocabulary().categories)
    assert [int(garment.photo[0, 0, 0]) for garment in garments] == [0, 10, 20, 30, 40]


def test_a_given_category(recognizer: Recognizer):
    garment = recognizer(grey(0), category="skirt")
    assert (garment.category, garment.category_probability) == ("skirt", None)
    assert garment.category_probabilities == {"blouse": 1, "dress": 0, "outwear": 0, "skirt": 0, "trousers": 0}
    assert [g.category for g in recognizer([grey(0), grey(4)], category="skirt")] == ["skirt", "skirt"]


def test_an_unknown_category_is_refused_before_a_photo_is_read(recognizer: Recognizer):
    def photos() -> Iterator[np.ndarray]:
        raise AssertionError("a photo was asked for")
        yield

    for call in (recognizer, recognizer.stream):
        with pytest.raises(ValueError, match="unknown category 'hat'; expected one of blouse"):
            call(photos(), category="hat")
    with pytest.raises(ValueError, match="unknown category 'hat'"):
        recognizer("nowhere.jpg", category="hat")
    with pytest.raises(ValueError, match="batch_size = 0; expected a whole number of photos from 1"):
        recognizer(photos(), batch_size=0)


# --------------------------------------------------------------------------------------------------------------- errors


def test_a_single_photo_that_cannot_be_read_raises(recognizer: Recognizer, tmp_path: Path):
    with pytest.raises(ImageError, match=r"nowhere\.jpg: No such file"):
        recognizer(tmp_path / "nowhere.jpg")
    with pytest.raises(ImageError, match=str(tmp_path)):
        recognizer(str(tmp_path))


def test_in_a_list_such_a_photo_has_a_garment_with_an_error(recognizer: Recognizer, tmp_path: Path):
    (tmp_path / "text.jpg").write_text("no photo")
    first, broken, last = recognizer([grey(1), tmp_path / "text.jpg", PHOTOS[0]])
    assert first.error is last.error is None
    assert broken.error is not None and "text.jpg: not a readable image" in broken.error
    assert broken.name == str(tmp_path / "text.jpg") and str(broken) == broken.error
    known = {name: value for name, value in broken.to_dict().items() if value}
    assert known == {"photo": broken.name, "error": broken.error}
    for name in ("category", "keypoints", "attributes", "crop", "region", "heatmaps", "found", "photo", "size"):
        with pytest.raises(ImageError, match=r"text\.jpg: not a readable image"):
            getattr(broken, name)
    with pytest.raises(ImageError, match=r"text\.jpg: not a readable image"):
        broken.draw()


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (np.zeros((4, 4)), r"array 0: expected \(H, W, 3\) RGB uint8; got \(4, 4\) float64$"),
        (np.zeros((4, 4, 4), np.uint8), r"got \(4, 4, 4\) uint8$"),
        (np.zeros((0, 4, 3), np.uint8), r"got \(0, 4, 3\) uint8$"),
        (np.zeros((4, 4, 3), np.float32), r"got \(4, 4, 3\) float32$"),
        (
            np.zeros((2, 4, 4, 3), np.uint8),
            r"got \(2, 4, 4, 3\) uint8; several photos in one array: give list\(array\)",
        ),
    ],
)
def test_arrays_that_are_no_photos(recognizer: Recognizer, photo: np.ndarray, message: str):
    with pytest.raises(ValueError, match=message):
        recognizer(photo)
    with pytest.raises(ValueError, match=message.replace("array 0", "array 1").removesuffix("$")):
        recognizer([grey(0), photo])


def test_things_that_are_no_photos(recognizer: Recognizer):
    with pytest.raises(ValueError, match="expected a path, an array or an iterable of them; got int"):
        recognizer(7)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match=r"photo 1: expected a path or an array \(H, W, 3\) RGB uint8; got int"):
        recognizer([grey(0), 7])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="expected an iterable of photos; got one photo: put it in a list"):
        recognizer.stream("photo.jpg")


# ----------------------------------------------------------------------------------------------------- several garments


def boxes(*rows: tuple[float, ...]) -> Detections:
    """Of rows (left, top, right, bottom, category, score)."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4].astype(int), table[:, 5])


def test_two_garments_side_by_side_are_two_answers(shipped: Recognizer):
    drawn = {path.stem: read_image(path) for path in PHOTOS}
    left, right = drawn["trousers"], drawn["blouse"]
    height = max(len(left), len(right))
    photo = np.full((height, left.shape[1] + right.shape[1], 3), 255, np.uint8)
    photo[: len(left), : left.shape[1]] = left
    photo[: len(right), left.shape[1] :] = right
    width = left.shape[1]
    given = boxes((0, 0, width, len(left), -1, 0.5), (width, 0, photo.shape[1], len(right), -1, 0.75))
    blouse, trousers = shipped.garments(photo, boxes={"array 0": given})
    assert (blouse.category, trousers.category) == ("blouse", "trousers")
    assert (blouse.garment_id, blouse.score, trousers.garment_id, trousers.score) == (0, 0.75, 1, 0.5)
    assert trousers.box == (0, 0, width, len(left)) and blouse.size == trousers.size == (photo.shape[1], height)
    assert all(point.x < width for point in trousers.keypoints.values())
    assert all(point.x >= width - 0.5 for point in blouse.keypoints.values())
    assert "pant_length" in trousers.attributes and "sleeve_length" in blouse.attributes
    assert trousers.region is not None and blouse.region is not None and trousers.region.left < blouse.region.left


def test_a_garment_in_its_box_has_the_points_that_it_has_alone(shipped: Recognizer):
    drawn = read_image(next(path for path in PHOTOS if path.stem == "trousers"))
    side = len(drawn)
    alone = np.full((side, side, 3), 200, np.uint8)
    alone[:, 20 : 20 + drawn.shape[1]] = drawn
    photo = np.full((2 * side, 3 * side, 3), 200, np.uint8)
    photo[side // 2 : side // 2 + side, side : 2 * side] = alone
    # The square about this box, with its margin, is the photo of the garment alone.
    inner = side * 0.15 / 1.3
    box = (side + inner, side / 2 + inner, 2 * side - inner, side * 1.5 - inner, -1, 1)
    (garment,) = shipped.garments(photo, boxes={"array 0": boxes(box)})
    expected = shipped(alone)
    assert garment.category == expected.category
    for name, point in expected.keypoints.items():
        found = garment.keypoints[name]
        assert abs(found.x - side - point.x) < 1 and abs(found.y - side / 2 - point.y) < 1, name


def test_lists_of_garments_by_photo(recognizer: Recognizer, network: Network, tmp_path: Path):
    (tmp_path / "text.jpg").write_text("no photo")
    bad = str(tmp_path / "text.jpg")
    given = {"array 0": boxes((0, 0, 9, 9, 0, 0.5), (9, 9, 20, 20, 1, 0.75)), "array 3": boxes((0, 0, 9, 9, -1, 1))}
    found = recognizer.garments([grey(3), bad, grey(2), grey(4)], boxes=given)
    assert [[garment.garment_id for garment in garments] for garments in found] == [[0, 1], [0], [0], [0]]
    assert [garment.category for garment in found[0]] == ["dress", "blouse"]
    assert found[1][0].error is not None and found[2][0].box is None and found[2][0].found is False
    assert found[3][0].category == "trousers" and network.batches == [4, 4]
    table = to_pandas(found)
    assert table["garment_id"].tolist()[:2] == [0, 1] and len(table) == 5
    largest = recognizer.garments([grey(3)], boxes=given, wanted="largest")
    assert [garment.box for garment in largest[0]] == [(9, 9, 20, 20)]
    assert [g.category for g in recognizer.garments(grey(3), "blouse", boxes=given)] == ["blouse"]


def test_a_detector_finds_the_garments(recognizer: Recognizer):
    config = DetectionConfig(vocabulary=load_vocabulary().restricted("dress", "skirt"), size=CODEC.size[0])
    model = DetectionModel(Path("d"), config, see_colours)
    both = Recognizer(recognizer.model, model)
    photo = painted((200, 100), {"red": (10, 10, 80, 90), "blue": (110, 20, 190, 80)})
    names = load_vocabulary().restricted("dress", "skirt").categories
    assert sorted(garment.category for garment in both.garments(photo)) == sorted(names)
    assert len(both.garments([photo, grey(0)])[1]) == 1
    assert len(both.garments(photo, boxes={"array 0": boxes((0, 0, 9, 9, 0, 1))})) == 1


def test_without_a_detector_the_shipped_one_is_loaded_once_garments_are_to_be_found(recognizer, monkeypatch):
    asked = []

    def loaded(path: Path | None) -> DetectionModel:
        asked.append(path)
        config = DetectionConfig(vocabulary=load_vocabulary().restricted("dress", "skirt"), size=CODEC.size[0])
        return DetectionModel(Path("d"), config, see_colours)

    monkeypatch.setattr(recognizer_module, "load_detection_model", loaded)
    recognizer(grey(0))
    recognizer.garments(grey(0), boxes={})
    assert not asked
    photo = painted((200, 100), {"red": (10, 10, 80, 90), "blue": (110, 20, 190, 80)})
    assert len(recognizer.garments(photo)) == len(recognizer.garments(photo, wanted="all")) == 2
    assert asked == [None]  # once, and None is the shipped one


def test_a_photo_of_several_garments_and_the_shipped_networks(shipped: Recognizer):
    garments = shipped.garments(PHOTOS[0].parent / "scenes" / "street.jpg")
    assert {garment.category for garment in garments} == {"blouse", "outwear", "trousers"}
    assert all(garment.found and garment.attributes and garment.box for garment in garments)


def test_garments_that_cannot_be_asked_for(recognizer: Recognizer, tmp_path: Path):
    for value in (0, "some", True):
        with pytest.raises(ValueError, match="expected all, largest or a number from 1"):
            recognizer.garments(grey(0), boxes={}, wanted=value)  # type: ignore[call-overload]
    with pytest.raises(ImageError, match="No such file"):
        recognizer.garments(tmp_path / "nowhere.jpg", boxes={})
    with pytest.raises(ValueError, match="no run in "):
        load("shipped", detector=tmp_path / "nowhere")


@pytest.mark.parametrize("given", [{"array 0": [[0, 0, 9, 9]]}, {Path("a.jpg"): boxes((0, 0, 9, 9, 0, 1))}, [1]])
def test_boxes_of_another_type_are_refused(recognizer: Recognizer, given):
    with pytest.raises(ValueError, match=r"expected a mapping from .* to Detections; got"):
        recognizer.garments(grey(0), boxes=given)


def test_boxes_that_are_all_of_other_photos_are_told(recognizer: Recognizer, caplog):
    recognizer.garments([grey(0)], boxes={"photo.jpg": boxes((0, 0, 9, 9, 0, 1))})
    assert (
        "the boxes are of other photos: of 1, the first 'photo.jpg'; asked for are 1 photos, the first 'array 0'"
        in (caplog.text)
    )


# -------------------------------------------------------------------------------------------------------------- loading


def test_what_a_recognizer_knows(shipped: Recognizer):
    assert shipped.vocabulary.categories == load_vocabulary().categories
    assert {head.name for head in shipped.heads} == {task.name for task in load_vocabulary().attributes}
    assert "keypoints" in repr(shipped) and repr(shipped).startswith("<Recognizer of ")


def test_ten_passes(shipped: Recognizer):
    skirt = next(photo for photo in PHOTOS if photo.stem == "skirt")
    plain, augmented = shipped(skirt), load("shipped", augment=True)(skirt)
    apart = np.linalg.norm(plain.prediction.xy - augmented.prediction.xy, axis=1)[plain.prediction.state != -1]
    assert 0 < np.median(apart) < 5


def test_a_network_that_is_not_there(tmp_path: Path):
    with pytest.raises(
        ValueError, match=r"no run in .*nothing, which is not a folder: expected shipped, a run folder,"
    ):
        load(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"no run in .*nothing"):
        load("shipped", attributes=str(tmp_path / "nothing"))


@pytest.mark.parametrize("value", ["", " ", "a\0b", 5, b"shipped", ["shipped"]])
def test_what_names_no_folder(value):
    for name in ("model", "attributes"):
        with pytest.raises(ValueError, match=rf"{name} = .*; expected shipped, or the path of a run folder"):
            load(**{"model": "shipped", name: value})


def test_an_address_is_no_folder():
    with pytest.raises(ValueError, match="model = 'hf://garments/pair' is an address; download the folder first"):
        load("hf://garments/pair")


def test_arguments_of_other_types(recognizer: Recognizer):
    for value in ("no", 1, None):
        with pytest.raises(ValueError, match=r"augment = .*; expected True or False"):
            load("shipped", augment=value)  # type: ignore[arg-type]
    for value in (1.5, True, "3", None, float("nan"), -1):
        with pytest.raises(ValueError, match=r"batch_size = .*; expected a whole number of photos from 1"):
            recognizer([grey(0)], batch_size=value)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="expected a path, an array or an iterable of them; got bytes"):
        recognizer(b"photo.jpg")  # type: ignore[call-overload]


# ------------------------------------------------------------------------------------------------- photos in memory


def test_the_bytes_of_a_file_are_recognised_as_the_file(shipped: Recognizer):
    photo = EncodedPhoto(str(PHOTOS[0]), PHOTOS[0].read_bytes())
    assert shipped(photo).to_dict() == shipped(PHOTOS[0]).to_dict()
    assert [g.to_dict() for g in shipped.garments(photo)] == [g.to_dict() for g in shipped.garments(PHOTOS[0])]


def test_damaged_bytes_are_an_error_with_the_name(recognizer: Recognizer):
    with pytest.raises(ImageError, match=r"a\.jpg: not a readable image"):
        recognizer(EncodedPhoto("a.jpg", b"no photo"))
    bad, good = recognizer([EncodedPhoto("b.jpg", PHOTOS[0].read_bytes()[:-999]), EncodedPhoto(str(PHOTOS[0]), b"")])
    assert bad.error and bad.error.startswith("b.jpg: truncated or damaged") and good.error
    with pytest.raises(ValueError, match="expected an iterable of photos; got one photo"):
        recognizer.stream(EncodedPhoto("a.jpg", b""))  # type: ignore[arg-type]


def test_a_network_is_augmented_later_as_if_it_was_loaded_so(shipped: Recognizer):
    later = Recognizer(replace(shipped.model, keypoints=shipped.model.keypoints.augmented()))
    assert later(PHOTOS[0]).to_dict() == load("shipped", augment=True)(PHOTOS[0]).to_dict()
