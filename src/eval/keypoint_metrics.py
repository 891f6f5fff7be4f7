"""NE and PCK: how far predicted keypoints lie from the true ones, in units of the garment's span.

NE, the score of the FashionAI keypoint challenge (lower is better), is the mean of distance / span over all
visible keypoints of all garments together. The span is a distance within the true garment: from armpit to
armpit for blouse, dress and outwear, from one end of the waistband to the other for skirt and trousers.
PCK at t is the share of those keypoints that lie within t spans.

What the definition leaves open is decided here:

- A hidden keypoint (state 0) never counts as an error, but its position is known, so it can end a span.
- A garment whose span has an absent end or is zero is skipped, and so is one without a visible keypoint.
  `skipped` counts both. (Public scorers disagree: a span of 256 px, an error of nearly 0, or skipped.)
- Only keypoints of the garment's own category count.
- A keypoint that is visible in the truth and absent from the prediction counts at (-1, -1), the position a
  submission gives it, so leaving points out never pays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ..data_gen.formats.challenges import FASHIONAI
from ..data_gen.spans import spans
from ..records import ABSENT, VISIBLE, Prediction, Sample
from ..vocabulary import Vocabulary

PCK_THRESHOLDS = np.arange(61) / 200
"""0, 0.005, ... 0.3 spans."""

Record = TypeVar("Record", Sample, Prediction)


@dataclass(frozen=True, slots=True, eq=False)
class PckCurve:
    """thresholds: (T,) in spans. overall and each of per_category: (T,) fraction of keypoints at least that close."""

    thresholds: np.ndarray
    overall: np.ndarray
    per_category: dict[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class KeypointScore:
    """The score of a set of garments. NE values are fractions; NaN if there was nothing to measure.

    `per_category` has the categories that occur, `per_keypoint` the keypoints of these categories, both in the
    official order. `points` visible keypoints of `garments` garments were measured; `skipped` garments had no usable
    span or no visible keypoint.
    """

    ne: float
    per_category: dict[str, float]
    per_keypoint: dict[str, float]
    points: int
    garments: int
    skipped: int
    category_garments: dict[str, int]
    category_points: dict[str, int]
    keypoint_points: dict[str, int]
    pck: PckCurve

    def to_json(self) -> dict:
        """Plain numbers for `json.dumps`, None for NaN."""
        return {
            "ne": _plain(self.ne),
            "per_category": {name: _plain(ne) for name, ne in self.per_category.items()},
            "per_keypoint": {name: _plain(ne) for name, ne in self.per_keypoint.items()},
            "points": self.points,
            "garments": self.garments,
            "skipped": self.skipped,
            "category_garments": dict(self.category_garments),
            "category_points": dict(self.category_points),
            "keypoint_points": dict(self.keypoint_points),
            "pck": {
                "thresholds": self.pck.thresholds.tolist(),
                "overall": [_plain(value) for value in self.pck.overall],
                "per_category": {c: [_plain(value) for value in curve] for c, curve in self.pck.per_category.items()},
            },
        }


def normalized_errors(predicted: np.ndarray, true: np.ndarray, visible: np.ndarray, span: np.ndarray) -> np.ndarray:
    """Distance of every visible keypoint from its true position, in spans.

    Args:
        predicted, true: (N, K, 2) px.
        visible: (N, K) bool.
        span: (N,) px, as `spans` gives it.

    Returns:
        (N, K) float64; NaN if the keypoint is not visible or the garment has no span.

    Raises:
        ValueError: shapes that differ, or a predicted position of a visible keypoint that is not finite
            (as NaN it would drop out of every mean and improve the score).
    """
    predicted, true = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    visible, span = np.asarray(visible, bool), np.asarray(span, np.float64)
    if not (predicted.shape == true.shape == (*visible.shape, 2) and span.shape == visible.shape[:1]):
        raise ValueError(
            "expected predicted and true (N, K, 2), visible (N, K) and span (N,); "
            f"got {predicted.shape}, {true.shape}, {visible.shape} and {span.shape}"
        )
    lost = int((visible & ~np.isfinite(predicted).all(axis=-1)).sum())
    if lost:
        raise ValueError(f"{lost} predicted keypoints are not finite numbers; look for a diverged model")
    usable = visible & (span > 0)[:, None]
    distance = np.linalg.norm(predicted - true, axis=-1)
    return np.divide(distance, span[:, None], out=np.full(visible.shape, np.nan), where=usable)


def pooled_ne(errors: np.ndarray) -> float:
    """Mean of all errors that are not NaN, for any shape: NE as a fraction. NaN if there are none."""
    measured = errors[~np.isnan(errors)]
    return float(measured.mean()) if measured.size else float("nan")


def pck(errors: np.ndarray, thresholds: np.ndarray = PCK_THRESHOLDS) -> np.ndarray:
    """Fraction of the errors that are not NaN at or below each threshold, (T,). NaN if there are none."""
    measured = np.sort(errors[~np.isnan(errors)])
    if not measured.size:
        return np.full(len(thresholds), np.nan)
    return np.searchsorted(measured, thresholds, side="right") / measured.size


def score_arrays(
    predicted: np.ndarray,
    true: np.ndarray,
    state: np.ndarray,
    categories: Sequence[str],
    vocabulary: Vocabulary,
) -> KeypointScore:
    """Scores predictions in arrays, over any vocabulary; used by `score_keypoints` and validation.

    Args:
        predicted, true: (N, K, 2) px in the same frame. NE does not change when both are scaled alike.
        state: (N, K) of the true keypoints: -1, 0, 1.
        categories: N names.
        vocabulary: what the K keypoints are.

    Raises:
        ValueError: see `spans` and `normalized_errors`.
    """
    span = spans(true, state, categories, vocabulary)
    category = np.array([vocabulary.category_index(c) for c in categories], int)
    visible = (np.asarray(state) == VISIBLE) & vocabulary.masks[category]
    errors = normalized_errors(predicted, true, visible, span)
    measured = ~np.isnan(errors)
    garments = int(measured.any(axis=1).sum())

    of_category = {vocabulary.categories[i]: category == i for i in np.unique(category)}
    occurring = np.flatnonzero(vocabulary.masks[np.unique(category)].any(axis=0))
    of_keypoint = {vocabulary.keypoints[k]: k for k in occurring}
    return KeypointScore(
        ne=pooled_ne(errors),
        per_category={c: pooled_ne(errors[rows]) for c, rows in of_category.items()},
        per_keypoint={name: pooled_ne(errors[:, k]) for name, k in of_keypoint.items()},
        points=int(measured.sum()),
        garments=garments,
        skipped=len(categories) - garments,
        category_garments={c: int(measured[rows].any(axis=1).sum()) for c, rows in of_category.items()},
        category_points={c: int(measured[rows].sum()) for c, rows in of_category.items()},
        keypoint_points={name: int(measured[:, k].sum()) for name, k in of_keypoint.items()},
        pck=PckCurve(PCK_THRESHOLDS, pck(errors), {c: pck(errors[rows]) for c, rows in of_category.items()}),
    )


def score_keypoints(
    truth: Sequence[Sample], predicted: Sequence[Sample], vocabulary: Vocabulary = FASHIONAI
) -> KeypointScore:
    """Scores predicted samples against true ones, both with the keypoints of a vocabulary, matched by image_id.

    By default they have the 24 official keypoints, and the score is the official one.

    Predictions of images that the truth does not have are ignored, so a part of a set can be scored.

    Raises:
        ValueError: a true image without prediction, predicted as another category or without category or
            keypoints; an image_id that occurs twice; no truth at all.
    """
    if not truth:
        raise ValueError("there is nothing to score: the truth holds no garments")
    predicted = matched(truth, predicted, "predictions")
    bare = [s.image_id for s in (*truth, *predicted) if s.keypoints is None or s.category is None]
    if bare:
        raise ValueError(f"{_some(bare)} without category or keypoints; give annotated samples, not a bare test list")
    pairs = [(t, p) for t, p in zip(truth, predicted, strict=True) if t.category != p.category]
    differing = [f"{t.image_id}: {t.category}, predicted as {p.category}" for t, p in pairs]
    if differing:
        raise ValueError(f"{_some(differing)} with another category than the truth; predict with the true category")
    true_xy, state = _arrays(truth, vocabulary)
    predicted_xy, predicted_state = _arrays(predicted, vocabulary)
    predicted_xy = np.where(predicted_state[..., None] == ABSENT, -1.0, predicted_xy)
    return score_arrays(predicted_xy, true_xy, state, [str(s.category) for s in truth], vocabulary)


def matched(samples: Sequence[Sample], records: Sequence[Record], what: str) -> list[Record]:
    """The record of each sample, by image_id, in the order of the samples; other records are left out.

    Raises ValueError for a sample without a record and for an image_id that occurs twice in either list.
    """
    _by_id(samples, "samples")
    by_id = _by_id(records, what)
    missing = [s.image_id for s in samples if s.image_id not in by_id]
    if missing:
        raise ValueError(f"{_some(missing)} without {what}; {len(samples)} images were expected, {len(records)} came")
    return [by_id[s.image_id] for s in samples]


def _by_id(records: Sequence[Record], what: str) -> Mapping[str, Record]:
    by_id: dict[str, Record] = {}
    twice = []
    for record in records:
        if record.image_id in by_id:
            twice.append(record.image_id)
        by_id[record.image_id] = record
    if twice:
        raise ValueError(f"{_some(twice)} more than once among the {what}; image ids must be unique")
    return by_id


def _arrays(samples: Sequence[Sample], vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """-> xy (N, K, 2), state (N, K)."""
    count = len(vocabulary.keypoints)
    found = [s.keypoints for s in samples if s.keypoints is not None]
    other = [s.image_id for s, k in zip(samples, found, strict=True) if len(k.state) != count]
    if other:
        raise ValueError(f"{_some(other)} without the {count} keypoints of the vocabulary {vocabulary.name}")
    return np.stack([k.xy for k in found]), np.stack([k.state for k in found])


def _some(names: Sequence[str], shown: int = 3) -> str:
    """`2 images (a, b)`, the first few named."""
    more = ", ..." if len(names) > shown else ""
    return f"{len(names)} image{'s' if len(names) > 1 else ''} ({', '.join(names[:shown])}{more})"


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
