import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit
from scipy.special import softmax as reference_softmax

from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, STYLES
from aifashion.data_gen.memory import Budget
from aifashion.data_gen.preprocess import letterboxed
from aifashion.eval.activation import ActivationNet
from aifashion.eval.crops import Framed
from aifashion.eval.inference import PhotoResult, Place
from aifashion.eval.two_stage import Classifier, Recognition, describe, describe_photo, recognise
from aifashion.geometry import letterbox
from aifashion.heatmaps import HeatmapCodec
from aifashion.records import Box, CropKind, CropRule, HeadSpec, Prediction, Sample
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()

CODEC = HeatmapCodec((64, 64))
SIZE = (100, 80)
SKIRT = HeadSpec("skirt_length", "ordinal", ATTRIBUTE_TASKS["skirt_length"])
SLEEVE = HeadSpec("sleeve_length", "exclusive", ATTRIBUTE_TASKS["sleeve_length"])
STYLE = HeadSpec("style", "independent", STYLES)
HEADS = (SKIRT, SLEEVE, STYLE)


def found(number: int, category: str) -> PhotoResult:
    """Stage 1's result for a photo that is `number` bright, with a point 20 px from each edge, or 25 in the middle."""
    photo = np.full((SIZE[1], SIZE[0], 3), number, np.uint8)
    frame, mask = letterbox(SIZE, CODEC.size), ALL.mask(category)
    xy = np.resize([[20.0, 20.0], [80.0, 60.0], [50.0, 25.0]], (24, 2))
    heatmaps = CODEC.encode(frame.forward(xy), mask)
    state = np.where(mask, 1, -1).astype(np.int8)
    prediction = Prediction(f"{number}.jpg", category, 0.75, xy, mask * np.float32(0.9), state)
    sample = Sample(f"{number}.jpg", Path(f"{number}.jpg"), None)
    return PhotoResult(sample, prediction, None, heatmaps, frame, SIZE, photo)


def stage1(categories: Iterable[str | None]):
    """A first stage that finds these categories in turn; None is a photo that cannot be read."""

    def keypoints(samples: Iterable[Sample]) -> Iterator[PhotoResult]:
        for number, (sample, category) in enumerate(zip(samples, categories, strict=False), start=1):
            yield found(number, category) if category else PhotoResult(sample, error=f"{sample.image_id} is broken")

    return keypoints


def samples(number: int) -> list[Sample]:
    return [Sample(f"{i}.jpg", Path(f"{i}.jpg"), None) for i in range(1, number + 1)]


