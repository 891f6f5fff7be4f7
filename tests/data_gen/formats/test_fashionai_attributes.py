import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS
from aifashion.data_gen.formats.fashionai_attributes import (
    LENGTHS,
    AttributeRow,
    attribute_heads,
    attribute_root,
    find_attribute_sets,
    load_attribute_table,
    marks,
    read_label_table,
    read_labels,
    read_questions,
    scan_labels,
    soft_label,
)
from aifashion.data_gen.formats.problems import FormatError

HASH, OTHER_HASH = "0123456789abcdef0123456789abcdef", "f" * 32
SKIRT, NECK = "Images/skirt_length_labels/a.jpg,skirt_length_labels", "Images/neck/b.jpg,neck_design_labels"


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_soft_labels_follow_the_number_of_m() -> None:
    expected = {
        "nnyn": [0, 0, 1, 0],
        "mnyn": [0.2, 0, 0.8, 0],
        "mnym": [0.15, 0, 0.7, 0.15],
        "mmym": [0.1, 0.1, 0.7, 0.1],
        "mmymm": [0.1, 0.1, 0.6, 0.1, 0.1],
        "ymmmmm": [0.6, *[0.08] * 5],
    }
    for letters, parts in expected.items():
        found = soft_label(letters)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.array(parts, np.float32))


def test_marks_inverts_soft_label() -> None:
    for count in sorted({len(classes) for classes in ATTRIBUTE_TASKS.values()}):
        for yes in range(count):
            for rest in product("nm", repeat=count - 1):
                letters = "".join((*rest[:yes], "y", *rest[yes:]))
                target = soft_label(letters)
                assert marks(target) == letters
                assert target.sum() == pytest.approx(1) and target.argmax() == yes


@pytest.mark.parametrize("letters", ["", "nnn", "nyy", "nyx", "NNY"])
def test_invalid_marks_and_empty_soft_labels_are_refused(letters: str) -> None:
    with pytest.raises(ValueError, match=r"expected exactly one|letters other than"):
        soft_label(letters)
    with pytest.raises(ValueError, match="probability above 0"):
        marks(np.zeros(4))


def test_table_has_a_head_for_every_task_and_a_code_for_one(tmp_path: Path) -> None:
    path = write(
        tmp_path / "base/Annotations/label.csv",
        f"{SKIRT},nnymnn",
        f"{NECK},ynnnn",
        "Images/skirt_length_labels/c.jpg,skirt_length_labels,ynnnnn",
        f"{SKIRT.replace('skirt_length_labels', 'coat_length_labels')},nnnnnnny",
        "Images/d.jpg,skirt_length_labels,nnymnn",
    )
    table = read_label_table(path)
    names = [head.name for head in table.heads]
    assert names == list(ATTRIBUTE_TASKS) and {head.kind for head in table.heads} == {"exclusive"}
    assert [head.classes for head in table.heads] == list(ATTRIBUTE_TASKS.values())
    assert table.codes.dtype == np.int32 and (table.codes >= 0).sum(axis=1).tolist() == [1] * 5
    assert [table.photos.name(i) for i in range(2)] == [SKIRT.split(",")[0], NECK.split(",")[0]]
    index, rows = names.index("skirt_length"), np.arange(5)
    target, known = table.target(index, rows)
    assert known.tolist() == [True, False, True, False, True]
    assert [marks(row) for row in target[known]] == ["nnymnn", "ynnnnn", "nnymnn"]
    assert table.targets[index].shape == (2, 6)  # type: ignore[union-attr]  # only the distinct ones
    assert table.target(names.index("pant_length"), rows)[1].sum() == 0
    np.testing.assert_allclose(table.counts(index), [1, 0, 1.6, 0.4, 0, 0], rtol=1e-6)


def test_paths_start_above_the_annotations_or_at_the_given_root(tmp_path: Path) -> None:
    path = write(tmp_path / "web/Annotations/skirt_length_labels.csv", f"{SKIRT},nnymnn")
    here = "Images/skirt_length_labels/a.jpg"
    assert attribute_root(path) == attribute_root(tmp_path / "web/Tests/question.csv") == tmp_path / "web"
    assert attribute_root(tmp_path / "answer.csv") == tmp_path
    assert read_label_table(path).photos.path(0) == tmp_path / "web" / here  # type: ignore[attr-defined]
    assert read_label_table(path, tmp_path / "b").photos.path(0) == tmp_path / "b" / here  # type: ignore[attr-defined]


