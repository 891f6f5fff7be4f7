import numpy as np
import pytest

from aifashion.eval.attribute_metrics import average_precision
from aifashion.eval.ensemble import blend, find_weights

FIRST, SECOND = np.array([[0.8, 0.2], [0.1, 0.9]]), np.array([[0.4, 0.6], [0.5, 0.5]])


def test_the_weighted_mean_by_hand():
    np.testing.assert_allclose(blend([FIRST, SECOND], [0.75, 0.25]), [[0.7, 0.3], [0.2, 0.8]])
    # Only the ratio of the weights counts.
    np.testing.assert_allclose(blend([FIRST, SECOND], [3, 1]), [[0.7, 0.3], [0.2, 0.8]])
    np.testing.assert_allclose(blend([FIRST, SECOND], [0, 2]), SECOND)
    np.testing.assert_allclose(blend([FIRST], np.array([0.3])), FIRST)
    np.testing.assert_allclose(blend([FIRST, SECOND], [1, 1]).sum(axis=1), 1)


@pytest.mark.parametrize(
    ("arrays", "weights", "message"),
    [
        ([FIRST, SECOND[:1]], [1, 1], r"2 weights for predictions of shapes \[\(1, 2\), \(2, 2\)\]"),
        ([FIRST, SECOND], [1], "1 weights"),
        ([FIRST], [1, 1], "2 weights"),
        ([], [], "0 weights"),
        ([FIRST, SECOND], [0, 0], r"not all 0; got \[0.0, 0.0\]"),
        ([FIRST, SECOND], [2, -1], r"at least 0 .* got \[2.0, -1.0\]"),
        ([FIRST, SECOND], [1, float("nan")], "at least 0"),
        ([FIRST, SECOND], [1, float("inf")], "at least 0"),
    ],
)
def test_what_cannot_be_blended(arrays: list, weights: list, message: str):
    with pytest.raises(ValueError, match=message):
        blend(arrays, weights)


def members(skills: list[float], seed: int, photos: int = 200) -> tuple[list[np.ndarray], np.ndarray]:
    """Probabilities (N, 4) of classifiers that are right to some degree, and the one-hot truth."""
    rng = np.random.default_rng(seed)
    truth = np.eye(4)[rng.integers(4, size=photos)]
    powers = [np.exp(skill * truth + rng.normal(0, 1, truth.shape)) for skill in skills]
    return [p / p.sum(axis=1, keepdims=True) for p in powers], truth


@pytest.mark.parametrize("seed", range(5))
def test_the_found_weights_are_never_worse_than_equal_ones(seed: int):
    told, truth = members([0.3, 1.0, 0.6], seed)

    def score(weights: np.ndarray) -> float:
        return average_precision(blend(told, weights), truth)

    weights, best = find_weights(3, score)
    assert weights.shape == (3,) and (weights >= 0).all() and weights.sum() == pytest.approx(1)
    assert best == score(weights) >= score(np.full(3, 1 / 3))
    assert best >= max(score(alone) for alone in np.eye(3)) - 0.01


def test_the_one_good_member_gets_nearly_all_the_weight():
    told, truth = members([0.0, 5.0, 0.0], 0)
    # Minus the squared error, which has one maximum: at the good member, since the others know nothing.
    weights, best = find_weights(3, lambda w: -float(((blend(told, w) - truth) ** 2).mean()))
    assert weights.argmax() == 1 and weights[1] > 0.9
    assert best > -float(((blend(told, [1, 1, 1]) - truth) ** 2).mean())


def test_a_mixture_is_found():
    # Best at 0.6 and 0.4 of two members, to the last and smallest step.
    weights, best = find_weights(2, lambda w: -abs(w[0] - 0.6))
    np.testing.assert_allclose(weights, [0.6, 0.4], atol=0.03)
    assert best == pytest.approx(-abs(weights[0] - 0.6))
    # Of three it takes several rounds, and a member that only harms goes out altogether.
    weights, _ = find_weights(3, lambda w: -float(((w - [0.82, 0.13, 0.05]) ** 2).sum()))
    np.testing.assert_allclose(weights, [0.82, 0.13, 0.05], atol=0.03)
    assert find_weights(3, lambda w: -w[0])[0][0] == 0


def test_equal_weights_stay_where_nothing_is_strictly_better():
    np.testing.assert_array_equal(find_weights(4, lambda w: 0.5)[0], np.full(4, 0.25))
    assert find_weights(4, lambda w: 0.5)[1] == 0.5
    # A score that is not a number is better than nothing.
    np.testing.assert_array_equal(find_weights(2, lambda w: 0.0 if w[0] == w[1] else float("nan"))[0], [0.5, 0.5])


def test_a_member_alone_has_all_the_weight():
    calls = []
    weights, best = find_weights(1, lambda w: calls.append(1) or 0.7)
    assert weights.tolist() == [1.0] and best == 0.7 and len(calls) == 1
