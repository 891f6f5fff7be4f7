"""`aifashion weights make`: the pair of networks that ships with the package, from nothing, in one command.

Synthetic photos are drawn; a keypoint network is trained on them at growing sizes, each phase going on from the best
model of the one before; the photos are cropped to the regions of its heatmaps; a classifier of all 8 attribute tasks is
trained on the crops, from the keypoint network's backbone; both become artifacts, are scored, and get a model card.
Every step is a command of its own that may be stopped, and goes on where it was when the recipe is called again.
The trainings start from nothing or from the pair that ships already, then without the phases on the smallest photos.

In the folder to work in, what is made with an artifact lies beside it, apart from what is made with other numbers:

    photos/  runs/keypoints_PHASE_SIZE/
    keypoints_NUMBERS/      artifact/  crops/  runs/attributes_PHASE_SIZE/
        attributes_NUMBERS/ artifact/  scores/
"""

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from aifashion.config import Precision
from aifashion.data_gen.formats.folders import RECIPE_FILE
from aifashion.data_gen.synthetic.writer import ANSWER, ATTRIBUTE_ANSWER
from aifashion.files import claim_folder, write_atomic
from aifashion.recognition.attribute_model import FOLDER
from aifashion.recognition.keypoint_model import CALIBRATION
from aifashion.serve.artifact import MANIFEST, Manifest, Numbers, Stage
from aifashion.serve.shipped import CARD, SHIPPED, STAGES, WORD, shipped
from aifashion.top.arguments import CHECKOUT, run_command, tell
from aifashion.top.model_card import REAL_FILES, attribute_card, keypoint_card, real_name
from aifashion.top.weights_pair import Part, check_place, check_source, put

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
_PHOTO_WORDS = ("--size", "256", "--labels", "all")
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
    """folder for the pair, keypoints/ and attributes/; by default that of the installed package itself, whose pair is
    replaced in the end"""
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
    """of the trainings: mixed_bfloat16 on processors with AMX, else float32; called again, what it was at first"""
    keypoint_numbers: Numbers = "int8"
    """precision of the keypoint artifact; called again with another, the crops and the classifier are made anew"""
    attribute_numbers: Numbers = "f32"
    """precision of the classifier's artifact, which int8 costs more than an export allows"""
    real: Path | None = None
    """folder of annotated photographs (test.csv, answers.csv and label.csv): the model cards then tell of them too"""


@dataclass(frozen=True)
class Step:
    """words: of the command. folder, last: once the command has ended well, a file in that folder has a path of this
    pattern, which it writes last of all. hint: what else to say where it fails.
    """

    words: tuple[str | Path, ...]
    folder: Path
    last: str
    hint: str = ""

    @property
    def done(self) -> Path | None:
        """The file that it writes last, where it has ended well."""
        return next(self.folder.glob(self.last), None)


