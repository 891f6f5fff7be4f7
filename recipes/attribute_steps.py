"""Steps of `photograph_networks.py` that make its classifier: crop, mix, train, export, score."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from installing import check_source
from mixing import Share, mix_attributes
from photograph_arguments import PhotographArguments, made_with, tested
from steps import Step, export_step, only_run, score_step, training_step

from aifashion.data_gen.photographs import ATTRIBUTE_ANSWER as PHOTOGRAPH_ATTRIBUTE_ANSWER
from aifashion.data_gen.split import TRAIN_FILE
from aifashion.data_gen.synthetic.writer import ATTRIBUTE_ANSWER
from aifashion.recognition.attribute_model import FOLDER
from aifashion.serve.shipped import WORD
from aifashion.top import crop_commands, evaluate, predict, score, test_attributes, train_attributes

REPEAT, DRAWN, MEASURED = 2, 2000, 500
"""How often an epoch uses each photograph, and how many drawn photos; and on how many drawn photos, in addition to the
photographs, the loss of int8 is measured."""
ANSWERS = {"drawn": ATTRIBUTE_ANSWER, "laid": PHOTOGRAPH_ATTRIBUTE_ANSWER}
"""Sets of crops, and the file with the answers to their test photos, which is written last."""
OPTIONS = (
    *("--task", "all", "--network", "lite", "--crop", "heatmap", "--size", "192", "--batch-size", "32"),
    *("--learning-rate", "0.0008", "--warmup-epochs", "1", "--ema", "0.998", "--rotate", "15", "--zoom", "0.2"),
    *("--shift", "0.08", "--blur", "0.1", "--erase", "0.2"),
)


def facts() -> dict[str, str]:
    """Facts of the data and the training that this recipe sets."""
    return {"attribute_options": " ".join(OPTIONS), "attribute_mix": f"laid {REPEAT}, drawn {DRAWN}"}


def attribute_steps(args: PhotographArguments) -> Iterator[Step]:
    """Yields each step when the one before has ended; the keypoint network exists already."""
    keypoints, folder = made_with(args, "keypoints") / "artifact", made_with(args, "keypoints")
    crops = {name: folder / f"crops_{name}" for name in ANSWERS}
    for name, last in ANSWERS.items():
        options = ("--data", args.work / name / "attributes", "--crop", "heatmap", "--batch-size", "32")
        yield Step(crop_commands.crop, (*options, "--out", crops[name], "--model", keypoints), crops[name], last)
    mix = folder / "mix"
    if not (mix / f"attribute_{TRAIN_FILE}").is_file():
        mix_attributes(mix, attribute_shares(args, crops), args.seed)
    runs = runs_folder(args)
    options = (*OPTIONS, "--epochs", str(args.attribute_epochs), "--precision", str(args.precision))
    places = ("--seed", str(args.seed), "--data", mix, "--out", runs.parent.parent)
    yield training_step(train_attributes.main, (*options, *places), runs, ("--weights", WORD))
    run, classifier = only_run(runs), made_with(args, "attributes") / "artifact"
    measured = made_with(args, "attributes") / "measured"
    if not (measured / f"attribute_{TRAIN_FILE}").is_file():
        shares = [replace(share, most=MEASURED) for share in attribute_shares(args, crops)]
        mix_attributes(measured, shares, args.seed, both=True)
    yield export_step(run, classifier, measured, "attribute", args.attribute_precision)
    check_source(classifier, run)
    yield from _score_steps(args, keypoints, classifier, crops)


def _score_steps(
    args: PhotographArguments, keypoints: Path, classifier: Path, crops: Mapping[str, Path]
) -> Iterator[Step]:
    """Scores of crops, and predictions of keypoint network and classifier together from photos alone."""
    scores = made_with(args, "attributes") / "scores"
    for name, photos in tested(args).items():
        folder = scores / f"auto_{photos.name or name}"
        networks = ("--model", keypoints, "--attributes", classifier)
        yield Step(predict.main, (photos.test, *networks, "--out", folder / "answers.json"), folder, "answers.json")
    for name, shown in (("drawn", "synthetic"), ("laid", "laid")):
        folder = scores / f"attributes_{shown}"
        questions = crops[name] / "rank" / "Tests" / "question.csv"
        options = ("--model", classifier, "--flip", "--out", folder, "--data", questions)
        yield Step(test_attributes.main, options, folder, "attribute_submission.csv")
        yield score_step(score.attributes, crops[name] / ANSWERS[name], folder, "attribute_submission.csv")
    name, mix = "validation_attributes.json", made_with(args, "keypoints") / "mix"
    yield Step(evaluate.main, (classifier, "--data", mix, "--json", scores / name), scores, name)


def attribute_shares(args: PhotographArguments, crops: Mapping[str, Path]) -> list[Share]:
    shares = {
        "laid": Share("laid", crops["laid"], REPEAT, split=args.work / "laid"),
        "drawn": Share("drawn", crops["drawn"], most=DRAWN, validates=False),
    }
    return [share for name, share in shares.items() if name != args.leave_out]


def runs_folder(args: PhotographArguments) -> Path:
    """The folder in which the training puts its run."""
    return made_with(args, "keypoints") / "runs" / FOLDER / "all"
