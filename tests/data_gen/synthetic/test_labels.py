from dataclasses import replace

import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.data_gen.synthetic import displays, people
from aifashion.data_gen.synthetic.cloth import plain
from aifashion.data_gen.synthetic.cut import Garment, Mark
from aifashion.data_gen.synthetic.labels import LabelledGarment, labelled, mask_box, paint_groups
from aifashion.data_gen.synthetic.lens import grid, random_bend
from aifashion.data_gen.synthetic.outline import polyline
from aifashion.data_gen.synthetic.paint import Canvas, Piece
from aifashion.data_gen.synthetic.placement import Group, grouped, standing
from aifashion.geometry import Frame
from aifashion.records import ABSENT, HIDDEN, VISIBLE

CAMERA = standing(np.eye(2), 10, (0, 0))  # one head is ten pixels; outlines go through the middles of pixels
WIDTH, HEIGHT = 90, 70
STRAIGHT = np.zeros((2, HEIGHT, WIDTH), np.float32)
ENDS = ("waistband_left", "waistband_right", "hemline_left", "hemline_right")


def piece(left: float, top: float, right: float, bottom: float, part: str = "skirt") -> Piece:
    ring = polyline((left, top), (right, top), (right, bottom), (left, bottom))
    axis = polyline(((left + right) / 2, top), ((left + right) / 2, bottom))
    return Piece(part, 20.0, (ring,), axis, np.full(2, 1.0), plain(np.array([1.0, 0.0, 0.0])))


def skirt(left: float, top: float, right: float, bottom: float) -> Garment:
    """A rectangle with keypoints a tenth of a head within its corners."""
    corners = (
        (left + 0.1, top + 0.1),
        (right - 0.1, top + 0.1),
        (left + 0.1, bottom - 0.1),
        (right - 0.1, bottom - 0.1),
    )
    marks = {name: Mark(np.array(xy), "skirt") for name, xy in zip(ENDS, corners, strict=True)}
    return Garment("skirt", (piece(left, top, right, bottom),), marks, {})


def found(*groups: Group, bend: np.ndarray = STRAIGHT) -> tuple[LabelledGarment, ...]:
    rng = np.random.default_rng(0)
    canvas = Canvas(np.ones((HEIGHT, WIDTH, 3), np.float32), CAMERA, 0.0, 1.0, 0.0, 0.0)
    return labelled(canvas, groups, paint_groups(canvas, groups, rng), bend)


def alone(garment: Garment, *things: Piece) -> Group:
    return grouped([garment], things, CAMERA)


def states(garment: LabelledGarment) -> list[int]:
    return [int(garment.keypoints.state[KEYPOINTS.index(name)]) for name in ENDS]


def test_points_at_the_edge_of_a_boot_are_hidden_though_nothing_covers_them():
    garment = skirt(2, 1, 5, 4)
    hems = {name: replace(mark, hidden=name.startswith("hemline")) for name, mark in garment.marks.items()}
    (labels,) = found(alone(replace(garment, marks=hems)))
    assert states(labels) == [VISIBLE, VISIBLE, HIDDEN, HIDDEN] and labels.seen == 1


def test_a_garment_in_full_view_has_its_exact_box_and_points():
    (garment,) = found(alone(skirt(2, 1, 5, 4)))
    assert garment.category == "skirt" and garment.seen == 1
    assert garment.box.tolist() == [20, 10, 51, 41]
    assert states(garment) == [VISIBLE] * 4
    np.testing.assert_allclose(garment.keypoints.xy[KEYPOINTS.index("hemline_right")], [49, 39])
    assert (garment.keypoints.state != ABSENT).sum() == 4


def test_what_covers_a_garment_hides_its_points_and_leaves_its_box():
    behind, before = found(alone(skirt(2, 1, 5, 4)), alone(skirt(4, 0, 7, 6)))
    assert behind.box.tolist() == [20, 10, 51, 41]
    assert states(behind) == [VISIBLE, HIDDEN, VISIBLE, HIDDEN]
    assert behind.seen == pytest.approx(20 / 31)
    assert states(before) == [VISIBLE] * 4 and before.seen == 1
    # The other order, and a thing instead of a garment.
    (covered,) = found(alone(skirt(2, 1, 5, 4), piece(0, 0, 3, 9, "bag")))
    assert states(covered) == [VISIBLE] * 4  # of one z, the bag is painted first
    (covered,) = found(alone(skirt(2, 1, 5, 4)), Group((), (piece(0, 0, 3, 9, "bag"),), CAMERA))
    assert states(covered) == [HIDDEN, VISIBLE, HIDDEN, VISIBLE]


def test_points_beyond_the_photo_are_absent_and_the_box_ends_at_its_edge():
    (garment,) = found(alone(skirt(6, 3, 12, 6)))
    assert garment.box.tolist() == [60, 30, 90, 61]
    assert states(garment) == [VISIBLE, ABSENT, VISIBLE, ABSENT]
    assert garment.seen == pytest.approx(0.5, abs=0.03)


