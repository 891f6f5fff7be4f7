"""The maps of names that come with the package, against the vocabularies that they join."""

import tomllib
from pathlib import Path

import pytest

from aifashion.vocabulary import FOLDER, Category, Vocabulary, load_vocabulary

FASHIONAI, DEEPFASHION2 = load_vocabulary(), load_vocabulary("deepfashion2")


def read(name: str) -> dict:
    return tomllib.loads((Path(FOLDER) / "maps" / f"{name}.toml").read_text(encoding="utf-8"))


MAP = read("deepfashion2-to-fashionai")


def category_of(vocabulary: Vocabulary, name: str) -> Category:
    return vocabulary.definitions[vocabulary.category_index(name)]


def mirrored(vocabulary: Vocabulary, name: str) -> str:
    return vocabulary.keypoints[vocabulary.twins[vocabulary.indices[name]]]


@pytest.mark.parametrize("category", DEEPFASHION2.categories)
def test_every_landmark_of_deepfashion2_is_mapped_or_ignored(category: str) -> None:
    names, points = category_of(DEEPFASHION2, category).keypoints, MAP["keypoints"][category]
    ignored = {name for name in MAP["ignore"] if name.rpartition("_")[0] == category}
    assert set(names) == set(points) | ignored and not set(points) & ignored
    target = category_of(FASHIONAI, MAP["categories"][category])
    assert set(points.values()) <= set(target.keypoints) and len(set(points.values())) == len(points)


@pytest.mark.parametrize("category", DEEPFASHION2.categories)
def test_the_map_of_deepfashion2_keeps_left_and_right(category: str) -> None:
    points = MAP["keypoints"][category]
    for name, meant in points.items():
        assert points[mirrored(DEEPFASHION2, name)] == mirrored(FASHIONAI, meant)
        assert DEEPFASHION2.sides[DEEPFASHION2.indices[name]] == FASHIONAI.sides[FASHIONAI.indices[meant]]


# What a category does not get from the landmarks, by what it is.
NECK, CUFFS = {"neckline"}, {"cuff"}
WITHOUT = {"vest": CUFFS, "sling": CUFFS | NECK, "vest_dress": CUFFS, "sling_dress": CUFFS | NECK}
WITHOUT |= {"short_sleeve_outwear": {"waistline"}, "long_sleeve_outwear": {"waistline"}}


@pytest.mark.parametrize("category", DEEPFASHION2.categories)
def test_all_keypoints_that_have_a_landmark_are_mapped(category: str) -> None:
    target = category_of(FASHIONAI, MAP["categories"][category])
    missing = set(target.keypoints) - set(MAP["keypoints"][category].values())
    assert {name.split("_")[0] for name in missing} == WITHOUT.get(category, set())


def test_the_outline_of_deepfashion2_passes_the_keypoints_in_the_order_of_a_garment() -> None:
    """From the left shoulder along the numbers, which go round the garment: a check that left and right, in and out are
    not exchanged within a side."""
    order = ["shoulder_left", "cuff_left_out", "cuff_left_in", "armpit_left", "waistline_left", "top_hem_left"]
    order += ["hemline_left", "hemline_right", "top_hem_right", "waistline_right", "armpit_right", "cuff_right_in"]
    order += ["cuff_right_out", "shoulder_right"]
    order += ["bottom_left_out", "bottom_left_in", "crotch", "bottom_right_in", "bottom_right_out"]
    for points in MAP["keypoints"].values():
        numbered = sorted((int(name.rpartition("_")[2]), meant) for name, meant in points.items())
        around = [meant for _, meant in numbered if meant in order]
        assert around == [name for name in order if name in around] and len(around) >= 2


def test_the_map_of_deepfashion_has_a_meaning_for_every_landmark_of_every_type() -> None:
    from aifashion.data_gen.formats.deepfashion import TYPES

    found = read("deepfashion-to-fashionai")
    for kind, names in TYPES.values():
        meant = found["keypoints"] | found["keypoints"][kind]
        assert [name for name in names if name not in meant and name not in found["ignore"]] == []
        categories = [found["categories"].get(kind)] if kind != "lower" else ["skirt", "trousers"]
        for category in categories:
            known = category_of(FASHIONAI, category).keypoints
            assert all(meant[name] in known for name in names if name in meant)
    assert set(found["categories"]) | {"lower"} == {kind for kind, _ in TYPES.values()} and "lower" in found["ignore"]
