"""`Garment.measure` and what goes with it."""

import dataclasses

import numpy as np
import pytest
from small_garments import VOCABULARY, skirt

from aifashion.data_gen.images import ImageError
from aifashion.eval.inference import PhotoResult
from aifashion.eval.measuring import KnownLength, Measured, ScaleError
from aifashion.eval.two_stage import Recognition
from aifashion.measurement_sets import measurements_of
from aifashion.planes import uniform_plane
from aifashion.recognition.garment import Garment, draw_garments, measure_garments
from aifashion.recognition.scales import PxPerCm, Scale, Sheet
from aifashion.vocabulary import vocabulary_from

SIDE = 2 * np.hypot(1, 2.5)


def test_lengths_by_name():
    lengths = skirt().measure()
    assert list(lengths) == ["waist", "hem", "skirt_length", "side_left", "side_right"]
    assert lengths["side_right"].px == pytest.approx(SIDE) and lengths["side_right"].cm is None
    assert lengths["side_right"].hidden is False and lengths["side_left"].hidden is True
    with pytest.raises(KeyError, match="no measurement 'rise'; of skirt there are: waist, hem"):
        lengths["rise"]


@pytest.mark.parametrize("scale", [PxPerCm(2), Scale(PxPerCm(2)), uniform_plane(2)])
def test_a_scale_in_every_form(scale):
    assert skirt().measure(scale)["side_right"].cm == pytest.approx(SIDE / 2)


def test_garments_of_one_photo_share_a_known_length():
    first, second = measure_garments([skirt(), skirt()], KnownLength("waist", 10))
    assert first["waist"].cm == second["waist"].cm == pytest.approx(10)


def test_why_there_is_no_scale():
    with pytest.raises(ScaleError, match="no a4 sheet in the photo"):
        skirt().measure(Sheet("a4"))
    with pytest.raises(ScaleError, match="no garment of this photo has the known length rise"):
        skirt().measure(KnownLength("rise", 20))
    with pytest.raises(ValueError, match="at least one garment"):
        measure_garments([])
    good = skirt()
    broken = Garment(
        Recognition(PhotoResult(good.recognition.result.sample, error="cut short")), VOCABULARY, good.codec, ()
    )
    with pytest.raises(ImageError, match="cut short"):
        broken.measure()


def test_own_measurements():
    facts = VOCABULARY.to_json()
    facts["categories"]["skirt"]["measurements"] = {"edge": {"between": ["waistband_left", "hemline_right"]}}
    own = measurements_of(vocabulary_from(facts))
    assert list(skirt().measure(measurements=own)) == ["edge"]
    assert list(dataclasses.replace(skirt(), vocabulary=vocabulary_from(facts)).measure()) == ["edge"]


def test_pictures_of_lengths():
    assert skirt().draw_lengths(PxPerCm(2)).shape == (675, 900, 3)
    plain, wide = draw_garments([skirt()]), draw_garments([skirt()], [Measured(dict(skirt().measure()))])
    assert wide.shape[0] == plain.shape[0] and wide.shape[1] > plain.shape[1]
