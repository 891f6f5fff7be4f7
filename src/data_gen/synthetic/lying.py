"""How garments lie and hang: sleeves that are bent, folded over the front or under it; legs apart, bent or crossed.

The poses are more frequent than in photos of laid clothes, where about one garment in 20 has a folded sleeve: folds
are hard to recognise, and rare ones are not learnt.
"""

from dataclasses import replace

import numpy as np

from .body import FOREARM, HAND, HIP, SHIN, SIDES, THIGH, UPPER_ARM, Body, Fold, limb

ARM = UPPER_ARM + FOREARM

_SLEEVES = {"straight": 0.66, "one folded": 0.13, "both folded": 0.085, "crossed": 0.125}
_LEGS = {"straight": 0.5, "apart": 0.18, "aside": 0.15, "inward": 0.11, "crossed": 0.06}
_UNDER = 0.05  # of the sleeves that are not folded lie under the trunk


def laid(rng: np.random.Generator, body: Body) -> Body:
    """The body of a garment that was laid down by hand: neither quite straight nor quite symmetric."""
    body = replace(
        body,
        sway=float(rng.normal(0, 0.03)),
        shoulder_tilt=float(rng.normal(0, 0.02)),
        hip_tilt=float(rng.normal(0, 0.03)),
    )
    arms = _laid_arms(rng, body)
    folds = _folds(rng, body, str(rng.choice(list(_SLEEVES), p=list(_SLEEVES.values()))))
    behind = {side: bool(rng.random() < _UNDER) and side not in folds for side in SIDES}
    legs = _laid_legs(rng, body, str(rng.choice(list(_LEGS), p=list(_LEGS.values()))))
    return replace(body, arms=arms, folds=folds, behind=behind, legs=legs)


def hung(rng: np.random.Generator, body: Body) -> Body:
    """The body of a garment on a hanger: its sleeves hang down and swing a little, each by itself."""
    arms = {}
    for side in SIDES:
        upper = rng.uniform(3, 14) if rng.random() < 0.6 else rng.normal(5, 5)
        bend = rng.uniform(-4, 6) if rng.random() < 0.7 else rng.normal(-4, 9)
        arms[side] = _arm(_root(body, side), upper, upper + bend, side)
    behind = {side: bool(rng.random() < _UNDER) for side in SIDES}
    return replace(body, arms=arms, behind=behind)


def _root(body: Body, side: int) -> np.ndarray:
    """(2,) where the arm starts."""
    return body.place(np.array([side * (body.shoulder - 0.17), 0.32]))


def _arm(root: np.ndarray, upper: float, fore: float, side: int, elbow: float = UPPER_ARM / ARM) -> np.ndarray:
    """(4, 2) joints. upper, fore: degrees outward from straight down. elbow: where it is, as a fraction of the arm."""
    return limb(root, (ARM * elbow, ARM * (1 - elbow), HAND), (upper, fore, fore), side)


def _laid_arms(rng: np.random.Generator, body: Body) -> dict[int, np.ndarray]:
    """The arms of sleeves beside the trunk: mostly close to it, about alike on both sides, a few of them bent."""
    spread = rng.uniform(8, 72) if rng.random() < 0.3 else float(np.clip(rng.normal(16, 10), -2, 60))
    bend = rng.uniform(-14, 6)
    alike = rng.random() < 0.85
    arms = {}
    for side in SIDES:
        upper = max(spread + rng.normal(0, 4), -4.0) if alike else rng.uniform(0, 70)
        turn = bend + rng.normal(0, 5)
        if rng.random() < 0.06:
            turn = rng.uniform(-70, -20) if upper > 25 else rng.uniform(10, 50)
        arms[side] = _arm(_root(body, side), upper, upper + turn, side)
    return arms


def _folds(rng: np.random.Generator, body: Body, pose: str) -> dict[int, Fold]:
    """The folded sleeves by side; which of two lies on top is random."""
    if pose == "straight":
        return {}
    sides = [int(side) for side in rng.permutation(list(SIDES))]
    at_shoulder = bool(rng.random() < 0.35)
    folds = {}
    for layer, side in enumerate(sides[:1] if pose == "one folded" else sides):
        if pose == "both folded":
            at_shoulder = bool(rng.random() < 0.3)
        folds[side] = _fold(rng, body, side, at_shoulder, pose == "crossed", layer)
    return folds


def _fold(rng: np.random.Generator, body: Body, side: int, at_shoulder: bool, across: bool, layer: int) -> Fold:
    """A fold at the shoulder or at the elbow. across: so that the sleeve reaches over the middle."""
    if at_shoulder:
        root = body.place(np.array([side * (body.shoulder - 0.08), 0.5]))
        upper = rng.uniform(-55, -28) if across else rng.uniform(-60, -8)
        fore = upper + rng.normal(0, 12)
        return Fold(_arm(root, upper, fore, side)[:3], True, layer)
    upper = rng.uniform(-4, 14) if across else rng.uniform(-4, 32)
    fore = rng.uniform(-105, -68) if across else rng.uniform(-118, -32)
    joints = _arm(_root(body, side), upper, fore, side, rng.uniform(0.4, 0.56))[:3]
    return Fold(joints, False, layer)


def _laid_legs(rng: np.random.Generator, body: Body, pose: str) -> dict[int, np.ndarray]:
    """The legs of trousers. `straight` ones are those of the body, each moved a little."""
    aside = float(rng.choice([-1, 1]) * rng.uniform(3, 9)) if pose == "aside" else 0.0
    apart = rng.uniform(4, 13) if pose == "apart" else 0.0
    crossed = rng.uniform(-8.5, -4, 2) if pose == "crossed" else np.zeros(2)
    bent = {side: pose == "inward" and bool(rng.random() < 0.5) for side in SIDES}
    if pose == "inward" and not any(bent.values()):
        bent[int(rng.choice(list(SIDES)))] = True
    legs = {}
    for side, inward in zip(SIDES, crossed.tolist(), strict=True):
        root, knee = body.legs[side][:2]
        thigh = float(np.degrees(np.arctan2(side * (knee - root)[0], (knee - root)[1])))
        thigh = (inward if inward else thigh + apart) + side * aside + rng.normal(0, 0.8)
        shin = thigh + rng.normal(-1 if inward else 0, 2)
        if bent[side]:
            thigh += rng.uniform(1, 5)
            shin = thigh - rng.uniform(9, 30)
        hip = body.place(np.array([side * body.hip * 0.52, HIP + 0.1]))
        foot = float(np.hypot(*(body.legs[side][3] - body.legs[side][2])))
        legs[side] = limb(hip, (THIGH, SHIN, foot), (thigh, shin, shin), side)
    return legs
