"""Trains a detector of garments: `aifashion train-detection --data data/scenes`."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from aifashion.config import DetectionConfig, detection_preset
from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import is_shipped, shipped
from aifashion.tasks.detection import DetectionTask
from aifashion.tasks.training_options import TrainingOptions
from aifashion.top.arguments import option_value, run_command
from aifashion.top.train import train_from

PROG = "aifashion train-detection"


@dataclass(frozen=True)
class Arguments:
    """Train a detector, which finds all garments in a photo."""

    config: Annotated[DetectionConfig, tyro.conf.arg(name="")] = field(default_factory=DetectionConfig)
    options: Annotated[TrainingOptions, tyro.conf.arg(name="")] = field(default_factory=TrainingOptions)


def main(arguments: Sequence[str] | None = None) -> None:
    run_command(PROG, None, arguments, train)


def train(arguments: Sequence[str] | None) -> None:
    train_from(PROG, arguments, Arguments(preset(arguments)), DetectionTask)


def preset(arguments: Sequence[str] | None) -> DetectionConfig:
    """What a training does unless asked otherwise; from the shipped detector, the same network at the same size."""
    if not is_shipped(option_value(arguments, "--weights", "auto")):
        return detection_preset(option_value(arguments, "--network", "lite"))
    trained = Manifest.read(shipped("detection")).detection_config
    return dataclasses.replace(
        detection_preset(option_value(arguments, "--network", trained.network)), size=trained.size
    )


if __name__ == "__main__":
    main()
