import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.boxes import UNKNOWN
from aifashion.config import DetectionConfig
from aifashion.data_gen.detection_sets import (
    load_detection_parts,
    load_test_scenes,
    scenes_of_masks,
    write_detection_set,
)
from aifashion.data_gen.synthetic.writer import write_dataset
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()
CONFIG = DetectionConfig(network="lite", size=64, val_fraction=0.3)


def save(path: Path, size: tuple[int, int] = (60, 40), shade: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), shade, np.uint8)).save(path)


def coco(folder: Path, name: str, boxes: list[list[list[float]]]) -> Path:
    """A COCO file of skirts: of each photo the boxes, as left, top, width, height."""
    annotations = [
        {"id": 100 * i + j, "image_id": i, "category_id": 4, "bbox": box}
        for i, row in enumerate(boxes)
        for j, box in enumerate(row)
    ]
    for i in range(len(boxes)):
        save(folder / f"{name}_{i}.png", shade=40 + 9 * i)
    images = [{"id": i, "file_name": f"{name}_{i}.png", "width": 60, "height": 40} for i in range(len(boxes))]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 4, "name": "skirt"}]}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content))
    return path


def test_a_folder_with_both_parts_has_the_photos_that_show_nothing_as_well(tmp_path):
    coco(tmp_path, "train", [[[5, 5, 20, 30], [30, 5, 20, 30]], []])
    coco(tmp_path, "val", [[[1, 2, 3, 4]]])
    train, val = load_detection_parts(tmp_path, CONFIG)
    assert [len(scene.garments) for scene in train] == [2, 0]
    assert val[0].garments.boxes.tolist() == [[1, 2, 4, 6]]
    assert val[0].garments.category.tolist() == [ALL.category_index("skirt")]


def test_one_file_is_split_once(tmp_path):
    file = coco(tmp_path, "mine", [[[5, 5, 20, 30]]] * 10)
    first = load_detection_parts(file, CONFIG)
    assert [len(part) for part in first] == [7, 3]
    again = load_detection_parts(file, CONFIG)
    assert [[s.image_id for s in part] for part in again] == [[s.image_id for s in part] for part in first]


def test_a_part_without_any_garment_is_refused(tmp_path):
    coco(tmp_path, "train", [[[5, 5, 20, 30]]])
    coco(tmp_path, "val", [[], []])
    with pytest.raises(ValueError, match=r"none of the 2 photos to validate on has a garment of the categories blouse"):
        load_detection_parts(tmp_path, CONFIG)


def test_data_that_are_not_there_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*nowhere; expected a COCO file, or a folder with"):
        load_detection_parts(tmp_path / "nowhere", CONFIG)
    with pytest.raises(FileNotFoundError, match=r"no train.json in .*, and no FashionAI"):
        load_detection_parts(tmp_path, CONFIG)


def test_lists_of_fashionai_give_the_box_of_the_keypoints(tmp_path):
    write_dataset(tmp_path / "set", 12, seed=5, size=64)
    train, val = load_detection_parts(tmp_path / "set", CONFIG)
    assert len(train) + len(val) == 12
    for scene in train:
        (box,) = scene.garments.boxes
        assert (box[:2] >= 0).all() and (box[2:] <= scene.size).all()


def test_masks_give_one_box_a_label(tmp_path):
    save(tmp_path / "photos" / "1.jpg")
    mask = np.zeros((40, 60), np.uint8)
    mask[5:20, 10:30], mask[20:38, 12:28], mask[0, 0] = 1, 2, 1  # and a speck of the first
    mask[30:36, 40:50] = 3
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "1.png")
    (scene,) = scenes_of_masks(tmp_path / "photos", tmp_path / "masks", {1: 0, 2: 4, 3: UNKNOWN})
    assert scene.garments.boxes.tolist() == [[10, 5, 30, 20], [12, 20, 28, 38]]
    assert scene.garments.category.tolist() == [0, 4]
    assert scene.ignored.tolist() == [[40, 30, 50, 36]]


def test_corrections_say_what_a_label_is_in_one_photo(tmp_path, caplog):
    (tmp_path / "masks").mkdir()
    mask = np.zeros((40, 60), np.uint8)
    mask[5:20, 10:30], mask[20:38, 12:28], mask[30:36, 40:50] = 1, 2, 3
    for name in "12":
        save(tmp_path / "photos" / f"{name}.jpg")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    corrections = {"1": {1: 3, 2: None, 3: UNKNOWN}, "9": {1: 0}}
    first, second = scenes_of_masks(tmp_path / "photos", tmp_path / "masks", {1: 0, 2: 4, 3: 1}, corrections)
    assert first.garments.category.tolist() == [3] and first.garments.boxes.tolist() == [[10, 5, 30, 20]]
    assert first.ignored.tolist() == [[40, 30, 50, 36]]
    assert second.garments.category.tolist() == [0, 4, 1]
    assert "1 photos with corrections have no mask, the first 9" in caplog.text


def test_masks_that_do_not_fit_are_left_out_and_named(tmp_path, caplog):
    save(tmp_path / "photos" / "1.jpg")
    save(tmp_path / "photos" / "2.jpg", size=(20, 20))
    (tmp_path / "masks").mkdir()
    for name in "123":
        Image.fromarray(np.ones((40, 60), np.uint8)).save(tmp_path / "masks" / f"{name}.png")
    scenes = scenes_of_masks(tmp_path / "photos", tmp_path / "masks", {1: 0})
    assert [scene.path.name for scene in scenes] == ["1.jpg"]
    assert "left out 2 masks" in caplog.text
    assert "2.png: the mask has 60 x 40 px" in caplog.text and "3.png: no photos 3 in" in caplog.text


def test_masks_and_photos_that_have_no_one_partner_are_named_and_so_are_labels_that_no_table_has(tmp_path, caplog):
    for name in ("1.jpg", "2.jpg", "2.png", "3.jpg"):
        save(tmp_path / "photos" / name)
    (tmp_path / "masks").mkdir()
    for name in "12":
        Image.fromarray(np.full((40, 60), 7, np.uint8)).save(tmp_path / "masks" / f"{name}.png")
    (scene,) = scenes_of_masks(tmp_path / "photos", tmp_path / "masks", {1: 0})
    assert scene.path.name == "1.jpg" and not len(scene.garments)
    assert "2.png: 2 photos 2 in" in caplog.text
    assert "1 photos have no mask and are left out, the first 3" in caplog.text
    assert "1 labels are not in the table and count as no garment: 7 in 1 masks" in caplog.text


def test_what_is_written_is_read_again(tmp_path):
    coco(tmp_path / "a", "train", [[[5, 5, 20, 30], [30, 5, 20.5, 30]], []])
    coco(tmp_path / "a", "val", [[[1, 2, 3, 4]]])
    train, val = load_detection_parts(tmp_path / "a", CONFIG)
    write_detection_set(tmp_path / "b", {"train": [*train, *train], "test": val}, ALL)
    scenes = load_test_scenes(tmp_path / "b", ALL)
    assert scenes[0].garments.boxes.tolist() == val[0].garments.boxes.tolist()
    assert scenes[0].path.read_bytes() == val[0].path.read_bytes()
    coco(tmp_path / "b", "val", [[[1, 2, 3, 4]]])
    again, _ = load_detection_parts(tmp_path / "b", CONFIG)
    assert [s.garments.boxes.tolist() for s in again] == 2 * [s.garments.boxes.tolist() for s in train]
