import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen.check import check_dataset
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, KEYPOINTS
from aifashion.data_gen.formats.fashionai import write_keypoint_csv, write_test_csv
from aifashion.data_gen.formats.fashionai_attributes import load_attribute_table
from aifashion.data_gen.split import split_table
from aifashion.records import Keypoints, Sample
from aifashion.vocabulary import load_vocabulary
from links import link

ALL = load_vocabulary()


def skirt(root: Path, name: str, folder: str = "skirt", **points: tuple[float, float, int]) -> Sample:
    """A skirt in a photo of noise, 48 x 64, with `points` moved."""
    cells = {"waistband_left": (10, 10, 1), "waistband_right": (30, 10, 1)}
    cells |= {"hemline_left": (5, 50, 0), "hemline_right": (40, 50, 1)} | points
    xy, state = np.full((24, 2), -1.0), np.full(24, -1)
    for k, cell in enumerate(cells.get(keypoint) for keypoint in KEYPOINTS):
        if cell:
            xy[k], state[k] = cell[:2], cell[2]
    image_id = f"Images/{folder}/{name}.png"
    path = root / image_id
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(sum(name.encode())).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return Sample(image_id, path, "skirt", Keypoints(xy, state))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "train"
    samples = [
        skirt(root, "good"),
        skirt(root, "outside", hemline_right=(48, 50, 1)),
        skirt(root, "swapped", waistband_left=(30, 10, 1), waistband_right=(10, 10, 1), hemline_left=(45, 50, 1)),
        skirt(root, "no_span", waistband_left=(-1, -1, -1)),
        skirt(root, "elsewhere", folder="dress"),
        skirt(root, "cut"),
        skirt(root, "missing"),
    ]
    (root / "Annotations").mkdir()
    csv = root / "Annotations" / "train.csv"
    write_keypoint_csv(csv, samples)
    csv.write_text(csv.read_text() + "Images/skirt/bad.png,skirt\n")
    samples[5].path.write_bytes(samples[5].path.read_bytes()[:2000])
    samples[6].path.unlink()
    test = tmp_path / "test"
    tests = [skirt(test, "good"), skirt(test, "new")]
    write_test_csv(test / "test.csv", tests)
    write_keypoint_csv(tmp_path / "fashionAI_key_points_test_a_answer_2018.csv", tests)
    return tmp_path


def test_every_problem_is_found_with_its_line(data: Path) -> None:
    report = check_dataset(data)
    csv = data / "train" / "Annotations" / "train.csv"
    assert not report.ok
    problems = {p.line or 0: p.message for p in report.problems}
    assert {p.path for p in report.problems} == {csv} and sorted(problems) == [7, 8, 9]
    assert "truncated" in problems[7] and "No such file" in problems[8] and "2 cells; expected 26" in problems[9]
    warnings = {p.line or 0: p.message for p in report.warnings}
    assert sorted(warnings) == [3, 4, 6]
    assert "outside the photo of 48 x 64 pixels: hemline_right (48, 50)" in warnings[3]
    assert "left and right keypoints look exchanged" in warnings[4]
    assert "labelled as skirt, but is in the folder dress" in warnings[6]


def test_duplicates_and_leaks_are_found(data: Path) -> None:
    train = data / "train" / "Images" / "skirt"
    (train / "missing.png").write_bytes((train / "outside.png").read_bytes())
    report = check_dataset(data, workers=1)
    leak = (train / "good.png", data / "test" / "Images" / "skirt" / "good.png")
    assert report.leaks == (leak,)
    assert set(report.duplicates) == {leak, (train / "outside.png", train / "missing.png")}


def test_the_summary_counts_images_and_states(data: Path) -> None:
    by_set = {s.file.name: s for s in check_dataset(data).summaries}
    train = by_set["train.csv"]
    assert (train.category, train.images, train.no_span) == ("skirt", 7, 1)
    assert (train.visible, train.hidden, train.absent) == (7 * 3 + 1 - 1, 6, 1)
    assert by_set["test.csv"].images == 2 and by_set["test.csv"].visible == 0
    assert by_set["fashionAI_key_points_test_a_answer_2018.csv"].visible == 6
    assert ALL.mask("skirt").sum() == 4


def test_a_valid_set_is_ok(data: Path) -> None:
    report = check_dataset(data / "test")
    assert report.ok and not report.warnings and not report.duplicates


