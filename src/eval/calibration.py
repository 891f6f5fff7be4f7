"""Calibrated probabilities: temperature scaling, reliability bins and the expected calibration error.

Source: Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599. A temperature divides the logits
before they become probabilities. It does not change the most probable class of an exclusive head, but it changes the
order of photos by probability, on which mAP depends. Fit it on validation photos.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..records import HeadSpec

BINS = 15
"""Number of bins, as in the paper."""

LIMITS = (0.05, 20.0)
"""Range of the search for a temperature; a result at an end means that the photos do not determine it."""
FLOOR = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """M bins of confidence. edges: (M + 1,), a bin holding its upper edge. counts: (M,) answers in each bin.
    confidence, accuracy: (M,) their means, NaN for an empty bin."""

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error: mean over predictions of |accuracy - confidence| of their bin; NaN for none."""
        used = self.counts > 0
        if not used.any():
            return float("nan")
        gaps = np.abs(self.accuracy[used] - self.confidence[used])
        return float(np.average(gaps, weights=self.counts[used]))

    def to_json(self) -> dict:
        """Plain numbers for `json.dumps`, None for NaN."""
        return {
            "ece": None if np.isnan(self.ece) else self.ece,
            "edges": self.edges.tolist(),
            "counts": self.counts.tolist(),
            "confidence": [None if np.isnan(value) else value for value in self.confidence.tolist()],
            "accuracy": [None if np.isnan(value) else value for value in self.accuracy.tolist()],
        }


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """(N, C) -> (N, C) logarithms of the probabilities of exclusive classes."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax(logits: np.ndarray, temperature: np.ndarray | float = 1.0) -> np.ndarray:
    """(N, C) -> (N, C) float64 probabilities of exclusive classes."""
    return np.exp(log_softmax(np.asarray(logits, np.float64) / temperature))


def sigmoid(logits: np.ndarray, temperature: np.ndarray | float = 1.0) -> np.ndarray:
    """(N, C) -> (N, C) float64 probabilities of independent labels; temperature: one, or (C,)."""
    scaled = np.asarray(logits, np.float64) / temperature
    return np.exp(-np.logaddexp(0, -scaled))


def fit_temperature(
    logits: np.ndarray,
    targets: np.ndarray,
    log_probabilities: Callable[[np.ndarray], np.ndarray] = log_softmax,
) -> float:
    """The temperature of one head that minimises the mean of -sum(target log p) over the photos.

    Args:
        logits: (N, C'), of validation photos that are labelled for this head.
        targets: (N, C), rows that sum to one, hard or soft.
        log_probabilities: (N, C') -> (N, C), how the head's logits become log probabilities; an ordinal head, say, has
            another way than the softmax.

    Raises:
        ValueError: no photos, other shapes, or numbers that are not finite.
    """
    logits, targets = _pair(logits, targets)
    used = targets > 0  # 0 log 0 is 0: a class without a label can have any probability, also 0

    def loss(log_temperature: float) -> float:
        logs = log_probabilities(logits / np.exp(log_temperature))
        return -float((targets[used] * logs[used]).sum()) / len(logits)

    return _minimum(loss)


def fit_label_temperatures(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(C,) float64: for each label of an independent head the temperature that minimises its mean cross entropy.

    logits, targets: (N, C), targets in 0..1. A label that always or never holds keeps temperature 1; its optimum would
    be a probability of 0 or 1. Raises ValueError as `fit_temperature`.
    """
    logits, targets = _pair(logits, targets)
    if logits.shape != targets.shape:
        raise ValueError(f"expected logits and targets of one shape; got {logits.shape} and {targets.shape}")
    temperatures = np.ones(logits.shape[1])
    for c in np.flatnonzero((targets != targets[0]).any(axis=0)):
        logit, target = logits[:, c], targets[:, c]

        def loss(log_temperature: float, logit: np.ndarray = logit, target: np.ndarray = target) -> float:
            scaled = logit / np.exp(log_temperature)
            return float((np.logaddexp(0, scaled) - target * scaled).mean())

        temperatures[c] = _minimum(loss)
    return temperatures


def top_label(probabilities: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) confidence, the largest probability of each photo, and (N,) correct, the target of that class.

    With a soft target a prediction is partly correct, as in the fit of the temperature. For an independent head every
    label is a prediction: give `reliability` the raveled probabilities and targets.
    """
    probabilities, targets = _pair(probabilities, targets)
    best = probabilities.argmax(axis=1)[:, None]
    return np.take_along_axis(probabilities, best, 1)[:, 0], np.take_along_axis(targets, best, 1)[:, 0]


def reliability(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> Reliability:
    """Accuracy of predictions of similar confidence, in `bins` equal parts of 0..1.

    confidence: (N,) in 0..1. correct: (N,) bool, or in 0..1. Raises ValueError for shapes that differ, no bin, or a
    confidence outside 0..1.
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if confidence.shape != correct.shape or confidence.ndim != 1 or bins < 1:
        raise ValueError(f"expected (N,) twice and bins >= 1; got {confidence.shape}, {correct.shape} and {bins}")
    if not ((confidence >= 0) & (confidence <= 1 + 1e-6)).all():
        raise ValueError("a confidence lies outside 0..1; give probabilities, not logits")
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.searchsorted(edges[1:-1], confidence, side="left")
    counts = np.bincount(bin_of, minlength=bins)
    sums = (np.bincount(bin_of, weights=values, minlength=bins) for values in (confidence, correct))
    means = [np.divide(total, counts, out=np.full(bins, np.nan), where=counts > 0) for total in sums]
    return Reliability(edges, counts, means[0], means[1])


def check_temperatures(temperatures: Mapping[str, Any], heads: Sequence[HeadSpec]) -> None:
    """Raises ValueError for invalid temperatures of these heads. Valid: by name one number, or one for each logit, all
    finite and above 0."""
    for head, value in _of_heads("temperatures", temperatures, heads):
        count = len(head.classes) - (head.kind == "ordinal")
        numbers = value if isinstance(value, list) else [value] * count
        if len(numbers) != count or not all(is_number(number) and number > 0 for number in numbers):
            raise ValueError(
                f"the temperature of {head.name} is {value!r:.200}; expected a finite number above 0, or {count} such"
            )


def check_thresholds(thresholds: Mapping[str, Any], heads: Sequence[HeadSpec]) -> None:
    """Raises ValueError for invalid thresholds of these heads. Valid: by the name of an independent head a number for
    each class, from 0 to just above 1."""
    for head, values in _of_heads("thresholds", thresholds, heads):
        sound = isinstance(values, list) and len(values) == len(head.classes) and head.kind == "independent"
        if not sound or not all(is_number(value) and 0 <= value <= 1.001 for value in values):
            raise ValueError(
                f"the thresholds of {head.name} are {values!r:.200}; expected, of an independent head, "
                f"{len(head.classes)} numbers from 0 to 1"
            )


def _of_heads(what: str, values: Mapping[str, Any], heads: Sequence[HeadSpec]) -> list[tuple[HeadSpec, Any]]:
    if not isinstance(values, Mapping):
        raise ValueError(f"{what} must be a table; got {values!r:.80}")
    known = {head.name: head for head in heads}
    unknown = [name for name in values if name not in known]
    if unknown:
        raise ValueError(f"{what} of {unknown[0]!r}, which is no head; there are {', '.join(known) or 'none'}")
    return [(known[name], value) for name, value in values.items()]


def is_number(value: Any) -> bool:
    """Whether it is a number that is finite as a float: whole numbers of JSON can be too large for one."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _minimum(loss: Callable[[float], float]) -> float:
    from scipy.optimize import minimize_scalar  # takes longer to load than a network to answer, and few fit anything

    # The loss is convex in 1 / temperature, so it has only one minimum over the logarithm, too.
    low, high = np.log(LIMITS)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def _pair(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits, targets = np.asarray(logits, np.float64), np.asarray(targets, np.float64)
    if logits.ndim != 2 or targets.ndim != 2 or len(logits) != len(targets) or not len(logits):
        raise ValueError(f"expected (N, C) twice, N > 0; got {logits.shape} and {targets.shape}")
    if not (np.isfinite(logits).all() and np.isfinite(targets).all()):
        raise ValueError("a number is not finite; look for a diverged model")
    return logits, targets


def fit_curve(logits: np.ndarray, holds: np.ndarray, centre: np.ndarray, strength: float) -> np.ndarray:
    """(slope, offset) of the curve sigmoid(slope logit + offset) with the highest likelihood (Platt scaling).

    logits: (N,). holds: (N,) bool. The prior is normal with precision `strength` about `centre`; the slope is never
    negative.
    """
    from scipy.optimize import minimize  # slow to load, and few fit anything

    def loss(curve: np.ndarray) -> tuple[float, np.ndarray]:
        line = curve[0] * logits + curve[1]
        wrong = sigmoid(line) - holds
        apart = curve - centre
        value = (np.logaddexp(0, line) - holds * line).sum() + strength * (apart @ apart) / 2
        return float(value), np.array([wrong @ logits, wrong.sum()]) + strength * apart

    return minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)]).x


def logit(probabilities: np.ndarray) -> np.ndarray:
    """The inverse of `sigmoid`, finite also for 0 and 1."""
    inside = np.clip(np.asarray(probabilities, float), FLOOR, 1 - FLOOR)
    return np.log(inside / (1 - inside))
