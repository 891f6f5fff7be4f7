import logging
from pathlib import Path

import pytest
import yaml

from aifashion.data_gen.formats.labels import LabelledPhoto
from aifashion.data_gen.formats.problems import FormatError
from aifashion.data_gen.formats.yolo_pose import is_yolo_pose, read_yolo_pose, write_yolo_pose
from aifashion.vocabulary import load_vocabulary
from labelled import garment, label_set, photo_file, present

FASHIONAI = load_vocabulary()
CONFIG = """train: images
val: images
kpt_shape: [2, 3]
names: {0: sock, 1: glove}
kpt_names: {0: [top, toe], 1: [wrist, tip]}
"""


def near(x: float, y: float, state: int) -> object:
    """A keypoint whose position was a fraction of a photo's sides."""
    return pytest.approx((x, y, state), abs=1e-9)


def data_set(root: Path, rows: str, config: str = CONFIG, size: tuple[int, int] = (200, 100)) -> Path:
    photo_file(root / "images" / "a.png", size)
    (root / "labels").mkdir(exist_ok=True)
    (root / "labels" / "a.txt").write_text(rows)
    (root / "data.yaml").write_text(config)
    return root


def test_fractions_count_the_edges_of_pixels(tmp_path: Path) -> None:
    # 0.5025 of 200 px is the edge 100.5, the middle of pixel 100; the box is the left half of the photo.
    found = read_yolo_pose(data_set(tmp_path, "1 0.25 0.5 0.5 1 0.5025 0.105 2 0.0025 0.995 1\n"))
    assert found.root == tmp_path and not found.problems
    (photo,) = found.photos
    assert (photo.file_name, photo.size) == ("images/a.png", (200, 100))
    (glove,) = photo.garments
    assert (glove.category, glove.names, glove.box) == ("glove", ("wrist", "tip"), (0, 0, 100, 100))
    assert present(glove) == {"wrist": near(100, 10, 1), "tip": near(0, 99, 0)}


def test_a_wrong_row_costs_its_garment_and_is_named_with_file_and_line(tmp_path: Path) -> None:
    good = "0 0.5 0.5 1 1 0.5 0.5 2 0.1 0.1 0"
    wrong = {
        "0 0.5 0.5 1 1 0.5 0.5 2": "8 numbers; expected 11",
        "2 0.5 0.5 1 1 0.5 0.5 2 0.1 0.1 0": "class 2; expected 0 to 1",
        "0.5 0.5 0.5 1 1 0.5 0.5 2 0.1 0.1 0": "class 0.5",
        "x 0.5 0.5 1 1 0.5 0.5 2 0.1 0.1 0": "could not convert",
        "0 0.5 0.5 1 1 0.5 nan 2 0.1 0.1 0": "not finite",
        "0 0.5 0.5 0 1 0.5 0.5 2 0.1 0.1 0": "a box of 0 x 1",
        "0 0.5 0.5 1 1 0.5 0.5 3 0.1 0.1 0": "visibilities",
        "0 0.5 0.5 1 1 100 50 2 0.1 0.1 0": "outside the photo",
        "0 0.5 0.5 1 1 0.5 -0.011 2 0.1 0.1 0": "outside the photo",
    }
    found = read_yolo_pose(data_set(tmp_path, "\n".join([good, *wrong, good])))
    assert [len(photo.garments) for photo in found.photos] == [2]
    for number, (problem, reason) in enumerate(zip(found.problems, wrong.values(), strict=True), start=2):
        assert (problem.path, problem.line) == (tmp_path / "labels" / "a.txt", number) and reason in problem.message
    with pytest.raises(FormatError, match="expected 0 to 1"):
        read_yolo_pose(data_set(tmp_path, "7" + good[1:]))


def test_photos_without_labels_show_no_garment(tmp_path: Path) -> None:
    data_set(tmp_path, "0 0.5 0.5 1 1 0.5 0.5 2 0 0 0\n")
    photo_file(tmp_path / "images" / "bare.png")
    photo_file(tmp_path / "images" / "empty.png")
    (tmp_path / "labels" / "empty.txt").write_text("\n")
    (tmp_path / "labels" / "lonely.txt").write_text("0 0.5 0.5 1 1 0.5 0.5 2 0 0 0\n")
    (tmp_path / "labels" / "classes.txt").write_text("sock\n")
    found = read_yolo_pose(tmp_path)
    counts = {photo.file_name: len(photo.garments) for photo in found.photos}
    assert counts == {"images/a.png": 1, "images/bare.png": 0, "images/empty.png": 0}
    assert [str(problem.path.name) for problem in found.problems] == ["lonely.txt"]


