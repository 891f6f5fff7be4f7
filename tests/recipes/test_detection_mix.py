from dataclasses import replace
from pathlib import Path

import detection_mix
import numpy as np
import pytest
from detection_mix import MixArguments, found_boxes, laid_photos, mix_detection
from PIL import Image

from aifashion.boxes import Detections
from aifashion.config import DetectionConfig
from aifashion.data_gen.detection_sets import load_detection_parts, write_detection_set
from aifashion.data_gen.formats.challenges import FASHIONAI, KEYPOINTS
from aifashion.data_gen.formats.fashionai import write_keypoint_csv
from aifashion.data_gen.formats.scenes import Scene
from aifashion.data_gen.split import write_split
from aifashion.eval.inference import PhotoResult
from aifashion.records import Keypoints, Prediction, Sample

SKIRT = [KEYPOINTS.index(f"{part}_{side}") for part in ("waistband", "hemline") for side in ("left", "right")]
CORNERS = np.array([[10, 20], [50, 20], [5, 80], [55, 80]])
BOX = [5, 20, 56, 81]
"""Of the pixels of CORNERS."""
SIZE = (60, 100)


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)).save(path)
    return path


def skirt(score: list[float], xy: np.ndarray = CORNERS, found: bool | None = True) -> Prediction:
    """Keypoints of a skirt with these scores."""
    points, state, scores = np.full((24, 2), -1.0), np.full(24, -1), np.zeros(24, np.float32)
    points[SKIRT], state[SKIRT], scores[SKIRT] = xy, 1, score
    return Prediction("a", "skirt", None, points, scores, state, None, found)


def boxes_of(path: Path, prediction: Prediction | None) -> list[list[float]]:
    result = PhotoResult(Sample("a.png", path, "skirt"), prediction, size=SIZE)
    return [box for scene in found_boxes([result], FASHIONAI) for box in scene.garments.boxes.tolist()]


def test_a_box_is_found_where_the_network_is_sure_of_enough_keypoints(tmp_path):
    path = photo(tmp_path / "a.png")
    assert boxes_of(path, skirt([0.3, 0.9, 0.5, 0.26])) == [BOX]
    # Four keypoints at least, and each counts from 0.25 on.
    assert boxes_of(path, skirt([0.3, 0.9, 0.5, 0.25])) == []
    assert boxes_of(path, skirt([0.9] * 4, found=False)) == [] and boxes_of(path, None) == []
    # Cut off at the edges of the photo.
    assert boxes_of(path, skirt([0.9] * 4, CORNERS + np.array([20, 0]))) == [[25, 20, 60, 81]]
    assert boxes_of(path, skirt([0.9] * 4, CORNERS + np.array([90, 0]))) == []


def test_of_a_category_with_many_keypoints_three_fifths_are_needed(tmp_path):
    path = photo(tmp_path / "a.png")

    def blouse(sure: int) -> list[list[float]]:
        of = np.flatnonzero(FASHIONAI.mask("blouse"))
        points, state, scores = np.full((24, 2), -1.0), np.full(24, -1), np.zeros(24, np.float32)
        state[of], points[of] = 1, 30 + np.arange(len(of))[:, None]
        scores[of[:sure]] = 0.9
        return boxes_of(path, Prediction("a", "blouse", None, points, scores, state, None, True))

    assert blouse(7) == []  # of 13
    assert blouse(8) == [[30, 30, 38, 38]]  # the others are not in the box


@pytest.fixture
def laid(tmp_path) -> Path:
    """Photos a to e to train on, f and g to validate on: a and f annotated, b and g hats, the rest skirts of which only
    the category is known."""
    samples = []
    for name in "abcdefg":
        path = photo(tmp_path / "laid" / "train" / "Images" / f"{name}.png")
        state, xy = np.full(24, -1), np.full((24, 2), -1.0)
        if name in "af":
            state[SKIRT], xy[SKIRT] = 1, CORNERS
        category = "none" if name in "bg" else "skirt"
        samples.append(Sample(f"Images/{name}.png", path, category, Keypoints(xy, state)))
    lists = tmp_path / "laid" / "train" / "Annotations"
    lists.mkdir()
    write_keypoint_csv(lists / "train.csv", samples, decimals=1)
    write_split(tmp_path / "laid", (samples[:5], samples[5:]))
    return tmp_path / "laid"


def names(scenes: list[Scene]) -> list[str]:
    return [Path(scene.image_id).stem for scene in scenes]


