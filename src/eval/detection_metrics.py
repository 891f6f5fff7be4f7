"""Scores of detected garments: average precision as COCO defines it, recall, confusions and false alarms.

Average precision (AP) is computed by pycocotools, COCO's own code. The other scores are about pairs: detected and true
garments whose boxes overlap by at least `iou` are paired one to one, from the highest score to the lowest, each with
the unpaired one of the largest overlap. Boxes in a crowd count neither as found nor as false alarms.
"""

from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import numpy as np

from ..boxes import Detections, areas, no_detections, overlaps
from ..geometry import Size
from .calibration import Reliability, reliability
from .keypoint_metrics import KeypointScore

LARGE = 0.05
"""Share of the photo above which a box is large, as for a person who fills the photo."""
COUNTED = 100
"""Maximum number of boxes of a photo and category that AP uses, those with the highest scores, as in COCO."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPhoto:
    """True and detected boxes of one photo, in px of that photo.

    crowd: boxes of many garments each. size: None if unknown; then no box is large or small.
    """

    true: Detections
    found: Detections
    crowd: Detections = field(default_factory=no_detections)
    size: Size | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Precision:
    """AP and AR of C categories, (C,) fractions each, NaN for one without a true garment.

    ap: mean of AP at IoU 0.50, 0.55 ... 0.95. ap50, ap75: at IoU 0.5 and 0.75. ar: mean recall over the same IoU with
    at most COUNTED boxes, those with the highest scores. curve: (C, 101) the highest precision at a recall of at least
    0, 0.01 ... 1, at IoU 0.5.
    """

    ap: np.ndarray
    ap50: np.ndarray
    ap75: np.ndarray
    ar: np.ndarray
    curve: np.ndarray


@dataclass(frozen=True, slots=True)
class Rates:
    """Numbers of true, detected and paired garments. ignored: detected ones in crowds."""

    true: int
    predicted: int
    paired: int
    ignored: int = 0

    @property
    def recall(self) -> float:
        """Share of the true garments that were found; NaN for none."""
        return self.paired / self.true if self.true else float("nan")

    @property
    def precision(self) -> float:
        """Share of the detected garments that are true; NaN for none."""
        counted = self.predicted - self.ignored
        return self.paired / counted if counted else float("nan")

    @property
    def false_alarms(self) -> int:
        return self.predicted - self.ignored - self.paired


@dataclass(frozen=True, slots=True, eq=False)
class DetectionScore:
    """The score of a set of photos; values that could not be measured are NaN.

    rates, per_category: of pairs of one category at `iou`. by_area: (true, paired) garments whose box covers at most
    and more than LARGE of the photo. confusion: (C, C + 1) counts, of pairs of any categories: a row is the true
    category, a column the detected one, the last column unpaired true garments. reliability: of the scores, None if
    there are none. keypoints: the score of the keypoints of pairs, None without keypoints.
    """

    categories: tuple[str, ...]
    photos: int
    iou: float
    precision: Precision
    rates: Rates
    per_category: tuple[Rates, ...]
    by_area: tuple[tuple[int, int], tuple[int, int]]
    confusion: np.ndarray
    reliability: Reliability | None
    keypoints: KeypointScore | None = None

    @property
    def false_alarms_per_photo(self) -> float:
        return self.rates.false_alarms / self.photos

    def mean(self, name: str) -> float:
        """The mean of `ap`, `ap50`, `ap75` or `ar` over the categories that have true garments."""
        values = getattr(self.precision, name)
        return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")

    def to_json(self) -> dict:
        """Plain numbers for `json.dumps`, None for NaN."""
        names = ("ap", "ap50", "ap75", "ar")
        (small, small_found), (large, large_found) = self.by_area
        return {
            **{name: _plain(self.mean(name)) for name in names},
            "iou": self.iou,
            "photos": self.photos,
            **_rates_to_json(self.rates),
            "false_alarms_per_photo": self.false_alarms_per_photo,
            "per_category": {
                category: {name: _plain(getattr(self.precision, name)[c]) for name in names} | _rates_to_json(rates)
                for c, (category, rates) in enumerate(zip(self.categories, self.per_category, strict=True))
            },
            "small": {"true": small, "paired": small_found},
            "large": {"true": large, "paired": large_found},
            "confusion": {"categories": list(self.categories), "counts": self.confusion.tolist()},
            "reliability": None if self.reliability is None else self.reliability.to_json(),
            "keypoints": None if self.keypoints is None else self.keypoints.to_json(),
        }


def score_detections(
    photos: Sequence[ScoredPhoto], categories: Sequence[str], iou: float = 0.5, has_scores: bool = True
) -> DetectionScore:
    """Scores the boxes detected in photos. The categories of all boxes are indices of `categories`.

    has_scores: whether the scores are real; without them there is no reliability. For the reliability, a detection is
    correct if it overlaps a true garment of its category by `iou` or more. Raises ValueError for no photo, an IoU
    outside 0 (exclusive) to 1, and a category that is not an index; ImportError without pycocotools.
    """
    if not photos:
        raise ValueError("there is nothing to score: no photos")
    if not 0 < iou <= 1:
        raise ValueError(f"an IoU of {iou:g}; expected a number above 0, at most 1")
    count = len(categories)
    for part in (part for photo in photos for part in (photo.true, photo.found, photo.crowd)):
        if len(part) and not (part.category.min() >= 0 and part.category.max() < count):
            raise ValueError(f"a category that is none of the {count}: {part.category.tolist()[:5]}")
    counts = np.zeros((4, count), int)  # true, predicted, paired, ignored
    area = np.zeros((2, 2), int)  # small and large; true and paired
    confusion = np.zeros((count, count + 1), int)
    confidence, correct = [], []
    for photo in photos:
        true, found = photo.true, photo.found
        partner = pairs(found, true, iou)
        ignored = (partner < 0) & in_crowd(found, photo.crowd, iou)
        hit = np.zeros(len(true), bool)
        hit[partner[partner >= 0]] = True
        for row, category in enumerate((true.category, found.category, true.category[hit], found.category[ignored])):
            counts[row] += np.bincount(category, minlength=count)
        if photo.size is not None:
            large = (areas(true.boxes) > LARGE * photo.size[0] * photo.size[1]).astype(int)
            area += np.stack([np.bincount(large, minlength=2), np.bincount(large[hit], minlength=2)], axis=1)
        any_partner = pairs(found, true, iou, same_category=False)
        column = np.full(len(true), count)
        column[any_partner[any_partner >= 0]] = found.category[any_partner >= 0]
        np.add.at(confusion, (true.category, column), 1)
        there = (overlaps(found.boxes, true.boxes) >= iou) & (found.category[:, None] == true.category)
        confidence.append(found.score[~ignored])
        correct.append(there.any(axis=1)[~ignored])
    rates = [Rates(*column) for column in counts.T.tolist()]
    (small, large), scored = area.tolist(), has_scores and sum(map(len, confidence)) > 0
    return DetectionScore(
        tuple(categories),
        len(photos),
        iou,
        average_precision(photos, count),
        Rates(*counts.sum(axis=1).tolist()),
        tuple(rates),
        (tuple(small), tuple(large)),
        confusion,
        reliability(np.concatenate(confidence), np.concatenate(correct)) if scored else None,
    )


def pairs(found: Detections, true: Detections, iou: float, same_category: bool = True) -> np.ndarray:
    """(N,) int: the index of the true garment that each detected one is paired with, -1 for none.

    From the highest score to the lowest, for equal ones in order, each is paired with the unpaired one of the largest
    overlap.
    """
    share = overlaps(found.boxes, true.boxes)
    if same_category:
        share = np.where(found.category[:, None] == true.category, share, -1.0)
    partner = np.full(len(found), -1)
    if not len(true):
        return partner
    for i in np.argsort(-found.score, kind="stable"):
        j = int(share[i].argmax())
        if share[i, j] >= iou:
            partner[i] = j
            share[:, j] = -1
    return partner


def in_crowd(found: Detections, crowd: Detections, iou: float) -> np.ndarray:
    """(N,) bool: which boxes lie in a crowd of the same category with a share of at least `iou`."""
    low = np.maximum(found.boxes[:, None, :2], crowd.boxes[None, :, :2])
    high = np.minimum(found.boxes[:, None, 2:], crowd.boxes[None, :, 2:])
    share = np.prod(np.maximum(high - low, 0), axis=-1) / areas(found.boxes)[:, None]
    return ((share >= iou) & (found.category[:, None] == crowd.category)).any(axis=1)


def average_precision(photos: Sequence[ScoredPhoto], categories: int) -> Precision:
    """AP and AR as COCO defines them. Raises ImportError without pycocotools."""
    from pycocotools.cocoeval import COCOeval  # of the extra for scores of boxes

    true = [
        (i, part.boxes[j], int(part.category[j]), {"iscrowd": crowd})
        for i, photo in enumerate(photos)
        for crowd, part in ((0, photo.true), (1, photo.crowd))
        for j in range(len(part))
    ]
    found = [
        (i, photo.found.boxes[j], int(photo.found.category[j]), {"iscrowd": 0, "score": float(photo.found.score[j])})
        for i, photo in enumerate(photos)
        for j in range(len(photo.found))
    ]
    with redirect_stdout(StringIO()):
        evaluation = COCOeval(_coco(true, len(photos), categories), _coco(found, len(photos), categories), "bbox")
        # One group of all sizes, instead of COCO's three groups by px.
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e15]], ["all"]
        evaluation.params.maxDets = [COUNTED]
        evaluation.evaluate()
        evaluation.accumulate()
    # (10 IoU, 101 recalls, C, 1, 1) and (10 IoU, C, 1, 1); -1 if there is no true garment.
    precision, recall = (evaluation.eval[name][..., 0, 0] for name in ("precision", "recall"))
    precision, recall = (np.where(values < 0, np.nan, values) for values in (precision, recall))
    by_iou = precision.mean(axis=1)
    return Precision(by_iou.mean(axis=0), by_iou[0], by_iou[5], recall.mean(axis=0), precision[0].T)


def _coco(rows: Sequence[tuple[int, np.ndarray, int, dict[str, Any]]], photos: int, categories: int) -> Any:
    """The pycocotools object with these boxes. Ids start at 1, because it treats an id of 0 as none."""
    from pycocotools.coco import COCO

    content: Any = {
        "images": [{"id": i + 1} for i in range(photos)],
        "categories": [{"id": c + 1} for c in range(categories)],
        "annotations": [
            {
                "id": number,
                "image_id": photo + 1,
                "category_id": category + 1,
                "bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()],
                "area": float(areas(box)),
                **more,
            }
            for number, (photo, box, category, more) in enumerate(rows, start=1)
        ],
    }
    coco = COCO()
    coco.dataset = content
    coco.createIndex()
    return coco


def _rates_to_json(rates: Rates) -> dict:
    return {
        "true": rates.true,
        "predicted": rates.predicted,
        "paired": rates.paired,
        "ignored": rates.ignored,
        "false_alarms": rates.false_alarms,
        "recall": _plain(rates.recall),
        "precision": _plain(rates.precision),
    }


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
