import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aifashion.garments import (
    ALL,
    ATTRIBUTE_TASKS,
    CATEGORIES,
    CATEGORY_KEYPOINTS,
    EDGES,
    KEYPOINTS,
    SPAN_PAIRS,
    STYLES,
    vocabulary,
)

# The columns of FashionAI's train.csv behind image_id and image_category.
COLUMN_TEXT = """neckline_left neckline_right center_front shoulder_left shoulder_right armpit_left armpit_right
    waistline_left waistline_right cuff_left_in cuff_left_out cuff_right_in cuff_right_out top_hem_left top_hem_right
    waistband_left waistband_right hemline_left hemline_right crotch bottom_left_in bottom_left_out bottom_right_in
    bottom_right_out"""
COLUMNS = COLUMN_TEXT.split()

# Positions in COLUMNS, counted by hand.
OWN = {
    "blouse": [0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14],
    "outwear": [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
    "dress": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 17, 18],
    "skirt": [15, 16, 17, 18],
    "trousers": [15, 16, 19, 20, 21, 22, 23],
}

some_categories = st.sets(st.sampled_from(sorted(OWN)), min_size=1)


def test_keypoints_are_in_the_order_of_the_file_columns():
    assert list(KEYPOINTS) == COLUMNS
    assert set(CATEGORIES) == set(OWN) == set(CATEGORY_KEYPOINTS)


def test_counts():
    counts = {category: len(names) for category, names in CATEGORY_KEYPOINTS.items()}
    assert counts == {"blouse": 13, "outwear": 14, "dress": 15, "skirt": 4, "trousers": 7}
    assert len(set(KEYPOINTS)) == len(ALL.keypoints) == 24


@pytest.mark.parametrize("category", OWN)
def test_mask_selects_the_category_s_columns(category: str):
    np.testing.assert_array_equal(np.flatnonzero(ALL.mask(category)), OWN[category])
    assert ALL.masks[CATEGORIES.index(category)].tolist() == ALL.mask(category).tolist()
    assert ALL.masks.dtype == bool and ALL.masks.shape == (5, 24)


@pytest.mark.parametrize("category", OWN)
def test_span_is_between_the_armpits_or_the_ends_of_the_waistband(category: str):
    part = "waistband" if category in ("skirt", "trousers") else "armpit"
    assert SPAN_PAIRS[category] == (f"{part}_left", f"{part}_right")
    assert set(SPAN_PAIRS[category]) <= CATEGORY_KEYPOINTS[category]


def test_twins_exchange_left_and_right():
    # Written out: what each column becomes in a mirrored photo. Column 2 (center_front) and 19 (crotch) stay.
    expected = [1, 0, 2, 4, 3, 6, 5, 8, 7, 11, 12, 9, 10, 14, 13, 16, 15, 18, 17, 19, 22, 23, 20, 21]
    assert ALL.twins.tolist() == expected


@given(some_categories)
def test_any_vocabulary_keeps_the_official_order_and_closed_twins(categories: set[str]):
    words = vocabulary(categories)
    assert words.categories == tuple(c for c in CATEGORIES if c in categories)
    indices = sorted(set().union(*(OWN[c] for c in categories)))
    assert words.indices.tolist() == indices
    assert words.keypoints == tuple(COLUMNS[i] for i in indices)
    np.testing.assert_array_equal(words.twins[words.twins], np.arange(len(indices)))
    for name, twin in zip(words.keypoints, words.twins, strict=True):
        exchanged = {"left": "right", "right": "left"}
        assert words.keypoints[twin].split("_") == [exchanged.get(part, part) for part in name.split("_")]
    for category in categories:
        assert words.masks[words.category_index(category)].sum() == len(OWN[category])
        # A garment and its mirror image have the same kinds of points.
        np.testing.assert_array_equal(words.mask(category), words.mask(category)[words.twins])


def test_one_category_several_or_all():
    assert vocabulary("skirt") == vocabulary(["skirt"])
    assert vocabulary("skirt").masks.tolist() == [[True] * 4]
    assert vocabulary(c for c in ("trousers", "skirt")).categories == ("skirt", "trousers")
    assert vocabulary("all") == vocabulary(CATEGORIES) == vocabulary() == ALL


@pytest.mark.parametrize("categories", ["hat", "", ["skirt", "hat"], []])
def test_unknown_categories_are_refused_with_the_known_ones(categories):
    with pytest.raises(ValueError, match=r"unknown category .*expected 'all' or some of blouse, dress"):
        vocabulary(categories)


def test_a_category_outside_the_vocabulary_is_refused():
    words = vocabulary(("skirt", "dress"))
    for ask in (words.mask, words.category_index):
        with pytest.raises(ValueError, match="unknown category 'trousers'; expected one of dress, skirt"):
            ask("trousers")


def test_edges_join_keypoints_of_one_garment_on_both_sides_alike():
    known = {frozenset(edge) for edge in EDGES}
    assert len(known) == len(EDGES)
    for first, second in EDGES:
        assert any({first, second} <= names for names in CATEGORY_KEYPOINTS.values()), (first, second)
        mirrored = frozenset(KEYPOINTS[ALL.twins[KEYPOINTS.index(name)]] for name in (first, second))
        assert mirrored in known
    for names in CATEGORY_KEYPOINTS.values():
        assert names == {name for edge in EDGES if set(edge) <= names for name in edge}  # no point stands alone


def test_attribute_tasks():
    counts = {task: len(classes) for task, classes in ATTRIBUTE_TASKS.items()}
    assert counts == {
        "coat_length": 8,
        "collar_design": 5,
        "lapel_design": 5,
        "neck_design": 5,
        "neckline_design": 10,
        "pant_length": 6,
        "skirt_length": 6,
        "sleeve_length": 9,
    }
    assert sum(counts.values()) == 54
    for task, classes in ATTRIBUTE_TASKS.items():
        assert classes[0] == "Invisible" and len(set(classes)) == len(classes), task
    # Label order decides which probability is which: the last of each, and one in the middle, from the rules.
    last = [classes[-1] for classes in ATTRIBUTE_TASKS.values()]
    assert last == [
        "Ankle&Floor Length",
        "Rib Collar",
        "Plus Size Shawl",
        "Draped Collar",
        "One Shoulder Neckline",
        "Full Length",
        "Floor Length",
        "Extra Long Sleeves",
    ]
    assert ATTRIBUTE_TASKS["neckline_design"].index("Square Neckline") == 5


def test_styles():
    assert len(set(STYLES)) == len(STYLES) == 13
    assert (STYLES[0], STYLES[2], STYLES[8], STYLES[12]) == ("sports", "OL/commuter", "lady", "ethnic")
