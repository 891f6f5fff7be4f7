import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aifashion.data_gen.formats.problems import FormatError
from aifashion.recognition.photo_lists import read_photo_list


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ph").mkdir()
    for name in ("p1.png", "p2.png", "x", "a, b.jpg", "c;d.jpg"):
        (tmp_path / "ph" / name).write_bytes(b"")
    return tmp_path


def listed(folder: Path, name: str, data: str | bytes) -> list[str]:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return [os.path.relpath(photo, folder) for photo in read_photo_list(path)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a.jpg\nsub/b.jpg\n", ["a.jpg", "sub/b.jpg"]),
        ("image_id,image_category\na.jpg,skirt\n\n  b.jpg ,dress\n", ["a.jpg", "b.jpg"]),
        ("\ufeffa.jpg\n,x\nb.jpg\n", ["a.jpg", "b.jpg"]),
        ("nowhere.jpg\na.jpg\n", ["nowhere.jpg", "a.jpg"]),  # a photo that is missing is an error, not a header
        ("ph/missing\nph/x\n", ["ph/missing", "ph/x"]),
        ("missing\nph/x\n", ["missing", "ph/x"]),
        ('"a, b.jpg",x\n', ["a, b.jpg"]),
        ("ph/a, b.jpg\nph/p1.png", ["ph/a, b.jpg", "ph/p1.png"]),
        ("ph/c;d.jpg\nph/p1.png", ["ph/c;d.jpg", "ph/p1.png"]),
        ("path;label\r\nph/p1.png;5\r\nph/p2.png;6\r\n", ["ph/p1.png", "ph/p2.png"]),
        ("path\tlabel\nph/p1.png\t5\nph/p2.png\t6\n", ["ph/p1.png", "ph/p2.png"]),
        ("sku,photo\n17,ph/p1.png\n18,nowhere.png\n", ["ph/p1.png", "nowhere.png"]),
        ("id,photo\n17,ph/p1\n18,nowhere\n", ["ph/p1", "nowhere"]),
        ("Artikel,Bild\n17,ph/p1.png\n", ["ph/p1.png"]),  # a header in other words, above photos that are there
        ("17,ph/p1.png\n18,ph/p2.png\n", ["ph/p1.png", "ph/p2.png"]),
        ("photo,error\nph\\p1.png,\n", ["ph/p1.png"]),
        ("a.jpg,skirt,\n\nb.jpg\n", ["a.jpg", "b.jpg"]),
        ("ph/p1.png\rph/p2.png\r", ["ph/p1.png", "ph/p2.png"]),
        ('"ph/p1.png"\n"no ""such"".png"\n', ["ph/p1.png", 'no "such".png']),
    ],
)
def test_photos_of_a_csv(folder: Path, text: str, names: list[str]):
    assert listed(folder, "list.csv", text) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ph/p1.png\nph/a, b.jpg\nnowhere 1.png", ["ph/p1.png", "ph/a, b.jpg", "nowhere 1.png"]),
        ("ph/p1.png 3\nph/p2.png 4\n", ["ph/p1.png", "ph/p2.png"]),
        ("photo\tlabel\nph/p1.png\t3\n", ["ph/p1.png"]),
        ("photo\nph/p1.png\n", ["ph/p1.png"]),
    ],
)
def test_photos_of_a_text(folder: Path, text: str, names: list[str]):
    assert listed(folder, "list.txt", text) == names


