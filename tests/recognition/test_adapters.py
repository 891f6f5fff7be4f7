import builtins
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from small_garments import CODEC, LENGTH, VOCABULARY, skirt

from aifashion.data_gen.images import ImageError
from aifashion.eval.inference import PhotoResult, Place
from aifashion.eval.two_stage import Recognition
from aifashion.recognition.adapters import to_pandas, to_supervision, to_supervision_boxes
from aifashion.recognition.columns import columns, flat_row
from aifashion.recognition.garment import Garment
from aifashion.records import Box
from aifashion.vocabulary import load_vocabulary

FIRST = ["photo", "error", "width", "height", "garment_id", "garment", "category", "category_probability"]
FIRST += ["box_left", "box_top", "box_right", "box_bottom", "score"]
FIRST += ["region_left", "region_top", "region_right", "region_bottom"]


def broken() -> Garment:
    sample = skirt().recognition.result.sample
    return Garment(Recognition(PhotoResult(sample, error="a.jpg is cut short")), VOCABULARY, CODEC, ())


# -------------------------------------------------------------------------------------------------------------- tables


def test_a_row_in_one_level():
    expected = {
        "photo": skirt().name,
        "error": None,
        "width": 40,
        "height": 30,
        "garment_id": 0,
        "garment": True,
        "category": "skirt",
        "category_probability": 0.75,
        "box_left": None,
        "box_top": None,
        "box_right": None,
        "box_bottom": None,
        "score": None,
        "region_left": 5,
        "region_top": 2,
        "region_right": 25,
        "region_bottom": 22,
    }
    for name in ("waistband_left", "waistband_right", "hemline_left", "hemline_right"):
        k, left = VOCABULARY.indices[name], "left" in name
        point = {"x": float(k), "y": 2.5 * k, "score": 0.5, "visible": 0.25 if left else 0.875, "hidden": left}
        expected |= {f"{name}_{part}": value for part, value in point.items()}
    expected |= {"skirt_length": "knee", "skirt_length_probability": 0.625, "style": "sport"}
    # Both points of the waistband, and of the hem, lie on (1, 2.5) k, and the left ones are hidden.
    waist, hem = 2.69, 2.69
    side = round(2 * np.hypot(1, 2.5), 2)
    lengths = {"waist": (waist, 1.0), "hem": (hem, 1.0), "skirt_length": (0.0, 0.0)}
    lengths |= {"side_left": (side, 2.0), "side_right": (side, 2.0)}
    for name, (px, ratio) in lengths.items():
        expected |= {f"{name}_px": px, f"{name}_ratio": ratio, f"{name}_hidden": name != "side_right"}
    assert flat_row(skirt().to_dict()) == expected
    several = {"attributes": {"style": {"labels": ["OL/commuter", "lady"], "probabilities": {}}}}
    assert flat_row(several)["style"] == "OL/commuter;lady"


def test_a_row_without_a_region_and_one_without_a_photo():
    row = flat_row(skirt(fell_back=True).to_dict())
    assert [row[name] for name in FIRST[13:]] == [None] * 4
    bad = broken()
    assert flat_row(bad.to_dict()) == dict.fromkeys(FIRST) | {"photo": bad.name, "error": "a.jpg is cut short"}


def test_a_region_lies_in_the_photo():
    row = skirt(Box(-7, -3, 60, 64)).to_dict()
    assert row["region"] == [0, 0, 40, 30]
    assert skirt(Box(-7, 40, 60, 107)).to_dict()["region"] is None
    assert skirt(Box(-7, -3, 60, 64)).region == Box(-7, -3, 60, 64)


def test_a_table_of_garments():
    rows = to_pandas([skirt(), broken(), skirt(fell_back=True)])
    assert rows["category"].fillna("").tolist() == ["skirt", "", "skirt"]
    assert rows["width"].dtype == rows["region_left"].dtype == "Int64" and rows["garment"].dtype == "boolean"
    assert rows["region_left"].fillna(-1).tolist() == [5, -1, -1]
    assert to_pandas(skirt()).columns.tolist() == [column.name for column in columns(VOCABULARY, skirt().heads)]
    assert len(to_pandas(skirt())) == 1
    # The broken one here is of no classifier, and has no columns of its own.
    assert set(to_pandas(skirt())) == set(rows)


def test_a_table_of_nothing():
    assert to_pandas([]).columns.tolist() == FIRST and len(to_pandas([])) == 0


# --------------------------------------------------------------------------------------------------------- supervision


