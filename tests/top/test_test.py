import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen.formats.challenges import CATEGORY_KEYPOINTS, KEYPOINTS
from aifashion.data_gen.images import image_size
from aifashion.top import score
from aifashion.top import test as command
from small_runs import spoil

ABSENT = "-1_-1_-1"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def listed(data: Path) -> list[dict[str, str]]:
    return rows_of(data / "test" / "test.csv")


def list_of(data: Path, category: str, path: Path) -> Path:
    """A test list of one category, beside the one of all."""
    rows = [row for row in listed(data) if row["image_category"] == category]
    assert rows
    path.write_text("image_id,image_category\n" + "".join(f"{row['image_id']},{category}\n" for row in rows))
    return path


def predict(run: Path, out: Path, data: Path, *words: str) -> list[dict[str, str]]:
    command.main(["--model", str(run), "--out", str(out), "--data", str(data), *words])
    return rows_of(out / "submission.csv")


def check_rows(rows: list[dict[str, str]], expected: list[dict[str, str]]) -> None:
    """One row for each photo asked for, with the points of its category inside the photo and no others."""
    assert [(row["image_id"], row["image_category"]) for row in rows] == [tuple(row.values()) for row in expected]
    for row in rows:
        assert list(row) == ["image_id", "image_category", *KEYPOINTS]
        for name in KEYPOINTS:
            if name not in CATEGORY_KEYPOINTS[row["image_category"]]:
                assert row[name] == ABSENT
                continue
            x, y, state = map(int, row[name].split("_"))
            assert state == 1 and 0 <= x < 96 and 0 <= y < 96


# Mistakes


