import numpy as np
import pytest

from aifashion.boxes import Detections, no_detections
from aifashion.data_gen.formats.box_files import MOST
from aifashion.data_gen.preprocess import letterboxed
from aifashion.eval.detection import (
    BoxSource,
    check_garments,
    chosen,
    detected,
    known_categories,
    located,
    needed_side,
    of_category,
    usable,
)
from aifashion.eval.detection_calibration import BoxCalibration
from aifashion.vocabulary import load_vocabulary
from small_detector import CODEC, NAMES, detector, painted

ALL = load_vocabulary()
BLOUSE, DRESS = ALL.category_index("blouse"), ALL.category_index("dress")


def boxes(*rows: tuple[float, ...]) -> Detections:
    """Of rows (left, top, right, bottom, category, score)."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4].astype(int), table[:, 5])


# ------------------------------------------------------------------------------------------------------- a detector


@pytest.mark.parametrize("size", [(128, 128), (640, 200), (60, 400)])
def test_boxes_are_those_of_the_photo(size: tuple[int, int]):
    width, height = size
    first = (0.125 * width, 0.25 * height, 0.5 * width, 0.75 * height)
    second = (0.625 * width, 0, width, height)
    photo = painted(size, {"red": first, "blue": second})
    (found,) = detected(detector(), [letterboxed(photo, CODEC.size)], [size])
    assert sorted(found.category.tolist()) == [0, 1]
    step = max(size) / 128  # a pixel of the input
    for category, box in enumerate((first, second)):
        np.testing.assert_allclose(found.boxes[found.category == category][0], box, rtol=0, atol=2 * step)
    assert (found.boxes >= 0).all() and (found.boxes[:, 2:] <= size).all()


def test_a_calibration_decides_what_of_low_scores_is_a_garment():
    """The threshold of a network that learned little lies among scores of a few hundredths."""
    inner = detector()

    def detect(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        heat, distances = inner.detect(images)
        return heat * np.float32(0.03), distances

    photo = painted((128, 128), {"red": (8, 8, 40, 56)})
    for threshold, count in ((0.02, 1), (0.05, 0)):
        net = detector(detect=detect, calibration=BoxCalibration(1.0, 0.0, threshold))
        (found,) = detected(net, [letterboxed(photo, CODEC.size)], [(128, 128)])
        assert len(found) == count


def test_batches_are_full_and_blank_images_have_no_answer():
    seen = []
    inner = detector()

    def detect(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(images.shape)
        return inner.detect(images)

    net = detector(detect=detect, batch_size=4)
    photos = [painted((64, 64), {"red": (8, 8, 40, 56)}), painted((64, 64), {})]
    one, none = detected(net, [letterboxed(photo, CODEC.size) for photo in photos], [(64, 64)] * 2)
    assert seen == [(4, 128, 128, 3)] and len(one) == 1 and len(none) == 0


def test_a_detector_of_other_categories_than_it_says_is_refused():
    with pytest.raises(ValueError, match="the detector answers 2 categories; expected 3"):
        detected(detector(categories=(*NAMES, "hat")), [letterboxed(painted((64, 64), {}), CODEC.size)], [(64, 64)])


def test_scores_are_probabilities_and_the_threshold_is_one_of_them():
    inputs = [letterboxed(painted((64, 64), {"red": (8, 8, 40, 56)}), CODEC.size)]
    # Twice the logit of 0.9 is that of 81/82.
    (found,) = detected(detector(calibration=BoxCalibration(2.0, 0.0, 0.98)), inputs, [(64, 64)])
    assert found.score.tolist() == pytest.approx([81 / 82])
    (none,) = detected(detector(calibration=BoxCalibration(2.0, 0.0, 0.99)), inputs, [(64, 64)])
    assert len(none) == 0


def test_categories_have_the_numbers_of_the_vocabulary():
    found = boxes((0, 0, 9, 9, 0, 1), (0, 0, 9, 9, 1, 1), (0, 0, 9, 9, 2, 1))
    assert known_categories(found, ("dress", "hat", "blouse"), ALL).category.tolist() == [DRESS, -1, BLOUSE]
    assert len(known_categories(no_detections(), ("dress",), ALL)) == 0


def test_a_detector_finds_a_garment_once():
    twice = boxes((0, 0, 50, 50, 0, 0.5), (1, 0, 51, 50, 0, 0.75), (60, 0, 99, 50, 0, 0.4))
    found = located(BoxSource(detector(categories=("dress", "hat"))), twice, (100, 100), ALL, None).garments
    assert found.score.tolist() == [0.75, np.float32(0.4)]
    # What is given is taken as it is.
    given = located(BoxSource({}), twice, (100, 100), ALL, None).garments
    assert given.score.tolist() == [0.75, 0.5, np.float32(0.4)]


def test_how_large_a_photo_must_be():
    # A box of 100 px is seen in a square of 130: for 260 px of it the photo is needed twice as large.
    assert needed_side(260, (1000, 500), 100) == 2000
    assert needed_side(260, (1000, 500), 1000) == 260
    assert detector().smallest == 2 * CODEC.stride / 128


# ------------------------------------------------------------------------------------------------------ which garments


def test_the_order_of_garments():
    found = boxes((0, 0, 10, 10, 0, 0.5), (0, 0, 20, 10, 0, 0.5), (0, 0, 5, 5, 0, 0.9), (0, 0, 30, 30, 0, 0.1))
    assert chosen(found, "all").boxes[:, 2].tolist() == [5, 20, 10, 30]
    assert chosen(found, 2).boxes[:, 2].tolist() == [5, 20]
    assert chosen(found, "largest").boxes[:, 2].tolist() == [30]
    assert len(chosen(no_detections(), "largest")) == len(chosen(no_detections(), 3)) == 0


@pytest.mark.parametrize("garments", [0, -1, 1.5, True, "some", None])
def test_which_garments_there_are_not(garments: object):
    with pytest.raises(ValueError, match="expected all, largest or a number from 1"):
        check_garments(garments)


def test_of_one_category_those_of_an_unknown_one_may_be():
    found = boxes((0, 0, 9, 9, 0, 1), (1, 0, 9, 9, 1, 1), (2, 0, 9, 9, -1, 1))
    assert of_category(found, None) is found
    wanted = of_category(found, 1)
    assert wanted.boxes[:, 0].tolist() == [1, 2] and wanted.category.tolist() == [1, 1]


# ---------------------------------------------------------------------------------------------------------- bad boxes


def test_boxes_are_cut_off_and_those_outside_are_left_out():
    given = boxes((-5, -5, 20, 20, 0, 1), (100, 0, 120, 20, 0, 1), (90, 70, 300, 200, -1, 0.5), (0, 0, 9, 9, 5, 1))
    found = usable(given, (100, 80), 5)
    assert found.garments.boxes.tolist() == [[0, 0, 20, 20], [90, 70, 100, 80]]
    assert found.left_out == (
        "the box 100, 0, 120, 20 lies outside the photo of 100 x 80 px",
        "the box 0, 0, 9, 9 has the category number 5; there are 5",
    )


def test_more_boxes_than_a_photo_can_have():
    many = boxes(*[(i, 0, i + 10, 10, 0, 1 - i / 1000) for i in range(MOST + 7)])
    found = located(BoxSource({}), many, (1000, 100), ALL, None)
    assert len(found.garments) == MOST and len(found.left_out) == 7
    assert "more than the 300 that a photo can have" in found.left_out[0]
    few = located(BoxSource({}, 5), many, (1000, 100), ALL, None)
    assert len(few.garments) == 5 and not few.left_out
