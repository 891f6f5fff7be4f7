"""`aifashion score`: the official scores of predictions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

from aifashion.eval.attribute_metrics import score_attribute_files
from aifashion.eval.attribute_report import (
    draw_confusions,
    print_attribute_score,
    print_product_score,
    print_style_score,
)
from aifashion.eval.detection_files import score_detection_files
from aifashion.eval.detection_report import draw_detection_score, print_detection_score
from aifashion.eval.keypoint_files import score_keypoint_files
from aifashion.eval.product_metrics import score_product_files
from aifashion.eval.report import draw_keypoint_score, print_keypoint_score
from aifashion.eval.style_metrics import score_style_files
from aifashion.files import write_atomic
from aifashion.top.arguments import check_no_input, console, run_command, tell
from aifashion.vocabulary import Vocabulary, load_vocabulary

PICTURES = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class KeypointArguments:
    """Score predicted keypoints: NE overall, for each category and each keypoint, and the PCK curve."""

    truth: Path
    """the true keypoints: a CSV in the FashionAI format with all 24 keypoint columns, a COCO keypoints file, or another
    format of docs/formats.md"""
    predicted: Path
    """the submission to score: any of these, or for a COCO file its results (as aifashion test writes). A photo's
    garments of one category are matched by annotation ids if the results have them, else by their boxes"""
    vocabulary: Vocabulary = field(default_factory=load_vocabulary)
    """for all but CSVs: names of categories and keypoints: fashionai, deepfashion2, or the path of a TOML file"""
    json: Path | None = None
    """also write the scores to this JSON file"""
    picture: Path | None = None
    """also draw the PCK curve and the NE of every keypoint to this file (.png, .svg or .pdf)"""


@dataclass(frozen=True)
class AttributeArguments:
    """Score predicted attributes: mAP, BasicPrecision and accuracy, over all tasks and for each."""

    truth: Path
    """the true labels: rows path,task,marks with marks such as nnmyn"""
    predicted: Path
    """the submission to score: rows path,task,p0;p1;... for the same photos and tasks, in any order"""
    json: Path | None = None
    """also write the scores to this JSON file"""
    picture: Path | None = None
    """also draw the confusion matrix of every task to this file (.png, .svg or .pdf)"""


@dataclass(frozen=True)
class StyleArguments:
    """Score predicted styles: the mean F2 over the photos, and the precision and recall of each style."""

    truth: Path
    """the true labels: rows id,url,l0,...,l12"""
    predicted: Path
    """the submission to score: rows id,l0,...,l12 for the same ids, in any order"""
    json: Path | None = None
    """also write the scores to this JSON file"""


@dataclass(frozen=True)
class ProductArguments:
    """Score predicted products: the mean class error, and the fraction of photos that are right."""

    truth: Path
    """the true labels: lines with path and label"""
    predicted: Path
    """the submission to score: lines with path and label for the same paths, in any order"""
    json: Path | None = None
    """also write the scores to this JSON file"""


@dataclass(frozen=True)
class DetectionArguments:
    """Score detected garments: COCO's AP, and the share of the garments that is found, by category."""

    truth: Path
    """the true garments: a COCO data set with boxes; an annotation without one has the box of its keypoints"""
    predicted: Path
    """the detected garments: COCO results or a COCO data set, the .json table of aifashion predict, or a CSV with the
    columns photo,left,top,right,bottom or photo,x,y,width,height, optionally with category,score"""
    iou: float = 0.5
    """the smallest overlap (intersection over union) of a detected and a true garment that match; AP does not
    depend on it"""
    vocabulary: Vocabulary = field(default_factory=load_vocabulary)
    """names of the keypoints, if both files have keypoints: fashionai, deepfashion2, or the path of a TOML file"""
    json: Path | None = None
    """also write the scores to this JSON file"""
    picture: Path | None = None
    """also draw precision over recall and the reliability of the scores to this file (.png, .svg or .pdf)"""


def keypoints(arguments: Sequence[str] | None = None) -> None:
    def score(args: KeypointArguments) -> None:
        _check_outputs(args, args.json, args.picture)
        result = score_keypoint_files(args.truth, args.predicted, args.vocabulary)
        print_keypoint_score(result, console)
        _write_numbers(args.json, result.to_json())
        if args.picture is not None:
            draw_keypoint_score(result, args.picture)
            tell(f"Wrote {args.picture}")

    run_command("aifashion score keypoints", KeypointArguments, arguments, score)


def attributes(arguments: Sequence[str] | None = None) -> None:
    def score(args: AttributeArguments) -> None:
        _check_outputs(args, args.json, args.picture)
        result = score_attribute_files(args.truth, args.predicted)
        if isnan(result.map):
            raise ValueError(
                f"{args.truth}: nothing can be scored: the classes of all {result.images:,} answers of "
                f"{args.predicted} are marked m (maybe), which count nowhere"
            )
        print_attribute_score(result, console)
        _write_numbers(args.json, result.to_json())
        if args.picture is not None:
            draw_confusions(result, args.picture)
            tell(f"Wrote {args.picture}")

    run_command("aifashion score attributes", AttributeArguments, arguments, score)


def styles(arguments: Sequence[str] | None = None) -> None:
    def score(args: StyleArguments) -> None:
        _check_outputs(args, args.json)
        result = score_style_files(args.truth, args.predicted)
        print_style_score(result, console)
        _write_numbers(args.json, result.to_json())

    run_command("aifashion score styles", StyleArguments, arguments, score)


def products(arguments: Sequence[str] | None = None) -> None:
    def score(args: ProductArguments) -> None:
        _check_outputs(args, args.json)
        result = score_product_files(args.truth, args.predicted)
        print_product_score(result, console)
        _write_numbers(args.json, result.to_json())

    run_command("aifashion score products", ProductArguments, arguments, score)


def detection(arguments: Sequence[str] | None = None) -> None:
    def score(args: DetectionArguments) -> None:
        _check_outputs(args, args.json, args.picture)
        if not 0 < args.iou <= 1:
            raise ValueError(f"--iou {args.iou:g}: expected a number above 0, at most 1")
        result = score_detection_files(args.truth, args.predicted, args.vocabulary, args.iou)
        print_detection_score(result, console)
        _write_numbers(args.json, result.to_json())
        if args.picture is not None:
            draw_detection_score(result, args.picture)
            tell(f"Wrote {args.picture}")

    run_command("aifashion score detection", DetectionArguments, arguments, score)


def _check_outputs(args: Any, numbers: Path | None, picture: Path | None = None) -> None:
    """Raises ValueError where the files could not be written, before anything is scored."""
    for option, path in (("--json", numbers), ("--picture", picture)):
        check_no_input(option, path, args.truth, args.predicted)
        if path is not None and not path.absolute().parent.is_dir():
            raise ValueError(f"{option} {path}: there is no folder {path.parent}; make it, or name another file")
    if picture is not None and picture.suffix.lower() not in ("", *PICTURES):
        raise ValueError(f"--picture {picture}: expected a name that ends in {', '.join(PICTURES)}")


def _write_numbers(path: Path | None, numbers: dict) -> None:
    if path is not None:
        write_atomic(path, json.dumps(numbers, indent=1) + "\n")
        tell(f"Wrote {path}")
