"""Recipes whose steps are only pretended: each leaves its last file, and what later steps ask for."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from small_artifacts import small_manifest, write_artifact
from steps import Step

from aifashion.serve.artifact import Stage
from aifashion.serve.shipped import STAGES
from aifashion.top import export
from aifashion.top import train as train_command
from aifashion.top import train_attributes as train_attributes_command
from aifashion.top import train_detection as train_detection_command

TRAININGS = (train_command.main, train_detection_command.main, train_attributes_command.main)


def written(path: Path, text: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def value(options: tuple, name: str) -> str:
    return str(options[options.index(name) + 1])


def pretend(step: Step) -> None:
    """Leaves what the command would that later steps ask for, and its last file."""
    folder, last = step.folder, step.last
    if step.function in TRAININGS:
        folder, last = folder / f"run_of_{folder.parent.name}", last.removeprefix("*/")
        written(folder / "config.json")
        written(folder / "best.json", json.dumps({"file": "best.weights.h5"}))
    if step.function == export.main:
        stage: Stage = next(stage for stage in STAGES if folder.parent.name.startswith(stage))
        facts = {"precision": value(step.options, "--precision"), "source": {"run": Path(step.options[0]).name}}
        write_artifact(folder, replace(small_manifest(stage), **facts))
    else:
        written(folder / last)


def made_now(asked: Iterator[Step]) -> list[Step]:
    """What a recipe would do now: the steps that were not done, which are now."""
    left = []
    for step in asked:
        if not step.done:
            pretend(step)
            left.append(step)
    return left