def test_a_photo_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    data_set(tmp_path, "0 0.5 0.5 1 1 0.5 0.5 2 0 0 0\n")
    (tmp_path / "images" / "b.png").write_bytes(b"no photo")
    (tmp_path / "labels" / "b.txt").write_text("0 0.5 0.5 1 1 0.5 0.5 2 0 0 0\n")
    found = read_yolo_pose(tmp_path)
    assert [photo.file_name for photo in found.photos] == ["images/a.png"]
    assert "b.png" in found.problems[0].message and len(found.problems) == 1


def test_two_numbers_a_keypoint_are_visible_unless_negative(tmp_path: Path) -> None:
    config = "train: images\nval: images\nkpt_shape: [2, 2]\nnames: [sock]\n"
    found = read_yolo_pose(data_set(tmp_path, "0 0.5 0.5 1 1 0.5025 0.505 -1 -1\n", config))
    assert present(found.photos[0].garments[0]) == {"0": near(100, 50, 1)}
    assert found.photos[0].garments[0].names == ("0", "1")


@pytest.mark.parametrize(
    "config",
    [
        "path: elsewhere/socks\ntrain: images\nval: images\n",  # a path of another machine
        "train: ../images\nval: ../images\n",  # as Roboflow writes it
        "train: train.txt\nval: train.txt\n",  # as CVAT writes it
        "train: [images]\nvalidation: [images]\ntest:\n",
    ],
)
def test_other_spellings_of_where_photos_are(tmp_path: Path, config: str) -> None:
    (tmp_path / "train.txt").write_text("images/a.png\n")
    rest = "kpt_shape: [2, 3]\nnc: 1\n"
    found = read_yolo_pose(data_set(tmp_path, "0 0.5 0.5 1 1 0.5 0.5 2 0 0 0\n", config + rest) / "data.yaml")
    assert [photo.file_name for photo in found.photos] == ["images/a.png"] and not found.problems
    assert found.photos[0].garments[0].category == "class_0"


