import pickle
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aifashion.vocabulary import (
    Category,
    Vocabulary,
    VocabularyError,
    differences,
    load_vocabulary,
    packaged,
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


# ------------------------------------------------------------------------------------------------------- contradictions


def test_more_keypoints_than_can_be(tmp_path: Path):
    names = tuple(f"p{i}" for i in range(1001))
    with pytest.raises(VocabularyError, match="1001 keypoints; at most 1000 are possible"):
        Vocabulary("many", names, (Category("coat", names),))
    assert len(Vocabulary("many", names[:1000], (Category("coat", names[:1000]),)).keypoints) == 1000


def test_a_keypoint_of_no_category_is_refused():
    with pytest.raises(VocabularyError, match="keypoint 'b' belongs to no category"):
        Vocabulary("x", ("a", "b", "c"), (Category("c", ("a", "c")),))


def test_a_category_of_one_keypoint_has_nothing_to_measure_errors_by():
    with pytest.raises(VocabularyError, match="category 'tie' has one keypoint"):
        Vocabulary("x", ("tip",), (Category("tie", ("tip",)),))


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
