import logging
from pathlib import Path

import numpy as np
import pytest

from aifashion.data_gen.formats.label_names import check_names, named, of_category
from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.data_gen.formats.name_maps import Known, Names, read_names, shipped_maps
from aifashion.data_gen.formats.problems import FormatError
from aifashion.records import Keypoints
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()
SKIRT = ("waistband_left", "waistband_right", "hemline_left", "hemline_right")
HERE = Path("x.json")


def garment(category: str, names: tuple[str, ...], states: tuple[int, ...] = (), id: str = "7") -> LabelledGarment:
    """Point k is at (10 k, 10 k + 1)."""
    state = np.array(states or (1,) * len(names))
    steps = 10.0 * np.arange(len(names))
    xy = np.where(state[:, None] < 0, -1, np.column_stack([steps, steps + 1]))
    return LabelledGarment(id, category, names, Keypoints(xy, state))


def labels(*garments: LabelledGarment) -> LabelSet:
    return LabelSet(HERE, Path(), tuple(LabelledPhoto(f"{n}.jpg", (99, 99), (g,)) for n, g in enumerate(garments)))


def points(found: LabelSet) -> list[dict[str, tuple[float, float]]]:
    garments = [g for photo in found.photos for g in photo.garments]
    return [
        {
            name: tuple(xy)
            for name, xy, state in zip(g.names, g.keypoints.xy.tolist(), g.keypoints.state, strict=True)
            if state >= 0
        }
        for g in garments
    ]


def test_the_same_names_in_any_order_stand_in_the_order_of_the_category():
    found = named(labels(garment("skirt", SKIRT[::-1], (1, 0, -1, 1))), ALL)
    (photo,) = found.photos
    assert photo.garments[0].names == SKIRT and photo.garments[0].keypoints.state.tolist() == [1, -1, 0, 1]
    assert points(found) == [{"hemline_right": (0, 1), "hemline_left": (10, 11), "waistband_left": (30, 31)}]
    as_it_is = labels(garment("skirt", SKIRT))
    assert named(as_it_is, ALL).photos[0] is as_it_is.photos[0]


def test_case_dashes_and_spaces_do_not_matter_and_are_told_once(caplog):
    caplog.set_level(logging.INFO)
    names = ("Waistband Left", "waistband-right", "HEMLINE_LEFT", "hemline_right")
    found = named(labels(garment("Skirt", names), garment("Skirt", names)), ALL)
    assert set(points(found)[0]) == set(SKIRT) and found.photos[0].garments[0].category == "skirt"
    (line,) = [record.message for record in caplog.records]
    assert "'Skirt' for skirt (2)" in line and "'Waistband Left' for waistband_left (2)" in line
    assert "hemline_right for" not in line


def test_a_misspelt_name_is_an_error_that_says_where_it_stands_and_what_is_near():
    wrong = (*SKIRT[:3], "hemline_rigth")
    with pytest.raises(FormatError) as caught:
        named(
            labels(garment("skirt", SKIRT), garment("skirt", wrong, id="12"), garment("blouze", ("cuff_left_in",))), ALL
        )
    first, second = (str(problem) for problem in caught.value.problems)
    assert first.startswith(
        "x.json: annotations, id 12, photo 1.jpg: keypoint 'hemline_rigth' of the category skirt is not in the "
        "vocabulary; the nearest is hemline_right (1 labels)"
    )
    assert "photo 2.jpg: category 'blouze' is not in the vocabulary; the nearest is blouse" in second
    # A name without a labelled point costs nothing.
    assert points(named(labels(garment("skirt", wrong, (1, 1, 1, -1))), ALL)) == [
        {"waistband_left": (0, 1), "waistband_right": (10, 11), "hemline_left": (20, 21)}
    ]


def test_other_things_are_counted_and_alone_they_are_an_error():
    person = garment("person", ("nose", "left_eye"))
    found = named(labels(garment("skirt", SKIRT), person, person), ALL)
    assert len(found.photos) == 1
    assert found.left_out == {"garments of the category person, of which the vocabulary fashionai has no name": 2}
    with pytest.raises(FormatError, match=r"photo 0\.jpg: category 'person' is not in the vocabulary \(2 garments\)"):
        named(labels(person, person), ALL)


def test_a_category_with_known_keypoints_is_no_other_thing():
    with pytest.raises(FormatError, match="category 'kilt' is not in the vocabulary"):
        named(labels(garment("skirt", SKIRT), garment("kilt", SKIRT)), ALL)
    found = named(labels(garment("skirt", SKIRT), garment("kilt", SKIRT)), ALL, Names(asked=("ki*",)))
    assert len(found.photos) == 1 and found.left_out == {"garments of the category kilt, as asked": 1}


