"""The expected error of a keypoint, from the shape of its heatmap.

An uncertain network spreads the heatmap over several places. The covariance of a heatmap about its peak has two axes;
along each of them the error has the standard deviation

    scale_k * variance ** width * (peak / (1 - peak)) ** height

in cells, whose constants are fitted to annotated photos. If a point is predicted at different places in turned and
mirrored copies, the averaged heatmap is wide, so test-time augmentation needs no other formula.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from .calibration import is_number, logit

FLOOR = 0.1
"""Share of a heatmap's peak below which cells are ignored."""
LEAST = 0.3
"""Cells squared: the smallest variance along an axis."""
_LEAST_PEAK, _MOST_PEAK = 0.01, 0.999
COVERAGE = (0.6827, 0.9545)
"""Shares of normally distributed errors within one and within two standard errors."""
_STRENGTH = 8.0
"""The scale of a keypoint is pulled to that of all with the weight of so many errors."""
_FEW = 50
"""Number of lengths at which those of one kind weigh as much as those of all other kinds."""


@dataclass(frozen=True, slots=True, eq=False)
class KeypointErrors:
    """scale: (K,) cells. width, height: the exponents of the formula. lengths: by `Measurement.key` the factor of the
    standard errors of lengths, if it is not 1."""

    scale: np.ndarray
    width: float
    height: float
    lengths: Mapping[str, float] = field(default_factory=dict)

    def covariance(self, spread: np.ndarray, peaks: np.ndarray) -> np.ndarray:
        """Spreads (..., K, 2, 2) cells squared and heatmap peaks (..., K) -> the covariances of the errors, in the
        shape of the spreads."""
        variances, axes = _axes(spread)
        deviations = self.scale[:, None] * np.exp(_features(variances, peaks) @ [self.width, self.height])
        return (axes * (deviations**2)[..., None, :]) @ np.swapaxes(axes, -1, -2)

    def to_json(self) -> dict[str, Any]:
        facts = {"scale": self.scale.tolist(), "width": self.width, "height": self.height}
        return facts | {"lengths": dict(self.lengths)}

    @classmethod
    def from_json(cls, facts: Any, keypoints: int) -> Self:
        """Raises ValueError for data that `to_json` did not write, or for another number of keypoints."""
        if not isinstance(facts, dict) or set(facts) != {"scale", "width", "height", "lengths"}:
            raise ValueError(f"no errors of keypoints: expected scale, width, height and lengths; got {facts!r:.80}")
        scale, lengths = facts["scale"], facts["lengths"]
        if not isinstance(lengths, dict) or not isinstance(scale, list):
            raise ValueError("errors of keypoints: expected a list of scales, and a table of factors of lengths")
        numbers = [*scale, *lengths.values(), facts["width"], facts["height"]]
        if not all(map(is_number, numbers)):
            raise ValueError("no errors of keypoints: a value is not a finite number")
        if len(scale) != keypoints or not all(value > 0 for value in [*scale, *lengths.values()]):
            raise ValueError(f"errors of keypoints: expected {keypoints} scales and factors above 0; got {len(scale)}")
        return cls(np.array(scale, float), float(facts["width"]), float(facts["height"]), dict(lengths))


def default_errors(keypoints: int) -> KeypointErrors:
    """The errors of networks without fitted ones: those of a `lite` network at 256 px on drawn garments."""
    return KeypointErrors(np.full(keypoints, 0.5), 0.57, -0.33)


