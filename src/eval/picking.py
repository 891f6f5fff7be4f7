"""Selects photos to label next: those with an uncertain prediction that differ from each other.

A photo similar to a selected one adds little. So the photos are selected as the seeds of k-means++ (Arthur and
Vassilvitskii, 2007) among the least certain ones, each weighted by its uncertainty: the diverse batches of Zhdanov
(arXiv:1901.05954), of which only the seeds are used.
"""

import numpy as np

SHORTLIST = 5
"""The least certain photos are considered, this many times the number wanted."""
GRID = 4
"""Cells along each side of a heatmap for the comparison of two photos."""


def pick(uncertainty: np.ndarray, vectors: np.ndarray, budget: int | None, rng: np.random.Generator) -> np.ndarray:
    """The indices of the photos to label, the least certain first; for equal ones the first.

    The least certain photo is selected first; each further one with a probability in proportion to its uncertainty
    times its squared distance to the nearest selected one. If all others equal a selected one, the least certain of
    them is next.

    Args:
        uncertainty: (N,) from 0 up.
        vectors: (N, D), which are near each other for photos that are alike.
        budget: how many at most; None means all.

    Raises:
        ValueError: other shapes, a number that is below 0 or not finite, or a budget below 1.
    """
    uncertainty, vectors = np.asarray(uncertainty, float), np.asarray(vectors)
    if uncertainty.ndim != 1 or vectors.ndim != 2 or len(vectors) != len(uncertainty):
        raise ValueError(f"expected uncertainty (N,) and vectors (N, D); got {uncertainty.shape} and {vectors.shape}")
    if not np.isfinite(uncertainty).all() or (uncertainty < 0).any() or not np.isfinite(vectors).all():
        raise ValueError("expected finite numbers, and an uncertainty from 0 up")
    if budget is not None and budget < 1:
        raise ValueError(f"a budget of {budget} photos; expected 1 or more")
    order = np.argsort(-uncertainty, kind="stable")
    if budget is None or budget >= len(order):
        return order
    listed = order[: SHORTLIST * budget]
    return listed[np.sort(_seeds(uncertainty[listed], vectors[listed], budget, rng))]


def _seeds(weights: np.ndarray, vectors: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    """Indices of `count` rows; the first row has the largest of `weights`."""
    chosen = [0]
    nearest = np.full(len(weights), np.inf)
    left = np.ones(len(weights), bool)
    left[0] = False
    while len(chosen) < count:
        nearest = np.minimum(nearest, np.square(vectors - vectors[chosen[-1]]).sum(axis=1))
        odds = np.where(left, weights * nearest, 0.0)
        total = odds.sum()
        following = int(rng.choice(len(odds), p=odds / total)) if total > 0 else int(left.argmax())
        chosen.append(following)
        left[following] = False
    return chosen


def heatmap_vector(heatmaps: np.ndarray) -> np.ndarray:
    """Heatmaps (h, w, K) -> (GRID * GRID * K,) float32 of length 1, or 0 if they are empty: the keypoints and their
    rough positions. Photos of garments of one kind in one pose have similar vectors."""
    h, w, _ = heatmaps.shape
    rows, columns = (np.linspace(0, side, min(GRID, side), endpoint=False).astype(int) for side in (h, w))
    coarse = np.add.reduceat(np.add.reduceat(heatmaps, rows, axis=0), columns, axis=1).astype(np.float32).ravel()
    length = np.linalg.norm(coarse)
    return coarse / length if length > 0 else coarse
