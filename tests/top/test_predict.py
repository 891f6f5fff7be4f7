import csv
import json
import os
from pathlib import Path

import pandas as pd
import pytest
from pretended_recognition import Model, run, seen

from aifashion.top import predict

# ------------------------------------------------------------------------------------------------------- the command


def test_a_folder_becomes_a_table(photos: Path, model: Model, tmp_path: Path, capsys):
    out = tmp_path / "tables" / "out.json"
    run(photos, "--out", out)
    rows = json.loads(out.read_text())
    assert [row["photo"] for row in rows] == [str(photos / name) for name in ("a.jpg", "b.jpg", "c bad.jpg", "d.jpg")]
    assert {name: value for name, value in rows[2].items() if value} == {
        "photo": str(photos / "c bad.jpg"),
        "error": f"{photos / 'c bad.jpg'} is cut short",
    }
    assert rows[2].keys() == rows[0].keys()
    point = {"x": 10.12, "y": 20.0, "score": 0.5, "visible": None, "hidden": None}
    assert rows[0]["keypoints"]["waistband_left"] == point
    assert list(rows[0]["keypoints"]) == ["waistband_left", "waistband_right", "hemline_right"]
    assert rows[3]["attributes"]["skirt_length"]["class"] == "Knee Length"
    assert rows[3]["attributes"]["style"]["labels"] == ["OL/commuter", "lady"]
    text = capsys.readouterr().out
    assert f"no answer: {photos / 'c bad.jpg'} is cut short" in text and f"Wrote 4 rows to {out}, 1 of them" in text
    assert seen(out.parent) == ["out.json"]
    assert {sample.category for sample in model.asked} == {None}


def test_a_second_start_goes_on_from_the_first(photos: Path, model: Model, tmp_path: Path, fails, capsys):
    out = tmp_path / "out.csv"
    model.stop_after = 3
    assert fails(predict.main, photos, "--out", out) == "stopped by the keyboard"
    assert not out.exists() and len(model.asked) == 3
    model.stop_after, model.asked = 10**9, []
    run(photos, "--out", out)
    # The one that could not be read is tried again.
    assert [sample.path.name for sample in model.asked] == ["c bad.jpg", "d.jpg"]
    assert "2 of 4 photos were done before, going on" in capsys.readouterr().out
    resumed = out.read_bytes()
    run(photos, "--out", out)
    assert len(model.asked) == 2 + 4 and out.read_bytes() == resumed
    assert seen(tmp_path) == ["out.csv", "photos"]


def test_an_answer_is_on_the_disk_before_the_next_photo(photos: Path, model: Model, tmp_path: Path):
    model.watched = tmp_path / "out.csv.partial"
    run(photos, "--out", tmp_path / "out.csv")
    assert model.lines == [1, 2, 3, 4]  # the model's name and a line for each photo


@pytest.mark.parametrize("changed", ["folder", "network", "category"])
def test_answers_of_other_networks_or_of_a_category_are_not_continued_and_not_lost(
    photos: Path, model: Model, tmp_path: Path, fails, changed: str
):
    model.stop_after = 2
    fails(predict.main, photos, "--out", tmp_path / "out.csv")
    model.stop_after, model.asked = 10**9, []
    if changed == "folder":
        model.name = "run3 + run2"
    if changed == "network":  # trained on, in the same folder
        model.digests = ["71", "83"]
    category = ("--category", "skirt") if changed == "category" else ()
    error = fails(predict.main, photos, "--out", tmp_path / "out.csv", *category)
    assert f"{tmp_path / 'out.csv.partial'} keeps 2 finished rows of an interrupted call with " in error
    assert not model.asked and not (tmp_path / "out.csv").exists()
    run(photos, "--out", tmp_path / "other.csv", *category)
    assert len(model.asked) == 4
    model.name, model.digests, model.asked = Model.name, ["71", "82"], []
    run(photos, "--out", tmp_path / "out.csv")
    assert len(model.asked) == 2


def test_rows_of_another_folder_are_kept_for_its_call(photos: Path, model: Model, tmp_path: Path, fails, capsys):
    model.stop_after = 2
    out, other = tmp_path / "out.csv", tmp_path / "other"
    fails(predict.main, photos, "--out", out)
    model.stop_after, model.asked = 10**9, []
    other.mkdir()
    (other / "e.jpg").write_bytes(b"")
    run(other, "--out", out)
    assert f"{out}.partial keeps 2 finished rows of photos that are not in this" in " ".join(
        capsys.readouterr().out.split()
    )
    model.asked = []
    run(photos, "--out", out)
    assert len(model.asked) == 2 and not out.with_name("out.csv.partial").exists()


def test_a_list_and_a_category(photos: Path, model: Model, tmp_path: Path):
    (photos / "list.csv").write_text("photo\nd.jpg\na.jpg\nd.jpg\n")
    run(photos / "list.csv", "--out", tmp_path / "out.parquet", "--category", "skirt")
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert table["photo"].tolist() == [str(photos / name) for name in ("d.jpg", "a.jpg", "d.jpg")]
    assert {sample.category for sample in model.asked} == {"skirt"}


