import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, STYLES
from aifashion.eval.crops import Framed
from aifashion.eval.inference import PhotoResult
from aifashion.eval.two_stage import Recognition
from aifashion.geometry import identity
from aifashion.records import Box, HeadSpec, Prediction, Sample
from aifashion.top import predict
from aifashion.top.predict import listed_photos, read_partial, write_table
from aifashion.vocabulary import Vocabulary, load_vocabulary

ALL = load_vocabulary()

LENGTH = HeadSpec("skirt_length", "exclusive", ATTRIBUTE_TASKS["skirt_length"])
STYLE = HeadSpec("style", "independent", STYLES)


@dataclass
class Keypoints:
    vocabulary: Vocabulary = field(default_factory=lambda: ALL.restricted("skirt"))


@dataclass
class Model:
    """Both stages without a network; photos with `bad` in their names cannot be read."""

    name: str = "run1 + run2"
    digests: list[str] = field(default_factory=lambda: ["71", "82"])
    keypoints: Keypoints = field(default_factory=Keypoints)
    heads: tuple[HeadSpec, ...] = (LENGTH, STYLE)
    stop_after: int = 10**9
    watched: Path | None = None
    lines: list[int] = field(default_factory=list)
    asked: list[Sample] = field(default_factory=list)

    def recognise(self, samples: Iterable[Sample], batch_size: int, whole_photos: bool = True) -> Iterator[Recognition]:
        for number, sample in enumerate(samples):
            if number == self.stop_after:
                raise KeyboardInterrupt
            self.asked.append(sample)
            if self.watched is not None:
                self.lines.append(len(self.watched.read_text().splitlines()))
            if "bad" in sample.image_id:
                yield Recognition(PhotoResult(sample, error=f"{sample.path} is cut short"))
                continue
            xy = np.array([[10.125, 20], [30, 20], [5, 60], [40, 60]])
            prediction = Prediction(sample.image_id, "skirt", None, xy, np.full(4, 0.5), np.array([1, 1, -1, 1]))
            result = PhotoResult(sample, prediction, None, np.zeros((2, 2, 4)), identity(), (64, 80))
            answers = {"skirt_length": np.eye(6)[2] * 0.75, "style": np.eye(13)[2] * 0.9 + np.eye(13)[8] * 0.6}
            yield Recognition(result, Framed(Box(1, 2, 50, 51), False), answers)


@pytest.fixture
def model(monkeypatch) -> Model:
    model = Model()
    monkeypatch.setattr(predict, "load_two_stage_model", lambda *runs: model)
    return model


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "c bad.jpg", "d.jpg"):
        (folder / name).write_bytes(b"")
    return folder


def run(*arguments: object) -> None:
    predict.main([str(argument) for argument in arguments])


# --------------------------------------------------------------------------------------------------------- the photos


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a.jpg\nsub/b.jpg\n", ["a.jpg", "sub/b.jpg"]),
        ("image_id,image_category\na.jpg,skirt\n\n  b.jpg ,dress\n", ["a.jpg", "b.jpg"]),
        ("\ufeffa.jpg\n,x\nb.jpg\n", ["a.jpg", "b.jpg"]),
        ("nowhere.jpg\na.jpg\n", ["nowhere.jpg", "a.jpg"]),  # a photo that is missing is an error, not a header
        ("plain\na.jpg\n", ["plain", "a.jpg"]),  # a file of that name is there
        ('"a, b.jpg",x\n', ["a, b.jpg"]),
    ],
)
def test_photos_of_a_list(tmp_path: Path, text: str, names: list[str]):
    if text.startswith("plain"):
        (tmp_path / "plain").write_bytes(b"")
    (tmp_path / "list.csv").write_text(text)
    assert listed_photos(tmp_path / "list.csv") == [tmp_path / name for name in names]


@pytest.mark.parametrize("text", ["", "\n\n", "photo\n", ",x\n"])
def test_a_list_without_photos(tmp_path: Path, text: str):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(ValueError, match=r"list\.csv lists no photos"):
        listed_photos(tmp_path / "list.csv")


# -------------------------------------------------------------------------------------------------------- the tables


def facts(photo: str, **changes: Any) -> dict[str, Any]:
    whole = {
        "photo": photo,
        "width": 64,
        "height": 80,
        "category": "skirt",
        "category_probability": 0.5,
        "region": [1, 2, 50, 51],
        "keypoints": {"waistband_left": {"x": 10.5, "y": 20.0, "score": 0.5}},
        "attributes": {
            "skirt_length": {"class": "Knee Length", "probability": 0.75, "probabilities": {"Knee Length": 0.75}},
            "style": {"labels": ["OL/commuter", "lady"], "probabilities": {}},
        },
    }
    return whole | changes


BROKEN = {"photo": "b.jpg", "error": "b.jpg is cut short"}
FLAT = {
    "photo": "a.jpg",
    "error": None,
    "width": 64,
    "height": 80,
    "category": "skirt",
    "category_probability": 0.5,
    "region_left": 1,
    "region_top": 2,
    "region_right": 50,
    "region_bottom": 51,
    "waistband_left_x": 10.5,
    "waistband_left_y": 20.0,
    "waistband_left_score": 0.5,
    "skirt_length": "Knee Length",
    "skirt_length_probability": 0.75,
    "style": "OL/commuter;lady",
}


