"""Measurement instructions of GarmentIQ, in its own form, for vocabularies whose keypoints have these names."""

import json
from pathlib import Path
from typing import Any

import pytest

from aifashion.data_gen.formats.garmentiq import read_garmentiq
from aifashion.data_gen.formats.problems import FormatError
from aifashion.vocabulary import load_vocabulary, vocabulary_from

DF2 = load_vocabulary("deepfashion2")


def landmark(description: str, **more: Any) -> dict[str, Any]:
    return {"predefined": True, "description": description, "x": 60, "y": 40, **more}


def derived(*corners: int, direction: str) -> dict[str, Any]:
    points = {f"p{i}_id": str(corner) for i, corner in enumerate(corners, 1)}
    derivation = {"function": "derive_keypoint_coord", **points, "direction": direction}
    return {"predefined": False, "description": "custom_landmark", "x": 1.5, "y": 2.5, "derivation": derivation}


def length(start: str, end: str) -> dict[str, Any]:
    return {"landmarks": {"start": start, "end": end}, "description": "/"}


SKIRT = {
    "skirt": {
        "landmarks": {"1": landmark("waist_left"), "3": landmark("waist_right"), "2": landmark("waist_center")},
        "measurements": {"waist": length("1", "3")},
    }
}
TOP = {
    "long sleeve top": {
        "landmarks": {
            "2": landmark("neck_left_outer"),
            "16": landmark("armpit_left"),
            "34": derived(2, 4, 20, 19, 21, direction="parallel"),
            "35": derived(16, 7, 9, 7, 9, direction="perpendicular"),
        },
        "measurements": {"front length": length("2", "34"), "sleeve width": length("35", "16")},
    }
}


def read(path: Path, facts: Any, vocabulary=DF2):
    file = path / "instruction.json"
    file.write_text(json.dumps(facts))
    return read_garmentiq(file, vocabulary)


def test_landmarks_are_the_numbered_keypoints_of_deepfashion2(tmp_path):
    (waist,) = read(tmp_path, SKIRT)["skirt"]
    assert (waist.name, waist.key) == ("waist", "between skirt_1 skirt_3")


def test_landmarks_can_be_named_by_their_descriptions(tmp_path):
    vocabulary = vocabulary_from({"name": "own", "categories": {"Skirt": {"keypoints": ["waist_left", "waist_right"]}}})
    (waist,) = read(tmp_path, SKIRT, vocabulary)["Skirt"]
    assert waist.key == "between waist_left waist_right"


def test_derived_landmarks_are_distances_to_a_line(tmp_path):
    front, sleeve = read(tmp_path, TOP)["long_sleeve_top"]
    name = "long_sleeve_top"
    assert front.name == "front_length"
    assert front.key == f"from {name}_2 onto {name}_19 {name}_21 along {name}_4 {name}_20"
    assert sleeve.key == f"from {name}_16 onto {name}_7 {name}_9"


def test_what_does_not_fit_is_left_out_and_named(tmp_path, caplog):
    facts = {**SKIRT, "cape": SKIRT["skirt"]}
    odd = {"a": length("1", "9"), "b": length("1", "77"), "c": length("1", "1"), "d": {"start": "1"}}
    facts["skirt"] = {**SKIRT["skirt"], "measurements": {"waist": length("1", "3"), **odd}}
    facts["skirt"]["landmarks"]["77"] = derived(2, 4, 1, 3, 8, direction="parallel")
    assert [m.name for m in read(tmp_path, facts)["skirt"]] == ["waist"]
    assert "left out 5 measurements with problems, 1 are used" in caplog.text
    assert "measurement 'a' of 'skirt': no 9" in caplog.text
    assert "lies on a line through 2, not through its other end 1" in caplog.text


@pytest.mark.parametrize("facts", [[], {}, {"skirt": {"landmarks": {}}}, {"skirt": 3}])
def test_what_is_no_instruction(tmp_path, facts):
    with pytest.raises(FormatError, match="no instructions of GarmentIQ"):
        read(tmp_path, facts)


def test_a_file_of_which_nothing_fits(tmp_path):
    with pytest.raises(FormatError, match="class 'skirt' is not one of the categories blouse"):
        read(tmp_path, SKIRT, load_vocabulary().restricted("blouse"))