def test_other_encodings(folder: Path):
    assert listed(folder, "list.txt", "photo\r\nph/p1.png\r\n".encode("utf-16")) == ["ph/p1.png"]
    with pytest.raises(FormatError, match=r"latin\.csv:3: caf\\xe9\.png is not UTF-8 text"):
        listed(folder, "latin.csv", b"photo\nph/p1.png\ncaf\xe9.png\n")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("photo,color\nph/p1.png,red\nph/p2.png,caf\xe9\n", 3),
        ("photo,\xe9toffe\nph/p1.png,red\n", 1),
        ("\xe9toffe;photo\nred;ph/p1.png\n", 1),
        ("ph/p1.png\tcaf\xe9\n", 1),
    ],
)
@pytest.mark.parametrize("name", ["latin.csv", "latin.txt"])
def test_other_encodings_in_another_column_are_refused_with_the_line(folder: Path, name: str, text: str, line: int):
    with pytest.raises(
        FormatError, match=rf"{name}:{line}: .*\\xe9.* is not UTF-8 text, and there is no such file; save"
    ):
        listed(folder, name, text.encode("latin-1"))
    assert listed(folder, name, text) == ["ph/p1.png", "ph/p2.png"][: text.count("ph/")]


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="file names are UTF-8 there")
def test_a_name_that_is_not_utf8_is_found_as_bytes_and_as_the_table_writes_it(folder: Path):
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    for data in (b"photo\ncaf\xe9.png\n", b"photo\ncaf\\xe9.png\n"):
        assert listed(folder, "list.csv", data) == [os.fsdecode(b"caf\xe9.png")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", r"list\.csv: the file lists no photos"),
        (b"\n\n", "the file lists no photos"),
        (b"photo\n", "the file lists no photos"),
        (b",x\n", "lists no photos|none of the 2 columns"),
        (b'ph/p1.png\n"ph/p2.png\nph/x\n', r"list\.csv:2: not a CSV: unexpected end of data"),
        (b'photo,label\n"ph/p1.png\nph/p2.png",3\n', r"list\.csv:2: 'ph/p1.png\\nph/p2.png' has a line end"),
        (b"ph/p1.png\nph/p2\0.png\n", r"list\.csv:2: a NUL character"),
        (b"\x1f\x8b\x08\x00", "this is gzip"),
        (b"PAR1\x15\x04", "this is Parquet"),
        (b"sku,colour\n1,red\n2,blue\n", r"list\.csv:1: none of the 2 columns holds paths of photos"),
        (b"photo,label\nph/p1.png,5\nph/a, b.jpg,5\n", r"list\.csv:3: 3 cells; expected 2"),
        (b"id,url\n1,http://example.org/a.jpg\n", r"list\.csv:2: .* is a URL"),
    ],
)
def test_lists_that_are_refused(folder: Path, data: bytes, expected: str):
    with pytest.raises(FormatError, match=expected):
        listed(folder, "list.csv", data)


def test_rows_without_a_path_and_the_column_are_told(folder: Path, caplog):
    caplog.set_level("INFO")
    listed(folder, "list.csv", "sku,photo\n1,ph/p1.png\n2,\n3,\n")
    assert "list.csv: 2 rows without a path are left out, the first on line 3" in caplog.text
    assert "paths of photos in column 2 of 2, called 'photo'" in caplog.text


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/\\", exclude_categories=("Cc", "Cs")), min_size=1)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NAMES.map(lambda name: f"d/{name.strip()}.png"), min_size=1, max_size=5, unique=True), st.booleans())
def test_a_column_called_photo_is_read_as_it_was_written(tmp_path: Path, names: list[str], header: bool):
    import csv

    with (tmp_path / "list.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["sku", "photo"], *([number, name] for number, name in enumerate(names))])
    assert read_photo_list(tmp_path / "list.csv") == [str(tmp_path / name) for name in names]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.sampled_from(["list.csv", "list.txt", "list.tsv"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes, name: str):
    (tmp_path / name).write_bytes(data)
    try:
        assert all(isinstance(photo, str) for photo in read_photo_list(tmp_path / name))
    except FormatError as error:
        assert name in str(error)


def test_photos_in_a_second_column_are_told(folder: Path, caplog):
    assert listed(folder, "list.csv", "front,back\nph/p1.png,ph/p2.png\n") == ["ph/p1.png"]
    assert "column 2 has paths of photos as well, which are left out: one photo a row is read" in caplog.text
    caplog.clear()
    listed(folder, "other.csv", "photo,crop\nph/p1.png,nowhere.png\n")
    assert not caplog.records
