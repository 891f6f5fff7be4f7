import csv
import json
from pathlib import Path

import pytest

from aifashion.data_gen.formats.challenges import CATEGORY_KEYPOINTS
from aifashion.data_gen.formats.coco import read_coco
from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.top import convert_commands, data_commands
from small_runs import spoil


def test_synthetic_data_as_asked_for(tmp_path, fails):
    out = tmp_path / "drawn"
    words = ["--out", str(out), "--count", "4", "--testCount", "2", "--size", "64", "--seed", "3"]
    data_commands.synth(words)
    samples = read_keypoint_csv(out / "train" / "Annotations" / "train.csv")
    assert len(samples) == 4 and all(sample.path.is_file() for sample in samples)
    with (out / "test" / "test.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 2
    data_commands.synth(words)  # the same again finishes what is there
    assert "was begun with count 4, not 5" in fails(data_commands.synth, *words, "--count", "5")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_bytes(b"")
    assert "holds other things (photo.jpg)" in fails(data_commands.synth, "--out", tmp_path / "mine", "--count", "4")
    assert "0 photos to train on, 5 to test" in fails(data_commands.synth, "--out", tmp_path / "none", "--count", "0")


def test_scenes_as_asked_for(tmp_path, fails, capsys):
    out = tmp_path / "scenes"
    words = ["--out", str(out), "--count", "5", "--valCount", "2", "--testCount", "0", "--size", "64", "--seed", "3"]
    data_commands.synth_scenes(words)
    assert f"Wrote 5 photos to train on, 2 to validate, 0 to test to {out}" in " ".join(capsys.readouterr().out.split())
    coco = read_coco(out / "train.json")
    assert len(coco.images) == 5 and all((out / image.file_name).is_file() for image in coco.images)
    assert len(read_coco(out / "val.json").images) == 2 and not (out / "test.json").exists()
    data_commands.synth_scenes(words)  # the same again finishes what is there
    assert "was begun with seed 3, not 4" in fails(data_commands.synth_scenes, *words, "--seed", "4")
    for option, value in (("--count", "0"), ("--valCount", "-1"), ("--size", "63"), ("--workers", "0")):
        assert "expected at least" in fails(data_commands.synth_scenes, "--out", tmp_path / "none", option, value)
    assert not (tmp_path / "none").exists()


def test_checking_sound_data(data, capsys):
    data_commands.check([str(data)])
    assert capsys.readouterr().out.splitlines()[-1].startswith("usable: 0 problems")


def test_checking_finds_what_is_broken(own_data, capsys):
    photo = spoil(next((own_data / "train" / "Images" / "dress").iterdir()))
    with pytest.raises(SystemExit) as caught:
        data_commands.check([str(own_data), "--workers", "1"])
    assert caught.value.code == 1
    captured = capsys.readouterr()
    assert photo.name in captured.out and "not usable as it is: 1 problems" in captured.out
    assert "error" not in captured.err


def test_checking_nothing(fails, tmp_path):
    assert "no FashionAI keypoint files" in fails(data_commands.check, tmp_path)


def test_to_coco_and_back(data, tmp_path, capsys):
    table = data / "train" / "Annotations" / "train.csv"
    coco = tmp_path / "coco.json"
    convert_commands.to_coco([str(table), "--out", str(coco)])
    document = json.loads(coco.read_text())
    samples = read_keypoint_csv(table)
    assert len(document["images"]) == len(document["annotations"]) == len(samples) == 60
    by_name = {category["name"]: category for category in document["categories"]}
    assert set(by_name) >= {"skirt", "dress"} and set(CATEGORY_KEYPOINTS["skirt"]) <= set(by_name["skirt"]["keypoints"])
    back = tmp_path / "back.csv"
    convert_commands.from_coco([str(coco), "--out", str(back)])
    again = read_keypoint_csv(back)
    assert [(s.image_id, s.category) for s in again] == [(s.image_id, s.category) for s in samples]
    assert all(a.keypoints == b.keypoints for a, b in zip(again, samples, strict=True))
    assert f"Wrote 60 garments to {back}" in capsys.readouterr().out


def test_files_that_cannot_be_converted(fails, tmp_path):
    out = tmp_path / "out"
    assert "nowhere.csv" in fails(convert_commands.to_coco, tmp_path / "nowhere.csv", "--out", out)
    assert "nowhere.json" in fails(convert_commands.from_coco, tmp_path / "nowhere.json", "--out", out)
    (tmp_path / "text.json").write_text("no JSON")
    assert "text.json" in fails(convert_commands.from_coco, tmp_path / "text.json", "--out", out)
    assert not out.exists()


def test_a_set_of_photos_that_are_too_small_is_not_begun(fails, tmp_path):
    for command in (data_commands.synth, data_commands.synth_styles, data_commands.synth_products):
        assert fails(command, "--out", tmp_path / "set", "--size", "31") == "--size 31: expected at least 32 px"
    assert not (tmp_path / "set").exists()
    assert fails(data_commands.check, tmp_path, "--workers", "0") == "--workers 0: expected at least 1"


def test_a_vocabulary_of_some_categories_leaves_the_others_out(data, tmp_path, capsys, fails):
    skirts = tmp_path / "skirts.toml"
    skirts.write_text(
        'name = "skirts"\n'
        'keypoints = ["hemline_right", "hemline_left", "waistband_right", "waistband_left"]\n'
        "[categories.skirt]\n"
        'keypoints = ["waistband_left", "waistband_right", "hemline_left", "hemline_right"]\n'
        'span = ["waistband_left", "waistband_right"]\n'
    )
    csv = next(data.glob("train/Annotations/*.csv"))
    samples = [sample for sample in read_keypoint_csv(csv) if sample.category == "skirt"]
    coco, back = tmp_path / "skirts.json", tmp_path / "back.csv"
    convert_commands.to_coco([str(csv), "--out", str(coco), "--vocabulary", str(skirts)])
    said = capsys.readouterr().out
    assert f"Wrote {len(samples)} garments to {coco}; {60 - len(samples)} of other categories left out" in said
    assert [entry["name"] for entry in json.loads(coco.read_text())["categories"]] == ["skirt"]
    convert_commands.from_coco([str(coco), "--out", str(back)])
    assert [(s.image_id, s.keypoints) for s in read_keypoint_csv(back)] == [(s.image_id, s.keypoints) for s in samples]
    # The CSV has FashionAI's names, which a vocabulary of others does not share.
    hats = tmp_path / "hats.toml"
    hats.write_text('name = "hats"\n[categories.hat]\nkeypoints = ["brim_left", "brim_right"]\n')
    error = fails(convert_commands.to_coco, csv, "--out", tmp_path / "hats.json", "--vocabulary", hats)
    assert "is a FashionAI set and differs from the vocabulary hats" in error and not (tmp_path / "hats.json").exists()


# ------------------------------------------------------------------------------- one bad part does not cost the others


def test_garments_that_coco_cannot_hold_are_left_out_and_counted(own_data, tmp_path, capsys, fails):
    table, coco = own_data / "train" / "Annotations" / "train.csv", tmp_path / "coco.json"
    samples = read_keypoint_csv(table)
    samples[0].path.unlink()
    spoil(samples[1].path)
    lines = table.read_text().splitlines()
    lines[3] = ",".join([*lines[3].split(",")[:2], *["-1_-1_-1"] * 24])
    lines[4] = lines[4].replace(",", ",no ", 1)
    table.write_text("\n".join(lines) + "\n")
    convert_commands.to_coco([str(table), "--out", str(coco)])
    assert len(json.loads(coco.read_text())["annotations"]) == len(samples) - 4
    said = " ".join(capsys.readouterr().out.split())
    assert f"{table}: left out 1 rows with problems, {len(samples) - 1} are used" in said
    assert f"{table}: left out 3 garments with problems, {len(samples) - 4} are used" in said
    assert "no keypoint is labelled" in said and f"Wrote {len(samples) - 4} garments" in said
    for sample in samples:
        sample.path.unlink(missing_ok=True)
    before = coco.read_text()
    assert "problems:" in fails(convert_commands.to_coco, table, "--out", coco) and coco.read_text() == before


def test_of_two_garments_in_a_photo_the_csv_gets_the_larger(tmp_path, capsys):
    names = ["waistband_left", "waistband_right", "hemline_left", "hemline_right"]
    points = {1: [10, 10, 2, 20, 10, 2, 10, 30, 2, 20, 30, 2], 2: [10, 10, 2, 90, 10, 2, 10, 95, 2, 90, 95, 2]}
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 99, "height": 99} for i in (1, 2)],
        "categories": [{"id": 1, "name": "skirt", "keypoints": names}, {"id": 2, "name": "hat", "keypoints": names}],
        "annotations": [
            {"id": n, "image_id": image, "category_id": category, "keypoints": points[size]}
            for n, (image, category, size) in enumerate([(1, 1, 1), (1, 1, 2), (2, 1, 1), (2, 2, 2)])
        ],
    }
    source, out = tmp_path / "x.json", tmp_path / "x.csv"
    source.write_text(json.dumps(content))
    convert_commands.from_coco([str(source), "--out", str(out)])
    rows = [(s.image_id, s.category, s.keypoints.xy.max()) for s in read_keypoint_csv(out)]
    assert rows == [("1.jpg", "skirt", 95), ("2.jpg", "skirt", 30)]
    said = " ".join(capsys.readouterr().out.split())
    assert "left out 1 garments of none of the categories blouse, dress, outwear, skirt, trousers" in said
    assert "left out 1 garments that are not the largest of their photo" in said


