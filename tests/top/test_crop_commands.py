import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_crops import NETWORK, Maps, crop, files, run_folder, save

from aifashion.config import AttributeConfig
from aifashion.data_gen.formats.fashionai_attributes import attribute_heads, load_attribute_table
from aifashion.data_gen.images import read_image
from aifashion.data_gen.preprocess import PADDING
from aifashion.eval.activation import ActivationNet
from aifashion.recognition.attribute_model import AttributeModel, Calibration
from aifashion.records import CropRule
from aifashion.tasks.attribute_data import check_crop
from aifashion.top import crop_commands


def test_the_same_set_is_written_with_every_photo_cropped(crop_data: Path, maps: Maps, tmp_path: Path, capsys):
    out = tmp_path / "crops"
    crop(crop_data, out, "--batch-size", "3")
    assert files(out) == [
        "base/Annotations/label.csv",
        "base/Images/a.jpg",
        "base/Images/b.jpg",
        "base/Images/c.jpg",
        "crops.json",
        "crops_made.txt",
        "fashionAI_attributes_answer_a_1.csv",
        "rank/Images/q.png",
        "rank/Tests/question.csv",
    ]
    for name in files(crop_data):
        if name.endswith(".csv"):
            assert (out / name).read_bytes() == (crop_data / name).read_bytes()
    rule = {"kind": "heatmap", "margin": 0.05, "threshold": 0.2}
    settings = {"crop": rule, "model": "2026_01_01", "category": "all", "network": NETWORK}
    assert json.loads((out / "crops.json").read_text()) == settings
    text = " ".join(capsys.readouterr().out.split())
    # Each photo once, though a photo has two labels and another is asked for and answered.
    assert f"Wrote 4 crops to {out}, 0 were there already; 1 are whole photos" in text and "0 photos cannot be" in text
    assert maps.seen == 4 and maps.shapes == {(3, 64, 64, 3)}
    # Cells 3 to 12 wide, pixels 12 to 51; a twentieth of 40 on each side. The stripe ends at pixel 7.
    for name in ("base/Images/a.jpg", "rank/Images/q.png"):
        pixels = read_image(out / name).astype(int)
        assert pixels.shape == (44, 44, 3)
        np.testing.assert_allclose(pixels, np.broadcast_to([255, 0, 0], pixels.shape), atol=12)
    whole = read_image(out / "base/Images/b.jpg").astype(int)
    assert whole.shape == (64, 64, 3) and abs(whole - read_image(crop_data / "base/Images/b.jpg")).max() < 12
    # It can be trained on, and says what its photos are.
    table = load_attribute_table(out)
    assert len(table) == 3 and (table.codes >= 0).sum() == 4
    check_crop(out, CropRule("heatmap"))


def test_the_box_of_the_keypoints(crop_data: Path, maps: Maps, tmp_path: Path):
    # Points 36 px apart, that is 37 pixels. With a half on each side 74, but there are only 64.
    crop(crop_data, tmp_path / "tight", "--crop", "keypoints", "--margin", "0")
    assert read_image(tmp_path / "tight" / "base/Images/a.jpg").shape == (37, 37, 3)
    crop(crop_data, tmp_path / "wide", "--crop", "keypoints", "--margin", "0.5")
    wide = read_image(tmp_path / "wide" / "base/Images/a.jpg").astype(int)
    assert wide.shape == (64, 64, 3) and abs(wide - read_image(crop_data / "base/Images/a.jpg")).max() < 12
    assert json.loads((tmp_path / "wide" / "crops.json").read_text())["crop"]["margin"] == 0.5


def test_a_square_that_the_photo_does_not_hold_is_padded_and_not_squeezed(crop_data: Path, maps: Maps, tmp_path: Path):
    # Twice as wide as high: the network sees it with padding above and below, the points 36 px apart in 64 of 128.
    save(crop_data / "base" / "Images" / "a.jpg", (255, 0, 0), (128, 64))
    crop(crop_data, tmp_path / "wide", "--crop", "keypoints", "--margin", "0.2")
    wide = read_image(tmp_path / "wide" / "base/Images/a.jpg").astype(int)
    # 73 pixels and a fifth on each side: 102, of which 64 rows are photo and 19 on each side padding.
    assert wide.shape == (102, 102, 3)
    assert abs(wide[:17] - PADDING).max() < 30 and abs(wide[-17:] - PADDING).max() < 30
    assert abs(wide[22:80, 20:] - [255, 0, 0]).max() < 12


class Looks:
    """A classifier that looks at the red middle of a photo for skirts, and nowhere for necks."""

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        features = np.zeros((len(images), 8, 8, 1), np.float32)
        features[:, 3:5, 3:5, 0] = (images[:, 32, 32, 0] > 200)[:, None, None]
        return features, {"skirt_length": np.zeros((len(images), 5)) - 9, "neck_design": np.zeros((len(images), 5))}


@pytest.fixture
def looks(monkeypatch, tmp_path: Path) -> Looks:
    looks = Looks()
    heads = attribute_heads(ordinal=True)
    told = tuple(head for head in heads if head.name in ("skirt_length", "neck_design"))
    kernels = {"skirt_length": -np.ones((1, 5)), "neck_design": -np.ones((1, 5))}
    net = ActivationNet(looks, kernels, told, 64)
    run = run_folder(tmp_path / "runs" / "2026_02_02")
    model = AttributeModel(run, AttributeConfig(size=64), told, lambda images: {}, Calibration(), net)
    monkeypatch.setattr(crop_commands, "load_attribute_model", lambda path: model)
    return looks


