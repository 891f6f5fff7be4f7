"""Steps of `photograph_networks.py` that make its keypoint network: draw, join, mix, train, export, score."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pseudo_labels
from installing import check_source
from mixing import Share, mix_keypoints
from photograph_arguments import LISTS, PhotographArguments, made_with, tested
from steps import Step, export_step, only_run, score_step, training_step

from aifashion.data_gen.photographs import ANSWER as PHOTOGRAPH_ANSWER
from aifashion.data_gen.split import TRAIN_FILE, VAL_FILE
from aifashion.data_gen.synthetic.writer import ATTRIBUTE_ANSWER
from aifashion.top import data_commands, evaluate, score, test, train
from aifashion.top.arguments import tell


@dataclass(frozen=True)
class Phase:
    """size: side of the input in px. learning_rate: its peak, reached after `warmup_epochs`. drawn: number of drawn
    photos in its mix. pseudo: whether the network of the phase before labels photographs for it."""

    size: int
    learning_rate: float
    warmup_epochs: float
    drawn: int
    pseudo: bool = False


PHASES = (Phase(192, 0.001, 1, 6000), Phase(256, 0.0005, 0.5, 2500), Phase(256, 0.0005, 0.5, 1000, pseudo=True))
"""Training on small photos first takes a fraction of the time, and a network learns most there."""
LAID_REPEAT, WORN_REPEAT, BARE = 2, 3, 200
"""How often an epoch uses each annotated photograph; and how many photographs without keypoints it uses of each
category, and of no garment."""
PSEUDO = "pseudo"
"""The folder of photographs that the network of the second phase labels."""
DRAWN_COUNT, MEASURED = 7000, 500
"""Number of drawn photos, of which a tenth is for validation; and on how many drawn ones, in addition to the
photographs, the loss of int8 is measured."""
PHOTO_OPTIONS = ("--size", "256", "--labels", "all")
OPTIONS = (
    *("--category", "all", "--network", "efficientnet_lite0", "--batch-size", "32", "--ema", "0.998"),
    *("--category-weight", "0.3", "--rotate", "20", "--turn", "0.12", "--zoom", "0.25", "--shift", "0.1"),
    *("--colour", "0.4", "--blur", "0.15", "--erase", "0.3", "--val-freq", "2", "--save-freq", "1"),
    *("--save-every", "50"),
)


def facts() -> dict[str, str]:
    """Facts of the data and the trainings that this recipe sets."""
    return {
        "photos": f"{DRAWN_COUNT} drawn {' '.join(PHOTO_OPTIONS)}",
        "keypoint_options": " ".join(OPTIONS),
        "keypoint_phases": " then ".join(
            f"{phase.size} px at {phase.learning_rate:g} after {phase.warmup_epochs:g}, {phase.drawn} drawn"
            f"{', pseudo-labels' if phase.pseudo else ''}"
            for phase in PHASES
        ),
        "keypoint_mix": f"laid {LAID_REPEAT}, worn {WORN_REPEAT}, bare {BARE}",
    }


def keypoint_steps(args: PhotographArguments) -> Iterator[Step]:
    """Yields each step when the one before has ended."""
    drawn = args.work / "drawn"
    counts = ("--count", str(DRAWN_COUNT), "--test-count", str(args.test_count), "--seed", "11")
    drawing = ("--out", drawn, *counts, *PHOTO_OPTIONS, "--workers", "2")
    yield Step(data_commands.synth, drawing, drawn / "attributes", ATTRIBUTE_ANSWER)
    for name, lists in LISTS.items():
        options = ("--annotations", lists, "--source", getattr(args, name), "--out", args.work / name)
        bare = ("--category-only",) * (name == "laid")
        yield Step(data_commands.photographs, (*options, *bare), args.work / name, PHOTOGRAPH_ANSWER)

    for number, phase in enumerate(PHASES):
        pseudo = phase.pseudo and args.leave_out not in ("laid", "bare")
        if pseudo:
            teacher, folder = only_run(runs_folder(args, number - 1)), args.work / PSEUDO
            options = ("--laid", args.work / "laid", "--model", teacher, "--out", folder)
            yield Step(pseudo_labels.main, options, folder, VAL_FILE)
        mix, runs = mix_folder(args, number), runs_folder(args, number)
        if not (mix / TRAIN_FILE).is_file():
            train_on, validate_on = mix_keypoints(mix, keypoint_shares(args, phase.drawn, pseudo), args.seed)
            tell(f"Mixed {train_on} photos to train on and {validate_on} to choose the best epoch by")
        sizes = ("--size", str(phase.size), "--epochs", str(args.keypoint_epochs[number]))
        rates = ("--learning-rate", str(phase.learning_rate), "--warmup-epochs", str(phase.warmup_epochs))
        options = (*OPTIONS, *sizes, *rates, "--precision", str(args.precision), "--seed", str(args.seed))
        start = ("--load", only_run(runs_folder(args, number - 1))) if number else ("--weights", args.imagenet)
        yield training_step(train.main, (*options, "--data", mix, "--out", runs.parent), runs, start)

    run, artifact, measured = keypoint_run(args), made_with(args, "keypoints") / "artifact", measured_folder(args)
    if not (measured / TRAIN_FILE).is_file():
        shares = [replace(share, most=MEASURED, bare=0) for share in keypoint_shares(args, MEASURED)]
        mix_keypoints(measured, shares, args.seed, both=True)
    yield export_step(run, artifact, measured, "keypoint", args.keypoint_precision)
    check_source(artifact, run)
    yield from _score_steps(args, artifact)


def _score_steps(args: PhotographArguments, artifact: Path) -> Iterator[Step]:
    """Scores with given categories, in one pass and in ten."""
    scores = made_with(args, "keypoints") / "scores"
    for name, photos in tested(args).items():
        for augment, passes in (("--no-augment", "plain"), ("--augment", "tta")):
            folder = scores / f"keypoints_{photos.name or name}_{passes}"
            options = ("--model", artifact, "--data", photos.test, augment, "--out", folder)
            yield Step(test.main, options, folder, "submission.csv")
            yield score_step(score.keypoints, photos.answers, folder, "submission.csv")
    name, mix = "validation_keypoints.json", mix_folder(args, -1)
    yield Step(evaluate.main, (artifact, "--data", mix, "--json", scores / name), scores, name)


def keypoint_shares(args: PhotographArguments, drawn: int, pseudo: bool = False) -> list[Share]:
    """The parts of a mix with so many drawn photos. pseudo: also the photographs that a network labelled."""
    bare = BARE if args.leave_out != "bare" else 0
    shares = {
        "laid": Share("laid", args.work / "laid", LAID_REPEAT, bare=bare),
        "worn": Share("worn", args.work / "worn", WORN_REPEAT),
        "drawn": Share("drawn", args.work / "drawn", most=drawn, validates=False),
    }
    if pseudo:
        shares[PSEUDO] = Share(PSEUDO, args.work / PSEUDO, validates=False)
    return [share for name, share in shares.items() if name != args.leave_out]


def mix_folder(args: PhotographArguments, number: int) -> Path:
    """The training set of a phase, counted from 0; -1 is the last one."""
    return args.work / f"mix_{number % len(PHASES) + 1}"


def runs_folder(args: PhotographArguments, number: int) -> Path:
    """The folder in which the training puts the run of a phase."""
    return args.work / "runs" / f"keypoints_{number % len(PHASES) + 1}" / "all"


def keypoint_run(args: PhotographArguments) -> Path:
    """The run of the last phase, if it exists."""
    return only_run(runs_folder(args, -1))


def measured_folder(args: PhotographArguments) -> Path:
    return made_with(args, "keypoints") / "measured"
