"""`python recipes/drawn_networks.py`: trains a keypoint network and a classifier on drawn photos, from random weights.

The shipped networks are made by `photograph_networks.py`. The first classifier, from which that one starts, was made by
this recipe, which was called shipped_networks.py then. It needs no photographs and no other weights.

Steps: synthetic photos are drawn; a keypoint network is trained on them at growing sizes, each phase starting from the
best model of the one before; the photos are cropped to the regions of its heatmaps; a classifier of all 8 attribute
tasks is trained on the crops, from the keypoint network's backbone; both are exported, scored, and get a model card. A
step can be stopped; another call of the recipe continues there.

In the work folder, everything that depends on an artifact lies beside it, separate for each precision:

    photos/  runs/keypoints_PHASE_SIZE/
    keypoints_PRECISION/      artifact/  crops/  runs/attributes_PHASE_SIZE/
        attributes_PRECISION/ artifact/  scores/
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from installing import Part, check_out, check_source, install
from model_cards import Photographs, attribute_card, keypoint_card, real_name
from steps import (
    Step,
    best_weights,
    check_real,
    export_step,
    only_run,
    run_step,
    score_step,
    train_precision,
    training_step,
)

from aifashion.config import Precision
from aifashion.data_gen.formats.folders import RECIPE_FILE
from aifashion.data_gen.synthetic.writer import ANSWER, ATTRIBUTE_ANSWER
from aifashion.files import claim_folder
from aifashion.recognition.attribute_model import FOLDER
from aifashion.serve.artifact import Numbers, Stage
from aifashion.serve.shipped import CARD, SHIPPED
from aifashion.top import (
    crop_commands,
    data_commands,
    evaluate,
    predict,
    score,
    test,
    test_attributes,
    train,
    train_attributes,
)
from aifashion.top.arguments import CHECKOUT, run_command, tell

RECIPE = "python recipes/drawn_networks.py"
MADE: tuple[Stage, ...] = ("keypoints", "attributes")


@dataclass(frozen=True)
class Phase:
    """size: side of the input in px. The learning rate is the peak, reached after half an epoch."""

    size: int
    epochs: int
    learning_rate: float


KEYPOINT_PHASES = (Phase(128, 3, 2e-3), Phase(192, 2, 1e-3), Phase(256, 3, 7e-4))
ATTRIBUTE_PHASES = (Phase(96, 3, 2e-3), Phase(128, 4, 1e-3), Phase(160, 2, 6e-4), Phase(192, 3, 4e-4))
"""Training on small photos first takes a fraction of the time, and a network learns most there."""
PHOTO_OPTIONS = ("--size", "256", "--labels", "all")
KEYPOINT_OPTIONS = (
    *("--category", "all", "--network", "lite", "--batch-size", "32", "--val-fraction", "0.05"),
    *("--warmup-epochs", "0.5", "--ema", "0.999", "--category-weight", "0.3", "--rotate", "15", "--zoom", "0.25"),
    *("--shift", "0.1", "--colour", "0.4", "--blur", "0.15", "--erase", "0.2"),
)
ATTRIBUTE_OPTIONS = (
    *("--task", "all", "--network", "lite", "--crop", "heatmap", "--batch-size", "32", "--val-fraction", "0.05"),
    *("--warmup-epochs", "0.5", "--ema", "0.999", "--rotate", "10", "--zoom", "0.15", "--shift", "0.06"),
    *("--blur", "0.1", "--erase", "0.1"),
)


@dataclass(frozen=True)
class MakeArguments:
    """Train a keypoint network and a classifier on drawn photos: draw, train, crop, train, export, score, describe.

    Another call continues where the last one stopped. On two CPU cores this takes some hours.
    """

    out: Path = CHECKOUT / "data" / "drawn_networks"
    """folder for the networks, keypoints/ and attributes/"""
    work: Path = CHECKOUT / "data" / "weights"
    """folder for the photos, crops and runs"""
    count: int = 40000
    """synthetic photos for training"""
    test_count: int = 2000
    """synthetic photos with hidden answers, for scoring"""
    seed: int = 1
    """seed of the photos; trainings have seed 0"""
    epochs: float = 1.0
    """length of all phases of the trainings, as a multiple of the recipe's"""
    precision: Precision | Literal["auto"] = "auto"
    """of the trainings: bfloat16 on processors with AMX, else float32; another call keeps the first choice"""
    keypoint_precision: Numbers = "int8"
    """of the keypoint artifact; if another call changes it, the crops and the classifier are made again"""
    attribute_precision: Numbers = "float32"
    """of the classifier's artifact; int8 loses more than an export allows"""
    real: Path | None = None
    """folder of annotated photographs (test.csv, answers.csv and label.csv), whose scores are added to the cards"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command(RECIPE, MakeArguments, arguments, make_networks)


def make_networks(args: MakeArguments) -> None:
    _check(args)
    # Another call reads the paths that this one wrote, perhaps from another current folder.
    real = args.real and args.real.absolute()
    args = replace(args, work=args.work.absolute(), out=args.out.absolute(), real=real)
    args = claimed(args)
    for step in steps(args):
        if step.done:
            tell(f"Done before: {step.done}")
            continue
        run_step(step)
    install(args.out, [part_of(args, stage) for stage in MADE])
    tell(f"Wrote the networks to {args.out}, with a {CARD} each")


def _check(args: MakeArguments) -> None:
    if not math.isfinite(args.epochs) or args.epochs <= 0:
        raise ValueError(f"--epochs must be a multiple above 0, not {args.epochs}")
    if args.test_count < 1:
        raise ValueError(f"--test-count must be at least 1, not {args.test_count}: the cards have the scores on them")
    if args.out.resolve() == SHIPPED.resolve():
        raise ValueError(f"--out {args.out}: the networks that ship are made by photograph_networks.py; choose another")
    check_real(args.real)
    check_out(args.out)


def claimed(args: MakeArguments) -> MakeArguments:
    """Records in the work folder what the trainings depend on, and finds the precision for `auto`.

    In a folder that was begun already, it is the first precision, on any processor. Raises FileExistsError if the
    folder was begun with other arguments.
    """
    path = args.work / RECIPE_FILE
    begun = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    kept = begun.get("precision") if args.precision == "auto" else None
    args = replace(args, precision=kept or train_precision(args.precision))
    asked = {name: getattr(args, name) for name in ("count", "test_count", "seed", "epochs", "precision")}
    claim_folder(args.work, RECIPE_FILE, asked | recipe_facts())
    return args


def recipe_facts() -> dict[str, str]:
    """Facts of photos and trainings that this recipe sets; with other facts, a folder would have other networks."""
    options = {"photo": PHOTO_OPTIONS, "keypoint": KEYPOINT_OPTIONS, "attribute": ATTRIBUTE_OPTIONS}
    facts = {f"{stage}_options": " ".join(given) for stage, given in options.items()}
    for stage, phases in {"keypoint": KEYPOINT_PHASES, "attribute": ATTRIBUTE_PHASES}.items():
        described = (f"{phase.size} px for {phase.epochs} epochs at {phase.learning_rate:g}" for phase in phases)
        facts[f"{stage}_phases"] = " then ".join(described)
    return facts


def made_with(args: MakeArguments, stage: Stage) -> Path:
    """The folder of a stage's artifact and of all that depends on it; every precision has its own."""
    folder = args.work / f"keypoints_{args.keypoint_precision}"
    return folder if stage == "keypoints" else folder / f"attributes_{args.attribute_precision}"


