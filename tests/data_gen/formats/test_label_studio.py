import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aifashion.data_gen.formats.label_studio import is_label_studio, label_studio_coco_reason, read_label_studio
from aifashion.data_gen.formats.label_studio_tasks import labelling_config, write_label_studio
from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.data_gen.formats.problems import FormatError
from aifashion.records import Keypoints
from labelled import VOCABULARY, check_comes_back, check_same, labels, only, present, random_garment


def save(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def region(kind: str, id: str, value: dict, **more: Any) -> dict:
    names = {"keypointlabels": "kp", "rectanglelabels": "box", "choices": "seen"}
    shared = {"original_width": 200, "original_height": 100, "image_rotation": 0, "to_name": "image"}
    return {"id": id, "type": kind, "from_name": names.get(kind, kind), "value": value, **shared, **more}


def box(id: str, label: str, x=0.0, y=0.0, width=100.0, height=100.0, **more: Any) -> dict:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [label]}
    return region("rectanglelabels", id, value, **more)


def point(id: str, label: str, x: float, y: float, parent: str | None = None, **more: Any) -> dict:
    more = more if parent is None else {"parentID": parent, **more}
    return region("keypointlabels", id, {"x": x, "y": y, "width": 0.3, "keypointlabels": [label]}, **more)


def hidden(id: str, choice: str = "hidden") -> dict:
    return region("choices", id, {"x": 1, "y": 1, "width": 0.3, "choices": [choice]})


def task(*results: dict, image: str = "a.jpg", **annotation: Any) -> dict:
    return {"id": 5, "data": {"image": image}, "annotations": [{"id": 7, "result": list(results), **annotation}]}


def read(tmp_path: Path, *tasks: Any) -> LabelSet:
    return read_label_studio(save(tmp_path / "tasks.json", list(tasks)))


def test_percents_are_of_the_edges_and_points_are_pixel_centres(tmp_path):
    # 50.25 % of 200 px is the edge position 100.5, the middle of pixel 100; 0.5 % of 100 px is 0.5, that of pixel 0.
    found = only(read(tmp_path, task(box("r", "skirt", 10, 20, 30, 40), point("p", "waist", 50.25, 0.5, "r"))))
    assert present(found) == {"waist": (100.0, 0.0, 1)}
    assert found.box == (20.0, 20.0, 80.0, 60.0) and found.category == "skirt" and found.scores is None
    assert found.id == "annotation 7, region r"


def test_what_is_written_comes_back(tmp_path):
    ours = labels(tmp_path)
    write_label_studio(ours, tmp_path / "tasks.json", VOCABULARY)
    found = check_comes_back(tmp_path / "tasks.json", ours, is_label_studio, read_label_studio)
    assert all(garment.scores is None for photo in found.photos for garment in photo.garments)


def test_scores_make_predictions_and_come_back(tmp_path):
    ours = labels(tmp_path, scored=True)
    write_label_studio(ours, tmp_path / "tasks.json", VOCABULARY)
    found = read_label_studio(tmp_path / "tasks.json")
    check_same(found, ours)
    written = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    assert not any("annotations" in entry for entry in written)
    first = ours.photos[1].garments[0]
    assert first.scores is not None
    expected = [s for s, state in zip(first.scores, first.keypoints.state, strict=True) if state >= 0]
    assert written[1]["predictions"][0]["score"] == min(expected)
    assert found.photos[1].garments[0].scores == pytest.approx(expected)
    lowest = [
        min(s for s, v in zip(g.scores or (), g.keypoints.state, strict=True) if v >= 0)
        for g in ours.photos[0].garments
    ]
    assert written[0]["predictions"][0]["score"] == pytest.approx(np.mean(lowest))
    assert written[2]["predictions"][0] == {"model_version": "aifashion", "result": []}


def test_points_join_the_rectangle_that_is_their_parent(tmp_path):
    both = task(
        *(box("r1", "skirt"), box("r2", "outwear")),
        *(point("p1", "waist", 10, 10, "r1"), point("p2", "waist", 20, 10, "r2"), point("p3", "hem", 30, 10, "r1")),
    )
    garments = read(tmp_path, both).photos[0].garments
    assert [(g.category, sorted(present(g))) for g in garments] == [("skirt", ["hem", "waist"]), ("outwear", ["waist"])]


