"""Numbers of a detector that sees colours, on photos where it finds a red dress and a blue skirt, or nothing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.boxes import Detections, no_detections
from aifashion.config import DetectionConfig
from aifashion.data_gen.formats.scenes import Scene
from aifashion.eval.detection_calibration import BoxCalibration
from aifashion.tasks import detection_numbers
from aifashion.tasks.detection import DetectionTask
from aifashion.tasks.detection_numbers import box_numbers, found_in, presence_numbers, unboxed
from aifashion.vocabulary import load_vocabulary
from small_detector import CODEC, NAMES, painted, see_colours

VOCABULARY = load_vocabulary().restricted(*NAMES)
RED, BLUE = (10, 10, 58, 90), (70, 30, 118, 110)


@pytest.fixture(params=[0.5, 0.95])
def threshold(request, monkeypatch) -> float:
    """Of the detector, whose boxes all have a score of 0.9."""
    task = DetectionTask(DetectionConfig(vocabulary=VOCABULARY, size=CODEC.size[0]))
    model = (task, see_colours, BoxCalibration(1.0, 0.0, request.param))
    monkeypatch.setattr(detection_numbers.DetectionTask, "of_model", classmethod(lambda cls, run, weights: model))
    return request.param


def photo(path: Path, **boxes: tuple[float, float, float, float]) -> Path:
    Image.fromarray(painted((128, 128), boxes)).save(path)
    return path


def scene(path: Path, *boxes: tuple[float, float, float, float], category: str = "dress") -> Scene:
    if not boxes:
        return Scene(path.name, path, no_detections(), np.zeros((0, 4)), (128, 128))
    of = np.full(len(boxes), VOCABULARY.category_index(category))
    return Scene(path.name, path, Detections(np.array(boxes), of, np.ones(len(boxes))), np.zeros((0, 4)), (128, 128))


def test_boxes(tmp_path, threshold):
    both, one = photo(tmp_path / "a.png", red=RED, blue=BLUE), photo(tmp_path / "b.png", blue=BLUE)
    # Of three true dresses one is red and found; the blue ones are skirts to the detector.
    numbers = box_numbers(found_in(Path("d"), [scene(both, RED, BLUE), scene(one, BLUE)]))
    assert (numbers["photos"], numbers["garments"]) == (2, 3)
    assert numbers["ap50_by_category"]["dress"] == pytest.approx(34 / 101)  # a recall of a third, at full precision
    told = threshold < 0.9
    assert numbers["found"] == pytest.approx(told / 3)
    assert numbers["found_of_any_category"] == pytest.approx(float(told))
    if told:
        assert numbers["right_of_those_told"] == pytest.approx(1 / 3) and numbers["false_alarms_a_photo"] == 1
    else:
        assert np.isnan(numbers["right_of_those_told"]) and numbers["false_alarms_a_photo"] == 0


def test_presence(tmp_path, threshold, caplog):
    photo(tmp_path / "a.png", red=RED)
    photo(tmp_path / "b.png", blue=BLUE)
    photo(tmp_path / "c.png")
    photo(tmp_path / "d.png", blue=BLUE)
    photo(tmp_path / "e.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "f.png").write_bytes(whole[: len(whole) // 2])
    wanted = {"a.png": "dress", "b.png": "dress", "c.png": "skirt", "d.png": "none", "e.png": "none", "f.png": "none"}
    numbers = presence_numbers(found_in(Path("d"), unboxed(tmp_path, wanted)), wanted)
    told = threshold < 0.9
    assert numbers == {
        "photos": 3,
        "found": pytest.approx(2 / 3 if told else 0),
        "category_right": pytest.approx(1 / 3 if told else 0),
        "without_garment": 2,
        "said_to_show_none": 0.5 if told else 1,
    }
    assert "left out, cannot be read: " in caplog.text and "f.png" in caplog.text


def test_of_no_photo_there_is_no_share(tmp_path, threshold):
    photo(tmp_path / "a.png", red=RED)
    numbers = presence_numbers(found_in(Path("d"), unboxed(tmp_path, ["a.png"])), {"a.png": "dress"})
    assert numbers["without_garment"] == 0 and numbers["said_to_show_none"] is None