def make(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion weights make", MakeArguments, arguments, make_pair)


def make_pair(args: MakeArguments) -> None:
    _check(args)
    # What one call has written of its photos, the next one reads, perhaps called from elsewhere.
    real = args.real and args.real.absolute()
    args = replace(args, work=args.work.absolute(), out=args.out.absolute(), real=real)
    args = claimed(args)
    if args.start == "shipped" and not (args.work / START_FILE).exists():
        before = {stage: Manifest.read(shipped(stage)).source["made_by"] for stage in STAGES}
        write_atomic(args.work / START_FILE, json.dumps(before, indent=1))
    for step in steps(args):
        if step.done:
            tell(f"Done before: {step.done}")
            continue
        _check_start(args, step)
        run_step(step)
    put(args.out, [part_of_pair(args, stage) for stage in STAGES])
    tell(f"Wrote the pair to {args.out}, with a {CARD} each")


def _check(args: MakeArguments) -> None:
    if not math.isfinite(args.epochs) or args.epochs <= 0:
        raise ValueError(f"--epochs must be a multiple above 0, not {args.epochs}")
    if args.test_count < 1:
        raise ValueError(f"--test-count must be at least 1, not {args.test_count}: the cards tell of scores on them")
    if args.real is not None:
        missing = [name for name in REAL_FILES if not (args.real / name).is_file()]
        if missing:
            raise FileNotFoundError(f"{args.real} has no {', '.join(missing)}: annotated photographs need all three")
    check_place(args.out)


def _check_start(args: MakeArguments, step: Step) -> None:
    """The pair that ships is another one once this folder's own, or that of another folder, has taken its place."""
    if WORD not in step.words:
        return
    stage: Stage = "keypoints" if step.words[0] == "train" else "attributes"
    begun = json.loads((args.work / START_FILE).read_text(encoding="utf-8"))[stage]
    if (now := Manifest.read(shipped(stage)).source["made_by"]) != begun:
        raise ValueError(
            f"{args.work} was begun from the pair made by {', '.join(begun)}, but {shipped(stage)} was made by "
            f"{', '.join(now)} since: put the former back there, or give another --work"
        )


def claimed(args: MakeArguments) -> MakeArguments:
    """Claims the folder to work in for what the trainings depend on, and tells the precision for `auto`.

    Of a folder that was begun, that is the one it was begun with, on whatever processor. Raises FileExistsError where
    the folder was begun otherwise.
    """
    path = args.work / RECIPE_FILE
    begun = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if begun and "keypoint_phases" not in begun:
        raise FileExistsError(
            f"{args.work} was begun by an older recipe, which did not note its phases: finish it with the version that "
            "began it, or give an empty or a new folder"
        )
    kept = begun.get("precision") if args.precision == "auto" else None
    args = replace(args, precision=kept or train_precision(args.precision))
    asked = {name: getattr(args, name) for name in ("count", "test_count", "seed", "start", "epochs", "precision")}
    claim_folder(args.work, RECIPE_FILE, asked | recipe_facts())
    return args


def recipe_facts() -> dict[str, str]:
    """What the recipe itself says of photos and trainings: a folder begun by another one makes another pair."""
    words = {"photo": _PHOTO_WORDS, "keypoint": _KEYPOINT_WORDS, "attribute": _ATTRIBUTE_WORDS}
    phases = {"keypoint": KEYPOINT_PHASES, "attribute": ATTRIBUTE_PHASES}
    facts = {f"{stage}_words": " ".join(own) for stage, own in words.items()}
    for stage, own in phases.items():
        told = (f"{phase.size} px for {phase.epochs} epochs at {phase.learning_rate:g}" for phase in own)
        facts[f"{stage}_phases"] = " then ".join(told)
    return facts


def made_with(args: MakeArguments, stage: Stage) -> Path:
    """The folder of a stage's artifact and of all that is made with it: with other numbers it is another one."""
    folder = args.work / f"keypoints_{args.keypoint_numbers}"
    return folder if stage == "keypoints" else folder / f"attributes_{args.attribute_numbers}"


def steps(args: MakeArguments) -> Iterator[Step]:
    """The commands in their order, each made when the one before has ended: it may depend on what that left.

    Raises ValueError where an artifact is not of the last phase before it.
    """
    photos, crops = args.work / "photos", made_with(args, "keypoints") / "crops"
    artifacts: dict[Stage, Path] = {stage: made_with(args, stage) / "artifact" for stage in STAGES}
    before = ("--weights", WORD) if args.start == "shipped" else ()
    counts = ("--count", str(args.count), "--test-count", str(args.test_count), "--seed", str(args.seed))
    draw = ("data", "synth", "--out", photos, *counts, *_PHOTO_WORDS, "--workers", "2")
    yield Step(draw, photos / "attributes", ATTRIBUTE_ANSWER)

    runs: list[Path] = []
    for place, phase in phases_from(args.start, KEYPOINT_PHASES):
        start = ("--resume-model", best_weights(runs[-1]), "--resume", "True") if runs else before
        words = ("train", *_KEYPOINT_WORDS, "--data", photos, "--output", phase_folder(args, "keypoints", place))
        folder = runs_folder(args, "keypoints", place)
        yield _training(words, phase, args, folder, start)
        runs.append(only_run(folder))
    keypoints = runs[-1]
    yield _export(keypoints, artifacts["keypoints"], photos, "keypoint", args.keypoint_numbers)
    check_source(artifacts["keypoints"], keypoints)

    crop = ("data", "crop", "--data", photos / "attributes", "--out", crops, "--crop", "heatmap")
    yield Step((*crop, "--modelpath", artifacts["keypoints"], "--batch-size", "32"), crops, ATTRIBUTE_ANSWER)
    runs = []
    for place, phase in phases_from(args.start, ATTRIBUTE_PHASES):
        start = ("--load", runs[-1]) if runs else before or ("--weights", keypoints)
        output = phase_folder(args, "attributes", place)
        words = ("train-attributes", *_ATTRIBUTE_WORDS, "--data", crops, "--output", output)
        folder = runs_folder(args, "attributes", place)
        yield _training(words, phase, args, folder, start)
        runs.append(only_run(folder))
    yield _export(runs[-1], artifacts["attributes"], crops, "attribute", args.attribute_numbers)
    check_source(artifacts["attributes"], runs[-1])
    scores = made_with(args, "attributes") / "scores"
    yield from score_steps(artifacts, scores, photos, crops, args.real)
    for stage, data in zip(STAGES, (photos, crops), strict=True):
        told = f"validation_{stage}.json"
        yield Step(("evaluate", artifacts[stage], "--data", data, "--json", scores / told), scores, told)


def phases_from(start: str, phases: Sequence[Phase]) -> list[tuple[int, Phase]]:
    """The phases with their places; a finished network has no use for photos below three quarters of its own size."""
    smallest = 0 if start == "nothing" else phases[-1].size * 3 / 4
    return [(place, phase) for place, phase in enumerate(phases) if phase.size >= smallest]


def phase_folder(args: MakeArguments, stage: Stage, place: int) -> Path:
    """What a training is given as --output for a phase; -1 is the last phase."""
    phases = KEYPOINT_PHASES if stage == "keypoints" else ATTRIBUTE_PHASES
    above = args.work if stage == "keypoints" else made_with(args, "keypoints")
    return above / "runs" / f"{stage}_{place % len(phases)}_{phases[place].size}"


def runs_folder(args: MakeArguments, stage: Stage, place: int) -> Path:
    """Where the training puts the run of a phase; -1 is the last phase."""
    return phase_folder(args, stage, place) / ("all" if stage == "keypoints" else f"{FOLDER}/all")


def score_steps(
    artifacts: Mapping[Stage, Path], scores: Path, photos: Path, crops: Path, real: Path | None
) -> Iterator[Step]:
    """Hidden synthetic answers, and real ones where there are some."""
    truths = {"synthetic": photos / ANSWER}
    tests = {"synthetic": photos / "test" / "test.csv"}
    if real is not None:
        truths[real_name(real)], tests[real_name(real)] = real / "answers.csv", real / "test.csv"
    for name, truth in truths.items():
        for augment, told in (("False", "plain"), ("True", "tta")):
            folder = scores / f"keypoints_{name}_{told}"
            words = ("test", "--modelpath", artifacts["keypoints"], "--data", tests[name], "--augment", augment)
            yield Step((*words, "--outpath", folder), folder, "submission.csv")
            yield _score("keypoints", truth, folder, "submission.csv")
        folder = scores / f"auto_{name}"
        pair = ("--modelfile", artifacts["keypoints"], "--attributes", artifacts["attributes"])
        yield Step(("predict", tests[name], *pair, "--out", folder / "told.json"), folder, "told.json")
    folder = scores / "attributes_synthetic"
    words = ("test-attributes", "--modelpath", artifacts["attributes"], "--flip", "True", "--outpath", folder)
    asked = ("--data", crops / "rank" / "Tests" / "question.csv")
    yield Step((*words, *asked), folder, "attribute_submission.csv")
    yield _score("attributes", crops / ATTRIBUTE_ANSWER, folder, "attribute_submission.csv")


def _score(stage: Stage, truth: Path, folder: Path, submission: str) -> Step:
    words = ("score", stage, "--truth", truth, "--predicted", folder / submission)
    return Step((*words, "--json", folder / "score.json"), folder, "score.json")


def _training(
    words: tuple[str | Path, ...], phase: Phase, args: MakeArguments, runs: Path, start: tuple[str | Path, ...]
) -> Step:
    """A phase that has begun goes on exactly; its run is calibrated last of all."""
    epochs = max(1, round(phase.epochs * args.epochs))
    own = ("--size", str(phase.size), "--epochs", str(epochs), "--learning-rate", str(phase.learning_rate))
    begun = next(runs.glob("*/states/index.json"), None) is not None
    going_on = ("--resume", "True") if begun else start
    return Step((*words, *own, "--precision", args.precision, *going_on), runs, f"*/{CALIBRATION}")


def _export(run: Path, out: Path, data: Path, stage: str, numbers: str) -> Step:
    words = ("export", run, "--precision", numbers, "--data", data, "--out", out)
    return Step(words, out, MANIFEST, f" (its --precision is --{stage}-numbers here)")


def run_step(step: Step) -> None:
    """Raises ValueError where the command fails, and has told why, or leaves the step undone."""
    words = [str(word) for word in step.words]
    name = f"aifashion {' '.join(words[:2])}"
    tell(f"> aifashion {' '.join(words)}")
    ended = subprocess.run([sys.executable, "-m", "aifashion.top.cli", *words], check=False).returncode
    if ended:
        raise ValueError(f"{name} ended with {ended}; mend what it says{step.hint} and call weights make again")
    if step.done is None:
        last = step.folder / step.last
        raise ValueError(
            f"{name} ended well without its last file, {last}; see what it says and call weights make again"
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


def part_of_pair(args: MakeArguments, stage: Stage) -> Part:
    """What a stage of the pair is made of, once all steps are done."""
    run, scores = only_run(runs_folder(args, stage, -1)), made_with(args, "attributes") / "scores"
    tests = args.work / "photos" / "test" / "test.csv"

    def card(folder: Path) -> str:
        if stage == "keypoints":
            return keypoint_card(folder, scores, tests, args.real)
        return attribute_card(folder, scores, args.real)

    artifact = made_with(args, stage) / "artifact"
    return Part(stage, artifact, run, best_weights(run), made_by(args, stage), card)
