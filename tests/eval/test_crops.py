from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen.images import read_image, read_reduced
from aifashion.data_gen.preprocess import PADDING, letterboxed
from aifashion.eval.crops import Framed, classifier_input, cut, frame_garment
from aifashion.eval.inference import PhotoResult
from aifashion.geometry import letterbox, zoom
from aifashion.heatmaps import HeatmapCodec
from aifashion.records import Box, CropRule, Prediction, Sample
from aifashion.vocabulary import Category, Vocabulary, load_vocabulary

ALL = load_vocabulary()

SKIRT = ALL.restricted("skirt")  # waistband left and right, hemline left and right
CODEC = HeatmapCodec((64, 64))
SIZE = (128, 96)
WHOLE = Box(0, 0, 128, 96)
# In photo px; the frame halves them and moves them down by 8.
POINTS = np.array([[40.5, 20.5], [80.5, 20.5], [32.5, 60.5], [88.5, 60.5]])


def result(points: np.ndarray = POINTS, score=(0.9, 0.9, 0.9, 0.9), state=(1, 1, 1, 1)) -> PhotoResult:
    """Stage 1's result for a photo of 128 x 96: a cell of heat for each point, present or not, as hot as its score."""
    frame = letterbox(SIZE, CODEC.size)
    heatmaps = np.zeros((16, 16, 4), np.float32)
    for k, (x, y) in enumerate(np.floor((frame.forward(points) + 0.5) / 4).astype(int)):
        if 0 <= y < 16:
            heatmaps[y, x, k] = score[k]
    prediction = Prediction("a.jpg", "skirt", None, points, np.array(score), np.array(state))
    return PhotoResult(Sample("a.jpg", Path("a.jpg"), "skirt"), prediction, None, heatmaps, frame, SIZE)


def framed(kind, margin: float = 0.0, **changes) -> Framed:
    return frame_garment(result(**changes), SKIRT, CODEC, CropRule(kind, margin))


def test_the_whole_image():
    assert framed("image") == framed("image", 0.3, score=(0, 0, 0, 0)) == Framed(WHOLE, False)


def test_the_box_of_the_keypoints_by_hand():
    # Columns 40 to 89 wide, 32 to 89: 57 pixels; rows 20 to 61, squared about their middle, 40.5: 12 to 69.
    assert framed("keypoints") == Framed(Box(32, 12, 89, 69), False)
    # A margin of a quarter on each side: 57 * 1.5 is 85.5, and a side of 86 about the same middle begins at row -2.
    assert framed("keypoints", 0.25) == Framed(Box(18, 0, 104, 86), False)


def test_keypoints_that_are_absent_or_hardly_believed_in_do_not_stretch_the_box():
    left_out = Framed(Box(40, 0, 81, 41), False)  # the waistband alone: 41 pixels wide, on row 20
    assert framed("keypoints", score=(0.9, 0.1, 0.09, 0.0)) == left_out
    assert framed("keypoints", state=(1, 0, -1, -1)) == left_out


@pytest.mark.parametrize("score", [(0.9, 0.09, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)])
def test_one_point_has_no_extent_to_frame(score: tuple):
    assert framed("keypoints", score=score) == Framed(WHOLE, True)


def test_the_region_of_the_heatmaps_by_hand():
    # Cells of 8 px of the photo. Waistband: cells 5 and 10 of row 4; hemline: 4 and 11 of row 9. Joined along the
    # outline they are one region: columns 4 to 11, 32 to 95 in px; rows 4 to 9, of which 2 lie above the photo, 16 to
    # 63; squared about row 40: 8 to 71.
    assert framed("heatmap") == Framed(Box(32, 8, 96, 72), False)
    # An eighth of 64 on each side.
    assert framed("heatmap", 0.125) == Framed(Box(24, 0, 104, 80), False)


def test_heat_of_a_keypoint_that_the_category_lacks_is_left_out():
    # The waistband alone: columns 5 to 10 on row 4, that is 40 to 87, squared about row 20: -4 to 43, so 0 to 47.
    assert framed("heatmap", state=(1, 1, -1, -1)) == Framed(Box(40, 0, 88, 48), False)


