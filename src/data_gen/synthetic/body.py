"""A posed figure in heads: levels of the body, joints of the limbs; and its skin and hair as pieces to paint."""
# ruff: noqa: RUF005  (an array + (x, y) moves points, it does not join lists)

from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from .cloth import Cloth, plain
from .outline import along, arc_length, chain, mirror, polyline, profile, ribbon
from .paint import Colour, Piece, Stroke

SHOULDER, ARMPIT, BUST, WAIST, HIP, CROTCH, KNEE, ANKLE, FLOOR = 0.16, 0.68, 0.95, 1.6, 2.25, 2.7, 4.2, 5.85, 6.2
UPPER_ARM, FOREARM, HAND = 1.32, 1.12, 0.6
THIGH, SHIN, FOOT = 1.85, 1.65, 0.3
NECK_HALF, NECK_TOP = 0.26, -0.07
SIDES = {-1: "left", 1: "right"}

SKIN = (
    (0.96, 0.84, 0.76),
    (0.93, 0.77, 0.66),
    (0.87, 0.68, 0.55),
    (0.74, 0.54, 0.41),
    (0.55, 0.37, 0.27),
    (0.36, 0.24, 0.18),
)
HAIR = (
    (0.07, 0.06, 0.06),
    (0.16, 0.10, 0.07),
    (0.30, 0.19, 0.11),
    (0.55, 0.36, 0.18),
    (0.80, 0.64, 0.40),
    (0.45, 0.16, 0.10),
)


@dataclass(frozen=True, slots=True)
class Fold:
    """How a sleeve lies folded over the front of its garment.

    joints: (3, 2) of the arm in it, as of `Body.arms`. at_shoulder: whether the whole sleeve is folded inward at its
    seam; else its lower part at the elbow. layer: of two folded sleeves, the one with the higher number is on top.
    """

    joints: np.ndarray
    at_shoulder: bool
    layer: int


