from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import CATEGORY_KEYPOINTS, KEYPOINTS
from aifashion.data_gen.synthetic import footwear
from aifashion.data_gen.synthetic.footwear import KINDS
from aifashion.data_gen.synthetic.labels import labelled, paint_groups
from aifashion.data_gen.synthetic.paint import Canvas
from aifashion.data_gen.synthetic.people import crowd, dressed, one_person
from aifashion.data_gen.synthetic.placement import grouped, standing
from aifashion.records import HIDDEN

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


def test_people_have_two_legs_and_mostly_shoes(persons):
    parts = [{piece.part for piece in things} for _, things in persons]
    for side in ("left", "right"):
        assert all(f"leg_{side}" in there for there in parts)
        assert all(there & {f"{part}_{side}" for part in ("foot", "sock", "shoe", "sole")} for there in parts)
    assert 0.75 < np.mean(["shoe_left" in there for there in parts]) < 0.95


def test_trousers_in_boots_have_hidden_points_at_the_top_of_the_boots(monkeypatch):
    shares = {name: replace(kind, share=float(name == "knee_boots")) for name, kind in KINDS.items()}
    monkeypatch.setattr(footwear, "KINDS", shares)
    size = (200, 420)
    found = Counter()
    for seed in range(60):
        garments, things = dressed(np.random.default_rng([seed, 6]))
        trousers = next((i for i, garment in enumerate(garments) if garment.category == "trousers"), None)
        if trousers is None:
            continue
        found[garments[trousers].tucked] += 1
        if not garments[trousers].tucked:
            continue
        group = grouped(garments, things, standing(np.eye(2), 50, (100, 80)))
        canvas = Canvas(np.ones((*size[::-1], 3), np.float32), group.camera, 0.0, 1.0, 0.0, 0.0)
        painted = paint_groups(canvas, [group], np.random.default_rng(0))
        labels = labelled(canvas, [group], painted, np.zeros((2, *size[::-1]), np.float32))
        for label in (label for label in labels if label.category == "trousers"):
            found["labels"] += 1
            for side in ("left", "right"):
                ends = [KEYPOINTS.index(f"bottom_{side}_{end}") for end in ("in", "out")]
                assert (label.keypoints.state[ends] == HIDDEN).all(), seed
                boot = next(piece for piece in things if piece.part == f"shoe_{side}")
                top = group.camera.forward(boot.strokes[-1].xy)  # the edge of the shaft
                np.testing.assert_allclose(label.keypoints.xy[ends].mean(0), top.mean(0), atol=0.06 * 50)
    assert min(found[True], found[False], found["labels"]) >= 5, found


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
