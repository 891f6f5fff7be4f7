import keras
import numpy as np
import pytest

from aifashion.unet.weight_average import WeightAverage


def tiny_net() -> keras.Model:
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    )


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_the_average_is_an_exponential_one(decay):
    net = tiny_net()
    rng = np.random.default_rng(0)
    average = WeightAverage(net, decay)
    expected = [weight.astype(np.float64) for weight in net.get_weights()]
    for step in range(1, 50):
        net.set_weights([rng.normal(size=weight.shape).astype(np.float32) for weight in expected])
        average.update(step)
        if step % 8 == 0:  # taken every eighth step, as if it had been eight of the same
            share = min(decay, (1 + step) / (10 + step)) ** 8
            expected = [share * old + (1 - share) * new for old, new in zip(expected, net.get_weights(), strict=True)]
    current = net.get_weights()
    average.swap()
    for found, wanted in zip(net.get_weights(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, 1e-4, 1e-6)
    average.swap()
    for found, wanted in zip(net.get_weights(), current, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_the_last_steps_of_an_epoch_are_averaged_too():
    net = tiny_net()
    average = WeightAverage(net, 0.5)
    start = net.get_weights()
    net.set_weights([weight + 1 for weight in start])
    average.update(3)  # not its turn
    average.update(3, now=True)
    share = (4 / 13) ** 3
    net.set_weights([weight + 2 for weight in start])
    average.update(3, now=True)  # nothing since
    average.update(8)
    first, second = share, 0.5**5
    average.swap()
    for found, weight in zip(net.get_weights(), start, strict=True):
        after_three = first * weight + (1 - first) * (weight + 1)
        np.testing.assert_allclose(found, second * after_three + (1 - second) * (weight + 2), 1e-5, 1e-6)


def test_counts_among_the_weights_are_taken_as_they_are():
    net = keras.Sequential([keras.Input((2,)), keras.layers.Normalization(), keras.layers.Dense(1)])
    average = WeightAverage(net, 0.9)
    (place,) = (i for i, weight in enumerate(net.weights) if "int" in weight.dtype)
    net.weights[place].assign(7)
    average.update(8)
    assert average.values[place] == 7
    average.swap()


def test_without_decay_the_weights_are_their_own_average():
    net = tiny_net()
    average = WeightAverage(net, 0.0)
    net.set_weights([weight + 1 for weight in net.get_weights()])
    before = net.get_weights()
    average.update(8)
    average.swap()
    for found, wanted in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, wanted)