class Predict:
    """A second stage that answers by the brightness of the photo, and keeps what it is shown."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        self.seen.append(images.copy())
        bright = images[:, 16, 16, 0].astype(np.float32)[:, None]
        return {
            "skirt_length": np.repeat(bright, 5, 1),
            "sleeve_length": bright * np.eye(9)[3],
            "style": bright - np.arange(13),
        }


def classifier(predict=None, crop: CropKind = "keypoints", **changes) -> Classifier:
    return Classifier(HEADS, 32, CropRule(crop), predict or Predict(), ALL, **changes)


def recognitions(categories: list[str | None], stage2: Classifier | None, batch_size: int = 4) -> list[Recognition]:
    return list(recognise(stage1(categories), stage2, samples(len(categories)), ALL, CODEC, batch_size))


def test_only_attributes_that_such_a_garment_has_are_answered():
    answers = recognitions(["skirt", "blouse", "dress", "trousers", None, "outwear"], classifier())
    assert [list(answer.attributes) for answer in answers] == [
        ["skirt_length", "style"],
        ["sleeve_length", "style"],
        ["skirt_length", "sleeve_length", "style"],
        ["style"],
        [],
        ["sleeve_length", "style"],
    ]


def test_every_photo_gets_its_answers_and_errors_stay_in_order():
    predict = Predict()
    categories: list[str | None] = ["dress", "dress", None, "dress", "dress", None, "dress"]
    answers = recognitions(categories, classifier(predict), batch_size=3)
    for number, (answer, category) in enumerate(zip(answers, categories, strict=True), start=1):
        if category is None:
            assert answer.result.error == f"{number}.jpg is broken" and answer.framed is None
            assert answer.attributes == {}
            continue
        assert answer.result.sample.image_id == f"{number}.jpg" and answer.framed is not None
        # Five equal steps: above the first class and all others with the same probability.
        np.testing.assert_allclose(
            answer.attributes["skirt_length"], [1 - expit(number), 0, 0, 0, 0, expit(number)], atol=1e-12
        )
        np.testing.assert_allclose(answer.attributes["sleeve_length"], reference_softmax(number * np.eye(9)[3]))
        np.testing.assert_allclose(answer.attributes["style"], expit(number - np.arange(13.0)), rtol=1e-6)
    assert [images.shape for images in predict.seen] == [(3, 32, 32, 3)] * 3


def test_a_batch_without_a_readable_photo_is_not_shown_to_the_classifier():
    predict = Predict()
    answers = recognitions([None, None, "skirt"], classifier(predict), batch_size=2)
    assert len(predict.seen) == 1 and [bool(answer.attributes) for answer in answers] == [False, False, True]


def test_the_margin_that_the_classifier_was_trained_with_is_that_of_its_crops():
    stage2 = Classifier(HEADS, 32, CropRule("keypoints", margin=0.2), Predict(), ALL)
    (answer,) = recognitions(["dress"], stage2, batch_size=1)
    # 61 * 1.4 is 85.4; higher than the photo of 80 rows, and so centred on it.
    assert answer.framed == Framed(Box(8, -3, 93, 82), False)


def test_the_classifier_sees_its_kind_of_crop():
    crops: list[tuple[CropKind, Box]] = [
        # 61 pixels wide and 41 high with 0.05 of 61 on each side; and the photo itself.
        ("keypoints", Box(17, 7, 84, 74)),
        ("image", Box(0, 0, 100, 80)),
    ]
    for crop, box in crops:
        predict = Predict()
        (answer,) = recognitions(["dress"], classifier(predict, crop), batch_size=1)
        assert answer.framed == Framed(box, False)
        expected = letterboxed(np.full((box.height, box.width, 3), 1, np.uint8), (32, 32))[0]
        np.testing.assert_array_equal(predict.seen[0][0], expected)


def test_a_classifier_that_looks_for_itself_sees_where_its_maps_are_warm():
    def look(images: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        features = np.zeros((len(images), 4, 4, 2), np.float32)
        features[:, 1, 1, 0], features[:, 2, 3, 1] = 1, 1
        logits = {head.name: np.zeros((len(images), len(head.classes))) for head in (SLEEVE, STYLE)}
        return features, logits | {"skirt_length": np.zeros((len(images), 5)) - 9}

    # Trousers have neither sleeves nor a skirt's length, skirts no sleeves; sleeves look at the one cell, all others
    # at the other.
    kernels = {"skirt_length": -np.eye(2)[[1]].T * np.ones(5), "sleeve_length": np.eye(2)[[0]].T * np.ones(9)}
    kernels["style"] = np.eye(2)[[1]].T * np.ones(13)
    net = ActivationNet(look, kernels, HEADS, 32)
    predict = Predict()
    stage2 = classifier(predict, "cam", activation=net)
    blouse, broken, skirt = recognitions(["blouse", None, "skirt"], stage2, batch_size=4)
    assert broken.framed is None and blouse.framed is not None and skirt.framed is not None
    # The input of 32 px shows the photo of 100 px at 0.32, with a pad of 3.2 px above. Cells are 8 px, 25 in the photo;
    # the warm one's centre lies at (12, 12) or (28, 20), half a pixel less by pixel centres.
    x, y = (28 / 0.32, (20 - 3.2) / 0.32)
    assert skirt.framed.box.left < x < skirt.framed.box.right and skirt.framed.box.top < y < skirt.framed.box.bottom
    assert skirt.framed.box.left > 12 / 0.32
    assert blouse.framed.box.left < 12 / 0.32 and blouse.framed.box != skirt.framed.box
    assert len(predict.seen) == 1


def test_a_classifier_cannot_look_for_itself_without_its_maps():
    with pytest.raises(ValueError, match="needs its activation network"):
        recognitions(["skirt"], classifier(crop="cam"))


def test_temperatures_by_head():
    stage2 = classifier(temperatures={"sleeve_length": 2.0, "style": np.full(13, 4.0)})
    (answer,) = recognitions(["dress"], stage2)
    np.testing.assert_allclose(answer.attributes["sleeve_length"], reference_softmax(np.eye(9)[3] / 2))
    np.testing.assert_allclose(answer.attributes["style"], expit((1 - np.arange(13.0)) / 4))
    np.testing.assert_allclose(answer.attributes["skirt_length"][5], expit(1))


def test_without_a_classifier_there_are_keypoints_and_a_region():
    answers = recognitions(["skirt", None], None)
    assert [answer.attributes for answer in answers] == [{}, {}]
    assert answers[0].framed is not None and not answers[0].framed.fell_back and answers[0].framed.box.width < 100
    assert answers[1].framed is None and answers[1].result.error


def test_photos_are_taken_as_they_are_needed():
    taken = []

    def endless() -> Iterator[Sample]:
        for i in count(1):
            taken.append(i)
            yield Sample(f"{i}.jpg", Path(f"{i}.jpg"), None)

    stream = recognise(stage1(["skirt"] * 100), classifier(), endless(), ALL, CODEC, 2)
    assert len(list(islice(stream, 3))) == 3 and len(taken) <= 4 + 2 + 2  # two batches ahead


# ---------------------------------------------------------------------------------------------------- what is written


def test_a_description_is_plain_data():
    (answer,) = recognitions(["dress"], classifier())
    facts = json.loads(json.dumps(describe(answer, ALL, HEADS), allow_nan=False))
    assert facts == describe(answer, ALL, HEADS)
    assert {
        name: facts[name] for name in ("photo", "width", "height", "category", "category_probability", "region")
    } == {
        "photo": "1.jpg",
        "width": 100,
        "height": 80,
        "category": "dress",
        "category_probability": 0.75,
        "region": [17, 7, 84, 74],
    }
    assert list(facts["keypoints"]) == [name for name, has in zip(ALL.keypoints, ALL.mask("dress"), strict=True) if has]
    assert facts["keypoints"]["neckline_left"] == dict(x=20.0, y=20.0, score=0.9, visible=None, hidden=None)
    sleeve = facts["attributes"]["sleeve_length"]
    assert (
        sleeve["class"]
        == ATTRIBUTE_TASKS["sleeve_length"][3]
        == max(sleeve["probabilities"], key=sleeve["probabilities"].get)
    )
    assert list(sleeve["probabilities"]) == list(ATTRIBUTE_TASKS["sleeve_length"])
    assert sleeve["probability"] == sleeve["probabilities"][sleeve["class"]] == round(np.e / (np.e + 8), 4)


def test_a_calibrated_network_describes_visibility_and_whether_there_is_a_garment():
    (answer,) = recognitions(["dress"], classifier())
    prediction = answer.result.prediction
    assert prediction is not None and describe(answer, ALL, HEADS)["garment"] is None
    calibrated = replace(prediction, visible=np.full(24, 0.25), found=False)
    facts = describe(replace(answer, result=replace(answer.result, prediction=calibrated)), ALL, HEADS)
    assert facts["garment"] is False
    assert facts["keypoints"]["neckline_left"] == dict(x=20.0, y=20.0, score=0.9, visible=0.25, hidden=False)


def test_of_independent_labels_those_that_hold_are_listed():
    # Photo 4: logits 4, 3, 2, 1, 0, -1 and so on. At 0 it is as likely as not.
    *_, answer = recognitions(["skirt"] * 4, classifier())
    style = describe(answer, ALL, HEADS)["attributes"]["style"]
    assert style["labels"] == list(STYLES[:4]) and set(style) == {"labels", "probabilities"}
    assert style["probabilities"] == {name: round(float(expit(4 - i)), 4) for i, name in enumerate(STYLES)}
    calm = Recognition(answer.result, answer.framed, {"style": np.full(13, 0.5)})
    assert describe(calm, ALL, HEADS)["attributes"]["style"]["labels"] == []


def test_where_no_garment_was_found_there_is_no_region():
    (answer,) = recognitions(["skirt"], None)
    whole = Recognition(answer.result, Framed(Box(0, 0, 100, 80), True))
    assert describe(whole, ALL, ())["region"] is None
    assert describe(whole, ALL, ())["attributes"] == {}


def test_a_photo_that_cannot_be_read_is_described_by_the_reason():
    (answer,) = recognitions([None], classifier())
    known = {name: value for name, value in describe(answer, ALL, HEADS).items() if value}
    assert known == {"photo": "1.jpg", "error": "1.jpg is broken"}


# ------------------------------------------------------------------------------------------ several garments in a photo


def placed(number: int, count: int, box: tuple[float, ...] | None, square: Box | None) -> PhotoResult:
    """A dress of a photo of 100 x 80 px."""
    edges = None if box is None else np.array(box)
    return replace(found(1, "dress"), place=Place(number, count, edges, None if box is None else 0.5, square))


def test_garments_of_one_photo_are_answered_each_and_the_photo_is_given_back_once():
    results = [placed(i, 3, (10 * i, 0, 40, 40), Box(10 * i, 0, 40 + 10 * i, 40)) for i in range(3)]
    budget = Budget(10**9)
    budget.add(SIZE[0] * SIZE[1] * 3)
    answers = list(recognise(lambda _: iter(results), classifier(), [], ALL, CODEC, 2, budget))
    assert [(a.garment_id, a.box, a.score) for a in answers] == [
        (0, (0, 0, 40, 40), 0.5),
        (1, (10, 0, 40, 40), 0.5),
        (2, (20, 0, 40, 40), 0.5),
    ]
    assert all(answer.attributes for answer in answers) and budget.used == 0


def test_a_classifier_of_whole_images_sees_the_square_of_a_garment():
    square = Box(-5, 10, 35, 50)
    result = placed(0, 1, (0, 12, 30, 48), square)
    (answer,) = recognise(lambda _: iter([result]), classifier(crop="image"), [], ALL, CODEC, 2)
    assert answer.framed == Framed(square, False)
    assert describe(answer, ALL, HEADS)["region"] == [0, 10, 35, 50]


def test_where_a_garment_has_no_region_its_square_is_seen():
    square = Box(-5, 10, 35, 50)
    result = placed(0, 1, (0, 12, 30, 48), square)
    empty = replace(result, heatmaps=np.zeros((16, 16, 24), np.float32))
    (answer,) = recognise(lambda _: iter([empty]), classifier(crop="heatmap"), [], ALL, CODEC, 2)
    assert answer.framed == Framed(square, True)


def test_a_classifier_that_looks_for_itself_looks_at_every_square():
    def look(images: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        features = np.zeros((len(images), 4, 4, 1), np.float32)
        features[:, 1, 2] = 1
        return features, {head.name: np.zeros((len(images), 9 if head is SLEEVE else 13)) for head in (SLEEVE, STYLE)}

    net = ActivationNet(look, {"sleeve_length": np.ones((1, 9)), "style": np.ones((1, 13))}, (SLEEVE, STYLE), 32)
    squares = Box(0, 0, 32, 32), Box(60, 40, 92, 72)
    results = [placed(i, 2, (1, 1, 30, 30), square) for i, square in enumerate(squares)]
    stage2 = classifier(crop="cam", activation=net)
    first, second = recognise(lambda _: iter(results), stage2, [], ALL, CODEC, 2)
    assert first.framed is not None and second.framed is not None
    # A cell of the 4 x 4 is 8 px: the warm one lies about (20, 12) of each square.
    box = first.framed.box
    assert box.left < 20 < box.right and box.top < 12 < box.bottom and box.width < 32
    assert second.framed.box == Box(box.left + 60, box.top + 40, box.right + 60, box.bottom + 40)


def test_garments_are_described_with_their_boxes_and_a_photo_with_its_garments():
    results = [placed(0, 2, (1.006, 2, 30, 40), Box(0, 0, 40, 40)), placed(1, 2, (5, 5, 9, 9), Box(0, 0, 10, 10))]
    facts = [describe(a, ALL, HEADS) for a in recognise(lambda _: iter(results), None, [], ALL, CODEC)]
    assert [f["garment_id"] for f in facts] == [0, 1] and facts[0]["box"] == [1.01, 2, 30, 40]
    photo = describe_photo(facts)
    assert {name: photo[name] for name in ("photo", "error", "width", "height")} == {
        "photo": "1.jpg",
        "error": None,
        "width": 100,
        "height": 80,
    }
    names = ["garment_id", "box", "score", "garment", "category", "category_probability", "region", "keypoints"]
    assert [list(garment) for garment in photo["garments"]] == [[*names, "attributes", "measurements"]] * 2
    whole = replace(found(1, "dress"), place=Place())
    (none,) = recognise(lambda _: iter([whole]), None, [], ALL, CODEC)
    assert [describe(none, ALL, HEADS)[name] for name in names[:3]] == [0, None, None]
    (broken,) = recognitions([None], None)
    assert describe_photo([describe(broken, ALL, HEADS)])["garments"] == []
