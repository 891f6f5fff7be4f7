"""The columns of tables: of the same networks always the same, and those that docs/files.md lists."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet
import pytest

from aifashion.recognition.columns import (
    FIRST,
    OF_KEYPOINT,
    OF_LENGTH,
    OF_SCALE,
    OF_SCALED_LENGTH,
    columns,
    flat_row,
    flat_rows,
)
from aifashion.recognition.tables import table_writer
from aifashion.records import HeadSpec
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()
SKIRTS = ALL.restricted("skirt")
LENGTH = HeadSpec("skirt_length", "ordinal", ("short", "long"))
STYLE = HeadSpec("style", "independent", ("OL/commuter", "lady"))
DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "files.md"
KINDS = {"text": "text", "whole": "whole number", "number": "number", "bool": "True or False"}


def facts(photo: str, **changes: Any) -> dict[str, Any]:
    whole = {
        "photo": photo,
        "error": None,
        "width": 64,
        "height": 80,
        "garment": True,
        "category": "skirt",
        "category_probability": 0.5,
        "region": [1, 2, 50, 51],
        "keypoints": {"waistband_left": {"x": 10.5, "y": 20.0, "score": 0.5, "visible": 0.75, "hidden": False}},
        "attributes": {
            "skirt_length": {"class": "long", "probability": 0.75, "probabilities": {"long": 0.75}},
            "style": {"labels": ["OL/commuter", "lady"], "probabilities": {}},
        },
    }
    return whole | changes


EMPTY = dict.fromkeys(("width", "height", "garment", "category", "category_probability", "region"))
BROKEN = facts("b.jpg", error="b.jpg is cut short", keypoints={}, attributes={}, **EMPTY)
FLAT = {
    "photo": "a.jpg",
    "error": None,
    "width": 64,
    "height": 80,
    "garment_id": 0,
    "garment": True,
    "category": "skirt",
    "category_probability": 0.5,
    "box_left": None,
    "box_top": None,
    "box_right": None,
    "box_bottom": None,
    "score": None,
    "region_left": 1,
    "region_top": 2,
    "region_right": 50,
    "region_bottom": 51,
    "waistband_left_x": 10.5,
    "waistband_left_y": 20.0,
    "waistband_left_score": 0.5,
    "waistband_left_visible": 0.75,
    "waistband_left_hidden": False,
    "skirt_length": "long",
    "skirt_length_probability": 0.75,
    "style": "OL/commuter;lady",
}


def test_all_keypoints_and_attributes_have_columns():
    names = [column.name for column in columns(SKIRTS, (LENGTH, STYLE))]
    expected = ["photo", "error", "width", "height", "garment_id", "garment", "category", "category_probability"]
    expected += ["box_left", "box_top", "box_right", "box_bottom", "score"]
    expected += ["region_left", "region_top", "region_right", "region_bottom"]
    for point in ("waistband_left", "waistband_right", "hemline_left", "hemline_right"):
        expected += [f"{point}_{part}" for part in ("x", "y", "score", "visible", "hidden")]
    expected += ["skirt_length", "skirt_length_probability", "style"]
    lengths = ("waist", "hem", "skirt_length", "side_left", "side_right")
    assert names == [*expected, *(f"{name}_{part}" for name in lengths for part in ("px", "ratio", "hidden"))]
    assert len(columns(ALL, ())) == 17 + 5 * 24 + 3 * 26


def test_with_a_scale_there_are_columns_in_cm():
    names = [column.name for column in columns(SKIRTS, (), scaled=True)]
    parts = ("px", "ratio", "hidden", "cm", "cm_se")
    lengths = ("waist", "hem", "skirt_length", "side_left", "side_right")
    assert names[17 + 5 * 4 :] == ["px_per_cm", "scale_error", *(f"{n}_{part}" for n in lengths for part in parts)]
    measured = {"waist": {"px": 20.0, "px_se": 1.0, "ratio": 1.0, "hidden": False, "cm": 40.0, "cm_se": 2.0}}
    row = facts("a.jpg", measurements=measured, scale={"px_per_cm": 0.5, "error": None})
    flat = {"waist_px": 20.0, "waist_ratio": 1.0, "waist_hidden": False, "waist_cm": 40.0, "waist_cm_se": 2.0}
    assert flat_row(row) == FLAT | {"px_per_cm": 0.5, "scale_error": None} | flat


def test_names_that_clash_are_refused():
    with pytest.raises(ValueError, match="the column 'hemline_left_x'"):
        columns(SKIRTS, (HeadSpec("hemline_left_x", "exclusive", ("a", "b")),))


def test_the_documentation_lists_these_columns():
    section = DOCS.read_text(encoding="utf-8").split("## Table of `aifashion predict`")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    listed = [(name, row[1]) for row in rows for name in re.findall(r"`([^`]+)`", row[0])]
    expected = [(column.name, KINDS[column.kind]) for column in FIRST]
    expected += [(f"KEYPOINT_{part}", KINDS[kind]) for part, kind in OF_KEYPOINT.items()]
    expected += [("TASK", "text"), ("TASK_probability", "number")]
    expected += [(column.name, KINDS[column.kind]) for column in OF_SCALE]
    parts = {**OF_LENGTH, **OF_SCALED_LENGTH}
    expected += [(f"MEASUREMENT_{part}", KINDS[kind]) for part, kind in parts.items()]
    assert listed == expected


@pytest.mark.parametrize("rows", [[facts("a.jpg"), BROKEN], [BROKEN], [facts("a.jpg")]])
def test_tables_in_every_form_say_the_same(tmp_path: Path, rows: list[dict[str, Any]]):
    of = columns(SKIRTS, (LENGTH, STYLE))
    names = [column.name for column in of]
    for suffix in (".csv", ".json", ".parquet", ".CSV"):
        table_writer(tmp_path / f"out{suffix}")(tmp_path / f"out{suffix}", iter(rows), of)
    assert json.loads((tmp_path / "out.json").read_text()) == rows
    with (tmp_path / "out.csv").open(newline="") as file:
        header, *lines = csv.reader(file)
    assert header == names and (tmp_path / "out.CSV").read_bytes() == (tmp_path / "out.csv").read_bytes()
    parquet = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    kinds = {"text": "string", "whole": "int64", "number": "double", "bool": "bool"}
    assert [(f.name, str(f.type)) for f in parquet.schema] == [(c.name, kinds[c.kind]) for c in of]
    for row, line, stored in zip(rows, lines, parquet.to_pylist(), strict=True):
        flat = dict.fromkeys(names) | flat_row(row)
        assert stored == flat
        assert line == ["" if value is None else str(value) for value in flat.values()]
    frame = pd.read_parquet(tmp_path / "out.parquet")
    assert str(frame["width"].dtype) == "Int64" and str(frame["garment"].dtype) == "boolean"


def test_a_row_in_one_level():
    assert flat_row(facts("a.jpg")) == FLAT


def garment(number: int) -> dict[str, Any]:
    """A garment of a photo, with a box."""
    row = {name: value for name, value in facts("a.jpg").items() if name not in ("photo", "error", "width", "height")}
    return {"garment_id": number, "box": [0.5, 1, 20, 30 + number], "score": 0.25} | row


def test_a_photo_with_garments_has_a_row_for_each(tmp_path: Path):
    photo = {"photo": "a.jpg", "error": None, "width": 64, "height": 80}
    broken = {"photo": "b.jpg", "error": "b.jpg is cut short", "width": None, "height": None, "garments": []}
    box = {"box_left": 0.5, "box_top": 1, "box_right": 20, "score": 0.25}
    photos = [photo | {"garments": [garment(0), garment(1)]}, broken]
    first, second = flat_rows(photos[0])
    assert first == FLAT | box | {"garment_id": 0, "box_bottom": 30}
    assert second == FLAT | box | {"garment_id": 1, "box_bottom": 31}
    (row,) = flat_rows(broken)
    assert {name: value for name, value in row.items() if value is not None} == {
        "photo": "b.jpg",
        "error": "b.jpg is cut short",
    }
    of = columns(SKIRTS, (LENGTH, STYLE))
    for suffix in (".csv", ".parquet", ".json"):
        table_writer(tmp_path / f"out{suffix}")(tmp_path / f"out{suffix}", iter(photos), of)
    stored = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert stored == [dict.fromkeys(column.name for column in of) | flat for flat in (first, second, row)]
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [line["garment_id"] for line in csv.DictReader(file)] == ["0", "1", ""]
    assert json.loads((tmp_path / "out.json").read_text()) == photos


def test_cells_with_separators_quotes_and_line_ends(tmp_path: Path):
    path, names = tmp_path / "out.csv", ['a, "b".jpg', "c\nd.jpg", "e\rf.jpg", " g;h.jpg"]
    table_writer(path)(path, [facts(name) for name in names], columns(SKIRTS, ()))
    with path.open(newline="", encoding="utf-8") as file:
        assert [row["photo"] for row in csv.DictReader(file)] == names


def test_a_table_of_nothing(tmp_path: Path):
    table_writer(tmp_path / "out.json")(tmp_path / "out.json", [], ())
    assert json.loads((tmp_path / "out.json").read_text()) == []
    with pytest.raises(ValueError, match=r"must end in \.csv, \.json, \.parquet"):
        table_writer(tmp_path / "out.xlsx")
