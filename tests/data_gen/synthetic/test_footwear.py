from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.data_gen.synthetic import bottoms, footwear, outfit, scene
from aifashion.data_gen.synthetic.body import SIDES, random_body
from aifashion.data_gen.synthetic.cloth import plain
from aifashion.data_gen.synthetic.cut import Garment
from aifashion.data_gen.synthetic.footwear import ANKLE_HEIGHT, KINDS, Footwear, leg_pieces, random_footwear, shod
from aifashion.data_gen.synthetic.paint import Canvas, Piece
from aifashion.geometry import Frame
from aifashion.records import HIDDEN, VISIBLE

GREY, RED = plain(np.full(3, 0.5)), plain(np.array([0.9, 0.1, 0.1]))
SIZE = 360
BOTTOMS = [f"bottom_{side}_{end}" for side in ("left", "right") for end in ("in", "out")]


def only(monkeypatch, *kinds: str) -> None:
    """All figures wear one of these kinds."""
    shares = {k: replace(v, share=(k in kinds) / len(kinds)) for k, v in KINDS.items()}
    monkeypatch.setattr(footwear, "KINDS", shares)


def dressed(seed: int) -> tuple[Footwear, Garment, list[Piece]]:
    """Footwear, trousers, and both with the legs as pieces to paint."""
    rng = np.random.default_rng([seed, 41])
    body = random_body(rng, True)
    shoes = random_footwear(rng, body)
    body = shod(body, shoes)
    legs = bottoms.trousers(rng, body, GREY)
    return shoes, legs, [*leg_pieces(rng, body, shoes, RED, legs), *legs.pieces]


def painted(pieces: list[Piece], seed: int = 0) -> Canvas:
    """The figure below the waist, 60 px per head."""
    canvas = Canvas(np.ones((SIZE, SIZE, 3), np.float32), camera(), 0.0, 1.0, 0.1, 1.0)
    rng = np.random.default_rng(seed)
    for piece in sorted(pieces, key=lambda p: p.z):
        canvas.paint(piece, rng)
    return canvas


def camera() -> Frame:
    return Frame(np.array([[60.0, 0, SIZE / 2], [0, 60.0, SIZE - 7.2 * 60]]))


def part_at(canvas: Canvas, xy: np.ndarray) -> str:
    x, y = np.round(canvas.camera.forward(xy[None])[0]).astype(int)
    index = int(canvas.top[y, x])
    return canvas.pieces[index].part if index >= 0 else ""


def states(canvas: Canvas, garment: Garment) -> dict[str, int]:
    keypoints, _ = scene._keypoints(canvas, garment, np.zeros((2, SIZE, SIZE), np.float32))
    return {name: int(keypoints.state[KEYPOINTS.index(name)]) for name in BOTTOMS}


def test_the_shares_of_the_kinds_sum_to_one():
    assert sum(kind.share for kind in KINDS.values()) == pytest.approx(1)


def test_every_kind_occurs_at_its_share():
    body = random_body(np.random.default_rng(0), True)
    count = 4000
    found = Counter(random_footwear(np.random.default_rng([seed, 3]), body).kind for seed in range(count))
    for name, kind in KINDS.items():
        error = np.sqrt(kind.share * (1 - kind.share) / count)
        assert found[name] / count == pytest.approx(kind.share, abs=4 * error), name


def test_measures_lie_in_the_ranges_of_the_kind():
    body = random_body(np.random.default_rng(0), True)
    lifted = Counter()
    for seed in range(1500):
        shoes = random_footwear(np.random.default_rng([seed, 5]), body)
        kind = KINDS[shoes.kind]
        assert kind.sole[0] <= shoes.sole <= kind.sole[1]
        assert shoes.heel == 0 or kind.heel[1] <= shoes.heel <= kind.heel[2]
        assert kind.shaft[0] <= shoes.shaft <= kind.shaft[1]
        assert shod(body, shoes).lift == pytest.approx(shoes.heel * 0.43 / 0.48 + shoes.sole)
        assert (shod(body, shoes).boots > 0) == shoes.kind.endswith("boots")
        lifted[shoes.kind] += shoes.heel > 0
    assert not [kind for kind in ("bare", "socks", "sneakers", "flats") if lifted[kind]]
    assert all(lifted[kind] for kind in ("heels", "shoes", "sandals", "ankle_boots", "knee_boots"))


