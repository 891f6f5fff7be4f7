import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.data_gen.formats.fashionai_attributes import attribute_heads, load_attribute_table
from aifashion.data_gen.images import read_image
from aifashion.data_gen.preprocess import PADDING
from aifashion.eval.activation import ActivationNet
from aifashion.files import locked
from aifashion.recognition.attribute_model import AttributeModel, Calibration
from aifashion.recognition.keypoint_model import KeypointModel
from aifashion.records import CropRule
from aifashion.tasks.attribute_data import check_crop
from aifashion.top import crop_commands
from aifashion.vocabulary import load_vocabulary
from small_attributes import write_rows

ALL = load_vocabulary()

CONFIG = KeypointConfig(network="lite", size=64, sigma=0.5)  # of which a single cell is warm
SKIRT = ALL.categories.index("skirt")
# Centres of cells of the 64 px input; photos are of 64 px, too.
POINTS = {
    "waistband_left": (17.5, 21.5),
    "waistband_right": (45.5, 21.5),
    "hemline_left": (13.5, 49.5),
    "hemline_right": (49.5, 49.5),
}


@dataclass
class Maps:
    """A keypoint network that sees a skirt where the photo is red in its middle, and nothing elsewhere."""

    seen: int = 0
    shapes: set = field(default_factory=set)

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        xy = np.array([POINTS.get(name, (0, 0)) for name in KEYPOINTS])
        heatmaps = CONFIG.codec.encode(xy, np.array([name in POINTS for name in KEYPOINTS]))
        red = images[:, 32, 32, 0] > 200
        self.seen += int((images.any(axis=(1, 2, 3))).sum())
        self.shapes.add(images.shape)
        return heatmaps * red[:, None, None, None], np.tile(np.eye(5, dtype=np.float32)[SKIRT], (len(images), 1))


NETWORK = hashlib.sha256(b'{"sha256": "7d"}').hexdigest()[:12]


def run_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "best.json").write_text('{"sha256": "7d"}')
    return path


@pytest.fixture
def maps(monkeypatch, tmp_path: Path) -> Maps:
    maps = Maps()
    model = KeypointModel(run_folder(tmp_path / "runs" / "2026_01_01"), CONFIG, maps, "argmax")
    monkeypatch.setattr(crop_commands, "load_keypoint_model", lambda run: model)
    return maps


