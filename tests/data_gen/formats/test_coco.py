import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_files import ALL, cvat_export, random_samples, save, sound

from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.data_gen.formats.coco import is_coco, read_coco, read_coco_labels, samples_from_coco
from aifashion.data_gen.formats.coco_writing import coco_from_samples
from aifashion.data_gen.formats.name_maps import Names, read_names
from aifashion.data_gen.formats.problems import FormatError
from aifashion.records import Box
from aifashion.vocabulary import load_vocabulary


def test_keypoints_of_another_vocabulary_can_be_mapped(tmp_path: Path, foreign: dict[str, Any]) -> None:
    coco = read_coco(save(tmp_path / "x.json", foreign))
    (annotation,) = coco.annotations
    assert annotation.category.keypoints[3] == "right sleeve" and annotation.keypoints.xy[3].tolist() == [30, 31]
    assert annotation.keypoints.state.tolist() == [1, 0, 1, 1, -1, 1, 1, 1]
    names = read_names("deepfashion-to-fashionai", ALL)
    (sample,) = samples_from_coco(coco, tmp_path, ALL, names.joined(Names({"fashion": "dress"})))
    assert sample.category == "dress" and sample.path == tmp_path / "img" / "a.jpg" and sample.keypoints is not None
    present = {KEYPOINTS[k]: sample.keypoints.xy[k].tolist() for k in np.flatnonzero(sample.keypoints.state >= 0)}
    assert present == {"neckline_left": [0, 1], "neckline_right": [10, 11], "waistline_right": [50, 51]}
    with pytest.raises(FormatError, match=r"id 5, photo img/a\.jpg: category 'fashion' is not in the vocabulary"):
        samples_from_coco(coco, tmp_path, ALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": [1, 2, 2]}, "annotations, id 5: 3 keypoint numbers; expected x, y, v for 8"),
        ({"keypoints": [1, 2, 3] * 8}, "annotations, id 5: visibilities must be 0, 1 or 2"),
        ({"keypoints": [float("nan"), 2, 1] * 8}, "annotations, id 5: a keypoint that is present"),
        ({"keypoints": ["x"] * 24}, "annotations, id 5: "),
        ({"keypoints": [10**400] * 24}, "annotations, id 5: "),
        ({"image_id": 4}, "annotations, id 5: image_id 4 is not the id of a sound entry of images"),
        ({"id": [5]}, r"annotations, id \[5\]: "),
    ],
)
def test_invalid_annotations_are_named(tmp_path: Path, foreign: dict[str, Any], change: dict, message: str) -> None:
    foreign["annotations"][0].update(change)
    with pytest.raises(FormatError, match=rf"x\.json: {message}"):
        read_coco(save(tmp_path / "x.json", foreign))


def test_invalid_files_are_refused(tmp_path: Path, foreign: dict[str, Any]) -> None:
    path = tmp_path / "x.json"
    for content, message in (
        (b"\n{", r"x\.json:2: not JSON"),
        (b"\xff", "not UTF-8 text"),
        (b"[]", "no list of categories"),
    ):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=message):
            read_coco(path)
    foreign["annotations"] = ["x"]
    foreign["images"] *= 2
    with pytest.raises(FormatError, match=r"images, id 3: the id is repeated(.|\n)*annotations, entry 0: "):
        read_coco(save(path, foreign), strict=True)


def test_file_names_that_leave_the_root_and_wrong_keypoints_are_refused(tmp_path: Path) -> None:
    content = coco_from_samples([s for s in random_samples(tmp_path) if s.category == "skirt"], [(9, 9)] * 3, ALL)
    content["images"][0]["file_name"] = "../x.jpg"
    content["annotations"][0]["keypoints"][:3] = [0, 0, 0]
    content["annotations"][1]["keypoints"][:3] = [1, 1, 2]
    category = next(c for c in content["categories"] if c["name"] == "skirt")
    category["keypoints"][0] = "neckline_left"
    coco = read_coco(save(tmp_path / "x.json", content))
    with pytest.raises(FormatError, match=r"id 2: a skirt has no neckline_left(.|\n)*id 1: image id '\.\./x\.jpg'"):
        samples_from_coco(coco, tmp_path, ALL, strict=True)


# ------------------------------------------------------------------------------------------- what has no keypoints


def bag(content: dict[str, Any]) -> None:
    content["categories"].append({"id": 2, "name": "bag", "keypoints": []})
    content["annotations"].append({"id": 9, "image_id": 3, "category_id": 2, "bbox": [0, 0, 5, 5]})


def supercategory(content: dict[str, Any]) -> None:
    content["categories"].insert(0, {"id": 0, "name": "garments", "supercategory": "none"})


def crowd(content: dict[str, Any]) -> None:
    content["annotations"].append({"id": 9, "image_id": 3, "category_id": 7, "bbox": [0, 0, 5, 5], "iscrowd": 1})


def box(content: dict[str, Any]) -> None:
    content["annotations"].append({"id": 9, "image_id": 3, "category_id": 7, "bbox": [0, 0, 5, 5]})


@pytest.mark.parametrize(
    ("change", "counted"),
    [
        (bag, "1 categories without keypoints, 1 annotations of categories without keypoints"),
        (supercategory, "1 categories without keypoints"),
        (crowd, "1 annotations of crowds"),
        (box, "1 annotations without keypoints"),
    ],
)
def test_what_has_no_keypoints_is_left_out_and_counted(tmp_path: Path, foreign, caplog, change, counted: str) -> None:
    change(foreign)
    coco = read_coco(save(tmp_path / "x.json", foreign))
    assert [annotation.id for annotation in coco.annotations] == [5] and len(coco.categories) == 1
    assert f"x.json: left out {counted}" in caplog.text


