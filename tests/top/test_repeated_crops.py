"""`aifashion data crop` started again, where crops are or photos have changed."""

import json
import os
from pathlib import Path

import pytest
from small_crops import NETWORK, Maps, crop, files, save

from aifashion.data_gen.images import read_image
from aifashion.files import locked
from aifashion.top import crop_commands


def test_a_second_start_cuts_what_is_missing(crop_data: Path, maps: Maps, tmp_path: Path, capsys):
    out = tmp_path / "crops"
    crop(crop_data, out)
    before = {name: (out / name).read_bytes() for name in files(out) if name != "crops_made.txt"}
    (out / "base/Images/c.jpg").unlink()
    maps.seen = 0
    crop(crop_data, out)
    assert maps.seen == 1 and all((out / name).read_bytes() == content for name, content in before.items())
    assert f"Wrote 1 crops to {out}, 3 were there already; 0 are whole photos" in " ".join(
        capsys.readouterr().out.split()
    )


def test_other_crops_are_not_mixed_with_those_there(crop_data: Path, maps: Maps, tmp_path: Path, fails):
    out = tmp_path / "crops"
    crop(crop_data, out)
    for options in (("--margin", "0.1"), ("--crop", "keypoints"), ("--threshold", "0.3")):
        error = fails(crop_commands.crop, "--data", crop_data, "--out", out, *options)
        assert f"{out} was begun with crop {{'kind': 'heatmap', 'margin': 0.05, 'threshold': 0.2}}, not " in error
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    error = fails(crop_commands.crop, "--data", crop_data, "--out", tmp_path / "mine")
    assert "holds other things (notes.txt)" in error and files(tmp_path / "mine") == ["notes.txt"]


def test_another_network_in_the_same_folder_makes_other_crops(crop_data: Path, maps: Maps, tmp_path: Path, fails):
    out = tmp_path / "crops"
    crop(crop_data, out)
    (tmp_path / "runs" / "2026_01_01" / "best.json").write_text('{"sha256": "8e"}')
    error = fails(crop_commands.crop, "--data", crop_data, "--out", out)
    assert f"{out} was begun with network {NETWORK}, not " in error
    # Older crops do not name the network and are taken for those of this one; kind and margin stood apart in them.
    settings = json.loads((out / "crops.json").read_text())
    del settings["network"]
    (out / "crops.json").write_text(json.dumps(settings | {"crop": "heatmap", "margin": 0.05}))
    crop(crop_data, out)
    assert "was begun with crop" in fails(crop_commands.crop, "--data", crop_data, "--out", out, "--margin", "0.1")


def test_two_at_once_and_what_a_killed_one_left(crop_data: Path, maps: Maps, tmp_path: Path, fails):
    out = tmp_path / "crops"
    out.mkdir()
    with locked(out):
        assert "another command is writing to" in fails(crop_commands.crop, "--data", crop_data, "--out", out)
    left = out / "base" / "Images" / ".0123abcd-a.jpg"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"cut sh")
    crop(crop_data, out)
    assert "base/Images/a.jpg" in files(out) and not left.exists()


# ----------------------------------------------------------------------------- photos and crops that changed since


def older(out: Path) -> None:
    """As an earlier version left the folder: it kept no record of the photos."""
    (out / "crops_made.txt").unlink()


def set_time(path: Path, seconds: int) -> None:
    os.utime(path, ns=(seconds * 10**9, seconds * 10**9))


@pytest.mark.parametrize("from_earlier_version", [False, True])
def test_the_crop_of_a_replaced_photo_is_made_again(
    crop_data: Path, maps: Maps, tmp_path: Path, capsys, from_earlier_version: bool
):
    out, photo = tmp_path / "crops", crop_data / "base/Images/b.jpg"
    crop(crop_data, out)
    if from_earlier_version:
        older(out)
    maps.seen = 0
    save(photo, (255, 0, 0))  # grey before, without a garment
    set_time(photo, 2_000_000_000)
    crop(crop_data, out)
    assert maps.seen == 1 and read_image(out / "base/Images/b.jpg").shape == (44, 44, 3)
    text = " ".join(capsys.readouterr().out.split())
    assert "1 crops are made again: they are damaged, or their photos were changed since" in text
    assert f"Wrote 1 crops to {out}, 3 were there already" in text
    crop(crop_data, out)
    assert maps.seen == 1