@dataclass(frozen=True, slots=True)
class Body:
    """Half widths in heads; turn and tilts in radians; the limbs by side (-1: left in the image, 1: right).

    arms, legs: (4, 2) joints: root, middle, end, tip. behind: whether the arm is behind the trunk. pocketed: whether
    its hand is. boots, boots_half: height above the ankles of the boots that it wears, 0 without, and half their width
    there. lift: how much higher than those of bare feet its ankles are, by heels and soles. folds: of long sleeves of a
    garment that lies flat, by side; shorter sleeves, which cannot be folded, follow the arms.
    """

    shoulder: float
    chest: float
    waist: float
    hip: float
    turn: float
    sway: float
    shoulder_tilt: float
    hip_tilt: float
    arms: dict[int, np.ndarray]
    legs: dict[int, np.ndarray]
    behind: dict[int, bool]
    pocketed: dict[int, bool]
    boots: float = 0.0
    boots_half: float = 0.0
    lift: float = 0.0
    folds: dict[int, Fold] = field(default_factory=dict)

    def half_width(self, y: np.ndarray | float) -> np.ndarray:
        """Half the trunk's width at a level, before the body turns."""
        return profile(
            np.asarray(y, np.float64),
            (SHOULDER, ARMPIT, BUST, WAIST, HIP, CROTCH),
            (self.shoulder, self.chest, self.chest * 1.01, self.waist, self.hip, self.hip * 0.97),
        )

    def place(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) on an upright, frontal trunk -> their positions in the pose."""
        x, y = points[..., 0], points[..., 1]
        width = np.interp(y, (SHOULDER, ARMPIT, WAIST, HIP), (self.shoulder, self.chest, self.waist, self.hip))
        squeeze = np.hypot(np.cos(self.turn), 0.6 * np.sin(self.turn))
        # The middle of the front moves most when the body turns, the silhouette least.
        towards = 0.5 * np.sin(self.turn) * width * (1 - np.clip(x / width, -1, 1) ** 2)
        down = np.clip(y / HIP, 0, 1.2)
        tilt = (1 - down) * self.shoulder_tilt + down * self.hip_tilt
        across = x * squeeze + towards
        sway = self.sway * np.sin(np.pi * np.clip(y / CROTCH, 0, 1))
        return np.stack([across + sway, y + across * np.tan(tilt)], -1)


_ARM_POSES = {  # upper arm and forearm, degrees outward from straight down; probability of lying behind the trunk
    "down": ((3, 20), (-8, 14), 0.06),
    "akimbo": ((32, 60), (-70, -35), 0.2),
    "pocket": ((12, 28), (-22, -4), 0.0),
    "folded": ((3, 18), (-112, -75), 0.0),
    "phone": ((6, 30), (-168, -120), 0.0),
    "aside": ((5, 25), (20, 100), 0.0),
    "raised": ((95, 160), (170, 260), 0.0),
    "away": ((25, 65), (20, 75), 0.0),
}
_POSE_PROBABILITIES = {
    "down": 0.44, "akimbo": 0.15, "pocket": 0.13, "folded": 0.07,
    "phone": 0.06, "aside": 0.03, "raised": 0.05, "away": 0.07,
}  # fmt: skip


def limb(root: np.ndarray, lengths: tuple[float, ...], degrees: tuple[float, ...], side: int) -> np.ndarray:
    """(N + 1, 2) joints. lengths: of its N parts in heads. degrees: of each, outward from straight down."""
    angle = np.deg2rad(degrees)
    steps = np.array(lengths)[:, None] * np.stack([side * np.sin(angle), np.cos(angle)], -1)
    return np.vstack([root, root + np.cumsum(steps, axis=0)])


def random_body(rng: np.random.Generator, worn: bool) -> Body:
    """A random standing figure; with `worn` False the symmetric, invisible one in a garment that `lying.py` poses."""
    male = rng.random() < 0.3
    stout = float(np.clip(rng.normal(1.0, 0.09), 0.85, 1.3))
    hip = rng.uniform(0.62, 0.74) * stout
    waist = min(rng.uniform(0.46, 0.55) + 0.07 * male, hip - 0.05) * stout
    shoulder = rng.uniform(0.76, 0.9) + 0.08 * male
    turn = float(np.clip(rng.normal(0, 0.28), -0.85, 0.85)) * worn
    tilt = float(rng.normal(0, 0.035)) * worn
    body = Body(
        shoulder=shoulder,
        chest=shoulder * rng.uniform(0.78, 0.86) * (0.5 + 0.5 * stout),
        waist=waist,
        hip=hip,
        turn=turn,
        sway=float(rng.normal(0, 0.04)) * worn,
        shoulder_tilt=tilt,
        hip_tilt=-tilt * float(rng.uniform(0.3, 1.5)),
        arms={},
        legs={},
        behind={},
        pocketed={},
    )
    spread, bend, stance = rng.uniform(8, 72), rng.uniform(-14, 4), rng.uniform(-1.5, 5)
    if rng.random() < 0.1:  # laid out with folded sleeves
        bend = rng.uniform(-110, -30)
    apart = rng.uniform(0, 8) if rng.random() < 0.2 else 0.0
    same = rng.random() < 0.45
    pose = str(rng.choice(list(_POSE_PROBABILITIES), p=list(_POSE_PROBABILITIES.values())))
    for side in SIDES:
        root = body.place(np.array([side * (shoulder - 0.17), 0.32]))
        if worn:
            if not same:
                pose = str(rng.choice(list(_POSE_PROBABILITIES), p=list(_POSE_PROBABILITIES.values())))
            upper, fore, hidden = _ARM_POSES[pose]
            degrees = (rng.uniform(*upper), rng.uniform(*fore))
            lengths = (UPPER_ARM * rng.uniform(0.88, 1.02), FOREARM * rng.uniform(0.8, 1.02), HAND)
            # If the body turns, the arm of its far side is often behind the trunk.
            far = side * turn > 0.4 and fore[1] > -10
            body.behind[side] = bool(rng.random() < (0.6 if far else hidden))
            body.pocketed[side] = pose == "pocket" and bool(rng.random() < 0.6)
            thigh = stance + apart + rng.normal(0, 2.5)
            shin = thigh - abs(rng.normal(0, 4)) + 2
            leg_lengths = (THIGH, SHIN * (rng.uniform(0.8, 0.95) if rng.random() < 0.15 else 1.0), FOOT)
        else:
            degrees = (spread + rng.normal(0, 1.5), spread + bend + rng.normal(0, 1.5))
            lengths, leg_lengths = (UPPER_ARM, FOREARM, HAND), (THIGH, SHIN, FOOT)
            body.behind[side] = body.pocketed[side] = False
            thigh = stance + 1.5 + rng.normal(0, 0.7)
            shin = thigh + rng.normal(0, 1)
        body.arms[side] = limb(root, lengths, (*degrees, degrees[1]), side)
        hip_root = body.place(np.array([side * hip * 0.52, HIP + 0.1]))
        body.legs[side] = limb(hip_root, leg_lengths, (thigh, shin, rng.uniform(0, 25)), side)
    return body


def _tube(
    part: str,
    z: float,
    bone: np.ndarray,
    half: tuple[float, ...],
    side: int,
    cloth: Cloth,
    shadow: float,
    start: float = 0.0,
) -> Piece:
    length = arc_length(bone)[-1]
    s = np.linspace(start, length, 15)
    widths = profile(s / length, tuple(np.linspace(0, 1, len(half))), half)
    outer, inner = ribbon(bone, s, widths, side)
    reach = np.full(len(bone), float(np.mean(half)))
    return Piece(part, z, tuple(chain(outer, inner)), bone, reach, cloth, shadow=shadow)


def _ellipse(centre: np.ndarray, rx: float, ry: float, count: int = 28, turn: float = 0.0) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, count, endpoint=False)
    ring = np.stack([rx * np.cos(t), ry * np.sin(t)], -1)
    cos, sin = np.cos(turn), np.sin(turn)
    return centre + ring @ np.array([[cos, sin], [-sin, cos]])


def random_skin(rng: np.random.Generator) -> tuple[Cloth, bool]:
    """The skin of a figure, and whether it is a mannequin of one colour."""
    mannequin = rng.random() < 0.06
    tone = np.array(SKIN[rng.choice(len(SKIN), p=(0.24, 0.28, 0.22, 0.12, 0.08, 0.06))]) * rng.uniform(0.92, 1.04)
    if mannequin:
        tone = np.full(3, rng.choice([0.15, 0.75, 0.9]))
    return plain(np.clip(tone, 0, 1), gloss=0.3), bool(mannequin)


def skin_pieces(rng: np.random.Generator, body: Body, sleeve: float, skin: Cloth, mannequin: bool) -> list[Piece]:
    """The figure without garments, legs and feet: arms, trunk, head, hair.

    sleeve: the fraction of the arms that sleeves cover.
    """
    bare = min(sleeve, 0.95) * (UPPER_ARM + FOREARM) - 0.25
    pieces = []
    for side, name in SIDES.items():
        arm = body.arms[side]
        # The top of the arm is under the cloth of the trunk, which ends at the arm hole; the rest is over it.
        z = 16.0 if body.behind[side] else 46.0
        half = (0.2, 0.17, 0.145, 0.13, 0.085)
        root = _tube(f"arm_{name}", 14.0, arm[:3], half, side, skin, 0.0)
        pieces.append(replace(root, rings=(*root.rings, _ellipse(arm[0], 0.2, 0.2))))
        pieces.append(_tube(f"arm_{name}", z, arm[:3], half, side, skin, 0.2, max(0.48, bare)))
        wrist, tip = arm[2], arm[3]
        hand = _ellipse(0.55 * wrist + 0.45 * tip, 0.28, 0.11, turn=float(np.arctan2(*(tip - wrist)[::-1])))
        hand_bone = arm[2:4]
        level = 19.4 if body.pocketed[side] else z + 0.2
        pieces.append(Piece(f"hand_{name}", level, (hand,), hand_bone, np.full(2, 0.11), skin, shadow=0.15))
    y = np.linspace(SHOULDER, CROTCH, 14)
    edge = body.half_width(y)
    edge[:2] -= (0.13, 0.03)  # the deltoid belongs to the arm
    trunk = np.vstack(
        [
            [[-NECK_HALF, NECK_TOP]],
            np.stack([-edge, y], -1),
            np.stack([edge, y], -1)[::-1],
            [[NECK_HALF, NECK_TOP]],
        ]
    )
    spine = body.place(np.array([[0, -0.3], [0, WAIST], [0, CROTCH]]))
    pieces.append(Piece("trunk", 12, (body.place(trunk),), spine, np.full(3, body.chest), skin))
    if mannequin and rng.random() < 0.6:
        return pieces
    return pieces + _head_pieces(rng, body, skin, mannequin)


def _head_pieces(rng: np.random.Generator, body: Body, skin: Cloth, mannequin: bool) -> list[Piece]:
    turn = float(np.clip(body.turn + rng.normal(0, 0.15), -0.9, 0.9))
    centre = body.place(np.array([0.0, 0.0])) + (0.1 * np.sin(turn) + rng.normal(0, 0.03), -0.84)
    neck = np.array([[-0.21, -0.55], [0.21, -0.55], [0.24, 0.02], [0.1, 0.2], [-0.1, 0.2], [-0.24, 0.02]])
    neck[:2] += (centre[0], 0)
    neck[2:] = body.place(neck[2:])
    up = np.array([[0, -1.4], [0, 0.3]]) + (centre[0], 0)
    pieces = [Piece("neck", 13, (neck,), up, np.full(2, 0.24), skin)]
    face = _ellipse(centre, 0.35, 0.48)
    face[:, 0] -= 0.05 * np.sign(face[:, 0] - centre[0]) * np.clip(face[:, 1] - centre[1], 0, 1)
    strokes = []
    if not mannequin:
        mid = centre[0] + 0.16 * np.sin(turn)
        for eye in (-1, 1):
            x, y = mid + eye * 0.14, centre[1] + 0.02
            strokes.append(Stroke(np.array([[x - 0.045, y], [x + 0.045, y]]), 0.045, 0.6))
            strokes.append(Stroke(np.array([[x - 0.07, y - 0.1], [x + 0.07, y - 0.11]]), 0.025, 0.35))
        strokes.append(Stroke(np.array([[mid, centre[1] + 0.03], [mid + 0.03, centre[1] + 0.16]]), 0.03, 0.25))
        lips = tuple(np.clip(np.array([0.72, 0.32, 0.32]) * rng.uniform(0.7, 1.1), 0, 1))
        lip = np.array([[mid - 0.08, centre[1] + 0.27], [mid, centre[1] + 0.285], [mid + 0.08, centre[1] + 0.27]])
        strokes.append(Stroke(lip, 0.05, 0.8, cast(Colour, lips)))
    pieces.append(Piece("head", 18, (face,), up, np.full(2, 0.38), skin, tuple(strokes), shadow=0.3))
    if mannequin or rng.random() < 0.03:
        return pieces
    if rng.random() < 0.12:
        pieces.append(_necklace(rng, body, centre, up))
    if rng.random() < 0.08:
        pieces.append(_hat(rng, centre, up))
    colour = np.array(HAIR[rng.integers(len(HAIR))]) * rng.uniform(0.8, 1.15)
    hair = plain(np.clip(colour, 0, 1), gloss=0.5, grain=0.25)
    length = rng.choice([0.0, 0.5, 1.0, 1.7], p=[0.32, 0.2, 0.28, 0.2]) * rng.uniform(0.8, 1.2)
    crown = _ellipse(centre - (0, 0.13), 0.41, 0.47, 32)
    crown = crown[crown[:, 1] < centre[1] - 0.1 + 0.1 * np.abs(crown[:, 0] - centre[0]) / 0.4]
    order = np.argsort(np.arctan2(crown[:, 1] - centre[1], crown[:, 0] - centre[0]))
    crown = crown[order]
    fringe = centre + np.array([[0.3, -0.18], [0.08, -0.33], [-0.12, -0.3], [-0.3, -0.16]])
    pieces.append(Piece("hair_crown", 19, (np.vstack([crown, fringe]),), up, np.full(2, 0.42), hair))
    if length:
        left = polyline((-0.41, -0.2), (-0.4, 0.4), (-0.36, 0.45 + length))
        back = np.vstack([left, mirror(left)[::-1]])
        pieces.append(Piece("hair_back", 2, (centre + back,), up, np.full(2, 0.5), hair))
        for side, name in SIDES.items():
            if rng.random() < 0.55:  # strands that fall before the shoulder
                wave, s = rng.normal(0, 0.05, 7), np.linspace(0, 1, 7)
                x = side * (0.36 + 0.1 * s + wave * s)
                y = -0.2 + s * (0.5 + length)
                half = 0.11 * np.sqrt(np.clip(np.sin(np.pi * (0.12 + 0.83 * s)), 0, 1)) * rng.uniform(0.8, 1.5)
                strand = np.vstack([np.stack([x - half, y], -1), np.stack([x + half, y], -1)[::-1]])
                pieces.append(Piece(f"hair_{name}", 70, (centre + strand,), up, np.full(2, 0.5), hair, shadow=0.25))
    return pieces


def _hat(rng: np.random.Generator, centre: np.ndarray, up: np.ndarray) -> Piece:
    """A hat with a brim, or a cap, in one colour."""
    brim = rng.uniform(0.55, 0.85) if rng.random() < 0.6 else rng.uniform(0.4, 0.45)
    lean = float(rng.normal(0, 0.15))
    at = centre - (0, 0.3)
    rings = (_ellipse(at, brim, 0.14, turn=lean), _ellipse(at - (0, 0.18), 0.41, 0.32, turn=lean))
    return Piece("hat", 71, rings, up, np.full(2, 0.5), plain(np.full(3, rng.uniform(0.03, 0.9))), shadow=0.3)


def _necklace(rng: np.random.Generator, body: Body, centre: np.ndarray, up: np.ndarray) -> Piece:
    """A choker around the neck or a chain that hangs on the chest."""
    t = np.linspace(-1, 1, 11)
    low = rng.uniform(-0.2, -0.05) if rng.random() < 0.5 else rng.uniform(0.15, 0.6)
    line = np.stack([0.22 * t, -0.15 + (low + 0.15) * (1 - t * t)], -1)
    half = rng.uniform(0.012, 0.035)
    ring = body.place(np.vstack([line - (0, half), (line + (0, half))[::-1]]))
    metal = plain(np.clip(np.array([0.8, 0.7, 0.4]) * rng.uniform(0.05, 1.3), 0, 1))
    return Piece("necklace", 60, (ring,), up, np.full(2, 0.3), metal)


def hand_of(body: Body, side: int) -> np.ndarray:
    """(2,) the position of a hand."""
    return along(body.arms[side], UPPER_ARM + FOREARM + 0.2)
