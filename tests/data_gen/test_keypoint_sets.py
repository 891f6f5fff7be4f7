import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aifashion.config import KeypointConfig
from aifashion.data_gen.formats.coco_writing import coco_from_samples
from aifashion.data_gen.keypoint_sets import check_parts, load_test_set, load_training_parts
from aifashion.records import ABSENT, HIDDEN, VISIBLE, Keypoints, Sample
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()
SKIRT = ("waistband_left", "waistband_right", "hemline_left", "hemline_right")
CONFIG = KeypointConfig()


def skirt(name: str, states: tuple[int, ...] = (1, 1, 1, 1), xs: tuple[float, ...] = (10, 30, 5, 40)) -> Sample:
    xy, state = np.full((24, 2), -1.0), np.full(24, ABSENT)
    indices = [ALL.indices[point] for point in SKIRT]
    state[indices] = states
    xy[indices] = np.column_stack([xs, (10, 10, 50, 50)])
    return Sample(name, Path(name), "skirt", Keypoints(xy, state))


SOUND, UNSEEN = skirt("a"), skirt("b", (HIDDEN,) * 4)


@pytest.mark.parametrize(
    ("train", "val", "reason"),
    [
        (
            [UNSEEN],
            [SOUND],
            "none of the 1 photos to train on has a visible keypoint: nothing to learn; --hidden-weight",
        ),
        (
            [skirt("b", (ABSENT,) * 4)],
            [SOUND],
            "none of the 1 photos to train on has a visible keypoint: nothing to learn$",
        ),
        ([SOUND], [UNSEEN, UNSEEN], "nothing to score: of the 2 photos to validate on 2 have no visible keypoint"),
        (
            [SOUND],
            [skirt("c", (ABSENT, 1, 1, 1))],
            "1 photos to validate on 1 have a span with an absent end or of length 0",
        ),
        ([SOUND], [skirt("c", xs=(10, 10, 5, 40)), UNSEEN], "1 have no visible keypoint, 1 have a span"),
    ],
)
def test_parts_that_teach_or_score_nothing_are_refused(train, val, reason):
    with pytest.raises(ValueError, match=f"^sets: .*{reason}"):
        check_parts(Path("sets"), train, val, CONFIG)


def test_what_is_enough_to_learn_and_to_score():
    check_parts(Path("sets"), [UNSEEN, SOUND], [UNSEEN, SOUND], CONFIG)
    # Hidden keypoints can be learnt where they are asked for, and can end a span.
    check_parts(
        Path("sets"), [UNSEEN], [skirt("c", (HIDDEN, HIDDEN, VISIBLE, ABSENT))], replace(CONFIG, hidden_weight=0.5)
    )


def coco_set(folder: Path, names: str) -> dict:
    samples = [replace(skirt(f"{name}.jpg"), path=folder / f"{name}.jpg") for name in names]
    return coco_from_samples(samples, [(64, 64)] * len(samples), ALL)


def test_one_bad_annotation_does_not_stop_a_training(tmp_path, caplog):
    content = coco_set(tmp_path, "abc")
    content["annotations"][1]["keypoints"] = [1, 2]
    content["images"][2]["file_name"] = "../c.jpg"
    (tmp_path / "train.json").write_text(json.dumps(content))
    (tmp_path / "val.json").write_text(json.dumps(coco_set(tmp_path, "d")))
    train, val = load_training_parts(tmp_path, CONFIG)
    assert [sample.image_id for sample in train] == ["a.jpg"] and len(val) == 1
    assert "annotations, id 2: 2 keypoint numbers" in caplog.text and "'..' leads out" in caplog.text
    # All hidden: as refused as for the challenge's own files.
    for annotation in content["annotations"]:
        annotation["keypoints"] = [
            1 if value == 2 and i % 3 == 2 else value for i, value in enumerate(annotation["keypoints"])
        ]
    (tmp_path / "train.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="none of the 1 photos to train on has a visible keypoint"):
        load_training_parts(tmp_path, CONFIG)


def test_a_file_written_on_windows_teaches_and_is_tested(tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "images").mkdir()
    for name in "abc":
        (tmp_path / "images" / f"{name}.jpg").touch()
    for file, names in (("train", "a"), ("val", "b"), ("test", "c")):
        content = coco_set(tmp_path, names)
        for image in content["images"]:
            image["file_name"] = f"images\\{image['file_name']}"
        (tmp_path / f"{file}.json").write_text(json.dumps(content))
    train, val = load_training_parts(tmp_path, CONFIG)
    test = load_test_set(tmp_path, ALL)
    paths = [sample.path for sample in (*train, *val, *test.samples)]
    assert paths == [tmp_path / "images" / f"{name}.jpg" for name in "abc"]
    (told,) = [text for text in caplog.messages if "Windows" in text]
    assert told.startswith(f"{tmp_path}: \\ in names of photos is read as /")


def test_a_test_list_names_no_photo_outside_its_folder(tmp_path, caplog):
    content = coco_set(tmp_path, "ab") | {"annotations": []}
    content["images"].append({"id": 3, "file_name": "../c.jpg", "width": 9, "height": 9})
    (tmp_path / "test.json").write_text(json.dumps(content))
    assert [sample.image_id for sample in load_test_set(tmp_path, ALL).samples] == ["a.jpg", "b.jpg"]
    assert "test.json: left out 1 photos with problems, 2 are used" in caplog.text
