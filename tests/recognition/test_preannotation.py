import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_garments import VOCABULARY, skirt

from aifashion.eval.inference import Place
from aifashion.recognition.preannotation import Answered, answered, folder_of, names_below, order_text
from aifashion.records import Uncertainty


def recognition(variance: float, name: str = "a.jpg", **changes):
    """A skirt whose span is `waistband_left` to `waistband_right`; the same variance in px² of all keypoints."""
    one = skirt().recognition
    count = len(VOCABULARY.keypoints)
    assert one.result.prediction is not None
    prediction = replace(one.result.prediction, uncertainty=Uncertainty(np.tile(np.eye(2) * variance, (count, 1, 1))))
    result = replace(one.result, sample=replace(one.result.sample, image_id=name), prediction=prediction)
    return replace(one, result=replace(result, **changes))


def test_a_garment_has_the_keypoints_of_its_category_with_their_states_and_scores():
    (found,) = answered([recognition(0.02)], {"a.jpg": "in/a.jpg"}, VOCABULARY, compared=True)
    assert found.name == "in/a.jpg" and found.labels is not None and found.labels.size == (40, 30)
    (garment,) = found.labels.garments
    place = np.flatnonzero(VOCABULARY.mask("skirt"))
    assert garment.names == tuple(VOCABULARY.keypoints[k] for k in place)
    np.testing.assert_array_equal(garment.keypoints.xy, [[k, 2.5 * k] for k in place])
    assert garment.keypoints.state.tolist() == [0 if "left" in name else 1 for name in garment.names]
    # Every point is 0.2 px off, and the span from one waistband point to the next is hypot(1, 2.5) px.
    assert garment.scores == pytest.approx([1 - 0.2 / np.hypot(1, 2.5)] * 4)
    assert found.vector is not None and np.linalg.norm(found.vector) == pytest.approx(1)


def test_a_photo_has_no_vector_unless_it_is_to_be_compared():
    (found,) = answered([recognition(1)], {"a.jpg": "a.jpg"}, VOCABULARY, compared=False)
    assert found.vector is None and found.doubts


def test_the_least_certain_garment_speaks_for_the_photo():
    boxes = [np.array([0, 0, 20, 20]), np.array([5, 5, 30, 30])]
    several = [
        recognition(variance, place=Place(number, 2, box, 0.9))
        for number, (variance, box) in enumerate(zip((0.5, 0.02), boxes, strict=True))
    ]
    (found,) = answered(several, {"a.jpg": "a.jpg"}, VOCABULARY, compared=False)
    assert found.least == 0 and found.uncertainty == found.doubts[0].total > found.doubts[1].total
    assert found.labels is not None and [g.box for g in found.labels.garments] == [(0, 0, 20, 20), (5, 5, 30, 30)]


def test_without_a_box_what_is_no_garment_is_none():
    one = recognition(1)
    assert one.result.prediction is not None
    nothing = replace(one, result=replace(one.result, prediction=replace(one.result.prediction, found=False)))
    boxed = replace(nothing, result=replace(nothing.result, place=Place(0, 1, np.array([0, 0, 9, 9]), 1.0)))
    bare, given = (next(answered([each], {"a.jpg": "a.jpg"}, VOCABULARY, compared=True)) for each in (nothing, boxed))
    assert bare.labels is not None and bare.labels.garments == () and bare.uncertainty == 0 and bare.vector is None
    assert len(given.doubts) == 1


def test_names_are_ways_from_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos = ["photos/a.jpg", "photos/in/b.jpg", "photos/in/../a.jpg", str(tmp_path / "photos" / "in" / "b.jpg")]
    names, unnamed = names_below(photos, Path("photos"))
    assert names == {"photos/a.jpg": "a.jpg", "photos/in/b.jpg": "in/b.jpg"} and not unnamed
    assert folder_of(photos) == tmp_path / "photos"
    assert folder_of(["photos/in/b.jpg"]) == tmp_path / "photos" / "in"


def test_a_linked_folder_is_called_as_it_is_called(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "link").symlink_to(tmp_path / "elsewhere")
    path = str(tmp_path / "photos" / "link" / "a.jpg")
    assert names_below([path], tmp_path / "photos") == ({path: "link/a.jpg"}, {})


UNWRITABLE = ["two\nlines.jpg", "caf\udce9.jpg", "a.jpg "]


@pytest.mark.parametrize("name", [*UNWRITABLE, *(["back\\slash.jpg"] if os.sep == "/" else [])])
def test_a_name_that_cannot_be_written_costs_its_photo(name, tmp_path):
    photos = [str(tmp_path / "a.jpg"), str(tmp_path / name)]
    names, unnamed = names_below(photos, tmp_path)
    assert names == {photos[0]: "a.jpg"} and list(unnamed) == [photos[1]]
    assert "rename it" in unnamed[photos[1]]
    unnamed[photos[1]].encode()  # it can be shown


def test_the_order_has_the_written_photos_first_and_the_others_by_uncertainty():
    sure, less, least = (
        next(answered([recognition(variance, name)], {name: name}, VOCABULARY, compared=False))
        for variance, name in ((0.01, "sure"), (0.05, "less"), (0.5, "least"))
    )
    bad = Answered("bad", error="it is cut short")
    rows = list(csv.DictReader(order_text([less], [bad, sure, least]).splitlines()))
    assert [(row["photo"], row["rank"]) for row in rows] == [("less", "1"), ("least", ""), ("sure", ""), ("bad", "")]
    assert rows[-1]["error"] == "it is cut short"
    assert rows[0]["keypoint_error"] == f"{np.sqrt(0.1) / np.hypot(1, 2.5):.4f}"
    # The category is right with 3 of 4; trousers share 2 of 4 + 7 - 2 keypoints.
    error = float(rows[0]["expected_error"])
    assert float(rows[0]["uncertainty"]) == pytest.approx(1 - (1 - error) * (1 - 0.25 * 7 / 9), abs=1e-4)