def test_laid_photos_with_and_without_a_box(laid):
    train, val, bare = laid_photos(laid, FASHIONAI)
    assert names(train) == ["a", "b"] and names(val) == ["f", "g"]
    assert [len(scene.garments) for scene in train] == [1, 0] and train[0].garments.boxes.tolist() == [BOX]
    assert [Path(sample.image_id).stem for sample in bare] == ["c", "d", "e"]


class Model:
    """Is sure of the skirts in all photos but d."""

    vocabulary = FASHIONAI

    def predict(self, samples: list[Sample], batch: int) -> list[PhotoResult]:
        assert all(sample.category == "skirt" and sample.keypoints is None for sample in samples)
        return [PhotoResult(s, skirt([0.1 if s.path.stem == "d" else 0.9] * 4), size=SIZE) for s in samples]


@pytest.fixture
def args(tmp_path, laid, monkeypatch) -> MixArguments:
    def scenes(folder: str, count: int, category: int) -> list[Scene]:
        one = Detections(np.array([[1, 2, 30, 40]]), np.array([category]), np.ones(1))
        paths = [photo(tmp_path / folder / f"{n}.png") for n in range(count)]
        return [Scene(path.name, path, one, np.zeros((0, 4)), SIZE) for path in paths]

    write_detection_set(tmp_path / "scenes", {"train": scenes("drawn", 3, 0)}, FASHIONAI)
    masks = {"learn": scenes("learn", 2, 1), "choose": scenes("choose", 1, 2), "report": scenes("report", 1, 4)}
    monkeypatch.setattr(detection_mix, "masked_scenes", lambda annotations, clone, vocabulary: masks)
    monkeypatch.setattr(detection_mix, "load_keypoint_model", lambda path: Model())
    return MixArguments(tmp_path / "scenes", laid, tmp_path / "clone", tmp_path / "model", tmp_path / "out")


def shown(scenes: list[Scene]) -> dict[str, int]:
    """How many garments of each category there are, and photos without one."""
    count = {name: 0 for name in (*FASHIONAI.categories, "none")}
    for scene in scenes:
        for index in scene.garments.category.tolist():
            count[FASHIONAI.categories[index]] += 1
        count["none"] += not len(scene.garments)
    return {name: number for name, number in count.items() if number}


DRAWN, LEARN, CHOOSE, LAID = "blouse", "dress", "outwear", "skirt"
"""What the photos of each set show; those of the part report, trousers, are nowhere."""


def test_an_epoch_sees_as_much_of_each_set_as_it_should(args, capsys):
    mix_detection(args)
    train, val = load_detection_parts(args.out / "mix", DetectionConfig())
    # Two of three boxes are found, beside that of photo a; each photo with a mask four times.
    assert shown(train) == {DRAWN: 3, LEARN: 2 * 4, LAID: 1 + 2, "none": 1}
    assert shown(val) == {CHOOSE: 1, LAID: 1, "none": 1}
    measured, again = load_detection_parts(args.out / "measured", DetectionConfig())
    assert shown(measured) == shown(again) == {DRAWN: 3, LEARN: 2, CHOOSE: 1, LAID: 2, "none": 2}
    told = capsys.readouterr().out
    assert "Found a box in 2 of 3 photographs of which only the category is known" in told


def test_few_found_boxes_are_taken_and_others_by_another_seed(args, monkeypatch):
    monkeypatch.setattr(detection_mix, "FOUND", 1)
    mix_detection(args)
    train, _ = load_detection_parts(args.out / "mix", DetectionConfig())
    assert shown(train)[LAID] == 1 + 1


LEFT = {
    "drawn": ({LEARN: 8, LAID: 3, "none": 1}, {CHOOSE: 1, LAID: 1, "none": 1}),
    "bare": ({DRAWN: 3, LEARN: 8, LAID: 1, "none": 1}, {CHOOSE: 1, LAID: 1, "none": 1}),
    "worn": ({DRAWN: 3, LAID: 3, "none": 1}, {LAID: 1, "none": 1}),
    "laid": ({DRAWN: 3, LEARN: 8, LAID: 2}, {CHOOSE: 1}),
}


@pytest.mark.parametrize("left_out", LEFT)
def test_what_is_left_out(args, left_out):
    mix_detection(replace(args, leave_out=left_out))
    train, val = load_detection_parts(args.out / "mix", DetectionConfig())
    assert (shown(train), shown(val)) == LEFT[left_out]
