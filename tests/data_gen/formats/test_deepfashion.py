from pathlib import Path

import pytest

from aifashion.data_gen.formats.deepfashion import is_deepfashion, read_deepfashion
from aifashion.data_gen.formats.problems import FormatError
from labelled import present

HEADER = "image_name  clothes_type  variation_type  " + "  ".join(
    f"landmark_visibility_{n} landmark_location_x_{n} landmark_location_y_{n}" for n in range(1, 9)
)
UPPER = "img/a.jpg  1  1  0 146 102  0 173 095  1 094 242  0 205 255  2 000 000  0 177 232"
LOWER = "img/b.jpg  2  1  0 50 60  0 90 61  0 40 200  1 99 201"
FULL = "img/c.jpg  3  1  0 1 2  0 3 4  0 5 6  0 7 8  0 9 10  1 11 12  0 13 14  0 15 16"


def lists(root: Path, *rows: str, boxes: tuple[str, ...] = (), suffix: str = "") -> Path:
    folder = root / "Anno"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"list_landmarks{suffix}.txt"
    path.write_text(f"{len(rows)}\n{HEADER}\n" + "".join(f"{row}\n" for row in rows))
    if boxes:
        header = "image_name  clothes_type  variation_type  x_1  y_1  x_2  y_2"
        text = "".join(f"{row}\n" for row in (len(boxes), header, *boxes))
        (folder / f"list_bbox{suffix}.txt").write_text(text)
    return path


def test_the_three_clothes_types(tmp_path: Path) -> None:
    found = read_deepfashion(lists(tmp_path, UPPER, LOWER, FULL, boxes=("img/a.jpg  1 1  072 079 232 273",)))
    assert found.root == tmp_path and not found.problems
    assert [photo.file_name for photo in found.photos] == ["img/a.jpg", "img/b.jpg", "img/c.jpg"]
    upper, lower, full = (photo.garments[0] for photo in found.photos)
    assert (upper.category, upper.id, upper.box) == ("upper", "line 3", (72, 79, 232, 273))
    assert present(upper) == {
        "left collar": (146, 102, 1),
        "right collar": (173, 95, 1),
        "left sleeve": (94, 242, 0),
        "right sleeve": (205, 255, 1),
        "right hem": (177, 232, 1),
    }
    assert lower.category == "lower" and lower.box is None
    assert present(lower)["left waistline"] == (50, 60, 1) and present(lower)["right hem"] == (99, 201, 0)
    assert full.category == "full" and present(full)["right waistline"] == (11, 12, 0) and len(present(full)) == 8


def test_lists_of_other_benchmarks_have_other_names_and_filled_rows(tmp_path: Path) -> None:
    (tmp_path / "Img").mkdir()
    filled = LOWER + "  0 0 0" * 4
    path = lists(tmp_path, filled, filled, boxes=("img/b.jpg 2 1 1 2 30 40",), suffix="_inshop")
    assert is_deepfashion(path) and not is_deepfashion(path.with_name("list_bbox_inshop.txt"))
    found = read_deepfashion(path)
    assert found.root == tmp_path / "Img"
    (photo,) = found.photos  # two garments of one photo
    assert [garment.id for garment in photo.garments] == ["line 3", "line 4"]
    assert photo.garments[0].box == (1, 2, 30, 40) and len(present(photo.garments[0])) == 4


def test_a_wrong_row_costs_its_garment_and_is_named_by_line(tmp_path: Path) -> None:
    wrong = {
        UPPER.replace("  1  1  ", "  4  1  "): "clothes type '4'; expected 1, 2 or 3",
        UPPER.replace("  1  1  ", "  2  1  "): "18 numbers of landmarks; expected v, x, y for the 4 of type lower",
        UPPER.replace("0 146", "3 146"): "expected 0, 1 or 2",
        UPPER.replace("146", "14x6"): "could not convert",
        UPPER.replace("146", "nan"): "not a finite number",
        UPPER.replace("img/a", "../a"): "leads out of the data folder",
        "img/a.jpg": "1 cells; expected 27",
    }
    boxes = ("img/b.jpg 2 1 30 40 1 2", "img/b.jpg", "img/b.jpg 2 1 a 2 3 4")
    path = lists(tmp_path, LOWER, *wrong, "", boxes=boxes)
    found = read_deepfashion(path)
    assert [photo.file_name for photo in found.photos] == ["img/b.jpg"] and found.photos[0].garments[0].box is None
    of_boxes, of_rows = found.problems[:3], found.problems[3:]
    assert [(problem.path.name, problem.line) for problem in of_boxes] == [("list_bbox.txt", n) for n in (3, 4, 5)]
    for number, (problem, reason) in enumerate(zip(of_rows, wrong.values(), strict=True), start=4):
        assert (problem.path, problem.line) == (path, number) and reason in problem.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the number of photos"),
        (f"{HEADER}\n{UPPER}\n", "expected the number of photos"),
        (f"1\nimage_name x_1\n{UPPER}\n", "no column clothes_type, landmark_visibility_1"),
        (f"0\n{HEADER}\n", "no rows"),
        (f"1\n{HEADER}\n{UPPER[:30]}\n", "list_landmarks.txt:3"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "list_landmarks.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        read_deepfashion(path)
    assert not is_deepfashion(tmp_path)


def test_a_list_of_boxes_that_is_none_is_a_problem(tmp_path: Path) -> None:
    path = lists(tmp_path, LOWER, boxes=("img/b.jpg 2 1 1 2 30 40",))
    boxes = path.with_name("list_bbox.txt")
    boxes.write_text(boxes.read_text().replace("x_1", "left"))
    found = read_deepfashion(path)
    assert len(found.photos) == 1 and "'x_1' is not in list" in found.problems[0].message
    boxes.write_text("img/b.jpg 1 2 3 4\n")
    assert "expected the number of photos" in read_deepfashion(path).problems[0].message
