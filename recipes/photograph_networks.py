"""`python recipes/photograph_networks.py`: teaches the pair of networks that ships by photographs.

The trainings go on from the pair of the package, on a mix of drawn photos, photographs of clothes that lie or hang and
of clothes that people wear, and photos without a garment. The annotations are those of `data/photographs` and
`data/street`; their photos are other people's, in clones of their repositories. What the pair answers is then scored on
photographs of people whose photos no training and no choice has seen.

In the folder to work in, what is made with an artifact lies beside it:

    drawn/  laid/  worn/  mix/  runs/keypoints/
    keypoints_PRECISION/      artifact/  measured/  scores/  crops_NAME/  mix/  runs/attributes/
        attributes_PRECISION/ artifact/  measured/  scores/
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from installing import Part, check_out, check_source, install
from mixing import Share, mix_attributes, mix_keypoints
from model_cards import Photographs, attribute_card, keypoint_card, real_name
from steps import (
    Step,
    best_weights,
    check_real,
    check_start,
    export_step,
    made_before,
    note_start,
    only_run,
    run_step,
    score_step,
    train_precision,
    training_step,
)

from aifashion.config import Precision
from aifashion.data_gen.formats.folders import RECIPE_FILE
from aifashion.data_gen.photographs import ANSWER as PHOTOGRAPH_ANSWER
from aifashion.data_gen.photographs import ATTRIBUTE_ANSWER as PHOTOGRAPH_ATTRIBUTE_ANSWER
from aifashion.data_gen.split import TRAIN_FILE
from aifashion.data_gen.synthetic.writer import ANSWER, ATTRIBUTE_ANSWER
from aifashion.files import claim_folder
from aifashion.recognition.attribute_model import FOLDER
from aifashion.serve.artifact import Numbers, Stage
from aifashion.serve.shipped import CARD, SHIPPED, STAGES, WORD
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

RECIPE = "python recipes/photograph_networks.py"
LISTS = {"laid": CHECKOUT / "data" / "photographs", "worn": CHECKOUT / "data" / "street"}
"""Folders of annotations."""
LAID_REPEAT, WORN_REPEAT, DRAWN, BARE = 2, 2, 800, 200
"""How often an epoch sees each annotated photograph; how many drawn photos it sees, and how many photographs of each
category of which only that is known, and without a garment."""
ATTRIBUTE_REPEAT, ATTRIBUTE_DRAWN = 2, 2000
DRAWN_COUNT, MEASURED = 2000, 500
"""How many photos are drawn; and on how many drawn ones, beside the photographs, it is measured what int8 costs."""
PHOTO_OPTIONS = ("--size", "256", "--labels", "all")
KEYPOINT_OPTIONS = (
    *("--category", "all", "--network", "lite", "--size", "256", "--batch-size", "32", "--learning-rate", "0.001"),
    *("--warmup-epochs", "1", "--ema", "0.998", "--category-weight", "0.3", "--rotate", "20", "--zoom", "0.25"),
    *("--shift", "0.1", "--colour", "0.4", "--blur", "0.15", "--erase", "0.3", "--val-freq", "2", "--save-freq", "2"),
)
ATTRIBUTE_OPTIONS = (
    *("--task", "all", "--network", "lite", "--crop", "heatmap", "--size", "192", "--batch-size", "32"),
    *("--learning-rate", "0.0008", "--warmup-epochs", "1", "--ema", "0.998", "--rotate", "15", "--zoom", "0.2"),
    *("--shift", "0.08", "--blur", "0.1", "--erase", "0.2"),
)
LeftOut = Literal["nothing", "drawn", "laid", "worn", "bare"]


@dataclass(frozen=True)
class PhotographArguments:
    """Teach the pair of networks that ships by photographs: join, mix, train, crop, train, export, score, describe.

    Run again, it goes on where it was. On two CPU cores that takes some two hours.
    """

    laid: Path
    """clone of github.com/alexeygrigorev/clothing-dataset-small"""
    worn: Path
    """clone of github.com/bearpaw/clothing-co-parsing"""
    out: Path = SHIPPED
    """folder for the pair, keypoints/ and attributes/; by default that of the installed package itself, whose pair is
    replaced in the end"""
    work: Path = CHECKOUT / "data" / "photograph_networks"
    """folder for the photos, crops and runs"""
    keypoint_epochs: int = 24
    attribute_epochs: int = 12
    test_count: int = 2000
    """drawn photos with hidden answers, to score on"""
    seed: int = 0
    """seed of the trainings and of what is chosen at random for the mix"""
    leave_out: LeftOut = "nothing"
    """what the mix does without, to see what it brings: drawn photos, photographs of garments that lie (laid) or are
    worn, or those without keypoints (bare), of which only the category is known or that show no garment"""
    precision: Precision | Literal["auto"] = "auto"
    """of the trainings: bfloat16 on processors with AMX, else float32; run again, what it was at first"""
    keypoint_precision: Numbers = "int8"
    """of the keypoint artifact; run again with another, the crops and the classifier are made anew"""
    attribute_precision: Numbers = "int8"
    """of the classifier's artifact"""
    stages: Literal["both", "keypoints"] = "both"
    """keypoints: ends after the keypoint network is exported and scored; no pair is written"""
    real: Path | None = None
    """folder of annotated photographs (test.csv, answers.csv and label.csv), on which the cards then have scores"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command(RECIPE, PhotographArguments, arguments, make_pair)


def make_pair(args: PhotographArguments) -> None:
    _check(args)
    absolute = {name: getattr(args, name).absolute() for name in ("laid", "worn", "out", "work")}
    args = claimed(replace(args, **absolute, real=args.real and args.real.absolute()))
    for step in steps(args):
        if step.done:
            tell(f"Done before: {step.done}")
            continue
        check_start(args.work, step)
        run_step(step)
    if args.stages == "keypoints":
        tell(f"Wrote the scores of the keypoint network to {scores_folder(args)}")
        return
    install(args.out, [part_of_pair(args, stage) for stage in STAGES])
    tell(f"Wrote the pair to {args.out}, with a {CARD} each")


def _check(args: PhotographArguments) -> None:
    for name in ("keypoint_epochs", "attribute_epochs", "test_count"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1, not {getattr(args, name)}")
    for name in ("laid", "worn"):
        if not getattr(args, name).is_dir():
            raise FileNotFoundError(f"--{name} {getattr(args, name)} is no folder; give the clone of the photos")
    check_real(args.real)
    if args.leave_out != "nothing" and args.stages == "both" and args.out == SHIPPED:
        raise ValueError("--leave-out is for comparisons: give another --out, or --stages keypoints")
    check_out(args.out)


def claimed(args: PhotographArguments) -> PhotographArguments:
    """Claims the folder to work in for what the trainings depend on; for `auto` it finds the precision, or that with
    which the folder was begun. Raises FileExistsError where the folder was begun otherwise."""
    path = args.work / RECIPE_FILE
    begun = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    kept = begun.get("precision") if args.precision == "auto" else None
    args = replace(args, precision=kept or train_precision(args.precision))
    names = ("keypoint_epochs", "attribute_epochs", "test_count", "seed", "leave_out", "precision")
    options = {"photo": PHOTO_OPTIONS, "keypoint": KEYPOINT_OPTIONS, "attribute": ATTRIBUTE_OPTIONS}
    facts = {name: getattr(args, name) for name in names}
    facts |= {f"{stage}_options": " ".join(given) for stage, given in options.items()}
    facts["mix"] = f"{LAID_REPEAT} {WORN_REPEAT} {DRAWN} {BARE} {ATTRIBUTE_REPEAT} {ATTRIBUTE_DRAWN} of {DRAWN_COUNT}"
    claim_folder(args.work, RECIPE_FILE, facts)
    note_start(args.work)
    return args


def made_with(args: PhotographArguments, stage: Stage) -> Path:
    """The folder of a stage's artifact and of all that is made with it: in another precision it is another one."""
    folder = args.work / f"keypoints_{args.keypoint_precision}"
    return folder if stage == "keypoints" else folder / f"attributes_{args.attribute_precision}"