class KeyPoints:
    """As of supervision 0.29."""

    def __init__(
        self, xy, class_id=None, keypoint_confidence=None, detection_confidence=None, visible=None, data=None
    ) -> None:
        self.xy, self.class_id, self.confidence, self.visible = xy, class_id, keypoint_confidence, visible
        self.data, self.detections = data, detection_confidence


class OlderKeyPoints:
    """As of supervision 0.28."""

    def __init__(self, xy, class_id=None, confidence=None, data=None) -> None:
        self.xy, self.class_id, self.confidence, self.data = xy, class_id, confidence, data


@pytest.fixture(params=[KeyPoints, OlderKeyPoints])
def key_points(request, monkeypatch) -> type:
    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(KeyPoints=request.param))
    return request.param


def test_key_points(key_points: type):
    found = to_supervision([skirt(), skirt()])
    assert isinstance(found, key_points)
    count = len(VOCABULARY.keypoints)
    assert found.xy.shape == (2, count, 2) and found.xy.dtype == found.confidence.dtype == np.float32
    mask = VOCABULARY.mask("skirt")
    for xy, score in zip(found.xy, found.confidence, strict=True):
        np.testing.assert_array_equal(xy[mask], np.array([[k, 2.5 * k] for k in np.flatnonzero(mask)]))
        assert not xy[~mask].any() and score.tolist() == (0.5 * mask).tolist()
    assert found.class_id.tolist() == [0, 0] and found.data["class_name"].tolist() == ["skirt", "skirt"]
    if key_points is KeyPoints:
        # Of the skirt's keypoints those on the left are hidden.
        seen = [name for name, visible in zip(VOCABULARY.keypoints, found.visible[0], strict=True) if visible]
        assert seen == ["waistband_right", "hemline_right"] and found.visible.dtype == bool
    assert to_supervision(skirt()).xy.shape == (1, count, 2)


def test_garments_that_are_no_key_points(key_points: type):
    with pytest.raises(ValueError, match="expected at least one garment"):
        to_supervision([])
    with pytest.raises(ImageError, match=r"a\.jpg is cut short"):
        to_supervision([skirt(), broken()])
    other = Garment(skirt().recognition, load_vocabulary(), CODEC, (LENGTH,))
    with pytest.raises(ValueError, match="the garments have different vocabularies"):
        to_supervision([skirt(), other])


def boxed(number: int, score: float) -> Garment:
    recognition = skirt().recognition
    place = Place(number, 2, np.array([1.5, 2, 30 + number, 20]), score)
    return replace(skirt(), recognition=replace(recognition, result=replace(recognition.result, place=place)))


class BoxDetections:
    """As of supervision."""

    def __init__(self, xyxy, confidence=None, class_id=None, data=None) -> None:
        self.xyxy, self.confidence, self.class_id, self.data = xyxy, confidence, class_id, data

    @classmethod
    def empty(cls):
        return cls(np.zeros((0, 4)))


def test_garments_of_several_photos(monkeypatch):
    table = to_pandas([[boxed(0, 0.75), boxed(1, 0.5)], [skirt()]])
    assert table["garment_id"].tolist() == [0, 1, 0] and table["score"].fillna(-1).tolist() == [0.75, 0.5, -1]
    assert table["box_left"].fillna(-1).tolist() == [1.5, 1.5, -1] and str(table["box_left"].dtype) == "float64"
    library = SimpleNamespace(KeyPoints=KeyPoints, Detections=BoxDetections)
    monkeypatch.setitem(sys.modules, "supervision", library)
    points = to_supervision([[boxed(0, 0.75), boxed(1, 0.5)]])
    assert points.detections.tolist() == [0.75, 0.5] and to_supervision([boxed(0, 0.5), skirt()]).detections is None
    found = to_supervision_boxes([[boxed(0, 0.75), boxed(1, 0.5)], [skirt()]])
    assert found.xyxy.tolist() == [[1.5, 2, 30, 20], [1.5, 2, 31, 20]] and found.confidence.tolist() == [0.75, 0.5]
    assert found.class_id.tolist() == [0, 0] and found.data["class_name"].tolist() == ["skirt", "skirt"]
    assert len(to_supervision_boxes(skirt()).xyxy) == 0


def test_without_supervision(monkeypatch):
    load = builtins.__import__

    def missing(name: str, *rest):
        if name == "supervision":
            raise ModuleNotFoundError("No module named 'supervision'")
        return load(name, *rest)

    monkeypatch.delitem(sys.modules, "supervision", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"needs the package supervision .*: pip install supervision"):
        to_supervision(skirt())
