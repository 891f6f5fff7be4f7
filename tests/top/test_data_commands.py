import csv
import json

import pytest

from aifashion.data_gen.formats.challenges import CATEGORY_KEYPOINTS
from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.top import data_commands
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
    data_commands.to_coco([str(table), "--out", str(coco)])
    document = json.loads(coco.read_text())
    samples = read_keypoint_csv(table)
    assert len(document["images"]) == len(document["annotations"]) == len(samples) == 60
    by_name = {category["name"]: category for category in document["categories"]}
    assert set(by_name) >= {"skirt", "dress"} and set(CATEGORY_KEYPOINTS["skirt"]) <= set(by_name["skirt"]["keypoints"])
    back = tmp_path / "back.csv"
    data_commands.from_coco([str(coco), "--out", str(back)])
    again = read_keypoint_csv(back)
    assert [(s.image_id, s.category) for s in again] == [(s.image_id, s.category) for s in samples]
    assert all(a.keypoints == b.keypoints for a, b in zip(again, samples, strict=True))
    assert f"Wrote 60 garments to {back}" in capsys.readouterr().out


def test_files_that_cannot_be_converted(fails, tmp_path):
    out = tmp_path / "out"
    assert "nowhere.csv" in fails(data_commands.to_coco, tmp_path / "nowhere.csv", "--out", out)
    assert "nowhere.json" in fails(data_commands.from_coco, tmp_path / "nowhere.json", "--out", out)
    (tmp_path / "text.json").write_text("no JSON")
    assert "text.json" in fails(data_commands.from_coco, tmp_path / "text.json", "--out", out)
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
    data_commands.to_coco([str(csv), "--out", str(coco), "--vocabulary", str(skirts)])
    said = capsys.readouterr().out
    assert f"Wrote {len(samples)} garments to {coco}; {60 - len(samples)} of other categories left out" in said
    assert [entry["name"] for entry in json.loads(coco.read_text())["categories"]] == ["skirt"]
    data_commands.from_coco([str(coco), "--out", str(back)])
    assert [(s.image_id, s.keypoints) for s in read_keypoint_csv(back)] == [(s.image_id, s.keypoints) for s in samples]
    # The CSV has FashionAI's names, which a vocabulary of others does not share.
    hats = tmp_path / "hats.toml"
    hats.write_text('name = "hats"\n[categories.hat]\nkeypoints = ["brim_left", "brim_right"]\n')
    error = fails(data_commands.to_coco, csv, "--out", tmp_path / "hats.json", "--vocabulary", hats)
    assert "is a FashionAI set and differs from the vocabulary hats" in error and not (tmp_path / "hats.json").exists()
