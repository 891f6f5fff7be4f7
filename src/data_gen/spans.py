"""The length by which the errors of a garment are divided, and which garments can be scored at all.

A keypoint that is hidden has a position and can end a span, but its own error does not count. So a garment is scored if
it has a visible keypoint and its span is longer than 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..records import ABSENT, NO_GARMENT, VISIBLE, Sample
from ..vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Scorable:
    """Counts of garments. unseen: without a visible keypoint; bare: the others, whose span is missing or 0."""

    garments: int
    unseen: int
    bare: int

    @property
    def scored(self) -> int:
        return self.garments - self.unseen - self.bare

    def reasons(self) -> str:
        """Why garments are not scored, such as `3 have no visible keypoint`."""
        parts = [f"{self.unseen:,} have no visible keypoint"] if self.unseen else []
        parts += [f"{self.bare:,} have a span with an absent end or of length 0"] if self.bare else []
        return ", ".join(parts)


def scorable(samples: Sequence[Sample], vocabulary: Vocabulary) -> Scorable:
    """How many of the annotated garments can be scored. Their categories and keypoints are those of the vocabulary."""
    found = [s for s in samples if s.keypoints is not None and s.category not in (None, NO_GARMENT)]
    if not found:
        return Scorable(0, 0, 0)
    categories = [str(sample.category) for sample in found]
    xy, state = (np.stack([getattr(sample.keypoints, name) for sample in found]) for name in ("xy", "state"))
    masks = np.stack([vocabulary.mask(category) for category in categories])
    seen = ((state == VISIBLE) & masks).any(axis=1)
    bare = np.isnan(spans(xy, state, categories, vocabulary))
    return Scorable(len(found), int((~seen).sum()), int((seen & bare).sum()))


def spans(xy: np.ndarray, state: np.ndarray, categories: Sequence[str], vocabulary: Vocabulary) -> np.ndarray:
    """The length that normalises each garment's errors.

    Args:
        xy: (N, K, 2) px, the true keypoints.
        state: (N, K) of -1, 0, 1; a hidden end (0) still has a position.
        categories: N names.
        vocabulary: what the K keypoints are.

    Returns:
        (N,) float64 px, of a category without a span the diagonal of the box about its labelled keypoints; NaN where an
        end of the span is absent or both ends fall together.

    Raises:
        ValueError: a category that is not in the vocabulary, or other shapes.
    """
    xy, state = np.asarray(xy, np.float64), np.asarray(state)
    expected = (len(categories), len(vocabulary.keypoints))
    if xy.shape != (*expected, 2) or state.shape != expected:
        raise ValueError(f"expected xy {(*expected, 2)} and state {expected}; got {xy.shape} and {state.shape}")
    category = np.array([vocabulary.category_index(c) for c in categories], int)
    pair = vocabulary.spans[category]
    rows = np.arange(len(categories))
    length = np.linalg.norm(xy[rows, pair[:, 0]] - xy[rows, pair[:, 1]], axis=-1)
    present = (state[rows[:, None], pair] != ABSENT).all(axis=1)
    boxed = pair[:, 0] < 0
    length[boxed], present[boxed] = _diagonals(xy[boxed], state[boxed] != ABSENT), True
    return np.where(present & (length > 0), length, np.nan)


def _diagonals(xy: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """(N, K, 2) and (N, K) bool -> (N,) px: the diagonals of the boxes about the labelled keypoints, 0 without any."""
    low = np.where(labelled[..., None], xy, np.inf).min(axis=1, initial=np.inf)
    high = np.where(labelled[..., None], xy, -np.inf).max(axis=1, initial=-np.inf)
    return np.linalg.norm(np.maximum(high - low, 0), axis=-1)