def coco_of(path: Path, visibilities: list[int]) -> Path:
    """A COCO file of skirts, a photo each, of whose keypoints all have the visibility."""
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 99, "height": 99} for i in range(len(visibilities))],
        "categories": [{"id": 1, "name": "skirt", "keypoints": ["waistband_left", "hemline_left"]}],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "keypoints": [5, 6, v, 7, 80, v]}
            for i, v in enumerate(visibilities)
        ],
    }
    path.write_text(json.dumps(content))
    return path


def test_garments_without_a_labelled_keypoint_are_left_out_and_counted(tmp_path, capsys):
    out = tmp_path / "x.csv"
    convert_commands.from_coco([str(coco_of(tmp_path / "x.json", [0, 2, 0, 1])), "--out", str(out)])
    assert [sample.image_id for sample in read_keypoint_csv(out)] == ["1.jpg", "3.jpg"]
    said = " ".join(capsys.readouterr().out.split())
    assert "left out 2 garments without a labelled keypoint" in said and "Wrote 2 garments" in said


def test_where_no_keypoint_is_labelled_the_earlier_file_stays(tmp_path, fails):
    out = tmp_path / "x.csv"
    out.write_text("earlier")
    error = fails(convert_commands.from_coco, coco_of(tmp_path / "x.json", [0] * 40), "--out", out)
    assert "none of its 40 garments has a labelled keypoint" in error and out.read_text() == "earlier"