def steps(args: MakeArguments) -> Iterator[Step]:
    """Yields the steps in order, each when the one before has ended, since it can depend on its results.

    Raises ValueError if an artifact is not of the last phase before it.
    """
    photos, crops = args.work / "photos", made_with(args, "keypoints") / "crops"
    artifacts: dict[Stage, Path] = {stage: made_with(args, stage) / "artifact" for stage in MADE}
    counts = ("--count", str(args.count), "--test-count", str(args.test_count), "--seed", str(args.seed))
    drawing = ("--out", photos, *counts, *PHOTO_OPTIONS, "--workers", "2")
    yield Step(data_commands.synth, drawing, photos / "attributes", ATTRIBUTE_ANSWER)

    runs: list[Path] = []
    for index, phase in enumerate(KEYPOINT_PHASES):
        start = ("--load", best_weights(runs[-1])) if runs else ()
        options = (*KEYPOINT_OPTIONS, "--data", photos, "--out", phase_folder(args, "keypoints", index))
        folder = runs_folder(args, "keypoints", index)
        yield training_step(train.main, (*options, *_phase_options(phase, args)), folder, start)
        runs.append(only_run(folder))
    keypoints = runs[-1]
    yield export_step(keypoints, artifacts["keypoints"], photos, "keypoint", args.keypoint_precision)
    check_source(artifacts["keypoints"], keypoints)

    cropping = ("--data", photos / "attributes", "--out", crops, "--crop", "heatmap", "--batch-size", "32")
    yield Step(crop_commands.crop, (*cropping, "--model", artifacts["keypoints"]), crops, ATTRIBUTE_ANSWER)
    runs = []
    for index, phase in enumerate(ATTRIBUTE_PHASES):
        start = ("--load", runs[-1]) if runs else ("--weights", keypoints)
        options = (*ATTRIBUTE_OPTIONS, "--data", crops, "--out", phase_folder(args, "attributes", index))
        folder = runs_folder(args, "attributes", index)
        yield training_step(train_attributes.main, (*options, *_phase_options(phase, args)), folder, start)
        runs.append(only_run(folder))
    yield export_step(runs[-1], artifacts["attributes"], crops, "attribute", args.attribute_precision)
    check_source(artifacts["attributes"], runs[-1])
    scores = made_with(args, "attributes") / "scores"
    yield from score_steps(artifacts, scores, photos, crops, args.real)
    for stage, data in zip(MADE, (photos, crops), strict=True):
        name = f"validation_{stage}.json"
        yield Step(evaluate.main, (artifacts[stage], "--data", data, "--json", scores / name), scores, name)


