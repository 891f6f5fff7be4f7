import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifashion.boxes import UNKNOWN, Detections
from aifashion.data_gen.formats.box_files import MOST, fitted, read_boxes
from aifashion.data_gen.formats.problems import FormatError

CATEGORIES = ("skirt", "dress")


def save(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def as_rows(found: Detections) -> list[tuple]:
    return [
        (*box, category, round(score, 4))
        for box, category, score in zip(
            found.boxes.tolist(), found.category.tolist(), found.score.tolist(), strict=True
        )
    ]


def lines(*rows: str, header: str = "photo,left,top,right,bottom,category,score") -> str:
    return "\n".join([header, *rows]) + "\n"


def warnings(caplog) -> str:
    return " ".join(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)


SKIRT, DRESS = (10.0, 20.0, 110.0, 220.0), (0.5, 0.0, 99.5, 300.25)
GARMENTS = {"a.jpg": [(*SKIRT, 0, 0.9), (*DRESS, 1, 0.25)], "day/b.jpg": [(*SKIRT, 1, 0.5)]}


def coco() -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 200, "height": 400}, {"id": "8", "file_name": "day/b.jpg"}],
        "categories": [{"id": 3, "name": "skirt"}, {"id": 5, "name": "dress"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 100, 200], "score": 0.9},
            {"id": 2, "image_id": 7, "category_id": 5, "bbox": [0.5, 0, 99, 300.25], "score": 0.25},
            {"id": 3, "image_id": "8", "category_id": 5, "bbox": [10, 20, 100, 200], "score": 0.5},
        ],
    }


def results() -> list[dict[str, Any]]:
    return [{key: value for key, value in entry.items() if key != "id"} for entry in coco()["annotations"]]


def table() -> list[dict[str, Any]]:
    entries = [
        {"photo": photo, "garment_id": i, "box": list(row[:4]), "category": CATEGORIES[row[4]], "score": row[5]}
        for photo, rows in GARMENTS.items()
        for i, row in enumerate(rows)
    ]
    return [*entries, {"photo": "empty.jpg", "box": None, "category": None, "error": None}]


def nested_table() -> list[dict[str, Any]]:
    """As `aifashion predict` writes it: the garments of a photo in a list."""
    photos: dict[str, list[dict[str, Any]]] = {}
    for row in table():
        photos.setdefault(row["photo"], []).append({name: value for name, value in row.items() if name != "photo"})
    broken = {"photo": "broken.jpg", "error": "broken.jpg is cut short", "garments": []}
    return [*({"photo": name, "error": None, "garments": garments} for name, garments in photos.items()), broken]


EDGES = lines("a.jpg,10,20,110,220,skirt,.9", "a.jpg,0.5,0,99.5,300.25,dress,.25", "day/b.jpg,10,20,110,220,dress,.5")
EXTENT = lines(
    r"a.jpg;10;20;100;200;0.9;skirt",
    r"a.jpg;0.5;0;99;300.25;0.25;dress",
    r"day\b.jpg;10;20;100;200;5e-1;dress",
    header="Photo;x;y;width;height;score;category",
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("edges.csv", EDGES),
        ("bom.csv", "\ufeff" + EDGES),
        ("extent.csv", EXTENT),
        ("tabs.tsv", EDGES.replace(",", "\t")),
        ("windows.txt", EDGES.replace("\n", "\r\n")),
        ("set.json", coco()),
        ("table.json", table()),
        ("photos.json", nested_table()),
    ],
)
def test_every_kind_of_file_gives_the_same_boxes(tmp_path, caplog, name, content):
    found = read_boxes(save(tmp_path / name, content), CATEGORIES)
    assert {photo: as_rows(boxes) for photo, boxes in found.garments.items()} == GARMENTS
    assert not caplog.records


