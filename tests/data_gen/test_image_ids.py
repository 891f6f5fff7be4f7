"""The ids of photos, and where they lead."""

from pathlib import Path

import pytest

from aifashion.data_gen.images import resolve_image
from links import link


def test_ids_resolve_below_the_root(tmp_path: Path) -> None:
    assert resolve_image(tmp_path, "Images/blouse/x.jpg") == tmp_path / "Images" / "blouse" / "x.jpg"
    assert resolve_image(tmp_path, "Images/a..b.jpg") == tmp_path / "Images" / "a..b.jpg"


@pytest.mark.parametrize(
    "image_id",
    [
        "/x.jpg",
        "C:/x.jpg",
        "C:x.jpg",
        "//host/x.jpg",
        "..\\x.jpg",
        "a\\x.jpg",
        "a/../../x.jpg",
        "..",
        ".",
        "./",
        "",
        " ",
        "a\0",
        "a\n",
    ],
)
def test_ids_that_leave_the_root_are_refused(tmp_path: Path, image_id: str) -> None:
    with pytest.raises(ValueError, match="image id") as caught:
        resolve_image(tmp_path, image_id)
    assert repr(image_id) in str(caught.value)


def test_links_out_of_the_root_are_followed_and_told_once(tmp_path: Path, caplog) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "Images").mkdir(parents=True)
    outside.mkdir()
    (outside / "x.jpg").touch()
    (root / "Images" / "inside.jpg").touch()
    link(root / "Images" / "link", outside)
    link(root / "Images" / "x.jpg", outside / "x.jpg")
    link(root / "Images" / "y.jpg", root / "Images" / "inside.jpg")
    link(root / "Images" / "circle.jpg", root / "Images" / "circle.jpg")
    caplog.set_level("INFO")
    resolve_image(root, "Images/y.jpg")
    assert not caplog.messages
    for image_id in ("Images/link/x.jpg", "Images/x.jpg", "Images/nowhere.jpg"):
        assert resolve_image(root, image_id) == root / image_id
    (told,) = caplog.messages
    assert told.startswith(f"{root}: links lead out of it and are followed, such as {root / 'Images/link/x.jpg'} -> ")
    for image_id in ("Images/circle.jpg", "Images/link/../../outside/x.jpg"):
        with pytest.raises(ValueError, match=r"a loop of links|'..' leads out"):
            resolve_image(root, image_id)


def test_names_of_windows_mean_the_photo_that_is_there(tmp_path: Path, caplog) -> None:
    (tmp_path / "Images" / "dress").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "Images" / "dress" / name).touch()
    (tmp_path.parent / "outside.jpg").touch()
    caplog.set_level("INFO")
    for image_id in ("Images\\dress\\a.jpg", "Images/dress\\b.jpg", "Images\\dress\\a.jpg"):
        assert resolve_image(tmp_path, image_id) == tmp_path / image_id.replace("\\", "/")
    (told,) = caplog.messages
    assert told == (
        f"{tmp_path}: \\ in names of photos is read as /, as Windows writes it, such as Images\\dress\\a.jpg: "
        "the photo is there"
    )
    for image_id in ("Images\\dress\\c.jpg", "..\\outside.jpg", "Images\\dress"):
        with pytest.raises(ValueError, match="it has a backslash; separate folders with /"):
            resolve_image(tmp_path, image_id)