def test_no_run(fails, data, tmp_path):
    words = ["--out", tmp_path / "out", "--data", data, "--model"]
    assert "name a run folder, which has a config.json" in fails(command.main, *words, tmp_path)
    assert "no run in " in fails(command.main, *words, tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


def test_a_run_without_a_model(fails, data, tmp_path, bare_run):
    error = fails(command.main, "--model", bare_run, "--out", tmp_path / "out", "--data", data)
    assert f"{bare_run} has no usable model yet" in error


def test_lists_that_share_an_image_id_are_named_before_anything_is_predicted(fails, tmp_path):
    for name in ("test_a", "test_b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "test.csv").write_text("image_id,image_category\nImages/skirt/a.jpg,skirt\n")
    error = fails(command.main, "--model", "shipped", "--data", tmp_path, "--out", tmp_path / "out")
    assert f"Images/skirt/a.jpg of {tmp_path / 'test_b' / 'test.csv'} is also in another list below" in error
    assert "--data FILE.csv" in error and not (tmp_path / "out").exists()


def test_no_test_set(fails, data, tmp_path):
    words = ["--model", "shipped", "--out", tmp_path / "out", "--data"]
    assert "no FashionAI keypoint files" in fails(command.main, *words, tmp_path / "nowhere")
    assert "no test.csv below it: give the list itself with --data FILE" in fails(command.main, *words, data / "train")
    (tmp_path / "test.csv").write_text("image_id,image_category\nImages/hat/a.jpg,hat\n")
    assert "test.csv:2:" in fails(command.main, *words, tmp_path / "test.csv")


# Boxes


def test_a_photo_is_looked_at_in_the_likeliest_box_of_its_category(own_data, tmp_path, capsys, fails):
    rows = [row for row in listed(own_data) if row["image_category"] == "dress"]
    assert len(rows) > 1
    dresses = list_of(own_data, "dress", own_data / "test" / "dresses.csv")
    name = rows[0]["image_id"]
    boxes = tmp_path / "boxes.csv"
    width, height = image_size(dresses.parent / name)
    low = (width - 24, height - 24, width, height)
    lines = [f"{name},4,4,28,28,dress,0.5", f"{name},{','.join(map(str, low))},dress,0.75", f"{name},0,0,20,20,skirt,1"]
    boxes.write_text("photo,left,top,right,bottom,category,score\n" + "\n".join(lines) + "\n")
    whole = predict(Path("shipped"), tmp_path / "whole", dresses)
    capsys.readouterr()
    boxed = predict(Path("shipped"), tmp_path / "boxed", dresses, "--boxes", str(boxes))
    assert f"for {len(rows) - 1} rows no box of such a garment was found" in capsys.readouterr().out
    assert boxed[1:] == whole[1:] and [row["image_id"] for row in boxed] == [row["image_id"] for row in rows]
    points = [tuple(map(int, boxed[0][key].split("_")))[:2] for key in KEYPOINTS if boxed[0][key] != ABSENT]
    # The square about the box reaches 4 px beyond it.
    assert len(points) == len(CATEGORY_KEYPOINTS["dress"])
    assert all(value >= low[axis] - 5 for xy in points for axis, value in enumerate(xy))
    words = ["--model", "shipped", "--out", tmp_path / "none", "--data", dresses, "--detector", tmp_path / "nowhere"]
    assert "no run in " in fails(command.main, *words)


def test_two_garments_of_one_category_in_a_photo_have_a_box_each(tmp_path):
    """COCO results have the numbers of the COCO test set; the likelier box is that of the second garment."""
    Image.fromarray(np.full((100, 200, 3), 90, np.uint8)).save(tmp_path / "a.png")
    names = list(CATEGORY_KEYPOINTS["skirt"])
    places = [(10, 10, 60, 80), (110, 20, 60, 70)]
    entries = [
        {"id": i + 1, "image_id": 3, "category_id": 7, "bbox": box, "keypoints": [box[0] + 5, 40, 2] * len(names)}
        for i, box in enumerate(places)
    ]
    content = {
        "images": [{"id": 3, "file_name": "a.png", "width": 200, "height": 100}],
        "categories": [{"id": 7, "name": "skirt", "keypoints": names}],
        "annotations": entries,
    }
    (tmp_path / "test.json").write_text(json.dumps(content))
    found = [{"image_id": 3, "category_id": 7, "bbox": b, "score": s} for b, s in zip(places, (0.4, 0.9), strict=True)]
    (tmp_path / "boxes.json").write_text(json.dumps(found))
    words = ["--model", "shipped", "--data", str(tmp_path), "--boxes", str(tmp_path / "boxes.json")]
    command.main([*words, "--out", str(tmp_path / "out")])
    written = json.loads((tmp_path / "out" / "submission.json").read_text())
    assert [entry["image_id"] for entry in written] == [3, 3]
    for entry, (left, _, width, _) in zip(written, places, strict=True):
        x = np.array(entry["keypoints"]).reshape(-1, 3)[:, 0]
        # The square about the box reaches 15% of its longer side beyond it.
        assert (x >= left + width / 2 - 60).all() and (x <= left + width / 2 + 60).all()


# Whole predictions


@pytest.mark.slow
def test_from_the_photos_to_the_score(skirt_run, own_data, tmp_path, capsys):
    skirts = list_of(own_data, "skirt", own_data / "test" / "skirts.csv")
    rows = predict(skirt_run, tmp_path / "out", skirts, "--augment")
    assert f"Wrote {len(rows)} rows to" in capsys.readouterr().out
    check_rows(rows, rows_of(skirts))
    plain = predict(skirt_run, tmp_path / "plain", skirts, "--batchSize", "2")
    check_rows(plain, rows_of(skirts))
    assert plain != rows  # augmentation changes something

    (answers,) = own_data.glob("fashionAI_key_points_test_a_answer_*.csv")
    header, *lines = answers.read_text().splitlines(True)
    truth, numbers = tmp_path / "truth.csv", tmp_path / "score.json"
    truth.write_text(header + "".join(line for line in lines if ",skirt," in line))
    files = ["--truth", str(truth), "--predicted", str(tmp_path / "out" / "submission.csv")]
    score.keypoints([*files, "--json", str(numbers)])
    found = json.loads(numbers.read_text())
    assert {"ne", "per_category", "per_keypoint", "points", "garments", "skipped"} <= set(found)
    assert list(found["per_category"]) == ["skirt"] and set(found["per_keypoint"]) == set(CATEGORY_KEYPOINTS["skirt"])
    assert found["garments"] + found["skipped"] == len(rows)


@pytest.mark.slow
def test_all_categories(all_run, data, tmp_path):
    check_rows(predict(all_run, tmp_path, data), listed(data))
    # The latest run of a folder is taken as well, and the model of a certain epoch.
    first = predict(all_run.parent, tmp_path / "first", data, "--epoch", "1", "--decoder", "argmax")
    check_rows(first, listed(data))
    assert first != rows_of(tmp_path / "submission.csv")


@pytest.mark.slow
def test_the_network_predicts_the_category(all_run, skirt_run, data, tmp_path):
    rows = predict(all_run, tmp_path / "all", data, "--category", "auto")
    check_rows(rows, [{"id": row["image_id"], "category": row["image_category"]} for row in rows])
    assert [row["image_id"] for row in rows] == [row["image_id"] for row in listed(data)]
    rows = predict(skirt_run, tmp_path / "skirt", data, "--category", "auto")
    check_rows(rows, [{"id": row["image_id"], "category": "skirt"} for row in listed(data)])


@pytest.mark.slow
def test_a_run_of_one_category_is_not_asked_for_others(skirt_run, data, tmp_path, fails):
    error = fails(command.main, "--model", skirt_run, "--out", tmp_path / "out", "--data", data)
    assert f"{skirt_run} was trained for skirt, but {data} also lists" in error and "dress" in error
    assert "use a run of --category all" in error and not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("category", ["given", "auto"])
def test_photos_that_cannot_be_read_are_named_at_the_end(all_run, own_data, tmp_path, capsys, fails, category):
    photos = [own_data / "test" / row["image_id"] for row in listed(own_data)]
    photos[4].unlink()
    spoil(photos[7])
    capsys.readouterr()
    rows = predict(all_run, tmp_path / "out", own_data, "--category", category)
    lines = capsys.readouterr().out.splitlines()
    for line, photo in zip(lines[-3:-1], (photos[4], photos[7]), strict=True):
        assert line.startswith("no keypoints, all -1: ") and photo.name in line
    assert lines[-1] == f"Wrote 12 rows to {tmp_path / 'out' / 'submission.csv'}, 2 of them without keypoints"
    for index, row in enumerate(rows):
        assert row["image_id"] == listed(own_data)[index]["image_id"]
        silent = all(row[name] == ABSENT for name in KEYPOINTS)
        assert silent == (index in (4, 7))
    assert rows[4]["image_category"] == listed(own_data)[4]["image_category"]
    words = ["--model", all_run, "--out", tmp_path / "strict", "--data", own_data, "--strict"]
    assert photos[4].name in fails(command.main, *words, "--category", category)
    assert not list((tmp_path / "strict").glob("[!.]*"))


@pytest.mark.slow
def test_an_epoch_that_is_not_kept(all_run, data, tmp_path, fails):
    words = ["--model", all_run, "--out", tmp_path, "--data", data, "--epoch", "7"]
    assert "keeps no model of epoch 7; it has those of epochs [1, 2]" in fails(command.main, *words)


def test_where_no_photo_can_be_read_the_earlier_submission_stays(own_data, tmp_path, fails):
    for photo in (own_data / "test" / "Images").rglob("*.jpg"):
        photo.write_bytes(photo.read_bytes()[:300])
    (tmp_path / "submission.csv").write_text("earlier")
    error = fails(command.main, "--model", "shipped", "--data", own_data, "--out", tmp_path)
    assert "none of the 12 photos could be read; no submission is written" in error
    assert (tmp_path / "submission.csv").read_text() == "earlier"
