"""Lengths in the tables and pictures of the commands, and options that cannot be meant."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen.synthetic.scene import render
from aifashion.data_gen.synthetic.virtual_camera import Pinhole, Table
from aifashion.top import demo, predict

CAMERA = Pinhole((800, 700), 20, 40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A photo with a marker and a sheet beside trousers, and one with trousers alone."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    drawn = render(np.random.default_rng(107), 512, "trousers")
    table = Table.empty(110, 95, 10, rng)
    scale = 900 / max(drawn.image.shape[:2])
    table.lay(cv2.resize(drawn.image, None, fx=scale, fy=scale)[:930, :780], 1, 1)
    table.lay_marker(cv2.aruco.DICT_4X4_50, 7, 18.0, 84, 68)
    table.lay_sheet(21.0, 29.7, 82, 20)
    Image.fromarray(table.photographed(CAMERA, rng)).save(folder / "a.png")
    Image.fromarray(drawn.image).save(folder / "b.png")
    (folder / "boxes.csv").write_text(
        f"photo,left,top,right,bottom,category\n{folder / 'a.png'},130,190,360,530,trousers\n"
        f"{folder / 'b.png'},0,0,{drawn.image.shape[1]},{drawn.image.shape[0]},trousers\n"
    )
    return folder


def rows_of(folder: Path, out: Path, *options: str) -> list[dict[str, str]]:
    predict.main([str(folder), "--boxes", str(folder / "boxes.csv"), "--out", str(out), *options])
    with out.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_photo_s_failure_costs_its_cm_alone(folder, tmp_path, capsys):
    good, bad = rows_of(folder, tmp_path / "out.csv", "--marker", "aruco:4X4_50:7:18")
    assert good["scale_error"] == "" and float(good["px_per_cm"]) > 3
    assert 5 < float(good["waist_cm"]) < 80 and float(good["waist_cm_se"]) > 0 and good["chest_px"] == ""
    assert "no marker 7 of 4X4_50 in the photo" in bad["scale_error"]
    assert bad["waist_cm"] == bad["waist_cm_se"] == bad["px_per_cm"] == "" and float(bad["waist_px"]) > 10
    text = " ".join(capsys.readouterr().out.split())
    assert "1 of 2 rows have no lengths in cm; the column scale_error says why. First: " in text


def test_the_same_lengths_by_a_sheet_and_in_every_form(folder, tmp_path):
    marker = rows_of(folder, tmp_path / "a.csv", "--marker", "aruco:4X4_50:7:18")[0]
    sheet = rows_of(folder, tmp_path / "b.csv", "--sheet", "a4")[0]
    assert float(sheet["outseam_left_cm"]) == pytest.approx(float(marker["outseam_left_cm"]), rel=0.02)
    predict.main(
        [str(folder), "--boxes", str(folder / "boxes.csv"), "--out", str(tmp_path / "c.json"), "--sheet", "a4"]
    )
    photos = json.loads((tmp_path / "c.json").read_text())
    (garment,) = photos[0]["garments"]
    assert garment["measurements"]["outseam_left"]["cm"] == float(sheet["outseam_left_cm"])
    assert garment["scale"] == {"px_per_cm": float(sheet["px_per_cm"]), "error": None}
    assert "no a4 sheet" in photos[1]["garments"][0]["scale"]["error"]


def test_without_a_scale_there_are_px_and_ratios(folder, tmp_path):
    row = rows_of(folder, tmp_path / "out.csv")[0]
    assert float(row["waist_ratio"]) == 1 and not any("_cm" in name or name == "scale_error" for name in row)


def test_a_known_length(folder, tmp_path):
    row = rows_of(folder, tmp_path / "out.csv", "--known", "waist=42")[0]
    assert float(row["waist_cm"]) == 42 and float(row["waist_cm_se"]) == 0
    assert float(row["rise_cm"]) == pytest.approx(42 * float(row["rise_ratio"]), rel=1e-3)
    same = rows_of(folder, tmp_path / "same.csv", "--known", "waistband=42")[0]
    assert same["rise_cm"] == row["rise_cm"]


def test_measurements_of_a_file(folder, tmp_path):
    file = tmp_path / "own.toml"
    file.write_text('[trousers]\nknee = { between = ["crotch", "bottom_left_out"] }\n')
    row = rows_of(folder, tmp_path / "out.csv", "--measurements", str(file), "--px-per-cm", "10")[0]
    assert float(row["knee_cm"]) == pytest.approx(float(row["knee_px"]) / 10, abs=2e-3) and row["waist_cm"]


def test_an_interrupted_table_is_not_finished_with_another_scale(folder, tmp_path, fails, monkeypatch):
    words = [str(folder), "--boxes", str(folder / "boxes.csv"), "--out", str(tmp_path / "out.csv")]
    monkeypatch.setattr(predict, "table_writer", lambda path: lambda *_: (_ for _ in ()).throw(OSError("full")))
    fails(predict.main, *words, "--px-per-cm", "10")
    monkeypatch.undo()
    error = " ".join(fails(predict.main, *words).split())
    assert "finished rows of an interrupted call with scale {'px_per_cm': '10.0'}, not {}" in error


def test_an_interrupted_table_is_not_finished_with_another_calibration_of_the_same_name(
    folder, tmp_path, fails, monkeypatch
):
    camera = tmp_path / "camera.json"
    words = [str(folder), "--boxes", str(folder / "boxes.csv"), "--out", str(tmp_path / "out.csv")]
    words += ["--px-per-cm", "10", "--camera", str(camera)]
    matrix = [[1000, 0, 200], [0, 1000, 200], [0, 0, 1]]
    camera.write_text(json.dumps({"camera_matrix": matrix, "distortion_coefficients": [0.1, 0, 0, 0]}))
    monkeypatch.setattr(predict, "table_writer", lambda path: lambda *_: (_ for _ in ()).throw(OSError("full")))
    fails(predict.main, *words)
    monkeypatch.undo()
    camera.write_text(json.dumps({"camera_matrix": matrix, "distortion_coefficients": [0.2, 0, 0, 0]}))
    assert "finished rows of an interrupted call with scale" in " ".join(fails(predict.main, *words).split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--px-per-cm", "0"], "--px-per-cm 0.0: px per cm = 0.0; expected a number from 0.0001"),
        (["--px-per-cm", "1e308"], "px per cm = 1e+308; expected a number from 0.0001 to 1,000,000"),
        (["--known", "waist"], "--known waist: expected a name and its length in cm, such as waist=42"),
        (["--known", "waist=0"], "expected a name and its length in cm"),
        (["--known", "collar=3"], "no measurement and no pair of keypoints of fashionai is called so; there are chest"),
        (["--sheet", "a5"], "--sheet a5: sheet 'a5': expected a4 or letter"),
        (["--marker", "7"], "--marker 7: expected aruco:DICTIONARY:NUMBER:CM"),
        (["--marker", "aruco:4X4_50:70:10"], "the dictionary 4X4_50 has the markers 0 to 49; got 70"),
        (["--marker", "aruco:4X4:7:10"], "no dictionary of markers is called '4X4'"),
        (["--sheet", "a4", "--px-per-cm", "10"], "each give the scale: give one of them"),
        (["--camera", "c.yml"], "--camera c.yml is of use only with --sheet, --marker or --px-per-cm"),
        (["--camera", "c.yml", "--known", "waist=42"], "--camera and --known do not go together"),
        (["--camera", "nowhere.yml", "--sheet", "a4"], "nowhere.yml"),
        (["--measurements", "own.txt"], "expected a .toml file, or a .json file of GarmentIQ"),
        (["--measurements", "nowhere.toml"], "nowhere.toml"),
    ],
)
@pytest.mark.parametrize("command", [predict.main, demo.main])
def test_options_that_cannot_be_meant(folder, tmp_path, fails, options, message, command):
    error = fails(command, str(folder / "b.png"), "--out", tmp_path / "out.csv", *options)
    assert message in " ".join(error.split())
    assert not (tmp_path / "out.csv").exists()


def test_demo_draws_lengths_and_says_where_there_are_no_cm(folder, tmp_path, capsys):
    demo.main(
        [str(folder / "a.png"), str(folder / "b.png"), "--sheet", "a4", "--out", str(tmp_path / "out"), "--no-show"]
    )
    facts = json.loads((tmp_path / "out" / "results.json").read_text())
    assert facts[0]["scale"]["error"] is None and facts[1]["scale"]["error"].startswith("no a4 sheet")
    assert "b.png: no lengths in cm: no a4 sheet in the photo" in " ".join(capsys.readouterr().out.split())