def test_results_with_numbers_are_resolved_by_their_data_set(tmp_path, caplog):
    dataset, path = save(tmp_path / "set.json", coco()), save(tmp_path / "results.json", results())
    found = read_boxes(path, CATEGORIES, dataset)
    assert {photo: as_rows(boxes) for photo, boxes in found.garments.items()} == GARMENTS and not caplog.records
    error = entry_error(tmp_path, [{**results()[0], "image_id": 9}], dataset)
    assert error == "entry 0: image_id 9 is not the id of a sound entry of images"


def test_files_for_the_photos_of_a_data_set(tmp_path, caplog):
    """Results have its numbers, or its names in their place; other files are read as they are."""
    dataset = save(tmp_path / "set.json", coco())
    by_name = [
        {**entry, "category_id": "skirt"} for entry in results() if entry["category_id"] == results()[0]["category_id"]
    ]
    for name, content in (("results.json", results()), ("edges.csv", EDGES)):
        found = read_boxes(save(tmp_path / name, content), CATEGORIES, dataset)
        assert {photo: as_rows(boxes) for photo, boxes in found.garments.items()} == GARMENTS
    found = read_boxes(save(tmp_path / "named.json", by_name), CATEGORIES, dataset)
    assert {int(c) for boxes in found.garments.values() for c in boxes.category} == {CATEGORIES.index("skirt")}
    assert not caplog.records


def entry_error(tmp_path: Path, content: Any, dataset: Path | None = None) -> str:
    path = save(tmp_path / "faulty.json", content)
    with pytest.raises(FormatError) as caught:
        read_boxes(path, CATEGORIES, dataset)
    return str(caught.value).removeprefix(f"{path}: ")


def test_results_alone_name_photos_and_can_name_categories(tmp_path, caplog):
    entries = [
        {**results()[0], "image_id": "a.jpg", "category_id": "skirt"},
        {**results()[1], "image_id": "a.jpg"},
        {**results()[2], "image_id": 17},
    ]
    found = read_boxes(save(tmp_path / "results.json", entries), CATEGORIES)
    assert found.garments["a.jpg"].category.tolist() == [0, UNKNOWN]
    assert found.garments["17"].category.tolist() == [UNKNOWN]
    assert "some categories are numbers, which only the COCO data set of that file explains" in warnings(caplog)


def test_boxes_without_category_and_score(tmp_path, caplog):
    text = lines("a.jpg,10,20,110,220", header="photo,left,top,right,bottom")
    (found,) = read_boxes(save(tmp_path / "x.csv", text), CATEGORIES).garments.values()
    assert as_rows(found) == [(*SKIRT, UNKNOWN, 1.0)]
    (found,) = read_boxes(save(tmp_path / "y.csv", lines("a.jpg,10,20,110,220,,.5")), CATEGORIES).garments.values()
    assert as_rows(found) == [(*SKIRT, UNKNOWN, 0.5)] and not caplog.records


