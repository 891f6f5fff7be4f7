"""Test lists in the formats of labelling tools: what is predicted for them, and its score."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.config import KeypointConfig
from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.data_gen.formats.table import FORMATS
from aifashion.data_gen.keypoint_sets import load_test_set
from aifashion.records import Keypoints, Prediction, Sample
from aifashion.tasks.keypoints import no_keypoints, write_keypoint_submission
from aifashion.top import score
from aifashion.vocabulary import load_vocabulary

ALL, CONFIG = load_vocabulary(), KeypointConfig()
SKIRT = ALL.definitions[ALL.category_index("skirt")].keypoints
NAMES = {"label-studio": "truth.json", "cvat": "truth.xml", "labelme": "truth", "table": "truth.csv"}


def truth(folder: Path, name: str) -> Path:
    """a.png has two skirts of waistbands of 20 px, b.png one, c.png none."""
    photos = []
    for photo, lefts in (("a.png", (5, 50)), ("b.png", (30,)), ("c.png", ())):
        garments = []
        for number, left in enumerate(lefts):
            xy = np.array([(left, 10), (left + 20, 10), (left, 60), (left + 20, 60)], float)
            box = (left - 2.0, 8.0, left + 23.0, 63.0)
            garments.append(LabelledGarment(f"{photo}{number}", "skirt", SKIRT, Keypoints(xy, np.ones(4)), box))
        photos.append(LabelledPhoto(photo, (100, 80), tuple(garments)))
        Image.new("RGB", (100, 80)).save(folder / photo)
    FORMATS[name].write(LabelSet(folder, folder, tuple(photos)), folder / NAMES[name], ALL)
    return folder / NAMES[name]


def predicted(sample: Sample, moved: float) -> Prediction:
    """The truth, the left hem `moved` px to the right."""
    if sample.keypoints is None:
        return no_keypoints(Sample(sample.image_id, sample.path, "skirt"), CONFIG)
    xy = sample.keypoints.xy.copy()
    xy[ALL.indices["hemline_left"], 0] += moved
    state = sample.keypoints.state
    return Prediction(sample.image_id, "skirt", 0.9, xy, np.full(24, 0.5), state)


@pytest.mark.parametrize("name", NAMES)
def test_predictions_are_a_coco_set_that_can_be_scored(tmp_path, name):
    file = truth(tmp_path, name)
    listed = load_test_set(file, ALL)
    assert [sample.category for sample in listed.samples][:3] == ["skirt"] * 3
    predictions = [predicted(sample, 10) for sample in listed.samples]
    path = write_keypoint_submission(tmp_path, listed, predictions, listed.samples, CONFIG)
    content = json.loads(path.read_text())
    assert path.name == "submission.json" and len(content["annotations"]) == 3
    assert content["annotations"][0]["score"] == 0.5
    numbers = tmp_path / "score.json"
    score.keypoints(["--truth", str(file), "--predicted", str(path), "--json", str(numbers)])
    found = json.loads(numbers.read_text())
    # 10 px of a waistband of 20 px in one of four points.
    assert found["ne"] == pytest.approx(0.5 / 4) and found["garments"] == 3


def test_two_formats_and_other_ways_to_write_the_names_of_photos(tmp_path):
    file = truth(tmp_path, "cvat")
    other = tmp_path / "other"
    (other / "photos").mkdir(parents=True)
    content = (truth(tmp_path, "table")).read_text()
    (other / "x.csv").write_text(content.replace("a.png", "photos/a.png").replace("b.png", "photos/b.png"))
    numbers = tmp_path / "score.json"
    score.keypoints(["--truth", str(file), "--predicted", str(other / "x.csv"), "--json", str(numbers)])
    assert json.loads(numbers.read_text())["ne"] == 0


def test_a_mistake_in_either_file_and_a_missing_garment_are_errors(tmp_path, fails):
    file, table = truth(tmp_path, "cvat"), truth(tmp_path, "table")
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:5] + lines[9:]) + "\n")  # without the second skirt of a.png
    error = fails(score.keypoints, "--truth", file, "--predicted", table)
    assert "skirt of 'a.png') has no prediction in" in error
    table.write_text(
        "\n".join([lines[0], lines[1].replace("skirt", "skirt", 1).replace("visible", "seen"), *lines[2:]])
    )
    assert "seen" in fails(score.keypoints, "--truth", file, "--predicted", table)
    results = tmp_path / "results.json"
    results.write_text("[]")
    assert "not a format that is known" in fails(score.keypoints, "--truth", file, "--predicted", results)