def test_a_broken_csv_does_not_stop_the_others(data: Path) -> None:
    (data / "test" / "test.csv").write_bytes(b"\xff\xfe\0")
    report = check_dataset(data)
    assert any("not UTF-8" in p.message for p in report.problems) and len(report.problems) == 4


def test_a_folder_without_lists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected, for example") as caught:
        check_dataset(tmp_path)
    assert "no FashionAI keypoint files" in str(caught.value) and "no FashionAI attribute files" in str(caught.value)


@pytest.fixture
def attributes(tmp_path: Path) -> Path:
    """Three labelled photos, a copy of one with another label, and a question whose photo is a copy of another."""

    def photo(name: str, seed: int) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(0, 256, (64, 48, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)

    names = ("skirt_length_labels/a", "skirt_length_labels/b", "skirt_length_labels/copy", "neck_design_labels/c")
    for seed, name in zip((1, 2, 1, 3), names, strict=True):
        photo(f"base/Images/{name}.png", seed)
    photo("rank/Images/skirt_length_labels/q.png", 2)
    labels = [
        "Images/skirt_length_labels/a.png,skirt_length_labels,ynnnnn",
        "Images/skirt_length_labels/b.png,skirt_length_labels,nymnnn",
        "Images/skirt_length_labels/copy.png,skirt_length_labels,nnnnny",
        "Images/neck_design_labels/c.png,skirt_length_labels,nnyynn",
        "Images/neck_design_labels/d.png,skirt_length_labels,nnynn",
        "Images/neck_design_labels/c.png,hat_labels,nnynn",
        "Images/neck_design_labels/c.png,skirt_length_labels,nnynnn",
        "Images/skirt_length_labels/gone.png,neck_design_labels,nnynn",
        "Images/skirt_length_labels/a.png,pant_length_labels,nnynnn",
    ]
    files = {
        "base/Annotations/label.csv": labels,
        "rank/Tests/question.csv": ["Images/skirt_length_labels/q.png,skirt_length_labels,?"],
        "fashionAI_attributes_answer_a_1.csv": ["Images/skirt_length_labels/q.png,skirt_length_labels,nynnnn"],
    }
    for name, rows in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{row}\n" for row in rows))
    return tmp_path


def test_attribute_lists_are_checked(attributes: Path) -> None:
    report = check_dataset(attributes)
    csv = attributes / "base" / "Annotations" / "label.csv"
    problems = {p.line: p.message for p in report.problems if p.path == csv}
    assert sorted(problems) == [4, 5, 6, 7, 8] and len(report.problems) == 5
    assert "nnyynn" in problems[4] and "nnynn" in problems[5] and "unknown task 'hat_labels'" in problems[6]
    assert "again for skirt_length_labels; first on line 4" in problems[7] and "No such file" in problems[8]
    warnings = [str(warning) for warning in report.warnings]
    classes = ATTRIBUTE_TASKS["skirt_length"]
    assert (
        f"{csv}:8: Images/skirt_length_labels/gone.png: labelled for neck_design, but is in the folder of "
        in (warnings[0])
    )
    assert (
        f"{csv}:3: " in warnings[1]
        and f"skirt_length is {classes[5]!r} here, but {classes[0]!r} for the" in (warnings[1])
    )
    assert warnings[1].endswith(f"at {csv}:1")
    missing = ", ".join(classes[c] for c in (2, 3, 4))
    assert warnings[4] == f"{csv}: skirt_length: no training photo has the class {missing}"
    # A photo can also be labelled for other tasks than that of its folder.
    neck, pants = ATTRIBUTE_TASKS["neck_design"][2], ATTRIBUTE_TASKS["pant_length"][2]
    assert warnings[2] == f"{csv}: neck_design: all training photos have the class {neck}: nothing to learn"
    assert warnings[3] == f"{csv}: pant_length: all training photos have the class {pants}: nothing to learn"
    bare = [task for task in ATTRIBUTE_TASKS if task not in ("neck_design", "pant_length", "skirt_length")]
    assert warnings[5].startswith(f"{csv}: no training photo is labelled for {', '.join(bare)}: ")
    assert len(warnings) == 6


def test_a_link_in_place_of_a_photo_folder_is_followed(attributes: Path, tmp_path_factory) -> None:
    images = attributes / "rank" / "Images"
    elsewhere = tmp_path_factory.mktemp("disk") / "Images"
    images.rename(elsewhere)
    link(images, elsewhere)
    assert not [problem for problem in check_dataset(attributes).problems if "question.csv" in str(problem)]


def test_leaks_of_the_attribute_lists_are_found(attributes: Path) -> None:
    report = check_dataset(attributes)
    folder = attributes / "base" / "Images" / "skirt_length_labels"
    leak = (folder / "b.png", attributes / "rank" / "Images" / "skirt_length_labels" / "q.png")
    assert report.leaks == (leak,) and set(report.duplicates) == {leak, (folder / "a.png", folder / "copy.png")}


def test_the_tasks_are_counted(attributes: Path) -> None:
    report = check_dataset(attributes)
    counted = [(t.file.name, t.task, t.images, t.yes, t.maybe) for t in report.tasks]
    assert counted == [
        ("label.csv", "neck_design", 1, (0, 0, 1, 0, 0), 0),
        ("label.csv", "pant_length", 1, (0, 0, 1, 0, 0, 0), 0),
        ("label.csv", "skirt_length", 3, (1, 1, 0, 0, 0, 1), 1),
        ("fashionAI_attributes_answer_a_1.csv", "skirt_length", 1, (0, 1, 0, 0, 0, 0), 0),
        ("question.csv", "skirt_length", 1, (), 0),
    ]


def test_a_picture_in_both_challenges_is_no_duplicate(data: Path, attributes: Path) -> None:
    before = check_dataset(data)
    assert before.summaries and before.tasks
    shared = data / "train" / "Images" / "skirt" / "good.png"
    target = attributes / "base" / "Images" / "skirt_length_labels" / "a.png"
    target.write_bytes(shared.read_bytes())
    after = check_dataset(data)
    assert not any(shared in group and target in group for group in after.duplicates)


# --------------------------------------------------------------------------- sets from which nothing can be learnt


def change_cells(data: Path, change: Callable[[str], str]) -> Path:
    csv = data / "train" / "Annotations" / "train.csv"
    csv.write_text(change("\n".join(csv.read_text().splitlines()[:-1]) + "\n"))
    return csv


def test_a_set_without_a_visible_keypoint_is_not_usable(data: Path) -> None:
    change_cells(data, lambda text: re.sub(r"_1(?=[,\n])", "_0", text))
    report = check_dataset(data / "train")
    text = "none of the 7 training photos has a visible keypoint: nothing to learn or to score"
    assert f"{data / 'train'}: {text}" in map(str, report.problems) and not report.ok
    warnings = [warning.message for warning in report.warnings]
    assert "skirt: none of 7 garments can be scored: 7 have no visible keypoint" in warnings
    names = "waistband_left, waistband_right, hemline_left, hemline_right"
    assert f"skirt: no training photo has a visible {names}" in warnings
    assert [summary.unseen for summary in report.summaries] == [7]


def test_a_set_whose_spans_are_all_0_is_not_usable(data: Path) -> None:
    change_cells(data, lambda text: re.sub(r"\d+_10_1", "10_10_1", text))
    report = check_dataset(data / "train")
    text = "none of the 7 training photos can be scored: 7 have a span with an absent end or of length 0"
    assert text in [problem.message for problem in report.problems]
    assert [summary.no_span for summary in report.summaries] == [7]


def test_keypoints_that_no_photo_shows_are_named(data: Path) -> None:
    # Hidden in all photos but one, and then in that as well; the others can still be learnt.
    change_cells(data, lambda text: text.replace("45_50_1", "45_50_0"))
    found = [warning.message for warning in check_dataset(data / "train").warnings]
    assert "skirt: no training photo has a visible hemline_left" in found


def test_labels_of_one_class_are_a_problem(attributes: Path) -> None:
    csv = attributes / "base" / "Annotations" / "label.csv"
    csv.write_text("".join(f"Images/skirt_length_labels/{name}.png,skirt_length_labels,ynnnnn\n" for name in "ab"))
    report = check_dataset(attributes)
    text = "for skirt_length all training photos have the same label: nothing to learn"
    assert [str(problem) for problem in report.problems] == [f"{csv}: {text}"]
    csv.write_text("".join(f"Images/skirt_length_labels/{name}.png,skirt_length_labels,mnnnnn\n" for name in "ab"))
    assert all("0 y; expected exactly one" in problem.message for problem in check_dataset(attributes).problems)


# ----------------------------------------------------------------------------------------------------- the split files

HEADER = "image_id,image_category,path\n"


def split_of(root: Path, kind: str) -> tuple[Path, Path, list[str]]:
    """A set of four photos, and the split files of it: two lines in each, whose photos are returned."""
    prefix = "" if kind == "keypoints" else "attribute_"
    names = ["a", "b", "c", "d"]
    samples = [skirt(root, name, "skirt_length_labels" if kind == "attributes" else "skirt") for name in names]
    (root / "Annotations").mkdir()
    if kind == "keypoints":
        write_keypoint_csv(root / "Annotations" / "train.csv", samples)
    else:
        marks = ("ynnnnn", "nynnnn", "nnynnn", "nnnynn")
        lines = (f"{s.image_id},skirt_length_labels,{m}\n" for s, m in zip(samples, marks, strict=True))
        (root / "Annotations" / "label.csv").write_text("".join(lines))
    ids = [sample.image_id for sample in samples]
    files = root / f"{prefix}train_split.csv", root / f"{prefix}val_split.csv"
    for file, part in zip(files, (ids[:2], ids[2:]), strict=True):
        file.write_text(HEADER + "".join(f"{name},skirt,{name}\n" for name in part))
    return *files, ids


def found(root: Path) -> list[tuple[Path, int | None, str]]:
    return [(problem.path, problem.line, problem.message) for problem in check_dataset(root).problems]


KINDS = pytest.mark.parametrize("kind", ["keypoints", "attributes"])


@KINDS
def test_a_split_that_fits_is_no_problem(tmp_path: Path, kind: str) -> None:
    split_of(tmp_path, kind)
    assert check_dataset(tmp_path).ok


@KINDS
def test_every_problem_of_the_split_files_is_found_with_its_line(tmp_path: Path, kind: str) -> None:
    train, val, ids = split_of(tmp_path, kind)
    train.write_text(f"{HEADER}x,skirt,{ids[0]}\nx,skirt,Images/none.png\nx,skirt,{ids[0]}\n")
    val.write_text(f"{HEADER}x,skirt,{ids[2]}\nx,skirt\nx,skirt,{ids[0]}\n")
    assert found(tmp_path) == [
        (train, 3, "'Images/none.png' is not among the 4 training samples"),
        (train, 4, f"{ids[0]!r} again, first at {train}:2"),
        (val, 3, "2 cells; expected image_id,image_category,path"),
        (val, 4, f"{ids[0]!r} again, first at {train}:2"),
        (train, None, f"2 samples, such as {ids[1]!r}, are neither in this file nor in {val}"),
    ]


@KINDS
def test_split_files_that_cannot_be_read_are_found(tmp_path: Path, kind: str) -> None:
    train, val, _ = split_of(tmp_path, kind)
    val.write_text("photo\n")
    assert found(tmp_path) == [(val, 1, "columns photo; expected image_id,image_category,path")]
    val.write_bytes(b"\xff")
    assert found(tmp_path)[0][:2] == (val, 1)
    val.unlink()
    assert found(tmp_path) == [(train, None, f"there is no {val.name} beside it")]
    val.mkdir()
    assert found(tmp_path)[0][0] == val


@KINDS
def test_a_picture_in_both_parts_of_the_split_is_a_warning(tmp_path: Path, kind: str) -> None:
    _, val, ids = split_of(tmp_path, kind)
    (tmp_path / ids[2]).write_bytes((tmp_path / ids[0]).read_bytes())
    report = check_dataset(tmp_path)
    assert report.ok
    text = f"{ids[2]!r} shows the same picture as {ids[0]!r}, which is trained on"
    assert (val, 2, text) in [(warning.path, warning.line, warning.message) for warning in report.warnings]


def test_photos_of_two_seasons_with_one_name_are_one_in_the_split(tmp_path: Path) -> None:
    name = "0123456789abcdef0123456789abcdef"
    for season in ("data1", "data2"):
        for photo in (name, season):
            skirt(tmp_path / season, photo, "skirt_length_labels")
        (tmp_path / season / "Annotations").mkdir()
        rows = zip((name, season), ("ynnnnn", "nynnnn"), strict=True)
        (tmp_path / season / "Annotations" / "label.csv").write_text(
            "".join(f"Images/skirt_length_labels/{photo}.png,skirt_length_labels,{marks}\n" for photo, marks in rows)
        )
    split_table(tmp_path, load_attribute_table(tmp_path), 0.4)
    assert check_dataset(tmp_path).ok


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("name", ["train/Annotations/train.csv", "base/Annotations/label.csv", "test.csv", ""])
def test_no_list_that_is_a_pipe_is_waited_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    reason = "a named pipe; expected a file: move it away, or name a file"
    if name:
        assert found(tmp_path / "data") == [(path, None, reason)]
    else:
        with pytest.raises(OSError, match=reason):
            check_dataset(path)
