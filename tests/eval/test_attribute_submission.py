import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aifashion.data_gen.formats.fashionai_attributes import read_questions
from aifashion.data_gen.formats.problems import FormatError
from aifashion.eval.attribute_submission import read_attribute_submission, write_attribute_submission

NAMES, TASKS = ["Images/b.jpg", "Images/a.jpg"], ["neck_design", "skirt_length"]
ROWS = [np.array([0.5, 0.25, 0.125, 0.125, 0], np.float32), np.array([1, 0, 0, 0, 0, 1e-7])]


def test_file_has_the_official_layout_in_the_order_of_the_questions(tmp_path: Path) -> None:
    questions = tmp_path / "question.csv"
    questions.write_text("Images/b.jpg,neck_design_labels,?\nImages/a.jpg,skirt_length_labels,?\n")
    photos, tasks = read_questions(questions)
    write_attribute_submission(tmp_path / "out.csv", [photos.name(i) for i in range(2)], tasks, ROWS)
    assert (tmp_path / "out.csv").read_bytes() == (
        b"Images/b.jpg,neck_design_labels,0.5;0.25;0.125;0.125;0.0\n"
        b"Images/a.jpg,skirt_length_labels,1.0;0.0;0.0;0.0;0.0;0.0000001\n"
    )


def test_file_reads_back(tmp_path: Path) -> None:
    write_attribute_submission(tmp_path / "out.csv", NAMES, TASKS, ROWS)
    read = read_attribute_submission(tmp_path / "out.csv")
    assert (read.names, read.tasks, read.lines) == (NAMES, TASKS, [1, 2])
    for found, row in zip(read.probabilities, ROWS, strict=True):
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, row)


@given(arrays(np.float32, (3, 5), elements=st.floats(0, 1, width=32)))
def test_numbers_keep_their_value_and_their_order(tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("submission") / "out.csv"
    write_attribute_submission(path, ["a", "b", "c"], ["neck_design"] * 3, list(rows))
    read = np.array(read_attribute_submission(path).probabilities)
    np.testing.assert_array_equal(read.astype(np.float32), rows)
    # mAP sees which probabilities are equal and which is larger, between photos as well.
    np.testing.assert_array_equal(np.unique(read, return_inverse=True)[1], np.unique(rows, return_inverse=True)[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": NAMES[:1]}, "1 names, 2 tasks, 2 rows of probabilities"),
        ({"tasks": ["neck_design", "skirt_length_labels"]}, "Images/a.jpg: unknown task 'skirt_length_labels'"),
        ({"tasks": TASKS[::-1]}, r"Images/b.jpg: probabilities \(5,\); skirt_length has 6 classes"),
        ({"probabilities": [ROWS[0], ROWS[1] * np.nan]}, "Images/a.jpg: .* negative or not a finite number"),
        ({"probabilities": [ROWS[0], ROWS[1] - 1]}, "Images/a.jpg: .* negative or not a finite number"),
    ],
)
def test_what_cannot_be_submitted_is_not_written(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_attribute_submission(
            tmp_path / "out.csv", **{"names": NAMES, "tasks": TASKS, "probabilities": ROWS, **change}
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("bad_row", "message"),
    [
        ("a.jpg,neck_design_labels,.2;.2;.2;.2", "4 probabilities; neck_design_labels has 5 classes"),
        ("a.jpg,neck_design_labels,.2;.2;.2;.2;.2;", "could not convert string to float: ''; expected p0;p1"),
        ("a.jpg,neck_design_labels,?", "could not convert string to float: '?'"),
        ("a.jpg,neck_design_labels,.2;.2;.2;.2;nan", "probability nan; expected a finite number"),
        ("a.jpg,neck_design_labels,.2;.2;.2;.2;inf", "probability inf"),
        ("a.jpg,neck_design_labels,.2;.2;.2;.2;-0.1", "probability -0.1"),
        ("a.jpg,neck_design_labels", "2 columns; expected path,<task>_labels,p0;p1;..."),
        ("b.jpg,neck_design_labels,.2;.2;.2;.2;.2", "'b.jpg' again"),
        ("b.jpg,hat_labels,.2;.2;.2;.2;.2", "unknown task 'hat_labels'"),
    ],
)
def test_a_bad_row_is_told_with_its_line(tmp_path: Path, bad_row: str, message: str) -> None:
    path = tmp_path / "out.csv"
    path.write_text(f"b.jpg,neck_design_labels,.2;.2;.2;.2;.2\n{bad_row}\nc.jpg,neck_design_labels,0;0;0;0;x\n")
    with pytest.raises(FormatError, match=rf"out\.csv:2: .*{re.escape(message)}") as caught:
        read_attribute_submission(path)
    assert [problem.line for problem in caught.value.problems] == [2, 3]


def test_exponents_and_any_sum_are_read(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("b.jpg,neck_design_labels,1e-3;2E0;0;00.5; 3\n")
    (row,) = read_attribute_submission(tmp_path / "out.csv").probabilities
    assert row.tolist() == [0.001, 2, 0, 0.5, 3]
