"""Predicts a test set with one or several classifiers: `python src/top/test_attributes.py --modelpath RUN...`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from aifashion.config import PRODUCT, STYLE
from aifashion.data_gen.label_table import LabelTable, Photos
from aifashion.eval.attribute_inference import Outcome, Views, predict_attributes
from aifashion.eval.ensemble import blend, find_weights
from aifashion.eval.style_metrics import tune_thresholds
from aifashion.files import write_atomic
from aifashion.recognition.attribute_model import FOLDER, AttributeModel, load_attribute_model
from aifashion.tasks.attribute_data import check_crop, load_tables_of
from aifashion.tasks.attribute_scores import known_answers, official_score
from aifashion.tasks.attribute_submissions import read_asked, write_answers
from aifashion.top.arguments import CHECKOUT, choose_device, run_command, tell, warn
from aifashion.top.test import progress_bar

ALL_VIEWS = Views((0.875, 1.0, 1.125), crops=5, mirror=True)


@dataclass(frozen=True)
class Arguments:
    """Predict attributes, styles or products of a test set and write the submission in the official form."""

    modelpath: tuple[Path, ...] = (CHECKOUT / "trained_models" / FOLDER / "all",)
    """run folders, folders of runs to take the latest of, or artifacts; several are blended where they tell the same"""
    data: Path = CHECKOUT / "data"
    """the test list (question.csv, test.txt), or the folder that holds it; for styles the folder of shards"""
    outpath: Path = CHECKOUT / "submission"
    """folder for the submission"""
    augment: bool = False
    """test-time augmentation: ten-crop at three scales, thirty passes"""
    flip: bool = False
    """each photo also mirrored"""
    crops: Literal[1, 5] = 1
    """the whole photo, or its corners and centre; with --flip this is ten-crop"""
    scales: tuple[float, ...] = (1.0,)
    """sides of the input as multiples of the run's size"""
    weights: Literal["equal", "validation"] = "equal"
    """of several runs: all the same, or as scores best on the validation set of --val-data, which they must share: by
    AP for a FashionAI task, F2 for styles, mean class error for products"""
    val_data: Path = CHECKOUT / "data"
    """the data folder that the runs were trained on, all with the same --seed, for --weights validation"""
    batch_size: int = 32
    """photos in a batch"""
    strict: bool = False
    """stop at the first photo that cannot be read"""
    gpu_id: str | None = None
    """GPUs to use, such as 0 or 0,1; all by default"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("test_attributes.py", Arguments, arguments, predict_test_set)


def predict_test_set(args: Arguments) -> None:
    """Writes the answers of a run, or of several as one.

    From which probability on a style is told belongs to who tells it. For one run it is what its calibration found; for
    several with --weights validation it is found anew for their blend, on the same photos as the weights. With equal
    weights there are no photos to find it on, and it is the mean of the runs' own: their probabilities, each calibrated
    by its temperatures, are on one scale, so that what is between the runs' probabilities is held against what is
    between their thresholds.
    """
    choose_device(args.gpu_id)
    views = ALL_VIEWS if args.augment else Views(args.scales, args.crops, args.flip)
    models = [load_attribute_model(path) for path in args.modelpath]
    kinds = {_kind(model) for model in models}
    if len(kinds) > 1:
        raise ValueError(f"runs of different tasks in one ensemble: {', '.join(sorted(kinds))}; name those of one kind")
    for model in models:
        check_crop(args.data, model.config.crop)
    asked = read_asked(args.data, kinds.pop())
    tasks = list(dict.fromkeys(asked.heads))
    _check_heads(models, tasks)
    tables = _validation_tables(models, tasks, args)
    answers: dict[str, list[np.ndarray]] = {task: [] for task in tasks}
    unreadable: dict[int, str] = {}
    for model in models:
        for task, told in _predict(model, asked.photos, views, args, unreadable).items():
            if task in answers:
                answers[task].append(told)
    validated = {place: _validate(models[place], table, views, args) for place, table in tables.items()}
    weights: dict[str, np.ndarray] = {}
    thresholds: dict[str, list[float]] = {}
    for task in tasks:
        able = _able(models, task)
        known = [_known(tables[place], validated[place], task) for place in able if len(able) > 1 and place in tables]
        weights[task], thresholds[task] = find_blend(task, [models[place] for place in able], known)
    blended = {task: _blended(told, weights[task]) for task, told in answers.items()}
    for told in blended.values():
        # A photo that could not be read: as likely to be anything.
        told[list(unreadable)] = 0.0 if asked.kind == STYLE else 1 / told.shape[1]
    args.outpath.mkdir(parents=True, exist_ok=True)
    path = write_answers(args.outpath, asked, blended, thresholds)
    if len(models) > 1:
        shares = {
            task: {str(models[place].run): share for place, share in zip(_able(models, task), found, strict=True)}
            for task, found in weights.items()
        }
        write_atomic(args.outpath / "ensemble.json", json.dumps(shares, indent=1) + "\n")
    for reason in unreadable.values():
        warn(f"no answer, all classes alike: {reason}")
    tell(f"Wrote {len(asked.photos)} rows to {path}, {len(unreadable)} of them of photos that cannot be read")


def _kind(model: AttributeModel) -> str:
    return model.config.task if model.config.task in (STYLE, PRODUCT) else "FashionAI attributes"


def _check_heads(models: list[AttributeModel], tasks: list[str]) -> None:
    for task in tasks:
        classes = {head.classes for model in models for head in model.heads if head.name == task}
        if not classes:
            raise ValueError(f"the test set asks for {task}, which none of the runs tells: name one that does")
        if len(classes) > 1:
            raise ValueError(f"the runs tell {task} by different classes and cannot be blended")
    for model in models:
        if not {head.name for head in model.heads} & set(tasks):
            raise ValueError(f"{model.run} tells nothing that the test set asks for ({', '.join(tasks)})")


def _able(models: list[AttributeModel], task: str) -> list[int]:
    """Places of the runs that tell it."""
    return [place for place, model in enumerate(models) if any(head.name == task for head in model.heads)]


def _predict(
    model: AttributeModel, photos: Photos, views: Views, args: Arguments, unreadable: dict[int, str]
) -> dict[str, np.ndarray]:
    """By head (N, C); rows of photos that cannot be read are 0, and go to `unreadable`."""
    told = {head.name: np.zeros((len(photos), len(head.classes))) for head in model.heads}
    outcomes = predict_attributes(
        model.predict, photos, model.heads, model.config.size, views, model.calibration.temperatures, args.batch_size
    )
    for outcome in progress_bar(outcomes, len(photos)):
        if outcome.probabilities is None:
            if args.strict:
                raise ValueError(f"{outcome.error}; without --strict it would be reported at the end")
            unreadable[outcome.row] = str(outcome.error)
            continue
        for name, values in outcome.probabilities.items():
            told[name][outcome.row] = values
    return told


def _validation_tables(models: list[AttributeModel], tasks: list[str], args: Arguments) -> dict[int, LabelTable]:
    """By place of a run the photos that its weight is found on; none where all weights are the same.

    Raises ValueError where runs that are to be blended were not validated on the same photos.
    """
    shared = {task: _able(models, task) for task in tasks} if args.weights == "validation" else {}
    shared = {task: able for task, able in shared.items() if len(able) > 1}
    tables: dict[int, LabelTable] = {}
    for place in sorted({place for able in shared.values() for place in able}):
        model = models[place]
        check_crop(args.val_data, model.config.crop)
        tables[place] = load_tables_of(args.val_data, model.config, model.heads)[1]
    for task, (first, *others) in shared.items():
        expected = _labelled(tables[first], task)
        for other in others:
            names = _labelled(tables[other], task)
            if names != expected:
                raise ValueError(
                    f"{models[first].run} and {models[other].run} were not validated on the same photos of {task} in "
                    f"{args.val_data}: {len(expected)} and {len(names)}, {len({*expected} & {*names})} of them in "
                    "common. Blend runs of one --seed and --val-fraction, or take --weights equal"
                )
    return tables


def _labelled(table: LabelTable, task: str) -> list[str]:
    """The names of the photos that are labelled for it, in their order."""
    rows = np.flatnonzero(table.codes[:, _place(table, task)] >= 0)
    return list(table.photos.select(rows).names)


def _place(table: LabelTable, task: str) -> int:
    return [head.name for head in table.heads].index(task)


def _validate(model: AttributeModel, table: LabelTable, views: Views, args: Arguments) -> list[Outcome]:
    """The outcomes of all validation photos that can be read."""
    options = (views, model.calibration.temperatures, args.batch_size)
    outcomes = predict_attributes(model.predict, table.photos, table.heads, model.config.size, *options)
    return [outcome for outcome in progress_bar(outcomes, len(table)) if outcome.error is None]


def _known(table: LabelTable, outcomes: list[Outcome], task: str) -> tuple[np.ndarray, np.ndarray]:
    return known_answers(table, outcomes, _place(table, task))


def find_blend(
    task: str, models: list[AttributeModel], known: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, list[float]]:
    """The weights of the runs that tell the task, and the thresholds of its labels, empty where classes exclude others.

    known: of each run the answers and targets, both (N, C), of the same N validation photos; none for equal weights.
    """
    head = next(head for head in models[0].heads if head.name == task)
    weights, truth = np.full(len(models), 1 / len(models)), known[0][1] if known else np.zeros(0)
    told = [answers for answers, _ in known]
    if len(truth):
        weights, score = find_weights(len(models), lambda trial: official_score(head, _blended(told, trial), truth)[1])
        name, _ = official_score(head, _blended(told, weights), truth)
        shares = ", ".join(f"{weight:.2f}" for weight in weights)
        tell(f"{task}: weights {shares}, validation {name} {score:.4f}")
    elif known:
        warn(f"{task}: no validation photo is labelled for it and can be read, so all weights are the same")
    if head.kind != "independent":
        return weights, []
    if len(truth):
        return weights, tune_thresholds(_blended(told, weights), truth > 0.5).tolist()
    usual = [0.5] * len(head.classes)
    return weights, blend([np.array(m.calibration.thresholds.get(task, usual)) for m in models], weights).tolist()


def _blended(told: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """A mean of ones may round to a little above 1, which is no probability."""
    return np.clip(blend(told, weights), 0, 1)


if __name__ == "__main__":
    main()
