"""Trains a keypoint network: `aifashion train --category all --network v11 --epochs 30`."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import tyro

from aifashion.config import KeypointConfig, keypoint_preset
from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import is_shipped, shipped
from aifashion.tasks.keypoints import KeypointTask
from aifashion.tasks.kinds import Task
from aifashion.tasks.training_options import TrainingOptions
from aifashion.top.arguments import choose_device, console, option_value, read_arguments, run_command

PROG = "aifashion train"


@dataclass(frozen=True)
class Arguments:
    """Train a keypoint network."""

    config: Annotated[KeypointConfig, tyro.conf.arg(name="")] = field(default_factory=KeypointConfig)
    options: Annotated[TrainingOptions, tyro.conf.arg(name="")] = field(default_factory=TrainingOptions)


def main(arguments: Sequence[str] | None = None) -> None:
    run_command(PROG, None, arguments, train)


def train(arguments: Sequence[str] | None) -> None:
    train_from(PROG, arguments, Arguments(preset(arguments)), KeypointTask)


def train_from(prog: str, arguments: Sequence[str] | None, default: Any, task: Callable[[Any], Task]) -> None:
    """Trains what the command line asks for. default: the command's arguments, `config` and `options`, as they are
    without one. task: from a configuration."""
    args = read_arguments(type(default), prog, arguments, default)
    choose_device(args.options.gpu_id)
    from aifashion.tasks.training import train_network  # Keras loads here

    def read_over(config: Any) -> Any:
        return read_arguments(type(default), prog, arguments, dataclasses.replace(default, config=config)).config

    epochs_given = bool(option_value(arguments, "--epochs", ""))
    train_network(task(args.config), args.options, console, read_over, epochs_given)


def preset(arguments: Sequence[str] | None) -> KeypointConfig:
    """What a training does unless asked otherwise; from the shipped network, the same one at the same size."""
    if not is_shipped(option_value(arguments, "--weights", "auto")):
        return keypoint_preset(option_value(arguments, "--network", "v11"))
    trained = Manifest.read(shipped("keypoints")).keypoint_config
    return dataclasses.replace(
        keypoint_preset(option_value(arguments, "--network", trained.network)), size=trained.size
    )


if __name__ == "__main__":
    main()
