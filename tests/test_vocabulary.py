import json
import pickle
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aifashion import vocabulary as vocabulary_module
from aifashion.config import KeypointConfig
from aifashion.records import HeadSpec
from aifashion.vocabulary import (
    Category,
    Vocabulary,
    VocabularyError,
    differences,
    load_vocabulary,
    older_files_vocabulary,
    packaged,
    read_vocabulary,
    vocabulary_from,
)

ALL = load_vocabulary("fashionai")

# Positions among the 24 columns of FashionAI's files, counted by hand.
INDICES = {
    "blouse": [0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14],
    "outwear": [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
    "dress": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 17, 18],
    "skirt": [15, 16, 17, 18],
    "trousers": [15, 16, 19, 20, 21, 22, 23],
}
some_categories = st.sets(st.sampled_from(sorted(INDICES)), min_size=1)

GLOVE = """
name = "gloves"
twins = [
    ["thumb", "little finger"],
]
edges = [["wrist", "thumb"], ["wrist", "little finger"]]

[categories.glove]
keypoints = ["wrist", "thumb", "little finger"]
span = ["thumb", "little finger"]
attributes = ["cuff_length"]

[categories."knitted glove"]
keypoints = ["wrist", "thumb", "little finger", "knot"]

[attributes.cuff_length]
kind = "ordinal"
classes = ["short", "long"]

[attributes.material]
classes = ["wool", "leather"]
"""


def gloves(tmp_path: Path, old: str = "", new: str = "") -> Path:
    assert old in GLOVE
    path = tmp_path / "gloves.toml"
    path.write_text(GLOVE.replace(old, new, 1) if old else GLOVE)
    return path


# ------------------------------------------------------------------------------------------------ the arrays it gives


@pytest.mark.parametrize("category", INDICES)
def test_mask_selects_the_category_s_keypoints(category: str):
    np.testing.assert_array_equal(np.flatnonzero(ALL.mask(category)), INDICES[category])
    assert ALL.masks[ALL.categories.index(category)].tolist() == ALL.mask(category).tolist()
    assert ALL.masks.dtype == bool and ALL.masks.shape == (5, 24)


def test_twins_exchange_left_and_right():
    # Written out: what each column becomes in a mirrored photo. Column 2 (center_front) and 19 (crotch) stay.
    expected = [1, 0, 2, 4, 3, 6, 5, 8, 7, 11, 12, 9, 10, 14, 13, 16, 15, 18, 17, 19, 22, 23, 20, 21]
    assert ALL.twins.tolist() == expected
    for side, name in zip(ALL.sides, ALL.keypoints, strict=True):
        assert side == (-1 if "left" in name else 1 if "right" in name else 0)


@given(some_categories)
def test_a_restricted_vocabulary_keeps_the_order_and_closed_twins(categories: set[str]):
    part = ALL.restricted(*categories)
    assert part.categories == tuple(c for c in ALL.categories if c in categories)
    indices = sorted(set().union(*(INDICES[c] for c in categories)))
    assert part.keypoints == tuple(ALL.keypoints[i] for i in indices)
    np.testing.assert_array_equal(part.twins[part.twins], np.arange(len(indices)))
    for name, twin in zip(part.keypoints, part.twins, strict=True):
        exchanged = {"left": "right", "right": "left"}
        assert part.keypoints[twin].split("_") == [exchanged.get(piece, piece) for piece in name.split("_")]
    for category in categories:
        assert part.mask(category).sum() == len(INDICES[category])
        # A garment and its mirror image have the same kinds of points.
        np.testing.assert_array_equal(part.mask(category), part.mask(category)[part.twins])
    assert part.restricted(*categories) == part


def test_spans_edges_and_attributes_of_one_category():
    skirt = ALL.restricted("skirt")
    assert skirt.spans.tolist() == [[0, 1]]
    assert {frozenset(edge) for edge in skirt.edges} == {frozenset(e) for e in ((0, 1), (0, 2), (1, 3), (2, 3))}
    assert [task.name for task in skirt.attributes] == ["skirt_length"]
    assert ALL.restricted("all") is ALL


def test_attributes_apply_to_the_categories_that_name_them():
    assert ALL.applies("skirt_length", "dress") and not ALL.applies("skirt_length", "trousers")
    assert ALL.applies("style", "trousers")  # which no category names
    assert ALL.task("pant_length").kind == "ordinal"
    with pytest.raises(ValueError, match="unknown attribute task 'colour'; expected one of: coat_length, "):
        ALL.task("colour")


def test_a_category_outside_the_vocabulary_is_refused():
    part = ALL.restricted("skirt", "dress")
    for ask in (part.mask, part.category_index, part.restricted):
        with pytest.raises(ValueError, match="unknown category 'trousers'; expected one of dress, skirt"):
            ask("trousers")


def test_it_can_be_sent_to_another_process_and_its_arrays_are_not_written_to():
    assert pickle.loads(pickle.dumps(ALL)) == ALL and ALL.twins.sum() == pickle.loads(pickle.dumps(ALL)).twins.sum()
    with pytest.raises(ValueError, match="read-only"):
        ALL.masks[0, 0] = False


# --------------------------------------------------------------------------------------------------- the package's own


