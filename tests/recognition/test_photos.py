import os
from pathlib import Path

import pytest

from aifashion.recognition.photos import find_photos
from links import link


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.PNG", "notes.txt", "sub/deep/c.webp", "sub/d.jpeg", "empty/readme.md", "e.tiff", "f.gif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def test_folders_are_replaced_by_all_photos_in_them(folder: Path):
    names = [path.relative_to(folder).as_posix() for path in find_photos([folder])]
    assert names == ["a.PNG", "b.jpg", "e.tiff", "f.gif", "sub/d.jpeg", "sub/deep/c.webp"]


def test_named_photos_are_taken_as_they_are_and_keep_their_place(folder: Path):
    wanted = [folder / "notes.txt", folder / "sub", folder / "nowhere.jpg"]
    assert find_photos(wanted) == [wanted[0], folder / "sub/d.jpeg", folder / "sub/deep/c.webp", wanted[2]]
    assert find_photos([]) == []


def test_a_folder_without_photos(folder: Path):
    with pytest.raises(FileNotFoundError, match=r"no photos \(.avif, .bmp, .* in .*empty$"):
        find_photos([folder / "b.jpg", folder / "empty"])


def test_hidden_files_and_folders_that_are_called_like_photos_are_none(folder: Path):
    (folder / "._b.jpg").write_bytes(b"")
    (folder / "shoot.jpg").mkdir()
    (folder / "shoot.jpg" / "g.jfif").write_bytes(b"")
    names = {path.relative_to(folder).as_posix() for path in find_photos([folder])}
    assert "shoot.jpg/g.jfif" in names and not {"._b.jpg", "shoot.jpg"} & names


def test_photos_that_cannot_be_read_are_counted(folder: Path, caplog):
    for name in ("x.jxl", "sub/y.JXL", "z.nef"):
        (folder / name).write_bytes(b"")
    found = find_photos([folder])
    assert not {path.suffix.lower() for path in found} & {".jxl", ".nef"}
    assert "left out: 2 .jxl, 1 .nef" in caplog.text


def test_linked_folders_are_searched_once_and_loops_end(folder: Path, tmp_path_factory, caplog):
    caplog.set_level("INFO")
    disk = tmp_path_factory.mktemp("disk")
    (disk / "in").mkdir()
    (disk / "in" / "z.jpg").write_bytes(b"")
    link(folder / "linked", disk)
    link(folder / "sub" / "again", disk / "in")
    link(folder / "sub" / "up", folder)
    link(folder / "inside", folder / "sub")
    link(disk / "in" / "loop", disk)
    link(folder / "w.jpg", disk / "in" / "z.jpg")
    link(folder / "lost.jpg", disk / "nowhere.jpg")
    names = [path.relative_to(folder).as_posix() for path in find_photos([folder])]
    assert [name for name in names if name.startswith(("sub/", "linked", "inside", "w", "lost"))] == [
        "linked/in/z.jpg",
        "lost.jpg",
        "sub/d.jpeg",
        "sub/deep/c.webp",
        "w.jpg",
    ]
    assert sum("links lead out of it and are followed" in text for text in caplog.messages) == 1


def test_other_files_are_counted(folder: Path, caplog):
    caplog.set_level("INFO")
    (folder / "IMG_0001").write_bytes(b"")
    find_photos([folder])
    assert "other files, which are no photos: 1 .md, 1 .txt, 1 without an ending" in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_pipes_and_hidden_folders_are_no_photos(folder: Path):
    os.mkfifo(folder / "pipe.jpg")
    (folder / ".trash").mkdir()
    (folder / ".trash" / "g.jpg").write_bytes(b"")
    names = {path.name for path in find_photos([folder])}
    assert not names & {"pipe.jpg", "g.jpg"} and "b.jpg" in names


def test_the_order_is_that_of_paths(tmp_path: Path):
    for name in ("a b/x.jpg", "a/x.jpg", "a.jpg", "a/b.jpg", "A.jpg", "a-1/x.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert find_photos([tmp_path]) == sorted(find_photos([tmp_path]))
