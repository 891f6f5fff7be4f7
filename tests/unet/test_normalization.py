import keras
import numpy as np
import pytest

from aifashion.unet.normalization import (
    IMAGENET,
    BatchNorm,
    InputNormalization,
    InputStatistics,
    input_layers,
    is_input_statistic,
)

MOMENTUM, EPSILON = 0.9, 2e-5  # the fused kernel takes no epsilon below 1.001e-5


def pair(channels: int = 5, dtype: str = "float32") -> list[keras.layers.BatchNormalization]:
    """Ours and the Keras layer, with the same uneven weights."""
    rng = np.random.default_rng(1)
    weights = rng.normal(1, 0.5, (4, channels)).astype(np.float32)
    weights[3] = np.abs(weights[3])  # gamma, beta, moving mean, moving variance
    layers = [
        kind(momentum=MOMENTUM, epsilon=EPSILON, dtype=dtype) for kind in (BatchNorm, keras.layers.BatchNormalization)
    ]
    for layer in layers:
        layer.build((None, None, None, channels))
        layer.set_weights(list(weights))
    return layers


def batch(count: int = 3, dtype: str = "float32", channels: int = 5):
    x = np.random.default_rng(2).normal(3, 2, (count, 4, 6, channels)).astype(np.float32)
    return keras.ops.cast(x * np.resize(np.array([1, 10, 0.1, 1, 1], np.float32), channels), dtype)


def numbers(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_training_is_as_in_keras(count):
    ours, theirs = pair()
    x = batch(count)
    np.testing.assert_allclose(numbers(ours(x, training=True)), numbers(theirs(x, training=True)), atol=2e-5)
    for name in ("moving_mean", "moving_variance"):
        found, expected = numbers(getattr(ours, name)), numbers(getattr(theirs, name))
        np.testing.assert_allclose(found, expected, 1e-5, 1e-6, err_msg=name)


@pytest.mark.parametrize(("scale", "center"), [(False, True), (True, False), (False, False)])
def test_without_scale_or_centre_it_is_as_in_keras_too(scale, center):
    x, told = batch(), []
    for kind in (BatchNorm, keras.layers.BatchNormalization):
        layer = kind(momentum=MOMENTUM, epsilon=EPSILON, scale=scale, center=center)
        told.append([numbers(layer(x, training=True)), numbers(layer.moving_mean), numbers(layer.moving_variance)])
    for found, expected in zip(*told, strict=True):
        np.testing.assert_allclose(found, expected, 1e-5, 2e-5)


def test_moving_statistics_by_hand():
    ours, _ = pair()
    x, before = numbers(batch()), [numbers(weight) for weight in ours.non_trainable_variables]
    ours(x, training=True)
    wanted = [MOMENTUM * before[0] + (1 - MOMENTUM) * x.mean(axis=(0, 1, 2))]
    wanted += [MOMENTUM * before[1] + (1 - MOMENTUM) * x.var(axis=(0, 1, 2))]
    for weight, value in zip(ours.non_trainable_variables, wanted, strict=True):
        np.testing.assert_allclose(numbers(weight), value, 1e-4)


def test_gradients_are_as_in_keras():
    tf = pytest.importorskip("tensorflow")
    x, up = batch(), np.random.default_rng(3).normal(size=(3, 4, 6, 5)).astype(np.float32)
    found = []
    for layer in pair():
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) * up)
        found.append(tape.gradient(loss, [x, layer.gamma.value, layer.beta.value]))
    for name, ours, theirs in zip(("inputs", "gamma", "beta"), *found, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), 1e-3, 1e-4, err_msg=name)


@pytest.mark.parametrize("frozen", [False, True])
def test_inference_uses_the_moving_statistics(frozen):
    ours, _ = pair()
    gamma, beta, mean, variance = ours.get_weights()
    ours.trainable = not frozen
    x = numbers(batch())
    expected = (x - mean) / np.sqrt(variance + EPSILON) * gamma + beta
    np.testing.assert_allclose(numbers(ours(x, training=frozen)), expected, 1e-4, 1e-5)
    for weight, before in zip(ours.get_weights(), (gamma, beta, mean, variance), strict=True):
        np.testing.assert_array_equal(weight, before)


@pytest.mark.parametrize("channels", [5, 16])
def test_in_bfloat16_it_is_near_and_keeps_its_statistics_in_float32(channels):
    ours, _ = pair(channels, "mixed_bfloat16")
    _, exact = pair(channels)
    x = batch(4, "bfloat16", channels)
    y = ours(x, training=True)
    assert y.dtype == "bfloat16" and ours.moving_mean.dtype == "float32"
    np.testing.assert_allclose(numbers(y), numbers(exact(numbers(x), training=True)), atol=0.03)
    np.testing.assert_allclose(numbers(ours.moving_variance), numbers(exact.moving_variance), 1e-4)


def test_a_compiled_step_updates_the_statistics_once():
    ours, theirs = pair()
    x = numbers(batch())
    for layer in (ours, theirs):
        model = keras.Sequential([keras.Input((4, 6, 5)), layer])
        model.compile("sgd", "mse")
        model.train_on_batch(x, np.zeros_like(x))
    for found, expected in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, 1e-3, 1e-5)


def test_it_is_saved_and_loaded(tmp_path):
    ours, _ = pair()
    model = keras.Sequential([keras.Input((4, 6, 5)), ours])
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    assert isinstance(loaded.layers[0], BatchNorm)
    np.testing.assert_array_equal(loaded.predict_on_batch(numbers(batch())), model.predict_on_batch(numbers(batch())))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_input_is_normalised_as_by_keras(policy):
    ours = InputNormalization(dtype=policy)
    theirs = keras.layers.Normalization(mean=IMAGENET.pixels[0], variance=IMAGENET.pixels[1], dtype=policy)
    x = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype(np.uint8)
    np.testing.assert_array_equal(numbers(ours(x)), numbers(theirs(x)))
    assert not ours.trainable_weights and len(ours.non_trainable_weights) == 2


@pytest.mark.parametrize(
    ("mean", "deviation"), [((0.5, 0.5), (0.5, 0.5)), ((2, 0, 0), (1, 1, 1)), ((0,) * 3, (0,) * 3)]
)
def test_statistics_that_are_none(mean, deviation):
    with pytest.raises(ValueError, match=r"expected three numbers each, of 0\.\.1, the deviations above 0"):
        InputStatistics(mean, deviation)


def test_how_the_input_is_normalised_is_saved_and_loaded(tmp_path):
    layer = InputNormalization()
    model = keras.Sequential([keras.Input((4, 6, 3)), layer])
    layer.assign(InputStatistics((0.5, 0.25, 0.125), (0.5, 0.25, 0.125)))
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    x = np.full((1, 4, 6, 3), 255, np.float32)
    np.testing.assert_allclose(loaded.predict_on_batch(x)[0, 0, 0], [1, 3, 7], rtol=1e-6)
    assert list(input_layers(keras.Sequential([keras.Input((4, 6, 3)), model]))) == [layer]
    assert [is_input_statistic(weight) for weight in model.weights] == [True, True]
