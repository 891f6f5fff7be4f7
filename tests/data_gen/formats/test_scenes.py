import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen.formats.problems import FormatError
from aifashion.data_gen.formats.scenes import coco_of_scenes, read_scenes
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()
CATEGORIES = [{"id": 1, "name": "skirt"}, {"id": "two", "name": "blouse"}, {"id": 3, "name": "hat"}]
IDS = [(7, "a/b.jpg"), (8, "./a/b.jpg")]


def write(folder: Path, annotations: list, images: list | None = None, categories: list = CATEGORIES) -> Path:
    images = [{"id": 7, "file_name": "a/b.jpg", "width": 60, "height": 40}] if images is None else images
    content = {"images": images, "annotations": annotations, "categories": categories}
    path = folder / "boxes.json"
    path.write_text(json.dumps(content))
    return path


def box(number: int, values: list, category: int | str = 1, **more) -> dict:
    return {"id": number, "image_id": 7, "category_id": category, "bbox": values, **more}


def test_a_photo_has_its_garments_and_its_crowds(tmp_path):
    annotations = [box(1, [5, 6, 20, 30]), box(2, [0, 0, 60, 40], "two"), box(3, [1, 1, 9, 9], 3, iscrowd=1)]
    (scene,) = read_scenes(write(tmp_path, annotations), ALL)
    assert (scene.image_id, scene.path, scene.size) == ("a/b.jpg", tmp_path / "a/b.jpg", (60, 40))
    assert scene.garments.boxes.tolist() == [[5, 6, 25, 36], [0, 0, 60, 40]]
    assert scene.garments.category.tolist() == [ALL.category_index("skirt"), ALL.category_index("blouse")]
    assert scene.ignored.tolist() == [[1, 1, 10, 10]]


def test_a_name_of_windows_is_the_photo_that_is_there(tmp_path):
    images = [{"id": 7, "file_name": "a\\b.png"}]
    (tmp_path / "a").mkdir()
    Image.new("RGB", (60, 40)).save(tmp_path / "a" / "b.png")
    (scene,) = read_scenes(write(tmp_path, [box(1, [5, 6, 20, 30])], images), ALL)
    assert (scene.path, scene.size, len(scene.garments)) == (tmp_path / "a/b.png", (60, 40), 1)


def test_without_a_box_there_is_that_of_the_keypoints(tmp_path):
    keypoints = [10, 10, 2, 19, 30, 1, 50, 50, 0]
    annotation = {"id": 1, "image_id": 7, "category_id": 1, "keypoints": keypoints}
    categories = [{"id": 1, "name": "skirt", "keypoints": ["a", "b", "c"]}]
    (scene,) = read_scenes(write(tmp_path, [annotation], categories=categories), ALL)
    assert scene.garments.boxes.tolist() == [[10, 10, 20, 31]]


def test_one_wrong_box_costs_one_garment(tmp_path, caplog):
    wrong = [box(1, [70, 5, 20, 30]), box(2, [5, 5, 0, 30]), box(3, [5, 5, "x", 30]), box(4, [5, 5, 9, 9], 99)]
    wrong += [{**box(5, [5, 5, 9, 9]), "image_id": 8}]
    with caplog.at_level(logging.WARNING):
        (scene,) = read_scenes(write(tmp_path, [*wrong, box(6, [50, 30, 20, 30])]), ALL)
    assert scene.garments.boxes.tolist() == [[50, 30, 60, 40]], "cut off at the photo's edges"
    assert "left out 5 entries with problems, 2 are used" in caplog.text


def test_categories_of_others_are_counted(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        (scene,) = read_scenes(write(tmp_path, [box(1, [5, 5, 9, 9], 3), box(2, [5, 5, 9, 9], 3)]), ALL)
    assert len(scene.garments) == 0
    assert "left out garments of categories that the vocabulary does not have: 2 hat" in caplog.text


def test_the_size_is_read_from_the_photo_where_the_file_has_none(tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(np.zeros((33, 44, 3), np.uint8)).save(tmp_path / "a" / "b.jpg")
    (scene,) = read_scenes(write(tmp_path, [], [{"id": 7, "file_name": "a/b.jpg"}]), ALL)
    assert scene.size == (44, 33)


def test_a_photo_of_another_size_than_the_file_says_is_left_out(tmp_path, caplog):
    """As one that was turned or scaled after its boxes were drawn."""
    (tmp_path / "a").mkdir()
    for name in ("b.jpg", "c.jpg"):
        Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "a" / name)
    images = [{"id": 7, "file_name": "a/b.jpg", "width": 40, "height": 60}]
    images += [{"id": 8, "file_name": "a/c.jpg", "width": 60, "height": 40}]
    with caplog.at_level(logging.WARNING):
        (scene,) = read_scenes(write(tmp_path, [box(1, [5, 5, 9, 9])], images), ALL)
    assert scene.image_id == "a/c.jpg"
    assert "images, id 7: the file says 40 x 60 px, but the photo" in caplog.text


def test_a_photo_that_is_listed_twice_is_there_once_with_all_its_boxes(tmp_path, caplog):
    images = [{"id": number, "file_name": name, "width": 60, "height": 40} for number, name in IDS]
    annotations = [box(1, [5, 5, 9, 9]), {**box(2, [20, 5, 9, 9]), "image_id": 8}]
    with caplog.at_level(logging.WARNING):
        (scene,) = read_scenes(write(tmp_path, annotations, images), ALL)
    assert len(scene.garments) == 2
    assert "images, id 8: the photo a/b.jpg is listed before; its boxes are taken together" in caplog.text


def test_a_score_that_is_null_is_none(tmp_path):
    (scene,) = read_scenes(write(tmp_path, [box(1, [5, 5, 9, 9], score=None)]), ALL)
    assert len(scene.garments) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "no list of images, categories, annotations"),
        ({"images": [], "annotations": [], "categories": []}, "no images; nothing to read"),
        ({"images": [{"id": 1}], "annotations": [], "categories": []}, "images, id 1: no file_name"),
        (
            {"images": [{"id": 1, "file_name": "../a.jpg"}], "annotations": [], "categories": []},
            "images, id 1: image id",
        ),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, content, message):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(content))
    with pytest.raises(FormatError, match=message):
        read_scenes(path, ALL)


def test_what_is_written_is_read_again(tmp_path):
    annotations = [box(1, [5, 6, 20.5, 30]), box(2, [1, 1, 9, 9], 3, iscrowd=1)]
    scenes = read_scenes(write(tmp_path, annotations), ALL)
    path = tmp_path / "again.json"
    path.write_text(json.dumps(coco_of_scenes(scenes, ALL)))
    (scene,) = read_scenes(path, ALL)
    assert scene.garments.boxes.tolist() == [[5, 6, 25.5, 36]]
    assert scene.ignored.tolist() == [[1, 1, 10, 10]]
    assert (scene.image_id, scene.size) == ("a/b.jpg", (60, 40))
