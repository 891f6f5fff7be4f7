"""Which measurements a network has: those of its vocabulary, of the package, or of a user's file."""

import re
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from aifashion.measurement_sets import measurements_of, read_measurements
from aifashion.vocabulary import (
    Vocabulary,
    VocabularyError,
    load_vocabulary,
    older_files_vocabulary,
    read_vocabulary,
    vocabulary_from,
)

ALL = load_vocabulary()


def own(**more: object) -> Vocabulary:
    facts = {"name": "neckwear", "categories": {"tie": {"keypoints": ["knot", "tip", "left", "right"], **more}}}
    return vocabulary_from(facts)


def test_measurements_leave_the_digest_as_it_was():
    # As networks that were trained before there were measurements keep it.
    assert ALL.digest == older_files_vocabulary().digest
    assert ALL.digest == "5af7797e52e7096b868eb49c56f19093d8a237b0482f47e1f478d62d96b568ea"
    assert load_vocabulary("deepfashion2").digest.startswith("8dca14952f669ac0")
    tie = {"measurements": {"length": {"between": ["knot", "tip"]}}}
    assert own(**tie).digest == own().digest and own(**tie) == own()


def test_vocabularies_keep_their_measurements():
    assert vocabulary_from(ALL.to_json()).definitions[0].measurements == ALL.definitions[0].measurements
    assert "measurements" not in own().to_json()["categories"]["tie"]
    empty = own(measurements={})
    assert vocabulary_from(empty.to_json()).definitions[0].measurements == ()


def test_older_files_have_those_of_the_package():
    older = older_files_vocabulary()
    assert measurements_of(older).names == measurements_of(ALL).names != ()
    skirt = older.restricted("skirt")
    assert measurements_of(skirt).names == ("waist", "hem", "skirt_length", "side_left", "side_right")


def test_a_keypoint_that_is_missing_leaves_out_its_measurements():
    facts = older_files_vocabulary().restricted("trousers").to_json()
    category = facts["categories"]["trousers"]
    facts["keypoints"].remove("crotch")
    category["keypoints"].remove("crotch")
    facts["edges"] = []
    names = measurements_of(vocabulary_from(facts)).names
    assert names == ("waist", "outseam_left", "outseam_right", "leg_opening_left", "leg_opening_right")


def test_other_vocabularies_have_none_of_the_package():
    assert measurements_of(own()).names == ()
    assert measurements_of(replace(older_files_vocabulary(), name="mine")).names == ()
    # With a table there are those of the table alone, and of two that are equal each has its own.
    assert measurements_of(own(measurements={"length": {"between": ["knot", "tip"]}})).names == ("length",)
    assert measurements_of(own(measurements={})).names == ()


def test_an_empty_table_of_a_known_name_means_none():
    facts = older_files_vocabulary().restricted("skirt").to_json()
    facts["categories"]["skirt"]["measurements"] = {}
    assert measurements_of(vocabulary_from(facts)).names == ()


def test_a_file_adds_and_replaces(tmp_path: Path):
    path = tmp_path / "own.toml"
    path.write_text(
        '[skirt]\nhem = { from = "hemline_left", onto = ["waistband_left", "waistband_right"] }\n'
        'diagonal = { between = ["waistband_left", "hemline_right"] }\n'
    )
    known = measurements_of(ALL, read_measurements(path, ALL))
    by_name = {m.name: m for m in known.of("skirt").measurements}
    assert list(by_name) == ["waist", "hem", "skirt_length", "side_left", "side_right", "diagonal"]
    assert by_name["hem"].form == "from" and by_name["diagonal"].keypoints == {"waistband_left", "hemline_right"}
    assert known.of("dress").measurements == measurements_of(ALL).of("dress").measurements
    assert known.names[-1] != "diagonal" and "diagonal" in known.names
    assert known.digest != measurements_of(ALL).digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[skirt]\nwaist = { between = ["waistband_left", "waistband_right"] }\n\nhem = { path = ["crotch"] }\n',
            "line 4",
        ),
        ("[cape]\n", "line 1: category 'cape' is not one of blouse, dress"),
        ("[skirt]\nhem = 3\n", "line 2: measurement 'hem' must be a table"),
        ("[skirt\n", "at line 1"),
        ("", "no measurement: expected tables"),
    ],
)
def test_mistakes_in_a_file_are_named_with_their_line(tmp_path: Path, text: str, message: str):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(VocabularyError) as caught:
        read_measurements(path, ALL)
    assert str(caught.value).startswith(str(path)) and message in str(caught.value)


def test_mistakes_in_a_vocabulary_are_named_with_their_line(tmp_path: Path):
    path = tmp_path / "tie.toml"
    path.write_text(
        'name = "neckwear"\n[categories.tie]\nkeypoints = ["knot", "tip"]\n\n[categories.tie.measurements]\n'
        'length = { between = ["knot", "end"] }\n'
    )
    with pytest.raises(VocabularyError, match=r"tie\.toml, line 6: measurement 'length': keypoint 'end' is not one of"):
        read_vocabulary(path)


def test_every_length_of_the_package_can_be_measured_on_its_category():
    for category in ALL.definitions:
        for measurement in category.measurements or ():
            assert measurement.keypoints <= set(category.keypoints)
    assert "hip" not in measurements_of(ALL).names  # there is no point at the hip


def test_the_documentation_lists_them():
    page = (Path(__file__).resolve().parent.parent / "docs" / "measuring.md").read_text(encoding="utf-8")
    section = page.split("## What is measured")[1].split("### Your own")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    listed = {name: row[1].split(", ") for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    known = measurements_of(ALL)
    expected = {
        name: [c for c in ALL.categories if any(m.name == name for m in known.of(c).measurements)]
        for name in known.names
    }
    assert listed == expected


def test_the_example_of_the_documentation_can_be_read(tmp_path: Path):
    page = (Path(__file__).resolve().parent.parent / "docs" / "measuring.md").read_text(encoding="utf-8")
    example = re.search(r"^    \[blouse\]\n(?:    .*\n)+", page, re.MULTILINE)
    assert example is not None
    (tmp_path / "own.toml").write_text(textwrap.dedent(example[0]))
    assert [m.name for m in read_measurements(tmp_path / "own.toml", ALL)["blouse"]] == [
        "across_front",
        "side",
        "front_length",
    ]
