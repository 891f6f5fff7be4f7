from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from aifashion.data_gen.formats.aliproducts import (
    read_class_names,
    read_product_lists,
    read_product_test,
    write_product_submission,
)
from aifashion.data_gen.formats.problems import FormatError
from aifashion.data_gen.label_table import LabelTable, PhotoFiles
from aifashion.records import HeadSpec


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


class Loaded(NamedTuple):
    train: LabelTable
    val: LabelTable
    warnings: list[str]


def load(folder: Path, *train: str, val: tuple[str, ...] = ("val/x.jpg 0",), **more) -> Loaded:
    write(folder / "train.txt", *train)
    write(folder / "val.txt", *val)
    warnings = []
    tables = read_product_lists(folder, warn=warnings.append, **{"strict": True} | more)
    return Loaded(*tables, warnings)


def refused(folder: Path, *train: str, **more) -> list[str]:
    """The problems, without the folder of the list."""
    with pytest.raises(FormatError) as caught:
        load(folder, *train, **more)
    assert all(problem.path.parent == folder for problem in caught.value.problems)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def names(photos) -> list[str]:
    return [photos.name(row) for row in range(len(photos))]


def test_reads_both_lists(tmp_path: Path) -> None:
    found = load(tmp_path, "train/a.jpg 1", "train/b.jpg 0", "train/c.jpg 2", val=("val/a.jpg 2", "val/b.jpg 1"))
    assert found.train.heads == (HeadSpec("product", "exclusive", ("0", "1", "2")),)
    assert found.train.targets == (None,) and found.warnings == []
    np.testing.assert_array_equal(found.train.codes, [[1], [0], [2]])
    assert found.train.codes.dtype == np.int32
    assert names(found.train.photos) == ["train/a.jpg", "train/b.jpg", "train/c.jpg"]
    assert isinstance(found.train.photos, PhotoFiles)
    assert found.train.photos.path(0) == tmp_path / "train" / "a.jpg"
    assert found.val.heads == found.train.heads
    np.testing.assert_array_equal(found.val.codes, [[2], [1]])
    assert names(found.val.photos) == ["val/a.jpg", "val/b.jpg"]


def test_the_label_is_the_text_after_the_last_space(tmp_path: Path) -> None:
    found = load(tmp_path, "my shop/red  shirt 7.jpg 1", "裙子/ü.jpg\t0", "c.jpg   1 ", " d.jpg 00", "v1..2/e.jpg 1")
    assert names(found.train.photos) == ["my shop/red  shirt 7.jpg", "裙子/ü.jpg", "c.jpg", " d.jpg", "v1..2/e.jpg"]
    np.testing.assert_array_equal(found.train.codes[:, 0], [1, 0, 1, 0, 1])


def test_blank_lines_bom_crlf_and_a_missing_last_line_end_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes("\ufeffa.jpg 0\r\n\r\n  \r\nb.jpg 1".encode())
    write(tmp_path / "val.txt", "val/x.jpg 0")
    assert names(read_product_lists(tmp_path)[0].photos) == ["a.jpg", "b.jpg"]
    assert refused(tmp_path, "a.jpg 0", "", "b.jpg") == ["train.txt:3: 'b.jpg' has no label; expected `path label`"]


def test_classes_are_counted_over_both_lists(tmp_path: Path) -> None:
    found = load(tmp_path, "a.jpg 0", "b.jpg 1", val=("c.jpg 3",))
    assert found.train.heads[0].classes == ("0", "1", "2", "3")
    assert found.warnings == [f"{tmp_path / 'train.txt'}: 2 of 4 classes have no training photo: 2, 3"]


def test_the_number_of_classes_can_be_given(tmp_path: Path) -> None:
    found = load(tmp_path, "a.jpg 0", "b.jpg 19", classes=20)
    assert len(found.train.heads[0].classes) == 20
    (warning,) = found.warnings
    assert warning.endswith("18 of 20 classes have no training photo: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...")
    assert refused(tmp_path, "a.jpg 0", "b.jpg 20", classes=20) == [
        "train.txt:2: label '20'; expected a class, a whole number 0..19"
    ]
    with pytest.raises(ValueError, match="0 classes; expected 1 to 1,000,000"):
        load(tmp_path, "a.jpg 0", classes=0)


def test_class_names_can_be_given(tmp_path: Path) -> None:
    path = write(tmp_path / "names.txt", "red shirt", "skirt, long")
    found = load(tmp_path, "a.jpg 1", class_names=path)
    assert found.train.heads[0].classes == ("red shirt", "skirt, long")
    assert refused(tmp_path, "a.jpg 2", class_names=path) == [
        "train.txt:1: label '2'; expected a class, a whole number 0..1"
    ]
    assert refused(tmp_path, "a.jpg 1", class_names=path, classes=3) == [
        "names.txt: 2 names; expected one for each of 3 classes"
    ]


