"""Names that files, tables and terminals cannot keep."""

import json
from pathlib import Path

import pytest

from aifashion.vocabulary import (
    VocabularyError,
    load_vocabulary,
    read_vocabulary,
    vocabulary_from,
)
from glove_vocabulary import gloves


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[attributes.material]", "[attributes.category]", "no attribute task can be called 'category'"),
        ("[attributes.material]", "[attributes.material_labels]", "leave out _labels"),
        (', "little finger", "knot"]', "]", "twin"),
    ],
)
def test_names_that_would_clash_are_refused(tmp_path: Path, old: str, new: str, message: str):
    with pytest.raises(VocabularyError, match=message):
        load_vocabulary(gloves(tmp_path, old, new))


def with_names(category: str = "hat", classes: tuple[str, ...] = ("none", "wide"), task: str = "brim") -> dict:
    return {
        "name": "hats",
        "categories": {category: {"keypoints": ["brim_left", "brim_right"]}},
        "attributes": {task: {"classes": list(classes)}},
    }


@pytest.mark.parametrize("name", ["con", "NUL", "Aux", "com1", "lpt9", "nul.a", "con."])
def test_no_category_has_a_name_that_windows_keeps(name):
    with pytest.raises(VocabularyError, match="Windows"):
        vocabulary_from(with_names(name))
    for name in ("console", "com", "com10", "nullarbor"):
        assert vocabulary_from(with_names(name)).categories == (name,)


@pytest.mark.parametrize("name", ["hat.", "hat ", "a hat. "])
def test_no_name_ends_with_a_space_or_a_dot(name):
    with pytest.raises(VocabularyError, match="ends with a space or a dot"):
        vocabulary_from(with_names(name))


def test_no_two_folders_differ_by_case_alone():
    content = with_names()
    content["categories"]["Hat"] = content["categories"]["hat"]
    with pytest.raises(VocabularyError, match="'hat' and 'Hat' differ only in upper and lower case"):
        vocabulary_from(content)
    content = with_names()
    content["attributes"]["Brim"] = content["attributes"]["brim"]
    with pytest.raises(VocabularyError, match="attribute task 'brim' and 'Brim' differ only"):
        vocabulary_from(content)
    with pytest.raises(VocabularyError, match="no attribute task can be called 'con'"):
        vocabulary_from(with_names(task="con"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a;b", "separates classes in tables"),
        ("a\nb", "has a control character"),
        ("\x1b[31mred", "has a control character"),
        ("\u202egnol", "has a control character"),
        ("", "it is empty"),
        (" wide", "begins or ends with a space"),
        ("w" * 101, "it has 101 characters; at most 100"),
    ],
)
def test_classes_that_tables_and_terminals_cannot_keep_are_refused(tmp_path, name, reason):
    with pytest.raises(VocabularyError, match=reason):
        vocabulary_from(with_names(classes=("none", name)))
    path = tmp_path / "hats.json"
    path.write_text(json.dumps(with_names(classes=("none", name))))
    with pytest.raises(VocabularyError, match=rf"hats\.json, line 1: .*{reason}"):
        read_vocabulary(path)


def test_classes_have_any_other_signs():
    classes = ("3/4 Length", "Ankle&Floor Length", "长袖", "a, b", 'say "no"')
    assert vocabulary_from(with_names(classes=classes)).task("brim").classes == classes
