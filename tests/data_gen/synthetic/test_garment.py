from dataclasses import replace

import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, CATEGORY_KEYPOINTS
from aifashion.data_gen.synthetic import bottoms
from aifashion.data_gen.synthetic.body import ANKLE, FOREARM, HIP, KNEE, UPPER_ARM, Body, random_body
from aifashion.data_gen.synthetic.cloth import plain
from aifashion.data_gen.synthetic.cut import Cut, Garment, random_cut
from aifashion.data_gen.synthetic.garment import upper

GREY = plain(np.full(3, 0.5))
TEE = Cut(2.4, 0.3, 0.3, "neckline_design", "Round Neckline", False, 0.0)


def laid(cut: Cut, category: str = "blouse", seed: int = 0) -> Garment:
    body = random_body(np.random.default_rng(seed), False)
    return upper(np.random.default_rng(seed), body, category, cut, GREY, False, 25.0, category)


def classes(garment: Garment) -> dict[str, str]:
    return {task: ATTRIBUTE_TASKS[task][label.index("y")] for task, label in garment.attributes.items()}


@pytest.mark.parametrize("category", ["blouse", "dress", "outwear"])
def test_an_upper_garment_has_the_keypoints_of_its_category(category, rng):
    garment = laid(replace(TEE, hem=3.2), category)
    assert set(garment.marks) == CATEGORY_KEYPOINTS[category]


@pytest.mark.parametrize("category", ["skirt", "trousers"])
def test_a_bottom_has_the_keypoints_of_its_category(category, rng):
    body = random_body(rng, True)
    garment = (bottoms.skirt if category == "skirt" else bottoms.trousers)(rng, body, GREY)
    assert set(garment.marks) == CATEGORY_KEYPOINTS[category]


@pytest.mark.parametrize("length", [0.3, 0.5, 0.7, 0.9, 1.0])
def test_a_sleeve_ends_at_its_fraction_of_the_arm(length):
    body: Body = random_body(np.random.default_rng(0), False)
    garment = laid(replace(TEE, sleeve=length))
    for side, name in ((-1, "left"), (1, "right")):
        middle = (garment.marks[f"cuff_{name}_in"].xy + garment.marks[f"cuff_{name}_out"].xy) / 2
        reach = np.hypot(*(middle - body.arms[side][0]))
        assert reach == pytest.approx(length * (UPPER_ARM + FOREARM), abs=0.3)


def test_the_cuff_s_inner_end_is_nearer_to_the_body():
    garment = laid(replace(TEE, sleeve=0.8))
    for name, side in (("left", -1), ("right", 1)):
        assert side * garment.marks[f"cuff_{name}_out"].xy[0] > side * garment.marks[f"cuff_{name}_in"].xy[0]


def test_strapless_garments_have_no_shoulders_and_no_cuffs():
    garment = laid(replace(TEE, neck_class="Strapless Neck", sleeve=0.0))
    assert not [name for name in garment.marks if name.startswith(("shoulder", "cuff"))]
    assert garment.marks["neckline_left"].xy[1] > 0.4


def test_a_one_shoulder_neckline_has_one_shoulder_keypoint():
    garment = laid(replace(TEE, neck_class="One Shoulder Neckline", sleeve=0.0))
    assert len([name for name in garment.marks if name.startswith("shoulder")]) == 1


def test_necklines_differ_in_their_depth():
    depth = {}
    for name in ("Straight Neck", "V Neckline", "Deep V Neckline"):
        marks = laid(replace(TEE, neck_class=name)).marks
        depth[name] = marks["center_front"].xy[1] - marks["neckline_left"].xy[1]
    assert depth["Straight Neck"] < 0.2 < depth["V Neckline"] < 0.75 < depth["Deep V Neckline"]


def test_a_turtle_neck_stands_above_the_neck_of_a_round_neckline():
    round_neck = laid(TEE).marks["center_front"].xy[1]
    turtle = laid(replace(TEE, neck_task="neck_design", neck_class="Turtle Neck")).marks["center_front"].xy[1]
    assert turtle < 0 < round_neck


@pytest.mark.parametrize(
    ("hem", "name"), [(1.7, "High Waist Length"), (3.3, "Micro Length"), (5.6, "Ankle&Floor Length")]
)
def test_the_length_of_a_coat_follows_its_hem(hem, name):
    coat = replace(TEE, hem=hem, neck_task="lapel_design", neck_class="Notched")
    assert classes(laid(coat, "outwear"))["coat_length"] == name


def test_attribute_labels_follow_the_cut(rng):
    for category in ("blouse", "dress", "outwear"):
        for seed in range(25):
            cut = random_cut(rng, category)
            found = classes(laid(cut, category, seed))
            if cut.neck_task in found and category != "outwear":
                assert found[cut.neck_task] == cut.neck_class
            assert (found["sleeve_length"] == "Sleeveless") == (not cut.sleeved)


def test_the_length_of_trousers_follows_their_end():
    names = ATTRIBUTE_TASKS["pant_length"][1:]
    bottoms_of = {name: [] for name in names}
    for seed in range(80):
        rng = np.random.default_rng(seed)
        garment = bottoms.trousers(rng, random_body(rng, False), GREY)
        level = (garment.marks["bottom_left_out"].xy[1] + garment.marks["bottom_right_in"].xy[1]) / 2
        bottoms_of[classes(garment)["pant_length"]].append(level)
        assert HIP < garment.marks["crotch"].xy[1] < level
    means = [np.mean(bottoms_of[name]) for name in names]
    assert means == sorted(means)
    assert means[0] < KNEE < means[-1]
    assert means[-1] == pytest.approx(ANKLE, abs=0.3)
