import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import CATEGORIES, KEYPOINTS
from aifashion.data_gen.formats.fashionai import (
    find_keypoint_sets,
    image_root,
    load_training_samples,
    read_keypoint_csv,
    scan_keypoint_csv,
    write_keypoint_csv,
    write_test_csv,
)
from aifashion.data_gen.formats.problems import FormatError
from aifashion.records import ABSENT, Keypoints, Sample
from aifashion.vocabulary import load_vocabulary
from links import link

ALL = load_vocabulary()

HEADER = ",".join(("image_id", "image_category", *KEYPOINTS))


def row(image_id: str = "Images/skirt/a.jpg", category: str = "skirt", **cells: str) -> str:
    """A row with every keypoint of the category visible at (10, 20), except for `cells`."""
    mask = ALL.mask(category) if category in CATEGORIES else np.zeros(len(KEYPOINTS), bool)
    values = {name: "10_20_1" if has else "-1_-1_-1" for name, has in zip(KEYPOINTS, mask, strict=True)} | cells
    return ",".join((image_id, category, *values.values()))


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_cells_are_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "train" / "Annotations" / "train.csv",
        HEADER,
        row(waistband_left="12_34_1", waistband_right="56.25_-3_0", hemline_left="-1_-1_-1"),
    )
    (sample,) = read_keypoint_csv(path)
    assert sample.image_id == "Images/skirt/a.jpg" and sample.category == "skirt"
    assert sample.path == tmp_path / "train" / "Images" / "skirt" / "a.jpg"
    assert sample.keypoints is not None
    by_name = {n: (*xy, v) for n, xy, v in zip(KEYPOINTS, sample.keypoints.xy, sample.keypoints.state, strict=True)}
    assert by_name["waistband_left"] == (12, 34, 1)
    assert by_name["waistband_right"] == (56.25, -3, 0)
    assert by_name["hemline_left"] == by_name["crotch"] == (-1, -1, -1)