def scores_folder(args: PhotographArguments) -> Path:
    last: Stage = "attributes" if args.stages == "both" else "keypoints"
    return made_with(args, last) / "scores"


def runs_folder(args: PhotographArguments, stage: Stage) -> Path:
    """Where the training of a stage puts its run."""
    if stage == "keypoints":
        return args.work / "runs" / "keypoints" / "all"
    return made_with(args, "keypoints") / "runs" / FOLDER / "all"


def steps(args: PhotographArguments) -> Iterator[Step]:
    """The steps in their order, each made when the one before has ended."""
    drawn, mix = args.work / "drawn", args.work / "mix"
    counts = ("--count", str(DRAWN_COUNT), "--test-count", str(args.test_count), "--seed", "11")
    drawing = ("--out", drawn, *counts, *PHOTO_OPTIONS, "--workers", "2")
    yield Step(data_commands.synth, drawing, drawn / "attributes", ATTRIBUTE_ANSWER)
    for name, lists in LISTS.items():
        options = ("--annotations", lists, "--source", getattr(args, name), "--out", args.work / name)
        bare = ("--category-only",) * (name == "laid")
        yield Step(data_commands.photographs, (*options, *bare), args.work / name, PHOTOGRAPH_ANSWER)

    if not (mix / TRAIN_FILE).is_file():
        photos, bare = mix_keypoints(mix, keypoint_shares(args), args.seed)
        tell(f"Mixed {photos} photos to train on and {bare} to choose the best epoch by")
    runs = runs_folder(args, "keypoints")
    options = (*KEYPOINT_OPTIONS, "--epochs", str(args.keypoint_epochs), "--precision", str(args.precision))
    places = ("--seed", str(args.seed), "--data", mix, "--out", runs.parent)
    yield training_step(train.main, (*options, *places), runs, ("--weights", WORD))
    keypoints, artifact = only_run(runs), made_with(args, "keypoints") / "artifact"
    measured = made_with(args, "keypoints") / "measured"
    if not (measured / TRAIN_FILE).is_file():
        shares = [replace(share, most=MEASURED, bare=0) for share in keypoint_shares(args)]
        mix_keypoints(measured, shares, args.seed, both=True)
    yield export_step(keypoints, artifact, measured, "keypoint", args.keypoint_precision)
    check_source(artifact, keypoints)
    yield from keypoint_score_steps(args, artifact)
    if args.stages == "keypoints":
        return

    crops = {name: made_with(args, "keypoints") / f"crops_{name}" for name in ("drawn", "laid")}
    for name, last in (("drawn", ATTRIBUTE_ANSWER), ("laid", PHOTOGRAPH_ATTRIBUTE_ANSWER)):
        options = ("--data", args.work / name / "attributes", "--crop", "heatmap", "--batch-size", "32")
        yield Step(crop_commands.crop, (*options, "--out", crops[name], "--model", artifact), crops[name], last)
    mix = made_with(args, "keypoints") / "mix"
    if not (mix / f"attribute_{TRAIN_FILE}").is_file():
        mix_attributes(mix, attribute_shares(args, crops["drawn"], crops["laid"]), args.seed)
    runs = runs_folder(args, "attributes")
    options = (*ATTRIBUTE_OPTIONS, "--epochs", str(args.attribute_epochs), "--precision", str(args.precision))
    places = ("--seed", str(args.seed), "--data", mix, "--out", runs.parent.parent)
    yield training_step(train_attributes.main, (*options, *places), runs, ("--weights", WORD))
    attributes, classifier = only_run(runs), made_with(args, "attributes") / "artifact"
    measured = made_with(args, "attributes") / "measured"
    if not (measured / f"attribute_{TRAIN_FILE}").is_file():
        shares = [replace(share, most=MEASURED) for share in attribute_shares(args, crops["drawn"], crops["laid"])]
        mix_attributes(measured, shares, args.seed, both=True)
    yield export_step(attributes, classifier, measured, "attribute", args.attribute_precision)
    check_source(classifier, attributes)
    yield from attribute_score_steps(args, artifact, classifier, crops["drawn"], crops["laid"])


