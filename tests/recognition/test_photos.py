from pathlib import Path

import pytest

from aifashion.recognition.photos import find_photos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.PNG", "notes.txt", "sub/deep/c.webp", "sub/d.jpeg", "empty/readme.md", "e.tiff", "f.gif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def test_folders_are_replaced_by_all_photos_in_them(folder: Path):
    names = [path.relative_to(folder).as_posix() for path in find_photos([folder])]
    assert names == ["a.PNG", "b.jpg", "e.tiff", "sub/d.jpeg", "sub/deep/c.webp"]


def test_named_photos_are_taken_as_they_are_and_keep_their_place(folder: Path):
    wanted = [folder / "notes.txt", folder / "sub", folder / "nowhere.jpg"]
    assert find_photos(wanted) == [wanted[0], folder / "sub/d.jpeg", folder / "sub/deep/c.webp", wanted[2]]
    assert find_photos([]) == []


def test_a_folder_without_photos(folder: Path):
    with pytest.raises(FileNotFoundError, match=r"no photos \(.bmp, .jpeg, .* in .*empty$"):
        find_photos([folder / "b.jpg", folder / "empty"])
