import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from aifashion.boxes import Detections
from aifashion.config import DetectionConfig
from aifashion.eval.detection_metrics import ScoredPhoto
from aifashion.run_files import CALIBRATION
from aifashion.tasks.detection import DetectionTask

TASK = DetectionTask(DetectionConfig(size=64))
RIGHT, ELSEWHERE = [0, 0, 20, 20], [40, 40, 60, 60]


def boxes(*rows: tuple[list[int], float]) -> Detections:
    """Of a dress each: where, and its score."""
    table = np.array([row for row, _ in rows], np.float64).reshape(-1, 4)
    return Detections(table, np.full(len(rows), 1), np.array([score for _, score in rows]))


def calibration(folder: Path, *photos: ScoredPhoto) -> dict[str, float]:
    folder.mkdir()
    TASK.calibrate(folder, [], list(photos))
    return json.loads((folder / CALIBRATION).read_text())


def test_a_box_in_a_crowd_is_neither_right_nor_wrong_for_the_calibration(tmp_path):
    true, right, both = boxes((RIGHT, 1)), boxes((RIGHT, 0.7)), boxes((RIGHT, 0.7), (ELSEWHERE, 0.9))
    alone = calibration(tmp_path / "alone", ScoredPhoto(true, right))
    wrong = calibration(tmp_path / "wrong", ScoredPhoto(true, both))
    crowd = calibration(tmp_path / "crowd", ScoredPhoto(true, both, boxes((ELSEWHERE, 1))))
    assert crowd == alone != wrong


def test_categories_that_no_photo_shows_are_not_in_the_log():
    photo = ScoredPhoto(boxes((RIGHT, 1)), boxes((RIGHT, 0.7)))
    row = TASK.numbers([], [photo, replace(photo, found=boxes())])
    assert np.isnan(row["ap50_skirt"])
    assert TASK.log_line({"epoch": 1, **row}).startswith("epoch   1  AP50 50.50%  dress 50.50%  AP 50.50%")