def save(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((size[1], size[0], 3), colour, np.uint8)
    pixels[:, :8] = (0, 0, 255)  # a blue stripe, left of the garment
    Image.fromarray(pixels).save(path, quality=95, subsampling=0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    red, grey = (255, 0, 0), (90, 90, 90)
    for name, colour in (("a", red), ("b", grey), ("c", red)):
        save(root / "base" / "Images" / f"{name}.jpg", colour)
    save(root / "rank" / "Images" / "q.png", red)
    labels = [("Images/a.jpg", "skirt_length", "ynnnnn"), ("Images/a.jpg", "neck_design", "ynnnn")]
    labels += [(f"Images/{name}.jpg", "skirt_length", "nymnnn") for name in "bc"]
    write_rows(root / "base" / "Annotations" / "label.csv", labels)
    write_rows(root / "rank" / "Tests" / "question.csv", [("Images/q.png", "skirt_length", "?")])
    answers = [("Images/q.png", "skirt_length", "ynnnnn")]
    write_rows(root / "fashionAI_attributes_answer_a_1.csv", answers)
    return root


def crop(data: Path, out: Path, *words: str) -> None:
    crop_commands.crop(["--data", str(data), "--out", str(out), *words])


def files(folder: Path) -> list[str]:
    """All but the lock, which stays and is hidden."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name != ".lock")


def test_the_same_set_is_written_with_every_photo_cropped(data: Path, maps: Maps, tmp_path: Path, capsys):
    out = tmp_path / "crops"
    crop(data, out, "--batch-size", "3")
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
    for name in files(data):
        if name.endswith(".csv"):
            assert (out / name).read_bytes() == (data / name).read_bytes()
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
    assert whole.shape == (64, 64, 3) and abs(whole - read_image(data / "base/Images/b.jpg")).max() < 12
    # It can be trained on, and says what its photos are.
    table = load_attribute_table(out)
    assert len(table) == 3 and (table.codes >= 0).sum() == 4
    check_crop(out, CropRule("heatmap"))


def test_the_box_of_the_keypoints(data: Path, maps: Maps, tmp_path: Path):
    # Points 36 px apart, that is 37 pixels. With a half on each side 74, but there are only 64.
    crop(data, tmp_path / "tight", "--crop", "keypoints", "--margin", "0")
    assert read_image(tmp_path / "tight" / "base/Images/a.jpg").shape == (37, 37, 3)
    crop(data, tmp_path / "wide", "--crop", "keypoints", "--margin", "0.5")
    wide = read_image(tmp_path / "wide" / "base/Images/a.jpg").astype(int)
    assert wide.shape == (64, 64, 3) and abs(wide - read_image(data / "base/Images/a.jpg")).max() < 12
    assert json.loads((tmp_path / "wide" / "crops.json").read_text())["crop"]["margin"] == 0.5


def test_a_square_that_the_photo_does_not_hold_is_padded_and_not_squeezed(data: Path, maps: Maps, tmp_path: Path):
    # Twice as wide as high: the network sees it with padding above and below, the points 36 px apart in 64 of 128.
    save(data / "base" / "Images" / "a.jpg", (255, 0, 0), (128, 64))
    crop(data, tmp_path / "wide", "--crop", "keypoints", "--margin", "0.2")
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


def test_the_region_of_a_classifier_s_own_maps(data: Path, looks: Looks, tmp_path: Path, fails):
    out = tmp_path / "crops"
    (data / "base" / "Images" / "b.jpg").write_bytes(b"not a picture")
    crop(data, out, "--crop", "cam", "--margin", "0", "--batch-size", "2")
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


def test_a_classifier_that_does_not_tell_the_tasks_cannot_look(data: Path, looks: Looks, tmp_path: Path, fails):
    label = data / "base" / "Annotations" / "label.csv"
    label.write_text(label.read_text() + "Images/a.jpg,pant_length_labels,ynnnnn\n")
    error = fails(crop_commands.crop, "--data", data, "--out", tmp_path / "crops", "--crop", "cam")
    assert "2026_02_02 was not trained for pant_length, so it has no maps of them" in error
    assert not (tmp_path / "crops").exists()


def test_a_second_start_cuts_what_is_missing(data: Path, maps: Maps, tmp_path: Path, capsys):
    out = tmp_path / "crops"
    crop(data, out)
    before = {name: (out / name).read_bytes() for name in files(out) if name != "crops_made.txt"}
    (out / "base/Images/c.jpg").unlink()
    maps.seen = 0
    crop(data, out)
    assert maps.seen == 1 and all((out / name).read_bytes() == content for name, content in before.items())
    assert f"Wrote 1 crops to {out}, 3 were there already; 0 are whole photos" in " ".join(
        capsys.readouterr().out.split()
    )


def test_photos_that_cannot_be_read_are_left_out_and_told(data: Path, maps: Maps, tmp_path: Path, capsys):
    (data / "base/Images/a.jpg").write_bytes(b"not a picture")
    out = tmp_path / "crops"
    crop(data, out)
    text = capsys.readouterr().out
    assert "left out: " in text and str(data / "base" / "Images" / "a.jpg") in text
    assert "Wrote 3 crops" in text and "1 photos cannot be read" in text
    assert "base/Images/a.jpg" not in files(out)


def test_other_crops_are_not_mixed_with_those_there(data: Path, maps: Maps, tmp_path: Path, fails):
    out = tmp_path / "crops"
    crop(data, out)
    for options in (("--margin", "0.1"), ("--crop", "keypoints"), ("--threshold", "0.3")):
        error = fails(crop_commands.crop, "--data", data, "--out", out, *options)
        assert f"{out} was begun with crop {{'kind': 'heatmap', 'margin': 0.05, 'threshold': 0.2}}, not " in error
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    error = fails(crop_commands.crop, "--data", data, "--out", tmp_path / "mine")
    assert "holds other things (notes.txt)" in error and files(tmp_path / "mine") == ["notes.txt"]


def test_another_network_in_the_same_folder_makes_other_crops(data: Path, maps: Maps, tmp_path: Path, fails):
    out = tmp_path / "crops"
    crop(data, out)
    (tmp_path / "runs" / "2026_01_01" / "best.json").write_text('{"sha256": "8e"}')
    assert f"{out} was begun with network {NETWORK}, not " in fails(crop_commands.crop, "--data", data, "--out", out)
    # Older crops do not name the network and are taken for those of this one; kind and margin stood apart in them.
    settings = json.loads((out / "crops.json").read_text())
    del settings["network"]
    (out / "crops.json").write_text(json.dumps(settings | {"crop": "heatmap", "margin": 0.05}))
    crop(data, out)
    assert "was begun with crop" in fails(crop_commands.crop, "--data", data, "--out", out, "--margin", "0.1")


def test_a_list_whose_photos_lie_outside_the_folder_is_refused(data: Path, maps: Maps, tmp_path: Path, fails):
    # From data/rank/Tests alone, the photos are in data/rank/Images: their crops would lie outside --out.
    error = fails(crop_commands.crop, "--data", data / "rank" / "Tests", "--out", tmp_path / "deep" / "crops")
    assert f"lie outside {data / 'rank' / 'Tests'}" in error and f"--data {data / 'rank'}" in error
    assert not (tmp_path / "deep").exists() and maps.seen == 0


@pytest.mark.parametrize("inside", [".", "crops", "base/crops"])
def test_crops_do_not_go_among_the_photos(data: Path, maps: Maps, fails, inside: str, monkeypatch):
    before = files(data)
    monkeypatch.chdir(data.parent)
    for root in (data, Path(data.name)):
        error = fails(crop_commands.crop, "--data", data, "--out", root / inside)
        assert f"{root / inside} lies in {data}" in error and files(data) == before


def test_faulty_lists_are_told_before_anything_is_written(data: Path, maps: Maps, tmp_path: Path, fails):
    label = data / "base" / "Annotations" / "label.csv"
    label.write_text(label.read_text() + "Images/d.jpg,hat_labels,ynn\n")
    error = fails(crop_commands.crop, "--data", data, "--out", tmp_path / "crops")
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


def test_where_no_photo_can_be_read_no_list_is_written(data: Path, maps: Maps, tmp_path: Path, fails):
    for photo in data.rglob("Images/*"):
        photo.write_bytes(b"no photo")
    error = fails(crop_commands.crop, "--data", data, "--out", tmp_path / "new")
    assert "none of the 4 photos could be read; no list is written" in error
    assert files(tmp_path / "new") == ["crops.json"]


def test_strict_says_in_the_exit_code_that_photos_failed(data: Path, maps: Maps, tmp_path: Path, fails):
    (data / "base" / "Images" / "c.jpg").write_bytes(b"no photo")
    error = fails(crop_commands.crop, "--data", data, "--out", tmp_path / "crops", "--strict")
    assert "1 of 4 photos could not be read" in error and "rank/Tests/question.csv" in files(tmp_path / "crops")


def test_a_crop_is_encoded_whole_before_it_is_written(data: Path, maps: Maps, tmp_path: Path, fails, monkeypatch):
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "encoder error -2 when writing image file")

    monkeypatch.setattr(Image.Image, "save", full)
    assert "encoder error" in fails(crop_commands.crop, "--data", data, "--out", tmp_path / "crops")
    assert files(tmp_path / "crops") == ["crops.json"]


def test_two_at_once_and_what_a_killed_one_left(data: Path, maps: Maps, tmp_path: Path, fails):
    out = tmp_path / "crops"
    out.mkdir()
    with locked(out):
        assert "another command is writing to" in fails(crop_commands.crop, "--data", data, "--out", out)
    left = out / "base" / "Images" / ".0123abcd-a.jpg"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"cut sh")
    crop(data, out)
    assert "base/Images/a.jpg" in files(out) and not left.exists()


# ----------------------------------------------------------------------------- photos and crops that changed since


def older(out: Path) -> None:
    """As an earlier version left the folder: it kept no record of the photos."""
    (out / "crops_made.txt").unlink()


def set_time(path: Path, seconds: int) -> None:
    os.utime(path, ns=(seconds * 10**9, seconds * 10**9))


@pytest.mark.parametrize("from_earlier_version", [False, True])
def test_the_crop_of_a_replaced_photo_is_made_again(
    data: Path, maps: Maps, tmp_path: Path, capsys, from_earlier_version: bool
):
    out, photo = tmp_path / "crops", data / "base/Images/b.jpg"
    crop(data, out)
    if from_earlier_version:
        older(out)
    maps.seen = 0
    save(photo, (255, 0, 0))  # grey before, without a garment
    set_time(photo, 2_000_000_000)
    crop(data, out)
    assert maps.seen == 1 and read_image(out / "base/Images/b.jpg").shape == (44, 44, 3)
    text = " ".join(capsys.readouterr().out.split())
    assert "1 crops are made again: they are damaged, or their photos were changed since" in text
    assert f"Wrote 1 crops to {out}, 3 were there already" in text
    crop(data, out)
    assert maps.seen == 1


def test_a_photo_that_is_replaced_by_an_older_one_is_noticed(data: Path, maps: Maps, tmp_path: Path):
    out, photo = tmp_path / "crops", data / "base/Images/b.jpg"
    crop(data, out)
    save(photo, (255, 0, 0))
    set_time(photo, 1_000_000_000)
    crop(data, out)
    assert read_image(out / "base/Images/b.jpg").shape == (44, 44, 3)


@pytest.mark.parametrize(
    ("damage", "from_earlier_version"),
    # Nothing tells another picture from a crop of an earlier version.
    [("cut short", False), ("cut short", True), ("empty", False), ("empty", True), ("another picture", False)],
)
def test_a_crop_that_is_not_whole_is_made_again(
    data: Path, maps: Maps, tmp_path: Path, damage: str, from_earlier_version: bool
):
    out = tmp_path / "crops"
    crop(data, out)
    path = out / "base/Images/a.jpg"
    whole = path.read_bytes()
    if from_earlier_version:
        older(out)
    if damage == "another picture":
        save(path, (0, 255, 0))
    else:
        path.write_bytes(whole[:-40] if damage == "cut short" else b"")
    maps.seen = 0
    crop(data, out)
    assert maps.seen == 1 and path.read_bytes() == whole


def test_the_crop_of_a_photo_that_was_damaged_since_does_not_stay(data: Path, maps: Maps, tmp_path: Path, capsys):
    out, photo = tmp_path / "crops", data / "base/Images/a.jpg"
    crop(data, out)
    photo.write_bytes(photo.read_bytes()[:300])
    crop(data, out)
    text = " ".join(capsys.readouterr().out.split())
    assert f"left out: {photo}" in text and f"{out / 'base/Images/a.jpg'} is deleted" in text
    assert "base/Images/a.jpg" not in files(out) and "base/Images/b.jpg" in files(out)


def test_crops_of_photos_that_are_gone_stay(data: Path, maps: Maps, tmp_path: Path, capsys):
    out = tmp_path / "crops"
    crop(data, out)
    before, maps.seen = files(out), 0
    for photo in (data / "base/Images").iterdir():
        photo.unlink()
    crop(data, out)
    assert files(out) == before and maps.seen == 0
    assert "3 photos are gone, such as " in capsys.readouterr().out


def test_where_no_photo_can_be_read_any_more_no_crop_is_deleted(data: Path, maps: Maps, tmp_path: Path, fails):
    out = tmp_path / "crops"
    crop(data, out)
    before = files(out)
    for photo in data.rglob("Images/*"):
        photo.write_bytes(b"no photo")
    assert "none of the 4 photos could be read" in fails(crop_commands.crop, "--data", data, "--out", out)
    assert files(out) == before


def test_a_record_that_was_cut_short_costs_the_last_crop_alone(data: Path, maps: Maps, tmp_path: Path):
    out = tmp_path / "crops"
    crop(data, out)
    record = out / "crops_made.txt"
    record.write_bytes(record.read_bytes()[:-5])
    for seen in (1, 0):
        maps.seen = 0
        crop(data, out)
        assert maps.seen == seen


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("name", ["crops.json", "crops_made.txt", "base/Images/a.jpg"])
def test_what_is_no_file_is_not_waited_for(data: Path, maps: Maps, tmp_path: Path, fails, name: str):
    out = tmp_path / "crops"
    crop(data, out)
    (out / name).unlink()
    os.mkfifo(out / name)
    error = fails(crop_commands.crop, "--data", data, "--out", out)
    assert f"{out / name}: a named pipe; expected a file" in error