def test_a_garment_of_which_almost_nothing_is_seen_is_not_labelled():
    cover = Group((), (piece(2.25, 0, 9, 9, "door"),), CAMERA)
    assert not found(alone(skirt(2, 1, 5, 4)), cover)
    assert len(found(alone(skirt(2, 1, 5, 4)), Group((), (piece(2.4, 0, 9, 9, "door"),), CAMERA))) == 1
    assert not found(alone(skirt(8.8, 1, 20, 4)))  # two of 112 columns are in the photo
    assert not found(alone(skirt(20, 20, 23, 24)))


def test_a_garment_in_the_foreground_is_not_spared_as_part_of_the_body_behind():
    spared = skirt(2, 1, 5, 4)
    spared = Garment(
        "skirt", spared.pieces, {n: Mark(m.xy, m.home, frozenset({"arm"})) for n, m in spared.marks.items()}, {}
    )
    arm = piece(4, 0, 7, 6, "arm")
    own = grouped([spared], [Piece("arm", 40.0, arm.rings, arm.axis, arm.reach, arm.cloth)], CAMERA)
    assert states(found(own)[0]) == [VISIBLE] * 4
    assert states(found(alone(spared), Group((), (arm,), CAMERA))[0]) == [VISIBLE, HIDDEN, VISIBLE, HIDDEN]


def test_the_box_is_where_the_bent_photo_shows_the_cloth():
    rng = np.random.default_rng(2)
    bend = next(b for b in (random_bend(rng, HEIGHT, WIDTH) for _ in range(30)) if np.abs(b).max() > 2)
    (garment,) = found(alone(skirt(2, 1, 6, 5)), bend=bend)
    drawn = np.zeros((HEIGHT, WIDTH), bool)
    drawn[10:51, 20:61] = True
    x, y = grid(bend)
    columns = np.clip(np.round(x).astype(int), 0, WIDTH - 1)
    rows = np.clip(np.round(y).astype(int), 0, HEIGHT - 1)
    inside = np.argwhere(drawn[rows, columns])
    np.testing.assert_allclose(garment.box, [*inside.min(0)[::-1], *(inside.max(0)[::-1] + 1)], atol=1)
    assert garment.box.tolist() != [20, 10, 61, 51]


def test_the_box_of_a_mask_is_about_its_pixels():
    mask = np.zeros((6, 9), bool)
    mask[2, 3] = mask[4, 7] = True
    assert mask_box(mask).tolist() == [3, 2, 8, 5]


@pytest.mark.parametrize("arrange", [people.one_person, people.crowd, displays.wall, displays.rail, displays.pair])
def test_boxes_and_points_are_those_of_the_cloth_drawn_alone(arrange):
    size = width, height = 150, 180
    for seed in range(5):
        rng = np.random.default_rng([seed, 23])
        groups = arrange(rng, size)
        canvas = Canvas(np.ones((height, width, 3), np.float32), groups[0].camera, 0.0, 1.0, 0.1, 1.0)
        painted = paint_groups(canvas, groups, rng)
        labels = list(labelled(canvas, groups, painted, np.zeros((2, height, width), np.float32)))
        for group, indices in zip(groups, painted, strict=True):
            for garment in group.garments:
                mask = drawn_alone(garment, group.camera, size)
                own = [i for i in indices if canvas.pieces[i].owner == garment.pieces[0].owner]
                assert {canvas.pieces[i].part for i in own} == {p.part for p in garment.pieces}
                label = next((g for g in labels if mask.any() and g.box.tolist() == mask_box(mask).tolist()), None)
                if np.isin(canvas.top, own).sum() > 0.13 * total(garment, group.camera):
                    assert label is not None and label.category == garment.category
                    homes = {canvas.pieces[i].part: i for i in own}
                    seen = {name: canvas.top == homes[mark.home] for name, mark in garment.marks.items()}
                    check_points(label, mask, seen, canvas.top >= indices.stop)


def drawn_alone(garment: Garment, camera: Frame, size: tuple[int, int]) -> np.ndarray:
    canvas = Canvas(np.ones((size[1], size[0], 3), np.float32), camera, 0.0, 1.0, 0.0, 0.0)
    paint_groups(canvas, [Group((garment,), (), camera)], np.random.default_rng(0))
    return canvas.top >= 0


def total(garment: Garment, camera: Frame) -> float:
    """px² of the cloth on a canvas that holds all of it."""
    around = Frame(camera.matrix + np.array([[0, 0, 1500], [0, 0, 1500]]))
    return float(drawn_alone(garment, around, (3000, 3000)).sum())


def check_points(label: LabelledGarment, cloth: np.ndarray, seen: dict[str, np.ndarray], before: np.ndarray) -> None:
    """seen: by keypoint (H, W) bool, where the piece that it is on is on top. before: where later groups are."""
    rows, columns = np.nonzero(cloth)
    for name, xy, state in zip(KEYPOINTS, label.keypoints.xy, label.keypoints.state, strict=True):
        if state == ABSENT:
            continue
        assert (label.box[:2] - 1.5 <= xy).all() and (xy <= label.box[2:] + 0.5).all()
        assert np.hypot(columns - xy[0], rows - xy[1]).min() < 3
        x, y = np.round(xy).astype(int)
        square = slice(max(y - 2, 0), y + 3), slice(max(x - 2, 0), x + 3)
        assert seen[name][square].mean() < 0.5 if state == HIDDEN else before[square].mean() < 0.95