def spreads(heatmaps: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Heatmaps (B, h, w, K) and points (B, K, 2) in cells -> the covariances of the heatmaps about the points,
    (B, K, 2, 2) cells squared."""
    batch, h, w, count = heatmaps.shape
    # Every third cell is enough to sample a Gaussian of a cell and a half.
    step = _SKIP if min(h, w) >= _LARGE else 1
    flat = heatmaps[:, ::step, ::step].reshape(batch, -1, count)
    peaks = flat.max(axis=1, keepdims=True)
    weights = flat * (flat >= np.maximum(FLOOR * peaks, 1e-9))
    sums = (_powers(h, w, step) @ weights).astype(np.float64)  # (B, 6, K)
    total = np.maximum(sums[:, 0], 1e-12)
    x, y, xx, yy, xy = np.moveaxis(sums[:, 1:], 1, 0) / total
    # The powers are about the middle of the map, so that float32 is exact enough.
    dx, dy = places[..., 0] - (w - 1) / 2, places[..., 1] - (h - 1) / 2
    across = xy - dx * y - dy * x + dx * dy
    parts = [xx - 2 * dx * x + dx**2, across, across, yy - 2 * dy * y + dy**2]
    found = np.stack(parts, axis=-1).reshape(batch, count, 2, 2)
    found[sums[:, 0] <= 0] = np.eye(2) * h * w  # an empty map: the point can be anywhere
    return found


_SKIP, _LARGE = 3, 48
_POWERS: dict[tuple[int, int, int], np.ndarray] = {}


def _powers(h: int, w: int, step: int) -> np.ndarray:
    """(6, n) float32: 1, x, y, x², y² and xy of every sampled cell, from the middle of the map."""
    if (h, w, step) not in _POWERS:
        y, x = np.mgrid[:h:step, :w:step].reshape(2, -1) - np.array([[(h - 1) / 2], [(w - 1) / 2]])
        _POWERS[h, w, step] = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y]).astype(np.float32)
    return _POWERS[h, w, step]


def _axes(spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The variances (..., 2) along the axes of covariances (..., 2, 2), and the axes as columns."""
    variances, axes = np.linalg.eigh(spread)
    return np.maximum(variances, LEAST), axes


def _features(variances: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """(..., 2, 2): of each axis the logarithm of its variance, and the logit of the peak."""
    heights = logit(np.clip(np.asarray(peaks, np.float64), _LEAST_PEAK, _MOST_PEAK))
    return np.stack([np.log(variances), np.broadcast_to(heights[..., None], variances.shape)], axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """The results for N annotated photos. errors: (N, K, 2) cells, predicted minus true. spread: (N, K, 2, 2). peaks:
    (N, K). seen: (N, K) bool, the keypoints that count: those annotated as visible."""

    errors: np.ndarray
    spread: np.ndarray
    peaks: np.ndarray
    seen: np.ndarray


def fit_errors(observed: Observed) -> KeypointErrors:
    """The constants with the highest likelihood for annotated photos, then scaled so that one and two standard errors
    cover the right shares of the errors along the axes.

    The errors along an axis have a Laplace distribution in the fit, so that a few points predicted on the wrong side do
    not widen all others. Raises ValueError if no keypoint counts.
    """
    from scipy.optimize import minimize  # slow to load, and few fit anything

    seen, keypoints = observed.seen, observed.seen.shape[1]
    if not seen.any():
        raise ValueError("no annotated photo has a visible keypoint: there is nothing to fit their errors to")
    index = np.nonzero(seen)[1]
    variances, axes = _axes(observed.spread[seen])
    features = _features(variances, observed.peaks[seen]).reshape(-1, 2)
    sizes = np.abs(np.einsum("nij,ni->nj", axes, observed.errors[seen])).ravel()
    owner = np.repeat(index, 2)
    sizes = np.maximum(sizes, 1e-6)

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        shared, own = at[2], at[3:]
        level = features @ at[:2] + shared + own[owner]
        ratio = sizes * np.exp(-level)
        value = (level + ratio).sum() + _STRENGTH * (own @ own) + 0.1 * (at[:2] @ at[:2])
        slope = 1 - ratio
        by_own = np.bincount(owner, slope, minlength=keypoints) + 2 * _STRENGTH * own
        return float(value), np.concatenate([features.T @ slope + 0.2 * at[:2], [slope.sum()], by_own])

    bounds = [(0, 2), (-2, 0), *([(-9, 9)] * (keypoints + 1))]
    start = np.concatenate([[0.5, -0.3], np.zeros(keypoints + 1)])
    at = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    found = KeypointErrors(np.exp(at[2] + at[3:]), float(at[0]), float(at[1]))
    level = np.exp(features @ at[:2] + at[2] + at[3:][owner])
    return rescaled(found, covering_factor(sizes / level))


def fit_lengths(errors: KeypointErrors, ratios: Mapping[str, np.ndarray]) -> KeypointErrors:
    """The errors, with factors with which one and two standard errors cover the right shares of the errors of lengths.

    Errors of neighbouring points are correlated, as when both ends of a hem are predicted too low. So the factors are
    fitted to lengths, which are the final result. ratios: by `Measurement.key` the errors (N,) of lengths, in standard
    errors by `errors`. All lengths together rescale the errors of the keypoints, for measurements with other keys; the
    fewer examples a measurement has, the closer its factor is to that. Returns `errors` for no lengths.
    """
    found = {key: np.abs(values) for key, values in ratios.items() if len(values)}
    if not found:
        return errors
    shared = covering_factor(np.concatenate(list(found.values())))
    factors = {}
    for key, values in found.items():
        trust = len(values) / (len(values) + _FEW)
        factors[key] = float((covering_factor(values) / shared) ** trust)
    # The rest of the difference: quantiles of parts are not those of the whole.
    rest = covering_factor(np.concatenate([values / (shared * factors[key]) for key, values in found.items()]))
    return replace(rescaled(errors, shared * rest), lengths=factors)


def rescaled(errors: KeypointErrors, factor: float) -> KeypointErrors:
    return replace(errors, scale=errors.scale * factor)


def covering_factor(ratios: np.ndarray) -> float:
    """The factor of the standard errors with which the shares of errors within one and within two of them are closest
    to those of a normal distribution. ratios: (N,) errors in standard errors, N > 0."""
    candidates = np.quantile(ratios, np.linspace(0.3, 0.995, 300))
    halves = np.concatenate([candidates, candidates / 2])
    halves = halves[halves > 0]
    if not len(halves):
        return 1.0
    gaps = [max(abs(np.mean(ratios <= n * f) - share) for n, share in enumerate(COVERAGE, 1)) for f in halves]
    return float(halves[int(np.argmin(gaps))])


def coverage(ratios: np.ndarray) -> tuple[float, float]:
    """The shares of errors (N,), in standard errors, within one and within two."""
    ratios = np.abs(ratios)
    return float(np.mean(ratios <= 1)), float(np.mean(ratios <= 2))
