import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from aifashion.data_gen.check import check_dataset
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, CATEGORIES, CATEGORY_KEYPOINTS, KEYPOINTS
from aifashion.data_gen.synthetic import writer
from aifashion.data_gen.synthetic.writer import ANSWER, ATTRIBUTE_ANSWER, packed_jpeg, write_dataset
from aifashion.files import locked

COUNT, TEST_COUNT, SIZE = 15, 5, 64


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "set"
    write_dataset(folder, COUNT, seed=4, size=SIZE, test_count=TEST_COUNT)
    return folder


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def content(folder: Path) -> dict[str, bytes]:
    """All but the lock, which stays and is hidden."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.mark.parametrize(
    ("name", "split", "count"), [("train/Annotations/train.csv", "train", COUNT), (ANSWER, "test", TEST_COUNT)]
)
def test_annotations_have_the_official_columns_and_cells(out, name, split, count):
    header, *lines = rows(out / name)
    assert header == ["image_id", "image_category", *KEYPOINTS]
    assert len(lines) == count
    for image_id, category, *cells in lines:
        assert image_id.startswith(f"Images/{category}/")
        image = cv2.imread(str(out / split / image_id))
        assert image is not None
        height, width = image.shape[:2]
        assert max(height, width) == SIZE
        for name, cell in zip(KEYPOINTS, cells, strict=True):
            x, y, v = map(int, cell.split("_"))
            if name not in CATEGORY_KEYPOINTS[category] or v == -1:
                assert cell == "-1_-1_-1"
            else:
                assert 0 <= x < width
                assert 0 <= y < height
                assert v in (0, 1)


def test_categories_are_balanced(out):
    names = [line[1] for line in rows(out / "train/Annotations/train.csv")[1:]]
    assert {names.count(c) for c in CATEGORIES} == {COUNT // len(CATEGORIES)}


def test_the_test_list_and_the_answers_name_the_same_images(out):
    header, *lines = rows(out / "test/test.csv")
    assert header == ["image_id", "image_category"]
    assert lines == [line[:2] for line in rows(out / ANSWER)[1:]]


def test_each_image_is_labelled_for_one_task_under_the_same_name(out):
    names = {Path(line[0]).name: line[0] for line in rows(out / "train/Annotations/train.csv")[1:]}
    labels = rows(out / "attributes/base/Annotations/label.csv")
    assert sorted(Path(path).name for path, _, _ in labels) == sorted(names)
    for path, task, label in labels:
        assert path.startswith(f"Images/{task}/")
        assert label.count("y") == 1
        assert len(label) == len(ATTRIBUTE_TASKS[task.removesuffix("_labels")])
        keypoint_image = out / "train" / names[Path(path).name]
        assert (out / "attributes/base" / path).read_bytes() == keypoint_image.read_bytes()


def test_questions_hide_the_answers(out):
    questions = rows(out / "attributes/rank/Tests/question.csv")
    answers = rows(out / "attributes" / ATTRIBUTE_ANSWER)
    assert len(questions) == TEST_COUNT
    assert [q[:2] for q in questions] == [a[:2] for a in answers]
    assert {q[2] for q in questions} == {"?"}
    assert all((out / "attributes/rank" / q[0]).is_file() for q in questions)


def test_two_workers_write_the_same_bytes(out, tmp_path):
    write_dataset(tmp_path / "two", COUNT, seed=4, size=SIZE, test_count=TEST_COUNT, workers=2)
    assert content(tmp_path / "two") == content(out)


def test_writing_is_reproducible_and_depends_on_the_seed(out, tmp_path):
    again = tmp_path / "again"
    write_dataset(again, 3, seed=1, size=SIZE, test_count=1)
    first = content(again)
    write_dataset(again, 3, seed=1, size=SIZE, test_count=1)
    assert content(again) == first
    write_dataset(tmp_path / "other", 3, seed=2, size=SIZE, test_count=1)
    assert not set(content(tmp_path / "other")) & {n for n in first if n.endswith(".jpg")}


def test_all_tasks_of_a_garment_can_be_labelled(out, tmp_path):
    every = tmp_path / "all"
    write_dataset(every, COUNT, seed=4, size=SIZE, test_count=TEST_COUNT, labels="all")
    one, both = content(out), content(every)
    # The photos are the same, and the labels of the other set are among these.
    assert {n: c for n, c in one.items() if n.endswith(".jpg")} == {n: c for n, c in both.items() if n.endswith(".jpg")}
    for name in (
        "base/Annotations/label.csv",
        "rank/Tests/question.csv",
        "fashionAI_attributes_answer_a_synthetic.csv",
    ):
        fewer, more = (rows(folder / "attributes" / name) for folder in (out, every))
        assert set(map(tuple, fewer)) < set(map(tuple, more))
    by_photo: dict[str, set[str]] = {}
    for path, task, _ in rows(every / "attributes/base/Annotations/label.csv"):
        by_photo.setdefault(path, set()).add(task.removesuffix("_labels"))
        assert (every / "attributes/base" / path).is_file()
    assert set().union(*by_photo.values()) <= set(ATTRIBUTE_TASKS)
    assert 3 <= max(map(len, by_photo.values())) <= 4
    with pytest.raises(FileExistsError, match="labels all, not one"):
        write_dataset(every, COUNT, seed=4, size=SIZE, test_count=TEST_COUNT)


def test_the_answers_of_the_attributes_are_written_last(tmp_path, monkeypatch):
    # If this file exists, all others must exist.
    written = []

    def write(path: Path, data: bytes | str, flush: bool = True) -> None:
        written.append(path.relative_to(tmp_path / "set").as_posix())
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    monkeypatch.setattr(writer, "write_atomic", write)
    writer.write_dataset(tmp_path / "set", 1, seed=0, size=32, test_count=1)
    assert written.pop() == f"attributes/{ATTRIBUTE_ANSWER}"
    assert {"attributes/base/Annotations/label.csv", "attributes/rank/Tests/question.csv", ANSWER} < set(written)


def test_a_folder_with_other_files_is_refused_and_not_changed(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"thesis\.txt"):
        write_dataset(tmp_path, 1, seed=0, size=SIZE)
    assert content(tmp_path) == {"thesis.txt": b"years of work"}


def test_a_real_data_set_is_never_written_over(out, tmp_path):
    annotations = tmp_path / "train/Annotations/train.csv"
    annotations.parent.mkdir(parents=True)
    annotations.write_text("image_id")
    with pytest.raises(FileExistsError, match="train"):
        write_dataset(tmp_path, 1, seed=0, size=SIZE)
    with pytest.raises(FileExistsError, match="seed"):
        write_dataset(out, COUNT, seed=5, size=SIZE, test_count=TEST_COUNT)
    assert annotations.read_text() == "image_id"


def test_counts_that_are_too_small_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"0 photos to train on, .*expected at least 1, 0 and 1"):
        write_dataset(tmp_path, 0, seed=0)


def test_a_tenth_are_test_photos_and_at_least_five(tmp_path):
    write_dataset(tmp_path / "set", 2, seed=0, size=32)
    assert len(rows(tmp_path / "set/test/test.csv")) == 1 + 5


def test_a_photo_does_not_depend_on_the_count(out, tmp_path):
    write_dataset(tmp_path / "short", 3, seed=4, size=SIZE, test_count=0)
    assert rows(tmp_path / "short/train/Annotations/train.csv") == rows(out / "train/Annotations/train.csv")[:4]


def test_without_test_photos_there_are_no_test_lists(tmp_path):
    write_dataset(tmp_path / "set", 6, seed=0, size=48, test_count=0)
    assert not list((tmp_path / "set").rglob("*answer*")) and not list((tmp_path / "set").rglob("question.csv"))
    assert not check_dataset(tmp_path / "set").problems


def test_two_at_once_and_what_a_killed_one_left(tmp_path: Path):
    left = tmp_path / "out" / "train" / "Images" / "skirt" / ".0123abcd-x.jpg"
    write_dataset(tmp_path / "out", 2, seed=0, size=SIZE, test_count=0)
    left.write_bytes(b"cut sh")
    before = content(tmp_path / "out")
    with locked(tmp_path / "out"), pytest.raises(BlockingIOError, match="another command is writing to"):
        write_dataset(tmp_path / "out", 2, seed=0, size=SIZE, test_count=0)
    assert content(tmp_path / "out") == before
    write_dataset(tmp_path / "out", 2, seed=0, size=SIZE, test_count=0)
    assert not left.exists()


def test_an_encoder_that_fails_is_an_error(monkeypatch):
    monkeypatch.setattr("cv2.imencode", lambda *rest: (False, None))
    with pytest.raises(OSError, match="an image of 8 x 4 pixels could not be made a JPEG"):
        packed_jpeg(np.zeros((4, 8, 3), np.uint8), 90)
