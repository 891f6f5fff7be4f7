from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.eval.drawing import LEFT, RIGHT
from aifashion.records import HeadSpec
from aifashion.tasks.attributes import describe_targets
from aifashion.top import preview
from aifashion.vocabulary import load_vocabulary
from small_attributes import write_labelled

SHAPE = HeadSpec("shape", "exclusive", ("round", "square", "other", "none"))
STYLE = HeadSpec("style", "independent", ("sport", "lady"))
SMALL = ("--network", "lite", "--size", "64", "--batch-size", "6", "--val-fraction", "0.25")


def described(shape: list[float] | None, style: list[float] | None) -> str:
    """Of the second photo of a batch; None is not labelled."""
    batch = {
        "target/shape": np.array([[1, 0, 0, 0], shape or [0] * 4], np.float32),
        "known/shape": np.array([1, shape is not None], np.float32),
        "target/style": np.array([[1, 0], style or [0] * 2], np.float32),
        "known/style": np.array([1, style is not None], np.float32),
    }
    return describe_targets((SHAPE, STYLE), batch, 1)


@pytest.mark.parametrize(
    ("shape", "style", "text"),
    [
        ([0, 1, 0, 0], None, "square"),
        ([0, 0.2, 0.8, 0], None, "other 80%, square 20%"),
        ([0, 0.6, 0.4, 0], [1, 1], "square 60%, other 40%; sport, lady"),
        (None, [0.05, 0.95], "lady 95%, sport 5%"),
        ([0.4, 0.3, 0.2, 0.1], None, "round 40%, square 30%, other 20%"),  # the three largest
        ([0.99, 0.004, 0.006, 0], None, "round 99%"),
        (None, None, "no label"),
    ],
)
def test_the_labels_of_a_photo_in_words(shape, style, text: str):
    assert described(shape, style) == text


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_labelled(folder, {"skirt_length": 12, "neck_design": 12})
    return folder


def test_a_batch_is_drawn_with_its_labels(data: Path, tmp_path: Path, capsys, monkeypatch):
    drawn = []
    sheet = preview.contact_sheet
    monkeypatch.setattr(preview, "contact_sheet", lambda *args, **more: drawn.append(args) or sheet(*args, **more))
    out = tmp_path / "new" / "preview.jpg"
    preview.main([*SMALL, "--data", str(data), "--out", str(out)])
    with Image.open(out) as picture:
        picture.load()
        assert picture.size[0] > 4 * 256
    assert f"Wrote 6 photos as they enter the network to {out}" in capsys.readouterr().out
    images, columns, titles = drawn[0]
    assert [image.shape for image in images] == [(64, 64, 3)] * 6 and len(titles) == 6 and columns == 4
    assert all(title and title != "no label" for title in titles)
    assert [path.name for path in out.parent.iterdir()] == ["preview.jpg"]


def test_a_batch_of_keypoints_is_drawn_with_its_points(tmp_path: Path, monkeypatch, capsys, fails):
    from aifashion.data_gen.synthetic.writer import write_dataset

    folder, out, drawn = tmp_path / "data", tmp_path / "preview.png", []
    write_dataset(folder, 12, seed=0, size=96, test_count=1)
    sheet = preview.contact_sheet
    monkeypatch.setattr(preview, "contact_sheet", lambda *args, **more: drawn.append(args) or sheet(*args, **more))
    words = ["--network", "lite", "--size", "96", "--batch-size", "4", "--val-fraction", "0.3", "--data", str(folder)]
    plain = [
        "--rotate",
        "0",
        "--zoom",
        "0",
        "--shift",
        "0",
        "--no-flip",
        "--erase",
        "0",
        "--blur",
        "0",
        "--colour",
        "0",
    ]
    preview.main(["--task", "keypoints", *words, *plain, "--out", str(out)])
    images, columns, titles = drawn[0]
    assert len(images) == len(titles) == 4 and columns == 4 and set(titles) <= set(load_vocabulary().categories)
    assert "Wrote 4 photos" in capsys.readouterr().out
    # Points are drawn: pixels in the pure colours of left and right sides, which photos hardly have.
    for image in images:
        assert min((np.abs(image.astype(int) - colour).max(axis=2) < 12).sum() for colour in (LEFT, RIGHT)) > 20
    error = fails(preview.main, "--task", "keypoints", *words, "--category", "hat", "--out", out)
    assert "unknown category 'hat'" in error


def test_epoch_and_options_decide_the_picture(data: Path, tmp_path: Path):
    pictures = []
    for number, words in enumerate(([], [], ["--epoch", "2"], ["--seed", "1"], ["--task", "neck_design_labels"])):
        out = tmp_path / f"{number}.png"
        preview.main([*SMALL, "--data", str(data), "--out", str(out), *words])
        pictures.append(out.read_bytes())
    assert pictures[0] == pictures[1] and len(set(pictures)) == 4


def test_mistakes(data: Path, tmp_path: Path, fails):
    error = fails(preview.main, *SMALL, "--data", tmp_path, "--out", tmp_path / "x.jpg")
    assert "no FashionAI attribute" in error
    error = fails(preview.main, *SMALL[:4], "--batch-size", "99", "--data", data, "--out", tmp_path / "x.jpg")
    assert "do not fill a batch of 99" in error and not list(tmp_path.iterdir())


@pytest.mark.parametrize("task", ["skirt_length", "keypoints"])
def test_the_help_lists_what_changes_a_batch(task: str, capsys):
    with pytest.raises(SystemExit):
        preview.main(["--task", task, "--network", "lite", "--help"])
    said = capsys.readouterr().out
    assert all(option in said for option in ("--data", "--size", "--batch-size", "--rotate", "--erase", "--seed"))
    assert not any(option in said for option in ("--epochs INT", "--optimizer", "--learning-rate", "--ema", "--tag"))


def test_the_command_line_of_a_training_is_taken_as_it_is(data: Path, tmp_path: Path):
    out = tmp_path / "preview.jpg"
    preview.main([*SMALL, "--data", str(data), "--out", str(out), "--epochs", "3", "--optimizer", "sgd", "--tag", "a"])
    assert out.is_file()
