"""`aifashion score`: the official scores of predictions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.eval.attribute_metrics import score_attribute_files
from aifashion.eval.attribute_report import draw_confusions, print_attribute_score
from aifashion.eval.keypoint_metrics import score_keypoints
from aifashion.eval.report import draw_keypoint_score, print_keypoint_score
from aifashion.files import write_atomic
from aifashion.top.arguments import console, run_command, tell


@dataclass(frozen=True)
class KeypointArguments:
    """Score predicted keypoints: NE overall, per category and per keypoint, and the PCK curve."""

    truth: Path
    """annotations with all 24 columns, such as the released answers"""
    predicted: Path
    """the submission to score"""
    json: Path | None = None
    """also write the numbers to this JSON file"""
    picture: Path | None = None
    """also draw the PCK curve and the NE of every keypoint to this file (.png, .svg or .pdf)"""


@dataclass(frozen=True)
class AttributeArguments:
    """Score predicted attributes: mAP, BasicPrecision and accuracy, over all tasks and for each."""

    truth: Path
    """labels (path,task,nnmyn), such as the released answers"""
    predicted: Path
    """the submission to score (path,task,p0;p1;...), with the same rows in any order"""
    json: Path | None = None
    """also write the numbers to this JSON file"""
    picture: Path | None = None
    """also draw the confusion matrix of every task to this file (.png, .svg or .pdf)"""


def keypoints(arguments: Sequence[str] | None = None) -> None:
    def score(args: KeypointArguments) -> None:
        result = score_keypoints(read_keypoint_csv(args.truth), read_keypoint_csv(args.predicted))
        print_keypoint_score(result, console)
        if args.json is not None:
            write_atomic(args.json, json.dumps(result.to_json(), indent=1) + "\n")
            tell(f"Wrote {args.json}")
        if args.picture is not None:
            draw_keypoint_score(result, args.picture)
            tell(f"Wrote {args.picture}")

    run_command("aifashion score keypoints", KeypointArguments, arguments, score)


def attributes(arguments: Sequence[str] | None = None) -> None:
    def score(args: AttributeArguments) -> None:
        result = score_attribute_files(args.truth, args.predicted)
        print_attribute_score(result, console)
        if args.json is not None:
            write_atomic(args.json, json.dumps(result.to_json(), indent=1) + "\n")
            tell(f"Wrote {args.json}")
        if args.picture is not None:
            draw_confusions(result, args.picture)
            tell(f"Wrote {args.picture}")

    run_command("aifashion score attributes", AttributeArguments, arguments, score)