def test_points_without_parent_join_the_only_rectangle_or_the_one_around_them(tmp_path):
    alone = task(box("r", "skirt", 0, 0, 10, 10), point("p", "hem", 90, 90))
    apart = task(
        *(box("r1", "skirt", 0, 0, 40, 100), box("r2", "dress", 50, 0, 50, 100), point("p1", "hem", 10, 10)),
        *(point("p2", "hem", 90, 10),),
        image="b.jpg",
    )
    found = read(tmp_path, alone, apart)
    assert [[g.category for g in photo.garments] for photo in found.photos] == [["skirt"], ["skirt", "dress"]]


def test_a_point_of_two_garments_costs_the_annotation_and_says_what_to_do(tmp_path):
    unclear = task(box("r1", "skirt"), box("r2", "dress"), point("p", "hem", 10, 10))
    sound = task(box("r", "skirt"), point("p", "hem", 10, 10), image="b.jpg")
    found = read(tmp_path, unclear, sound)
    assert [photo.file_name for photo in found.photos] == ["b.jpg"]
    (problem,) = found.problems
    assert "annotation 7, photo a.jpg: the keypoint hem (region p) lies in the rectangles of 2" in problem.message
    assert "drag it onto its garment" in problem.message


@pytest.mark.parametrize(("choice", "state"), [("hidden", 0), ("Occluded", 0), ("visible", 1)])
def test_a_choice_for_the_point_hides_it_wherever_it_stands(tmp_path, choice, state):
    for results in ([hidden("p", choice), point("p", "hem", 1, 1)], [point("p", "hem", 1, 1), hidden("p", choice)]):
        assert present(only(read(tmp_path, task(box("r", "skirt"), *results))))["hem"][2] == state


def test_a_photo_without_rectangle_has_its_category_as_choice(tmp_path):
    found = only(read(tmp_path, task(hidden("c", "skirt"), point("p", "hem", 50, 50), hidden("p"))))
    assert (found.category, found.box, present(found)["hem"][2]) == ("skirt", None, 0)
    with pytest.raises(FormatError, match=r"annotation 7, photo a\.jpg: keypoints without a rectangle, and 0 choices"):
        read(tmp_path, task(point("p", "hem", 50, 50)))


def test_a_turned_rectangle_becomes_the_box_around_it(tmp_path):
    # A square of 20 px at (100, 50), turned by 90 degrees clockwise about its corner, lies left of it.
    turned = box("r", "skirt", 50, 50, 10, 20)
    turned["value"]["rotation"] = 90
    assert only(read(tmp_path, task(turned, point("p", "hem", 1, 1)))).box == pytest.approx((80, 50, 100, 70))


@pytest.mark.parametrize(
    ("faulty", "reason"),
    [
        (point("p", "hem", None, 1, "r1"), "x: None; expected a number"),
        (point("p", "hem", 1, 1, "r1", original_width=300), r"size \(300, 100\) is not that of another region"),
        (point("p", "hem", 1, 1, "r1", image_rotation=90), "turned by 90 degrees"),
        (box("r1", "skirt", width=0), "no area"),
        (region("keypointlabels", "p", {"x": 1, "y": 1, "keypointlabels": ["a", "b"]}, parentID="r1"), "expected one"),
        (region("keypointlabels", "p", {"x": 1, "y": 1}, parentID="r1"), "no keypointlabels"),
        (point("p", "waist", 5, 5, "r1"), "keypoint 'waist' comes twice"),
    ],
)
def test_a_faulty_region_costs_its_garment_alone(tmp_path, faulty, reason):
    rest = [point("p1", "waist", 1, 1, "r1"), box("r2", "dress"), point("p2", "waist", 2, 2, "r2")]
    rest = rest if faulty["id"] == "r1" else [box("r1", "skirt"), *rest]
    found = read(tmp_path, task(*rest, faulty))
    assert only(found).category == "dress"
    (problem,) = found.problems
    assert "annotation 7, photo a.jpg, region r1: " in problem.message
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(problem.message)


