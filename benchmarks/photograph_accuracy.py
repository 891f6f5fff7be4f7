"""Measures networks on photographs of people whose photos were not used in training or selection.

    python benchmarks/photograph_accuracy.py --laid CLONE [--street CLONE] [--model M] [--attributes M] [--augment]

CLONE: a clone of github.com/alexeygrigorev/clothing-dataset-small (--laid) or github.com/bearpaw/clothing-co-parsing
(--street). On the part `report` of data/photographs: the NE with given categories, and the expected errors by the
heatmaps; the category predicted from the photo alone, on all photos of these senders; in how many photos without a
garment none is found, and how many garments are missed so; and the attributes, from the photo alone. On data/street:
the NE of worn garments with given boxes and categories.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from aifashion.data_gen.formats.challenges import FASHIONAI
from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.data_gen.formats.fashionai_attributes import read_labels
from aifashion.data_gen.photographs import (
    ANSWER,
    ATTRIBUTES,
    join_photographs,
    read_photographs,
    reported,
)
from aifashion.data_gen.spans import spans
from aifashion.eval.inference import PhotoResult, predict_photos
from aifashion.eval.keypoint_metrics import score_arrays
from aifashion.eval.uncertainty import doubt
from aifashion.recognition.keypoint_model import KeypointModel, load_keypoint_model
from aifashion.recognition.recognizer import load
from aifashion.records import NO_GARMENT, VISIBLE, Prediction, Sample

HOME = Path(__file__).parents[1]
BATCH = 16


def results(model: KeypointModel, samples: Sequence[Sample]) -> Iterator[PhotoResult]:
    return predict_photos(
        model.maps,
        samples,
        model.config.vocabulary,
        model.config.codec,
        model.decoder,
        BATCH,
        visibility=model.visibility,
    )


def keypoint_numbers(model: KeypointModel, annotations: Path, clone: Path) -> dict[str, object]:
    """The NE of the part `report` with given categories: over all, by category and by keypoint."""
    with tempfile.TemporaryDirectory() as folder:
        join_photographs(annotations, clone, Path(folder) / "set")
        truth = read_keypoint_csv(Path(folder) / "set" / ANSWER, Path(folder) / "set" / "test")
        answers = [r.prediction for r in results(model, truth)]
    points = [s.keypoints for s in truth if s.keypoints is not None]
    score = score_arrays(
        np.stack([p.xy for p in answers if p]),
        np.stack([p.xy for p in points]),
        np.stack([p.state for p in points]),
        [str(s.category) for s in truth],
        FASHIONAI,
    )
    return {
        "garments": len(truth),
        "ne": score.ne,
        "expected": expected_numbers(answers, truth),
        "by_category": score.per_category,
        "by_keypoint": score.per_keypoint,
        **spread(answers, truth),
    }


def expected_numbers(answers: Sequence[Prediction | None], truth: Sequence[Sample]) -> dict[str, float]:
    """Means of the expected and of the true errors of the garments, and their rank correlation.

    The true error of a keypoint counts as one span at most.
    """
    expected, true = [], []
    for answer, sample in zip(answers, truth, strict=True):
        errors = None if answer is None else _in_spans(answer, sample)
        if answer is not None and errors is not None:
            expected.append(doubt(answer, None, None, FASHIONAI).error)
            true.append(float(np.minimum(errors, 1).mean()))
    correlation = spearmanr(expected, true).statistic  # pyright: ignore[reportAttributeAccessIssue]
    return {"mean": float(np.mean(expected)), "true": float(np.mean(true)), "rank_correlation": float(correlation)}


def _in_spans(answer: Prediction, sample: Sample) -> np.ndarray | None:
    """Errors of the visible keypoints in spans; None if none is visible or there is no span."""
    points = sample.keypoints
    if points is None or not (points.state == VISIBLE).any():
        return None
    (span,) = spans(points.xy[None], points.state[None], [str(sample.category)], FASHIONAI)
    if np.isnan(span):
        return None
    return (np.linalg.norm(answer.xy - points.xy, axis=1) / span)[points.state == VISIBLE]


def spread(answers: Sequence[Prediction | None], truth: Sequence[Sample]) -> dict[str, float]:
    """The median error of a keypoint; the number of garments with an NE above 20%, and the mean NE of the others."""
    pairs = [(answer, sample) for answer, sample in zip(answers, truth, strict=True) if answer is not None]
    found = [_in_spans(answer, sample) for answer, sample in pairs]
    errors = [each for each in found if each is not None]
    garments = np.array([each.mean() for each in errors])
    return {
        "median": float(np.median(np.concatenate(errors))),
        "garments_above_20%": int((garments > 0.2).sum()),
        "ne_of_the_others": float(garments[garments <= 0.2].mean()),
    }


def category_numbers(model: KeypointModel, annotations: Path, clone: Path) -> dict[str, object]:
    """How often the network predicts the right category, and whether there is a garment."""
    photos = [photo for photo in reported(annotations) if (clone / photo.path).is_file()]
    answers = [r.prediction for r in results(model, [Sample(p.path, clone / p.path, None) for p in photos])]
    pairs = [(photo, answer) for photo, answer in zip(photos, answers, strict=True) if answer is not None]
    right = [answer.category == photo.category for photo, answer in pairs if photo.category != NO_GARMENT]
    said_none = [not answer.found for photo, answer in pairs if photo.category == NO_GARMENT]
    lost = [not answer.found for photo, answer in pairs if photo.category != NO_GARMENT]
    return {
        "photos": len(right),
        "category_right": float(np.mean(right)),
        "without_garment": len(said_none),
        "said_to_show_none": float(np.mean(said_none)),
        "garments_lost": float(np.mean(lost)),
    }


def attribute_numbers(model: str, attributes: str, annotations: Path, clone: Path) -> dict[str, object]:
    """How often the most probable class of an attribute is the best one, or one marked as possible (maybe).

    Only tasks of the annotated category count; categories are given.
    """
    parts = {photo.path: photo for photo in read_photographs(annotations) if photo.part == "report"}
    rows = [row for row in read_labels(annotations / ATTRIBUTES) if row.path in parts]
    recognizer = load(model, attributes)
    best: dict[str, list[bool]] = {}
    maybe: dict[str, list[bool]] = {}
    for category in FASHIONAI.categories:
        paths = sorted({row.path for row in rows if parts[row.path].category == category})
        found = dict(zip(paths, recognizer([clone / path for path in paths], category=category), strict=True))
        classes = {head.name: head.classes for head in recognizer.heads}
        for row in rows:
            if row.path in found:
                probabilities = found[row.path].attributes[row.task].probabilities
                letter = row.value[int(np.argmax([probabilities[name] for name in classes[row.task]]))]
                best.setdefault(row.task, []).append(letter == "y")
                maybe.setdefault(row.task, []).append(letter in "ym")
    every = [hit for hits in best.values() for hit in hits]
    return {
        "labels": len(every),
        "best": float(np.mean(every)),
        "best_or_maybe": float(np.mean([hit for hits in maybe.values() for hit in hits])),
        "best_by_task": {task: float(np.mean(hits)) for task, hits in sorted(best.items())},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--laid", type=Path, help="clone of clothing-dataset-small")
    parser.add_argument("--street", type=Path, help="clone of clothing-co-parsing")
    parser.add_argument("--model", default="shipped")
    parser.add_argument("--attributes", default=None, help="with it, attributes are scored as well")
    parser.add_argument("--augment", action="store_true", help="ten passes")
    args = parser.parse_args()
    model = load_keypoint_model(Path(args.model), augment=args.augment)
    if args.laid:
        laid = HOME / "data" / "photographs"
        print("laid", json.dumps(keypoint_numbers(model, laid, args.laid), indent=1))
        print("categories", json.dumps(category_numbers(model, laid, args.laid), indent=1))
        if args.attributes:
            print("attributes", json.dumps(attribute_numbers(args.model, args.attributes, laid, args.laid), indent=1))
    if args.street:
        print("street", json.dumps(keypoint_numbers(model, HOME / "data" / "street", args.street), indent=1))


if __name__ == "__main__":
    main()
