"""One bad entry of a COCO file does not cost the others."""

import re
from pathlib import Path

import pytest
from coco_files import save, sound
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aifashion.data_gen.formats.coco import labels_of_coco, read_coco
from aifashion.data_gen.formats.problems import FormatError


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("annotations", {"keypoints": [1, 2, 2]}, "annotations, id 5: 3 keypoint numbers"),
        ("annotations", {"keypoints": [[1, 2, 2]] * 8}, r"annotations, id 5: \[\[1, 2, 2\]"),
        ("annotations", {"keypoints": ["1"] * 24}, "annotations, id 5: .*expected a flat list of numbers"),
        ("annotations", {"image_id": None}, "annotations, id 5: the id is None; expected a whole number or a text"),
        ("images", {"file_name": None}, "images, id 3: file_name is None; expected a text"),
        ("images", {"width": -5}, "images, id 3: width -5 and height 250 must be whole numbers from 1"),
        ("images", {"width": float("inf")}, "images, id 3: width and height: inf; expected a number"),
    ],
)
def test_a_bad_entry_is_left_out_and_counted(tmp_path: Path, foreign, caplog, part, change, reason) -> None:
    content = sound(foreign)
    content[part][0].update(change)
    path = save(tmp_path / "x.json", content)
    assert [annotation.id for annotation in read_coco(path).annotations] == [6]
    assert "x.json: left out " in caplog.text and re.search(reason, caplog.text)
    with pytest.raises(FormatError, match=reason):
        read_coco(path, strict=True)


@pytest.mark.parametrize("entry", [None, 7, "x", [], {}, {"id": {}}, {"id": True}, {"id": 1.5}, {"id": 8}])
@pytest.mark.parametrize("part", ["categories", "images", "annotations"])
def test_entries_of_another_type_are_left_out(tmp_path: Path, foreign, caplog, part, entry) -> None:
    content = sound(foreign)
    content[part].append(entry)
    assert len(read_coco(save(tmp_path / "x.json", content)).annotations) == 2
    assert "left out 1 " in caplog.text and "Python" not in caplog.text and "NoneType" not in caplog.text


@pytest.mark.parametrize("kind", [str, float, lambda value: str(value) if value % 2 else value])
def test_ids_of_another_type_are_the_same_ids(tmp_path: Path, foreign, kind) -> None:
    content = sound(foreign)
    for annotation in content["annotations"]:
        annotation["image_id"], annotation["category_id"] = (
            kind(annotation["image_id"]),
            kind(annotation["category_id"]),
        )
    coco = read_coco(save(tmp_path / "x.json", content), strict=True)
    assert [annotation.image.file_name for annotation in coco.annotations] == ["img/a.jpg", "img/b.jpg"]
    # As they stand in the file, so that results can be written for it.
    assert [image.id for image in coco.images] == [3, 4]


@pytest.mark.parametrize("value", ["absent", None, 0])
def test_sizes_that_are_missing_are_those_of_the_photos(tmp_path: Path, foreign, caplog, value) -> None:
    content = sound(foreign)
    for image in content["images"]:
        for side in ("width", "height"):
            image.pop(side) if value == "absent" else image.update({side: value})
    (tmp_path / "img").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "img" / "a.jpg")
    coco = read_coco(save(tmp_path / "x.json", content))
    assert [image.size for image in coco.images] == [(30, 20), None] and coco.annotations[0].image.size == (30, 20)
    assert "x.json: 1 images have no width and height, and their photos cannot be read" in caplog.text


FIELDS = ("id", "name", "keypoints", "file_name", "width", "image_id", "category_id", "bbox", "iscrowd")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=40)
@given(
    part=st.sampled_from(["categories", "images", "annotations"]),
    field=st.sampled_from(FIELDS),
    value=VALUES,
)
def test_any_value_in_any_field_costs_its_entry_alone(tmp_path_factory, part, field, value) -> None:
    names = ["waistband_left", "waistband_right"]
    content = {
        "categories": [{"id": i, "name": f"c{i}", "keypoints": names} for i in (1, 2)],
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 9, "height": 9} for i in (1, 2)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": i, "keypoints": [1, 1, 2, 5, 5, 1], "bbox": [0, 0, 5, 5]}
            for i in (1, 2)
        ],
    }
    content[part][0][field] = value
    path = save(tmp_path_factory.mktemp("any") / "x.json", content)
    coco = read_coco(path)
    assert coco.annotations[-1].id == 2
    assert labels_of_coco(coco).photos[-1].garments[-1].id == "2"
