"""Vocabularies of the package and of users, read from files and written."""

import json
from pathlib import Path

import pytest

from aifashion import vocabulary as vocabulary_module
from aifashion.records import HeadSpec
from aifashion.vocabulary import (
    Category,
    Vocabulary,
    VocabularyError,
    load_vocabulary,
    older_files_vocabulary,
    packaged,
    read_vocabulary,
    vocabulary_from,
)
from glove_vocabulary import gloves

ALL = load_vocabulary("fashionai")


@pytest.mark.parametrize("name", packaged())
def test_what_is_written_reads_back(name: str, tmp_path: Path):
    vocabulary = load_vocabulary(name)
    path = tmp_path / "vocabulary.json"
    path.write_text(json.dumps(vocabulary.to_json()))
    assert read_vocabulary(path) == vocabulary == load_vocabulary(path)
    path.write_text(json.dumps({"layout": 2, "vocabulary": vocabulary.to_json()}))  # as in an artifact's manifest
    assert read_vocabulary(path) == vocabulary


def test_a_file_of_a_user(tmp_path: Path):
    vocabulary = load_vocabulary(gloves(tmp_path))
    assert vocabulary == Vocabulary(
        "gloves",
        ("wrist", "thumb", "little finger", "knot"),
        (
            Category("glove", ("wrist", "thumb", "little finger"), ("thumb", "little finger"), ("cuff_length",)),
            Category("knitted glove", ("wrist", "thumb", "little finger", "knot")),
        ),
        (("thumb", "little finger"),),
        (("wrist", "thumb"), ("wrist", "little finger")),
        (HeadSpec("cuff_length", "ordinal", ("short", "long")), HeadSpec("material", "exclusive", ("wool", "leather"))),
    )
    assert vocabulary.twins.tolist() == [0, 2, 1, 3] and vocabulary.sides.tolist() == [0, -1, 1, 0]
    assert vocabulary.spans.tolist() == [[1, 2], [-1, -1]]
    assert not vocabulary.applies("cuff_length", "knitted glove") and vocabulary.applies("material", "glove")


KEYPOINTS = 'keypoints = ["wrist", "thumb", "little finger"]'
TWINS = '["thumb", "little finger"],\n'
GLOVE_HEADER = "[categories.glove]"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (KEYPOINTS, KEYPOINTS.replace("[", '["wrist", '), "9: .*'wrist' comes twice"),
        (KEYPOINTS, "keypoints = []", "8: category 'glove' has no keypoints"),
        ('edges = [["wrist"', 'edges = [["elbow"', "6: an edge's end 'elbow' is not one of"),
        ('span = ["thumb"', 'span = ["knot"', "10: category 'glove': the span's end 'knot' is not one of"),
        ('span = ["thumb", "little finger"]', "spans = 1", "10: category 'glove': unknown entry 'spans'"),
        (TWINS, f'{TWINS} ["thumb", "knot"],\n', "4: twins are not mutual: 'thumb'"),
        (TWINS, '["thumb", "thumb"],\n', "4: 'thumb' is its own twin"),
        (TWINS, '["thumb", "knot"],\n', "9: category 'glove' has 'thumb' without its twin 'knot'"),
        ('classes = ["short", "long"]', "", "16: attribute task 'cuff_length'.*no classes"),
        ('["short", "long"]', '["short"]', "16: .*'cuff_length' has 1 class; ordinal tasks need at least 2"),
        ('kind = "ordinal"', 'kind = "ranked"', "16: .*kind must be exclusive, independent or ordinal"),
        ('["cuff_length"]', '["cuff"]', "11: category 'glove': attribute task 'cuff' is not one of"),
        (GLOVE_HEADER, "[categories.all]", "8: no category can be called 'all'"),
        (GLOVE_HEADER, '[categories."../glove"]', "8: category '../glove': expected 1 to 64 letters"),
        ('name = "gloves"', "name = 3", "2: name must be a text of 1 to 200 printable characters; got 3"),
        ('name = "gloves"', "name = ", "line 2"),
    ],
)
def test_what_contradicts_itself_is_named_with_file_and_line(tmp_path: Path, old: str, new: str, message: str):
    path = gloves(tmp_path, old, new)
    with pytest.raises(VocabularyError, match=rf"gloves\.toml.*{message}"):
        load_vocabulary(path)


@pytest.mark.parametrize(
    "data", [None, [], {"name": "x"}, {"name": "x", "categories": {}}, {"name": "x", "categories": []}]
)
def test_what_is_no_vocabulary_at_all(data):
    with pytest.raises(VocabularyError, match=r"must be a table|no categories"):
        vocabulary_from(data)


def test_an_unknown_name_lists_those_that_there_are(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no vocabulary 'gloves': expected deepfashion2, fashionai, or a file"):
        load_vocabulary("gloves")
    with pytest.raises(FileNotFoundError):
        load_vocabulary(tmp_path / "none.toml")


def test_files_without_a_vocabulary_keep_their_meaning_when_the_package_s_file_changes(tmp_path: Path, monkeypatch):
    assert older_files_vocabulary() == ALL  # as the file is today
    text = (vocabulary_module.FOLDER / "fashionai.toml").read_text()
    swapped = (
        text.replace("neckline_left", "?").replace("neckline_right", "neckline_left").replace("?", "neckline_right")
    )
    (tmp_path / "fashionai.toml").write_text(swapped)
    monkeypatch.setattr(vocabulary_module, "FOLDER", tmp_path)
    assert load_vocabulary("fashionai").keypoints[:2] == ("neckline_right", "neckline_left")
    assert older_files_vocabulary().keypoints[:2] == ("neckline_left", "neckline_right")


def test_a_mark_at_the_beginning_of_a_file_is_passed_over_and_deep_nesting_refused(tmp_path: Path):
    path = gloves(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_vocabulary(path).name == "gloves"
    path = tmp_path / "deep.json"
    path.write_text("[" * 200 + "]" * 200)
    with pytest.raises(VocabularyError):
        load_vocabulary(path)


@pytest.mark.parametrize("source", [None, 7, b"fashionai", "", "fashion\0ai", "a\0.toml", ["fashionai"]])
def test_what_cannot_name_a_vocabulary(source):
    with pytest.raises(VocabularyError, match=r"no vocabulary is named .*expected deepfashion2, fashionai"):
        load_vocabulary(source)


def test_a_folder_is_no_vocabulary(tmp_path):
    (tmp_path / "x.toml").mkdir()
    for folder in (tmp_path, tmp_path / "x.toml"):
        with pytest.raises(VocabularyError, match=r"is a folder; name the \.toml or \.json file"):
            load_vocabulary(folder)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 100_000, '{"name": ' + "9" * 5000 + "}", "x" * (17 << 20)],
    ids=["lists", "objects", "digits", "size"],
)
def test_files_that_would_need_more_than_they_are_worth(tmp_path, text):
    for name in ("x.json", "x.toml"):
        (tmp_path / name).write_text(text)
        with pytest.raises(VocabularyError, match=rf"x\.{name[2:]}"):
            load_vocabulary(tmp_path / name)
