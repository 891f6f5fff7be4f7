from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.data_gen.synthetic import lying, scene
from aifashion.data_gen.synthetic.body import SIDES, Fold, random_body
from aifashion.data_gen.synthetic.bottoms import trousers
from aifashion.data_gen.synthetic.cloth import plain
from aifashion.data_gen.synthetic.cut import Cut, Garment
from aifashion.data_gen.synthetic.garment import upper
from aifashion.data_gen.synthetic.outfit import laid_out
from aifashion.data_gen.synthetic.outline import arc_length
from aifashion.data_gen.synthetic.paint import Canvas, Piece
from aifashion.geometry import Frame
from aifashion.records import HIDDEN, VISIBLE

GREY = plain(np.full(3, 0.5))
LONG = Cut(2.6, 1.0, 0.3, "neckline_design", "Round Neckline", False, 0.0)


def body_of(seed: int = 0):
    return random_body(np.random.default_rng(seed), False)


def joints(side: int, *right: tuple[float, float]) -> np.ndarray:
    """(3, 2) of the arm on the right of the image, or of its mirror image."""
    return np.array(right) * (side, 1)


def top(folds: dict[int, Fold], cut: Cut = LONG, seed: int = 0) -> Garment:
    body = replace(body_of(), folds=folds)
    return upper(np.random.default_rng(seed), body, "outwear", cut, GREY, False, 35.0, "outwear")


def states(garment: Garment) -> dict[str, int]:
    """How each keypoint of a garment is seen, 40 px per head."""
    camera = Frame(np.array([[40.0, 0, 120], [0, 40.0, 40]]))
    canvas = Canvas(np.ones((320, 240, 3), np.float32), camera, 0.0, 1.0, 0.1, 1.0)
    for piece in sorted(garment.pieces, key=lambda p: p.z):
        canvas.paint(piece, np.random.default_rng(0))
    found, _ = scene._keypoints(canvas, garment, np.zeros((2, 320, 240), np.float32))
    return {name: int(found.state[KEYPOINTS.index(name)]) for name in garment.marks}


def covers(piece: Piece, point: np.ndarray) -> float:
    """How far inside a piece a point is, in heads; negative outside."""
    return max(cv2.pointPolygonTest(ring.astype(np.float32), point.tolist(), True) for ring in piece.rings)


BENT = {side: Fold(joints(side, (0.65, 0.3), (0.9, 1.5), (-0.1, 1.7)), False, 0) for side in SIDES}
TURNED = {side: Fold(joints(side, (0.75, 0.5), (0.2, 1.5), (-0.3, 2.4)), True, 0) for side in SIDES}


@pytest.mark.parametrize("folds", [BENT, TURNED])
@pytest.mark.parametrize("side", SIDES)
def test_the_cuff_s_ends_are_the_corners_of_what_lies_folded_over_the_trunk(folds, side):
    name = SIDES[side]
    garment = top({side: folds[side]})
    (fold,) = [p for p in garment.pieces if p.part.startswith("fold")]
    assert fold.part == f"fold_{name}"
    assert fold.z > max(p.z for p in garment.pieces if p is not fold and not p.part.startswith("roll"))
    ends = np.array([garment.marks[f"cuff_{name}_{end}"].xy for end in ("in", "out")])
    lower_arm = folds[side].joints[2] - folds[side].joints[1]
    np.testing.assert_allclose(ends.mean(0), folds[side].joints[2], atol=0.1)
    assert abs((ends[1] - ends[0]) @ lower_arm) < 0.25 * np.hypot(*(ends[1] - ends[0])) * np.hypot(*lower_arm)
    home = next(p for p in garment.pieces if p.part == garment.marks[f"cuff_{name}_in"].home)
    for end in ends:
        assert covers(home, end) == pytest.approx(0, abs=0.01)
    other = SIDES[-side]
    assert side * garment.marks[f"cuff_{other}_out"].xy[0] < -0.4


def test_the_outer_end_of_a_sleeve_that_crosses_the_front_is_its_lower_edge():
    for folds in (BENT, {s: Fold(joints(s, (0.75, 0.5), (0, 1.2), (-0.9, 1.7)), True, 0) for s in SIDES}):
        marks = top(folds).marks
        for name in SIDES.values():
            assert marks[f"cuff_{name}_out"].xy[1] > marks[f"cuff_{name}_in"].xy[1] + 0.1


def test_points_under_a_folded_sleeve_are_hidden():
    straight = states(top({}))
    assert {straight[name] for name in ("armpit_left", "armpit_right")} == {VISIBLE}
    turned = states(top({1: TURNED[1]}))
    assert turned["armpit_right"] == HIDDEN and turned["armpit_left"] == VISIBLE
    # From the right shoulder to the left corner of the hem.
    marks = top({}).marks
    far = Fold(np.linspace((0.75, 0.5), marks["top_hem_left"].xy + np.array([-0.25, 0.1]), 3), True, 0)
    assert states(top({1: far}, replace(LONG, sleeve=1.15)))["top_hem_left"] == HIDDEN
    across = Fold(np.linspace((0.75, 0.5), marks["waistline_left"].xy + np.array([-0.2, 0.1]), 3), True, 0)
    assert states(top({1: across}, replace(LONG, sleeve=1.15)))["waistline_left"] == HIDDEN