def test_of_several_annotations_the_ground_truth_or_the_latest_counts(tmp_path):
    def one(id: int, label: str, **more: Any) -> dict:
        return {"id": id, "result": [box("r", label), point("p", "hem", 1, 1, "r")], **more}

    old, new = one(1, "skirt", updated_at="2026-01-01"), one(2, "dress", updated_at="2026-02-01")
    skipped, truth = one(3, "outwear", was_cancelled=True), one(4, "trousers", ground_truth=True)
    data = {"data": {"image": "a.jpg"}}
    found = read(tmp_path, data | {"annotations": [new, old, skipped], "predictions": [one(5, "blouse")]})
    assert only(found).category == "dress"
    assert found.left_out == {
        "skipped annotations": 1,
        "further annotations of a task": 1,
        "predictions of tasks that have annotations": 1,
    }
    assert only(read(tmp_path, data | {"annotations": [truth, new]})).category == "trousers"
    assert only(read(tmp_path, data | {"completions": [old]})).category == "skirt"
    likeliest = only(
        read(tmp_path, data | {"predictions": [one(1, "skirt", score=0.9), one(2, "dress", score=0.2), 17]})
    )
    assert likeliest.category == "skirt" and likeliest.scores is None


def test_what_is_no_garment_is_counted_and_says_nothing_of_the_photo(tmp_path):
    tasks = [
        task(box("r", "skirt"), point("p", "hem", 1, 1, "r"), region("brushlabels", "b", {})),
        task(box("r", "skirt"), image="b.jpg"),
        task(image="none.jpg"),
        {"id": 8, "data": {"image": "c.jpg"}, "annotations": [], "predictions": []},
    ]
    found = read(tmp_path, *tasks)
    assert [photo.file_name for photo in found.photos] == ["a.jpg", "none.jpg"] and not found.problems
    assert found.left_out == {
        "regions of type brushlabels": 1,
        "boxes without keypoints": 1,
        "tasks without an annotation": 1,
    }


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("/data/local-files/?d=photos/a%20b%26c.jpg", "photos/a b&c.jpg"),
        ("data/local-files/?d=x%5Cy.jpg", "x/y.jpg"),
        ("/data/upload/3/0a1b2c3d-mine.jpg", "mine.jpg"),
        ("http://localhost:8080/data/upload/3/0a1b2c3d-mine.jpg", "mine.jpg"),
        ("s3://bucket/shop/1.jpg", "shop/1.jpg"),
        ("https://example.com/shop/a%20b.jpg?sig=1", "shop/a b.jpg"),
        ("50%20 wool?.jpg", "50%20 wool?.jpg"),
    ],
)
def test_names_of_photos(tmp_path, image, name):
    assert read(tmp_path, task(image=image)).photos[0].file_name == name


def test_the_photo_can_be_the_only_image_among_other_data(tmp_path):
    found = read(tmp_path, {"data": {"pic": "a.jpg", "text": "x"}, "annotations": [{"result": []}]})
    assert found.photos[0].file_name == "a.jpg"
    for data, reason in (
        ({"a": "1.jpg", "b": "2.jpg"}, "2 other texts"),
        ({"image": "data:image/png;base64,"}, "itself"),
    ):
        with pytest.raises(FormatError, match=reason):
            read(tmp_path, {"data": data, "annotations": [{"result": []}]})


def test_a_photo_of_two_tasks_is_read_once(tmp_path):
    found = read(tmp_path, task(box("r", "skirt"), point("p", "hem", 1, 1)), task())
    assert only(found).category == "skirt"
    assert "the photo a.jpg is listed before" in found.problems[0].message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([{"image": "a.jpg", "id": 1, "kp": [], "annotator": 1, "annotation_id": 3}], "JSON-MIN.*hidden; export"),
        ([{"photo": "a.jpg"}], "an entry has no annotations, predictions"),
        ({"images": []}, "no list; expected the tasks of Label Studio; export the project again in the format JSON"),
        ([1], "not the tasks|not an object"),
        ([], "no photo with labelled garments"),
        ([{"id": 9, "data": {"image": "a.jpg"}, "annotations": [3]}], "task 9: not an object"),
    ],
)
def test_other_files_are_refused_with_the_reason(tmp_path, content, reason):
    with pytest.raises(FormatError, match=reason):
        read_label_studio(save(tmp_path / "x.json", content))


def test_recognising(tmp_path):
    assert is_label_studio(save(tmp_path / "a.json", [task()]))
    assert is_label_studio(save(tmp_path / "b.json", [{"image": "a", "annotation_id": 3}]))  # to say what is wrong
    for content in ([{"image_id": 1, "category_id": 1, "keypoints": []}], [], {"data": []}, [1]):
        assert not is_label_studio(save(tmp_path / "c.json", content))
    assert not is_label_studio(tmp_path) and not is_label_studio(tmp_path / "missing.json")


