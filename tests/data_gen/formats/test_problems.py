"""What all readers share: bounded reading, and one error for all that is not as the format has it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifashion.data_gen.formats.aliproducts import read_class_names, read_product_labels, read_product_test
from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.data_gen.formats.coco import read_coco
from aifashion.data_gen.formats.fashionai import load_training_samples, read_keypoint_csv
from aifashion.data_gen.formats.fashionai_attributes import read_labels, read_questions
from aifashion.data_gen.formats.jingdong import read_style_list
from aifashion.data_gen.formats.problems import FormatError, Problem, leave_out, read_bytes, read_csv_rows, read_text
from aifashion.eval.attribute_submission import read_attribute_submission
from aifashion.vocabulary import VocabularyError, read_vocabulary

PATH = Path("x.csv")


def test_what_is_left_out_is_counted_and_its_first_reasons_told(caplog):
    problems = [Problem(PATH, line, f"reason {line}") for line in range(2, 8)]
    leave_out(PATH, problems, 4)
    assert caplog.messages[0].splitlines() == [
        "x.csv: left out 6 rows with problems, 4 are used",
        *(f"  x.csv:{line}: reason {line}" for line in (2, 3, 4)),
        "  ... and 3 more",
    ]
    leave_out(PATH, [], 0)
    assert len(caplog.messages) == 1
    with pytest.raises(FormatError) as caught:
        leave_out(PATH, problems, 0)
    assert caught.value.problems == tuple(problems)


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"BZh9", "bzip2"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
    ],
)
def test_compressed_files_are_refused(tmp_path: Path, start: bytes, name: str):
    path = tmp_path / "x"
    path.write_bytes(start + b"more")
    with pytest.raises(FormatError, match=rf"x: the file is compressed \({name}\); unpack it first"):
        read_bytes(path)


def test_files_have_a_limit(tmp_path: Path):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(FormatError, match="a list can have"):
        read_bytes(path, 4)
    with path.open("wb") as stream:
        stream.truncate(40 << 30)  # a hole, which takes no room
    for read in (read_bytes, read_keypoint_csv, read_labels, read_style_list, read_product_labels):
        with pytest.raises(FormatError, match=r"42\.9 GB or more; a list can have 2\.1 GB"):
            read(path)


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="the system does not show open files")
def test_a_pipe_of_the_shell_is_read_up_to_the_limit():
    for most in (5, 4):
        out, into = os.pipe()
        os.write(into, b"12345")
        os.close(into)
        try:
            if most == 5:
                assert read_bytes(Path(f"/dev/fd/{out}"), most) == b"12345"
            else:
                with pytest.raises(FormatError, match="a list can have"):
                    read_bytes(Path(f"/dev/fd/{out}"), most)
        finally:
            os.close(out)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_no_reader_waits_for_a_named_pipe(tmp_path: Path):
    path = tmp_path / "train.csv"
    os.mkfifo(path)
    for read in (read_bytes, read_coco, read_keypoint_csv, read_labels, read_style_list, read_product_labels):
        with pytest.raises(OSError, match="a named pipe; expected a file"):
            read(path)


def test_texts_that_are_not_utf_8_are_named_with_their_line(tmp_path: Path):
    path = tmp_path / "x"
    path.write_bytes(b"a\nb\n\xff")
    with pytest.raises(FormatError, match=r"x:3: not UTF-8 text: invalid start byte at byte 4 of the file"):
        read_text(path)
    path.write_text("abc", encoding="utf-16")
    with pytest.raises(FormatError, match=r"x: not UTF-8 text, but UTF-16: save it as UTF-8"):
        read_text(path)
    path.write_bytes("\ufeffa,b\r\n\r\nc".encode())
    assert read_csv_rows(path) == [(1, ["a", "b"]), (3, ["c"])]
    path.write_text('a\nb,"c')
    with pytest.raises(FormatError, match=r"x:\d: not a CSV"):
        read_csv_rows(path)


# --------------------------------------------------------------------------------- every reader, of any damaged file

ROW = ",".join(["a.jpg", "skirt", *("5_5_1" if "waistband" in name else "-1_-1_-1" for name in KEYPOINTS)])
HEADER = ",".join(["image_id", "image_category", *KEYPOINTS])
STYLES = ",".join(["0", "1"] * 6 + ["0"])
COCO = (
    '{"images":[{"id":1,"file_name":"a.jpg","width":9,"height":9}],"categories":[{"id":1,"name":"c","keypoints":["p"]}],'
    '"annotations":[{"id":1,"image_id":1,"category_id":1,"keypoints":[1,1,2]}]}'
)
READERS: dict[str, tuple[Callable, str, str]] = {
    "keypoints": (lambda path: read_keypoint_csv(path, strict=False), "Annotations/x.csv", f"{HEADER}\n{ROW}\n"),
    "training": (lambda path: load_training_samples(path.parent), "Annotations/train.csv", f"{HEADER}\n{ROW}\n"),
    "labels": (lambda path: read_labels(path, strict=False), "x.csv", "a.jpg,skirt_length_labels,nymnnn\n"),
    "questions": (read_questions, "x.csv", "a.jpg,skirt_length_labels,?\n"),
    "submission": (read_attribute_submission, "x.csv", "a.jpg,skirt_length_labels,0;0.5;0.5;0;0;0\n"),
    "styles": (lambda path: read_style_list(path, strict=False), "x.csv", f"a,http://x/a.jpg,{STYLES}\n"),
    "products": (read_product_labels, "x.txt", "a.jpg 0\nb.jpg 1\n"),
    "photos": (read_product_test, "x.txt", "a.jpg\nb.jpg\n"),
    "classes": (read_class_names, "x.txt", "red\nblue\n"),
    "coco": (read_coco, "x.json", COCO),
    "vocabulary": (read_vocabulary, "x.toml", 'name = "h"\n[categories.hat]\nkeypoints = ["a", "b"]\n'),
}

DAMAGE = st.tuples(
    st.floats(0, 1), st.integers(0, 12), st.binary(max_size=6) | st.sampled_from([b"\n", b'"', b"\0", b";"])
)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=15)
@given(damages=st.lists(DAMAGE, min_size=1, max_size=3))
def test_damaged_files_are_read_or_refused(tmp_path_factory, name: str, damages: list):
    read, file, text = READERS[name]
    data = text.encode()
    path = tmp_path_factory.mktemp("damaged") / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    read(path)
    for position, length, put in damages:
        at = round(position * len(data))
        data = data[:at] + put + data[at + length :]
    path.write_bytes(data)
    try:
        read(path)
    except (FormatError, VocabularyError) as error:
        assert str(path) in str(error) and "Traceback" not in str(error)
