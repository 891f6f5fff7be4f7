import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from model_cards import (
    REAL_FILES,
    Photographs,
    answered_photos,
    attribute_card,
    category_accuracy,
    keypoint_card,
    labels_right,
    real_name,
)
from small_artifacts import small_manifest, write_artifact

from aifashion.config import KeypointConfig, attribute_preset
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS
from aifashion.serve.artifact import Manifest

COMMANDS = ["python recipes/drawn_networks.py --seed 1", "python recipes/drawn_networks.py --seed 2"]


def put(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def artifact(folder: Path, stage, config) -> Path:
    files = {"model.xml": "x" * 400_000, "model.bin": "x" * 1_100_000, "model.weights.h5": "x" * 7_200_000}
    source = {"run": "2026_01_01_00_00_00", "epoch": 3, "score": 0.05, "made_by": COMMANDS}
    manifest = replace(small_manifest(stage, config), precision="int8", source=source, differences={"ne": 0.05})
    return write_artifact(folder, manifest, files)


def photo_list(path: Path, rows: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("image_id", "image_category"), *rows.items()])
    return path


@pytest.fixture
def scores(tmp_path) -> Path:
    score = {"ne": 0.0512, "garments": 1, "per_category": {"skirt": 0.031}, "per_keypoint": {"crotch": 0.0725}}
    folder = tmp_path / "scores"
    for name, add in (("plain", 0.0), ("tta", -0.005)):
        put(folder / f"keypoints_synthetic_{name}" / "score.json", score | {"ne": score["ne"] + add})
    calibrated = {"ece_visible_before": 0.25, "ece_visible_after": 0.015}
    put(folder / "validation_keypoints.json", {"ne": 0.05, "category_accuracy": 0.985} | calibrated)
    put(folder / "validation_attributes.json", {"ece_skirt_length_after": 0.042})
    test = photo_list(tmp_path / "photos" / "test" / "test.csv", {"a.jpg": "skirt", "b.jpg": "dress"})
    answers = [
        {"photo": str(test.parent / "a.jpg"), "category": "skirt", "garment": False},
        {"photo": str(test.parent / "b.jpg"), "error": "?"},
    ]
    put(folder / "auto_synthetic" / "answers.json", answers)
    return folder


@pytest.fixture
def real(tmp_path, scores) -> Path:
    folder = tmp_path / "real"
    photo_list(folder / "test.csv", {"a.jpg": "skirt", "b.jpg": "dress"})
    put(folder / "answers.csv", "image_id,image_category\na.jpg,skirt\nb.jpg,dress\n")
    put(
        folder / "label.csv",
        "a.jpg,skirt_length_labels,nymnnn\nb.jpg,skirt_length_labels,nnnnyn\nb.jpg,lapel_design_labels,ynnnn\n",
    )
    classes = ATTRIBUTE_TASKS["skirt_length"]
    answers = [
        {"photo": str(folder / "a.jpg"), "category": "skirt", "attributes": {"skirt_length": {"class": classes[2]}}},
        {"photo": str(folder / "b.jpg"), "category": "dress", "attributes": {"skirt_length": {"class": classes[2]}}},
    ]
    put(scores / f"auto_{real_name(folder)}" / "answers.json", answers)
    for name, ne in (("plain", 0.2), ("tta", 0.195)):
        score = json.loads((scores / f"keypoints_synthetic_{name}" / "score.json").read_text())
        put(scores / f"keypoints_{real_name(folder)}_{name}" / "score.json", score | {"ne": ne, "garments": 2})
    return folder


def drawn(tmp_path: Path) -> Path:
    return tmp_path / "photos" / "test" / "test.csv"


def sets(tmp_path: Path, real: Path | None) -> dict[str, Photographs]:
    found = {"synthetic": Photographs(drawn(tmp_path), tmp_path)}
    return found if real is None else found | {"real": Photographs(real / "test.csv", tmp_path, real_name(real))}


def test_keypoints(tmp_path, scores, real):
    folder = artifact(tmp_path / "keypoints", "keypoints", KeypointConfig(network="lite", size=192))
    card = keypoint_card(folder, scores, scores, sets(tmp_path, real))
    assert "| all | 5.12% | 4.62% | 20.00% | 19.50% |" in card
    assert "| skirt | 3.10% | 3.10% | 3.10% | 3.10% |" in card and "| dress | – | – | – | – |" in card
    assert "calibration error of the visibility 1.50%, of the bare heatmaps 25.00%" in card
    assert "| crotch | 7.25% | 7.25% | 7.25% | 7.25% |" in card
    assert (
        "- synthetic: 2 photos, category right of 50.00%, taken to show no garment: 1; the NE is of the 1 whose" in card
        and "- real: 2 photos, category right of 100.00%, taken to show no garment: 0; the NE is of the 2 whose" in card
    )
    assert "`lite` at 192 px" in card and "int8 1.5 MB" in card and "7.2 MB" in card
    assert f"**Made by** `{COMMANDS[0]}`, and from its weights by `{COMMANDS[1]}`, epoch 3 of the last phase" in card
    assert "real" not in keypoint_card(folder, scores, scores, sets(tmp_path, None)).replace("real ", "")


