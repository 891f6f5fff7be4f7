import math

import keras
import numpy as np
import pytest

from aifashion.unet.optimizers import adamw, warmup_cosine

PEAK, WARMUP, TOTAL = 0.02, 20, 120


def rate(schedule, step: int) -> float:
    return float(keras.ops.convert_to_numpy(schedule(step)))


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0),
        (10, PEAK / 2),
        (20, PEAK),
        (45, PEAK * (0.01 + 0.99 * (1 + math.cos(math.pi / 4)) / 2)),
        (70, PEAK * 0.505),
        (120, PEAK * 0.01),
        (500, PEAK * 0.01),
    ],
)
def test_warmup_then_cosine(step, expected):
    assert rate(warmup_cosine(PEAK, WARMUP, TOTAL), step) == pytest.approx(expected, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(("step", "share"), [(0, 0), (5, 0.25), (20, 1), (70, 1), (120, 1), (500, 1)])
def test_without_decay_it_stays_at_the_peak(step, share):
    assert rate(warmup_cosine(PEAK, WARMUP, TOTAL, decay=False), step) == pytest.approx(PEAK * share, rel=1e-5)


def test_without_warmup_it_starts_at_the_peak():
    schedule = warmup_cosine(PEAK, 0, 100)
    assert [rate(schedule, step) for step in (0, 50, 100)] == pytest.approx([PEAK, PEAK * 0.505, PEAK * 0.01], rel=1e-4)


def test_a_warmup_as_long_as_the_training():
    schedule = warmup_cosine(PEAK, 10, 10)
    assert [rate(schedule, step) for step in (0, 5, 10)] == pytest.approx([0, PEAK / 2, PEAK], rel=1e-4)


def after_one_step(optimizer, gradient: float) -> dict[str, float]:
    """One weight of each kind, all 1, after a step with the same gradient for each."""
    weights = [keras.Variable(np.ones(1, np.float32), name=name) for name in ("kernel", "bias", "gamma", "beta")]
    optimizer.build(weights)
    optimizer.apply([keras.ops.full((1,), gradient) for _ in weights])
    return {weight.name: float(keras.ops.convert_to_numpy(weight)[0]) for weight in weights}


def test_only_kernels_decay():
    found = after_one_step(adamw(0.1, weight_decay=0.5, clip_norm=0), gradient=0)
    assert found == pytest.approx({"kernel": 1 - 0.1 * 0.5, "bias": 1, "gamma": 1, "beta": 1})


def test_a_layer_named_after_a_bias_decays_all_the_same():
    layer = keras.layers.Dense(1, name="unbiased_beta_head")
    layer.build((None, 1))
    optimizer = adamw(0.1, weight_decay=0.5, clip_norm=0)
    optimizer.build(layer.trainable_variables)
    layer.set_weights([np.ones((1, 1)), np.ones(1)])
    optimizer.apply([keras.ops.zeros((1, 1)), keras.ops.zeros((1,))])
    assert [float(w.ravel()[0]) for w in layer.get_weights()] == pytest.approx([0.95, 1])


def test_without_weight_decay_nothing_decays():
    found = after_one_step(adamw(0.1, weight_decay=0, clip_norm=0), gradient=0)
    assert set(found.values()) == {1}


def test_gradients_are_clipped_together():
    # Adam's first step does not depend on the size of the gradient: the second moment tells.
    for clip, share in ((0.0, 1), (10.0, 1), (3.0, 3 / 8)):
        optimizer = adamw(0.1, weight_decay=0, clip_norm=clip)
        after_one_step(optimizer, gradient=4)  # four of them: a norm of 8
        second = [v for v in optimizer.variables if "velocity" in v.path]
        assert len(second) == 4
        for moment in second:
            assert keras.ops.convert_to_numpy(moment) == pytest.approx(0.001 * (4 * share) ** 2, rel=1e-4)