def test_the_same_generator_draws_the_same_legs():
    one, two = (dressed(9)[2] for _ in range(2))
    assert [p.part for p in one] == [p.part for p in two]
    np.testing.assert_array_equal(painted(one).image, painted(two).image)


@pytest.mark.parametrize("kind", KINDS)
def test_a_leg_s_bottom_points_lie_between_its_cloth_and_what_is_below(monkeypatch, kind):
    only(monkeypatch, kind)
    seen = 0
    for seed in range(12):
        _, garment, pieces = dressed(seed)
        canvas = painted(pieces)
        state = states(canvas, garment)
        for side in ("left", "right"):
            ends = {end: garment.marks[f"bottom_{side}_{end}"].xy for end in ("in", "out")}
            across = ends["out"] - ends["in"]
            down = np.array([-across[1], across[0]]) / np.hypot(*across)
            down *= np.sign(down[1])
            for end, other in (("in", "out"), ("out", "in")):
                if state[f"bottom_{side}_{end}"] != VISIBLE:
                    continue
                seen += 1
                inward = ends[end] + (ends[other] - ends[end]) * 0.12
                assert part_at(canvas, inward - down * 0.06) == f"trouser_{side}", (seed, side, end)
                # The front of a hem hangs by at most a quarter of the leg's half width; outside it nothing hangs.
                assert part_at(canvas, inward + down * (0.04 + 0.06 * np.hypot(*across))) != f"trouser_{side}", (
                    seed, side, end,
                )  # fmt: skip
                outward = ends[end] + (ends[end] - ends[other]) / np.hypot(*across) * 0.05
                assert part_at(canvas, outward + down * 0.05) != f"trouser_{side}", (seed, side, end)
    assert seen > (10 if kind.endswith("boots") else 30)


@pytest.mark.parametrize("kind", ["ankle_boots", "knee_boots"])
def test_a_boot_over_the_leg_hides_its_bottom_points_and_a_leg_over_the_boot_does_not(monkeypatch, kind):
    only(monkeypatch, kind)
    tucked = Counter()
    for seed in range(60):
        shoes, garment, pieces = dressed(seed)
        tucked[garment.tucked] += 1
        canvas = painted(pieces)
        state = states(canvas, garment)
        if not garment.tucked:
            assert VISIBLE in state.values(), seed
            continue
        assert set(state.values()) == {HIDDEN}, seed
        for side, name in SIDES.items():
            points = [garment.marks[f"bottom_{name}_{end}"].xy for end in ("in", "out")]
            middle = (points[0] + points[1]) / 2
            leg = next(p for p in pieces if p.part == f"leg_{name}").axis
            assert np.hypot(*(leg[2] - middle)) == pytest.approx(shoes.shaft, abs=0.06), (seed, side)
            along = (leg[2] - leg[1]) / np.hypot(*(leg[2] - leg[1]))
            parts = {part_at(canvas, middle + along * 0.08), part_at(canvas, middle - along * 0.08)}
            other = {f"{part}_{'left' if side > 0 else 'right'}" for part in ("shoe", "trouser")}
            assert parts == {f"shoe_{name}", f"trouser_{name}"} or parts & other, (seed, side)
            # Nothing of the leg's end looks out beside the boot.
            for point in points:
                beside = point + (point - middle) / np.hypot(*(point - middle)) * 0.05 + along * 0.06
                assert part_at(canvas, beside) != f"trouser_{name}", (seed, side)
    assert min(tucked[True], tucked[False]) >= 5, tucked


def test_legs_are_tucked_into_boots_alone_and_wide_legs_never(monkeypatch):
    only(monkeypatch, *(kind for kind in KINDS if not kind.endswith("boots")))
    assert not any(dressed(seed)[1].tucked for seed in range(40))
    only(monkeypatch, "knee_boots")
    for seed in range(60):
        shoes, garment, _ = dressed(seed)
        if garment.tucked:  # as wide as the boot, to the distance of the points along the leg's edges
            ends = {name: garment.marks[name].xy for name in BOTTOMS}
            for name in ("left", "right"):
                width = np.hypot(*(ends[f"bottom_{name}_in"] - ends[f"bottom_{name}_out"]))
                assert width < 2 * shoes.shaft_half + 0.04