def test_lengths_can_be_ordinal() -> None:
    kinds = {head.name: head.kind for head in attribute_heads(True)}
    assert {name for name, kind in kinds.items() if kind == "ordinal"} == set(LENGTHS)
    assert LENGTHS == ("coat_length", "pant_length", "skirt_length", "sleeve_length")
    some = attribute_heads({"pant_length"})
    assert [head.name for head in some if head.kind == "ordinal"] == ["pant_length"]
    assert {head.kind for head in attribute_heads(())} == {"exclusive"}
    with pytest.raises(ValueError, match="not ordinal tasks: neck_design; expected some of coat_length"):
        attribute_heads({"neck_design", "coat_length"})


def test_the_table_has_the_given_heads(tmp_path: Path) -> None:
    path = write(tmp_path / "Annotations/label.csv", f"{SKIRT},nnymnn")
    for table in (read_label_table(path, ordinal=True), load_attribute_table(tmp_path, attribute_heads(True))):
        assert table.heads == attribute_heads(True)


@pytest.mark.parametrize(
    ("bad_row", "message"),
    [
        (f"{SKIRT},nynn", "marks 'nynn': 4 letters; expected one for each of the 6 classes of skirt_length_labels"),
        (f"{SKIRT},nnnnnn", "marks 'nnnnnn': 0 y; expected exactly one"),
        (f"{SKIRT},nynynn", "marks 'nynynn': 2 y; expected exactly one"),
        (f"{SKIRT},nyNnnn", "marks 'nyNnnn': letters other than n, m and y"),
        (f"{SKIRT},?", "marks '?': 1 letters"),
        (f"{SKIRT[:-7]},nynnnn", "unknown task 'skirt_length'; expected one of coat_length_labels"),
        ("a.jpg,hat_labels,y", "unknown task 'hat_labels'"),
        (f"{SKIRT}", "2 columns; expected path,<task>_labels,nnmyn"),
        (f"{SKIRT},nynnnn,", "4 columns"),
        ("../a.jpg,skirt_length_labels,nynnnn", "path '../a.jpg': '..' leads out of the data folder"),
        ("C:/a.jpg,skirt_length_labels,nynnnn", "an absolute path"),
        (",skirt_length_labels,nynnnn", "path ''"),
        ("good.jpg,skirt_length_labels,ynnnnn", "'good.jpg' again for skirt_length_labels; first on line 1"),
    ],
)
def test_an_invalid_row_is_reported_with_its_line_and_left_out(tmp_path: Path, bad_row: str, message: str) -> None:
    good, last = "good.jpg,skirt_length_labels,nynnnn", "good.jpg,coat_length_labels,nynnnnnn"
    path = write(tmp_path / "label.csv", good, "", bad_row, last)
    rows, problems = scan_labels(path)
    assert rows == [
        AttributeRow("good.jpg", "skirt_length", "nynnnn", 1),
        AttributeRow("good.jpg", "coat_length", "nynnnnnn", 4),
    ]
    assert [problem.line for problem in problems] == [3] and message in problems[0].message
    for read in (read_labels, read_label_table):
        with pytest.raises(FormatError, match=r"label\.csv:3: "):
            read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "the file is empty"), (b"\n\n", "the file is empty"), (b'"a', "not a CSV"), (b"\xff\xfe\x00", "not UTF-8")],
)
def test_an_invalid_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "label.csv").write_bytes(content)
    for read in (read_labels, read_questions):
        with pytest.raises(FormatError, match=rf"label\.csv.*: {message}"):
            read(tmp_path / "label.csv")


def test_problems_are_in_the_order_of_the_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "label.csv", f"{SKIRT},x", "a", f"{NECK},x", "b")
    assert [problem.line for problem in scan_labels(path)[1]] == [1, 2, 3, 4]


def test_bom_and_crlf_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "label.csv").write_bytes(f"\ufeff{SKIRT},nynnnn\r\n\r\n{NECK},nynnn\r\n".encode())
    assert [(row.task, row.value, row.line) for row in read_labels(tmp_path / "label.csv")] == [
        ("skirt_length", "nynnnn", 1),
        ("neck_design", "nynnn", 3),
    ]


