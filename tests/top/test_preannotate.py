import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_crops import CONFIG, POINTS, SKIRT

from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.data_gen.formats.labels import LabelSet
from aifashion.data_gen.formats.table import FORMATS, format_of
from aifashion.eval.visibility import Visibility
from aifashion.recognition.keypoint_model import KeypointModel
from aifashion.top import convert_commands, preannotate, train
from labelled import by_file, present

NUMBER = len(KEYPOINTS)


def maps(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A network that sees a skirt where a photo is red, at one place if it has no green, and the less surely the more
    green it has; nothing elsewhere."""
    xy = np.array([POINTS.get(name, (0, 0)) for name in KEYPOINTS], float)
    labelled = np.array([name in POINTS for name in KEYPOINTS])
    found = []
    for image in images:
        red, green, blue = image[32, 32].astype(float)
        moved = xy + np.array([0, 8 * (blue > 100)])
        wide = CONFIG.codec.encode(moved, labelled)
        for shift in range(1, 4):  # spread evenly over cells to the right
            wide = np.maximum(wide, green / 255 * CONFIG.codec.encode(moved + np.array([4 * shift, 0]), labelled))
        found.append(wide * (red > 200))
    return np.stack(found).astype(np.float32), np.tile(np.eye(5, dtype=np.float32)[SKIRT], (len(images), 1))


@pytest.fixture(autouse=True)
def model(monkeypatch) -> KeypointModel:
    visibility = Visibility(np.ones(NUMBER), np.zeros(NUMBER), 0.3)
    model = KeypointModel(Path("run"), CONFIG, maps, "argmax", visibility)
    monkeypatch.setattr(preannotate, "load_keypoint_model", lambda run, **asked: model)
    return model


def save(path: Path, green: int, blue: int = 0, red: int = 255) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), (red, green, blue)).save(path)


@pytest.fixture
def photos(tmp_path) -> Path:
    """b is the least certain one, then in/d, a and c; none shows no garment, and bad cannot be read."""
    folder = tmp_path / "photos"
    for name, green in (("a", 60), ("b", 250), ("c", 0), ("in/d", 120)):
        save(folder / f"{name}.png", green)
    save(folder / "none.png", 0, red=0)
    (folder / "bad.png").write_bytes(b"no photo")
    return folder


ORDER = ["b.png", "in/d.png", "a.png", "c.png"]


def run(*words: object) -> None:
    preannotate.main([str(word) for word in words])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read(path: Path) -> LabelSet:
    return format_of(path).read(path)


def names(path: Path) -> list[str]:
    return [photo.file_name for photo in read(path).photos]


# ---------------------------------------------------------------------------------------------------- what is written


@pytest.mark.parametrize("to", ["label-studio", "coco", "cvat", "fashionai", "table"])
def test_the_least_certain_photos_are_first(to, photos, tmp_path):
    out = tmp_path / "new" / ("labels.csv" if to in ("fashionai", "table") else "labels.json")
    run(photos, "--to", to, "--out", out)
    assert format_of(out).name == to and names(out) == ORDER
    found = by_file(read(out))["c.png"]
    (garment,) = found.garments
    assert garment.category == "skirt"
    place = {name: (x, y, 1) for name, (x, y) in POINTS.items()}
    assert {name: pytest.approx(values) for name, values in place.items()} == present(garment)


@pytest.mark.parametrize("to", ["labelme", "yolo-pose"])
def test_folders_have_all_photos_and_the_order_lies_beside_them(to, photos, tmp_path):
    out = tmp_path / "labels"
    run(photos, "--to", to, "--out", out)
    assert sorted(Path(name).name for name in names(out)) == ["a.png", "b.png", "c.png", "d.png"]
    assert [row["photo"] for row in rows_of(tmp_path / "labels_order.csv") if row["rank"]] == ORDER


def test_every_format_that_is_written_is_named_in_the_help(capsys):
    with pytest.raises(SystemExit):
        run("--help")
    text = capsys.readouterr().out
    assert all(name in text for name, entry in FORMATS.items() if entry.write is not None)


def test_scores_say_how_certain_the_network_is_of_each_keypoint(photos, tmp_path):
    out = tmp_path / "tasks.json"
    run(photos, "--to", "label-studio", "--out", out)
    tasks = json.loads(out.read_text())
    assert all("annotations" not in task for task in tasks)
    results = {task["data"]["image"]: task["predictions"][0]["result"] for task in tasks}
    first, last = (
        [one["score"] for one in result if one["type"] == "keypointlabels"]
        for result in (results["/data/local-files/?d=b.png"], results["/data/local-files/?d=c.png"])
    )
    assert len(first) == len(last) == 4 and max(first) < min(last) < 1
    rows = {row["photo"]: row for row in rows_of(tmp_path / "tasks_order.csv")}
    assert 1 - min(last) == pytest.approx(float(rows["c.png"]["keypoint_error"]), abs=1e-4)


def test_the_order_names_every_photo_with_what_is_known_of_it(photos, tmp_path, capsys):
    run(photos, "--to", "coco", "--out", tmp_path / "labels.json")
    rows = rows_of(tmp_path / "labels_order.csv")
    assert [row["photo"] for row in rows] == [*ORDER, "none.png", "bad.png"]
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "", ""]
    sure = [float(row["uncertainty"]) for row in rows[:4]]
    assert sure == sorted(sure, reverse=True) and 0 < sure[-1] < sure[0] < 1
    # The category is certain and there is no box: what is left are the keypoints.
    assert [row["expected_error"] for row in rows[:4]] == [row["uncertainty"] for row in rows[:4]]
    assert {(row["category"], row["category_probability"], row["garments"]) for row in rows[:4]} == {
        ("skirt", "1.0000", "1")
    }
    assert rows[4]["garments"] == "0" and rows[4]["uncertainty"] == rows[4]["error"] == ""
    assert rows[5]["garments"] == "" and "not a readable image" in rows[5]["error"]
    text = " ".join(capsys.readouterr().out.split())
    assert f"no answer: {photos / 'bad.png'}" in text and "1 could not be read" in text
    assert "1 photos are left out: no garment was found in them" in text
    assert "Wrote 4 photos with 4 garments" in text


def test_boxes_that_are_given_become_garments_with_their_probabilities(photos, tmp_path):
    (tmp_path / "boxes.csv").write_text(
        "photo,left,top,right,bottom,category,score\na.png,2,3,60,61,skirt,0.75\na.png,4,4,62,62,skirt,0.5\n"
        "none.png,1,1,50,50,skirt,1\n"
    )
    run(photos, "--to", "coco", "--out", tmp_path / "x.json", "--boxes", tmp_path / "boxes.csv")
    rows = rows_of(tmp_path / "x_order.csv")
    # What a person says to be a garment is one, though no keypoint shows; photos without a box have none.
    assert {row["photo"]: row["garments"] for row in rows if row["rank"]} == {"a.png": "2", "none.png": "1"}
    (row,) = [row for row in rows if row["photo"] == "a.png"]
    assert row["category_probability"] == "" and row["box_score"] == "0.5000"
    assert float(row["uncertainty"]) == pytest.approx(1 - 0.5 * (1 - float(row["expected_error"])), abs=1e-3)
    first = by_file(read(tmp_path / "x.json"))["a.png"].garments
    assert [garment.box for garment in first] == [(2, 3, 60, 61), (4, 4, 62, 62)]


def test_of_several_garments_a_format_with_one_gets_the_largest(photos, tmp_path, capsys):
    (tmp_path / "boxes.csv").write_text("photo,left,top,right,bottom\na.png,2,3,60,61\na.png,4,4,40,40\n")
    words = ("--to", "fashionai", "--out", tmp_path / "x.csv", "--boxes", tmp_path / "boxes.csv", "--category", "skirt")
    run(photos, *words)
    assert names(tmp_path / "x.csv") == ["a.png"]
    assert "left out 1 garments that are not the largest" in " ".join(capsys.readouterr().out.split())


# ------------------------------------------------------------------------------------------------------------- budgets


def test_a_budget_takes_photos_that_differ(tmp_path):
    folder = tmp_path / "photos"
    for number in range(6):
        save(folder / f"alike{number}.png", 240)
    save(folder / "lower.png", 100, blue=255)
    run(folder, "--to", "coco", "--out", tmp_path / "x.json", "--budget", 2)
    assert names(tmp_path / "x.json") == ["alike0.png", "lower.png"]
    rows = rows_of(tmp_path / "x_order.csv")
    assert [row["rank"] for row in rows] == ["1", "2"] + [""] * 5


def test_the_same_seed_takes_the_same_photos(tmp_path):
    folder = tmp_path / "photos"
    for number in range(40):
        save(folder / f"{number}.png", 6 * number, blue=200 * (number % 2))
    taken = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(folder, "--to", "coco", "--out", tmp_path / f"{name}.json", "--budget", 8, "--seed", seed)
        taken.append(names(tmp_path / f"{name}.json"))
    assert taken[0] == taken[1] != taken[2] and len(set(taken[0])) == 8


def test_a_budget_larger_than_the_photos_takes_all(photos, tmp_path, capsys):
    run(photos, "--to", "coco", "--out", tmp_path / "x.json", "--budget", 200)
    assert names(tmp_path / "x.json") == ORDER
    text = " ".join(capsys.readouterr().out.split())
    assert "--budget 200: garments were found in 4 photos; all of them are written" in text


# ------------------------------------------------------------------------------------------------- lists and bad input


def test_photos_of_a_list_are_named_below_the_folder_that_has_all(photos, tmp_path):
    (tmp_path / "list.txt").write_text("photos/a.png\nphotos/in/d.png\nphotos/../photos/a.png\nphotos/gone.png\n")
    run(tmp_path / "list.txt", "--to", "coco", "--out", tmp_path / "x.json")
    assert names(tmp_path / "x.json") == ["in/d.png", "a.png"]
    assert rows_of(tmp_path / "x_order.csv")[-1]["photo"] == "gone.png"


def test_nothing_is_written_where_nothing_was_answered(tmp_path, fails):
    folder, out = tmp_path / "photos", tmp_path / "x.json"
    save(folder / "none.png", 0, red=0)
    words = ("--to", "coco", "--out", out)
    assert "in none of the 1 photos a garment was found" in fails(preannotate.main, folder, *words)
    (folder / "none.png").write_bytes(b"no photo")
    assert "none of the 1 photos could be read" in fails(preannotate.main, folder, *words)
    (folder / "none.png").unlink()
    assert "no photos" in fails(preannotate.main, folder, *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_an_output_that_is_there_stays(photos, tmp_path, fails, monkeypatch):
    monkeypatch.setattr(
        preannotate, "load_keypoint_model", lambda run, **asked: pytest.fail("the network is asked too early")
    )
    (tmp_path / "x.json").write_text("corrected")
    assert "somebody's work" in fails(preannotate.main, photos, "--to", "coco", "--out", tmp_path / "x.json")
    assert (tmp_path / "x.json").read_text() == "corrected"
    assert "somebody's work" in fails(preannotate.main, photos, "--to", "labelme", "--out", photos)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--to", "deepfashion", "--out", "x"), "--to deepfashion: expected one of fashionai, coco"),
        (("--to", "coco", "--out", "x", "--budget", "0"), "--budget 0: expected a number of photos from 1"),
        (("--to", "coco", "--out", "x", "--batch-size", "0"), "--batch-size 0"),
        (("--to", "coco", "--out", "x", "--seed", "-1"), "--seed -1"),
        (("--to", "coco", "--out", "x", "--category", "kilt"), "kilt"),
        (("--to", "coco", "--out", "x", "--garments", "all", "--detector", "none"), "--garments all needs boxes"),
        (("--to", "table", "--out", "x.json"), "must end in .csv or .parquet"),
        (("--to", "deepfashion2", "--out", "x"), "which DeepFashion2 does not have"),
    ],
)
def test_what_cannot_be_done_is_said_before_photos_are_read(
    words, reason, photos, tmp_path, fails, monkeypatch, model: KeypointModel
):
    def asked(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise AssertionError("the network is asked too early")

    monkeypatch.setattr(
        preannotate, "load_keypoint_model", lambda run, **asked: KeypointModel(Path("r"), CONFIG, asked, "dark")
    )
    monkeypatch.chdir(tmp_path)
    assert reason in fails(preannotate.main, photos, *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


@pytest.mark.parametrize(
    ("to", "out", "beside"),
    [
        ("coco", "new.json", "new_order.csv"),
        ("label-studio", "new.json", "new_config.xml"),
        ("cvat", "new.xml", "new_labels.json"),
    ],
)
def test_nothing_beside_the_labels_is_replaced(photos, tmp_path, fails, to, out, beside):
    (tmp_path / beside).write_text("mine")
    error = fails(preannotate.main, photos, "--to", to, "--out", tmp_path / out)
    assert f"{beside}: it is there already" in error
    assert (tmp_path / beside).read_text() == "mine" and not (tmp_path / out).exists()


def test_an_empty_folder_is_no_name_for_a_file(photos, tmp_path, fails):
    (tmp_path / "empty").mkdir()
    reason = fails(preannotate.main, photos, "--to", "coco", "--out", tmp_path / "empty")
    assert "this is a folder; expected the name of a file" in reason
    run(photos, "--to", "labelme", "--out", tmp_path / "empty")
    assert len(names(tmp_path / "empty")) == 4


# --------------------------------------------------------------------------------------------- there and back, by hand


def corrected(tasks: list[dict], moves: Mapping[str, tuple[float, float]]) -> list[dict]:
    """The export of a project in which somebody saw all tasks, accepted them, and moved one keypoint of each photo that
    is named to a place in percent."""
    exported = []
    for number, task in enumerate(tasks, start=1):
        result = task["predictions"][0]["result"]
        for one in result:
            del one["score"]
            move = moves.get(task["data"]["image"].rpartition("=")[2])
            if move and one["value"].get("keypointlabels") == ["hemline_left"]:
                one["value"]["x"], one["value"]["y"] = move
        exported.append({"id": number, "data": task["data"], "annotations": [{"id": number, "result": result}]})
    return exported


def test_what_people_correct_comes_back(photos, tmp_path):
    tasks, export, back = tmp_path / "tasks.json", tmp_path / "export.json", photos / "corrected.json"
    run(photos, "--to", "label-studio", "--out", tasks, "--budget", 2)
    first, second = names(tasks)
    export.write_text(json.dumps(corrected(json.loads(tasks.read_text()), {first: (50, 25)})))
    convert_commands.convert([str(export), "--photos", str(photos), "--to", "coco", "--out", str(back)])
    found = by_file(read(back))
    assert set(found) == {first, second}
    place = {name: {p: present(found[name].garments[0])[p] for p in POINTS} for name in found}
    assert place[first]["hemline_left"] == pytest.approx((31.5, 15.5, 1))  # 50 and 25 % of 64 px, less half a pixel
    assert place[second]["hemline_left"] == pytest.approx((*POINTS["hemline_left"], 1))


@pytest.mark.slow
def test_a_network_goes_on_from_what_people_corrected(tmp_path, monkeypatch):
    """Drawn photos -> the shipped network's labels -> corrections -> the shipped network, trained on them."""
    from aifashion.data_gen.synthetic.scene import render
    from aifashion.recognition.keypoint_model import load_keypoint_model

    monkeypatch.setattr(preannotate, "load_keypoint_model", load_keypoint_model)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(render(np.random.default_rng(number), 96, "skirt").image).save(folder / f"{number}.png")
    tasks, export, back = tmp_path / "tasks.json", tmp_path / "export.json", folder / "corrected.json"
    run(folder, "--to", "label-studio", "--out", tasks, "--budget", 5, "--category", "skirt")
    moves = dict.fromkeys(names(tasks), (50.0, 50.0))
    export.write_text(json.dumps(corrected(json.loads(tasks.read_text()), moves)))
    convert_commands.convert([str(export), "--photos", str(folder), "--to", "coco", "--out", str(back)])
    with Image.open(folder / names(tasks)[0]) as first:
        middle = (first.width / 2 - 0.5, first.height / 2 - 0.5, 1)
    assert present(by_file(read(back))[names(tasks)[0]].garments[0])["hemline_left"] == pytest.approx(middle)
    words = ("--data", back, "--weights", "shipped", "--epochs", 1, "--batch-size", 2, "--val-fraction", 0.3)
    train.main([str(word) for word in (*words, "--out", tmp_path / "runs")])
    (finished,) = (tmp_path / "runs").glob("all/*/best.json")
    assert json.loads(finished.read_text())["epoch"] == 1
    only_skirts = {row["category"] for row in rows_of(tmp_path / "tasks_order.csv")}
    assert only_skirts == {"skirt"}
