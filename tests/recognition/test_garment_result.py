import json
from dataclasses import replace

import numpy as np
import pytest
from small_garments import CODEC, VOCABULARY, skirt

from aifashion.data_gen.images import ImageError
from aifashion.eval.crops import Framed
from aifashion.eval.inference import PhotoResult, Place
from aifashion.eval.two_stage import Recognition
from aifashion.recognition.garment import Attribute, Garment, Keypoint, draw_garments
from aifashion.records import Box, Prediction


def test_category():
    garment = skirt()
    assert (garment.category, garment.category_probability, garment.found) == ("skirt", 0.75, True)
    assert garment.category_probabilities == {"skirt": 0.75, "trousers": 0.25}
    assert (garment.name.replace("\\", "/"), garment.error, garment.size) == ("photos/a.jpg", None, (40, 30))


def test_keypoints_by_name():
    points = skirt().keypoints
    names = ["waistband_left", "waistband_right", "hemline_left", "hemline_right"]
    assert list(points) == names
    for name in names:
        k, hidden = VOCABULARY.indices[name], "left" in name
        assert points[name] == Keypoint(k, 2.5 * k, 0.5, 0.25 if hidden else 0.875, hidden)
        assert type(points[name].x) is type(points[name].visible) is float and type(points[name].hidden) is bool
    assert skirt(visible=False).keypoints["hemline_left"].visible is None


def test_attributes_by_name():
    attributes = skirt().attributes
    probabilities = {"short": 0.125, "knee": 0.625, "long": 0.25}
    assert attributes["skirt_length"] == Attribute("ordinal", "knee", 0.625, ("knee",), probabilities)
    style = attributes["style"]
    # Of independent labels several may hold, at more than one half each.
    assert (style.label, style.probability, style.labels) == ("sport", 0.9, ("sport",))
    assert style.probabilities == {"sport": 0.9, "office": 0.2, "street": 0.5}
    assert skirt(heads=()).attributes == {}


def test_a_name_that_is_not_there_lists_those_that_are():
    with pytest.raises(
        KeyError, match="no keypoint 'crotch'; of skirt there are: waistband_left, waistband_right, hem"
    ):
        skirt().keypoints["crotch"]
    with pytest.raises(KeyError, match="no attribute 'pant_length'; of skirt there are: skirt_length, style"):
        skirt().attributes["pant_length"]
    with pytest.raises(KeyError, match="no attribute 'style'; of skirt there are: none"):
        skirt(heads=()).attributes["style"]
    assert "crotch" not in skirt().keypoints and skirt().keypoints.get("crotch") is None


def test_the_crop_is_the_region_of_the_photo():
    garment = skirt()
    assert garment.region == Box(5, 2, 25, 22)
    np.testing.assert_array_equal(garment.crop, garment.photo[2:22, 5:25])


def test_a_region_beyond_the_photo_is_padded():
    garment = skirt(Box(-10, 2, 10, 22))
    assert garment.crop.shape == (20, 20, 3)
    np.testing.assert_array_equal(garment.crop[:, 10:], garment.photo[2:22, :10])
    assert (garment.crop[:, :9] == garment.crop[0, 0]).all()


def test_without_a_region_the_crop_is_the_whole_photo():
    garment = skirt(Box(0, 0, 40, 30), fell_back=True)
    assert garment.region is None
    np.testing.assert_array_equal(garment.crop, garment.photo)


def test_heatmaps_of_all_keypoints():
    garment = skirt()
    assert garment.heatmaps.shape == (16, 16, len(VOCABULARY.keypoints))
    assert garment.heatmaps.any(axis=(0, 1)).tolist() == VOCABULARY.mask("skirt").tolist()


def test_the_picture_shows_crop_and_attributes_where_there_is_a_classifier():
    with_attributes, without = skirt().draw(), skirt(heads=()).draw()
    assert with_attributes.dtype == without.dtype == np.uint8
    assert with_attributes.shape[0] == without.shape[0] and with_attributes.shape[1] > 1.3 * without.shape[1]


def test_a_sentence():
    assert str(skirt()) == "skirt (75%), 4 keypoints, 2 of them hidden, skirt length: knee (62%), style: sport"
    garment = skirt(visible=False, category_probability=None, heads=())
    assert str(garment) == "skirt, 4 keypoints, 2 of them hidden"
    assert repr(garment) == f"<Garment of {garment.name}: {garment}>"


def test_a_photo_without_a_garment_says_so():
    garment = skirt(heads=())
    prediction = garment.prediction
    lost = Prediction(
        "a", "skirt", 0.5, prediction.xy, prediction.score, prediction.state, prediction.visible, found=False
    )
    changed = PhotoResult(garment.recognition.result.sample, lost)
    garment = Garment(Recognition(changed), VOCABULARY, CODEC, ())
    assert str(garment).startswith("probably no garment, skirt (50%)") and garment.found is False


def test_plain_data_agrees_with_the_names():
    garment = skirt()
    facts = json.loads(json.dumps(garment.to_dict()))
    assert (facts["photo"], facts["region"]) == (garment.name, [5, 2, 25, 22])
    assert set(facts["keypoints"]) == set(garment.keypoints) and facts["attributes"]["style"]["labels"] == ["sport"]


def test_a_photo_that_was_not_kept():
    result = skirt().recognition.result
    bare = PhotoResult(result.sample, result.prediction, size=(40, 30))
    garment = Garment(Recognition(bare, Framed(Box(0, 0, 40, 30), False)), VOCABULARY, CODEC, ())
    for take in (lambda: garment.photo, lambda: garment.crop, garment.draw):
        with pytest.raises(ImageError, match=r"a\.jpg: the photo was not kept"):
            take()


def placed(number: int, count: int, box: tuple[float, ...]) -> Garment:
    garment = skirt()
    place = Place(number, count, np.array(box), 0.5, Box(0, 0, 40, 40))
    result = replace(garment.recognition.result, place=place)
    return replace(garment, recognition=replace(garment.recognition, result=result))


def test_which_garment_of_a_photo_it_is():
    garment = placed(1, 2, (3, 4.25, 30, 30))
    assert (garment.garment_id, garment.box, garment.score) == (1, (3, 4.25, 30, 30), 0.5)
    facts = garment.to_dict()
    assert (facts["garment_id"], facts["box"], facts["score"]) == (1, [3, 4.25, 30, 30], 0.5)
    plain = skirt()
    assert (plain.garment_id, plain.box, plain.score) == (0, None, None) and "box" not in plain.to_dict()


def test_all_garments_of_a_photo_in_one_picture():
    several = [placed(i, 5, (5 * i, 0, 5 * i + 15, 30)) for i in range(5)]
    picture, one = draw_garments(several), draw_garments(several[:1])
    assert picture.dtype == np.uint8 and picture.shape[0] >= 600  # three pages of 200 px
    np.testing.assert_array_equal(several[0].draw(), one)
    assert not np.array_equal(one, skirt().draw())
    np.testing.assert_array_equal(draw_garments([skirt()]), skirt().draw())
    with pytest.raises(ValueError, match="expected at least one garment to draw"):
        draw_garments([])