def test_a_photo_that_is_replaced_by_an_older_one_is_noticed(crop_data: Path, maps: Maps, tmp_path: Path):
    out, photo = tmp_path / "crops", crop_data / "base/Images/b.jpg"
    crop(crop_data, out)
    save(photo, (255, 0, 0))
    set_time(photo, 1_000_000_000)
    crop(crop_data, out)
    assert read_image(out / "base/Images/b.jpg").shape == (44, 44, 3)


@pytest.mark.parametrize(
    ("damage", "from_earlier_version"),
    # Nothing tells another picture from a crop of an earlier version.
    [("cut short", False), ("cut short", True), ("empty", False), ("empty", True), ("another picture", False)],
)
def test_a_crop_that_is_not_whole_is_made_again(
    crop_data: Path, maps: Maps, tmp_path: Path, damage: str, from_earlier_version: bool
):
    out = tmp_path / "crops"
    crop(crop_data, out)
    path = out / "base/Images/a.jpg"
    whole = path.read_bytes()
    if from_earlier_version:
        older(out)
    if damage == "another picture":
        save(path, (0, 255, 0))
    else:
        path.write_bytes(whole[:-40] if damage == "cut short" else b"")
    maps.seen = 0
    crop(crop_data, out)
    assert maps.seen == 1 and path.read_bytes() == whole


def test_the_crop_of_a_photo_that_was_damaged_since_does_not_stay(crop_data: Path, maps: Maps, tmp_path: Path, capsys):
    out, photo = tmp_path / "crops", crop_data / "base/Images/a.jpg"
    crop(crop_data, out)
    photo.write_bytes(photo.read_bytes()[:300])
    crop(crop_data, out)
    text = " ".join(capsys.readouterr().out.split())
    assert f"left out: {photo}" in text and f"{out / 'base/Images/a.jpg'} is deleted" in text
    assert "base/Images/a.jpg" not in files(out) and "base/Images/b.jpg" in files(out)


def test_crops_of_photos_that_are_gone_stay(crop_data: Path, maps: Maps, tmp_path: Path, capsys):
    out = tmp_path / "crops"
    crop(crop_data, out)
    before, maps.seen = files(out), 0
    for photo in (crop_data / "base/Images").iterdir():
        photo.unlink()
    crop(crop_data, out)
    assert files(out) == before and maps.seen == 0
    assert "3 photos are gone, such as " in capsys.readouterr().out


def test_where_no_photo_can_be_read_any_more_no_crop_is_deleted(crop_data: Path, maps: Maps, tmp_path: Path, fails):
    out = tmp_path / "crops"
    crop(crop_data, out)
    before = files(out)
    for photo in crop_data.rglob("Images/*"):
        photo.write_bytes(b"no photo")
    assert "none of the 4 photos could be read" in fails(crop_commands.crop, "--data", crop_data, "--out", out)
    assert files(out) == before


def test_a_record_that_was_cut_short_costs_the_last_crop_alone(crop_data: Path, maps: Maps, tmp_path: Path):
    out = tmp_path / "crops"
    crop(crop_data, out)
    record = out / "crops_made.txt"
    record.write_bytes(record.read_bytes()[:-5])
    for seen in (1, 0):
        maps.seen = 0
        crop(crop_data, out)
        assert maps.seen == seen


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("name", ["crops.json", "crops_made.txt", "base/Images/a.jpg"])
def test_what_is_no_file_is_not_waited_for(crop_data: Path, maps: Maps, tmp_path: Path, fails, name: str):
    out = tmp_path / "crops"
    crop(crop_data, out)
    (out / name).unlink()
    os.mkfifo(out / name)
    error = fails(crop_commands.crop, "--data", crop_data, "--out", out)
    assert f"{out / name}: a named pipe; expected a file" in error
