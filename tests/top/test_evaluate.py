import csv
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.recognition.attribute_model import AttributeModel, Calibration
from aifashion.recognition.keypoint_model import KeypointModel
from aifashion.records import HeadSpec
from aifashion.tasks import attributes
from aifashion.tasks import keypoints as keypoints_task
from aifashion.top import evaluate
from small_attributes import save_photo
from small_runs import keep_model


def test_only_runs_are_evaluated(tmp_path, fails):
    assert "no run in " in fails(evaluate.main, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"kind": "weather"}))
    error = fails(evaluate.main, tmp_path, "--pictures", tmp_path / "pictures")
    assert "a run of kind 'weather'; expected detection, keypoints or attributes" in error
    assert not (tmp_path / "pictures").exists()


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe{}", b"[]", b"7"])
def test_a_damaged_configuration_is_named(tmp_path, fails, text):
    (tmp_path / "config.json").write_bytes(text)
    assert "config.json" in fails(evaluate.main, tmp_path)


def test_of_products_the_run_s_own_classes_count(tmp_path, monkeypatch):
    """A run of five classes, of which the lists name three, and a newer one that has no model yet."""
    for name in ("2026_01_01_00_00_00", "2026_01_02_00_00_00"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "config.json").write_text(AttributeConfig(task="product").to_json())
    keep_model(tmp_path / "runs" / "2026_01_01_00_00_00")
    for i in range(4):
        save_photo(tmp_path / f"{i}.jpg", i)
    (tmp_path / "train.txt").write_text("0.jpg 2\n")
    (tmp_path / "val.txt").write_text("1.jpg 0\n2.jpg 1\n3.jpg 2\n")
    heads = (HeadSpec("product", "exclusive", tuple("abcde")),)
    asked = []

    def load(run: Path, weights: Path | None) -> AttributeModel:
        asked.append(run.name)
        always_one = lambda images: {"product": np.tile(np.eye(5)[1], (len(images), 1))}  # noqa: E731
        return AttributeModel(run, AttributeConfig(task="product", size=32), heads, always_one, Calibration(), None)

    monkeypatch.setattr(attributes, "load_attribute_model", load)
    evaluate.main([str(tmp_path / "runs"), "--data", str(tmp_path), "--json", str(tmp_path / "score.json")])
    numbers = json.loads((tmp_path / "score.json").read_text())
    assert asked == ["2026_01_01_00_00_00"]
    assert numbers["error"] == pytest.approx(2 / 3) and numbers["accuracy"] == pytest.approx(1 / 3)


def test_a_data_set_of_other_names_is_refused_by_name(tmp_path, bare_run, fails, monkeypatch):
    """A keypoint network of FashionAI, and a COCO file of another vocabulary."""
    keypoints = ["brim_left", "brim_right"]
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [1, 2, 2, 9, 9, 2], "num_keypoints": 2,
             "bbox": [0, 0, 10, 10], "area": 100, "iscrowd": 0}
        ],
        "categories": [{"id": 1, "name": "hat", "keypoints": keypoints, "skeleton": []}],
    }  # fmt: skip
    (tmp_path / "train.json").write_text(json.dumps(coco))
    config = KeypointConfig(network="lite", size=64)
    nothing = lambda images: None  # noqa: E731
    model = KeypointModel(bare_run, config, nothing, "dark")
    monkeypatch.setattr(keypoints_task, "load_keypoint_model", lambda run, weights: model)
    error = fails(evaluate.main, bare_run, "--data", tmp_path)
    assert "train.json" in error and "hat" in error, error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "train.json"]


def test_the_shipped_networks_are_scored_where_the_data_allow_it(data, tmp_path, capsys, fails):
    evaluate.main(["shipped", "--data", str(data), "--json", str(tmp_path / "score.json")])
    scores = json.loads((tmp_path / "score.json").read_text(), parse_constant=pytest.fail)
    assert list(scores) == ["detection", "keypoints"] and 0 < scores["keypoints"]["ne"] < 0.5
    assert scores["keypoints"].keys() >= {"ne_skirt", "category_accuracy"}
    assert scores["detection"].keys() >= {"ap", "ap50_skirt", "recall"} and 0 < scores["detection"]["missed"] < 1
    assert "not scored: attributes: the photos in" in " ".join(capsys.readouterr().out.split())
    error = fails(evaluate.main, "shipped", "--data", tmp_path)
    assert "has no annotated photos to score the shipped networks on\ndetection: no train.json in " in error
    assert "\nkeypoints: no FashionAI keypoint files in " in error
    assert "\nattributes: no FashionAI attribute files in " in error and "whole" not in error
    assert "--load goes with a run folder" in fails(evaluate.main, "shipped", "--load", "x.h5")


def test_data_that_are_not_there_are_named_once(tmp_path, fails, capsys):
    error = fails(evaluate.main, "shipped", "--data", tmp_path / "nowhere")
    assert error == f"{tmp_path / 'nowhere'}: no such data folder" and not capsys.readouterr().out
    os.mkfifo(tmp_path / "pipe")
    assert "detection: " in (error := fails(evaluate.main, "shipped", "--data", tmp_path / "pipe"))
    assert "[Errno" not in error


@pytest.mark.slow
def test_a_keypoint_run_scores_as_it_did_in_training(all_run, data, tmp_path):
    pictures = tmp_path / "pictures"
    words = ["--data", str(data), "--json", str(tmp_path / "score.json"), "--pictures", str(pictures)]
    evaluate.main([str(all_run), *words])
    numbers = json.loads((tmp_path / "score.json").read_text())
    with (Path(all_run) / "history.csv").open(newline="") as file:
        best = min(csv.DictReader(file), key=lambda row: float(row["score"]))
    before, after = numbers.pop("ece_visible_before"), numbers.pop("ece_visible_after")
    assert 0 <= after < before  # fitted on these very photos
    for name, value in numbers.items():
        assert (np.nan if value is None else value) == pytest.approx(float(best[name]), nan_ok=True, abs=1e-6)
    assert {path.name for path in pictures.iterdir()} == {"score.png", "reliability.png"}
    assert all(cv2.imread(str(path)) is not None for path in pictures.iterdir())
