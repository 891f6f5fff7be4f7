import json
from dataclasses import replace
from pathlib import Path

import pytest
from detection_card import detection_card
from small_artifacts import small_manifest, write_artifact

from aifashion.config import detection_preset

COMMAND = "python recipes/photograph_networks.py --seed 0"
BY_CATEGORY = {"blouse": 0.5, "dress": 0.6, "outwear": None, "skirt": 0.8, "trousers": 0.9}
BOXES = {
    "photos": 184,
    "garments": 500,
    "ap50": 0.705,
    "ap": 0.4,
    "ap50_by_category": BY_CATEGORY,
    "found": 0.66,
    "found_of_over_5%_of_the_photo": 0.77,
    "right_of_those_told": 0.81,
    "false_alarms_a_photo": 0.254,
    "found_of_any_category": 0.72,
    "ece": 0.031,
}
LAID = {"photos": 494, "found": 0.97, "category_right": 0.9, "without_garment": 80, "said_to_show_none": 0.875}
VALIDATED = {"missed": 0.25, "threshold": 0.31, "recall": 0.7, "precision": 0.75, "ece": None}


@pytest.fixture
def folder(tmp_path) -> Path:
    scores = {"worn": BOXES, "drawn": BOXES | {"photos": 300, "ap50": 0.9, "ece": None}, "laid": LAID}
    (tmp_path / "detection.json").write_text(json.dumps(scores))
    (tmp_path / "validation_detection.json").write_text(json.dumps(VALIDATED))
    source = {"run": "r", "epoch": 6, "made_by": [COMMAND]}
    config = replace(detection_preset("efficientnet_lite0"), size=224)
    manifest = replace(small_manifest("detection", config), precision="int8", source=source)
    return write_artifact(tmp_path / "detection", manifest)


def test_a_detector(folder):
    card = detection_card(folder, folder.parent)
    assert "# Garment detection" in card and "`efficientnet_lite0` at 224 px" in card
    assert f"**Made by** `{COMMAND}`, epoch 6 of the last phase" in card
    assert "|  | worn: 184 photos, 500 garments | drawn: 300 photos, 500 garments |" in card
    assert "| AP50, all boxes | 70.50% | 90.00% |" in card and "| garments found | 66.00% | 66.00% |" in card
    assert "| expected calibration error | 3.10% | – |" in card and "| false alarms in a photo | 0.25 | 0.25 |" in card
    assert "| dress | 60.00% | 60.00% |" in card and "| outwear | – | – |" in card
    text = " ".join(card.split())
    assert "laid: of 494 photographs" in text and "a garment is found in 97.00%" in text
    assert "likeliest box has the right category in 90.00%" in text
    assert "hats and shoes: in 87.50% of 80 photographs there is no box" in text
    assert "validation photos: AP50 75.00%; of the garments 70.00% found, of the boxes 75.00% right" in text
    assert "those from 31.00% on are told" in text


def test_its_data_and_their_licences(folder):
    card = detection_card(folder, folder.parent)
    for part in ("clothing-dataset-small, CC0 1.0", "clothing-co-parsing, Apache-2.0", "ImageNet", "found"):
        assert part in card
    assert "- **Licence**: Apache-2.0, as the code" in card and "Limits:" in card
