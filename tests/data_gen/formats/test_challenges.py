import pytest

from aifashion.data_gen.formats.challenges import (
    ATTRIBUTE_TASKS,
    CATEGORIES,
    CATEGORY_KEYPOINTS,
    FASHIONAI,
    KEYPOINTS,
    LENGTHS,
    SPAN_PAIRS,
    STYLES,
)
from aifashion.vocabulary import differences, load_vocabulary

# The columns of FashionAI's train.csv after image_id and image_category.
COLUMN_TEXT = """neckline_left neckline_right center_front shoulder_left shoulder_right armpit_left armpit_right
    waistline_left waistline_right cuff_left_in cuff_left_out cuff_right_in cuff_right_out top_hem_left top_hem_right
    waistband_left waistband_right hemline_left hemline_right crotch bottom_left_in bottom_left_out bottom_right_in
    bottom_right_out"""


def test_keypoints_are_in_the_order_of_the_file_columns():
    assert list(KEYPOINTS) == COLUMN_TEXT.split()
    counts = {category: len(names) for category, names in CATEGORY_KEYPOINTS.items()}
    assert counts == {"blouse": 13, "outwear": 14, "dress": 15, "skirt": 4, "trousers": 7}


@pytest.mark.parametrize("category", CATEGORIES)
def test_span_is_between_the_armpits_or_the_ends_of_the_waistband(category: str):
    part = "waistband" if category in ("skirt", "trousers") else "armpit"
    assert SPAN_PAIRS[category] == (f"{part}_left", f"{part}_right")
    assert set(SPAN_PAIRS[category]) <= CATEGORY_KEYPOINTS[category]


def test_attribute_tasks_have_the_classes_of_the_challenge():
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
    assert LENGTHS == ("coat_length", "pant_length", "skirt_length", "sleeve_length")
    for task, classes in ATTRIBUTE_TASKS.items():
        assert classes[0] == "Invisible" and len(set(classes)) == len(classes), task
    # The order of the labels, from the rules of the challenge: the last class of each task, and one in the middle.
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


def test_styles_are_in_the_order_of_the_challenge():
    assert len(set(STYLES)) == len(STYLES) == 13
    assert (STYLES[0], STYLES[2], STYLES[8], STYLES[12]) == ("sports", "OL/commuter", "lady", "ethnic")


def test_the_vocabulary_of_the_package_has_the_names_of_the_challenge():
    packaged = load_vocabulary("fashionai")
    assert differences(FASHIONAI, packaged) == ""
    assert packaged.spans.tolist() == FASHIONAI.spans.tolist()
    assert packaged.twins.tolist() == FASHIONAI.twins.tolist()
    assert {task.name: task.classes for task in packaged.attributes} == ATTRIBUTE_TASKS
    assert {task.name for task in packaged.attributes if task.kind == "ordinal"} == set(LENGTHS)