def test_its_coco_export_with_keypoints_is_known(tmp_path):
    def coco(contributor: str | None, **category: Any) -> dict:
        content = {"images": [], "annotations": [], "categories": [{"id": 0, "name": "skirt", **category}]}
        return content | ({} if contributor is None else {"info": {"contributor": contributor}})

    merged = {"name": "default", "supercategory": "default", "keypoints": ["hem"], "skeleton": []}
    for content in (coco("Label Studio", keypoints=["hem"]), coco(None, **merged)):
        assert "exported by Label Studio" in str(label_studio_coco_reason(content))
    sound = (coco("Label Studio"), coco("me", keypoints=["hem"]), {}, [], None, {"categories": [1]}, {"info": 3})
    assert [label_studio_coco_reason(content) for content in sound] == [None] * len(sound)


def test_the_configuration_has_all_names_in_one_order():
    tree = ElementTree.fromstring(labelling_config(VOCABULARY))
    keypoints = tree.findall("KeyPointLabels/Label")
    assert [label.get("value") for label in keypoints] == list(VOCABULARY.keypoints)
    assert [label.get("model_index") for label in keypoints] == [str(i) for i in range(24)]
    assert [label.get("value") for label in tree.findall("RectangleLabels/Label")] == list(VOCABULARY.categories)
    choices = tree.find("Choices")
    assert choices is not None and choices.get("whenLabelValue") == ",".join(VOCABULARY.keypoints)


def test_the_configuration_lies_beside_the_tasks(tmp_path):
    write_label_studio(labels(tmp_path), tmp_path / "tasks.json", VOCABULARY)
    assert (tmp_path / "tasks_config.xml").read_text(encoding="utf-8") == labelling_config(VOCABULARY)


def test_a_garment_without_box_gets_that_about_its_keypoints(tmp_path):
    points = Keypoints(np.array([[10.0, 20.0], [30.0, 25.0]]), np.array([1, 0]))
    one = LabelledGarment("1", "skirt", ("hemline_left", "hemline_right"), points)
    ours = LabelSet(tmp_path, tmp_path, (LabelledPhoto("a.jpg", (100, 100), (one,)),))
    write_label_studio(ours, tmp_path / "t.json", VOCABULARY)
    assert only(read_label_studio(tmp_path / "t.json")).box == pytest.approx((10, 20, 31, 26))


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        (LabelledPhoto("a.jpg", None, ()), "photo a.jpg: its size is not known"),
        (
            LabelledPhoto("a.jpg", (100, 900), (random_garment("skirt", 1),)),
            "garment skirt 1: the box lies beyond the photo",
        ),
        (LabelledPhoto("a\n.jpg", (9, 9), ()), "control character"),
        (
            LabelledPhoto(
                "a.jpg", (9, 9), (LabelledGarment("1", "hat", (), Keypoints(np.zeros((0, 2)), np.zeros(0))),)
            ),
            "'hat'",
        ),
        (
            LabelledPhoto(
                "a.jpg", (9, 9), (LabelledGarment("1", "skirt", (), Keypoints(np.zeros((0, 2)), np.zeros(0))),)
            ),
            "neither",
        ),
        (
            LabelledPhoto("a.jpg", (9, 9), (LabelledGarment("1", "skirt", ("crotch",), Keypoints([[1, 1]], [1])),)),  # type: ignore[arg-type]
            "garment 1: a skirt has no keypoint crotch",
        ),
    ],
)
def test_what_cannot_be_written_leaves_the_earlier_file(tmp_path, photo, reason):
    out = tmp_path / "t.json"
    out.write_text("earlier")
    with pytest.raises(ValueError, match=reason):
        write_label_studio(LabelSet(tmp_path, tmp_path, (photo,)), out, VOCABULARY)
    assert out.read_text() == "earlier" and [path.name for path in tmp_path.iterdir()] == ["t.json"]


def test_a_photo_cannot_come_twice(tmp_path):
    twice = LabelSet(tmp_path, tmp_path, (LabelledPhoto("a.jpg", (9, 9), ()), LabelledPhoto("./a.jpg", (9, 9), ())))
    with pytest.raises(ValueError, match="comes twice"):
        write_label_studio(twice, tmp_path / "t.json", VOCABULARY)