def test_names_of_windows_are_the_photos_that_are_there(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", HEADER, row("Images\\a.jpg"), row("Images\\b.jpg"))
    (tmp_path / "Images").mkdir()
    (tmp_path / "Images" / "a.jpg").touch()
    samples, problems = scan_keypoint_csv(path)
    assert [(sample.image_id, sample.path) for sample in samples] == [("Images\\a.jpg", tmp_path / "Images" / "a.jpg")]
    assert [problem.line for problem in problems] == [3]


def test_columns_are_found_by_name_and_blank_lines_bom_and_crlf_are_accepted(tmp_path: Path) -> None:
    names = ("image_category", *reversed(KEYPOINTS), "image_id")
    cells = ("skirt", *("10_20_1" if "waistband" in n or "hemline" in n else "-1_-1_-1" for n in names[1:-1]), "a.jpg")
    path = tmp_path / "x.csv"
    path.write_bytes(("\ufeff" + "\r\n".join([",".join(names), "", ",".join(cells), ""])).encode())
    write(tmp_path / "y.csv", HEADER, row("a.jpg"))
    assert read_keypoint_csv(path) == read_keypoint_csv(tmp_path / "y.csv")


def test_a_test_set_has_no_keypoints(tmp_path: Path) -> None:
    path = write(tmp_path / "test.csv", "image_id,image_category", "Images/dress/a.jpg,dress")
    assert read_keypoint_csv(path) == [Sample("Images/dress/a.jpg", tmp_path / "Images/dress/a.jpg", "dress")]
    assert read_keypoint_csv(path, root=tmp_path / "b")[0].path == tmp_path / "b" / "Images/dress/a.jpg"


@pytest.mark.parametrize(
    ("bad_row", "message"),
    [
        (row(waistband_left="1_2"), "column 'waistband_left': '1_2'; expected x_y_v"),
        (row(waistband_left="1_2_2"), "column 'waistband_left': '1_2_2'"),
        (row(waistband_left=""), "column 'waistband_left': ''"),
        (row(waistband_left="nan_2_1"), "column 'waistband_left': 'nan_2_1'"),
        (row(waistband_left="1e3_2_1"), "'1e3_2_1'"),
        (row(waistband_left="99999999999_2_1"), "'99999999999_2_1'"),
        (row(waistband_left="١_2_1"), "column 'waistband_left'"),
        (row(waistband_left='"1_2_1\n3_4_1"'), "column 'waistband_left'"),
        (row(armpit_left="1_2_0"), "column 'armpit_left': '1_2_0'; a skirt does not have this keypoint"),
        (row(category="hat"), "unknown category 'hat'; expected one of blouse, dress"),
        (row() + ",1_1_1", "27 cells; expected 26"),
        ("Images/skirt/x.jpg,skirt", "2 cells; expected 26"),
        (row("../x.jpg"), "column 'image_id': image id '../x.jpg'"),
        (row("/x.jpg"), "an absolute path"),
        (row("Images/skirt/good.jpg"), "'Images/skirt/good.jpg' again; first on line 2"),
    ],
)
def test_an_invalid_row_is_reported_with_its_line_and_left_out(tmp_path: Path, bad_row: str, message: str) -> None:
    path = write(tmp_path / "x.csv", HEADER, row("Images/skirt/good.jpg"), bad_row, row("Images/skirt/last.jpg"))
    samples, problems = scan_keypoint_csv(path)
    assert [s.image_id for s in samples] == ["Images/skirt/good.jpg", "Images/skirt/last.jpg"]
    assert len(problems) == 1 and problems[0].line == 3 + bad_row.count("\n") and message in problems[0].message
    with pytest.raises(FormatError, match=rf"x\.csv:{problems[0].line}: "):
        read_keypoint_csv(path)
    assert read_keypoint_csv(path, strict=False) == samples


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        (HEADER, "the file has a header, but no rows"),
        ("a,b\n1,2", "missing columns: 'image_id'"),
        (HEADER.replace("crotch,", "") + "\nx", "missing columns: 'crotch'"),
        (HEADER + ",crotch\nx", "repeated columns: 'crotch'"),
        (HEADER + ",crutch\nx", "unknown columns: 'crutch'"),
        (HEADER + '\n"unfinished', "not a CSV"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_an_invalid_file_is_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for strict in (True, False):
        with pytest.raises(FormatError, match=r"x\.csv") as caught:
            read_keypoint_csv(path, strict=strict)
        assert message in str(caught.value)


def test_a_name_too_long_for_the_file_system_is_no_problem_of_the_list(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", HEADER, row("Images/a.jpg"), row(f"Images/{'b' * 5000}.jpg"))
    assert len(read_keypoint_csv(path)) == 2


def test_the_message_has_the_number_of_problems_and_the_first_ten(tmp_path: Path) -> None:
    bad = [row(f"{i}.jpg", waistband_left="?", hemline_left="?") for i in range(20)]
    with pytest.raises(FormatError, match=r"40 problems:(\n  .*x\.csv:\d+: .*){10}\n  \.\.\. and 30 more") as caught:
        read_keypoint_csv(write(tmp_path / "x.csv", HEADER, *bad))
    assert len(caught.value.problems) == 40
    assert [p.line for p in caught.value.problems[:4]] == [2, 2, 3, 3]


def test_a_link_out_of_the_set_is_told_in_a_folder_checked_before(tmp_path: Path, caplog) -> None:
    (tmp_path / "set" / "Images").mkdir(parents=True)
    (tmp_path / "secret.jpg").touch()
    link(tmp_path / "set" / "Images" / "b.jpg", tmp_path / "secret.jpg")
    path = write(tmp_path / "set" / "x.csv", HEADER, row("Images/a.jpg"), row("Images/b.jpg"))
    caplog.set_level("INFO")
    samples, problems = scan_keypoint_csv(path)
    assert len(samples) == 2 and not problems and f"b.jpg -> {tmp_path / 'secret.jpg'}" in caplog.text


def test_linked_folders_are_searched_and_loops_of_links_end(tmp_path: Path) -> None:
    train = write(tmp_path / "disk" / "train" / "Annotations" / "train.csv", HEADER, row())
    (tmp_path / "set").mkdir()
    link(tmp_path / "set" / "season1", tmp_path / "disk" / "train")
    link(tmp_path / "set" / "loop", tmp_path / "set")
    link(tmp_path / "disk" / "train" / "up", tmp_path)
    link(tmp_path / "set" / "again", tmp_path / "disk" / "train")
    (found,) = find_keypoint_sets(tmp_path / "set").train
    assert found == tmp_path / "set" / "again" / "Annotations" / "train.csv" and found.samefile(train)


def random_samples(root: Path, count: int, seed: int = 0) -> list[Sample]:
    rng = np.random.default_rng(seed)
    samples = []
    for i in range(count):
        category = CATEGORIES[i % 5]
        state = np.where(ALL.mask(category), rng.integers(-1, 2, 24), -1)
        xy = np.where(state[:, None] < 0, -1, rng.integers(0, 512, (24, 2)))
        image_id = f"Images/{category}/{i}, é.jpg"
        samples.append(Sample(image_id, root / image_id, category, Keypoints(xy, state)))
    return samples


def test_reading_inverts_writing(tmp_path: Path) -> None:
    samples = random_samples(tmp_path, 25)
    write_keypoint_csv(tmp_path / "x.csv", samples)
    assert read_keypoint_csv(tmp_path / "x.csv") == samples
    write_test_csv(tmp_path / "test.csv", samples)
    assert read_keypoint_csv(tmp_path / "test.csv") == [Sample(s.image_id, s.path, s.category) for s in samples]


def test_rounding_is_half_away_from_zero(tmp_path: Path) -> None:
    xy = np.zeros((24, 2))
    state = np.where(ALL.mask("skirt"), 1, -1)
    present = np.flatnonzero(state == 1)
    xy[present] = [[0.5, 1.5], [2.49, -0.5], [-0.4, 2.5], [0.125, 99.999]]
    sample = Sample("a.jpg", tmp_path / "a.jpg", "skirt", Keypoints(xy, state))
    rounded = {0: "1_2_1,2_-1_1,0_3_1,0_100_1", 2: "0.5_1.5_1,2.49_-0.5_1,-0.4_2.5_1,0.13_100_1"}
    for decimals, expected in rounded.items():
        write_keypoint_csv(tmp_path / "x.csv", [sample], decimals)
        header, line = (tmp_path / "x.csv").read_text().splitlines()
        assert header == HEADER
        cells = line.split(",")[2:]
        assert ",".join(cells[k] for k in present) == expected
        assert all(cell == "-1_-1_-1" for k, cell in enumerate(cells) if k not in present)


def test_incomplete_samples_are_refused(tmp_path: Path) -> None:
    whole = random_samples(tmp_path, 1)[0]
    for broken in (
        Sample("a.jpg", tmp_path, "skirt"),
        Sample("a.jpg", tmp_path, None, whole.keypoints),
        Sample("a.jpg", tmp_path, "skirt", Keypoints(np.zeros((4, 2)), np.ones(4))),
    ):
        with pytest.raises(ValueError, match=r"a\.jpg"):
            write_keypoint_csv(tmp_path / "x.csv", [whole, broken])
    with pytest.raises(ValueError, match=r"a\.jpg"):
        write_test_csv(tmp_path / "x.csv", [Sample("a.jpg", tmp_path, None)])
    assert not (tmp_path / "x.csv").exists()


def test_samples_that_could_not_be_read_again_are_refused(tmp_path: Path) -> None:
    point = Keypoints(np.full((24, 2), 5.0), np.where(np.arange(24) == KEYPOINTS.index("neckline_left"), 1, ABSENT))
    a, b = Sample("a.jpg", tmp_path, "dress", point), Sample("b.jpg", tmp_path, "dress", point)
    for samples, reason in (
        ([a, b, a], "a.jpg has several samples, but the format has one row per photo"),
        ([a, replace(b, category="pants")], "b.jpg: unknown category 'pants'; expected one of blouse, dress"),
        ([a, replace(b, category="skirt")], "b.jpg: a skirt has no neckline_left"),
    ):
        with pytest.raises(ValueError, match=re.escape(reason)):
            write_keypoint_csv(tmp_path / "x.csv", samples)
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize("prefix", ["", "train", "fashionAI_key_points_train_20180227/train", "season2/unpacked/train"])
def test_sets_are_found_in_different_layouts(tmp_path: Path, prefix: str) -> None:
    train = write(tmp_path / prefix / "Annotations" / "train.csv", HEADER, row())
    write(tmp_path / prefix / "Images" / "Annotations" / "train.csv", "not looked at")
    write(tmp_path / prefix / "Images" / "train_split.csv", "nor this")
    warm_up = write(tmp_path / "warm_up_train" / "Annotations" / "annotations.csv", HEADER, row())
    bare = write(tmp_path / "warm" / "annotations.csv", HEADER, row())
    test = write(tmp_path / "test_b" / "test.csv", "image_id,image_category")
    answer = write(tmp_path / "fashionAI_key_points_test_a_answer_20180426.csv", HEADER)
    found = find_keypoint_sets(tmp_path)
    assert found.train == tuple(sorted((train, warm_up, bare)))
    assert found.tests == (test,) and found.answers == (answer,)
    assert image_root(warm_up) == tmp_path / "warm_up_train" and image_root(bare) == tmp_path / "warm"


def test_the_error_without_files_shows_the_layout(tmp_path: Path) -> None:
    for search in (find_keypoint_sets, load_training_samples):
        with pytest.raises(FileNotFoundError, match=r"train/Annotations/train\.csv"):
            search(tmp_path)
    write(tmp_path / "test.csv", "image_id,image_category", "a.jpg,skirt")
    with pytest.raises(FileNotFoundError, match="no FashionAI training CSV"):
        load_training_samples(tmp_path)


def test_crops_and_synthetic_photos_are_not_used_as_the_challenge_s_files(tmp_path: Path) -> None:
    real = write(tmp_path / "train" / "Annotations" / "train.csv", HEADER, row())
    for folder, mark in (("walk", "synthetic.json"), ("weights/photos", "synthetic.json"), ("crops", "crops.json")):
        write(tmp_path / folder / mark, "{}")
        write(tmp_path / folder / "train" / "Annotations" / "train.csv", HEADER, row("Images/skirt/b.jpg"))
        write(tmp_path / folder / "test" / "test.csv", "image_id,image_category")
    write(tmp_path / "weights" / "recipe.json", "{}")
    found = find_keypoint_sets(tmp_path)
    assert found.train == (real,) and found.tests == ()
    # Synthetic photos are used if their folder is given, or if there are no others; work folders of recipes never.
    drawn = (tmp_path / "walk" / "train" / "Annotations" / "train.csv",)
    assert find_keypoint_sets(tmp_path / "walk").train == drawn
    assert len(find_keypoint_sets(tmp_path / "weights" / "photos").train) == 1
    real.unlink()
    assert find_keypoint_sets(tmp_path).train == drawn


def test_the_error_without_training_sets_names_synthetic_photos(tmp_path: Path) -> None:
    write(tmp_path / "walk" / "synthetic.json", "{}")
    write(tmp_path / "walk" / "train" / "Annotations" / "train.csv", HEADER, row())
    write(tmp_path / "test_b" / "test.csv", "image_id,image_category")
    with pytest.raises(
        FileNotFoundError,
        match=re.escape(
            f"photos below {tmp_path} are used only if there are no others: to use them, give {tmp_path / 'walk'}"
        ),
    ):
        load_training_samples(tmp_path)


def test_seasons_are_merged(tmp_path: Path, caplog) -> None:
    write(tmp_path / "train1" / "Annotations" / "train.csv", HEADER, row())
    write(tmp_path / "train2" / "Annotations" / "train.csv", HEADER, row(), row("Images/skirt/b.jpg"))
    write(tmp_path / "train2" / "Annotations" / "annotations.csv", HEADER, row())
    samples = load_training_samples(tmp_path)
    assert sorted(s.path.relative_to(tmp_path).as_posix() for s in samples) == [
        "train1/Images/skirt/a.jpg",
        "train2/Images/skirt/a.jpg",
        "train2/Images/skirt/b.jpg",
    ]
    write(tmp_path / "train2" / "Annotations" / "annotations.csv", HEADER, row(hemline_left="1_1_1"))
    write(tmp_path / "train2" / "Annotations" / "train.csv", HEADER, row(), row("Images/skirt/b.jpg"), row("../c.jpg"))
    assert len(load_training_samples(tmp_path)) == 3
    assert "train.csv: left out 2 rows with problems, 1 are used" in caplog.text
    assert "train.csv:2: Images/skirt/a.jpg: other keypoints than in an earlier CSV" in caplog.text
    assert "train.csv:4: column 'image_id': image id '../c.jpg'" in caplog.text


def test_a_training_set_needs_keypoints(tmp_path: Path) -> None:
    write(tmp_path / "Annotations" / "train.csv", "image_id,image_category", "a.jpg,skirt")
    with pytest.raises(FormatError, match="24 keypoint columns"):
        load_training_samples(tmp_path)


def test_photos_without_a_garment_are_in_training_lists_only(tmp_path: Path) -> None:
    path = tmp_path / "train" / "Annotations" / "train.csv"
    path.parent.mkdir(parents=True)
    absent = Keypoints(np.full((24, 2), -1.0), np.full(24, ABSENT))
    write_keypoint_csv(path, [Sample("Images/none/a.jpg", tmp_path, "none", absent)])
    (sample,) = load_training_samples(tmp_path)
    assert sample.category == "none" and sample.keypoints == absent
    with pytest.raises(FormatError, match="unknown category 'none'"):
        read_keypoint_csv(path)
    shown = Keypoints(absent.xy, np.eye(24, dtype=int)[0] - 1)
    with pytest.raises(ValueError, match="a photo without a garment has no neckline_left"):
        write_keypoint_csv(path, [Sample("Images/none/a.jpg", tmp_path, "none", shown)])
