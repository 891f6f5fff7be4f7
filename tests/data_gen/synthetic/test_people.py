import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import CATEGORY_KEYPOINTS
from aifashion.data_gen.synthetic.people import crowd, dressed, one_person

OUTFITS = {
    ("trousers", "blouse"),
    ("skirt", "blouse"),
    ("dress",),
    ("trousers", "blouse", "outwear"),
    ("skirt", "blouse", "outwear"),
    ("dress", "outwear"),
}


@pytest.fixture(scope="module")
def persons():
    return [dressed(np.random.default_rng([seed, 5])) for seed in range(80)]


def test_people_wear_what_goes_together(persons):
    assert {tuple(garment.category for garment in garments) for garments, _ in persons} == OUTFITS


def test_every_garment_has_the_keypoints_of_its_category(persons):
    bare = {
        "shoulder_left",
        "shoulder_right",
        *(f"cuff_{side}_{end}" for side in ("left", "right") for end in ("in", "out")),
    }
    for garments, _ in persons:
        for garment in garments:
            has, expected = set(garment.marks), CATEGORY_KEYPOINTS[garment.category]
            assert has <= expected and expected - has <= bare


def test_tops_meet_bottoms(persons):
    gaps = []
    for garments, _ in persons:
        worn = {garment.category: garment.marks for garment in garments}
        if "blouse" in worn and len(garments) == 2:
            below = worn.get("skirt") or worn["trousers"]
            hem = np.mean([worn["blouse"][f"top_hem_{side}"].xy[1] for side in ("left", "right")])
            gaps.append(np.mean([below[f"waistband_{side}"].xy[1] for side in ("left", "right")]) - hem)
    assert len(gaps) > 20 and max(gaps) < 0.5 and np.mean(np.array(gaps) < 0) > 0.4


def test_a_person_is_in_the_photo():
    for seed in range(30):
        (person,) = one_person(np.random.default_rng(seed), (200, 300))
        points = np.vstack([ring for g in person.garments for piece in g.pieces for ring in piece.rings])
        shown = person.camera.forward(points)
        within = ((shown >= 0) & (shown < (200, 300))).all(axis=1).mean()
        assert within > 0.1 and 10 < person.camera.scale < 100


def test_a_crowd_is_painted_from_the_farthest_on_and_its_feet_are_the_lower_the_nearer():
    counts = []
    for seed in range(30):
        groups = crowd(np.random.default_rng(seed), (300, 240))
        scales = [group.camera.scale for group in groups]
        counts.append(len(groups))
        assert scales == sorted(scales)
        feet = [group.camera.forward(np.array([[0, 6.2]]))[0, 1] for group in groups]
        if scales[-1] > 1.5 * scales[0]:
            assert feet[-1] > feet[0]
    assert set(counts) == {2, 3, 4, 5}
