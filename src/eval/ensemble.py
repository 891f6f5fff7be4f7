"""Ensembles of classifiers: a weighted mean of their probabilities."""

from collections.abc import Callable, Sequence

import numpy as np

_STEPS = (0.5, 0.25, 0.1, 0.05)


def blend(probabilities: Sequence[np.ndarray], weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """The weighted mean of arrays of one shape, the weights scaled to sum to 1.

    Raises ValueError for arrays of different shapes, another number of weights, or weights that are negative or all 0.
    """
    shapes = {array.shape for array in probabilities}
    weights = np.asarray(weights, np.float64)
    if len(shapes) != 1 or len(weights) != len(probabilities):
        raise ValueError(f"{len(weights)} weights for predictions of shapes {sorted(shapes)}; they must fit each other")
    if not (weights >= 0).all() or not weights.sum() > 0 or not np.isfinite(weights).all():
        raise ValueError(f"ensemble weights must be at least 0 and not all 0; got {weights.tolist()}")
    return np.tensordot(weights / weights.sum(), np.stack(probabilities), axes=1)


def find_weights(count: int, score: Callable[[np.ndarray], float]) -> tuple[np.ndarray, float]:
    """Weights (count,) summing to 1 with the highest score, by coordinate ascent from equal ones, and that score.

    score: function of the weights on the validation set. Each round moves a share of the total weight to one member,
    while that helps; the shares get smaller. The score is never below that of equal weights, which stay unless others
    are strictly better.
    """
    weights = np.full(count, 1 / count)
    best = score(weights)
    for step in _STEPS:
        improved = count > 1
        while improved:
            improved = False
            for member in range(count):
                for towards in (step, -step):
                    trial = weights.copy()
                    trial[member] = max(0.0, trial[member] + towards)
                    if trial.sum() <= 0:
                        continue
                    trial /= trial.sum()
                    value = score(trial)
                    if value > best + 1e-12:
                        weights, best, improved = trial, value, True
    return weights, best
