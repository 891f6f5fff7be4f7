from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from aifashion.boxes import UNKNOWN
from aifashion.data_gen.formats.label_masks import (
    garments_of_mask,
    read_label_categories,
    read_mask,
    read_mask_corrections,
)
from aifashion.data_gen.formats.problems import FormatError
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()


def table(folder: Path, *rows: str, header: str = "label,name,category") -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_the_table_says_what_a_label_is(tmp_path):
    path = table(tmp_path, "0,background,", "3,jeans,trousers", "65535,suit,?")
    assert read_label_categories(path, ALL) == {0: None, 3: ALL.category_index("trousers"), 65535: UNKNOWN}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("3,jeans,pants", r"labels.csv:3: unknown category 'pants'; expected none, \? or one of blouse, dress"),
        ("2,again,skirt", "labels.csv:3: the label 2 again"),
        ("02,again,skirt", "labels.csv:3: the label 2 again"),
        ("-1,x,skirt", "labels.csv:3: -1,x,skirt; expected a label of 0 to 65535"),
        ("65536,x,skirt", "labels.csv:3: 65536,x,skirt; expected a label"),
        ("3,skirt", "labels.csv:3: 3,skirt; expected label, name, category"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, row, message):
    with pytest.raises(FormatError, match=message):
        read_label_categories(table(tmp_path, "2,skirt,skirt", row), ALL)


def test_another_table_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"labels.csv:1: columns id,what; expected label,name,category"):
        read_label_categories(table(tmp_path, header="id,what"), ALL)


def test_corrections_say_what_labels_of_single_photos_are(tmp_path):
    path = table(tmp_path, "photos/0001.jpg,14,skirt", "photos/0001.jpg,5,", "2.png,7,?", header="photo,label,category")
    assert read_mask_corrections(path, ALL) == {
        "0001": {14: ALL.category_index("skirt"), 5: None},
        "2": {7: UNKNOWN},
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1.jpg,3,pants", "labels.csv:3: unknown category 'pants'; expected none"),
        ("1.png,2,skirt", "labels.csv:3: the label 2 of 1.png again"),
        ("1.jpg,x,skirt", "labels.csv:3: 1.jpg,x,skirt; expected a label of 0 to 65535"),
        ("1.jpg,3", "labels.csv:3: 1.jpg,3; expected photo, label, category"),
    ],
)
def test_a_wrong_correction_is_named(tmp_path, row, message):
    path = table(tmp_path, "1.jpg,2,dress", row, header="photo,label,category")
    with pytest.raises(FormatError, match=message):
        read_mask_corrections(path, ALL)


def test_masks_are_read_from_grey_values_palettes_and_matlab_files(tmp_path):
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(mask).save(tmp_path / "grey.png")
    palette = Image.fromarray(mask, mode="P")
    palette.putpalette([7 * i % 256 for i in range(768)])
    palette.save(tmp_path / "palette.png")
    Image.fromarray(mask > 5).save(tmp_path / "bits.png")
    Image.fromarray(300 * mask.astype(np.uint16)).save(tmp_path / "deep.png")
    scipy.io.savemat(tmp_path / "matlab.mat", {"groundtruth": mask})
    scipy.io.savemat(tmp_path / "doubles.mat", {"groundtruth": mask.astype(np.float64)})  # as MATLAB has numbers
    for name in ("grey.png", "palette.png", "matlab.mat", "doubles.mat"):
        assert read_mask(tmp_path / name).tolist() == mask.tolist(), name
    assert read_mask(tmp_path / "bits.png").tolist() == (mask > 5).astype(int).tolist()
    assert read_mask(tmp_path / "deep.png").tolist() == (300 * mask.astype(int)).tolist()


def test_what_is_no_mask_is_refused(tmp_path):
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(tmp_path / "colours.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "text.mat").write_text("no matrix")
    scipy.io.savemat(tmp_path / "two.mat", {"a": np.zeros((2, 2)), "b": np.zeros((2, 2))})
    scipy.io.savemat(tmp_path / "half.mat", {"a": np.full((2, 2), 0.5)})
    scipy.io.savemat(tmp_path / "below.mat", {"a": np.full((2, 2), -1, np.int16)})
    for name, message in {
        "colours.png": r"colours \(RGB\); expected grey values or a palette",
        "text.png": "cannot be read as a mask",
        "text.mat": "cannot be read as a MATLAB file",
        "two.mat": "has 2 variables; expected one matrix",
        "half.mat": "expected one matrix of whole numbers; got float64",
        "below.mat": "labels must be 0 to 65535; got -1",
    }.items():
        with pytest.raises(ValueError, match=message):
            read_mask(tmp_path / name)


def test_parts_of_a_garment_are_joined_and_specks_are_not():
    mask = np.zeros((100, 100), np.int32)
    mask[10:40, 10:30] = 1  # 600 px
    mask[60:70, 50:60] = 1  # 100 px, behind a bag
    mask[99, 99] = 1
    found = garments_of_mask(mask, {1: 3})
    assert found.boxes.tolist() == [[10, 10, 60, 70]]
    assert found.category.tolist() == [3]
    assert found.score.tolist() == [1]


def test_garments_too_small_and_other_labels_are_left_out():
    mask = np.zeros((100, 100), np.int32)
    mask[:3, :3], mask[50:, :] = 1, 2
    assert len(garments_of_mask(mask, {1: 0})) == 0
    assert len(garments_of_mask(mask, {2: None})) == len(garments_of_mask(mask, {})) == 0
