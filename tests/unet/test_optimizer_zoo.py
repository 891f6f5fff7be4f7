"""The optimizers by name, against NumPy written from the papers."""

import math
from collections.abc import Callable

import keras
import numpy as np
import pytest

from aifashion.unet.lookahead import Lookahead
from aifashion.unet.optimizers import OPTIMIZERS, make_optimizer
from aifashion.unet.radam import RAdam

STEPS, DECAY, CLIP = 30, 0.1, 2.0
SHAPES = {"kernel": (3, 2), "bias": (2,)}
Weights = dict[str, np.ndarray]
Rule = Callable[[Weights, Weights, int, float], Weights]
"""(weights after their decay, clipped gradients, step from 1, learning rate) -> new weights."""


def rate_at(step: int) -> float:
    return 0.1 if step <= 20 else 0.05


def start() -> Weights:
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=shape).astype(np.float32).astype(np.float64) for name, shape in SHAPES.items()}


def gradients(weights: Weights, step: int) -> Weights:
    """Of a bowl, with noise; the gradient of one bias is always 0, as of a unit that is never used."""
    rng = np.random.default_rng([2, step])
    found = {name: 1.5 * (w - 0.5) + rng.normal(size=w.shape) for name, w in weights.items()}
    found["bias"][1] = 0
    return found


def clipped(found: Weights) -> Weights:
    norm = math.sqrt(sum(float((g**2).sum()) for g in found.values()))
    return {name: g * min(1, CLIP / norm) for name, g in found.items()}


def adam_rule() -> Rule:
    """arXiv:1412.6980, with the efficient order of computation at the end of its section 2."""
    m, v = ({name: np.zeros(shape) for name, shape in SHAPES.items()} for _ in range(2))

    def rule(w: Weights, g: Weights, t: int, rate: float) -> Weights:
        for name in w:
            m[name] = 0.9 * m[name] + 0.1 * g[name]
            v[name] = 0.999 * v[name] + 0.001 * g[name] ** 2
        size = rate * math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        return {name: w[name] - size * m[name] / (np.sqrt(v[name]) + 1e-7) for name in w}

    return rule


def sgd_rule() -> Rule:
    """Sutskever et al. 2013, equations 3 and 4: the gradient is taken at theta + mu v, which is what is trained."""
    v = {name: np.zeros(shape) for name, shape in SHAPES.items()}

    def rule(w: Weights, g: Weights, t: int, rate: float) -> Weights:
        theta = {name: w[name] - 0.9 * v[name] for name in w}
        for name in w:
            v[name] = 0.9 * v[name] - rate * g[name]
        return {name: theta[name] + v[name] + 0.9 * v[name] for name in w}

    return rule


def radam_rule(beta_1: float = 0.9, epsilon: float = 1e-7) -> Rule:
    """arXiv:1908.03265, algorithm 2, with an epsilon beside the root of v."""
    m, v = ({name: np.zeros(shape) for name, shape in SHAPES.items()} for _ in range(2))
    limit = 2 / (1 - 0.999) - 1

    def rule(w: Weights, g: Weights, t: int, rate: float) -> Weights:
        for name in w:
            m[name] = beta_1 * m[name] + (1 - beta_1) * g[name]
            v[name] = 0.999 * v[name] + 0.001 * g[name] ** 2
        mean = {name: m[name] / (1 - beta_1**t) for name in w}
        span = limit - 2 * t * 0.999**t / (1 - 0.999**t)
        if span <= 4:
            return {name: w[name] - rate * mean[name] for name in w}
        r = math.sqrt((span - 4) * (span - 2) * limit / ((limit - 4) * (limit - 2) * span))
        adaptive = {name: math.sqrt(1 - 0.999**t) / (np.sqrt(v[name]) + epsilon) for name in w}
        return {name: w[name] - rate * r * mean[name] * adaptive[name] for name in w}

    return rule


