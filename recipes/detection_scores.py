"""Scores a detector for its card, a step of `photograph_networks.py`.

On the street photos with masks of the part `report` and on drawn scenes that were not used in training: AP, the share
of garments found, and the calibration error of the probabilities. On all laid photos of the people of the part
`report`: whether a garment is found, with the right category, and whether none is found in photos of hats and shoes.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograph_arguments import LISTS

from aifashion.data_gen.detection_sets import load_test_scenes
from aifashion.data_gen.photographs import masked_scenes, reported
from aifashion.files import write_atomic
from aifashion.recognition.detection_model import load_detection_model
from aifashion.tasks.detection_numbers import box_numbers, found_in, presence_numbers, unboxed
from aifashion.top.arguments import make_folder, run_command, tell

FILE = "detection.json"


@dataclass(frozen=True)
class ScoreArguments:
    """Score a detector on photographs that were not used in training, and on drawn scenes."""

    detector: Path
    """an artifact, or a run"""
    worn: Path
    """clone of github.com/bearpaw/clothing-co-parsing, with its masks"""
    laid: Path
    """clone of github.com/alexeygrigorev/clothing-dataset-small"""
    drawn: Path
    """folder of aifashion data synth-scenes, with its test photos"""
    out: Path
    """folder for detection.json"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("python recipes/detection_scores.py", ScoreArguments, arguments, score_detector)


def score_detector(args: ScoreArguments) -> None:
    make_folder("--out", args.out)
    vocabulary = load_detection_model(args.detector).vocabulary
    laid = {photo.path: photo.category for photo in reported(LISTS["laid"]) if (args.laid / photo.path).is_file()}
    worn = masked_scenes(LISTS["worn"], args.worn, vocabulary)["report"]
    scores = {
        "worn": box_numbers(found_in(args.detector, worn)),
        "drawn": box_numbers(found_in(args.detector, load_test_scenes(args.drawn, vocabulary))),
        "laid": presence_numbers(found_in(args.detector, unboxed(args.laid, laid)), laid),
    }
    write_atomic(args.out / FILE, json.dumps(_known(scores), indent=1, allow_nan=False) + "\n")
    tell(f"Wrote {args.out / FILE}")


def _known(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Replaces NaN (not measured) by null, since JSON has no NaN."""
    return {
        name: _known(value)
        if isinstance(value, Mapping)
        else None
        if isinstance(value, float) and math.isnan(value)
        else value
        for name, value in scores.items()
    }


if __name__ == "__main__":
    main()
