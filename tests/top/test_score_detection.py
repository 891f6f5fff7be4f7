"""`score detection`, from files of all kinds to the tables."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from aifashion.top import score
from aifashion.top.cli import main

A, B, C = [0, 0, 100, 100], [200, 0, 100, 100], [0, 200, 100, 100]
"""Left, top, width, height."""
SKIRT = ("waistband_left", "waistband_right", "hemline_left", "hemline_right")


def points(left: float, top: float, moved: float = 0) -> list[float]:
    """A skirt with a waistband of 100 px, whose first hemline point can be elsewhere; the last one is covered."""
    return [left, top, 2, left + 100, top, 2, left + moved, top + 90, 2, left + 100, top + 90, 1]


def truth() -> dict[str, Any]:
    return {
        "images": [
            {"id": 1, "file_name": "Images/a.jpg", "width": 400, "height": 400},
            {"id": 2, "file_name": "Images/b.jpg", "width": 400, "height": 400},
        ],
        "categories": [{"id": 1, "name": "skirt", "keypoints": list(SKIRT)}, {"id": 2, "name": "dress"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": A, "keypoints": points(0, 0)},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": B},
            {"id": 3, "image_id": 2, "category_id": 2, "bbox": C},
        ],
    }


def results() -> list[dict[str, Any]]:
    """One skirt that is right, one dress that is right, and one that is elsewhere."""
    return [
        {"image_id": 1, "category_id": 1, "bbox": A, "score": 0.9, "keypoints": points(0, 0, moved=30)},
        {"image_id": 1, "category_id": 2, "bbox": B, "score": 0.8},
        {"image_id": 2, "category_id": 2, "bbox": A, "score": 0.7},
    ]


def table() -> list[dict[str, Any]]:
    """The same, as `aifashion predict` writes it."""
    photos, names = {1: "photos/Images/a.jpg", 2: "photos/Images/b.jpg"}, {1: "skirt", 2: "dress"}
    entries = []
    for number, entry in enumerate(results()):
        left, top, width, height = entry["bbox"]
        xyv = entry.get("keypoints", [])
        entries.append(
            {
                "photo": photos[entry["image_id"]],
                "garment_id": number,
                "box": [left, top, left + width, top + height],
                "score": entry["score"],
                "category": names[entry["category_id"]],
                "keypoints": {
                    name: {
                        "x": xyv[3 * k],
                        "y": xyv[3 * k + 1],
                        "score": 0.5,
                        "visible": 0.9,
                        "hidden": xyv[3 * k + 2] < 2,
                    }
                    for k, name in enumerate(SKIRT)
                    if xyv
                },
            }
        )
    return entries


def csv_rows() -> str:
    return (
        "photo,x,y,width,height,category,score\n"
        "a.jpg,0,0,100,100,skirt,.9\na.jpg,200,0,100,100,dress,.8\nb.jpg,0,0,100,100,dress,.7\n"
    )


def save(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def scores(tmp_path: Path, name: str, content: Any, *more: str, answer: Any = None) -> dict[str, Any]:
    files = ["--truth", save(tmp_path / "truth.json", truth() if answer is None else answer)]
    files += ["--predicted", save(tmp_path / name, content), "--json", tmp_path / "score.json", *more]
    score.detection([str(word) for word in files])
    return json.loads((tmp_path / "score.json").read_text())


@pytest.mark.parametrize(
    ("name", "content", "has_keypoints"),
    [
        ("results.json", results(), True),
        ("table.json", table(), True),
        ("boxes.csv", csv_rows(), False),
        ("set.json", truth() | {"annotations": [{"id": i, **entry} for i, entry in enumerate(results())]}, True),
    ],
)
def test_every_kind_of_file_has_the_same_score(tmp_path, name, content, has_keypoints):
    """Skirts: AP 1. Dresses: the first of two is found, so precision is 1 at 51 of 101 recalls, and 0 beyond."""
    found = scores(tmp_path, name, content, "--picture", str(tmp_path / "score.png"))
    dress = 51 / 101
    assert [found["ap"], found["ap50"], found["ap75"]] == pytest.approx(3 * [(1 + dress) / 2])
    assert found["per_category"]["dress"]["ap"] == pytest.approx(dress)
    assert found["ar"] == pytest.approx(0.75) and found["recall"] == found["precision"] == pytest.approx(2 / 3)
    assert found["photos"] == 2 and found["false_alarms_per_photo"] == 0.5
    assert found["large"] == {"true": 3, "paired": 2} and found["small"]["true"] == 0
    assert found["confusion"] == {"categories": ["skirt", "dress"], "counts": [[1, 0, 0], [0, 1, 1]]}
    assert found["reliability"]["ece"] == pytest.approx((0.1 + 0.2 + 0.7) / 3, abs=1e-6)
    assert (tmp_path / "score.png").read_bytes().startswith(b"\x89PNG")
    if has_keypoints:  # one of three visible points is 30 px off, in spans of 100 px
        assert found["keypoints"]["ne"] == pytest.approx(0.1) and found["keypoints"]["points"] == 3
    else:
        assert found["keypoints"] is None


def test_the_tables(tmp_path, capsys):
    scores(tmp_path, "results.json", results())
    text = capsys.readouterr().out
    assert text.startswith("AP 0.7525  AP50 0.7525") and "over 3 garments of 2 photos" in text
    assert "keypoints of the garments that are found:" in text and "NE 10.00% over 3 visible keypoints of" in text
    assert f"Wrote {tmp_path / 'score.json'}" in text


def test_the_overlap_that_is_asked_for(tmp_path):
    moved = [{**entry, "bbox": [*entry["bbox"][:2], 100, 60]} for entry in results()]
    assert scores(tmp_path, "results.json", moved)["paired"] == 2
    assert scores(tmp_path, "results.json", moved, "--iou", "0.7")["paired"] == 0


def test_boxes_without_categories_are_garments_of_one_kind(tmp_path, capsys):
    rows = "photo;left;top;right;bottom\na;0;0;100;100\na;200;0;300;100\nb;0;0;100;100\n"
    found = scores(tmp_path, "boxes.csv", rows)
    assert found["confusion"] == {"categories": ["garment"], "counts": [[2, 1]]} and found["reliability"] is None
    text = " ".join(capsys.readouterr().out.split())
    assert "no box has a category; all are scored as garments of one kind" in text
    assert "the boxes have no scores; AP takes them in the order of the file" in text
    without = [{k: v for k, v in entry.items() if k not in ("category", "score")} for entry in table()]
    assert scores(tmp_path, "table.json", without)["keypoints"]["ne"] == pytest.approx(0.1)


def test_other_photos_and_categories_are_counted_and_not_scored(tmp_path, capsys, fails):
    more = csv_rows() + "c.jpg,0,0,100,100,dress,.9\na.jpg,0,0,50,50,hat,1\n"
    assert scores(tmp_path, "boxes.csv", more)["predicted"] == 3
    text = " ".join(capsys.readouterr().out.split())
    assert "1 photos, the first c.jpg, are none of the truth and are not scored" in text
    assert "1 boxes are of categories that the truth does not have: 1 hat; they are not scored" in text
    files = ["--truth", tmp_path / "truth.json", "--predicted", tmp_path / "boxes.csv"]
    save(tmp_path / "boxes.csv", csv_rows().replace("a.jpg", "c.jpg").replace("b.jpg", "d.jpg"))
    assert "none of its 2 photos is among the 2 of the truth: the first are c.jpg and Images/a.jpg" in fails(
        score.detection, *files
    )
    save(tmp_path / "boxes.csv", csv_rows().replace("skirt", "hat").replace("dress", "hat"))
    assert "3 hat; expected skirt, dress" in fails(score.detection, *files)


@pytest.mark.parametrize("answer", [[], [{"photo": "a.jpg", "box": None}]], ids=["results", "table"])
def test_nothing_found_is_a_score(tmp_path, capsys, answer):
    found = scores(tmp_path, "table.json", answer)
    assert found["ap"] == found["recall"] == 0 and found["predicted"] == 0 and found["precision"] is None
    assert "the file has no boxes, so nothing was found" in " ".join(capsys.readouterr().out.split())


def test_crowds_and_unknown_sizes(tmp_path):
    answer = truth()
    answer["annotations"][2] |= {"iscrowd": 1, "bbox": [0, 0, 400, 400]}
    del answer["images"][0]["width"], answer["images"][0]["height"]
    found = scores(tmp_path, "results.json", results(), answer=answer)
    assert found["ap"] == pytest.approx(1) and found["ignored"] == 1 and found["false_alarms"] == 0
    assert found["large"]["true"] == found["small"]["true"] == 0


def test_keypoints_of_another_vocabulary_are_not_scored(tmp_path, capsys):
    found = scores(tmp_path, "results.json", results(), "--vocabulary", "deepfashion2")
    assert found["keypoints"] is None
    assert "Choose the vocabulary of the truth with --vocabulary" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"bbox": [0, 0, -1, 5]}, "entry 0: the box 0, 0, -1, 5 has no area: width and height must be above 0"),
        ({"image_id": 5}, "entry 0: image_id 5 is not the id of a sound entry of images"),
        ({"score": 5}, "entry 0: score 5; expected a number from 0 to 1"),
        ({"keypoints": [1, 2, 2]}, "entry 0: 3 keypoint numbers; expected x, y, v for 4 keypoints"),
    ],
)
def test_a_mistake_in_the_prediction(tmp_path, fails, changed, reason):
    files = [save(tmp_path / "t.json", truth()), save(tmp_path / "p.json", [{**results()[0], **changed}, results()[1]])]
    error = fails(score.detection, "--truth", files[0], "--predicted", files[1], "--json", tmp_path / "score.json")
    assert error == f"{files[1]}: {reason}" and not (tmp_path / "score.json").exists()


def test_a_mistake_in_the_truth(tmp_path, fails):
    predicted, path = save(tmp_path / "p.json", results()), tmp_path / "t.json"
    files = ["--truth", path, "--predicted", predicted]
    content = truth()
    content["annotations"][1]["bbox"] = [1, 2, 0, 0]
    save(path, content)
    assert fails(score.detection, *files).startswith(f"{path}: annotations, id 2: the box 1, 2, 0, 0 has no area")
    content = truth()
    content["images"][1]["file_name"] = "Images/a.jpg"
    save(path, content)
    assert fails(score.detection, *files) == f"{path}: images, id 2: the photo Images/a.jpg again"
    save(path, results())
    assert "not a COCO data set (images, annotations, categories)" in fails(score.detection, *files)
    save(path, truth() | {"annotations": []})
    assert fails(score.detection, *files) == f"{path}: nothing can be scored: it has no box of one garment"


def test_mistakes_in_options_and_lines(tmp_path, fails):
    files = ["--truth", save(tmp_path / "t.json", truth()), "--predicted", save(tmp_path / "p.csv", csv_rows())]
    assert fails(score.detection, *files, "--iou", "50") == "--iou 50: expected a number above 0, at most 1"
    assert "there is no folder" in fails(score.detection, *files, "--json", tmp_path / "none" / "a.json")
    assert "expected a name that ends in .png" in fails(score.detection, *files, "--picture", tmp_path / "a.xyz")
    assert "is what is read" in fails(score.detection, *files, "--json", tmp_path / "p.csv")
    save(tmp_path / "p.csv", csv_rows() + "a.jpg,1,2,x,4,skirt,1\n")
    assert fails(score.detection, *files) == f"{tmp_path / 'p.csv'}:5: width: 'x'; expected a number"
    save(tmp_path / "p.csv", csv_rows() + "a.jpg,1,2,3,4,,1\n")
    assert fails(score.detection, *files) == f"{tmp_path / 'p.csv'}:5: no category, though other boxes have one"


def test_the_extra_that_is_missing_is_named(tmp_path, capsys, monkeypatch):
    for module in ("pycocotools", "pycocotools.cocoeval", "pycocotools.coco"):
        monkeypatch.setitem(sys.modules, module, None)
    files = [save(tmp_path / "t.json", truth()), save(tmp_path / "p.csv", csv_rows())]
    with pytest.raises(SystemExit) as caught:
        main(["score", "detection", "--truth", str(files[0]), "--predicted", str(files[1])])
    assert caught.value.code == 1
    error = capsys.readouterr().err
    assert "needs the package pycocotools, which is not installed: pip install 'aifashion[score]'" in error
