"""`aifashion data preview`: a batch as it enters the network, augmentation and all."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import tyro

from aifashion.config import AttributeConfig, KeypointConfig, attribute_preset, keypoint_preset
from aifashion.eval.drawing import contact_sheet, encoded, picture_kind
from aifashion.files import write_atomic
from aifashion.tasks.attributes import AttributeTask
from aifashion.tasks.keypoints import KeypointTask
from aifashion.tasks.kinds import Task
from aifashion.top.arguments import CHECKOUT, option_value, read_arguments, run_command, tell

PROG = "aifashion data preview"
LATER = (
    *("layers", "length_heads", "task_weights", "epochs", "optimizer", "schedule", "learning_rate", "warmup_epochs"),
    *("weight_decay", "clip_norm", "ema", "precision", "hard_fraction", "category_weight", "dropout", "decoder", "tag"),
)
"""Options of a training that do not change its batches. The command takes them, so that the line of the training can be
given as it is, but its help is about the others."""


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
    """Draw one training batch of a classifier with its labels. Give it the options of the training; those that do not
    change a batch, such as --epochs, are taken as well and not listed here.

    --task keypoints draws a batch of a keypoint network; 'aifashion data preview --task keypoints --help' lists its
    options.
    """

    config: Annotated[AttributeConfig, tyro.conf.arg(name="")] = field(default_factory=AttributeConfig)
    options: Annotated[Options, tyro.conf.arg(name="")] = field(default_factory=Options)


@dataclass(frozen=True)
class KeypointArguments:
    """Draw one training batch of a keypoint network with its keypoints. Give it the options of the training; those that
    do not change a batch, such as --epochs, are taken as well and not listed here."""

    config: Annotated[KeypointConfig, tyro.conf.arg(name="")] = field(default_factory=KeypointConfig)
    options: Annotated[Options, tyro.conf.arg(name="")] = field(default_factory=Options)
    task: Literal["keypoints"] = "keypoints"
    """keypoints; other tasks have other options"""


def _shorter(preset: Any) -> Any:
    """The arguments with the options of `LATER` hidden. The parser does not take what it hides: this is for --help."""
    config = preset.config
    hints = get_type_hints(type(config))
    hidden = [
        (part.name, Annotated[hints[part.name], tyro.conf.Suppress], field(default=part.default))
        for part in fields(config)
        if part.name in LATER
    ]
    kind = make_dataclass(type(config).__name__, hidden, bases=(type(config),), frozen=True)
    default = kind(**{part.name: getattr(config, part.name) for part in fields(config)})
    parts = [("config", Annotated[kind, tyro.conf.arg(name="")], field(default=default))]
    namespace = {"__doc__": type(preset).__doc__}
    return make_dataclass(type(preset).__name__, parts, bases=(type(preset),), frozen=True, namespace=namespace)()


def _read(preset: Any, arguments: Sequence[str] | None) -> Any:
    shown = _shorter(preset) if {"-h", "--help"} & set(arguments or ()) else preset
    return read_arguments(type(shown), PROG, arguments, shown)


def main(arguments: Sequence[str] | None = None) -> None:
    run_command(PROG, None, arguments, preview)


def preview(arguments: Sequence[str] | None) -> None:
    task: Task
    if option_value(arguments, "--task", "all") == "keypoints":
        args = _read(KeypointArguments(keypoint_preset(option_value(arguments, "--network", "v11"))), arguments)
        task = KeypointTask(args.config)
    else:
        args = _read(Arguments(attribute_preset(option_value(arguments, "--network", "resnet50v2"))), arguments)
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
