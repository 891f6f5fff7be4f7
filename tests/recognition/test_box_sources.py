from pathlib import Path

import numpy as np
import pytest

from aifashion.config import DetectionConfig
from aifashion.eval.detection import Detector
from aifashion.recognition import box_sources
from aifashion.recognition.box_sources import check_source, named_source, read_garments
from aifashion.recognition.detection_model import DetectionModel
from aifashion.vocabulary import load_vocabulary
from small_detector import CODEC, see_colours

ALL = load_vocabulary()
PHOTOS = ["photos/a.jpg", "photos/b.jpg", "photos/a.jpg"]


def test_garments_as_they_are_written():
    assert [read_garments(text) for text in ("all", "largest", "1", "12")] == ["all", "largest", 1, 12]
    for text in ("0", "-1", "ALL", "", "1.5", "²"):
        with pytest.raises(ValueError, match="expected all, largest or a number from 1"):
            read_garments(text)


def test_boxes_of_a_file_by_the_names_of_the_photos(tmp_path: Path):
    path = tmp_path / "boxes.csv"
    path.write_text("photo,left,top,right,bottom,category\na.jpg,1,2,30,40,dress\nb.jpg,5,6,70,80,\n")
    named = named_source(PHOTOS, ALL, path, None, "largest", 16)
    assert named is not None and named.source.garments == "largest" and named.source.detector is None
    found = named.source.given("photos/a.jpg")
    assert found.boxes.tolist() == [[1, 2, 30, 40]] and found.category.tolist() == [ALL.category_index("dress")]
    assert named.source.given("photos/b.jpg").category.tolist() == [-1]
    assert len(named.source.given("photos/c.jpg")) == 0 and named.source.expected(1) == 2
    # What the answers depend on is known by the content, not by the name alone.
    origin = named.origin
    path.write_text(path.read_text().replace("30", "31"))
    other = named_source(PHOTOS, ALL, path, None, None, 16)
    assert other is not None and other.origin != origin and str(path) in origin and other.source.garments == "all"


def test_boxes_of_a_detector(tmp_path: Path, monkeypatch):
    prepared = []
    config = DetectionConfig(vocabulary=ALL.restricted("dress", "skirt"), size=CODEC.size[0])
    model = DetectionModel(tmp_path, config, see_colours, prepare=prepared.append)
    (tmp_path / "best.json").write_text("{}")
    monkeypatch.setattr(box_sources, "load_detection_model", lambda path: model)
    named = named_source(PHOTOS, ALL, None, Path("shipped"), None, 16)
    assert named is not None and named.origin.startswith(f"{tmp_path} (")
    detector = named.source.detector
    assert isinstance(detector, Detector) and detector.batch_size == 3 and len(detector.categories) == 2
    assert named.source.expected(2) > 2 and prepared in ([], [3])
    heat, _ = detector.detect(np.zeros((3, 128, 128, 3), np.uint8))
    assert heat.shape == (3, 16, 16, 2)


def test_without_a_name_the_shipped_detector_finds_the_garments(tmp_path: Path, monkeypatch):
    asked = []

    def load(path: Path | None) -> DetectionModel:
        asked.append(path)
        return DetectionModel(tmp_path, DetectionConfig(size=CODEC.size[0]), see_colours)

    (tmp_path / "best.json").write_text("{}")
    monkeypatch.setattr(box_sources, "load_detection_model", load)
    for garments in ("all", "largest", "2"):
        named = named_source(PHOTOS, ALL, None, None, garments, 16)
        assert named is not None and named.source.detector is not None
        assert str(named.source.garments) == garments
    assert asked == [None] * 3  # which is that of the package
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("photo,left,top,right,bottom\na.jpg,1,2,30,40\n")
    assert named_source(PHOTOS, ALL, boxes, None, "all", 16) is not None and len(asked) == 3


def test_options_are_checked_before_a_file_is_read():
    nowhere = Path("nowhere")
    check_source(nowhere, Path("none"), "all")
    check_source(None, nowhere, "2")
    check_source(None, None, "all")
    check_source(None, None, None)
    with pytest.raises(ValueError, match="the boxes come from one of them; give one"):
        check_source(nowhere, nowhere, None)
    with pytest.raises(ValueError, match="--garments 0: expected all, largest or a number from 1"):
        check_source(nowhere, None, "0")


def test_without_boxes_there_is_no_source():
    assert named_source(PHOTOS, ALL, None, None, None, 16) is None
    assert named_source(PHOTOS, ALL, None, Path("none"), None, 16) is None
    with pytest.raises(ValueError, match="--garments all needs boxes: leave --detector none out, or give them in a"):
        named_source(PHOTOS, ALL, None, Path("none"), "all", 16)
