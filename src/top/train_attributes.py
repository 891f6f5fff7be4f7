"""Trains a classifier: `aifashion train-attributes --task skirt_length --network resnet152v2`."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from aifashion.config import PRODUCT, STYLE, AttributeConfig, attribute_preset
from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import is_shipped, shipped
from aifashion.tasks.attribute_data import crop_rule_of
from aifashion.tasks.attributes import AttributeTask
from aifashion.tasks.training_options import TrainingOptions
from aifashion.top.arguments import choose_device, console, option_value, read_arguments, run_command

PROG = "aifashion train-attributes"


@dataclass(frozen=True)
class Arguments:
    """Train a classifier of garment attributes, styles or products."""

    config: Annotated[AttributeConfig, tyro.conf.arg(name="")] = field(default_factory=AttributeConfig)
    options: Annotated[TrainingOptions, tyro.conf.arg(name="")] = field(default_factory=TrainingOptions)
    classes: int | None = None
    """for --task product: number of classes; by default as many as the lists name"""
    class_names: Path | None = None
    """for --task product: a text file with the name of each class, one per line"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command(PROG, None, arguments, train)


def train(arguments: Sequence[str] | None) -> None:
    args = read_arguments(Arguments, PROG, arguments, Arguments(preset(arguments)))
    given = [name for name in ("classes", "class_names") if getattr(args, name) is not None]
    if given and args.config.task != PRODUCT:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ValueError(f"only --task {PRODUCT} takes {options}; the classes of {args.config.task} are known")
    choose_device(args.options.gpu_id)
    from aifashion.tasks.training import train_network  # Keras loads here

    def read_over(config: AttributeConfig) -> AttributeConfig:
        return read_arguments(Arguments, PROG, arguments, dataclasses.replace(args, config=config)).config

    config, data = args.config, args.options.data
    if not args.options.resume:
        # The command line has the kind of the crops alone; margin and threshold are those of the photos.
        rule = crop_rule_of(data)
        config = dataclasses.replace(config, crop=rule) if rule.kind == config.crop.kind else config
    task = AttributeTask.to_train(config, data, args.classes, args.class_names)
    train_network(task, args.options, console, read_over, bool(option_value(arguments, "--epochs", "")))


def preset(arguments: Sequence[str] | None) -> AttributeConfig:
    """What a training does unless asked otherwise; from the shipped classifier, with its backbone and size.

    Of FashionAI's tasks with its crops as well: styles and products come as whole photos, which nothing here crops.
    """
    if not is_shipped(option_value(arguments, "--weights", "auto")):
        return attribute_preset(option_value(arguments, "--network", "resnet50v2"))
    trained = Manifest.read(shipped("attributes")).attribute_config
    config = attribute_preset(option_value(arguments, "--network", trained.network))
    whole = option_value(arguments, "--task", config.task) in (STYLE, PRODUCT)
    return dataclasses.replace(config, size=trained.size, crop=config.crop if whole else trained.crop)


if __name__ == "__main__":
    main()
