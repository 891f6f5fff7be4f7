"""`aifashion predict` with boxes: rows and entries for each garment of a photo."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from pretended_recognition import Model, run

from aifashion.top import predict

BOXES = """photo,left,top,right,bottom,category,score
b.jpg,0,0,20,40,skirt,0.25
b.jpg,30,1.5,64,80,,0.75
d.jpg,0,0,60,70,skirt,1
"""


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    (tmp_path / "boxes.csv").write_text(BOXES)
    return tmp_path / "boxes.csv"


def test_a_row_for_each_garment(photos: Path, model: Model, tmp_path: Path, boxes: Path, capsys):
    out = tmp_path / "out.csv"
    run(photos, "--boxes", boxes, "--out", out)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = ["photo", "garment_id", "score", "box_left", "box_top", "box_right", "box_bottom", "category"]
    cells = [[row[name] for name in names] for row in rows]
    assert cells == [
        [str(photos / "a.jpg"), "0", "", "", "", "", "", "skirt"],
        [str(photos / "b.jpg"), "0", "0.75", "30.0", "1.5", "64.0", "80.0", "skirt"],
        [str(photos / "b.jpg"), "1", "0.25", "0.0", "0.0", "20.0", "40.0", "skirt"],
        [str(photos / "c bad.jpg"), "", "", "", "", "", "", ""],
        [str(photos / "d.jpg"), "0", "1.0", "0.0", "0.0", "60.0", "70.0", "skirt"],
    ]
    text = capsys.readouterr().out
    assert f"Wrote 5 rows to {out}, 1 of them of photos that cannot be read" in text
    assert "2 boxes are left out" in text and "in 1 photos no garment was found" in text


def test_json_has_the_garments_of_each_photo(photos: Path, model: Model, tmp_path: Path, boxes: Path):
    run(photos, "--boxes", boxes, "--out", tmp_path / "out.json")
    a, b, c, d = json.loads((tmp_path / "out.json").read_text())
    assert list(b) == ["photo", "error", "width", "height", "garments"] and (b["width"], b["height"]) == (64, 80)
    assert [(g["garment_id"], g["box"], g["score"]) for g in b["garments"]] == [
        (0, [30, 1.5, 64, 80], 0.75),
        (1, [0, 0, 20, 40], 0.25),
    ]
    assert list(b["garments"][0]["keypoints"]) == ["waistband_left", "waistband_right", "hemline_right"]
    assert [(g["garment_id"], g["box"]) for g in a["garments"]] == [(0, None)]
    assert c["garments"] == [] and c["error"] and len(d["garments"]) == 1


@pytest.mark.parametrize(("wanted", "scores"), [("all", [0.75, 0.25]), ("1", [0.75]), ("largest", [0.75])])
def test_which_garments(photos: Path, model: Model, tmp_path: Path, boxes: Path, wanted: str, scores: list[float]):
    run(photos / "b.jpg", "--boxes", boxes, "--garments", wanted, "--out", tmp_path / "out.parquet")
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert table["score"].tolist() == scores and table["garment_id"].tolist() == list(range(len(scores)))


def test_an_interrupted_table_of_garments_goes_on_to_the_same_bytes(
    photos: Path, model: Model, tmp_path: Path, boxes: Path, fails
):
    run(photos, "--boxes", boxes, "--out", tmp_path / "whole.csv")
    out = tmp_path / "out.csv"
    model.stop_after, model.asked = 2, []
    fails(predict.main, photos, "--boxes", boxes, "--out", out)
    model.stop_after, model.asked = 10**9, []
    for others in (("--boxes", boxes, "--garments", "largest"), ()):
        assert "keeps 2 finished rows" in fails(predict.main, photos, "--out", out, *others)
    kept = boxes.read_bytes()
    boxes.write_text(BOXES.replace("60,70", "60,71"))
    assert "keeps 2 finished rows" in fails(predict.main, photos, "--boxes", boxes, "--out", out)
    boxes.write_bytes(kept)
    run(photos, "--boxes", boxes, "--out", out)
    assert [sample.path.name for sample in model.asked] == ["c bad.jpg", "d.jpg"]
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_plain_table_is_not_continued_with_boxes(photos: Path, model: Model, tmp_path: Path, boxes: Path, fails):
    model.stop_after = 2
    fails(predict.main, photos, "--out", tmp_path / "out.csv")
    error = fails(predict.main, photos, "--boxes", boxes, "--out", tmp_path / "out.csv")
    assert "with garments None, not all; boxes None, not " in error


def test_options_of_garments_that_do_not_fit(photos: Path, model: Model, tmp_path: Path, boxes: Path, fails):
    out = ("--out", tmp_path / "out.csv")
    for word in ("0", "-1", "some", "1.5", ""):
        error = fails(predict.main, photos, f"--garments={word}", "--boxes", boxes, *out)
        assert f"--garments {word}: expected all, largest or a number from 1" in error
    error = fails(predict.main, photos, "--garments", "all", "--detector", "none", *out)
    assert "--garments all needs boxes: leave --detector none out, or give them in a file with --boxes" in error
    error = fails(predict.main, photos, "--boxes", boxes, "--detector", tmp_path, *out)
    assert "the boxes come from one of them" in error
    assert "no run in " in fails(predict.main, photos, "--detector", tmp_path / "nowhere", *out)
    assert "nowhere.csv" in fails(predict.main, photos, "--boxes", tmp_path / "nowhere.csv", *out)
    assert not model.asked


@pytest.mark.parametrize("words", [("--garments", "all"), ("--detector", "shipped"), ("--garments", "largest")])
def test_the_shipped_detector_finds_the_garments(tmp_path: Path, capsys, words: tuple[str, str]):
    scene = Path(__file__).parents[1] / "golden" / "shipped" / "scenes" / "street.jpg"
    run(scene, *words, "--out", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == (1 if "largest" in words else 3) and all(row["box_left"] and row["score"] for row in rows)
    assert ("no --detector: the detector is the shipped one" in capsys.readouterr().out) == ("--detector" not in words)


def test_without_a_detector_the_table_is_as_it_was(photos: Path, model: Model, tmp_path: Path):
    run(photos, "--out", tmp_path / "out.json", "--detector", "none")
    rows = json.loads((tmp_path / "out.json").read_text())
    names = ["photo", "error", "width", "height", "garment", "category", "category_probability", "region", "keypoints"]
    assert [list(row) for row in rows] == [[*names, "attributes", "measurements"]] * 4
