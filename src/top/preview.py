"""`aifashion data preview`: a batch as it enters the network, augmentation and all."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from aifashion.config import AttributeConfig, KeypointConfig, attribute_preset, keypoint_preset
from aifashion.eval.drawing import contact_sheet, encoded, picture_kind
from aifashion.files import write_atomic
from aifashion.tasks.attributes import AttributeTask
from aifashion.tasks.keypoints import KeypointTask
from aifashion.tasks.kinds import Task
from aifashion.top.arguments import CHECKOUT, option_value, read_arguments, run_command, tell

PROG = "aifashion data preview"


@dataclass(frozen=True)
class Options:
    """What is drawn, and where."""

    data: Path = CHECKOUT / "data"
    """the training set, as in the training"""
    out: Path = CHECKOUT / "submission" / "preview.jpg"
    """the picture to write"""
    epoch: int = 1
    """show the augmentation of this epoch"""


@dataclass(frozen=True)
class Arguments:
    """Draw one training batch of a classifier with its labels. Give it the options of the training.

    --task keypoints draws a batch of a keypoint network; 'aifashion data preview --task keypoints --help' lists its
    options.
    """

    config: Annotated[AttributeConfig, tyro.conf.arg(name="")] = field(default_factory=AttributeConfig)
    options: Annotated[Options, tyro.conf.arg(name="")] = field(default_factory=Options)


@dataclass(frozen=True)
class KeypointArguments:
    """Draw one training batch of a keypoint network with its keypoints. Give it the options of the training."""

    config: Annotated[KeypointConfig, tyro.conf.arg(name="")] = field(default_factory=KeypointConfig)
    options: Annotated[Options, tyro.conf.arg(name="")] = field(default_factory=Options)
    task: Literal["keypoints"] = "keypoints"
    """keypoints; other tasks have other options"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command(PROG, None, arguments, preview)


def preview(arguments: Sequence[str] | None) -> None:
    task: Task
    if option_value(arguments, "--task", "all") == "keypoints":
        preset = KeypointArguments(keypoint_preset(option_value(arguments, "--network", "v11")))
        args = read_arguments(KeypointArguments, PROG, arguments, preset)
        task = KeypointTask(args.config)
    else:
        preset = Arguments(attribute_preset(option_value(arguments, "--network", "resnet50v2")))
        args = read_arguments(Arguments, PROG, arguments, preset)
        task = AttributeTask.to_train(args.config, args.options.data)
    out = args.options.out
    kind = picture_kind(out.suffix)
    train, _ = task.parts(args.options.data)
    batch = next(task.batches(train, args.options.epoch, 0, 0))
    pictures = task.pictures(train, batch)
    sheet = contact_sheet([image for image, _ in pictures], 4, [title for _, title in pictures], cell=256)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, encoded(sheet, kind, quality=92))
    tell(f"Wrote {len(pictures)} photos as they enter the network to {out}")
