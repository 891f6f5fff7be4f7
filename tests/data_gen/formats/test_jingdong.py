import time
from pathlib import Path

import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import STYLES
from aifashion.data_gen.formats.jingdong import STYLE_HEAD, read_style_list, style_table, write_style_submission
from aifashion.data_gen.formats.problems import FormatError
from aifashion.data_gen.label_table import PhotoFiles

URL = "http://img14.360buyimg.com/img/jfs/t3/329/698772775/434324/e11d1053/5811946fN0a893ec1.jpg"
ONE = "0,1,0,0,1,0,0,0,0,1,0,0,0"


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_reads_the_three_files_of_the_challenge(tmp_path: Path) -> None:
    train = read_style_list(write(tmp_path / "train.txt", f"a,{URL},{ONE}", f"b,{URL}?x=1,{'0,' * 12}1"))
    assert train.ids == ("a", "b") and train.urls == (URL, f"{URL}?x=1") and not train.header
    assert train.labels is not None and train.labels.dtype == np.uint8
    assert [np.flatnonzero(row).tolist() for row in train.labels] == [[1, 4, 9], [12]]
    test = read_style_list(write(tmp_path / "test.txt", f"a,{URL}"))
    assert test.ids == ("a",) and test.urls == (URL,) and test.labels is None
    submission = read_style_list(write(tmp_path / "submit.txt", f"a,{ONE}"))
    assert submission.urls is None and submission.labels is not None
    np.testing.assert_array_equal(submission.labels, train.labels[:1])


@pytest.mark.parametrize("labels", [",".join(f"l{i}" for i in range(13)), ",".join(STYLES)])
def test_a_header_is_recognised(tmp_path: Path, labels: str) -> None:
    read = read_style_list(write(tmp_path / "train.csv", f"id,url,{labels}", f"a,{URL},{ONE}"))
    assert read.header and read.ids == ("a",)
    assert read_style_list(write(tmp_path / "test.csv", "image_id,url", f"a,{URL}")).header
    assert read_style_list(write(tmp_path / "submit.csv", f"id,{labels}", f"a,{ONE}")).header


def test_spaces_bom_crlf_blank_lines_and_quoted_commas_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(f'\ufeffa , {URL} ,{ONE}\r\n\r\nb,"{URL},1",{ONE.replace(",", " , ")}\r\n'.encode())
    read = read_style_list(path)
    assert read.ids == ("a", "b") and read.urls == (URL, f"{URL},1")
    assert read.labels is not None and (read.labels[0] == read.labels[1]).all()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"b,{URL},0,1", "x.txt:2: 4 cells; expected 15: id,url,l0,...,l12"),
        (f"b,{URL},{ONE},0", "x.txt:2: 16 cells; expected 15"),
        (f"b,{URL},{ONE.replace('1', '2', 1)}", "x.txt:2: label l1 (casual) is '2'; expected 0 or 1"),
        (f"b,{URL},{ONE[:-1]}", "x.txt:2: label l12 (ethnic) is ''"),
        (f"b,{URL},01,{ONE[2:]}", "x.txt:2: label l0 (sports) is '01'"),
        (f"b,{URL},١,{ONE[2:]}", "x.txt:2: label l0 (sports) is '١'"),
        (f"a,{URL},{ONE}", "x.txt:2: id 'a' again; first on line 1"),
        (f",{URL},{ONE}", "x.txt:2: id '': it is empty"),
        (f"b\x07,{URL},{ONE}", "x.txt:2: id 'b\\x07'"),
        (f"b,,{ONE}", "x.txt:2: the URL is empty"),
        (f'b,"{URL},{ONE}', "x.txt:2: not a CSV"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_style_list(write(tmp_path / "x.txt", f"a,{URL},{ONE}", line))
    assert message in str(caught.value)


def test_every_problem_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "x.txt", f"a,{URL},{ONE}", "b", f"a,,{ONE}", f"c,{URL},{ONE}", f"d,{URL},x{ONE[1:]}")
    with pytest.raises(FormatError) as caught:
        read_style_list(path)
    assert [problem.line for problem in caught.value.problems] == [2, 3, 3, 5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"id,url\n", "the file has a header, but no rows"),
        (b"a,b,c\n", "x.txt:1: 3 cells; expected id,url or id,l0,...,l12 or id,url,l0,...,l12"),
        (
            b"id,url," + b",".join(b"l%d" % i for i in reversed(range(13))) + b"\n",
            "x.txt:1: unknown columns id,url,l12",
        ),
        (b"id,link\na,b\n", "x.txt:1: unknown columns id,link"),
        (b"\xff\xfea,b\n", "not UTF-8 text"),
    ],
)
def test_files_that_are_no_lists_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read_style_list(path)
    assert message in str(caught.value)


