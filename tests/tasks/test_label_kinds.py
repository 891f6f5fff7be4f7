from pathlib import Path

import cv2
import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, STYLES
from aifashion.data_gen.formats.problems import FormatError
from aifashion.data_gen.tfrecords import Record, shard_path, write_shard
from aifashion.tasks.label_kinds import Questions, label_kind
from small_attributes import save_photo, write_rows

ROWS = [
    ("Images/b.jpg", "neck_design", "?"),
    ("Images/a.jpg", "skirt_length", "?"),
    ("Images/a.jpg", "neck_design", "?"),
]
CLASSES = {**ATTRIBUTE_TASKS, "style": STYLES, "product": ("a", "b", "c")}


def questions_in(data: Path, task: str, classes=CLASSES) -> Questions:
    return label_kind(task).questions(data, classes)


def submit(folder: Path, asked: Questions, task: str, answers: dict, thresholds: dict | None = None) -> Path:
    return label_kind(task).submit(folder, asked, answers, thresholds or {}, CLASSES)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    for number, name in enumerate("ab"):
        save_photo(tmp_path / "rank" / "Images" / f"{name}.jpg", number)
    return write_rows(tmp_path / "rank" / "Tests" / "question.csv", ROWS)


@pytest.fixture
def styles(tmp_path: Path) -> Path:
    photo = cv2.imencode(".png", np.full((4, 4, 3), 9, np.uint8))[1].tobytes()
    write_shard(shard_path(tmp_path, 0, 1), [Record(f"{i}00", photo, None) for i in range(3)])
    return tmp_path


@pytest.mark.parametrize("by_name", [False, True])
def test_questions_of_attributes(questions: Path, tmp_path: Path, by_name: bool):
    asked = questions_in(questions if by_name else tmp_path, "all")
    assert asked.heads == ["neck_design", "skirt_length", "neck_design"]
    assert [asked.photos.name(row) for row in range(3)] == ["Images/b.jpg", "Images/a.jpg", "Images/a.jpg"]
    assert asked.photos.read(0).shape == (40, 48, 3)


def test_one_list_of_questions_is_wanted(questions: Path, tmp_path: Path):
    write_rows(tmp_path / "second" / "Tests" / "question.csv", ROWS)
    with pytest.raises(
        FileNotFoundError, match=r"expected one question\.csv .* found .*question\.csv, .*question\.csv: choose"
    ):
        questions_in(tmp_path, "all")
    write_rows(tmp_path / "other" / "base" / "Annotations" / "label.csv", [("a.jpg", "neck_design", "ynnnn")])
    with pytest.raises(FileNotFoundError, match=r"found none: choose it with --data FILE\.csv"):
        questions_in(tmp_path / "other", "all")


def test_a_faulty_row_is_left_out_and_told_with_its_line(tmp_path: Path, caplog):
    path = write_rows(tmp_path / "question.csv", [ROWS[0], ("c.jpg", "hat", "?")])
    assert questions_in(path, "all").names == [ROWS[0][0]]
    assert "question.csv:2: unknown task 'hat_labels'" in caplog.text


def test_questions_and_answers_in_another_vocabulary(tmp_path: Path):
    path = write_rows(tmp_path / "question.csv", [("a.jpg", "brim", "?")])
    classes = {"brim": ("none", "small", "wide")}
    with pytest.raises(FormatError, match=r"question\.csv:1: unknown task 'brim_labels'; expected one of coat_length"):
        questions_in(path, "brim")
    asked = questions_in(path, "brim", classes)
    answers = {"brim": np.array([[0.25, 0.5, 0.25]])}
    written = label_kind("brim").submit(tmp_path, asked, answers, {}, classes)
    assert written.read_text() == "a.jpg,brim_labels,0.25;0.5;0.25\n"


def test_answers_about_attributes(questions: Path, tmp_path: Path):
    # All photos are answered for all heads; a row takes the answer of its own task.
    neck = np.array([[0.5, 0.5, 0, 0, 0], [0, 0, 0, 0, 1], [0.25, 0.75, 0, 0, 0]])
    skirt = np.array([[1.0, 0, 0, 0, 0, 0], [0, 0.5, 0.5, 0, 0, 0], [0, 0, 1, 0, 0, 0]])
    path = submit(tmp_path, questions_in(questions, "all"), "all", {"neck_design": neck, "skirt_length": skirt})
    assert path == tmp_path / "attribute_submission.csv"
    assert path.read_text() == (
        "Images/b.jpg,neck_design_labels,0.5;0.5;0.0;0.0;0.0\n"
        "Images/a.jpg,skirt_length_labels,0.0;0.5;0.5;0.0;0.0;0.0\n"
        "Images/a.jpg,neck_design_labels,0.25;0.75;0.0;0.0;0.0\n"
    )


def test_answers_about_styles(styles: Path):
    asked = questions_in(styles, "style")
    assert asked.heads == ["style"] * 3 and asked.photos.read(1).shape == (4, 4, 3)
    found = np.full((3, len(STYLES)), 0.4)
    found[0, 2], found[1, 8], found[2, 0] = 0.6, 0.5, 0.49
    path = submit(styles, asked, "style", {"style": found})
    assert path == styles / "style_submission.csv"
    assert path.read_text().splitlines() == ["000," + row(2), "100," + row(8), "200," + row()]
    # With thresholds of the run: a label at its threshold holds.
    thresholds = [0.9] * len(STYLES)
    thresholds[0], thresholds[8] = 0.49, 0.51
    submit(styles, asked, "style", {"style": found}, {"style": thresholds})
    assert path.read_text().splitlines() == ["000," + row(), "100," + row(), "200," + row(0)]


def row(*indices: int) -> str:
    return ",".join("1" if i in indices else "0" for i in range(len(STYLES)))


@pytest.mark.parametrize("by_name", [False, True])
def test_answers_about_products(tmp_path: Path, by_name: bool):
    (tmp_path / "test.txt").write_text("test/0.jpg\ntest/1.jpg\n")
    asked = questions_in(tmp_path / "test.txt" if by_name else tmp_path, "product")
    assert asked.heads == ["product"] * 2
    path = submit(tmp_path, asked, "product", {"product": np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])})
    assert path == tmp_path / "product_submission.txt" and path.read_text() == "test/0.jpg 2\ntest/1.jpg 0\n"


def test_nothing_is_asked(tmp_path: Path):
    for kind in ("style", "product", "all"):
        with pytest.raises(FileNotFoundError):
            questions_in(tmp_path / "nowhere", kind)