def keypoint_shares(args: PhotographArguments) -> list[Share]:
    bare = BARE if args.leave_out != "bare" else 0
    shares = {
        "laid": Share("laid", args.work / "laid", LAID_REPEAT, bare=bare),
        "worn": Share("worn", args.work / "worn", WORN_REPEAT),
        "drawn": Share("drawn", args.work / "drawn", most=DRAWN, validates=False),
    }
    return [share for name, share in shares.items() if name != args.leave_out]


def attribute_shares(args: PhotographArguments, drawn: Path, laid: Path) -> list[Share]:
    shares = {
        "laid": Share("laid", laid, ATTRIBUTE_REPEAT, split=args.work / "laid"),
        "drawn": Share("drawn", drawn, most=ATTRIBUTE_DRAWN, validates=False),
    }
    return [share for name, share in shares.items() if name != args.leave_out]


def tested(args: PhotographArguments) -> dict[str, Photographs]:
    """By name what is scored: the drawn photos, the photographs and, if there are some, the further ones."""
    sets = {"synthetic": Photographs(args.work / "drawn" / "test" / "test.csv", args.work / "drawn" / ANSWER)}
    for name in LISTS:
        sets[name] = Photographs(args.work / name / "test" / "test.csv", args.work / name / PHOTOGRAPH_ANSWER)
    if args.real is not None:
        sets["real"] = Photographs(args.real / "test.csv", args.real / "answers.csv", real_name(args.real))
    return sets