def test_the_region_of_a_classifier_s_own_maps(crop_data: Path, looks: Looks, tmp_path: Path, fails):
    out = tmp_path / "crops"
    (crop_data / "base" / "Images" / "b.jpg").write_bytes(b"not a picture")
    crop(crop_data, out, "--crop", "cam", "--margin", "0", "--batch-size", "2")
    # Two warm cells of 8 px, and 6.4 px to each side of their centres: 20.8 px.
    for name in ("base/Images/a.jpg", "base/Images/c.jpg", "rank/Images/q.png"):
        pixels = read_image(out / name)
        assert abs(pixels.shape[0] - 20.8) <= 2 and pixels.shape[0] == pixels.shape[1]
        assert abs(pixels.astype(int) - [255, 0, 0]).max() < 12
    assert "base/Images/b.jpg" not in files(out)
    rule = {"kind": "cam", "margin": 0.0, "threshold": 0.2}
    settings = {"crop": rule, "model": "2026_02_02", "category": "all", "network": NETWORK}
    assert json.loads((out / "crops.json").read_text()) == settings
    check_crop(out, CropRule("cam", 0.0))


def test_a_classifier_that_does_not_tell_the_tasks_cannot_look(crop_data: Path, looks: Looks, tmp_path: Path, fails):
    label = crop_data / "base" / "Annotations" / "label.csv"
    label.write_text(label.read_text() + "Images/a.jpg,pant_length_labels,ynnnnn\n")
    error = fails(crop_commands.crop, "--data", crop_data, "--out", tmp_path / "crops", "--crop", "cam")
    assert "2026_02_02 was not trained for pant_length, so it has no maps of them" in error
    assert not (tmp_path / "crops").exists()


def test_photos_that_cannot_be_read_are_left_out_and_told(crop_data: Path, maps: Maps, tmp_path: Path, capsys):
    (crop_data / "base/Images/a.jpg").write_bytes(b"not a picture")
    out = tmp_path / "crops"
    crop(crop_data, out)
    text = capsys.readouterr().out
    assert "left out: " in text and str(crop_data / "base" / "Images" / "a.jpg") in text
    assert "Wrote 3 crops" in text and "1 photos cannot be read" in text
    assert "base/Images/a.jpg" not in files(out)


def test_a_list_whose_photos_lie_outside_the_folder_is_refused(crop_data: Path, maps: Maps, tmp_path: Path, fails):
    # From data/rank/Tests alone, the photos are in data/rank/Images: their crops would lie outside --out.
    error = fails(crop_commands.crop, "--data", crop_data / "rank" / "Tests", "--out", tmp_path / "deep" / "crops")
    assert f"lie outside {crop_data / 'rank' / 'Tests'}" in error and f"--data {crop_data / 'rank'}" in error
    assert not (tmp_path / "deep").exists() and maps.seen == 0


@pytest.mark.parametrize("inside", [".", "crops", "base/crops"])
def test_crops_do_not_go_among_the_photos(crop_data: Path, maps: Maps, fails, inside: str, monkeypatch):
    before = files(crop_data)
    monkeypatch.chdir(crop_data.parent)
    for root in (crop_data, Path(crop_data.name)):
        error = fails(crop_commands.crop, "--data", crop_data, "--out", root / inside)
        assert f"{root / inside} lies in {crop_data}" in error and files(crop_data) == before


def test_faulty_lists_are_told_before_anything_is_written(crop_data: Path, maps: Maps, tmp_path: Path, fails):
    label = crop_data / "base" / "Annotations" / "label.csv"
    label.write_text(label.read_text() + "Images/d.jpg,hat_labels,ynn\n")
    error = fails(crop_commands.crop, "--data", crop_data, "--out", tmp_path / "crops")
    assert f"{label}:5: unknown task 'hat_labels'" in error and "`aifashion data check` lists all problems" in error
    error = fails(crop_commands.crop, "--data", tmp_path / "nowhere", "--out", tmp_path / "crops")
    assert "no FashionAI attribute files" in error
    assert not (tmp_path / "crops").exists() and maps.seen == 0


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--batch-size", "0", "--batch-size 0: expected at least 1"),
        ("--margin", "9", "crop margin = 9.0; expected a number from 0 to 2"),
        ("--threshold", "1", "crop threshold = 1.0; expected a number between 0 and 1"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_read(tmp_path: Path, fails, option, value, message):
    out = tmp_path / "crops"
    assert fails(crop_commands.crop, "--data", tmp_path / "no", "--out", out, option, value) == message
    assert not out.exists()


def test_where_no_photo_can_be_read_no_list_is_written(crop_data: Path, maps: Maps, tmp_path: Path, fails):
    for photo in crop_data.rglob("Images/*"):
        photo.write_bytes(b"no photo")
    error = fails(crop_commands.crop, "--data", crop_data, "--out", tmp_path / "new")
    assert "none of the 4 photos could be read; no list is written" in error
    assert files(tmp_path / "new") == ["crops.json"]


def test_strict_says_in_the_exit_code_that_photos_failed(crop_data: Path, maps: Maps, tmp_path: Path, fails):
    (crop_data / "base" / "Images" / "c.jpg").write_bytes(b"no photo")
    error = fails(crop_commands.crop, "--data", crop_data, "--out", tmp_path / "crops", "--strict")
    assert "1 of 4 photos could not be read" in error and "rank/Tests/question.csv" in files(tmp_path / "crops")


def test_a_crop_is_encoded_whole_before_it_is_written(crop_data: Path, maps: Maps, tmp_path: Path, fails, monkeypatch):
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "encoder error -2 when writing image file")

    monkeypatch.setattr(Image.Image, "save", full)
    assert "encoder error" in fails(crop_commands.crop, "--data", crop_data, "--out", tmp_path / "crops")
    assert files(tmp_path / "crops") == ["crops.json"]
