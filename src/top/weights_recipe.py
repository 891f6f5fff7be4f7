"""`aifashion weights make`: the pair of networks that ships with the package, from nothing, in one command.

Synthetic photos are drawn; a keypoint network is trained on them at growing sizes, each phase going on from the best
model of the one before; the photos are cropped to the regions of its heatmaps; a classifier of all 8 attribute tasks is
trained on the crops, from the keypoint network's backbone; both become artifacts, are scored, and get a model card.
Every step is a command of its own that may be stopped, and goes on where it was when the recipe is called again.
The trainings start from nothing or from the pair that ships already, then without the phases on the smallest photos.
"""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from aifashion.config import Precision
from aifashion.files import claim_folder, write_atomic
from aifashion.serve.artifact import MANIFEST, Manifest, Numbers, Stage, is_artifact
from aifashion.serve.shipped import CARD, SHIPPED, STAGES, WEIGHTS, WORD, shipped
from aifashion.top.arguments import CHECKOUT, run_command, tell
from aifashion.top.attribute_model import FOLDER
from aifashion.top.keypoint_model import CALIBRATION
from aifashion.top.model_card import attribute_card, keypoint_card

RECIPE_FILE = "recipe.json"
START_FILE = "start.json"
"""By stage the commands that made the pair from which the trainings start: it is gone when its place is taken."""


@dataclass(frozen=True)
class Phase:
    """size: side of the input in px. The learning rate is the peak, reached after half an epoch."""

    size: int
    epochs: int
    learning_rate: float


KEYPOINT_PHASES = (Phase(128, 3, 2e-3), Phase(192, 2, 1e-3), Phase(256, 3, 7e-4))
ATTRIBUTE_PHASES = (Phase(96, 3, 2e-3), Phase(128, 4, 1e-3), Phase(160, 2, 6e-4), Phase(192, 3, 4e-4))
"""On small photos a network learns most of what it will, in a fraction of the time."""
_KEYPOINT_WORDS = (
    *("--category", "all", "--network", "lite", "--batch-size", "32", "--val-fraction", "0.05"),
    *("--warmup-epochs", "0.5", "--ema", "0.999", "--category-weight", "0.3", "--rotate", "15", "--zoom", "0.25"),
    *("--shift", "0.1", "--colour", "0.4", "--blur", "0.15", "--erase", "0.2"),
)
_ATTRIBUTE_WORDS = (
    *("--task", "all", "--model", "lite", "--crop", "heatmap", "--batch-size", "32", "--val-fraction", "0.05"),
    *("--warmup-epochs", "0.5", "--ema", "0.999", "--rotate", "10", "--zoom", "0.15", "--shift", "0.06"),
    *("--blur", "0.1", "--erase", "0.1"),
)


@dataclass(frozen=True)
class MakeArguments:
    """Make the pair of networks that ships with the package: draw, train, crop, train, export, score, tell.

    Called again, it goes on where it was. On two CPU cores that is some hours.
    """

    out: Path = SHIPPED
    """folder for the pair, keypoints/ and attributes/; by default that of the package"""
    work: Path = CHECKOUT / "data" / "weights"
    """folder for the photos, crops and runs"""
    count: int = 40000
    """synthetic photos to train on"""
    test_count: int = 2000
    """synthetic photos with hidden answers, to score on"""
    seed: int = 1
    """seed of the photos; trainings have seed 0"""
    start: Literal["nothing", "shipped"] = "nothing"
    """shipped: the trainings go on from the pair of the package; give another --seed, and they see other photos"""
    epochs: float = 1.0
    """how long all phases of the trainings are, as a multiple of the recipe's"""
    precision: Precision | Literal["auto"] = "auto"
    """of the trainings: mixed_bfloat16 on processors with AMX, else float32"""
    keypoint_numbers: Numbers = "int8"
    """of the keypoint artifact"""
    attribute_numbers: Numbers = "f32"
    """of the classifier's artifact, which int8 costs more than an export allows"""
    real: Path | None = None
    """folder of annotated photographs (test.csv, answers.csv and label.csv): the model cards then tell of them too"""


@dataclass(frozen=True)
class Step:
    """words: of the command. done: exists once the command has ended well."""

    words: tuple[str | Path, ...]
    done: Path