def test_an_annotation_without_a_box_has_that_of_its_keypoints(tmp_path):
    content = coco()
    content["categories"][0]["keypoints"] = ["one", "two", "three"]
    content["annotations"] = [
        {"id": 1, "image_id": 7, "category_id": 3, "keypoints": [10, 30, 2, 20, 20, 1, 0, 0, 0]},
    ]
    (found,) = read_boxes(save(tmp_path / "set.json", content), CATEGORIES).garments.values()
    assert as_rows(found) == [(10, 20, 21, 31, 0, 1)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.jpg,10,20,10,220,skirt,.9", "the box 10, 20, 10, 220 has no area: right must be above left"),
        ("a.jpg,110,20,10,220,skirt,.9", "has no area"),
        ("a.jpg,nan,20,110,220,skirt,.9", "left: 'nan'; expected a number"),
        ("a.jpg,10,inf,110,220,skirt,.9", "top: 'inf'; expected a number"),
        ("a.jpg,10,20,1e9,220,skirt,.9", "the box 10, 20, 1e+09, 220: expected left, top, right and bottom in px"),
        ('a.jpg,"10,5",20,110,220,skirt,.9', "left: '10,5'; expected a number"),
        ("a.jpg,10,20,110,220,skirt,90", "score 90; expected a number from 0 to 1"),
        ("a.jpg,10,20,110,220,skirt,", "score: ''; expected a number"),
        ("a.jpg,10,20,110,220", "5 cells; expected 7: photo,left,top,right,bottom,category,score"),
        (",10,20,110,220,skirt,.9", "photo '': the name is empty or has a control character"),
        ("a.jpg,10,20,110,220,hat,.9", "category 'hat', of 1 boxes, is unknown; expected one of skirt, dress"),
    ],
)
def test_a_bad_row_costs_one_garment(tmp_path, caplog, row, reason):
    path = save(tmp_path / "boxes.csv", lines("a.jpg,1,2,30,40,dress,.8", row))
    found = read_boxes(path, CATEGORIES)
    assert as_rows(found.garments["a.jpg"]) == [(1, 2, 30, 40, 1, 0.8)]
    assert f"{path}: left out 1 boxes with problems, 1 are used" in warnings(caplog)
    assert f"{path}:3: " in warnings(caplog) and reason in warnings(caplog)
    with pytest.raises(FormatError) as caught:
        read_boxes(save(path, lines(row)), CATEGORIES)
    assert str(caught.value).startswith(f"{path}:2: ") and reason in str(caught.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bbox": [1, 2, 0, 4]}, "the box 1, 2, 0, 4 has no area: width and height must be above 0"),
        ({"bbox": [1, 2, 3]}, "3 numbers of a box; expected four: x, y, width and height"),
        ({"bbox": [1, 2, float("nan"), 4]}, "the box 1, 2, nan, 4: expected"),
        ({"bbox": [1, 2, "3", 4]}, "expected a flat list of numbers"),
        ({"bbox": None}, "None; expected a flat list of numbers"),
        ({"score": None}, "score: None; expected a number"),
        ({"score": True}, "score: True; expected a number"),
        ({"image_id": None}, "the id is None; expected a whole number or a text"),
        ({"image_id": "\n"}, "the name is empty or has a control character"),
    ],
)
def test_a_bad_entry_costs_one_garment(tmp_path, caplog, change, reason):
    good = {"image_id": "a.jpg", "category_id": "skirt", "bbox": [10, 20, 100, 200], "score": 0.5}
    path = save(tmp_path / "results.json", [good, {**good, **change}])
    assert as_rows(read_boxes(path, CATEGORIES).garments["a.jpg"]) == [(*SKIRT, 0, 0.5)]
    assert "left out 1 boxes with problems, 1 are used" in warnings(caplog)
    assert f"{path}: entry 1: " in warnings(caplog) and reason in warnings(caplog)
    assert "entry 0: no score" in entry_error(tmp_path, [{k: v for k, v in good.items() if k != "score"}])
    assert "entry 1: not an object" in entry_error(tmp_path, [{**good, "bbox": []}, 5])


def test_categories_that_are_unknown_are_named_once_each_and_counted(tmp_path, caplog):
    rows = [f"a.jpg,1,2,30,4{i},hat,.8" for i in range(5)] + ["a.jpg,1,2,30,40,shoe,.8", "a.jpg,1,2,30,40,skirt,.8"]
    path = save(tmp_path / "boxes.csv", lines(*rows))
    assert len(read_boxes(path, CATEGORIES).garments["a.jpg"]) == 1
    text = warnings(caplog)
    assert "left out 6 boxes with problems, 1 are used" in text
    assert f"{path}:2: category 'hat', of 5 boxes, is unknown" in text and f"{path}:7: category 'shoe'" in text


