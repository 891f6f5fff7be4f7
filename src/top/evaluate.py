"""`aifashion evaluate`: the scores of a run of any kind on its validation set."""

import dataclasses
import errno
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from aifashion.files import write_atomic
from aifashion.serve.artifact import is_artifact
from aifashion.serve.shipped import STAGES, WORD, is_shipped, shipped
from aifashion.tasks.kinds import Task, task_kind
from aifashion.top.arguments import CHECKOUT, choose_device, console, make_folder, run_command, tell, warn
from aifashion.top.option_types import described


@dataclass(frozen=True)
class Arguments:
    """Score a run, of keypoints, a detector or a classifier, on its validation set."""

    run: tyro.conf.Positional[Path]
    """a run folder, a folder of runs (its latest finished run is used), an artifact, or shipped: those of the
    networks that come with the package for which the data folder has annotated photos"""
    data: Path = CHECKOUT / "data"
    """the data folder that the run was trained on"""
    load: Path | None = None
    """score this weights file of the run; by default its best model"""
    json: Path | None = None
    """also write the scores to this JSON file, null where nothing could be scored; for shipped by stage, detection,
    keypoints or attributes"""
    pictures: Path | None = None
    """also draw pictures to this folder. For keypoints: the PCK curve, the NE of each keypoint, and how well its
    visibility is predicted. For a detector: precision over recall, and how reliable its probabilities are. For a
    classifier: confusion matrices of the attribute tasks, and for each head how reliable its probabilities are, before
    and after calibration"""
    gpu_id: str | None = None
    """number of the GPU to use, such as 0; -1 for none; by default the first. Artifacts always run on the processor"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion evaluate", Arguments, arguments, evaluate)


def evaluate(args: Arguments) -> None:
    choose_device(args.gpu_id)
    run = args.run
    if is_shipped(str(run)):
        _evaluate_shipped(args)
        return
    if not is_artifact(run):
        from aifashion.unet.runs import find_trained_run  # Keras loads here

        run = find_trained_run(run)
    elif args.load is not None:
        raise ValueError(f"--load goes with a run folder; {run} is an artifact")
    task, predict, calibration = task_kind(run).of_model(run, args.load)
    _write(args, _scores(args, _Model(task, predict, calibration), task.parts(args.data)[1], args.pictures))


@dataclass(frozen=True)
class _Model:
    task: Task
    predict: Any
    calibration: Any


def _evaluate_shipped(args: Arguments) -> None:
    """Each network of the package for which the data folder has annotated photos."""
    if args.load is not None:
        raise ValueError(f"--load goes with a run folder; {WORD} has its weights")
    if not args.data.exists():
        raise FileNotFoundError(errno.ENOENT, "no such data folder", str(args.data))
    scores, reasons = {}, []
    for stage in STAGES:
        folder = shipped(stage)
        task, predict, calibration = task_kind(folder).of_model(folder, None)
        # A split that is made here is the one that trainings make by default.
        default = type(task.config)().val_fraction
        task = dataclasses.replace(task, config=dataclasses.replace(task.config, val_fraction=default))
        try:
            val = task.parts(args.data)[1]
        except (OSError, ValueError) as error:
            reasons.append(f"{stage}: {described(error) if isinstance(error, OSError) else error}")
            continue
        tell(f"{WORD} {stage}:")
        pictures = None if args.pictures is None else args.pictures / stage
        scores[stage] = _scores(args, _Model(task, predict, calibration), val, pictures)
    if not scores:
        found = "".join(f"\n{reason}" for reason in reasons)
        raise ValueError(f"{args.data} has no annotated photos to score the {WORD} networks on{found}")
    for reason in reasons:
        tell(f"not scored: {reason}")
    _write(args, scores)


def _scores(args: Arguments, model: _Model, val: Any, folder: Path | None) -> dict[str, float]:
    """Shows the scores, and draws the pictures to the folder."""
    tell(f"{len(val)} validation photos from {args.data}")
    answers = model.task.answers(model.predict, val, lambda name: warn(f"cannot be read: {name}"), model.calibration)
    numbers, pictures = model.task.report(val, answers, model.calibration)
    for name, value in numbers.items():
        console.print(f"{name:<32} {value:.4f}", highlight=False, markup=False)
    if folder is not None:
        make_folder("--pictures", folder)
        for name, draw in pictures.items():
            draw(folder / name)
            tell(f"Wrote {folder / name}")
    return numbers


def _write(args: Arguments, scores: Mapping[str, Any]) -> None:
    if args.json is not None:
        write_atomic(args.json, json.dumps(_known(scores), indent=1, allow_nan=False) + "\n")
        tell(f"Wrote {args.json}")


def _known(scores: Mapping[str, Any]) -> dict[str, Any]:
    """null for a score that is not a number, for which JSON has no word."""
    return {
        name: _known(value) if isinstance(value, Mapping) else value if math.isfinite(value) else None
        for name, value in scores.items()
    }