def test_a_url_that_cannot_be_fetched_is_no_problem_of_the_list(tmp_path: Path) -> None:
    assert read_style_list(write(tmp_path / "x.txt", "a,ftp://x/y", "b,no url")).urls == ("ftp://x/y", "no url")


def test_a_long_list_is_read_in_seconds(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 2, (60_000, 13))
    path = write(tmp_path / "x.txt", *(f"{i:016x},{URL},{','.join(map(str, row))}" for i, row in enumerate(labels)))
    start = time.process_time()
    read = read_style_list(path)
    assert time.process_time() - start < 10  # about 1 s; only quadratic time takes longer
    assert read.labels is not None
    np.testing.assert_array_equal(read.labels, labels)


def test_a_submission_has_the_format_of_the_challenge(tmp_path: Path) -> None:
    labels = np.zeros((2, 13), bool)
    labels[0, [1, 4, 9]] = True
    write_style_submission(tmp_path / "submit.txt", ["593fb65fNefa151a3", "b,c"], labels)
    text = (tmp_path / "submit.txt").read_bytes().decode()
    assert text == f'593fb65fNefa151a3,{ONE}\n"b,c",{"0," * 12}0\n'
    read = read_style_list(tmp_path / "submit.txt")
    assert read.ids == ("593fb65fNefa151a3", "b,c") and read.labels is not None
    np.testing.assert_array_equal(read.labels, labels)


def test_probabilities_and_other_shapes_are_refused_as_a_submission(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="thresholds"):
        write_style_submission(tmp_path / "x", ["a"], np.full((1, 13), 0.5))
    with pytest.raises(ValueError, match=r"\(1, 13\); got \(1, 12\)"):
        write_style_submission(tmp_path / "x", ["a"], np.zeros((1, 12)))
    assert not (tmp_path / "x").exists()


def test_the_table_counts_each_style(tmp_path: Path) -> None:
    labels = np.zeros((4, 13), np.uint8)
    labels[[0, 2], 2] = 1
    labels[[0, 2, 3], 8] = 1
    table = style_table(PhotoFiles(tmp_path, ["a", "b", "c", "d"]), labels)
    assert table.heads == (STYLE_HEAD,) and STYLE_HEAD.kind == "independent" and STYLE_HEAD.classes == STYLES
    assert table.targets[0] is not None and table.targets[0].shape == (3, 13)
    target, known = table.target(0, np.array([3, 0, 1]))
    np.testing.assert_array_equal(target, labels[[3, 0, 1]])
    assert known.all()
    np.testing.assert_array_equal(table.counts(0), labels.sum(0))


def test_a_table_without_labels_is_unlabelled(tmp_path: Path) -> None:
    table = style_table(PhotoFiles(tmp_path, ["a", "b"]), None)
    target, known = table.target(0, np.array([1, 0]))
    assert not known.any() and target.shape == (2, 13) and not target.any()


@pytest.mark.parametrize("labels", [np.zeros((1, 13)), np.zeros((2, 12)), np.full((2, 13), 2)])
def test_labels_of_other_shapes_or_values_are_refused(tmp_path: Path, labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"need labels \(2, 13\)"):
        style_table(PhotoFiles(tmp_path, ["a", "b"]), labels)


def test_rows_with_problems_can_be_left_out_and_counted(tmp_path: Path, caplog) -> None:
    cells = ",".join("01" * 6 + "1")
    path = tmp_path / "x.txt"
    rows = [f"a,http://x/a,{cells}", "b,http://x/b", f"c,,{cells}", f"a,http://x/a2,{cells}", f"d,http://x/d,{cells}"]
    # The row of most cells, not the first, says what kind of list it is.
    path.write_text("\n".join(["e,http://x/e", *rows]))
    found = read_style_list(path, strict=False)
    assert found.ids == ("a", "d") and found.lines == (2, 6) and found.labels.shape == (2, 13)
    assert "x.txt: left out 4 rows with problems, 2 are used" in caplog.text
    with pytest.raises(FormatError, match="4 problems"):
        read_style_list(path)
    path.write_text("a,b,c\n")
    with pytest.raises(FormatError, match=r"x\.txt:1: 3 cells"):
        read_style_list(path, strict=False)
