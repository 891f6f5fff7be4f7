import numpy as np
import pytest

from aifashion.boxes import overlaps
from aifashion.unet.detection_losses import box_loss, detection_objective, heat_loss


def number(tensor) -> float:
    return float(np.asarray(tensor))


def slow_heat(target: np.ndarray, logits: np.ndarray, counted: np.ndarray) -> float:
    """Cell by cell, by the formula of CornerNet."""
    total, garments = 0.0, 0
    for t, x, c in zip(target.ravel(), logits.ravel(), counted.ravel(), strict=True):
        p = 1 / (1 + np.exp(-float(x)))
        garments += t == 1
        total -= c * ((1 - p) ** 2 * np.log(p) if t == 1 else (1 - t) ** 4 * p**2 * np.log(1 - p))
    return total / max(garments, 1)


def test_the_loss_of_the_maps_is_the_focal_loss():
    rng = np.random.default_rng(1)
    target = rng.uniform(0, 1, (2, 3, 4, 2)).astype(np.float32)
    target[0, 1, 1, 0] = target[1, 2, 3, 1] = 1
    logits = rng.normal(0, 2, target.shape).astype(np.float32)
    counted = (rng.random(target.shape) < 0.7).astype(np.float32)
    counted[target == 1] = 1
    assert number(heat_loss(target, logits, counted)) == pytest.approx(slow_heat(target, logits, counted), rel=1e-4)


def test_a_batch_without_a_garment_has_a_loss_of_its_false_alarms_alone():
    nothing = np.zeros((1, 2, 2, 1), np.float32)
    logits = np.full_like(nothing, -30)
    assert number(heat_loss(nothing, logits, nothing + 1)) == pytest.approx(0, abs=1e-9)
    assert number(heat_loss(nothing, -logits, nothing + 1)) == pytest.approx(4 * 30, rel=1e-4)
    assert number(heat_loss(nothing, -logits, nothing)) == 0, "what is not counted costs nothing"


def giou(first: np.ndarray, second: np.ndarray) -> float:
    (share,) = overlaps(first[None], second[None])[0]
    low, high = np.minimum(first[:2], second[:2]), np.maximum(first[2:], second[2:])
    areas = [np.prod(b[2:] - b[:2]) for b in (first, second)]
    union = sum(areas) / (1 + share)
    about = np.prod(high - low)
    return float(share - (about - union) / about)


def test_the_loss_of_boxes_is_the_generalised_overlap():
    rng = np.random.default_rng(2)
    target, found = rng.uniform(1, 30, (2, 1, 3, 1, 1, 4)).astype(np.float32)
    weight = np.array([0.5, 0.25, 0.25], np.float32).reshape(1, 3, 1, 1)
    middle = np.array([50.0, 50, 50, 50]) * [1, 1, 1, 1]
    sign = np.array([-1, -1, 1, 1])
    expected = sum(
        w * (1 - giou(middle + sign * t, middle + sign * f))
        for w, t, f in zip(weight.ravel(), target.reshape(-1, 4), found.reshape(-1, 4), strict=True)
    )
    assert number(box_loss(target, found, weight)) == pytest.approx(expected, rel=1e-5)
    assert number(box_loss(target, target, weight)) == pytest.approx(0, abs=1e-6)


def test_a_batch_without_boxes_costs_nothing():
    empty = np.zeros((1, 2, 2, 1, 4), np.float32)
    assert number(box_loss(empty, empty + 5, np.zeros((1, 2, 2, 1), np.float32))) == 0


def test_both_losses_have_their_weights():
    shape = (1, 1, 1, 1)
    targets = {"heat": np.ones(shape), "counted": np.ones(shape), "weight": np.ones(shape, np.float32)}
    targets["distances"] = np.full((*shape, 4), 4, np.float32)
    outputs = {"heat": np.zeros(shape, np.float32), "distances": np.full((*shape, 4), 2, np.float32)}
    parts = detection_objective(targets, outputs, 3.0)
    assert number(parts["heat"]) == pytest.approx(0.25 * np.log(2))
    assert number(parts["boxes"]) == pytest.approx(3 * 0.75)
