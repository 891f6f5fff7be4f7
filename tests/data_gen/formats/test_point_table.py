from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto
from aifashion.data_gen.formats.point_table import COLUMNS, is_point_table, read_point_table, write_point_table
from aifashion.data_gen.formats.problems import FormatError
from aifashion.records import Keypoints
from aifashion.vocabulary import load_vocabulary
from labelled import garment, label_set, present

FASHIONAI = load_vocabulary()
HEADER = "photo,garment_id,category,keypoint,x,y,state\n"


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def made(root: Path):
    skirt = {"waistband_left": (10.125, 20, 1), "hemline_right": (30, 40, 0)}
    points = Keypoints(np.array([[1.5, 2.0], [3.0, 4.0]]), np.array([1, 1]))
    scored = LabelledGarment("x", "trousers", ("crotch", "waistband_left"), points, None, (0.25, 1.0))
    return label_set(
        root,
        LabelledPhoto("sub/a, b.jpg", (200, 100), (garment("skirt", skirt, FASHIONAI, (1.0, 2.0, 30.5, 44.0)), scored)),
        LabelledPhoto("none.jpg", (20, 30), ()),
        LabelledPhoto("bare.jpg", None, (garment("dress", {}, FASHIONAI),)),
    )


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_reading_inverts_writing(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"labels.{ending}"
    before = made(tmp_path)
    write_point_table(before, path, FASHIONAI)
    assert is_point_table(path)
    found = read_point_table(path)
    assert found.root == tmp_path and not found.problems
    assert [(p.file_name, p.size) for p in found.photos] == [(p.file_name, p.size) for p in before.photos]
    for photo, other in zip(found.photos, before.photos, strict=True):
        assert [(g.category, g.box, g.scores) for g in photo.garments] == [
            (g.category, g.box, g.scores) for g in other.garments
        ]
        assert [present(g) for g in photo.garments] == [present(g) for g in other.garments]
    assert found.photos[0].garments[1].id == "sub/a, b.jpg, garment 2"


def test_a_row_for_each_labelled_keypoint(tmp_path: Path) -> None:
    write_point_table(made(tmp_path), tmp_path / "t.csv", FASHIONAI)
    header, first, *rest = (tmp_path / "t.csv").read_text().splitlines()
    assert header == ",".join(COLUMNS)
    assert first == '"sub/a, b.jpg",200,100,1,skirt,waistband_left,10.125,20.0,visible,,1.0,2.0,30.5,44.0'
    assert rest[3:] == ["none.jpg,20,30,,,,,,,,,,,", "bare.jpg,,,1,dress,,,,,,,,,"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables_made_with_pandas_are_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"mine.{ending}"
    frame = pd.DataFrame(
        {
            "keypoint": ["waistband_left", "hemline_left", "crotch"],
            "x": [1, 2, 3],
            "y": [4.5, 5, 6],
            "note": ["mine", None, "x"],
            "photo": ["a.jpg", "a.jpg", "b.jpg"],
            "garment_id": [7, 7, 1],
            "visible": [True, False, True],
            "confidence": [0.5, 0.25, None],
            "category": ["skirt", "skirt", "trousers"],
        }
    )
    if ending == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    assert is_point_table(path)
    first, second = read_point_table(path).photos
    assert present(first.garments[0]) == {"waistband_left": (1, 4.5, 1), "hemline_left": (2, 5, 0)}
    assert (first.garments[0].scores, first.garments[0].id) == ((0.5, 0.25), "a.jpg, garment 7")
    assert second.garments[0].scores is None and present(second.garments[0]) == {"crotch": (3, 6, 1)}


def test_without_other_columns_a_photo_has_one_garment_and_all_is_visible(tmp_path: Path) -> None:
    path = table(
        tmp_path / "t.csv", "\ufeffphoto,category,keypoint,x,y\nsub\\a.jpg,skirt,p,1,2\nsub/a.jpg,skirt,q,3,4\n"
    )
    (photo,) = read_point_table(path).photos
    assert photo.file_name == "sub/a.jpg" and photo.size is None
    assert present(photo.garments[0]) == {"p": (1, 2, 1), "q": (3, 4, 1)}


def test_a_wrong_row_costs_its_garment_alone(tmp_path: Path) -> None:
    wrong = {
        "a.jpg,1,skirt,q,one,2,visible": "x: 'one'; expected a number",
        "a.jpg,2,skirt,q,,2,visible": "x: None; expected a number",
        "a.jpg,3,skirt,q,inf,2,visible": "x: 'inf'; expected a number",
        "a.jpg,4,skirt,q,1,2,seen": "state 'seen'; expected visible, hidden or absent",
        "a.jpg,5,skirt,p,1,2,visible": "p is there twice",
        "a.jpg,6,dress,q,1,2,visible": "category or box differ",
        "a.jpg,7,,q,1,2,visible": "no category",
        "a.jpg,8,skirt,q,1,2": "6 cells; expected 7",
        ",9,skirt,q,1,2,visible": "no photo",
        "../a.jpg,9,skirt,q,1,2,visible": "leads out",
    }
    good = [f"a.jpg,{n},skirt,p,1,2,visible" for n in range(1, 11)]
    path = table(tmp_path / "t.csv", HEADER + "\n".join([*good, "", *wrong, "a.jpg,10,skirt,q,0,0,absent"]) + "\n")
    found = read_point_table(path)
    # Rows 8 to 10 do not say of which garment they are.
    assert [garment.id[-2:].strip() for garment in found.photos[0].garments] == ["8", "9", "10"]
    assert present(found.photos[0].garments[-1]) == {"p": (1, 2, 1)}
    for line, (problem, reason) in enumerate(zip(found.problems, wrong.values(), strict=True), start=13):
        assert (problem.path, problem.line) == (path, line) and reason in problem.message


def test_rows_of_a_photo_must_agree_on_its_size(tmp_path: Path) -> None:
    header = "photo,width,height,garment_id,category,keypoint,x,y,score\n"
    rows = "a.jpg,20,10,1,skirt,p,1,2,1\na.jpg,20,11,1,skirt,q,1,2,1\n"
    rows += "a.jpg,20,10,2,skirt,q,1,2,2\na.jpg,20,10,3,s,q,1,2,1\n"
    found = read_point_table(table(tmp_path / "t.csv", header + rows))
    assert found.photos[0].size == (20, 10) and [g.category for g in found.photos[0].garments] == ["s"]
    assert [problem.line for problem in found.problems] == [3, 4]
    assert "(20, 11)" in found.problems[0].message and "score 2" in found.problems[1].message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("photo,category,keypoint,x\na,b,c,1\n", "no column y"),
        ("photo,photo,category,keypoint,x,y\n", "two columns photo"),
        (HEADER, "no rows"),
        (HEADER + "a.jpg,1,skirt,p,x,2,visible\n", "t.csv:2: x: 'x'"),
        (HEADER + 'a.jpg,1,skirt,"p"q,1,2,visible\n', "t.csv:2: not a CSV"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_point_table(table(tmp_path / "t.csv", text))


def test_files_of_other_kinds_are_not_recognised(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    table(tmp_path / "c.csv", "image_id,image_category\n")
    table(tmp_path / "d.txt", HEADER)
    assert not any(
        is_point_table(tmp_path / name) for name in ("a.parquet", "b.csv", "c.csv", "d.txt", "none.csv", ".")
    )
    with pytest.raises(FormatError, match="not a Parquet file"):
        read_point_table(tmp_path / "a.parquet")
    with pytest.raises(FormatError, match="not UTF-8"):
        read_point_table(tmp_path / "b.csv")


def test_a_damaged_page_of_a_parquet_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_point_table(made(tmp_path), path, FASHIONAI)
    data = bytearray(path.read_bytes())
    data[4:40] = bytes(36)  # the header of the first page; the columns are named at the end of the file
    path.write_bytes(data)
    assert is_point_table(path)
    with pytest.raises(FormatError, match=r"t\.parquet: not a Parquet file that can be read"):
        read_point_table(path)


def test_what_cannot_be_written_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "mine")
    with pytest.raises(ValueError, match="category 'skirt' is not in the vocabulary"):
        write_point_table(made(tmp_path), path, load_vocabulary("deepfashion2").restricted("vest"))
    other = label_set(
        tmp_path, LabelledPhoto("a.jpg", None, (garment("skirt", {"waistband_left": (1, 1, 1)}, FASHIONAI),))
    )
    with pytest.raises(ValueError, match="no keypoint waistband_left"):
        write_point_table(other, path, load_vocabulary("deepfashion2"))
    with pytest.raises(ValueError, match=r"must end in \.csv or \.parquet"):
        write_point_table(other, tmp_path / "t.xlsx", FASHIONAI)
    assert path.read_text() == "mine" and [p.name for p in tmp_path.iterdir()] == ["t.csv"]