def test_tables_in_every_form_say_the_same(tmp_path: Path):
    rows = [facts("a.jpg"), BROKEN]
    for suffix in (".csv", ".json", ".parquet", ".CSV"):
        write_table(tmp_path / f"out{suffix}", rows)
    assert json.loads((tmp_path / "out.json").read_text()) == rows
    with (tmp_path / "out.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first == {name: "" if value is None else str(value) for name, value in FLAT.items()}
    assert {name: value for name, value in second.items() if value} == BROKEN
    assert (tmp_path / "out.CSV").read_bytes() == (tmp_path / "out.csv").read_bytes()
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert table["photo"].tolist() == ["a.jpg", "b.jpg"] and table["style"][0] == "OL/commuter;lady"
    assert table["width"][0] == 64 and pd.isna(table["width"][1])
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith("out")]


# ------------------------------------------------------------------------------------------------ what was done before


def partial(path: Path, *lines: object, end: str = "\n") -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + end)
    return path


RUN1 = {"model": "run1", "networks": ["71"], "category": "auto"}
RUN2 = RUN1 | {"model": "run2"}


def stamped(photo: str) -> dict[str, Any]:
    """A line of a file that is not there, or is not there any more."""
    return facts(photo, stamp=[])


def test_photos_that_failed_or_were_replaced_are_read_again(tmp_path: Path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"old")
    state = photo.stat()
    line = facts(str(photo), stamp=[state.st_size, state.st_mtime_ns])
    path = partial(tmp_path / "out.csv.partial", RUN1, line, BROKEN | {"stamp": []}, facts("no stamp.jpg"))
    assert list(read_partial(path, RUN1)) == [str(photo)]
    photo.write_bytes(b"new and longer")
    assert read_partial(path, RUN1) == {}


def test_what_was_done_before_is_read_back(tmp_path: Path):
    path = partial(tmp_path / "out.csv.partial", RUN1, stamped("a.jpg"))
    assert read_partial(path, RUN1) == {"a.jpg": facts("a.jpg")}
    assert read_partial(tmp_path / "nothing.partial", RUN1) == {}
    assert read_partial(partial(path, RUN1), RUN1) == {}


@pytest.mark.parametrize("cut", ['{"photo": "c.jpg", "wid', '{"photo": "c.j', "{", '{"photo": "c.jpg", "error": null'])
def test_a_line_that_was_cut_short_is_left_out_for_good(tmp_path: Path, cut: str):
    path = partial(tmp_path / "out.csv.partial", RUN1, stamped("a.jpg"), cut, end="")
    assert list(read_partial(path, RUN1)) == ["a.jpg"]
    # What is added now begins on a new line.
    with path.open("a") as file:
        file.write(json.dumps(stamped("b.jpg")) + "\n")
    assert list(read_partial(path, RUN1)) == ["a.jpg", "b.jpg"]


def test_answers_of_another_model_are_discarded(tmp_path: Path, capsys):
    path = partial(tmp_path / "out.csv.partial", RUN1, stamped("a.jpg"))
    assert read_partial(path, RUN2) == {} and not path.exists()
    assert "comes from other networks or another --category: starting anew" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------- the command


def test_a_folder_becomes_a_table(photos: Path, model: Model, tmp_path: Path, capsys):
    out = tmp_path / "tables" / "out.json"
    run(photos, "--out", out)
    rows = json.loads(out.read_text())
    assert [row["photo"] for row in rows] == [str(photos / name) for name in ("a.jpg", "b.jpg", "c bad.jpg", "d.jpg")]
    assert rows[2] == {"photo": str(photos / "c bad.jpg"), "error": f"{photos / 'c bad.jpg'} is cut short"}
    assert rows[0]["keypoints"]["waistband_left"] == {"x": 10.12, "y": 20.0, "score": 0.5}
    assert list(rows[0]["keypoints"]) == ["waistband_left", "waistband_right", "hemline_right"]
    assert rows[3]["attributes"]["skirt_length"]["class"] == "Knee Length"
    assert rows[3]["attributes"]["style"]["labels"] == ["OL/commuter", "lady"]
    text = capsys.readouterr().out
    assert f"no answer: {photos / 'c bad.jpg'} is cut short" in text and f"Wrote 4 rows to {out}, 1 of them" in text
    assert [path.name for path in out.parent.iterdir()] == ["out.json"]
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
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "photos"]


def test_an_answer_is_on_the_disk_before_the_next_photo(photos: Path, model: Model, tmp_path: Path):
    model.watched = tmp_path / "out.csv.partial"
    run(photos, "--out", tmp_path / "out.csv")
    assert model.lines[1:] == [2, 3, 3]  # the model's name and a line for each photo that could be read


@pytest.mark.parametrize("changed", ["folder", "network", "category"])
def test_answers_of_other_networks_or_of_a_category_are_not_continued(
    photos: Path, model: Model, tmp_path: Path, fails, changed: str
):
    model.stop_after = 2
    fails(predict.main, photos, "--out", tmp_path / "out.csv")
    model.stop_after, model.asked = 10**9, []
    if changed == "folder":
        model.name = "run3 + run2"
    if changed == "network":  # trained on, in the same folder
        model.digests = ["71", "83"]
    run(photos, "--out", tmp_path / "out.csv", *(("--category", "skirt") if changed == "category" else ()))
    assert len(model.asked) == 4


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


@pytest.mark.parametrize("name", ["nowhere", "nowhere.jpg", "nowhere.csv", "list.txt"])
def test_where_nothing_is_answered_an_earlier_table_stays(model: Model, tmp_path: Path, fails, name: str):
    (tmp_path / "list.txt").write_text("a.jpg")
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