@pytest.mark.parametrize("name", packaged())
def test_outlines_join_keypoints_of_one_category_and_leave_none_out(name: str):
    vocabulary = load_vocabulary(name)
    known = {frozenset(edge) for edge in vocabulary.edge_pairs}
    assert len(known) == len(vocabulary.edge_pairs)
    twin = dict(zip(vocabulary.keypoints, (vocabulary.keypoints[t] for t in vocabulary.twins), strict=True))
    for a, b in vocabulary.edge_pairs:
        assert any({a, b} <= set(category.keypoints) for category in vocabulary.definitions), (a, b)
        assert frozenset((twin[a], twin[b])) in known, (a, b)
    for category in vocabulary.definitions:
        joined = {end for edge in vocabulary.edge_pairs if set(edge) <= set(category.keypoints) for end in edge}
        assert joined == set(category.keypoints), category.name


def test_deepfashion2_has_the_landmarks_of_the_data_set():
    vocabulary = load_vocabulary("deepfashion2")
    counts = [len(category.keypoints) for category in vocabulary.definitions]
    assert counts == [25, 33, 31, 39, 15, 15, 10, 14, 8, 29, 37, 19, 19] and len(vocabulary.keypoints) == 294
    assert vocabulary.categories[0] == "short_sleeve_top" and vocabulary.categories[12] == "sling_dress"
    # The landmarks of a category lie together, in the order of the data set.
    starts = [0, *np.cumsum(counts).tolist()]
    for category, (start, end) in zip(vocabulary.definitions, pairwise(starts), strict=True):
        assert vocabulary.keypoints[start:end] == category.keypoints
    assert (vocabulary.spans == -1).all()


# ------------------------------------------------------------------------------------------------ reading and writing


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


def test_more_keypoints_than_can_be(tmp_path: Path):
    names = tuple(f"p{i}" for i in range(1001))
    with pytest.raises(VocabularyError, match="1001 keypoints; at most 1000 are possible"):
        Vocabulary("many", names, (Category("coat", names),))
    assert len(Vocabulary("many", names[:1000], (Category("coat", names[:1000]),)).keypoints) == 1000


@pytest.mark.parametrize(
    "data", [None, [], {"name": "x"}, {"name": "x", "categories": {}}, {"name": "x", "categories": []}]
)
def test_what_is_no_vocabulary_at_all(data):
    with pytest.raises(VocabularyError, match=r"must be a table|no categories"):
        vocabulary_from(data)


def test_a_keypoint_of_no_category_is_refused():
    with pytest.raises(VocabularyError, match="keypoint 'b' belongs to no category"):
        Vocabulary("x", ("a", "b", "c"), (Category("c", ("a", "c")),))


def test_an_unknown_name_lists_those_that_there_are(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no vocabulary 'gloves': expected deepfashion2, fashionai, or a file"):
        load_vocabulary("gloves")
    with pytest.raises(FileNotFoundError):
        load_vocabulary(tmp_path / "none.toml")


# --------------------------------------------------------------------------------------------------------- differences


def test_differences_name_what_differs(tmp_path: Path):
    assert differences(ALL, ALL) == ""
    swapped = list(ALL.keypoints)
    swapped[15], swapped[19] = swapped[19], swapped[15]
    other = replace(ALL, keypoints=tuple(swapped))
    assert differences(ALL, other) == "keypoints in another order: number 16 is crotch, not waistband_left"
    part = ALL.restricted("skirt", "trousers")
    assert "categories without blouse, dress, outwear" in differences(ALL, part)
    assert "keypoints with neckline_left, neckline_right" in differences(part, ALL)
    assert "and 10 more as well" in differences(part, ALL)


# ------------------------------------------------------------------------------------------- what belongs to a network


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


def test_a_configuration_knows_its_vocabulary():
    text = KeypointConfig(category="skirt").to_json()
    skirt = ALL.restricted("skirt")
    assert KeypointConfig.from_json(text, skirt) == KeypointConfig(category="skirt")
    other = replace(skirt, keypoints=skirt.keypoints[::-1])
    with pytest.raises(ValueError, match=r"the vocabulary beside it is not the one of this network"):
        KeypointConfig.from_json(text, other, "run/config.json")
    older = {name: value for name, value in json.loads(text).items() if name != "vocabulary_sha256"}
    assert KeypointConfig.from_json(json.dumps(older), other).vocabulary == other


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_numbers_of_a_configuration_are_finite(value: float):
    with pytest.raises(ValueError, match=r"rotate = (inf|nan); expected a finite number"):
        KeypointConfig(rotate=value)


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


def test_a_category_of_one_keypoint_has_nothing_to_measure_errors_by():
    with pytest.raises(VocabularyError, match="category 'tie' has one keypoint"):
        Vocabulary("x", ("tip",), (Category("tie", ("tip",)),))


def test_a_mark_at_the_beginning_of_a_file_is_passed_over_and_deep_nesting_refused(tmp_path: Path):
    path = gloves(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_vocabulary(path).name == "gloves"
    path = tmp_path / "deep.json"
    path.write_text("[" * 200 + "]" * 200)
    with pytest.raises(VocabularyError):
        load_vocabulary(path)


# ------------------------------------------------------------------------ names that files and terminals cannot keep


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