def test_of_equal_boxes_the_likelier_is_used(tmp_path, caplog):
    rows = [
        "a.jpg,1,2,30,40,skirt,.5",
        "a.jpg,1,2,30,40,skirt,.8",
        "a.jpg,1,2,30,40,dress,.6",
        "b.jpg,1,2,30,40,skirt,.5",
    ]
    path = save(tmp_path / "boxes.csv", lines(*rows))
    garments = read_boxes(path, CATEGORIES).garments
    assert (
        as_rows(garments["a.jpg"]) == [(1, 2, 30, 40, 0, 0.8), (1, 2, 30, 40, 1, 0.6)] and len(garments["b.jpg"]) == 1
    )
    assert f"{path}:2: the box of a.jpg is that of line 3 as well" in warnings(caplog)


def test_of_very_many_boxes_in_a_photo_the_likeliest_are_used_in_their_order(tmp_path, caplog):
    order = np.random.default_rng(0).permutation(MOST + 20)
    rows = [f"a.jpg,{i},2,{i + 30},40,skirt,{rank / 1000:.3f}" for i, rank in enumerate(order.tolist())]
    found = read_boxes(save(tmp_path / "boxes.csv", lines(*rows)), CATEGORIES).garments["a.jpg"]
    assert found.boxes[:, 0].astype(int).tolist() == [i for i, rank in enumerate(order.tolist()) if rank >= 20]
    assert f"left out 20 boxes with problems, {MOST} are used" in warnings(caplog)
    assert f"photo a.jpg has {MOST + 20} boxes; the {MOST} with the highest score are used" in warnings(caplog)


def test_crowds_are_not_one_garment(tmp_path, caplog):
    content = coco()
    content["annotations"][0]["iscrowd"] = 1
    found = read_boxes(save(tmp_path / "set.json", content), CATEGORIES)
    assert as_rows(found.garments["a.jpg"]) == GARMENTS["a.jpg"][1:]
    assert "1 boxes are of crowds" in warnings(caplog)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", lines("a.jpg,0,0.1,1.0,0.9,skirt,.9", "a.jpg,.25,.5,.75,1,dress,.9")),
        ("y.csv", lines("a.jpg,0.9,0.1,1.0,0.9", header="photo,x,y,width,height")),
        ("z.json", [{"image_id": "a.jpg", "category_id": 1, "bbox": [0.5, 0.5, 1.0, 0.5], "score": 1}]),
    ],
)
def test_fractions_of_the_photo_are_refused(tmp_path, name, content):
    with pytest.raises(
        FormatError, match="all numbers are at most 1, as fractions of the photo are; expected pixels: mul"
    ):
        read_boxes(save(tmp_path / name, content), CATEGORIES)


def test_a_small_box_of_pixels_is_no_fraction(tmp_path):
    assert read_boxes(save(tmp_path / "x.csv", lines("a.jpg,50,50,51,51,skirt,1")), CATEGORIES).garments


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.csv", "", "the file is empty; expected the columns photo,left,top,right,bottom or photo,x,y,width,height"),
        ("x.csv", lines(), "the file has no boxes"),
        ("x.csv", "photo,left,top,right\n", ":1: the columns 'photo,left,top,right'; expected photo,left,top,"),
        ("x.csv", "photo,left,top,right,bottom,colour\n", "the columns 'photo,left,top,right,bottom,colour'; expected"),
        ("x.csv", "photo,photo,x,y,width,height\n", "the columns 'photo,photo,x,y,width,height'; expected"),
        ("x.csv", "a.jpg,1,2,3,4\n", ":1: the columns 'a.jpg,1,2,3,4'; expected"),
        ("x.csv", lines('"a.jpg,1,2,3,4'), "not a CSV"),
        ("x.json", "{", "not JSON"),
        ("x.json", [], "the file has no boxes"),
        ("x.json", [7], "not a file of boxes; expected a list of COCO results"),
        ("x.json", [1], "not a file of boxes"),
        ("x.json", [{"file": "a.jpg"}], "not a file of boxes"),
        ("x.json", {"images": []}, "no list of categories, annotations; expected a COCO data set"),
        ("x.json", {"images": [], "categories": [], "annotations": []}, "the file has no boxes"),
        ("x.json", [{"photo": "a.jpg", "box": None}], "the file has no boxes"),
        ("x.json", [{"photo": "a.jpg", "garments": []}], "the file has no boxes"),
        ("x.json", [{"photo": "a.jpg", "garments": [7]}], "entry 0, garment 0: not an object"),
        ("x.json", [{"photo": "a.jpg", "garments": [{"box": [1, 2, 30]}]}], "entry 0, garment 0: "),
    ],
)
def test_a_file_without_a_box_is_an_error(tmp_path, name, content, reason):
    path = save(tmp_path / name, content)
    with pytest.raises(FormatError) as caught:
        read_boxes(path, CATEGORIES)
    assert str(caught.value).startswith(str(path)) and reason in str(caught.value)


