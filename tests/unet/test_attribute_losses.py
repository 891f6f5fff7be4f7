import math
from collections.abc import Callable

import keras
import numpy as np
import pytest
from scipy.special import expit, log_softmax

from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, STYLES
from aifashion.records import HeadSpec
from aifashion.unet.attribute_losses import (
    attribute_objective,
    equal_head_weights,
    exclusive_loss,
    independent_losses,
    loss_names,
    ordinal_loss,
    positive_weights,
)
from aifashion.unet.attribute_net import head_width
from aifashion.unet.training import TrainedNet

SHAPE = HeadSpec("shape", "exclusive", ("round", "square", "other"))
LENGTH = HeadSpec("length", "ordinal", ("short", "knee", "midi", "floor"))
STYLE = HeadSpec("style", "independent", ("sport", "OL/commuter"))
HEADS = (SHAPE, LENGTH, STYLE)
WEIGHTS = {"style": np.array([3.0, 0.5], np.float32)}


def numbers(tensor) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def random_targets(head: HeadSpec, count: int, seed: int = 0) -> np.ndarray:
    """Soft ones, and hard yes-or-no ones for an independent head."""
    rng = np.random.default_rng(seed)
    if head.kind == "independent":
        return rng.integers(0, 2, (count, len(head.classes))).astype(np.float32)
    return rng.dirichlet(np.ones(len(head.classes)), count).astype(np.float32)


def random_batch(known: dict[str, list[int]], seed: int = 0) -> tuple[dict, dict]:
    """(targets, outputs) of all heads for as many photos as `known` tells of."""
    rng = np.random.default_rng(seed)
    count = len(next(iter(known.values())))
    targets = {f"target/{head.name}": random_targets(head, count, seed) for head in HEADS}
    targets |= {f"known/{name}": np.array(values, np.float32) for name, values in known.items()}
    outputs = {head.name: rng.normal(0, 2, (count, head_width(head))).astype(np.float32) for head in HEADS}
    return targets, outputs