def test_of_two_crossed_sleeves_the_higher_layer_is_on_top():
    reaching = {side: joints(side, (0.65, 0.3), (0.7, 1.5), (-0.5, 1.6)) for side in SIDES}
    for above in SIDES:
        folds = {side: Fold(bone, False, int(side == above)) for side, bone in reaching.items()}
        found = states(top(folds))
        assert [found[f"cuff_{SIDES[above]}_{end}"] for end in ("in", "out")] == [VISIBLE, VISIBLE]
        assert HIDDEN in [found[f"cuff_{SIDES[-above]}_{end}"] for end in ("in", "out")]


def test_sleeves_that_end_above_the_fold_stay_beside_the_trunk():
    garment = top(BENT, replace(LONG, sleeve=0.4))
    assert not any(p.part.startswith("fold") for p in garment.pieces)
    assert garment.marks["cuff_right_out"].xy[0] > 0.7


def test_rolled_ends_carry_the_cuff_s_keypoints_at_their_corners():
    rolled = 0
    for seed in range(60):
        garment = top(BENT if seed % 2 else {}, seed=seed)
        rolls = {p.part: p for p in garment.pieces if p.part.startswith("roll")}
        rolled += bool(rolls)
        for part, piece in rolls.items():
            name = part.removeprefix("roll_")
            corners = [garment.marks[f"cuff_{name}_{end}"] for end in ("in", "out")]
            assert {mark.home for mark in corners} == {part}
            np.testing.assert_array_equal(piece.rings[0][:2], [mark.xy for mark in corners])
            below = [p for p in garment.pieces if p.part.endswith(name) and p is not piece]
            assert piece.z > max(p.z for p in below)
    assert 2 <= rolled <= 18


def test_a_third_of_laid_bodies_has_folds_and_an_eighth_crosses_them():
    found = Counter()
    for seed in range(600):
        body = lying.laid(np.random.default_rng(seed), body_of(seed))
        found["folded"] += bool(body.folds)
        ends = {side: fold.joints[2, 0] * side for side, fold in body.folds.items()}
        found["crossed"] += len(ends) == 2 and sum(ends.values()) < 0.3
        assert not any(body.behind[side] for side in body.folds)
        for side, fold in body.folds.items():
            assert arc_length(fold.joints)[-1] == pytest.approx(lying.ARM)
            outward = side * fold.joints[:, 0]
            assert outward[2] < outward[:2].max()
    assert 0.28 < found["folded"] / 600 < 0.4
    assert 0.08 < found["crossed"] / 600 < 0.25


def test_sleeves_of_what_hangs_hang_down_and_are_not_folded():
    differ = []
    for seed in range(50):
        body = lying.hung(np.random.default_rng(seed), body_of(seed))
        assert not body.folds
        ends = {side: (arm[2] - arm[0]) * (side, 1) for side, arm in body.arms.items()}
        assert all(end[1] > 2 for end in ends.values())
        differ.append(abs(ends[-1][0] - ends[1][0]))
    assert np.median(differ) > 0.05


def test_a_sixth_of_laid_trousers_has_legs_that_cross_or_turn_inward():
    turned = crossed = 0
    for seed in range(600):
        body = lying.laid(np.random.default_rng(seed), body_of(seed))
        ends = {side: side * leg[2, 0] for side, leg in body.legs.items()}
        angles = [
            np.degrees(np.arctan2(s * (leg[2] - leg[1])[0], (leg[2] - leg[1])[1])) for s, leg in body.legs.items()
        ]
        thighs = [
            np.degrees(np.arctan2(s * (leg[1] - leg[0])[0], (leg[1] - leg[0])[1])) for s, leg in body.legs.items()
        ]
        turned += max(np.subtract(thighs, angles)) > 8
        crossed += sum(ends.values()) < 0.1
    assert 0.07 < turned / 600 < 0.15
    assert 0.03 < crossed / 600 < 0.12


def test_the_end_of_a_leg_under_a_longer_one_is_hidden():
    legs = {  # the right one ends lower, and further to the left of the image
        -1: joints(-1, (0.35, 2.35), (0.12, 4.2), (0.0, 5.6), (0.0, 5.9)),
        1: joints(1, (0.35, 2.35), (0.1, 4.2), (-0.12, 6.0), (-0.12, 6.3)),
    }
    found = []
    for seed in range(40):
        garment = trousers(np.random.default_rng(seed), replace(body_of(), legs=legs), GREY, owner="trousers")
        if garment.marks["bottom_left_out"].xy[1] < 5:
            continue
        under = min((p for p in garment.pieces if p.part.startswith("trouser")), key=lambda p: p.z).part
        seen = states(garment)
        assert seen["bottom_right_in"] == seen["bottom_right_out"] == VISIBLE
        found.append((under == "trouser_left", HIDDEN in (seen["bottom_left_in"], seen["bottom_left_out"])))
    assert len({under for under, _ in found}) == 2
    assert all(under == hidden for under, hidden in found), found


@pytest.mark.parametrize("category", ["outwear", "trousers"])
def test_the_same_seed_lays_the_same_garment(category):
    one, two = (laid_out(np.random.default_rng([seed, 3]), body_of(), category) for seed in (4, 4))
    assert [p.part for p in one[1]] == [p.part for p in two[1]]
    for a, b in zip(one[1], two[1], strict=True):
        np.testing.assert_array_equal(np.vstack(a.rings), np.vstack(b.rings))
    assert {n: m.xy.tolist() for n, m in one[0].marks.items()} == {n: m.xy.tolist() for n, m in two[0].marks.items()}