def test_the_default_margin_is_a_twentieth_on_each_side():
    # 64 * 1.1 = 70.4.
    found = frame_garment(result(), SKIRT, CODEC, CropRule("heatmap"))
    assert (found.box.width, found.box.height) == (70, 70)
    assert frame_garment(result(), SKIRT, CODEC, CropRule("keypoints")).box.width == 63  # 57 * 1.1 = 62.7


def test_without_outline_the_hottest_islands_stay_apart():
    alone = frame_garment(
        result(), Vocabulary("x", tuple("abcd"), (Category("skirt", tuple("abcd")),)), CODEC, CropRule("heatmap", 0.0)
    )
    assert not alone.fell_back and alone.box.width == 8  # one cell


def test_heatmaps_without_heat_fall_back_to_the_whole_photo():
    assert framed("heatmap", score=(0.0, 0.0, 0.0, 0.0)) == Framed(WHOLE, True)
    assert framed("heatmap", state=(-1, -1, -1, -1)) == Framed(WHOLE, True)
    # Heat in the padding above the photo alone: rows 0 and 1 of the cells.
    assert framed("heatmap", points=POINTS * [1, 0] - [0, 12]) == Framed(WHOLE, True)


def test_a_photo_that_could_not_be_read_is_not_framed():
    broken = PhotoResult(Sample("a.jpg", Path("a.jpg"), None), error="a.jpg is cut short")
    for kind in ("image", "keypoints", "heatmap"):
        with pytest.raises(ValueError, match=r"a\.jpg has no prediction: a\.jpg is cut short"):
            frame_garment(broken, SKIRT, CODEC, CropRule(kind))


def test_a_kind_that_keypoints_do_not_give():
    with pytest.raises(ValueError, match="no crop of kind 'cam'; expected image, keypoints or heatmap"):
        framed("cam")


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def test_a_cut_is_the_pixels_of_the_box(photo: np.ndarray):
    np.testing.assert_array_equal(cut(photo, Box(7, 3, 50, 28)), photo[3:28, 7:50])
    np.testing.assert_array_equal(cut(photo, Box(0, 0, 60, 40)), photo)


def test_a_box_that_reaches_beyond_the_photo_is_padded_and_never_squeezed(photo: np.ndarray):
    seen = cut(photo, Box(-10, -30, 70, 50))
    assert seen.shape == (80, 80, 3)
    np.testing.assert_array_equal(seen[30:70, 10:70], photo)
    outside = np.ones((80, 80), bool)
    outside[30:70, 10:70] = False
    assert (seen[outside] == PADDING).all()


def test_what_the_classifier_sees_is_the_box_of_a_reduced_photo_too():
    x, y = np.meshgrid(np.arange(200), np.arange(120))
    photo = np.stack([x, y, x + y // 2], axis=-1).astype(np.uint8)
    box = Box(40, 20, 120, 100)
    whole = classifier_input(photo, box, 32)
    expected, _ = letterboxed(cut(photo, box), (32, 32))
    assert np.abs(whole.astype(int) - expected).max() <= 2
    reduced = cv2.resize(photo, (100, 60), interpolation=cv2.INTER_AREA)
    assert np.abs(classifier_input(reduced, box, 32, zoom(2)).astype(int) - whole).max() <= 3


@pytest.mark.parametrize("over", range(1, 8))
def test_the_classifier_sees_the_same_place_of_a_photo_reduced_by_8(over: int, tmp_path: Path):
    size = (800 + over, 640 + over)
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    stripes = 128 + 100 * np.sin(x / 23) * np.cos(y / 29)
    path = tmp_path / "a.jpg"
    Image.fromarray(np.rint(stripes).astype(np.uint8)).save(path, quality=98)
    photo = read_reduced(path, 100)
    assert photo.frame.scale == 8
    box = Box(560, 400, 800, 640)
    whole = classifier_input(read_image(path), box, 30).astype(float)
    reduced = classifier_input(photo.pixels, box, 30, photo.frame).astype(float)
    # A cell of the input is 8 px; shifted by a half of it, the pictures would differ by 14 on average.
    assert np.abs(reduced - whole)[:-1, :-1].mean() < 4


def test_what_lies_beyond_the_photo_is_padded_for_the_classifier():
    photo = np.full((50, 50, 3), 255, np.uint8)
    seen = classifier_input(photo, Box(-50, 0, 50, 100), 20)
    assert (seen[:9, 11:] == 255).all() and (seen[12:] == PADDING).all() and (seen[:, :9] == PADDING).all()
