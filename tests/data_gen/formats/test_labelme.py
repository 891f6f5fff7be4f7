import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen.formats.labelme import is_labelme, read_labelme
from aifashion.data_gen.formats.labelme_files import write_labelme
from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.data_gen.formats.problems import FormatError
from aifashion.records import Keypoints
from labelled import SIZE, VOCABULARY, check_comes_back, check_same, labels, only, present


def shape(label: str, kind: str, *points: list, group: Any = None, flags: dict | None = None, note: str = "") -> dict:
    record = {"label": label, "points": list(points), "group_id": group, "description": note, "shape_type": kind}
    return record | {"flags": flags or {}, "mask": None}


def point(label: str, x: float, y: float, group: Any = None, **more: Any) -> dict:
    return shape(label, "point", [x, y], group=group, **more)


def rectangle(label: str, group: Any = None) -> dict:
    return shape(label, "rectangle", [90, 80], [10, 20.5], group=group)


def save(path: Path, *shapes: Any, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"version": "6.3.1", "flags": {}, "shapes": list(shapes), "imagePath": f"{path.stem}.jpg"}
    path.write_text(json.dumps(content | {"imageData": None, "imageHeight": 100, "imageWidth": 200} | more))
    return path


def test_points_are_edges(tmp_path):
    # The middle of pixel 100 is 100.5 in labelme.
    file = save(tmp_path / "a.json", point("waist", 100.5, 0.5), rectangle("skirt"))
    found = read_labelme(file)
    assert present(only(found)) == {"waist": (100, 0, 1)}
    assert (only(found).category, only(found).box) == ("skirt", (10, 20.5, 90, 80))
    assert (found.photos[0].file_name, found.photos[0].size, found.root) == ("a.jpg", (200, 100), tmp_path)


def test_what_is_written_comes_back(tmp_path):
    ours = labels(tmp_path)
    write_labelme(ours, tmp_path / "out", VOCABULARY)
    check_comes_back(tmp_path / "out", ours, is_labelme, read_labelme)
    assert {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.json")} == {
        "a/first photo.json",
        "a/größer & mehr.json",
        "empty.json",
    }


def test_files_lead_to_photos_that_lie_elsewhere(tmp_path):
    ours = labels(tmp_path / "photos")
    (tmp_path / "photos" / "a").mkdir(parents=True)
    for photo in ours.photos:
        Image.new("RGB", photo.size or SIZE).save(tmp_path / "photos" / photo.file_name)
    write_labelme(ours, tmp_path / "deep" / "out", VOCABULARY)
    written = json.loads((tmp_path / "deep" / "out" / "a" / "first photo.json").read_text(encoding="utf-8"))
    assert written["imagePath"] == "../../../photos/a/first photo.jpg" and written["imageData"] is None
    found = read_labelme(tmp_path / "deep" / "out")
    check_same(found, ours)
    assert found.root == tmp_path / "photos"


def test_groups_are_garments(tmp_path):
    shapes = (
        *(point("waist", 1, 1, 4), point("waist", 2, 2, 9), rectangle("dress", 9), point("hem", 3, 3, 4)),
        *(shape("skirt", "polygon", [0, 0], [50, 10], [20, 60], group=4), rectangle("skirt", 0)),
    )
    found = read_labelme(save(tmp_path / "a.json", *shapes))
    assert [(g.category, g.box) for g in found.photos[0].garments] == [
        ("skirt", (0, 0, 50, 60)),
        ("dress", (10, 20.5, 90, 80)),
    ]
    assert found.left_out == {"boxes without keypoints": 1}


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"flags": {"hidden": True}}, 0),
        ({"note": "Hidden "}, 0),
        ({"flags": {"hidden": False, "other": True}, "note": "hidden by the arm"}, 1),
        ({}, 1),
    ],
)
def test_hidden_points(tmp_path, more, state):
    file = save(tmp_path / "a.json", point("hem", 1, 1, **more), rectangle("skirt"))
    assert present(only(read_labelme(file)))["hem"][2] == state