def test_garments_of_other_vocabularies_are_counted_and_misspelt_keypoints_refused(tmp_path: Path, caplog) -> None:
    content = coco_from_samples([s for s in random_samples(tmp_path) if s.category == "skirt"], [(9, 9)] * 3, ALL)
    content["categories"].append({"id": 77, "name": "person", "keypoints": ["nose"]})
    content["annotations"].append({"id": 99, "image_id": 1, "category_id": 77, "keypoints": [1, 1, 2]})
    samples = samples_from_coco(read_coco(save(tmp_path / "x.json", content)), tmp_path, ALL)
    assert len(samples) == 3
    assert "left out 1 garments of the category person, of which the vocabulary fashionai has no name" in caplog.text
    skirt = content["annotations"][0]["category_id"]
    names = next(c for c in content["categories"] if c["id"] == skirt)["keypoints"]
    names[names.index("hemline_right")] = "hemline_rigth"
    message = r"id \d, photo \S+: keypoint 'hemline_rigth' of the category skirt .*; the nearest is hemline_right"
    with pytest.raises(FormatError, match=message):
        samples_from_coco(read_coco(save(tmp_path / "x.json", content)), tmp_path, ALL)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"images": ' + b"9" * 5000 + b"}", "not JSON"),
        (gzip.compress(b"{}", mtime=0), r"compressed \(gzip\); unpack it first"),
        (b"", "not JSON"),
    ],
)
def test_files_that_are_no_json_are_refused_with_the_reason(tmp_path: Path, text: bytes, reason: str) -> None:
    (tmp_path / "x.json").write_bytes(text)
    with pytest.raises(FormatError, match=reason):
        read_coco(tmp_path / "x.json")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "x.json").open("wb") as stream:
        stream.truncate(40 << 30)  # a hole, which takes no room
    with pytest.raises(FormatError, match=r"x\.json: 42\.9 GB or more; a list can have 1\.1 GB"):
        read_coco(tmp_path / "x.json")


def test_garments_of_one_photo_have_the_squares_about_their_boxes(tmp_path: Path, foreign: dict[str, Any]) -> None:
    first, *_ = foreign["annotations"]
    image = first["image_id"]
    foreign["annotations"] = [
        {**first, "id": 1, "bbox": [10, 20, 40, 60]},
        {**first, "id": 2, "bbox": None},
        {**first, "id": 3, "bbox": None, "keypoints": [0] * len(first["keypoints"])},
    ]
    own = dict(zip(foreign["categories"][0]["keypoints"], ALL.definitions[1].keypoints, strict=False))
    names = Names({"fashion": "dress"}, {"": own})
    coco = read_coco(save(tmp_path / "a.json", foreign))
    one, two, three = samples_from_coco(coco, tmp_path, load_vocabulary(), names)
    # 60 px and 15% of them on each side, about the middle of the box.
    assert one.square == Box(-9, 11, 69, 89)
    xy = np.array(first["keypoints"]).reshape(-1, 3)
    low, high = (getattr(xy[xy[:, 2] > 0, :2], edge)(axis=0) for edge in ("min", "max"))
    assert two.square is not None
    assert two.square.width == round(1.3 * (high - low + 1).max())
    assert three.square is None
    foreign["annotations"] = foreign["annotations"][:1]
    (alone,) = samples_from_coco(read_coco(save(tmp_path / "b.json", foreign)), tmp_path, load_vocabulary(), names)
    assert alone.square is None and image is not None


def test_an_export_of_cvat(tmp_path: Path) -> None:
    path = cvat_export(tmp_path)
    assert is_coco(path)
    labels = read_coco_labels(path)
    assert labels.root == tmp_path / "images" / "default" and not labels.problems
    # c.png has a box alone: it is no photo without a garment, as d.png is.
    assert [(photo.file_name, len(photo.garments)) for photo in labels.photos] == [
        ("a.png", 2),
        ("b.png", 1),
        ("d.png", 0),
    ]
    assert labels.left_out == {"categories without keypoints": 4, "annotations without keypoints": 1}
    first = labels.photos[0].garments[0]
    assert first.box == (1, 2, 21, 17.5) and first.keypoints.xy[0].tolist() == [1.25, 2]
    assert first.keypoints.state.tolist() == [1, 1, 0, -1]
    samples = samples_from_coco(read_coco(path), labels.root, ALL)
    assert [sample.image_id for sample in samples] == ["a.png", "a.png", "b.png"]
    assert samples[0].path.is_file() and samples[0].square is not None and samples[2].square is None


def test_annotations_of_several_photos_in_turn_keep_their_order(tmp_path: Path, foreign: dict[str, Any]) -> None:
    content = sound(foreign)
    first, second = content["annotations"]
    content["annotations"] = [first, second, {**first, "id": 1}, {**second, "id": "b"}]
    names = read_names("deepfashion-to-fashionai", ALL).joined(Names({"fashion": "dress"}))
    samples = samples_from_coco(read_coco(save(tmp_path / "x.json", content)), tmp_path, ALL, names)
    assert [sample.image_id for sample in samples] == ["img/a.jpg", "img/b.jpg", "img/a.jpg", "img/b.jpg"]