def make(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion weights make", MakeArguments, arguments, make_pair)


def make_pair(args: MakeArguments) -> None:
    _check(args)
    # What one call has written of its photos, the next one reads, perhaps called from elsewhere.
    real = args.real and args.real.absolute()
    args = replace(args, work=args.work.absolute(), out=args.out.absolute(), real=real)
    asked = ("count", "test_count", "seed", "start", "epochs", "precision", "keypoint_numbers", "attribute_numbers")
    facts = {name: getattr(args, name) for name in asked}
    claim_folder(args.work, RECIPE_FILE, facts, {"start": "nothing"})
    if args.start == "shipped" and not (args.work / START_FILE).exists():
        before = {stage: Manifest.read(shipped(stage)).source["made_by"] for stage in STAGES}
        write_atomic(args.work / START_FILE, json.dumps(before, indent=1))
    for step in steps(args):
        if step.done.exists():
            tell(f"Done before: {step.done}")
            continue
        run_step(step)
    for stage in STAGES:
        put(args, stage)
    tell(f"Wrote the pair to {args.out}, with a {CARD} each")


def _check(args: MakeArguments) -> None:
    if not math.isfinite(args.epochs) or args.epochs <= 0:
        raise ValueError(f"--epochs must be a multiple above 0, not {args.epochs}")
    if args.real is not None:
        missing = [name for name in ("test.csv", "answers.csv", "label.csv") if not (args.real / name).is_file()]
        if missing:
            raise FileNotFoundError(f"{args.real} has no {', '.join(missing)}: annotated photographs need all three")
    if args.out.exists():
        # Hidden folders are left by a call that was cut short.
        strange = sorted(path.name for path in args.out.glob("[!.]*") if path.name not in STAGES)
        if strange:
            raise FileExistsError(f"{args.out} holds other things ({', '.join(strange[:5])}); choose another --out")


def steps(args: MakeArguments) -> Iterator[Step]:
    """The commands in their order, each made when the one before has ended: it may depend on what that left."""
    work, precision = args.work, train_precision(args.precision)
    before = ("--weights", WORD) if args.start == "shipped" else ()
    photos, crops, pair = work / "photos", work / "crops", work / "pair"
    counts = ("--count", str(args.count), "--test-count", str(args.test_count), "--seed", str(args.seed))
    draw = ("data", "synth", "--out", photos, *counts, "--size", "256", "--labels", "all", "--workers", "2")
    yield Step(draw, photos / "attributes" / "base" / "Annotations" / "label.csv")

    runs: list[Path] = []
    for place, phase in phases_from(args.start, KEYPOINT_PHASES):
        folder = phase_folder(work, "keypoints", place)
        start = ("--resume-model", best_weights(runs[-1]), "--resume", "True") if runs else before
        words = ("train", *_KEYPOINT_WORDS, "--data", photos, "--output", folder)
        yield _training(words, phase, args.epochs, precision, folder / "all", start)
        runs.append(only_run(folder / "all"))
    keypoints = runs[-1]
    yield _export(keypoints, pair / "keypoints", photos, args.keypoint_numbers)

    crop = ("data", "crop", "--data", photos / "attributes", "--out", crops, "--crop", "heatmap")
    done = crops / "rank" / "Tests" / "question.csv"
    yield Step((*crop, "--modelpath", pair / "keypoints", "--batch-size", "32"), done)
    runs = []
    for place, phase in phases_from(args.start, ATTRIBUTE_PHASES):
        folder = phase_folder(work, "attributes", place)
        start = ("--load", runs[-1]) if runs else before or ("--weights", keypoints)
        words = ("train-attributes", *_ATTRIBUTE_WORDS, "--data", crops, "--output", folder)
        yield _training(words, phase, args.epochs, precision, folder / FOLDER / "all", start)
        runs.append(only_run(folder / FOLDER / "all"))
    yield _export(runs[-1], pair / "attributes", crops, args.attribute_numbers)
    yield from score_steps(pair, work / "scores", photos, crops, args.real)
    for stage, data in (("keypoints", photos), ("attributes", crops)):
        told = work / "scores" / f"validation_{stage}.json"
        yield Step(("evaluate", pair / stage, "--data", data, "--json", told), told)


def phases_from(start: str, phases: Sequence[Phase]) -> list[tuple[int, Phase]]:
    """The phases with their places; a finished network has no use for photos below three quarters of its own size."""
    smallest = 0 if start == "nothing" else phases[-1].size * 3 / 4
    return [(place, phase) for place, phase in enumerate(phases) if phase.size >= smallest]


def phase_folder(work: Path, stage: Stage, place: int) -> Path:
    """Where the runs of a phase lie; -1 is the last phase."""
    phases = KEYPOINT_PHASES if stage == "keypoints" else ATTRIBUTE_PHASES
    return work / "runs" / f"{stage}_{place % len(phases)}_{phases[place].size}"


def score_steps(pair: Path, scores: Path, photos: Path, crops: Path, real: Path | None) -> Iterator[Step]:
    """Hidden synthetic answers, and real ones where there are some."""
    truths = {"synthetic": photos / "fashionAI_key_points_test_a_answer_synthetic.csv"}
    tests = {"synthetic": photos / "test" / "test.csv"}
    labels = {"synthetic": crops / "fashionAI_attributes_answer_a_synthetic.csv"}
    if real is not None:
        truths["real"], tests["real"], labels["real"] = (real / f for f in ("answers.csv", "test.csv", "label.csv"))
    for name, truth in truths.items():
        for augment, told in (("False", "plain"), ("True", "tta")):
            folder = scores / f"keypoints_{name}_{told}"
            words = ("test", "--modelpath", pair / "keypoints", "--data", tests[name], "--augment", augment)
            yield Step((*words, "--outpath", folder), folder / "submission.csv")
            score = ("score", "keypoints", "--truth", truth, "--predicted", folder / "submission.csv")
            yield Step((*score, "--json", folder / "score.json"), folder / "score.json")
        folder = scores / f"auto_{name}"
        predict = ("predict", tests[name], "--modelfile", pair / "keypoints", "--attributes", pair / "attributes")
        yield Step((*predict, "--out", folder / "told.json"), folder / "told.json")
    folder = scores / "attributes_synthetic"
    asked = ("--data", crops / "rank" / "Tests" / "question.csv")
    yield Step(
        ("test-attributes", "--modelpath", pair / "attributes", *asked, "--flip", "True", "--outpath", folder),
        folder / "attribute_submission.csv",
    )
    score = ("score", "attributes", "--truth", labels["synthetic"])
    predicted = ("--predicted", folder / "attribute_submission.csv", "--json", folder / "score.json")
    yield Step((*score, *predicted), folder / "score.json")


def _training(
    words: tuple[str | Path, ...],
    phase: Phase,
    times: float,
    precision: str,
    runs: Path,
    start: tuple[str | Path, ...],
) -> Step:
    """A phase that has begun goes on exactly; its run is calibrated last of all."""
    epochs = max(1, round(phase.epochs * times))
    own = ("--size", str(phase.size), "--epochs", str(epochs), "--learning-rate", str(phase.learning_rate))
    begun = next(runs.glob("*/states/index.json"), None) is not None
    done = next(runs.glob(f"*/{CALIBRATION}"), runs / CALIBRATION)
    return Step((*words, *own, "--precision", precision, *(("--resume", "True") if begun else start)), done)


def _export(run: Path, out: Path, data: Path, numbers: str) -> Step:
    return Step(("export", run, "--precision", numbers, "--data", data, "--out", out), out / MANIFEST)


def run_step(step: Step) -> None:
    """Raises ValueError where the command fails; it has then told why."""
    words = [str(word) for word in step.words]
    tell(f"> aifashion {' '.join(words)}")
    ended = subprocess.run([sys.executable, "-m", "aifashion.top.cli", *words], check=False).returncode
    if ended:
        raise ValueError(
            f"aifashion {' '.join(words[:2])} ended with {ended}; mend what it says and call weights make again"
        )


def train_precision(asked: str, cpu: Path = Path("/proc/cpuinfo")) -> str:
    """For `auto` what is faster here: without matrix units (AMX) bfloat16 trains more slowly than float32.

    cpu: where Linux tells what the processor has; elsewhere there is no such file.
    """
    if asked != "auto":
        return asked
    return "mixed_bfloat16" if cpu.is_file() and "amx_bf16" in cpu.read_text() else "float32"


def only_run(folder: Path) -> Path:
    """The run of a phase. Raises ValueError where there is none, as in a step that is still to come."""
    runs = sorted(path.parent for path in folder.glob("*/config.json"))
    if not runs:
        raise ValueError(f"no run in {folder}: the phase was not trained; call weights make again")
    return runs[-1]


def best_weights(run: Path) -> Path:
    """The weights file of the best epoch of a run."""
    return run / "models" / json.loads((run / "best.json").read_text(encoding="utf-8"))["file"]


def made_by(args: MakeArguments, stage: Stage) -> list[str]:
    """The commands that made a stage of the pair, each going on from the weights of the one before."""
    command = f"aifashion weights make --count {args.count} --seed {args.seed} --epochs {args.epochs:g}"
    if args.start == "nothing":
        return [command]
    before: list[str] = json.loads((args.work / START_FILE).read_text(encoding="utf-8"))[stage]
    return [*before, f"{command} --start {args.start}"]


def put(args: MakeArguments, stage: Stage) -> None:
    """The artifact, its Keras weights and its card as one folder in `out`, which at no time holds half of them."""
    last = {"keypoints": "all", "attributes": f"{FOLDER}/all"}[stage]
    run = only_run(phase_folder(args.work, stage, -1) / last)
    beside, out = args.out / f".{stage}", args.out / stage
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(args.work / "pair" / stage, beside)
    manifest = Manifest.read(beside)
    shutil.copyfile(best_weights(run), beside / WEIGHTS)
    card = {"keypoints": keypoint_card, "attributes": attribute_card}[stage]
    manifest.source["made_by"] = made_by(args, stage)
    manifest.write(beside)
    write_atomic(beside / CARD, card(beside, args.work / "scores", args.real))
    manifest.write(beside)
    if is_artifact(out):
        shutil.rmtree(out)
    beside.rename(out)