def slow_losses(head: HeadSpec, target: np.ndarray, logits: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(B,) or, for an independent head, (B, C): the definitions, photo by photo, in float64."""

    def binary(share: float, logit: float) -> float:
        return -share * math.log(expit(logit)) - (1 - share) * math.log(1 - expit(logit))

    losses = []
    for own, values in zip(target.astype(float), logits.astype(float), strict=True):
        if head.kind == "exclusive":
            losses.append(-sum(own * log_softmax(values)))
        elif head.kind == "ordinal":
            losses.append(sum(binary(own[c + 1 :].sum(), values[c]) for c in range(len(values))))
        else:
            losses.append([binary(y, v) * (w if y else 1) for y, v, w in zip(own, values, weight, strict=True)])
    return np.array(losses)


def gradient_of(loss: Callable, at: np.ndarray) -> np.ndarray:
    tf = pytest.importorskip("tensorflow")
    point = tf.constant(at)
    with tf.GradientTape() as tape:
        tape.watch(point)
        total = tf.reduce_sum(loss(point))
    return tape.gradient(total, point).numpy()


# --------------------------------------------------------------------------------------------------------- each loss


@pytest.mark.parametrize("seed", range(3))
def test_losses_agree_with_their_definitions(seed):
    known = {head.name: [1] * 6 for head in HEADS}
    targets, outputs = random_batch(known, seed)
    found = {
        "shape": exclusive_loss(targets["target/shape"], outputs["shape"]),
        "length": ordinal_loss(targets["target/length"], outputs["length"]),
        "style": independent_losses(targets["target/style"], outputs["style"], WEIGHTS["style"]),
    }
    for head in HEADS:
        expected = slow_losses(head, targets[f"target/{head.name}"], outputs[head.name], WEIGHTS["style"])
        np.testing.assert_allclose(numbers(found[head.name]), expected, rtol=1e-5, atol=1e-6)


def test_the_target_of_a_threshold_is_the_probability_of_all_classes_above():
    # 0.5 short, 0.3 knee, 0.2 midi: higher than short with 0.5, than knee with 0.2, than midi never. That is where
    # the loss is lowest, so where its gradient is zero.
    target = np.array([[0.5, 0.3, 0.2, 0.0]], np.float32)
    best = np.array([[0.0, math.log(0.2 / 0.8), -30.0]], np.float32)
    np.testing.assert_allclose(gradient_of(lambda logits: ordinal_loss(target, logits), best), 0, atol=1e-6)
    # A hard label of class 2 is above the first two thresholds and not above the third.
    signs = gradient_of(
        lambda logits: ordinal_loss(np.eye(4, dtype=np.float32)[[2]], logits), np.zeros((1, 3), np.float32)
    )
    np.testing.assert_allclose(signs, [[-0.5, -0.5, 0.5]], atol=1e-6)


def test_certain_and_wrong_is_costly_but_finite():
    logits = np.array([[1000.0, -1000.0, -1000.0]], np.float32)
    wrong = {"exclusive": exclusive_loss(np.eye(3, dtype=np.float32)[[1]], logits)}
    wrong["ordinal"] = ordinal_loss(np.array([[0, 0, 0, 1]], np.float32), -np.abs(logits))
    for kind, loss in wrong.items():
        assert np.isfinite(numbers(loss)).all() and numbers(loss)[0] >= 1000, kind
    style = independent_losses(np.array([[0, 1, 1]], np.float32), logits, np.ones(3, np.float32))
    np.testing.assert_allclose(numbers(style), [[1000] * 3])
    assert np.isfinite(gradient_of(lambda x: ordinal_loss(np.array([[0, 0, 0, 1]], np.float32), x), logits)).all()


def test_a_positive_weight_counts_labels_that_hold():
    target, logits = np.array([[1, 0], [0, 1]], np.float32), np.zeros((2, 2), np.float32)
    found = numbers(independent_losses(target, logits, WEIGHTS["style"]))
    np.testing.assert_allclose(found, math.log(2) * np.array([[3, 1], [1, 0.5]]), rtol=1e-6)


def test_weights_of_labels_by_their_counts():
    # Of 500 photos: the root of 400 over 100, of 250 over 250, of 100 over 400.
    np.testing.assert_allclose(positive_weights(np.array([100, 250, 400]), 500), [2, 1, 0.5])
    assert positive_weights(np.array([100, 250]), 500).dtype == np.float32
    # Labels of one photo in a million, of none and of all stay within bounds.
    np.testing.assert_allclose(positive_weights(np.array([1, 0, 1_000_000]), 1_000_000), [20, 20, 0.05])
    np.testing.assert_allclose(positive_weights(np.array([1]), 1_000_000, most=5.0), [5])
    # Where a label always or never holds, as if one photo more were the other way.
    np.testing.assert_allclose(positive_weights(np.array([4, 0]), 4), np.sqrt([1 / 4, 3 / 1]))


# ----------------------------------------------------------------------------------------------------- the objective


def test_names_of_the_losses():
    assert loss_names(HEADS) == ["shape", "length", "style/sport", "style/OL/commuter"]
    styles = HeadSpec("style", "independent", STYLES)
    assert loss_names([styles]) == [f"style/{name}" for name in STYLES]
    tasks = [HeadSpec(task, "exclusive", classes) for task, classes in ATTRIBUTE_TASKS.items()]
    assert loss_names(tasks) == list(ATTRIBUTE_TASKS)


@pytest.mark.parametrize("seed", range(3))
def test_every_labelled_photo_counts_the_same_in_whichever_head(seed):
    known = {"shape": [1, 0, 0, 1], "length": [0, 1, 0, 0], "style": [1, 1, 1, 0]}
    targets, outputs = random_batch(known, seed)
    parts = attribute_objective(targets, outputs, HEADS, WEIGHTS)
    assert list(parts) == loss_names(HEADS)
    for head in HEADS:
        each = slow_losses(head, targets[f"target/{head.name}"], outputs[head.name], WEIGHTS["style"])
        # Summed over the labelled photos and divided by all four of the batch.
        expected = (each.T * known[head.name]).sum(axis=-1) / 4
        names = loss_names([head])
        np.testing.assert_allclose([float(numbers(parts[name])) for name in names], np.atleast_1d(expected), rtol=1e-5)


def test_heads_can_count_the_same_however_many_photos_they_have():
    assert equal_head_weights({"a": 10, "b": 30, "c": 0, "d": 20}) == {
        "a": 2.0,
        "b": pytest.approx(2 / 3),
        "c": 1,
        "d": 1,
    }
    assert equal_head_weights({"style": 7}) == {"style": 1.0}
    known = {"shape": [1, 0, 0, 1], "length": [0, 1, 0, 0], "style": [1, 1, 1, 0]}
    targets, outputs = random_batch(known, 0)
    plain = attribute_objective(targets, outputs, HEADS, WEIGHTS)
    weighted = attribute_objective(targets, outputs, HEADS, WEIGHTS, {"length": 3.0, "style": 0.5})
    for name, value in plain.items():
        factor = {"shape": 1, "length": 3}.get(name, 0.5)
        np.testing.assert_allclose(float(numbers(weighted[name])), factor * float(numbers(value)), rtol=1e-6)


def test_photos_that_are_not_labelled_have_no_gradient():
    known = {"shape": [1, 0, 0, 1], "length": [0, 1, 0, 0], "style": [0, 1, 1, 0]}
    targets, outputs = random_batch(known)
    for head in HEADS:

        def loss(logits, name=head.name):
            return sum(attribute_objective(targets, outputs | {name: logits}, HEADS, WEIGHTS).values())

        gradient = gradient_of(loss, outputs[head.name])
        np.testing.assert_array_equal(gradient.any(axis=1), np.array(known[head.name], bool))
        # What they would have been labelled with does not matter either.
        own = targets[f"target/{head.name}"]
        elsewhere = np.where(np.array(known[head.name])[:, None] > 0, own, 7 * own + 3)
        changed = attribute_objective(targets | {f"target/{head.name}": elsewhere}, outputs, HEADS, WEIGHTS)
        before = attribute_objective(targets, outputs, HEADS, WEIGHTS)
        assert [float(numbers(changed[n])) for n in before] == [float(numbers(before[n])) for n in before]


def test_a_batch_without_labels_costs_nothing():
    targets, outputs = random_batch({head.name: [0, 0] for head in HEADS})
    parts = attribute_objective(targets, outputs, HEADS, WEIGHTS)
    assert {float(numbers(value)) for value in parts.values()} == {0.0}


def small_net(heads=HEADS) -> keras.Model:
    """Of one dense layer a head, in place of a backbone."""
    keras.utils.set_random_seed(3)
    image = keras.Input((4,), name="image")
    outputs = {head.name: keras.layers.Dense(head_width(head), name=f"head_{head.name}")(image) for head in heads}
    return keras.Model({"image": image}, outputs, name="small")


def test_names_with_a_slash_are_told_by_a_training_step():
    net = small_net()
    before = {head.name: net.get_layer(f"head_{head.name}").get_weights() for head in HEADS}
    targets, _ = random_batch({"shape": [1, 1, 0], "length": [0, 0, 0], "style": [1, 0, 1]})
    images = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    expected = attribute_objective(targets, net({"image": images}), HEADS, WEIGHTS)
    model = TrainedNet(net, lambda y, outputs: attribute_objective(y, outputs, HEADS, WEIGHTS))
    model.track(loss_names(HEADS))
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    # The loop gives the whole batch as targets, with what is not a target in it.
    batch = targets | {"index": np.arange(3, dtype=np.int32), "readable": np.ones(3, bool)}
    logs = model.train_on_batch({"image": images}, batch, return_dict=True)
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(float(numbers(value)), rel=1e-5), name
    assert float(logs["loss"]) == pytest.approx(sum(float(logs[name]) for name in expected), rel=1e-5)
    # A step moves the heads that a photo is labelled for, and no other.
    for head in HEADS:
        moved = any(
            (one != other).any()
            for one, other in zip(before[head.name], net.get_layer(f"head_{head.name}").get_weights(), strict=True)
        )
        assert moved == (head.name != "length")
