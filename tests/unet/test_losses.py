import math
from collections.abc import Callable, Sequence

import keras
import numpy as np
import pytest

from aifashion.unet.losses import hardest_keypoint_loss, heatmap_errors, keypoint_loss, keypoint_objective
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()

SIGMA = 1.5
ENERGY = math.pi * SIGMA**2


def numbers(tensor) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def slow_errors(target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Cell by cell, in float64. (B, h, w, K) x2 -> (B, K)."""
    count, rows, columns, points = target.shape
    errors = np.zeros((count, points))
    for b, y, x, k in np.ndindex(count, rows, columns, points):
        errors[b, k] += (float(target[b, y, x, k]) - float(predicted[b, y, x, k])) ** 2
    return errors / ENERGY


def slow_hardest(errors: np.ndarray, labelled: np.ndarray, keep: np.ndarray) -> list[float]:
    """The definition, image by image: sort the labelled keypoints, cut, weighted mean."""
    means = []
    for own, weights, count in zip(errors, labelled, keep, strict=True):
        worst = sorted((k for k in range(len(own)) if weights[k] > 0), key=lambda k: -own[k] * weights[k])[: int(count)]
        total = sum(weights[k] for k in worst)
        means.append(sum(own[k] * weights[k] for k in worst) / total if total else 0.0)
    return means


def gradient_of(losses: Callable, at: np.ndarray) -> np.ndarray:
    """Of the sum of the losses."""
    tf = pytest.importorskip("tensorflow")
    point = tf.constant(at)
    with tf.GradientTape() as tape:
        tape.watch(point)
        total = tf.reduce_sum(losses(point))
    return tape.gradient(total, point).numpy()


def heatmaps_with(errors: list[list[float]]) -> np.ndarray:
    """Heatmaps (B, 1, 2, K) whose errors against zeros are exactly these multiples of 1 / ENERGY."""
    maps = np.zeros((len(errors), 1, 2, len(errors[0])), np.float32)
    maps[:, 0, 1] = np.sqrt(np.array(errors, np.float32))
    return maps


def hardest(errors: list[list[float]], labelled: list[list[float]], keep: list[float]) -> np.ndarray:
    """`hardest_keypoint_loss` for given errors, in units of 1 / ENERGY."""
    maps = heatmaps_with(errors)
    weights, counts = np.array(labelled, np.float32), np.array(keep, np.float32)
    return numbers(hardest_keypoint_loss(maps, np.zeros_like(maps), weights, counts, SIGMA)) * ENERGY


@pytest.fixture(params=range(4))
def random_batch(request) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """target, predicted (5, 4, 3, 7) and weights (5, 7): none, 1 and halves; the last image has no label at all."""
    rng = np.random.default_rng(request.param)
    target, predicted = rng.normal(size=(2, 5, 4, 3, 7)).astype(np.float32)
    labelled = rng.choice([0, 0.5, 1], (5, 7)).astype(np.float32)
    labelled[-1] = 0
    return target, predicted, labelled


def test_errors_are_sums_of_squares_over_the_energy_of_a_gaussian(random_batch):
    target, predicted, _ = random_batch
    np.testing.assert_allclose(numbers(heatmap_errors(target, predicted, SIGMA)), slow_errors(target, predicted), 1e-5)


@pytest.mark.parametrize("sigma", [1.0, 1.5, 3.0])
def test_predicting_nothing_costs_one(sigma):
    y, x = np.mgrid[:64, :64]
    gaussian = np.exp(-((x - 31.3) ** 2 + (y - 30.8) ** 2) / (2 * sigma**2))[None, ..., None].astype(np.float32)
    assert numbers(heatmap_errors(gaussian, np.zeros_like(gaussian), sigma)) == pytest.approx(1, abs=1e-5)


def test_mean_over_the_labelled_keypoints(random_batch):
    target, predicted, labelled = random_batch
    errors = slow_errors(target, predicted)
    expected = [np.average(e, weights=w) if w.any() else 0 for e, w in zip(errors, labelled, strict=True)]
    np.testing.assert_allclose(numbers(keypoint_loss(target, predicted, labelled, SIGMA)), expected, 1e-5)


@pytest.mark.parametrize("keep", [1, 2, 3, 7])
def test_mining_agrees_with_sorting(random_batch, keep):
    target, predicted, labelled = random_batch
    expected = slow_hardest(slow_errors(target, predicted), labelled, np.full(5, keep))
    found = hardest_keypoint_loss(target, predicted, labelled, np.full(5, keep, np.float32), SIGMA)
    np.testing.assert_allclose(numbers(found), expected, 1e-5)


def test_every_image_keeps_its_own_number():
    errors = [[4.0, 3, 2, 1]] * 3
    np.testing.assert_allclose(hardest(errors, [[1] * 4] * 3, [1, 2, 4]), [4, 3.5, 2.5], 1e-6)


def test_equal_errors_leave_exactly_as_many_as_asked_for():
    # With one tied keypoint too many, 2 of 5 would become the mean of 9, 4, 4, 4.
    assert hardest([[4, 9, 4, 4, 1]], [[1] * 5], [2]) == pytest.approx(6.5)
    assert hardest([[4, 4, 4, 4, 4]], [[1] * 5], [3]) == pytest.approx(4)
    # Which of the tied is chosen shows in the gradient: those of the first places, and no others.
    maps, labelled, keep = heatmaps_with([[4, 4, 4, 4, 4]]), np.ones((1, 5), np.float32), np.array([3], np.float32)
    gradient = gradient_of(lambda predicted: hardest_keypoint_loss(0 * maps, predicted, labelled, keep, SIGMA), maps)
    assert np.flatnonzero(np.abs(gradient).sum(axis=(0, 1, 2))).tolist() == [0, 1, 2]


def test_unlabelled_keypoints_are_never_mined():
    assert hardest([[100, 1, 2, 100]], [[0, 1, 1, 0]], [2]) == pytest.approx(1.5)
    assert hardest([[100, 0, 0, 100]], [[0, 1, 1, 0]], [3]) == 0
    # Nor do they take the place of one that is predicted exactly.
    assert hardest([[4, 9, 0]], [[1, 0, 1]], [2]) == pytest.approx(2)


def test_fewer_labelled_than_asked_for_all_count():
    assert hardest([[5, 1, 3]], [[1, 0, 1]], [3]) == pytest.approx(4)


def test_weights_rank_and_weigh():
    # Weighted errors 4, 2, 4.5: the last and the first are mined; their mean is (4.5 + 4) / (0.5 + 1).
    assert hardest([[4, 8, 9]], [[1, 0.25, 0.5]], [2]) == pytest.approx(8.5 / 1.5)


@pytest.mark.parametrize("mined", [False, True])
def test_an_image_without_labels_costs_nothing_and_has_a_finite_gradient(mined):
    rng = np.random.default_rng(0)
    target, predicted = rng.normal(size=(2, 2, 4, 4, 3)).astype(np.float32)
    labelled, keep = np.array([[0, 0, 0], [1, 1, 0]], np.float32), np.array([2, 2], np.float32)

    def losses(maps):
        if mined:
            return hardest_keypoint_loss(target, maps, labelled, keep, SIGMA)
        return keypoint_loss(target, maps, labelled, SIGMA)

    assert numbers(losses(predicted))[0] == 0 and numbers(losses(predicted))[1] > 0
    gradient = gradient_of(losses, predicted)
    assert np.isfinite(gradient).all()
    assert not gradient[0].any() and not gradient[1, ..., 2].any() and gradient[1, ..., :2].all()


def targets_for(heatmaps: np.ndarray, mask: np.ndarray, category: Sequence[int] = (0,)) -> dict[str, np.ndarray]:
    count = len(heatmaps)
    return {
        "heatmaps": heatmaps,
        "labelled": mask.astype(np.float32),
        "mask": mask.astype(np.float32),
        "category": np.broadcast_to(np.asarray(category, np.int32), count),
        "categorised": np.ones(count, bool),
    }


def test_a_skirt_keeps_two_of_its_four_and_trousers_four_of_seven():
    words = ALL.restricted("skirt", "trousers")
    masks = np.array([words.mask("skirt"), words.mask("trousers")])
    assert masks.sum(axis=1).tolist() == [4, 7]
    errors = np.zeros((2, len(words.keypoints)))
    errors[0, masks[0]], errors[1, masks[1]] = [8, 1, 6, 2], [1, 2, 3, 4, 5, 6, 7]
    heat = heatmaps_with(errors.tolist())
    zero = np.zeros_like(heat)
    parts = keypoint_objective(targets_for(heat, masks), {"refined": zero, "global_p2": zero}, SIGMA, 0.5, 0.1)
    assert list(parts) == ["global", "refined"]
    assert numbers(parts["refined"]) * ENERGY == pytest.approx((7 + 5.5) / 2)
    assert numbers(parts["global"]) * ENERGY == pytest.approx((17 / 4 + 4) / 2)


def test_the_global_losses_of_all_levels_add_up():
    target = heatmaps_with([[4.0, 1.0]])
    outputs = {f"global_p{level}": target * (1 - scale) for level, scale in ((2, 1), (3, 2), (4, 3), (5, 0))}
    outputs["refined"] = target
    parts = keypoint_objective(targets_for(target, np.ones((1, 2))), outputs, SIGMA, 1.0, 0.1)
    # Level by level the difference is `scale` times the target, its square sums to scale^2 (4 + 1) / 2.
    assert numbers(parts["global"]) * ENERGY == pytest.approx((1 + 4 + 9 + 0) * 2.5)
    assert numbers(parts["refined"]) == 0


def test_the_category_loss_leaves_out_photos_without_a_known_category():
    heat = heatmaps_with([[1.0], [1.0], [1.0]])
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [50.0, -50.0]], np.float32)
    known = np.array([True, True, False])
    targets = targets_for(heat, np.ones((3, 1)), [0, 0, 1]) | {"categorised": known}
    outputs = {"refined": heat, "global_p2": heat, "category": logits}
    entropy = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(1))]
    parts = keypoint_objective(targets, outputs, SIGMA, 0.5, 0.3)
    assert numbers(parts["category"]) == pytest.approx(0.3 * sum(entropy) / 2, rel=1e-5)
    unread = keypoint_objective(targets | {"categorised": np.zeros(3, bool)}, outputs, SIGMA, 0.5, 0.3)
    assert numbers(unread["category"]) == 0
