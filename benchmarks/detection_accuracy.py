"""Measures a detector, and keypoints in its boxes, on photographs that were not used in training or selection.

    python benchmarks/detection_accuracy.py [--detector D] [--street CLONE] [--laid CLONE] [--drawn FOLDER] [--model M]

CLONE: a clone of github.com/bearpaw/clothing-co-parsing (--street) or github.com/alexeygrigorev/clothing-dataset-small
(--laid). FOLDER: made by `aifashion data synth-scenes`. On the part `report` of data/street/masks.csv: AP, the share
of garments found, and the NE of the annotated ones that are found. On the part `report` of data/photographs: how often
a garment is found, and with the right category; and how often none is found in photos without a garment.
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from aifashion.boxes import overlaps
from aifashion.data_gen.detection_sets import load_test_scenes
from aifashion.data_gen.formats.challenges import FASHIONAI
from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.data_gen.photographs import masked_scenes, read_photographs, reported
from aifashion.eval.keypoint_metrics import score_arrays
from aifashion.recognition.recognizer import load
from aifashion.serve.shipped import WORD
from aifashion.tasks.detection import IOU
from aifashion.tasks.detection_numbers import box_numbers, found_in, presence_numbers, unboxed

HOME = Path(__file__).parents[1]
STREET, LAID = HOME / "data" / "street", HOME / "data" / "photographs"


def keypoint_numbers(model: str, detector: Path, clone: Path) -> dict[str, Any]:
    """On the annotated street garments of the part `report`: the NE of those that the detector finds, with the
    category that it predicts, and how many it finds."""
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


def laid_numbers(detector: Path, clone: Path) -> dict[str, Any]:
    wanted = {p.path: p.category for p in reported(LAID) if (clone / p.path).is_file()}
    return presence_numbers(found_in(detector, unboxed(clone, wanted)), wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", type=Path, default=Path(WORD))
    parser.add_argument("--model", default="shipped", help="keypoint network")
    parser.add_argument("--street", type=Path, help="clone of clothing-co-parsing")
    parser.add_argument("--laid", type=Path, help="clone of clothing-dataset-small")
    parser.add_argument("--drawn", type=Path, help="folder of drawn scenes")
    args = parser.parse_args()
    found: dict[str, Any] = {}
    if args.street:
        scenes = masked_scenes(STREET, args.street, FASHIONAI)["report"]
        found["street"] = box_numbers(found_in(args.detector, scenes))
        found["street keypoints"] = keypoint_numbers(args.model, args.detector, args.street)
    if args.laid:
        found["laid"] = laid_numbers(args.detector, args.laid)
    if args.drawn:
        found["drawn"] = box_numbers(found_in(args.detector, load_test_scenes(args.drawn, FASHIONAI)))
    for name, numbers in found.items():
        print(name, json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