def test_boxes_of_the_photos_that_are_asked_for(tmp_path, caplog):
    rows = ["a.jpg,1,2,30,40,skirt,.5", "b.jpg,1,2,30,40,skirt,.5", "c.jpg,1,2,30,40,skirt,.5", "d,1,2,30,40,skirt,.5"]
    found = read_boxes(save(tmp_path / "boxes.csv", lines(*rows)), CATEGORIES)
    by_photo = found.of(["photos/a.jpg", "photos/d.jpg", "photos/none.jpg"])
    assert {photo: len(boxes) for photo, boxes in by_photo.items()} == {
        "photos/a.jpg": 1,
        "photos/d.jpg": 1,
        "photos/none.jpg": 0,
    }
    assert "2 photos are not asked for, and their boxes are left out: b.jpg, c.jpg" in warnings(caplog)
    caplog.clear()
    assert len(found.of(["x/a.jpg", "y/a.jpg", "b.jpg"])["b.jpg"]) == 1
    assert "photo a.jpg: it can mean x/a.jpg and y/a.jpg: write the whole path" in warnings(caplog)
    with pytest.raises(
        FormatError, match=r"boxes of other photos: of 4 photos, the first a.jpg; asked for are 1 photos"
    ):
        found.of(["e.jpg"])


def test_boxes_are_clipped_to_their_photo():
    boxes = np.array([[-5.0, 10, 50, 200], [100, 0, 150, 20], [20, 20, 40, 40], [-9, -9, 0, 50]])
    found, reasons = fitted(Detections(boxes, np.arange(4), np.full(4, 0.5)), (100, 80))
    assert found.boxes.tolist() == [[0, 10, 50, 80], [20, 20, 40, 40]] and found.category.tolist() == [0, 2]
    assert reasons == [
        "the box 100, 0, 150, 20 lies outside the photo of 100 x 80 px",
        "the box -9, -9, 0, 50 lies outside the photo of 100 x 80 px",
    ]


sides = st.integers(-40_000, 40_000).map(lambda n: n / 4)
boxes = st.tuples(sides, sides, st.integers(8, 4000), st.integers(8, 4000)).map(
    lambda b: (b[0], b[1], b[2] / 4, b[3] / 4)
)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(["a.jpg", "b c.jpg"]), boxes), min_size=1, max_size=20, unique=True))
def test_edges_and_extents_of_one_set_are_the_same_boxes(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("boxes")
    extent = lines(*(f"{n},{x},{y},{w},{h}" for n, (x, y, w, h) in rows), header="photo,x,y,width,height")
    edges = lines(*(f"{n},{x},{y},{x + w},{y + h}" for n, (x, y, w, h) in rows), header="photo,left,top,right,bottom")
    entries = [{"image_id": n, "category_id": 1, "bbox": box, "score": 1} for n, box in rows]
    files = [save(folder / "x.csv", extent), save(folder / "y.csv", edges), save(folder / "z.json", entries)]
    found = [{n: as_rows(b) for n, b in read_boxes(path, CATEGORIES).garments.items()} for path in files]
    assert found[0] == found[1] == found[2] and sum(map(len, found[0].values())) == len(rows)
