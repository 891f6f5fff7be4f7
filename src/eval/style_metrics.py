"""F2, the score of JingDong's fashion challenge, and the tuning of its thresholds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data_gen.formats.challenges import STYLES
from ..data_gen.formats.jingdong import StyleList, read_style_list
from ..data_gen.formats.problems import FormatError, Problem


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label: number of photos that have it, that it was predicted for, and both."""

    true: int
    predicted: int
    hits: int

    @property
    def precision(self) -> float:
        """NaN if nothing was predicted."""
        return self.hits / self.predicted if self.predicted else float("nan")

    @property
    def recall(self) -> float:
        """NaN if no photo has it."""
        return self.hits / self.true if self.true else float("nan")


@dataclass(frozen=True, slots=True)
class StyleScore:
    """f2: the mean of every photo's F2, higher is better. per_label: by style."""

    f2: float
    images: int
    per_label: dict[str, LabelScore]

    def to_json(self) -> dict:
        """Plain numbers for `json.dumps`, None for NaN."""
        return {
            "f2": self.f2,
            "images": self.images,
            "per_label": {
                name: {
                    "precision": label.precision if label.predicted else None,
                    "recall": label.recall if label.true else None,
                    "true": label.true,
                    "predicted": label.predicted,
                }
                for name, label in self.per_label.items()
            },
        }


def score_styles(predicted: np.ndarray, truth: np.ndarray) -> StyleScore:
    """From two (N, 13) arrays of 0 and 1. Raises ValueError for shapes that differ, other widths, or no photo."""
    predicted, truth = np.asarray(predicted, bool), np.asarray(truth, bool)
    f2 = sample_f2(predicted, truth)
    if not len(truth) or truth.shape[1] != len(STYLES):
        raise ValueError(f"expected labels (N, {len(STYLES)}) of one photo or more; got {truth.shape}")
    counts = np.stack([truth.sum(0), predicted.sum(0), (predicted & truth).sum(0)], axis=1).tolist()
    return StyleScore(float(f2.mean()), len(f2), {s: LabelScore(*c) for s, c in zip(STYLES, counts, strict=True)})


def score_style_files(truth: Path, predicted: Path) -> StyleScore:
    """Scores a submission against a list with labels, rows matched by id in any order.

    Raises FormatError for any error in either file, a file without labels, photos of the truth without a prediction,
    and predictions for other photos.
    """
    sides = []
    for path in (Path(truth), Path(predicted)):
        listed = read_style_list(path)
        if listed.labels is None:
            raise FormatError([Problem(path, None, "no labels; expected id,url,l0,...,l12 or id,l0,...,l12")])
        sides.append((path, listed, listed.labels))
    (_, asked, right), (_, answered, predicted_labels) = sides
    rows = {name: row for row, name in enumerate(answered.ids)}
    problems = _unmatched(sides[0][0], asked, sides[1][0], answered)
    problems += _unmatched(sides[1][0], answered, sides[0][0], asked)
    if problems:
        raise FormatError(problems)
    return score_styles(predicted_labels[[rows[name] for name in asked.ids]], right)


def _unmatched(path: Path, listed: StyleList, other_path: Path, other: StyleList) -> list[Problem]:
    known = set(other.ids)
    return [
        Problem(path, line, f"id {name!r} has no row in {other_path}")
        for line, name in zip(listed.lines, listed.ids, strict=True)
        if name not in known
    ]


def sample_f2(predicted: np.ndarray, truth: np.ndarray, beta: float = 2.0) -> np.ndarray:
    """(N,) float64: F-beta of the labels of every photo, from two (N, C) bool arrays; their mean is JingDong's score.

    F is (1 + b^2) hits / (b^2 true + predicted), which leaves only a photo without true and predicted labels open:
    nothing to find and nothing claimed counts 1. Raises ValueError for shapes that differ.
    """
    predicted, truth = np.asarray(predicted, bool), np.asarray(truth, bool)
    if predicted.shape != truth.shape or truth.ndim != 2:
        raise ValueError(f"expected predicted and true labels (N, C); got {predicted.shape} and {truth.shape}")
    return _f_beta((predicted & truth).sum(axis=1), predicted.sum(axis=1), truth.sum(axis=1), beta)


def tune_thresholds(probabilities: np.ndarray, truth: np.ndarray, beta: float = 2.0, rounds: int = 50) -> np.ndarray:
    """(C,) float64 thresholds; a label is predicted if its probability is at least its threshold.

    Coordinate ascent on the mean of `sample_f2`: starting from the best common threshold in steps of 0.01, each label
    in turn takes the best of all its thresholds, while the others stay, until no label changes. The gain of a photo's
    score from one more label does not depend on the threshold, so sorting by probability tries all of them at once. A
    threshold lies midway between the probabilities on its sides; it is above 1 only to exclude a probability of 1. The
    result is a local optimum on these photos: tune on validation photos and expect less elsewhere.

    probabilities: (N, C) in 0..1. truth: (N, C) bool. Raises ValueError for shapes that differ, no photo, or
    probabilities outside 0..1.
    """
    probabilities, truth = np.asarray(probabilities, np.float64), np.asarray(truth, bool)
    if not len(truth) or not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("tuning thresholds needs photos, with probabilities between 0 and 1")
    common = np.arange(1, 100) / 100
    start = common[np.argmax([sample_f2(probabilities >= t, truth, beta).mean() for t in common])]
    on, size = probabilities >= start, truth.sum(axis=1)
    for _ in range(rounds):
        changed = False
        for c in range(truth.shape[1]):
            hits = (on & truth).sum(axis=1) - (on & truth)[:, c]
            count = on.sum(axis=1) - on[:, c]
            off = _f_beta(hits, count, size, beta)
            gain = _f_beta(hits + truth[:, c], count + 1, size, beta) - off
            best = _best_cut(probabilities[:, c], gain)
            if gain[best].sum() > gain[on[:, c]].sum() + 1e-9:
                on[:, c], changed = best, True
        if not changed:
            break
    return np.array([_between(probabilities[~on[:, c], c], probabilities[on[:, c], c]) for c in range(truth.shape[1])])


def _best_cut(values: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """(N,) bool: the photos of the largest `values` with the highest total gain; the fewest for equal totals."""
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    # Photos of equal probability go together, so a cut lies only where the value changes. Cut 0 takes none.
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    cut = int(np.argmax(np.append(0.0, np.cumsum(gain[order])[ends])))
    return values >= ranked[ends[cut - 1]] if cut else np.zeros(len(values), bool)


def _between(below: np.ndarray, above: np.ndarray) -> float:
    """The middle between the largest value below and the smallest above; 0 and 1 replace a missing one."""
    low = below.max(initial=0.0)
    high = above.min(initial=1.0) if len(above) or low < 1 else np.nextafter(1, 2)
    middle = (low + high) / 2
    return float(middle if middle > low else high)


def _f_beta(hits: np.ndarray, predicted: np.ndarray, true: np.ndarray, beta: float) -> np.ndarray:
    whole = beta**2 * true + predicted
    return np.divide((1 + beta**2) * hits, whole, out=np.ones(len(whole)), where=whole > 0)
