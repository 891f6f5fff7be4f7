"""Steps of `photograph_networks.py` that make its detector: draw scenes, mix, train, export, score."""

from collections.abc import Iterator
from pathlib import Path

import detection_mix
import detection_scores
from installing import check_source
from keypoint_steps import keypoint_run
from photograph_arguments import PhotographArguments, made_with
from steps import Step, export_step, only_run, training_step

from aifashion.tasks.detection import FOLDER
from aifashion.top import data_commands, evaluate, train_detection

SCENES, TEST_SCENES = 1500, 300
"""Numbers of drawn scenes for training and for scoring."""
SCENE_OPTIONS = ("--size", "384", "--seed", "21")
OPTIONS = (
    *("--network", "efficientnet_lite0", "--size", "224", "--batch-size", "32", "--learning-rate", "0.001"),
    *("--warmup-epochs", "0.3", "--ema", "0.998", "--turn", "0.05", "--val-freq", "2", "--save-freq", "1"),
)


def facts() -> dict[str, str]:
    """Facts of the data and the training that this recipe sets."""
    mix = detection_mix
    return {
        "scenes": f"{SCENES} {' '.join(SCENE_OPTIONS)}",
        "detection_options": " ".join(OPTIONS),
        "detection_mix": f"laid {mix.LAID_REPEAT}, worn {mix.WORN_REPEAT}, found {mix.FOUND} by {mix.FEWEST} keypoints "
        f"or {mix.SHARE:g} from {mix.SURE:g}",
    }


def detection_steps(args: PhotographArguments) -> Iterator[Step]:
    """Yields each step when the one before has ended; the keypoint network exists already."""
    scenes, data = args.work / "scenes", made_with(args, "keypoints") / "detection"
    counts = ("--count", str(SCENES), "--val-count", "0", "--test-count", str(TEST_SCENES))
    drawing = ("--out", scenes, *counts, *SCENE_OPTIONS, "--workers", "2")
    yield Step(data_commands.synth_scenes, drawing, scenes, "test.json")
    sources = ("--drawn", scenes, "--laid", args.work / "laid", "--worn", args.worn)
    finder = ("--model", made_with(args, "keypoints") / "artifact")
    choice = ("--seed", str(args.seed), "--leave-out", args.leave_out)
    yield Step(detection_mix.main, (*sources, *finder, *choice, "--out", data), data, "measured/val.json")

    runs = runs_folder(args)
    options = (*OPTIONS, "--epochs", str(args.detection_epochs), "--precision", str(args.precision))
    places = ("--seed", str(args.seed), "--data", data / "mix", "--out", runs.parent.parent)
    start = ("--weights", keypoint_run(args))
    yield training_step(train_detection.main, (*options, *places), runs, start)
    run, artifact = only_run(runs), made_with(args, "detection") / "artifact"
    yield export_step(run, artifact, data / "measured", "detection", args.detection_precision)
    check_source(artifact, run)

    scores, name = made_with(args, "detection") / "scores", "validation_detection.json"
    photos = ("--worn", args.worn, "--laid", args.laid, "--drawn", scenes)
    scored = ("--detector", artifact, *photos, "--out", scores)
    yield Step(detection_scores.main, scored, scores, detection_scores.FILE)
    yield Step(evaluate.main, (artifact, "--data", data / "mix", "--json", scores / name), scores, name)


def runs_folder(args: PhotographArguments) -> Path:
    """The folder in which the training puts its run."""
    return made_with(args, "keypoints") / "runs" / FOLDER / "all"