def keypoint_score_steps(args: PhotographArguments, artifact: Path) -> Iterator[Step]:
    """Scores with categories given, in one pass and in ten."""
    for name, photos in tested(args).items():
        for augment, passes in (("--no-augment", "plain"), ("--augment", "tta")):
            folder = made_with(args, "keypoints") / "scores" / f"keypoints_{photos.name or name}_{passes}"
            options = ("--model", artifact, "--data", photos.test, augment, "--out", folder)
            yield Step(test.main, options, folder, "submission.csv")
            yield score_step(score.keypoints, photos.answers, folder, "submission.csv")
    folder, name = made_with(args, "keypoints") / "scores", "validation_keypoints.json"
    yield Step(evaluate.main, (artifact, "--data", args.work / "mix", "--json", folder / name), folder, name)


def attribute_score_steps(
    args: PhotographArguments, artifact: Path, classifier: Path, drawn: Path, laid: Path
) -> Iterator[Step]:
    """Scores of crops; and what both networks answer to photos alone."""
    scores = made_with(args, "attributes") / "scores"
    for name, photos in tested(args).items():
        folder = scores / f"auto_{photos.name or name}"
        pair = ("--model", artifact, "--attributes", classifier)
        yield Step(predict.main, (photos.test, *pair, "--out", folder / "answers.json"), folder, "answers.json")
    for name, crops, answer in (("synthetic", drawn, ATTRIBUTE_ANSWER), ("laid", laid, PHOTOGRAPH_ATTRIBUTE_ANSWER)):
        folder = scores / f"attributes_{name}"
        questions = crops / "rank" / "Tests" / "question.csv"
        options = ("--model", classifier, "--flip", "--out", folder, "--data", questions)
        yield Step(test_attributes.main, options, folder, "attribute_submission.csv")
        yield score_step(score.attributes, crops / answer, folder, "attribute_submission.csv")
    name, mix = "validation_attributes.json", made_with(args, "keypoints") / "mix"
    yield Step(evaluate.main, (classifier, "--data", mix, "--json", scores / name), scores, name)


def made_by(args: PhotographArguments, stage: Stage) -> list[str]:
    """The commands that made a stage of the pair, each going on from the weights of the one before."""
    epochs = f"--keypoint-epochs {args.keypoint_epochs} --attribute-epochs {args.attribute_epochs}"
    return [*made_before(args.work, stage), f"{RECIPE} --laid CLONE --worn CLONE {epochs} --seed {args.seed}"]


def part_of_pair(args: PhotographArguments, stage: Stage) -> Part:
    """What a stage of the pair is made of, once all steps are done."""
    run = only_run(runs_folder(args, stage))
    keypoint_scores, scores = made_with(args, "keypoints") / "scores", made_with(args, "attributes") / "scores"

    def card(folder: Path) -> str:
        if stage == "keypoints":
            return keypoint_card(folder, keypoint_scores, scores, tested(args))
        return attribute_card(folder, scores, ("synthetic", "laid"), args.real)

    return Part(stage, made_with(args, stage) / "artifact", run, best_weights(run), made_by(args, stage), card)


if __name__ == "__main__":
    main()