@pytest.mark.parametrize("kind", KINDS)
def test_feet_stand_below_the_ankles_and_point_where_they_are_turned(monkeypatch, kind):
    only(monkeypatch, kind)
    for seed in range(15):
        rng = np.random.default_rng([seed, 8])
        body = random_body(rng, True)
        shoes = replace(random_footwear(rng, body), yaw={-1: -0.9, 1: 0.9})
        body = shod(body, shoes)
        pieces = leg_pieces(rng, body, shoes, RED, bottoms.skirt(rng, body, GREY))
        for side, name in SIDES.items():
            ankle = body.legs[side][2]
            points = outline_of_foot(pieces, name)
            points = points[points[:, 1] > ankle[1]]
            below, beside = points[:, 1].max() - ankle[1], (points[:, 0] - ankle[0]) * side
            assert below > (ANKLE_HEIGHT + body.lift) * np.cos(shoes.pitch) - 0.01
            assert below < ANKLE_HEIGHT + body.lift + 0.5
            assert beside.max() > 0.5  # the toes
            assert -0.4 < beside.min() < -0.05  # the heel


def outline_of_foot(pieces: list[Piece], side: str) -> np.ndarray:
    parts = [p for p in pieces if p.part in {f"{x}_{side}" for x in ("foot", "sock", "shoe", "shoe_back", "sole")}]
    return np.vstack([ring for p in parts for ring in p.rings])


def test_shoes_have_the_colour_of_the_trousers_at_times_and_other_colours_mostly():
    close = []
    for seed in range(150):
        _, garment, pieces = dressed(seed)
        shoe = next((p for p in pieces if p.part == "shoe_left"), None)
        if shoe is not None:
            close.append(np.abs(shoe.cloth.mean - garment.pieces[0].cloth.mean).max() < 0.1)
    assert 0.08 < np.mean(close) < 0.4


def test_socks_come_in_colours_and_patterns():
    body = random_body(np.random.default_rng(0), True)
    drawn = [random_footwear(np.random.default_rng([seed, 6]), body) for seed in range(1000)]
    socks = [shoes.sock for shoes in drawn if shoes.sock is not None]
    spread = np.ptp([sock.mean for sock in socks], axis=1)
    assert 0.2 < np.mean([len(sock.tile) > 1 for sock in socks]) < 0.4
    assert np.mean(spread > 0.2) > 0.2
    assert np.mean(spread < 0.05) > 0.2


def test_a_high_sock_is_seen_between_a_cropped_leg_and_the_shoe(monkeypatch):
    only(monkeypatch, "sneakers")
    seen = 0
    for seed in range(60):
        shoes, garment, pieces = dressed(seed)
        for name in ("left", "right"):
            middle = np.mean([garment.marks[f"bottom_{name}_{end}"].xy for end in ("in", "out")], axis=0)
            leg = next(p for p in pieces if p.part == f"leg_{name}").axis
            height = np.hypot(*(leg[2] - middle))
            if shoes.sock is None or not shoes.shaft + 0.3 < height < shoes.sock_height + shoes.shaft - 0.1:
                continue
            seen += 1
            along = (leg[2] - leg[1]) / np.hypot(*(leg[2] - leg[1]))
            assert part_at(painted(pieces), middle + along * 0.15) == f"sock_{name}", (seed, name)
    assert seen >= 4


def test_half_of_the_photos_of_long_trousers_on_figures_show_the_feet():
    shown = []
    for seed in range(80):
        rng = np.random.default_rng([seed, 23])
        body = random_body(rng, True)
        target, pieces = outfit.worn(rng, body, "trousers")
        feet = scene._feet(rng, pieces)
        assert len(feet) in (
            0,
            sum(len(r) for p in pieces if p.part.startswith(("foot", "shoe", "sock")) for r in p.rings),
        )
        if target.marks["bottom_left_in"].xy[1] < 5:
            continue
        frame = scene._camera(np.random.default_rng(seed), target, 200, 200, feet)
        lowest = frame.forward(np.vstack([outline_of_foot(pieces, side) for side in ("left", "right")]))
        inside = ((lowest >= -12) & (lowest < 212)).all()
        shown.append(bool(inside))
        if not len(feet):
            same = scene._camera(np.random.default_rng(seed), target, 200, 200)
            np.testing.assert_array_equal(frame.matrix, same.matrix)
    assert 0.4 < np.mean(shown) < 0.9
