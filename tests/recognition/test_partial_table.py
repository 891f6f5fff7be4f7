import errno
import json
from pathlib import Path

import pytest

from aifashion.recognition.partial_table import PartialTable, stamp

SETTINGS = {"model": "run1", "networks": ["71"], "category": "auto"}


def row(name: str, error: str | None = None) -> dict:
    return {"photo": name, "error": error}


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    for name in "abc":
        (tmp_path / name).write_bytes(name.encode())
    return [str(tmp_path / name) for name in "abc"]


def fill(path: Path, photos: list[str], count: int, error: str | None = None) -> None:
    with PartialTable(path, photos, SETTINGS) as table:
        for index in list(table.left())[:count]:
            table.add(index, row(photos[index], error), stamp(photos[index]))


def again(path: Path, photos: list[str], settings: dict = SETTINGS) -> tuple[bool | None, list[int]]:
    with PartialTable(path, photos, settings) as table:
        return table.same, list(table.left())


def test_rows_come_back_in_the_order_of_the_photos(tmp_path: Path, photos: list[str]):
    path, twice = tmp_path / "partial", [*photos, photos[0]]
    assert again(path, twice) == (None, [0, 1, 2, 3])
    with PartialTable(path, twice, SETTINGS) as table:
        for index in (2, 0, 3, 1):
            table.add(index, row(twice[index]) | {"number": index}, stamp(twice[index]))
        assert table.done == 4 and [line["number"] for line in table.rows()] == [0, 1, 2, 3]


def test_it_goes_on_where_it_was(tmp_path: Path, photos: list[str]):
    path = tmp_path / "partial"
    fill(path, photos, 2)
    assert again(path, photos) == (True, [2])
    assert again(path, [photos[2], photos[1], "nowhere"]) == (True, [0, 2])
    fill(path, photos, 1)
    with PartialTable(path, photos, SETTINGS) as table:
        assert table.done == 3 and [line["photo"] for line in table.rows()] == photos


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_a_full_disk_names_the_file_and_keeps_the_rows(tmp_path: Path, photos: list[str]):
    path = tmp_path / "partial"
    full = pytest.raises(OSError, match="No space left on device; it keeps the rows so far")
    with full as caught, PartialTable(path, photos, SETTINGS) as table:
        table.add(0, row(photos[0]), stamp(photos[0]))
        table._file.close()
        table._file = open("/dev/full", "r+b")  # noqa: PTH123, SIM115
        table.add(1, row(photos[1]), stamp(photos[1]))
    assert caught.value.filename == str(path) and caught.value.errno == errno.ENOSPC
    assert again(path, photos) == (True, [1, 2])


def test_photos_that_failed_or_were_replaced_are_done_again(tmp_path: Path, photos: list[str]):
    path = tmp_path / "partial"
    fill(path, photos, 3)
    Path(photos[1]).write_bytes(b"another")
    assert again(path, photos) == (True, [1])
    fill(tmp_path / "failed", photos, 3, "cut short")
    assert again(tmp_path / "failed", photos) == (True, [0, 1, 2])


@pytest.mark.parametrize("cut", [1, 9, 40])
def test_a_line_cut_short_is_done_again(tmp_path: Path, photos: list[str], cut: int):
    path = tmp_path / "partial"
    fill(path, photos, 2)
    path.write_bytes(path.read_bytes()[:-cut])
    assert again(path, photos) == (True, [1, 2])
    fill(path, photos, 2)
    assert again(path, photos) == (True, [])


def test_a_line_that_was_changed_is_done_again(tmp_path: Path, photos: list[str]):
    path = tmp_path / "partial"
    fill(path, photos, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"error": null', b'"error": 1234')
    path.write_bytes(b"".join(lines))
    assert again(path, photos) == (True, [1])


@pytest.mark.parametrize("data", [b"", b"x", b"\n", json.dumps(SETTINGS).encode() + b"\n"])
def test_another_file_is_begun_anew(tmp_path: Path, photos: list[str], data: bytes):
    path = tmp_path / "partial"
    path.write_bytes(data)
    assert again(path, photos) == (False, [0, 1, 2]) and again(path, photos) == (True, [0, 1, 2])
    assert again(path, photos, SETTINGS | {"model": "run2"}) == (False, [0, 1, 2])


def test_rows_of_other_settings_stay(tmp_path: Path, photos: list[str]):
    path = tmp_path / "partial"
    fill(path, photos, 2)
    kept = path.read_bytes()
    message = r"partial keeps 2 finished rows .* with model run1, not run2: call it so again to finish that table"
    with pytest.raises(FileExistsError, match=message):
        PartialTable(path, photos, SETTINGS | {"model": "run2"})
    path.write_bytes(b"not this" + kept[8:])
    with pytest.raises(FileExistsError, match="of another version: finish that table with it, name another table"):
        PartialTable(path, photos, SETTINGS)
    path.write_bytes(kept)
    assert again(path, photos) == (True, [2])
    # What could not be read is not computed, so nothing is lost with it.
    path.unlink()
    fill(path, photos, 2, "cut short")
    assert again(path, photos, SETTINGS | {"model": "run2"}) == (False, [0, 1, 2])


def finished(path: Path, photos: list[str]) -> int:
    with PartialTable(path, photos, SETTINGS) as table:
        for index in list(table.left()):
            table.add(index, row(photos[index], None if Path(photos[index]).exists() else "gone"), stamp(photos[index]))
    return table.finish()


def test_answers_for_photos_of_another_list_stay(tmp_path: Path, photos: list[str]):
    path = tmp_path / "partial"
    fill(path, photos, 3)
    Path(photos[0]).write_bytes(b"replaced")
    assert finished(path, photos[2:]) == 1
    assert again(path, photos) == (True, [0, 2])
    assert finished(path, photos) == 0 and not path.exists()


def test_answers_for_photos_that_are_not_there_for_now_stay(tmp_path: Path, photos: list[str]):
    path = tmp_path / "partial"
    fill(path, photos, 2)
    Path(photos[0]).rename(tmp_path / "elsewhere")
    assert finished(path, photos) == 1
    (tmp_path / "elsewhere").rename(photos[0])
    assert again(path, photos) == (True, [1, 2])


@pytest.mark.parametrize("kind", ["notes", "link", "folder"])
def test_what_is_no_unfinished_table_stays(tmp_path: Path, photos: list[str], kind: str):
    path = tmp_path / "table.csv.partial"
    if kind == "folder":
        path.mkdir()
    else:
        notes = tmp_path / "notes" if kind == "link" else path
        notes.write_text("my notes\n")
        if kind == "link":
            path.symlink_to(notes)
    with pytest.raises(FileExistsError, match="is no unfinished table of this command: move it away"):
        PartialTable(path, photos, SETTINGS)
    assert path.is_dir() if kind == "folder" else path.read_text() == "my notes\n"
