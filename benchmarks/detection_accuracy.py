"""How right a detector is on photographs that no training and no choice has seen, and the keypoints of what it finds.

    python benchmarks/detection_accuracy.py --detector D [--street CLONE] [--laid CLONE] [--drawn FOLDER] [--model M]

CLONE: of github.com/bearpaw/clothing-co-parsing, and of github.com/alexeygrigorev/clothing-dataset-small. FOLDER: of
`aifashion data synth-scenes`. Of the photos of data/street/masks.csv of the part `report`: AP, the share of garments
that are found, and the NE of the annotated ones that are found. Of the part `report` of data/photographs: how often a
garment is found, and its category right; and of photos without a garment, how often none is.
"""

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from aifashion.boxes import no_detections, overlaps
from aifashion.data_gen.detection_sets import load_test_scenes, scenes_of_masks
from aifashion.data_gen.formats.challenges import FASHIONAI
from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.data_gen.formats.label_masks import read_label_categories, read_mask_corrections
from aifashion.data_gen.formats.scenes import Scene
from aifashion.data_gen.images import image_size
from aifashion.data_gen.photographs import read_photographs
from aifashion.eval.detection import UNCALIBRATED
from aifashion.eval.detection_metrics import ScoredPhoto, score_detections
from aifashion.eval.keypoint_metrics import score_arrays
from aifashion.recognition.recognizer import load
from aifashion.records import NO_GARMENT
from aifashion.tasks.detection import IOU, DetectionTask

HOME = Path(__file__).parents[1]
STREET, LAID = HOME / "data" / "street", HOME / "data" / "photographs"


def answers(detector: str, scenes: Sequence[Scene]) -> tuple[list[ScoredPhoto], list[ScoredPhoto]]:
    """All boxes with their probabilities, and those that are told."""
    task, detect, found = DetectionTask.of_model(Path(detector), None)
    calibration = found or UNCALIBRATED
    every = task.answers(detect, list(scenes), lambda name: print("cannot be read:", name), calibration)
    told = [replace(p, found=p.found.select(p.found.score >= calibration.threshold)) for p in every]
    return every, told


def detection_numbers(detector: str, scenes: Sequence[Scene]) -> dict[str, Any]:
    every, told = answers(detector, scenes)
    categories = FASHIONAI.categories
    whole, score = score_detections(every, categories, IOU), score_detections(told, categories, IOU)
    (_, _), (large, large_found) = score.by_area
    return {
        "photos": len(every),
        "garments": score.rates.true,
        "ap50": whole.mean("ap50"),
        "ap": whole.mean("ap"),
        "ap50_by_category": dict(zip(categories, whole.precision.ap50.tolist(), strict=True)),
        "found": score.rates.recall,
        "found_of_over_5%_of_the_photo": large_found / max(large, 1),
        "right_of_those_told": score.rates.precision,
        "false_alarms_a_photo": score.false_alarms_per_photo,
        "found_of_any_category": 1 - score.confusion[:, -1].sum() / max(score.confusion.sum(), 1),
        "ece": None if whole.reliability is None else whole.reliability.ece,
    }


def street_scenes(clone: Path) -> list[Scene]:
    with (STREET / "masks.csv").open(newline="") as file:
        wanted = {Path(row["photo"]).stem for row in csv.DictReader(file) if row["part"] == "report"}
    labels = read_label_categories(STREET / "labels.csv", FASHIONAI)
    corrections = read_mask_corrections(STREET / "mask_corrections.csv", FASHIONAI)
    scenes = scenes_of_masks(clone / "photos", clone / "annotations" / "pixel-level", labels, corrections)
    return [scene for scene in scenes if scene.path.stem in wanted]


def keypoint_numbers(model: str, detector: str, clone: Path) -> dict[str, Any]:
    """Of the annotated street garments of the part `report`: the NE where the detector finds them, and how many it
    does, with the category that it says."""
    report = {photo.path for photo in read_photographs(STREET) if photo.part == "report"}
    truth = [sample for sample in read_keypoint_csv(STREET / "keypoints.csv", clone) if sample.image_id in report]
    with (STREET / "boxes.csv").open(newline="") as file:
        sides = ("left", "top", "right", "bottom")
        boxes = {row["photo"]: np.array([[float(row[side]) for side in sides]]) for row in csv.DictReader(file)}
    recognizer = load(model, detector=detector)
    found, pairs = 0, []
    for sample in truth:
        garments = [g for g in recognizer.garments(sample.path) if g.box is not None]
        share = [float(overlaps(np.array([g.box]), boxes[sample.image_id])[0, 0]) for g in garments]
        same = [(s, g) for s, g in zip(share, garments, strict=True) if s >= IOU and g.category == sample.category]
        found += any(s >= IOU for s in share)
        if same:
            pairs.append((max(same, key=lambda pair: pair[0])[1].prediction, sample))
    points = [sample.keypoints for _, sample in pairs if sample.keypoints is not None]
    score = score_arrays(
        np.stack([p.xy for p, _ in pairs]),
        np.stack([p.xy for p in points]),
        np.stack([p.state for p in points]),
        [str(sample.category) for _, sample in pairs],
        FASHIONAI,
    )
    return {
        "garments": len(truth),
        "found": found / len(truth),
        "found_with_the_category": len(pairs) / len(truth),
        "ne_of_those": score.ne,
        "by_category": score.per_category,
    }


def laid_numbers(detector: str, clone: Path) -> dict[str, Any]:
    photos = read_photographs(LAID)
    senders = {photo.sender for photo in photos if photo.part == "report"}
    wanted = [photo for photo in photos if photo.sender in senders and (clone / photo.path).is_file()]
    scenes = [
        Scene(p.path, clone / p.path, no_detections(), np.zeros((0, 4)), image_size(clone / p.path)) for p in wanted
    ]
    _, told = answers(detector, scenes)
    best = [FASHIONAI.categories[p.found.category[p.found.score.argmax()]] if len(p.found) else None for p in told]
    garments = [(photo, name) for photo, name in zip(wanted, best, strict=True) if photo.category != NO_GARMENT]
    others = [name for photo, name in zip(wanted, best, strict=True) if photo.category == NO_GARMENT]
    return {
        "photos": len(garments),
        "found": float(np.mean([name is not None for _, name in garments])),
        "category_right": float(np.mean([name == photo.category for photo, name in garments])),
        "without_garment": len(others),
        "said_to_show_none": float(np.mean([name is None for name in others])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", required=True)
    parser.add_argument("--model", default="shipped", help="keypoint network")
    parser.add_argument("--street", type=Path, help="clone of clothing-co-parsing")
    parser.add_argument("--laid", type=Path, help="clone of clothing-dataset-small")
    parser.add_argument("--drawn", type=Path, help="folder of drawn scenes")
    args = parser.parse_args()
    found: dict[str, Any] = {}
    if args.street:
        found["street"] = detection_numbers(args.detector, street_scenes(args.street))
        found["street keypoints"] = keypoint_numbers(args.model, args.detector, args.street)
    if args.laid:
        found["laid"] = laid_numbers(args.detector, args.laid)
    if args.drawn:
        found["drawn"] = detection_numbers(args.detector, load_test_scenes(args.drawn, FASHIONAI))
    for name, numbers in found.items():
        print(name, json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