def test_mistakes_are_reported_before_anything_is_done(photos: Path, model: Model, tmp_path: Path, fails):
    error = fails(predict.main, photos, "--out", tmp_path / "out.xlsx")
    assert "out.xlsx must end in .csv, .json, .parquet" in error
    error = fails(predict.main, photos, "--out", tmp_path / "out.csv", "--category", "dress")
    assert "unknown category 'dress'; expected one of skirt" in error
    error = fails(predict.main, photos, "--out", tmp_path / "out.csv", "--batch-size", 0)
    assert "--batch-size 0: expected a number of photos from 1" in error
    assert not model.asked and [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.parametrize("name", ["nowhere", "nowhere.jpg", "nowhere.csv", "list.pdf", "empty.txt", "folder"])
def test_where_nothing_is_answered_an_earlier_table_stays(model: Model, tmp_path: Path, fails, name: str):
    (tmp_path / "list.pdf").write_text("a.jpg")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "folder").mkdir()
    out = tmp_path / "out.csv"
    out.write_text("earlier")
    error = fails(predict.main, tmp_path / name, "--out", out)
    assert str(tmp_path / name) in error and out.read_text() == "earlier" and not model.asked


def test_photos_of_which_none_can_be_read_leave_the_table(model: Model, tmp_path: Path, fails):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a bad.jpg").write_bytes(b"no photo")
    out = tmp_path / "out.csv"
    out.write_text("earlier")
    assert "none of the 1 photos could be read" in fails(predict.main, tmp_path / "photos", "--out", out)
    assert out.read_text() == "earlier" and not out.with_name("out.csv.partial").exists()


def test_strict_says_in_the_exit_code_that_photos_failed(photos: Path, model: Model, tmp_path: Path, fails):
    error = fails(predict.main, photos, "--out", tmp_path / "out.csv", "--strict")
    assert "1 of 4 photos could not be read" in error and (tmp_path / "out.csv").exists()


def test_the_columns_do_not_depend_on_the_photos(photos: Path, model: Model, tmp_path: Path):
    run(photos, "--out", tmp_path / "all.csv")
    run(photos / "a.jpg", "--out", tmp_path / "one.csv")
    headers = {path.read_text().splitlines()[0] for path in tmp_path.glob("*.csv")}
    assert len(headers) == 1 and "hemline_left_hidden" in headers.pop()


@pytest.mark.skipif(os.name == "nt", reason="POSIX links and pipes")
def test_a_link_stays_and_a_pipe_is_written_into(photos: Path, model: Model, tmp_path: Path):
    from threading import Thread

    (tmp_path / "disk").mkdir()
    link, pipe = tmp_path / "link.csv", tmp_path / "pipe.csv"
    link.symlink_to(tmp_path / "disk" / "real.csv")
    run(photos, "--out", link)
    table = (tmp_path / "disk" / "real.csv").read_text()
    assert link.is_symlink() and len(table.splitlines()) == 5
    os.mkfifo(pipe)
    came: list[str] = []
    reader = Thread(target=lambda: came.append(pipe.read_text()))
    reader.start()
    run(photos, "--out", pipe)
    reader.join()
    assert came == [table] and pipe.is_fifo() and seen(tmp_path) == ["disk", "link.csv", "photos", "pipe.csv"]


def test_two_at_once_do_not_lose_a_table(photos: Path, model: Model, tmp_path: Path, fails):
    from aifashion.files import locked

    out = tmp_path / "out.csv"
    with locked(tmp_path / "out.csv.partial"):
        assert "another command is writing to" in fails(predict.main, photos, "--out", out)
    assert not out.exists() and not model.asked
    run(photos, "--out", out)
    assert len(out.read_text().splitlines()) == 5


def test_what_a_killed_command_left_is_swept(photos: Path, model: Model, tmp_path: Path):
    for name in (".0123abcd-out.csv", ".0123abcd-other.csv"):
        (tmp_path / name).write_text("cut sh")
    run(photos, "--out", tmp_path / "out.csv")
    assert seen(tmp_path) == [".0123abcd-other.csv", "out.csv", "photos"]


def test_a_list_is_not_replaced_by_its_table(photos: Path, model: Model, tmp_path: Path, fails):
    (photos / "list.csv").write_text("a.jpg\n")
    assert "is what is read" in fails(predict.main, photos / "list.csv", "--out", photos / "list.csv")
    assert (photos / "list.csv").read_text() == "a.jpg\n"


def test_codes_for_the_terminal_stay_away_from_it(photos: Path, model: Model, tmp_path: Path, capsys):
    name = "x\x1b[2J bad\nWrote 9 rows.jpg"
    (photos / name).write_bytes(b"")
    run(photos, "--out", tmp_path / "out.csv")
    text = capsys.readouterr().out
    assert "\x1b[2J" not in text and "x\\x1b[2J bad\\nWrote 9 rows.jpg is cut short" in text
    with (tmp_path / "out.csv").open(newline="") as file:
        assert str(photos / name) in [row["photo"] for row in csv.DictReader(file)]


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="file names are UTF-8 there")
@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_a_name_that_is_not_utf8_has_its_row(photos: Path, model: Model, tmp_path: Path, suffix: str):
    (photos / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"")
    out = tmp_path / f"out{suffix}"
    run(photos, "--out", out)
    read = {".csv": pd.read_csv, ".json": pd.read_json, ".parquet": pd.read_parquet}[suffix]
    assert str(photos / "caf\\xe9.jpg") in read(out)["photo"].tolist() and len(read(out)) == 5
