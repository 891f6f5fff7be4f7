import pytest

from aifashion.data_gen.formats.photo_names import photos_of_names, posix_name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("a.jpg", "a.jpg"),
        (r"photos\day 1\a.jpg", "photos/day 1/a.jpg"),
        ("./photos//a.jpg ", "photos/a.jpg"),
        (r"photos/\xe9.jpg", r"photos/\xe9.jpg"),  # a byte that is no UTF-8, as tables have it
        ("/data/ä.jpg", "/data/ä.jpg"),
        ("Screenshot at 10.04\u202fPM.png", "Screenshot at 10.04\u202fPM.png"),  # as macOS names it
    ],
)
def test_names_are_written_with_forward_slashes(written, name):
    assert posix_name(written) == name


@pytest.mark.parametrize("written", ["", "  ", "a\nb.jpg", "a\0.jpg", "\udce9.jpg"])
def test_names_that_are_none_are_refused(written):
    with pytest.raises(ValueError, match="the name is empty or has a control character"):
        posix_name(written)


PHOTOS = ["photos/a.jpg", "photos/b/c.jpg", "photos/000017.jpg", "other/a.jpg"]


@pytest.mark.parametrize(
    ("name", "photo"),
    [
        ("photos/a.jpg", "photos/a.jpg"),
        ("/home/photos/a.jpg", "photos/a.jpg"),
        ("c.jpg", "photos/b/c.jpg"),
        ("b/c.jpg", "photos/b/c.jpg"),
        ("c", "photos/b/c.jpg"),
        ("b/c", "photos/b/c.jpg"),
        ("17", "photos/000017.jpg"),
        ("000017", "photos/000017.jpg"),
    ],
)
def test_a_name_means_the_photo_that_it_can_only_be(name, photo):
    assert photos_of_names([name], PHOTOS) == ({name: photo}, {})


@pytest.mark.parametrize("name", ["d.jpg", "x/c.jpg", "c.png", "18", "b", "photos"])
def test_other_names_mean_none(name):
    assert photos_of_names([name], PHOTOS) == ({}, {})


def test_names_that_can_mean_several_photos_mean_none_of_them():
    assert photos_of_names(["a.jpg"], PHOTOS) == (
        {},
        {"a.jpg": "it can mean photos/a.jpg and other/a.jpg: write the whole path"},
    )


def test_of_two_names_for_one_photo_its_path_counts_and_else_neither():
    meant, unclear = photos_of_names(["x/a.jpg", "y/a.jpg"], ["a.jpg"])
    assert meant == {} and set(unclear) == {"x/a.jpg", "y/a.jpg"}
    assert unclear["x/a.jpg"] == "y/a.jpg can mean the photo a.jpg as well: write the whole path"
    meant, unclear = photos_of_names(["x/a.jpg", "a.jpg"], ["a.jpg"])
    assert meant == {"a.jpg": "a.jpg"} and set(unclear) == {"x/a.jpg"}


def test_a_worse_name_of_a_photo_does_not_cost_a_better_one():
    photos = ["photos/000017.jpg"]
    meant, unclear = photos_of_names(["17", "000017.jpg", "000017"], photos)
    assert meant == {"000017.jpg": "photos/000017.jpg"} and set(unclear) == {"17", "000017"}
    assert unclear["17"] == "000017.jpg can mean the photo photos/000017.jpg as well: write the whole path"
    meant, unclear = photos_of_names(["17", "017"], photos)
    assert meant == {} and set(unclear) == {"17", "017"}


def test_photos_are_found_as_windows_and_links_write_them():
    meant, _ = photos_of_names(["day/a.jpg"], [r"C:\photos\day\a.jpg"])
    assert meant == {"day/a.jpg": r"C:\photos\day\a.jpg"}
    meant, _ = photos_of_names([r"day/\xe9.jpg"], ["day/\udce9.jpg"])
    assert meant == {r"day/\xe9.jpg": "day/\udce9.jpg"}