def test_questions_give_photos_and_tasks(tmp_path: Path, caplog) -> None:
    path = write(tmp_path / "rank/Tests/question.csv", f"{NECK},?", f"{SKIRT},?")
    photos, tasks = read_questions(path)
    assert tasks == ["neck_design", "skirt_length"]
    assert photos.names == [NECK.split(",")[0], SKIRT.split(",")[0]] and photos.root == tmp_path / "rank"
    assert read_questions(path, tmp_path)[0].path(0) == tmp_path / "Images/neck/b.jpg"
    write(path, f"{NECK},?", f"{SKIRT},nynnnn", "a")
    with pytest.raises(
        FormatError, match=r"question\.csv:2: the third column of a list of questions must be \?"
    ) as caught:
        read_questions(path, strict=True)
    assert [problem.line for problem in caught.value.problems] == [2, 3]
    assert read_questions(path)[1] == ["neck_design"]
    assert "question.csv: left out 2 rows with problems, 1 are used" in caplog.text
    write(path, f"{NECK},nnynn")
    with pytest.raises(FormatError, match=r"question\.csv:1: the third column"):
        read_questions(path)


def test_both_seasons_and_the_warm_up_set_are_found(tmp_path: Path) -> None:
    labels = [
        write(tmp_path / name, f"{SKIRT},nynnnn")
        for name in (
            "data1/base/Annotations/label.csv",
            "data1/web/Annotations/skirt_length_labels.csv",
            "data2/fashionAI/train/Annotations/label.csv",
        )
    ]
    questions = [
        write(tmp_path / name, f"{SKIRT},?")
        for name in ("data1/rank/Tests/question.csv", "data1/z_rank/Tests/question_b.csv", "data2/question.csv")
    ]
    answers = [
        write(tmp_path / name, f"{SKIRT},nynnnn")
        for name in (
            "data1/fashionAI_attributes_answer_a_20180428.csv",
            "data1/rank/Annotations/fashionAI_attributes_answer_b_20180428.csv",
        )
    ]
    write(tmp_path / "keypoints/train/Annotations/train.csv", "image_id,image_category,neckline_left")
    write(tmp_path / "data1/base/Annotations/notes.csv", "a,b,c")
    write(tmp_path / "data1/base/Annotations/._label.csv", f"{SKIRT},nynnnn")
    write(tmp_path / "__MACOSX/base/Annotations/label.csv", f"{SKIRT},nynnnn")
    write(tmp_path / "data1/base/Images/Annotations/label.csv", f"{SKIRT},nynnnn")
    write(tmp_path / "data1/rank/Tests/answer_mock.csv", f"{SKIRT},nynnnn")
    write(tmp_path / "1/2/3/4/Annotations/label.csv", f"{SKIRT},nynnnn")
    found = find_attribute_sets(tmp_path)
    assert found.labels == tuple(labels) and found.questions == tuple(questions) and found.answers == tuple(answers)


def test_crops_and_synthetic_photos_are_not_used_as_the_challenge_s_files(tmp_path: Path) -> None:
    real = write(tmp_path / "base/Annotations/label.csv", f"{SKIRT},nynnnn")
    for folder, mark in (("walk", "synthetic.json"), ("weights", "recipe.json"), ("crops", "crops.json")):
        write(tmp_path / folder / mark, "{}")
        write(tmp_path / folder / "base/Annotations/label.csv", f"{SKIRT},ynnnnn")
    assert find_attribute_sets(tmp_path).labels == (real,)
    assert len(find_attribute_sets(tmp_path / "crops").labels) == 1
    real.unlink()
    drawn = tmp_path / "walk/base/Annotations/label.csv"
    assert find_attribute_sets(tmp_path).labels == (drawn,)
    write(tmp_path / "rank/Tests/question.csv", f"{SKIRT},?")
    with pytest.raises(FileNotFoundError, match=re.escape(f"give {tmp_path / 'walk'}")):
        load_attribute_table(tmp_path)


def test_an_invalid_label_file_is_found_and_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "base/Annotations/label.csv", "image,label")
    assert find_attribute_sets(tmp_path).labels == (path,)
    with pytest.raises(FormatError, match=r"label\.csv:1: 2 columns"):
        load_attribute_table(tmp_path)