def lookahead_rule(inner: Rule, k: int, alpha: float) -> Rule:
    """arXiv:1907.08610, algorithm 1."""
    slow: Weights = {}

    def rule(w: Weights, g: Weights, t: int, rate: float) -> Weights:
        if not slow:
            slow.update(start())
        w = inner(w, g, t, rate)
        if t % k:
            return w
        slow.update({name: slow[name] + alpha * (w[name] - slow[name]) for name in w})
        return dict(slow)

    return rule


RULES = {
    "adam": adam_rule,
    "adamw": adam_rule,
    "sgd": sgd_rule,
    "radam": radam_rule,
    "lookahead": lambda: lookahead_rule(adam_rule(), 5, 0.5),
    "lookahead_sgd": lambda: lookahead_rule(sgd_rule(), 5, 0.5),
    "ranger": lambda: lookahead_rule(radam_rule(0.95, 1e-5), 6, 0.5),
}


def numpy_of(variable) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable))


def test_every_optimizer_has_a_reference():
    assert set(RULES) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_as_the_papers_say(name):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([19], [0.1, 0.05])  # counts steps from 0
    optimizer = make_optimizer(name, schedule, DECAY, CLIP)
    variables = {key: keras.Variable(w.astype(np.float32), name=key) for key, w in start().items()}
    optimizer.build(list(variables.values()))
    expected, rule = start(), RULES[name]()
    for step in range(1, STEPS + 1):
        found = gradients({key: numpy_of(v) for key, v in variables.items()}, step)
        optimizer.apply([keras.ops.convert_to_tensor(g, "float32") for g in found.values()])

        rate = rate_at(step)
        decayed = expected | {"kernel": expected["kernel"] * (1 - rate * DECAY)}
        expected = rule(decayed, clipped(gradients(expected, step)), step, rate)
        for key, variable in variables.items():
            np.testing.assert_allclose(numpy_of(variable), expected[key], rtol=2e-4, atol=2e-5, err_msg=f"step {step}")
    assert int(optimizer.iterations) == STEPS
    assert float(optimizer.learning_rate) == pytest.approx(0.05)


def small_model(name: str) -> keras.Model:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(make_optimizer(name, 0.05, 0.01, 1.0), loss="mse", jit_compile=False)
    return model


def train(model: keras.Model, steps: range) -> list[float]:
    batches = [np.random.default_rng([4, step]).normal(size=(32, 4)).astype(np.float32) for step in steps]
    return [float(model.train_on_batch(batch, batch[:, :1])) for batch in batches]


def state(model: keras.Model) -> list[np.ndarray]:
    return [numpy_of(v) for v in [*model.weights, *model.optimizer.variables]]