def test_class_names_with_a_blank_line_or_a_repetition_are_refused(tmp_path: Path) -> None:
    assert read_class_names(write(tmp_path / "x.txt", "a", "b", "", "")) == ("a", "b")
    with pytest.raises(FormatError, match=r"x\.txt:2: blank line; expected the name of a class"):
        read_class_names(write(tmp_path / "x.txt", "a", "", "b"))
    with pytest.raises(FormatError, match=r"x\.txt:3: class name 'a' again; first on line 1"):
        read_class_names(write(tmp_path / "x.txt", "a", "b", "a"))


def test_labels_that_are_no_class_numbers_are_refused(tmp_path: Path) -> None:
    lines = [
        "a.jpg 0",
        "b.jpg -1",
        "c.jpg shirt",
        "d.jpg 1.5",
        "e.jpg 0x1F",
        "f.jpg 12345678901",
        "g.jpg +1",
        "h.jpg ٣",
    ]
    labels = [line.split()[1] for line in lines]
    assert refused(tmp_path, *lines) == [
        f"train.txt:{n + 1}: label '{labels[n]}'; expected a class, a whole number 0 or above" for n in range(1, 8)
    ]


def test_all_problems_are_reported_in_the_order_of_the_lines(tmp_path: Path) -> None:
    found = refused(tmp_path, "a.jpg 0", "alone", "../b.jpg 1", "a.jpg 1", "c.jpg x", "0")
    assert found == [
        "train.txt:2: 'alone' has no label; expected `path label`",
        "train.txt:3: path '../b.jpg': '..' leads out of the data folder; expected a path inside the data folder",
        "train.txt:4: path 'a.jpg' again; first on line 1",
        "train.txt:5: label 'x'; expected a class, a whole number 0 or above",
        "train.txt:6: '0' has no label; expected `path label`",
    ]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc/a.jpg", "it is an absolute path"),
        ("C:/a.jpg", "it is an absolute path"),
        ("a\\b.jpg", "it has a backslash; separate folders with /"),
        ("..", "'..' leads out of the data folder"),
        ("a/../../b.jpg", "'..' leads out of the data folder"),
        ("a\x07.jpg", "it is empty or has a control character"),
        ("a\x85b.jpg", "it is empty or has a control character"),
        (" ", "it is empty or has a control character"),
    ],
)
def test_paths_that_leave_the_folder_or_are_not_printable_are_refused(path: str, reason: str, tmp_path: Path) -> None:
    shown = "" if path == " " else path
    expected = f"path {shown!r}: {reason}; expected a path inside the data folder"
    assert refused(tmp_path, "a.jpg 0", f"{path} 1") == [f"train.txt:2: {expected}"]
    if path != " ":
        with pytest.raises(FormatError) as caught:
            read_product_test(write(tmp_path / "test.txt", "a.jpg", path), strict=True)
        assert [problem.message for problem in caught.value.problems] == [expected]


def test_repeated_photos_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "a.jpg 0", "b.jpg 0", "", "a.jpg 0", "a.jpg 1") == [
        "train.txt:4: path 'a.jpg' again; first on line 1",
        "train.txt:5: path 'a.jpg' again; first on line 1",
    ]


def test_photos_in_both_lists_give_a_warning(tmp_path: Path) -> None:
    found = load(tmp_path, "a.jpg 0", "b.jpg 0", "c.jpg 0", val=("b.jpg 0", "c.jpg 0", "d.jpg 0"))
    assert found.warnings == [f"{tmp_path / 'train.txt'}: 2 photos are also in {tmp_path / 'val.txt'}"]


def test_problems_of_the_validation_list_are_reported(tmp_path: Path) -> None:
    assert refused(tmp_path, "a.jpg 0", val=("b.jpg 0", "c.jpg")) == [
        "val.txt:2: 'c.jpg' has no label; expected `path label`"
    ]


@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf\n"])
def test_an_empty_list_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes(content)
    write(tmp_path / "val.txt", "val/x.jpg 0")
    with pytest.raises(FormatError, match=r"train\.txt: the list is empty"):
        read_product_lists(tmp_path)
    with pytest.raises(FormatError, match=r"train\.txt: the list is empty"):
        read_product_test(tmp_path / "train.txt")


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no train\.txt in .*; expected"):
        read_product_lists(tmp_path)
    write(tmp_path / "train.txt", "a.jpg 0")
    with pytest.raises(FileNotFoundError, match=r"no val\.txt in .*; expected"):
        read_product_lists(tmp_path)