def test_a_photo_with_several_labels_is_one_row(tmp_path: Path) -> None:
    lines = ("a.jpg,skirt_length_labels,nynnnn", "b.jpg,skirt_length_labels,ynnnnn", "a.jpg,neck_design_labels,nnnny")
    path = write(tmp_path / "base/Annotations/label.csv", *lines)
    for table in (read_label_table(path), load_attribute_table(tmp_path / "base")):
        assert [table.photos.name(row) for row in range(len(table))] == ["a.jpg", "b.jpg"]
        indices = {head.name: index for index, head in enumerate(table.heads)}
        for task, known, first in (
            ("skirt_length", [True, True], "nynnnn"), ("neck_design", [True, False], "nnnny")
        ):  # fmt: skip
            target, labelled = table.target(indices[task], np.arange(2))
            assert labelled.tolist() == known and marks(target[0]) == first
        assert (table.codes >= 0).sum() == 3


def test_the_error_without_files_shows_the_layout(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"base/Annotations/label\.csv"):
        find_attribute_sets(tmp_path)
    write(tmp_path / "rank/Tests/question.csv", f"{SKIRT},?")
    with pytest.raises(FileNotFoundError, match="no FashionAI attribute labels"):
        load_attribute_table(tmp_path)


def test_sets_are_merged_and_photos_with_the_same_hash_count_once(tmp_path: Path) -> None:
    write(
        tmp_path / "data1/base/Annotations/label.csv",
        f"Images/{HASH}.jpg,skirt_length_labels,nynnnn",
        f"Images/{HASH}.jpg,coat_length_labels,nynnnnnn",
        "Images/1.jpg,skirt_length_labels,ynnnnn",
    )
    write(
        tmp_path / "data2/train/Annotations/label.csv",
        f"Images/{HASH}.jpg,skirt_length_labels,nnynnn",
        f"Images/{OTHER_HASH}.jpg,skirt_length_labels,nnnynn",
        "Images/1.jpg,skirt_length_labels,nnnnyn",
    )
    table = load_attribute_table(tmp_path)
    found = set()
    for index, head in enumerate(table.heads):
        target, known = table.target(index, np.arange(len(table)))
        found |= {(table.photos.name(i), head.name, marks(target[i])) for i in np.flatnonzero(known).tolist()}
    assert len(table) == 4 and found == {
        (f"data2/train/Images/{HASH}.jpg", "coat_length", "nynnnnnn"),
        ("data1/base/Images/1.jpg", "skirt_length", "ynnnnn"),
        (f"data2/train/Images/{HASH}.jpg", "skirt_length", "nnynnn"),
        (f"data2/train/Images/{OTHER_HASH}.jpg", "skirt_length", "nnnynn"),
        ("data2/train/Images/1.jpg", "skirt_length", "nnnnyn"),
    }
    assert table.photos.path(0).is_relative_to(tmp_path)  # type: ignore[attr-defined]


def test_names_of_a_set_in_the_data_folder_itself_have_no_prefix(tmp_path: Path) -> None:
    write(tmp_path / "Annotations/label.csv", f"{SKIRT},nynnnn")
    assert load_attribute_table(tmp_path).photos.name(0) == "Images/skirt_length_labels/a.jpg"


def test_rows_with_problems_are_left_out_of_a_training_and_counted(tmp_path: Path, caplog) -> None:
    rows = (f"{SKIRT},nynnnn", f"{SKIRT},ynnnnn", "a.jpg,hat_labels,ny", "b.jpg,skirt_length_labels,nnmmnn", "c.jpg")
    path = write(tmp_path / "base/Annotations/label.csv", *rows, "d.jpg,skirt_length_labels,ynnnnn")
    table = load_attribute_table(tmp_path)
    assert [name.rpartition("/")[2] for name in table.photos.names] == [SKIRT.split(",")[0].rpartition("/")[2], "d.jpg"]
    assert "label.csv: left out 4 rows with problems, 2 are used" in caplog.text
    assert "label.csv:2: " in caplog.text and "label.csv:3: unknown task 'hat_labels'" in caplog.text
    # Rows that are all n and m say nothing, and a file of such rows is refused.
    write(path, "b.jpg,skirt_length_labels,nnmmnn", "c.jpg,skirt_length_labels,nnnnnn")
    with pytest.raises(FormatError, match=r"label\.csv:1: marks 'nnmmnn': 0 y; expected exactly one"):
        load_attribute_table(tmp_path)