def test_a_keypoint_that_the_category_does_not_have_costs_its_garment_alone():
    found = named(labels(garment("skirt", (*SKIRT, "cuff_left_in"), id="3"), garment("skirt", SKIRT)), ALL)
    assert [photo.file_name for photo in found.photos] == ["1.jpg"]
    (problem,) = found.problems
    assert str(problem) == "x.json: annotations, id 3: a skirt has no cuff_left_in"
    # Two names of one file for one point.
    found = named(labels(garment("skirt", (*SKIRT, "Hemline Left")), garment("skirt", SKIRT)), ALL)
    assert "two of its points mean hemline_left" in str(found.problems[0]) and len(found.photos) == 1


def test_names_that_are_dropped_are_told(caplog):
    two = labels(garment("skirt", (*SKIRT, "pocket_1")), garment("skirt", SKIRT))
    found = named(two, ALL, Names(asked=("pocket_*", "hemline_left")))
    assert [sorted(names) for names in points(found)] == [sorted(set(SKIRT) - {"hemline_left"})] * 2
    assert "left out keypoints, as asked: hemline_left (2), pocket_1 (1)" in caplog.text


def test_scores_go_with_their_points():
    one = garment("skirt", SKIRT[::-1])
    one = LabelledGarment(one.id, one.category, one.names, one.keypoints, None, (0.1, 0.2, 0.3, 0.4))
    assert named(labels(one), ALL).photos[0].garments[0].scores == (0.4, 0.3, 0.2, 0.1)


def test_a_vocabulary_of_some_categories_needs_the_others_chosen_away():
    part = ALL.restricted("skirt")
    both = labels(garment("Skirt", SKIRT), garment("dress", ("neckline_left", "hemline_left")))
    assert len(named(of_category(both, "skirt"), part).photos) == 1
    with pytest.raises(FormatError, match="category 'dress'"):
        named(both, part)


def test_lists_without_a_keypoint_of_the_vocabulary_are_refused():
    check_names(labels(garment("Skirt", SKIRT)), ALL)
    with pytest.raises(ValueError, match=r"category skirt has no keypoint hemline_right in the file.*--vocabulary"):
        check_names(labels(garment("skirt", SKIRT[:3])), ALL)
    with pytest.raises(ValueError, match="categories kilt are not in the vocabulary"):
        check_names(labels(garment("kilt", SKIRT)), ALL)


# ---------------------------------------------------------------------------------------------------------------- maps

MAP = """
ignore = ["pocket *"]
[categories]
kilt = "skirt"
[keypoints]
left = "waistband_left"
right = "waistband_right"
[keypoints.kilt]
left = "hemline_left"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "map.toml"
    path.write_text(text)
    return path


def test_a_map_says_what_names_mean(tmp_path):
    names = read_names(written(tmp_path, MAP), ALL)
    kilt, skirt = (garment(category, ("left", "right", "pocket 1")) for category in ("kilt", "skirt"))
    assert points(named(labels(kilt, skirt), ALL, names)) == [
        {"hemline_left": (0, 1), "waistband_right": (10, 11)},
        {"waistband_left": (0, 1), "waistband_right": (10, 11)},
    ]
    more = names.joined(Names({"kilt": "dress"}, {"kilt": {"right": "hemline_right"}}))
    (found,) = named(labels(kilt), ALL, more).photos
    assert found.garments[0].category == "dress"
    assert points(named(labels(kilt), ALL, more)) == [{"hemline_left": (0, 1), "hemline_right": (10, 11)}]


def test_what_a_user_drops_counts_before_a_map(tmp_path):
    names = Names(asked=("left",)).joined(read_names(written(tmp_path, MAP), ALL))
    assert points(named(labels(garment("kilt", ("left", "right"))), ALL, names)) == [{"waistband_right": (10, 11)}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", "not TOML"),
        ("skirt = 1", "'skirt'; expected some of ignore, categories, keypoints"),
        ("ignore = 'x'", "ignore must be a list"),
        ("categories = 1", "categories must be a table"),
        ("[categories]\nkilt = 'skrt'", r"\[categories\] 'kilt' = 'skrt': not in the vocabulary; the nearest is skirt"),
        ("[keypoints.kilt]\na = 7", r"\[keypoints.kilt\] 'a' = 7: not in the vocabulary"),
    ],
)
def test_what_is_no_map_is_refused_with_the_entry(tmp_path, text, reason):
    with pytest.raises(FormatError, match=rf"map\.toml: {reason}"):
        read_names(written(tmp_path, text), ALL)


def test_the_maps_of_the_package_can_be_read_by_their_names():
    assert "deepfashion-to-fashionai" in shipped_maps()
    for name in shipped_maps():
        assert read_names(name, load_vocabulary(name.rpartition("-to-")[2])).keypoints
    with pytest.raises(FileNotFoundError, match="no map 'nowhere': expected deepfashion"):
        read_names("nowhere", ALL)


def test_variants_that_several_names_have_mean_none_of_them():
    known = Known(("a b", "a-b", "c d"))
    assert (known.meaning("a_b"), known.meaning("a-b"), known.meaning("C_D")) == (None, "a-b", "c d")