@pytest.mark.parametrize("name", ["sgd", "radam", "ranger"])
def test_goes_on_from_its_variables_with_the_same_bits(name):
    whole = small_model(name)
    before = state(whole)[0]
    train(whole, range(8))  # between two meetings of Lookahead, and past the first
    kept = state(whole)
    losses = train(whole, range(8, 20))
    assert np.abs(state(whole)[0] - before).max() > 0.01

    resumed = small_model(name)
    resumed.optimizer.build(resumed.trainable_variables)
    assert len(kept) == len(state(resumed))
    for variable, value in zip([*resumed.weights, *resumed.optimizer.variables], kept, strict=True):
        assert variable.shape == value.shape
        variable.assign(value)
    assert train(resumed, range(8, 20)) == losses
    for one, other in zip(state(whole), state(resumed), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_is_kept_as_a_configuration(name):
    optimizer = make_optimizer(name, 0.25, 0.125, 2.0)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()
    assert float(again.learning_rate) == 0.25


def test_radam_starts_as_momentum_and_then_rises_to_adam():
    """With a gradient of 1 the bias-corrected moments are 1, so that a step is the rate times the rectification."""
    weight = keras.Variable([0.0])
    optimizer = RAdam(1.0)
    optimizer.build([weight])
    places = []
    for _ in range(60):
        optimizer.apply([keras.ops.ones(1)])
        places.append(float(numpy_of(weight)[0]))
    sizes = -np.diff([0.0, *places])
    assert sizes[:4] == pytest.approx(1, rel=1e-5)
    # rho_5 = 4.9960 by hand: r = sqrt(0.9960 * 2.9960 * 1999 / (1995 * 1997 * 4.9960))
    assert sizes[4] == pytest.approx(0.017309, rel=1e-2)
    assert (np.diff(sizes[4:]) > 0).all() and sizes[-1] < 1


@pytest.mark.parametrize("betas", [(0.9, 0.6), (0.9, 1.0), (1.0, 0.999), (-0.1, 0.999)])
def test_radam_refuses_averages_that_make_no_sense(betas):
    with pytest.raises(ValueError, match="expected 0 <= beta_1 < 1"):
        RAdam(0.1, *betas)


@pytest.mark.parametrize(("period", "pace"), [(0, 0.5), (5, 0), (5, 1.5)])
def test_lookahead_refuses_what_makes_no_sense(period, pace):
    with pytest.raises(ValueError, match="expected a period of at least 1 and a pace in 0"):
        Lookahead(keras.optimizers.SGD(0.1), period, pace)


def places(optimizer, weight, gradients: list[float]) -> list[float]:
    found = []
    for gradient in gradients:
        optimizer.apply([keras.ops.full((1,), gradient)], [weight])
        found.append(float(numpy_of(weight)[0]))
    return found


def test_lookahead_by_hand():
    weight = keras.Variable([8.0])
    optimizer = Lookahead(keras.optimizers.SGD(1.0), period=2, pace=0.5)
    # 8 - 1 = 7; 7 - 3 = 4, half way from 8: 6; 6 - 2 = 4; 4 + 2 = 6, half way from 6: 6.
    assert places(optimizer, weight, [1, 3, 2, -2]) == [7, 6, 4, 6]


def test_slow_weights_start_where_the_training_does():
    """Weights may be loaded after the optimizer is built, and its count may start later than 0."""
    weight = keras.Variable([100.0])
    optimizer = Lookahead(keras.optimizers.SGD(1.0), period=2, pace=0.5)
    optimizer.build([weight])
    optimizer.iterations.assign(10)
    weight.assign([8.0])
    assert places(optimizer, weight, [1, 3]) == [7, 6]
    assert int(optimizer.iterations) == 12


def test_lookahead_with_gradients_accumulated_over_calls():
    weight = keras.Variable([8.0])
    optimizer = Lookahead(keras.optimizers.SGD(1.0, gradient_accumulation_steps=2), period=2, pace=0.5)
    # Steps of 2 and 4: 8 - 2 = 6; 6 - 4 = 2, half way from 8: 5.
    assert places(optimizer, weight, [1, 3, 4, 4, 2]) == [8, 6, 6, 5, 5]


def test_the_rate_within_lookahead_can_be_set():
    optimizer = make_optimizer("lookahead_sgd", 0.5, 0, 0)
    optimizer.learning_rate = 0.25
    assert float(optimizer.inner.learning_rate) == float(optimizer.learning_rate) == 0.25


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_zero_neither_decays_nor_clips(name):
    weights = [keras.Variable([1.0], name="kernel")]
    optimizer = make_optimizer(name, 0.1, 0, 0)
    optimizer.build(weights)
    optimizer.apply([keras.ops.zeros(1)])
    assert float(numpy_of(weights[0])[0]) == 1
    inner = getattr(optimizer, "inner", optimizer)
    assert not inner.weight_decay and inner.global_clipnorm is None


def test_an_unknown_name_is_told_the_others():
    with pytest.raises(ValueError, match="unknown optimizer 'lion'; expected one of adam, adamw, sgd"):
        make_optimizer("lion", 0.1, 0, 0)