def phase_folder(args: MakeArguments, stage: Stage, index: int) -> Path:
    """The --out of the training of a phase; -1 is the last phase."""
    phases = KEYPOINT_PHASES if stage == "keypoints" else ATTRIBUTE_PHASES
    above = args.work if stage == "keypoints" else made_with(args, "keypoints")
    return above / "runs" / f"{stage}_{index % len(phases)}_{phases[index].size}"


def runs_folder(args: MakeArguments, stage: Stage, index: int) -> Path:
    """The folder in which the training puts the run of a phase; -1 is the last phase."""
    return phase_folder(args, stage, index) / ("all" if stage == "keypoints" else f"{FOLDER}/all")


def score_steps(
    artifacts: Mapping[Stage, Path], scores: Path, photos: Path, crops: Path, real: Path | None
) -> Iterator[Step]:
    """Scores on hidden synthetic answers, and on real ones if there are some."""
    truths = {"synthetic": photos / ANSWER}
    tests = {"synthetic": photos / "test" / "test.csv"}
    if real is not None:
        truths[real_name(real)], tests[real_name(real)] = real / "answers.csv", real / "test.csv"
    for name, truth in truths.items():
        for augment, passes in (("--no-augment", "plain"), ("--augment", "tta")):
            folder = scores / f"keypoints_{name}_{passes}"
            options = ("--model", artifacts["keypoints"], "--data", tests[name], augment, "--out", folder)
            yield Step(test.main, options, folder, "submission.csv")
            yield score_step(score.keypoints, truth, folder, "submission.csv")
        folder = scores / f"auto_{name}"
        networks = ("--model", artifacts["keypoints"], "--attributes", artifacts["attributes"])
        yield Step(predict.main, (tests[name], *networks, "--out", folder / "answers.json"), folder, "answers.json")
    folder = scores / "attributes_synthetic"
    questions = crops / "rank" / "Tests" / "question.csv"
    options = ("--model", artifacts["attributes"], "--flip", "--out", folder, "--data", questions)
    yield Step(test_attributes.main, options, folder, "attribute_submission.csv")
    yield score_step(score.attributes, crops / ATTRIBUTE_ANSWER, folder, "attribute_submission.csv")


def _phase_options(phase: Phase, args: MakeArguments) -> tuple[str, ...]:
    epochs = max(1, round(phase.epochs * args.epochs))
    sizes = ("--size", str(phase.size), "--epochs", str(epochs), "--learning-rate", str(phase.learning_rate))
    return (*sizes, "--precision", args.precision)


def made_by(args: MakeArguments) -> list[str]:
    return [f"{RECIPE} --count {args.count} --seed {args.seed} --epochs {args.epochs:g}"]


def part_of(args: MakeArguments, stage: Stage) -> Part:
    """What the folder of a stage consists of, when all steps are done."""
    run, scores = only_run(runs_folder(args, stage, -1)), made_with(args, "attributes") / "scores"
    sets = {"synthetic": Photographs(args.work / "photos" / "test" / "test.csv", args.work / "photos" / ANSWER)}
    if args.real is not None:
        sets["real"] = Photographs(args.real / "test.csv", args.real / "answers.csv", real_name(args.real))

    def card(folder: Path) -> str:
        if stage == "keypoints":
            return keypoint_card(folder, scores, scores, sets)
        return attribute_card(folder, scores, ("synthetic",), args.real)

    artifact = made_with(args, stage) / "artifact"
    return Part(stage, artifact, run, best_weights(run), made_by(args), card)


if __name__ == "__main__":
    main()
