"""Scores of a detector that sees a red dress and a blue skirt."""

import json
from pathlib import Path

import detection_scores
import numpy as np
import pytest
from detection_scores import FILE
from PIL import Image

from aifashion.boxes import Detections
from aifashion.config import DetectionConfig
from aifashion.data_gen.detection_sets import write_detection_set
from aifashion.data_gen.formats.scenes import Scene
from aifashion.data_gen.photographs import Photograph
from aifashion.eval.detection_calibration import BoxCalibration
from aifashion.recognition.detection_model import DetectionModel
from aifashion.tasks import detection as detection_task
from aifashion.vocabulary import load_vocabulary
from small_detector import CODEC, NAMES, painted, see_colours

VOCABULARY = load_vocabulary().restricted(*NAMES)
RED, BLUE = (10, 10, 58, 90), (70, 30, 118, 110)


def photo(path: Path, **boxes: tuple[float, float, float, float]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(painted((128, 128), boxes)).save(path)
    return path


def scene(path: Path, *boxes: tuple[float, float, float, float]) -> Scene:
    """Of dresses."""
    garments = Detections(np.array(boxes), np.full(len(boxes), VOCABULARY.category_index("dress")), np.ones(len(boxes)))
    return Scene(path.name, path, garments, np.zeros((0, 4)), (128, 128))


@pytest.fixture
def words(tmp_path, monkeypatch) -> list[str]:
    config = DetectionConfig(vocabulary=VOCABULARY, size=CODEC.size[0])
    model = DetectionModel(tmp_path, config, see_colours, BoxCalibration(1.0, 0.0, 0.5))
    for module in (detection_scores, detection_task):
        monkeypatch.setattr(module, "load_detection_model", lambda path, weights=None: model)
    seen, other = photo(tmp_path / "worn" / "a.png", red=RED), photo(tmp_path / "worn" / "b.png")
    masks = {"learn": [scene(other, RED)], "choose": [scene(other, RED)], "report": [scene(seen, RED)]}
    monkeypatch.setattr(detection_scores, "masked_scenes", lambda annotations, clone, vocabulary: masks)
    laid = {"dress/c.png": {"red": RED}, "skirt/d.png": {"red": RED}, "none/e.png": {}}
    rows = [Photograph(name, "", "1", "", Path(name).parent.name, "") for name in (*laid, "dress/nowhere.png")]
    monkeypatch.setattr(detection_scores, "reported", lambda annotations: rows)
    for name, boxes in laid.items():
        photo(tmp_path / "laid" / name, **boxes)
    drawn = photo(tmp_path / "drawn.png", blue=BLUE)
    write_detection_set(tmp_path / "scenes", {"test": [scene(drawn, RED, BLUE)]}, VOCABULARY)
    folders = ("--worn", "worn", "--laid", "laid", "--drawn", "scenes", "--out", "new/scores")
    return ["--detector", "d", *(word if word.startswith("--") else str(tmp_path / word) for word in folders)]


def test_the_scores_of_a_card(words, tmp_path):
    detection_scores.main(words)
    scores = json.loads((tmp_path / "new" / "scores" / FILE).read_text(), parse_constant=pytest.fail)
    # Of the masks the part report alone: its dress is found.
    assert scores["worn"]["photos"] == 1 and scores["worn"]["found"] == 1
    assert scores["worn"]["ap50"] == pytest.approx(1)
    # There is no skirt, so it has no precision; and the blue box is a dress that is taken for one.
    assert scores["drawn"]["ap50_by_category"] == {"dress": 0, "skirt": None} and scores["drawn"]["garments"] == 2
    assert scores["drawn"]["found"] == 0 and scores["drawn"]["false_alarms_a_photo"] == 1
    assert scores["laid"] == {
        "photos": 2,
        "found": 1,
        "category_right": 0.5,
        "without_garment": 1,
        "said_to_show_none": 1,
    }
