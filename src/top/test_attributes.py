"""Predicts a test set with one or several classifiers: `python src/top/test_attributes.py --modelpath RUN...`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from aifashion.config import PRODUCT, STYLE
from aifashion.data_gen.label_table import Photos
from aifashion.eval.attribute_inference import Views, predict_attributes
from aifashion.eval.attribute_metrics import average_precision
from aifashion.eval.ensemble import blend, find_weights
from aifashion.files import write_atomic
from aifashion.top.arguments import CHECKOUT, choose_device, run_command, tell, warn
from aifashion.top.attribute_data import check_crop, load_tables
from aifashion.top.attribute_model import FOLDER, AttributeModel, load_attribute_model
from aifashion.top.attribute_scores import known_answers
from aifashion.top.attribute_submissions import read_asked, write_answers
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
    """of several runs: all the same, or as scores best on the validation set of --val-data"""
    val_data: Path = CHECKOUT / "data"
    """the data folder that the runs were trained on, for --weights validation"""
    batch_size: int = 32
    """photos in a batch"""
    strict: bool = False
    """stop at the first photo that cannot be read"""
    gpu_id: str | None = None
    """GPUs to use, such as 0 or 0,1; all by default"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("test_attributes.py", Arguments, arguments, predict_test_set)


def predict_test_set(args: Arguments) -> None:
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
    answers: dict[str, list[np.ndarray]] = {task: [] for task in tasks}
    unreadable: dict[int, str] = {}
    for model in models:
        for task, told in _predict(model, asked.photos, views, args, unreadable).items():
            if task in answers:
                answers[task].append(told)
    weights = {task: _weights(task, models, views, args) for task in tasks}
    blended = {task: blend(told, weights[task]) for task, told in answers.items()}
    for told in blended.values():
        # A photo that could not be read: as likely to be anything.
        told[list(unreadable)] = 0.0 if asked.kind == STYLE else 1 / told.shape[1]
    args.outpath.mkdir(parents=True, exist_ok=True)
    path = write_answers(args.outpath, asked, blended, models[0].calibration.thresholds)
    if len(models) > 1:
        shares = {task: dict(zip(_names(models, task), w, strict=True)) for task, w in weights.items()}
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


def _names(models: list[AttributeModel], task: str) -> list[str]:
    return [str(model.run) for model in models if any(head.name == task for head in model.heads)]


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


def _weights(task: str, models: list[AttributeModel], views: Views, args: Arguments) -> np.ndarray:
    able = [model for model in models if any(head.name == task for head in model.heads)]
    if args.weights == "equal" or len(able) == 1:
        return np.full(len(able), 1 / len(able))
    told = []
    truth = np.zeros(0)
    for model in able:
        check_crop(args.val_data, model.config.crop)
        _, table = load_tables(args.val_data, model.config)
        options = (views, model.calibration.temperatures, args.batch_size)
        outcomes = [
            o for o in predict_attributes(model.predict, table.photos, table.heads, model.config.size, *options)
        ]
        place = [head.name for head in table.heads].index(task)
        mine, truth = known_answers(table, [o for o in outcomes if o.error is None], place)
        told.append(mine)
    weights, score = find_weights(len(able), lambda w: average_precision(blend(told, w), truth))
    tell(f"{task}: weights {', '.join(f'{w:.2f}' for w in weights)}, validation AP {score:.4f}")
    return weights


if __name__ == "__main__":
    main()