def test_attributes(tmp_path, scores, real):
    folder = artifact(tmp_path / "attributes", "attributes", attribute_preset("lite"))
    task = {"ap": 0.9, "basic_precision": 0.8, "images": 5}
    score = {"map": 0.88, "basic_precision": 0.75, "images": 11, "per_task": {"skirt_length": task}}
    put(scores / "attributes_synthetic" / "score.json", score)
    put(scores / "attributes_laid" / "score.json", score | {"map": 0.5, "images": 3, "per_task": {}})
    card = attribute_card(folder, scores, ("synthetic", "laid"), real)
    assert "| all | 88.00% | 75.00% | 11 | 50.00% | 75.00% | 3 |  |" in card
    assert "| skirt_length | 90.00% | 80.00% | 5 | – | – | – | 4.20% |" in card
    assert "1 of 3 labels right" in card
    assert "labels right" not in attribute_card(folder, scores, ("synthetic",), None)


@pytest.mark.parametrize("stage", ["keypoints", "attributes"])
def test_networks_that_were_taught_by_photographs_say_so(tmp_path, scores, stage):
    put(
        scores / "attributes_synthetic" / "score.json",
        {"map": 0.5, "basic_precision": 0.5, "images": 3, "per_task": {}},
    )
    config = KeypointConfig(network="lite") if stage == "keypoints" else attribute_preset("lite")
    cards = []
    for number, command in enumerate(("drawn_networks.py", "photograph_networks.py")):
        folder = artifact(tmp_path / f"{stage}{number}", stage, config)
        manifest = Manifest.read(folder)
        manifest.source["made_by"] = [f"python recipes/{command}"]
        manifest.write(folder)
        if stage == "keypoints":
            cards.append(keypoint_card(folder, scores, scores, sets(tmp_path, None)))
        else:
            cards.append(attribute_card(folder, scores, ("synthetic",), None))
    assert "no photograph was trained on" in cards[0] and "clothing-dataset-small" not in cards[0]
    assert "no photograph was trained on" not in cards[1] and "clothing-dataset-small, CC0 1.0" in cards[1]
    # The classifier sees no worn clothes, and starts from another classifier.
    assert ("clothing-co-parsing, Apache-2.0" in cards[1]) == ("ImageNet" in cards[1]) == (stage == "keypoints")
    assert "drawn garments only" in cards[0] and "drawn garments only" not in cards[1]


def test_what_counts_as_right(scores, real):
    answers = answered_photos(scores / f"auto_{real_name(real)}" / "answers.json", real / "test.csv")
    assert labels_right(answers, real) == (1, 3)  # the maybe; the wrong class; a task without an answer
    assert category_accuracy(answers) == 1.0


def test_scores_are_of_the_photographs_wherever_they_and_the_checkout_lie(tmp_path, scores, real):
    folder = artifact(tmp_path / "keypoints", "keypoints", KeypointConfig(network="lite", size=192))
    card = keypoint_card(folder, scores, scores, sets(tmp_path, real))
    elsewhere = tmp_path / "elsewhere"
    for name in ("scores", "photos", "real"):
        shutil.move(tmp_path / name, elsewhere / name)
    moved = elsewhere / "real"
    scores = elsewhere / "scores"
    assert keypoint_card(folder, scores, scores, sets(elsewhere, moved)) == card
    answers = answered_photos(elsewhere / "scores" / f"auto_{real_name(moved)}" / "answers.json", moved / "test.csv")
    assert labels_right(answers, moved) == (1, 3)


@pytest.mark.parametrize("changed", REAL_FILES)
def test_other_photographs_and_answers_have_scores_of_their_own(real, changed):
    before = real_name(real)
    assert before == real_name(real) and len(before) == len("real_") + 8
    put(real / changed, (real / changed).read_text().replace("b.jpg", "c.jpg"))
    assert real_name(real) != before


def test_answers_that_are_of_other_photos(tmp_path, scores):
    answers = scores / "auto_synthetic" / "answers.json"
    photo_list(drawn(tmp_path), {"a.jpg": "skirt", "c.jpg": "dress"})
    with pytest.raises(ValueError, match=r"answers\.json has b\.jpg where .*test\.csv lists c\.jpg: delete .*auto_"):
        answered_photos(answers, drawn(tmp_path))
    photo_list(drawn(tmp_path), {"a.jpg": "skirt"})
    with pytest.raises(ValueError, match=r"answers\.json has 2 photos where .*test\.csv lists 1: delete "):
        answered_photos(answers, drawn(tmp_path))


def test_labels_that_cannot_be_read(real):
    put(real / "label.csv", "a.jpg,hat_labels,y\n")
    with pytest.raises(ValueError, match=r"label\.csv:1"):
        labels_right([], real)
