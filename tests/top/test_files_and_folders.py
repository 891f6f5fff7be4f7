"""A folder where a command expects a file, or a file where it expects a folder, is named, with what was expected."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import CATEGORY_KEYPOINTS, KEYPOINTS
from aifashion.top.cli import main

TRAIN = ("--network", "lite", "--size", "64")
FILES = [
    ("score", "keypoints", "--truth", "{folder}", "--predicted", "{file}"),
    ("score", "attributes", "--truth", "{folder}", "--predicted", "{file}"),
    ("score", "styles", "--truth", "{folder}", "--predicted", "{file}"),
    ("score", "products", "--truth", "{folder}", "--predicted", "{file}"),
    ("data", "to-coco", "{keypoints}", "--out", "{folder}"),
    ("data", "from-coco", "{folder}", "--out", "{new}"),
    ("data", "fetch-styles", "{folder}", "--out", "{new}"),
    ("weights", "convert", "{folder}", "--backbone", "resnet18d", "--out", "{new}.weights.h5"),
]
FOLDERS = [
    ("data", "synth", "--out", "{file}"),
    ("data", "synth-styles", "--out", "{file}"),
    ("data", "synth-products", "--out", "{file}"),
    ("data", "synth", "--out", "{file}/deeper"),
    ("data", "check", "{file}"),
    ("data", "crop", "--data", "{file}", "--out", "{new}"),
    ("data", "preview", "--data", "{file}"),
    ("data", "preview", "--task", "keypoints", "--data", "{file}"),
    ("train", *TRAIN, "--data", "{file}"),
    ("train", *TRAIN, "--out", "{file}"),
    ("train", *TRAIN, "--out", "{file}/deeper"),
    ("train-attributes", *TRAIN, "--out", "{file}"),
    ("evaluate", "{file}"),
    ("export", "{file}"),
    ("export", "shipped", "--out", "{file}"),
    ("demo", "shirt.jpg", "--out", "{file}"),
    ("demo", "shirt.jpg", "--out", "{file}/deeper"),
]


def error_of(words: tuple[str, ...], tmp_path: Path, fails) -> str:
    """Also checks that nothing was made."""
    names = {name: tmp_path / name for name in ("folder", "file", "new", "keypoints")}
    (names["folder"] / "inside").mkdir(parents=True)
    (tmp_path / "Images" / "skirt").mkdir(parents=True)
    names["file"].write_text("hello\n")
    cells = ["1_2_1" if name in CATEGORY_KEYPOINTS["skirt"] else "-1_-1_-1" for name in KEYPOINTS]
    rows = (("image_id", "image_category", *KEYPOINTS), ("Images/skirt/a.jpg", "skirt", *cells))
    names["keypoints"].write_text("".join(",".join(row) + "\n" for row in rows))
    cv2.imwrite(str(tmp_path / "Images" / "skirt" / "a.jpg"), np.zeros((8, 8, 3), np.uint8))
    before = sorted(tmp_path.rglob("*"))
    error = fails(main, *(word.format(**names) for word in words))
    assert sorted(path for path in tmp_path.rglob("*") if not path.name.endswith(".lock")) == before
    return error


@pytest.mark.parametrize("words", FILES, ids=" ".join)
def test_a_folder_where_a_file_is_expected(words, tmp_path, fails):
    error = error_of(words, tmp_path, fails)
    assert f"{tmp_path / 'folder'}" in error and "folder; expected " in error and "file" in error


@pytest.mark.parametrize("words", FOLDERS, ids=" ".join)
def test_a_file_where_a_folder_is_expected(words, tmp_path, fails):
    error = error_of(words, tmp_path, fails)
    assert f"{tmp_path / 'file'}" in error and "a file" in error and "expected a " in error and "folder" in error