def test_lists_and_parts_that_lead_out_of_the_data_set_are_problems(tmp_path: Path) -> None:
    photo_file(tmp_path / "other" / "x.png")
    root = tmp_path / "set"
    config = "train: images\nval: list.txt\ntest: ../../set/../other\nminival: gone\nkpt_shape: [2, 3]\nnames: [sock]\n"
    (root).mkdir()
    (root / "list.txt").write_text("./images/a.png\n../other/x.png\nimages/none.png\n")
    found = read_yolo_pose(data_set(root, "0 0.5 0.5 1 1 0.5 0.5 2 0 0 0\n", config))
    assert [photo.file_name for photo in found.photos] == ["images/a.png"]
    said = [f"{problem.path.name}:{problem.line} {problem.message}" for problem in found.problems]
    assert len(said) == 4 and "leads out" in said[0] and "no folder or list gone" in said[1]
    assert said[2].startswith("list.txt:2 no photo ../other/x.png") and said[3].startswith("list.txt:3")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("- a\n", "no kpt_shape"),
        ("train: images\nnames: [sock]\n", "no kpt_shape"),
        ("kpt_shape: [2, 4]\n", r"kpt_shape is \[2, 4\]"),
        ("kpt_shape: [true, 3]\n", "kpt_shape is"),
        ("kpt_shape: [2, 3]\ntrain: images\n", "names is None"),
        ("kpt_shape: [2, 3]\ntrain: images\nnames: {0: a, 2: b}\n", r"names: the keys are \[0, 2\]"),
        ("kpt_shape: [2, 3]\ntrain: images\nnames: [a]\nkpt_names: {0: [x]}\n", "expected 2 different names"),
        ("kpt_shape: [2, 3]\ntrain: images\nnames: [a, b]\nkpt_names: {0: [x, y]}\n", "kpt_names has 1 classes"),
        ("kpt_shape: [2, 3]\ntrain: 7\nnames: [a]\n", "train is 7"),
        ("kpt_shape: [2, 3]\ntrain: nowhere\nnames: [a]\n", "the photos are needed"),
        ("kpt_shape: [2, 3\nnames: x", "data.yaml:2: not YAML"),
        ("kpt_shape: 2026-02-31\n", "not YAML"),
        ("a: " + "[" * 5000, "nested too deeply"),
    ],
)
def test_a_config_that_is_none_is_refused_with_the_reason(tmp_path: Path, config: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_yolo_pose(data_set(tmp_path, "", config))


def test_it_is_recognised_by_its_config(tmp_path: Path) -> None:
    data_set(tmp_path / "set", "")
    (tmp_path / "boxes.yaml").write_text("train: images\nnames: [a]\n")
    found = {name: is_yolo_pose(tmp_path / name) for name in ("set", "set/data.yaml", "boxes.yaml", "set/images", "no")}
    assert found == {"set": True, "set/data.yaml": True, "boxes.yaml": False, "set/images": False, "no": False}


def test_reading_inverts_writing(tmp_path: Path) -> None:
    photo_file(tmp_path / "photos" / "sub" / "a.jpg", (200, 100))
    skirt = {"waistband_left": (10, 20, 1), "waistband_right": (30.25, 22, 0), "hemline_left": (199, 99, 1)}
    trousers = {"crotch": (50.5, 60, 1)}
    made = label_set(
        tmp_path / "photos",
        LabelledPhoto(
            "sub/a.jpg",
            (200, 100),
            (garment("skirt", skirt, FASHIONAI), garment("trousers", trousers, FASHIONAI, (20.0, 30.0, 90.0, 100.0))),
        ),
        LabelledPhoto("sub/gone.jpg", (200, 100), ()),
    )
    write_yolo_pose(made, tmp_path / "out", FASHIONAI)
    assert (tmp_path / "out" / "images" / "sub" / "a.jpg").stat().st_ino == (
        tmp_path / "photos" / "sub" / "a.jpg"
    ).stat().st_ino
    found = read_yolo_pose(tmp_path / "out")
    (photo,) = found.photos  # the one that is not there is named as a problem
    assert [problem.path.name for problem in found.problems] == ["gone.txt"]
    assert [(g.category, present(g)) for g in photo.garments] == [("skirt", skirt), ("trousers", trousers)]
    assert photo.garments[0].names == FASHIONAI.keypoints
    assert photo.garments[0].box == pytest.approx((10, 20, 200, 100), abs=1e-3)
    assert photo.garments[1].box == pytest.approx((20, 30, 90, 100), abs=1e-3)
    write_yolo_pose(found, tmp_path / "again", FASHIONAI)
    first, second = (tmp_path / name / "labels" / "sub" / "a.txt" for name in ("out", "again"))
    assert first.read_text() == second.read_text()


def test_the_config_says_what_ultralytics_asks_for(tmp_path: Path) -> None:
    write_yolo_pose(label_set(tmp_path), tmp_path / "out", FASHIONAI)
    content = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert content["kpt_shape"] == [24, 3] and content["kpt_oks_sigmas"] == [0.05] * 24
    assert content["names"] == dict(enumerate(FASHIONAI.categories)) and "path" not in content
    assert content["kpt_names"][4] == list(FASHIONAI.keypoints)
    names = FASHIONAI.keypoints
    mirrored = {names[i]: names[k] for i, k in enumerate(content["flip_idx"])}
    assert mirrored["cuff_left_in"] == "cuff_right_in" and mirrored["crotch"] == "crotch"


def test_points_and_boxes_outside_the_photo_are_counted(tmp_path: Path, caplog) -> None:
    photo_file(tmp_path / "a.jpg")
    points = {"waistband_left": (-3.0, 20.0, 1), "waistband_right": (100.0, 20.0, 1)}
    gone = {"waistband_left": (500.0, 20.0, 1)}
    garments = (
        garment("skirt", points, FASHIONAI, (-5.0, 10.0, 101.0, 60.0)),
        garment("skirt", gone, FASHIONAI),
        garment("skirt", {}, FASHIONAI, (300.0, 0.0, 400.0, 50.0)),
    )
    with caplog.at_level(logging.WARNING):
        write_yolo_pose(label_set(tmp_path, LabelledPhoto("a.jpg", (200, 100), garments)), tmp_path / "out", FASHIONAI)
    assert "2 points lie more than 1 % outside" in caplog.text and "left out 2 garments" in caplog.text
    (kept,) = read_yolo_pose(tmp_path / "out").photos[0].garments
    assert present(kept) == {"waistband_right": near(100, 20, 1)}
    assert kept.box == pytest.approx((0, 10, 101, 60), abs=1e-3)


@pytest.mark.parametrize(
    ("photos", "message"),
    [
        ([LabelledPhoto("a.jpg", None, ())], "a.jpg: its size is not known"),
        ([LabelledPhoto("a.gif", (9, 9), ())], "a.gif: ultralytics reads"),
        ([LabelledPhoto("a.jpg", (9, 9), ()), LabelledPhoto("a.png", (9, 9), ())], "a.jpg and a.png would have one"),
        ([LabelledPhoto("../a.jpg", (9, 9), ())], "leads out"),
    ],
)
def test_what_the_format_cannot_hold_is_refused_and_nothing_is_written(tmp_path: Path, photos, message) -> None:
    with pytest.raises(ValueError, match=message):
        write_yolo_pose(label_set(tmp_path / "in", *photos), tmp_path / "out", FASHIONAI)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(FileExistsError, match="new or an empty folder"):
        write_yolo_pose(label_set(tmp_path), tmp_path / "out", FASHIONAI)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
