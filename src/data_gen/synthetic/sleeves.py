"""Sleeves of every length along a posed arm, straight or folded over the front of their garment."""

from dataclasses import dataclass

import numpy as np

from .body import FOREARM, UPPER_ARM
from .outline import arc_length, chain, even, profile, ribbon, round_corners

ARM = UPPER_ARM + FOREARM


@dataclass(frozen=True, slots=True)
class SleeveCut:
    """length: fraction of the arm. top, cuff: half widths at the ends in heads. swell: puff between them."""

    length: float
    top: float
    cuff: float
    swell: float


def random_sleeve(rng: np.random.Generator, length: float, loose: float) -> SleeveCut:
    """A random sleeve of a given length. loose: 0 tight to 1 wide."""
    top = 0.24 + 0.1 * loose + rng.uniform(0, 0.04)
    skin = 0.2 - 0.1 * min(length, 1.0)
    cuff = skin + 0.03 + 0.08 * loose + rng.uniform(0, 0.05)
    style = rng.random()
    if style < 0.1 and length > 0.3:
        cuff += rng.uniform(0.12, 0.3)  # bell
    swell = rng.uniform(0.06, 0.16) if 0.1 < style < 0.22 else 0.0
    return SleeveCut(length, top, max(cuff, 0.1), swell)


def sleeve(
    cut: SleeveCut, arm: np.ndarray, shoulder: np.ndarray, armpit: np.ndarray, side: int
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """The polygons of a sleeve, and the two ends of its opening: cuff in (towards the body) and cuff out, each (2,).

    arm: (3, 2) joints. The outer edge starts at the shoulder tip, the inner one at the armpit.
    """
    bone = arm
    total = arc_length(bone)[-1]
    end = max(cut.length * total, 0.1)
    begin = min(0.34, end * 0.6)
    s = np.linspace(begin, end, 13)
    t = s / max(end, 1e-6)
    half = profile(t, (0.0, 0.35, 0.75, 1.0), (cut.top, cut.top * 0.97 + cut.swell * 0.6, _mid(cut), cut.cuff))
    outer, inner = ribbon(bone, s, half, side)
    # The inner edge starts at the armpit: drop its samples above the armpit along the bone.
    direction = (bone[1] - bone[0]) / np.hypot(*(bone[1] - bone[0]))
    reach = float((armpit - bone[0]) @ direction)
    below = s > reach + 0.05
    if below.sum() < 2:
        inner_end = armpit + direction * 0.04 + (outer[-1] - armpit) * 0.08
        edge = np.vstack([armpit, inner_end])
    else:
        edge = np.vstack([armpit, _leave(armpit, inner[below], direction)])
    top = round_corners(np.vstack([shoulder, outer]), 1)
    count = max(len(top), len(edge))
    outer_edge, inner_edge = even(top, count), even(edge, count)
    rings = chain(outer_edge, inner_edge, 4)
    if below.sum() >= 3:  # the bend, where the two edges have very different lengths
        rings += chain(outer[below], inner[below], 2)
    return rings, edge[-1], outer[-1]


def folded_at_elbow(
    cut: SleeveCut, joints: np.ndarray, shoulder: np.ndarray, armpit: np.ndarray, side: int
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray, np.ndarray]:
    """The polygons of the part above the elbow and of the part below it, which lies over it; cuff in and cuff out.

    The outer edge runs around the elbow: of a lower part that points inward it is the lower edge.
    """
    bend, rest = joints[1], cut.length * arc_length(joints)[-1] - arc_length(joints)[1]
    half = _mid(cut)
    above, _, _ = sleeve(SleeveCut(1.0, cut.top, half, cut.swell), joints[:2], shoulder, armpit, side)
    s = np.linspace(0, rest, 9)
    outer, inner = ribbon(joints[1:], s, profile(s, (0.0, rest), (half, cut.cuff)), side)
    angles = [np.arctan2(*(side * np.array([-d[0], d[1]]))) for d in np.diff(joints, axis=0)]
    turn = (angles[1] - angles[0] + np.pi) % (2 * np.pi) - np.pi
    t = np.linspace(0, 1, 9)
    around = angles[0] + turn * t
    elbow = bend + (half * (1 + 0.12 * np.sin(np.pi * t)))[:, None] * np.stack([np.cos(around), np.sin(around)], -1)
    # The crease starts where the inner edges meet; of a sharp fold that is far away, and cloth does not stretch so far.
    middle = angles[0] + turn / 2
    crease = bend - half * min(1 / max(np.cos(turn / 2), 0.1), 1.5) * np.array([np.cos(middle), np.sin(middle)])
    cap = np.vstack([crease, elbow, bend + 0.3 * (joints[2] - bend) / np.hypot(*(joints[2] - bend))])
    return [*above, np.vstack([crease, elbow])], [cap, *chain(outer, inner, 4)], inner[-1], outer[-1]


def folded_at_shoulder(
    cut: SleeveCut, joints: np.ndarray, shoulder: np.ndarray, armpit: np.ndarray, side: int
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """The polygons of a sleeve that is turned inward at its seam, over the armpit; cuff in and cuff out.

    Cuff out is at the lower edge, as after a fold at the elbow: people who annotate photos follow the outline.
    """
    low = armpit + np.array([0.0, 0.14])
    rings, lower, upper = sleeve(cut, joints, shoulder, low, -side)
    bulge = (shoulder + low) / 2 + np.array([0.07 * side, 0.0])
    seam = round_corners(np.vstack([shoulder, bulge, low]), 2)
    return [*rings, np.vstack([seam, rings[0][1]])], upper, lower


def _mid(cut: SleeveCut) -> float:
    return 0.45 * cut.top + 0.55 * cut.cuff + cut.swell


def _leave(armpit: np.ndarray, inner: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The inner edge, bent at its start so that it joins the armpit without a step."""
    along = (inner - armpit) @ direction
    weight = np.clip(1 - along / 0.55, 0, 1)[:, None] ** 2
    return inner * (1 - weight) + (armpit + along[:, None] * direction) * weight
