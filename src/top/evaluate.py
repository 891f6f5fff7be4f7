"""`aifashion evaluate`: the scores of a run of any kind on its validation set."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from aifashion.files import write_atomic
from aifashion.serve.artifact import is_artifact
from aifashion.tasks.kinds import task_kind
from aifashion.top.arguments import CHECKOUT, choose_device, console, make_folder, run_command, tell, warn


@dataclass(frozen=True)
class Arguments:
    """Score a run, of keypoints or of a classifier, on its validation set."""

    run: tyro.conf.Positional[Path]
    """a run folder, a folder of runs (its latest trained run is used), or an artifact"""
    data: Path = CHECKOUT / "data"
    """the data folder that the run was trained on"""
    load: Path | None = None
    """score this weights file of the run instead of its best model"""
    json: Path | None = None
    """also write the scores to this JSON file"""
    pictures: Path | None = None
    """also draw pictures to this folder. For keypoints: the PCK curve, the NE of each keypoint, and how well its
    visibility is predicted. For a classifier: confusion matrices of the attribute tasks, and for each head how reliable
    its probabilities are, before and after calibration"""
    gpu_id: str | None = None
    """numbers of the GPUs to use, such as 0 or 0,1; all by default"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion evaluate", Arguments, arguments, evaluate)


def evaluate(args: Arguments) -> None:
    choose_device(args.gpu_id)
    run = args.run
    if not is_artifact(run):
        from aifashion.unet.runs import find_trained_run  # Keras loads here

        run = find_trained_run(run)
    elif args.load is not None:
        raise ValueError(f"--load goes with a run folder; {run} is an artifact")
    task, predict, calibration = task_kind(run).of_model(run, args.load)
    _, val = task.parts(args.data)
    tell(f"{len(val)} validation photos from {args.data}")
    answers = task.answers(predict, val, lambda name: warn(f"cannot be read: {name}"), calibration)
    numbers, pictures = task.report(val, answers, calibration)
    for name, value in numbers.items():
        console.print(f"{name:<32} {value:.4f}", highlight=False, markup=False)
    if args.pictures is not None:
        make_folder("--pictures", args.pictures)
        for name, draw in pictures.items():
            draw(args.pictures / name)
            tell(f"Wrote {args.pictures / name}")
    if args.json is not None:
        write_atomic(args.json, json.dumps(numbers, indent=1) + "\n")
        tell(f"Wrote {args.json}")