def test_other_encodings_are_refused_with_the_line(tmp_path: Path) -> None:
    write(tmp_path / "val.txt", "val/x.jpg 0")
    (tmp_path / "train.txt").write_bytes(b"a.jpg 0\n\xe9t\xe9.jpg 1\n")
    with pytest.raises(FormatError, match=r"train\.txt:2: not UTF-8 text: .* at byte 8 of the file"):
        read_product_lists(tmp_path)


def test_large_ids_instead_of_classes_are_refused(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, "a.jpg 3", "b.jpg 520000123")
    assert problem.startswith("train.txt:2: label 520000123 would make 520,000,124 classes; number them from 0")


def test_the_number_of_problems_is_limited(tmp_path: Path) -> None:
    found = refused(tmp_path, *(f"{n}.jpg,0" for n in range(1500)))
    assert len(found) == 1001
    assert found[0] == "train.txt:1: '0.jpg,0' has no label; expected `path label`"
    assert found[-1] == "train.txt: 500 more lines like line 1"


def test_reads_a_list_of_test_photos(tmp_path: Path) -> None:
    found = read_product_test(write(tmp_path / "test.txt", "test/b 1.jpg", "test/a.jpg"))
    assert names(found) == ["test/b 1.jpg", "test/a.jpg"] and found.path(1) == tmp_path / "test" / "a.jpg"
    assert read_product_test(tmp_path / "test.txt", tmp_path / "other").path(1) == tmp_path / "other" / "test" / "a.jpg"
    with pytest.raises(FormatError, match=r"test\.txt:3: path 'a' again; first on line 1"):
        read_product_test(write(tmp_path / "test.txt", "a", "b", "a"), strict=True)


def test_a_submission_can_be_read_as_a_list(tmp_path: Path) -> None:
    photos = read_product_test(write(tmp_path / "test.txt", "test/b 1.jpg", "test/a.jpg"))
    for name in ("train.txt", "val.txt"):
        write_product_submission(tmp_path / name, names(photos), np.array([50029, 7]))
    assert (tmp_path / "train.txt").read_bytes() == b"test/b 1.jpg 50029\ntest/a.jpg 7\n"
    train, _ = read_product_lists(tmp_path)
    assert names(train.photos) == names(photos)
    np.testing.assert_array_equal(train.codes[:, 0], [50029, 7])


@pytest.mark.parametrize("labels", [[1], [1, -1], [1.0, 2.0], [[1, 2]]])
def test_a_submission_needs_a_class_for_every_photo(labels: list, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 photos need 2 labels, whole numbers from 0"):
        write_product_submission(tmp_path / "x.txt", ["a.jpg", "b.jpg"], np.array(labels))
    assert not list(tmp_path.iterdir())


def test_lines_with_problems_are_left_out_and_counted(tmp_path: Path, caplog) -> None:
    lines = ("a.jpg 0", "alone", "../b.jpg 1", "a.jpg 1", "c.jpg x", "d.jpg 1")
    found = load(tmp_path, *lines, val=("e.jpg 1", "f.jpg 520000123"), strict=False)
    assert names(found.train.photos) == ["a.jpg", "d.jpg"] and found.train.codes[:, 0].tolist() == [0, 1]
    assert names(found.val.photos) == ["e.jpg"] and len(found.train.heads[0].classes) == 2
    assert "train.txt: left out 4 lines with problems, 2 are used" in caplog.text
    assert "train.txt:2: 'alone' has no label" in caplog.text and "... and 1 more" in caplog.text
    assert "val.txt:2: label 520000123 would make 520,000,124 classes" in caplog.text
    photos = read_product_test(write(tmp_path / "test.txt", "a.jpg", "../b.jpg", "a.jpg"))
    assert names(photos) == ["a.jpg"] and "test.txt: left out 2 lines with problems, 1 are used" in caplog.text


def test_a_list_without_a_sound_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"train\.txt:1: 'a,0' has no label"):
        load(tmp_path, "a,0", "b,1", strict=False)
    with pytest.raises(FormatError, match=r"test\.txt:1: path '/a'"):
        read_product_test(write(tmp_path / "test.txt", "/a"))


def test_more_classes_than_can_be_are_refused_before_any_is_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1,000,000,000,000 classes; expected 1 to 1,000,000"):
        load(tmp_path, "a.jpg 0", classes=10**12)


def test_class_names_with_control_characters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"x\.txt:2: 'a\\x1b' has a control character"):
        read_class_names(write(tmp_path / "x.txt", "b", "a\x1b"))