def test_without_rectangle_the_flag_of_the_file_is_the_category(tmp_path):
    file = save(tmp_path / "a.json", point("hem", 1, 1), flags={"skirt": True, "dress": False})
    assert (only(read_labelme(file)).category, only(read_labelme(file)).box) == ("skirt", None)
    for flags in ({}, {"skirt": True, "dress": True}):
        save(file, point("hem", 1, 1), flags=flags)
        with pytest.raises(
            FormatError, match=f"points without a group: no rectangle .* {len(flags)} flags of the file"
        ):
            read_labelme(file)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (point("waist", 1, 1, 1), "group 1: keypoint 'waist' comes twice"),
        (point("hem", None, 1, 1), "shape 5: x: None"),
        (shape("hem", "point", [1, 2], [3, 4], group=1), "shape 5: a point with 2 places; expected one"),
        (shape("hem", "point", [1], group=1), r"shape 5: the place \[1\]"),
        (shape("skirt", "rectangle", [1, 1], [1, 5], group=1), "shape 5: the box 1, 1, 1, 5 has no area"),
        (rectangle("skirt", 1), "group 1: 2 rectangles for one garment"),
        (shape(3, "point", [1, 2], group=1), "shape 5: label is 3; expected a text"),  # type: ignore[arg-type]
    ],
)
def test_a_faulty_shape_costs_its_garment_alone(tmp_path, bad, reason):
    sound = (point("waist", 1, 1, 1), rectangle("skirt", 1), point("waist", 1, 1, 2), rectangle("dress", 2))
    found = read_labelme(save(tmp_path / "a.json", *sound, bad))
    assert only(found).category == "dress"
    (problem,) = found.problems
    assert problem.path == tmp_path / "a.json"
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(problem.message)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"version": "7.0.0"}, r"version '7\.0\.0' of labelme is not known; expected one up to 6"),
        ({"version": None}, "version None of labelme is not known"),
        ({"imagePath": 3}, "imagePath is 3"),
        ({"imageWidth": 0}, "imageWidth 0 and imageHeight 100 must be"),
        ({"shapes": [3]}, "not an object"),
        ({"shapes": [point("hem", 1, 1, "1")]}, "group_id is '1'"),
    ],
)
def test_a_faulty_file_costs_its_photo_alone(tmp_path, more, reason):
    save(tmp_path / "sound.json", point("hem", 1, 1), rectangle("skirt"))
    save(tmp_path / "bad.json", **more)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "coco.json").write_text('{"images": []}')
    found = read_labelme(tmp_path)
    assert [photo.file_name for photo in found.photos] == ["sound.jpg"]
    assert found.left_out == {"JSON files of other kinds": 1}
    messages = {problem.path.name: problem.message for problem in found.problems}
    assert messages.keys() == {"bad.json", "broken.json"}
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(messages["bad.json"])


def test_a_photo_is_empty_only_if_nothing_was_left_out(tmp_path):
    save(tmp_path / "a.json")
    save(tmp_path / "b.json", shape("x", "circle", [1, 1], [2, 2]))
    found = read_labelme(tmp_path)
    assert [photo.file_name for photo in found.photos] == ["a.jpg"] and found.left_out == {"shapes of type circle": 1}


@pytest.mark.parametrize(
    ("image_path", "name"),
    [("a.jpg", "sub/a.jpg"), (r"..\a.jpg", "a.jpg"), (r"C:\data\a.jpg", "sub/a.jpg"), ("/data/a.jpg", "sub/a.jpg")],
)
def test_paths_of_photos(tmp_path, image_path, name):
    save(tmp_path / "sub" / "a.json", imagePath=image_path)
    assert read_labelme(tmp_path).photos[0].file_name == name


def test_recognising(tmp_path):
    assert not is_labelme(tmp_path) and not is_labelme(tmp_path / "missing.json")
    (tmp_path / "coco.json").write_text('{"images": [], "annotations": []}')
    assert not is_labelme(tmp_path / "coco.json") and not is_labelme(tmp_path)
    assert is_labelme(save(tmp_path / "sub" / "a.json")) and is_labelme(tmp_path)


def test_a_folder_without_labels_is_refused(tmp_path):
    with pytest.raises(FormatError, match="no file of labelme"):
        read_labelme(tmp_path)
    (tmp_path / "a.json").write_text('{"x": 1}')
    with pytest.raises(FormatError, match="no shapes; expected a file of labelme"):
        read_labelme(tmp_path / "a.json")


def test_a_folder_with_files_is_not_replaced(tmp_path):
    mine = save(tmp_path / "out" / "mine.json")
    with pytest.raises(FileExistsError, match="new or an empty folder"):
        write_labelme(labels(tmp_path), tmp_path / "out", VOCABULARY)
    with pytest.raises(FileExistsError, match="new or an empty folder"):
        write_labelme(labels(tmp_path), mine, VOCABULARY)
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and mine.stat().st_size


def test_what_cannot_be_written_leaves_no_folder(tmp_path):
    hat = LabelledGarment("1", "hat", ("brim",), Keypoints(np.ones((1, 2)), np.ones(1)))
    photos = {
        "is not in the vocabulary": (LabelledPhoto("a.jpg", SIZE, (hat,)),),
        "would have one file": (LabelledPhoto("a.jpg", SIZE, ()), LabelledPhoto("A.png", SIZE, ())),
        "lies outside": (LabelledPhoto("../a.jpg", SIZE, ()),),
    }
    for reason, some in photos.items():
        with pytest.raises(ValueError, match=reason):
            write_labelme(LabelSet(tmp_path, tmp_path, some), tmp_path / "out", VOCABULARY)
    assert not list(tmp_path.iterdir())


def test_scores_are_for_the_eye(tmp_path):
    write_labelme(labels(tmp_path, scored=True), tmp_path / "out", VOCABULARY)
    written = json.loads((tmp_path / "out" / "a" / "first photo.json").read_text(encoding="utf-8"))
    points = [shape for shape in written["shapes"] if shape["shape_type"] == "point"]
    assert points and all(shape["description"].startswith("score 0.") for shape in points)
    assert all(garment.scores is None for photo in read_labelme(tmp_path / "out").photos for garment in photo.garments)
