"""Predicts a test set with one or several classifiers: `aifashion test-attributes --model RUN...`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from aifashion.data_gen.label_table import LabelTable, Photos
from aifashion.eval.attribute_inference import Outcome, Views, predict_attributes
from aifashion.files import locked, write_atomic
from aifashion.recognition.attribute_model import AttributeModel, load_attribute_model
from aifashion.tasks.attribute_data import check_crop
from aifashion.tasks.attribute_scores import known_answers
from aifashion.tasks.ensembles import able, blended, check_ensemble, find_blend, validation_tables
from aifashion.tasks.label_kinds import label_kind
from aifashion.top.arguments import CHECKOUT, choose_device, make_folder, one_line, run_command, tell, warn
from aifashion.top.progress import progress_bar

ALL_VIEWS = Views((0.875, 1.0, 1.125), crops=5, mirror=True)


@dataclass(frozen=True)
class Arguments:
    """Predict the attributes, styles or products of a test set and write the submission."""

    model: tuple[Path, ...] = ()
    """one or more classifiers: run folders, folders of runs (the latest finished run of each is used, never a --debug
    run), artifacts, or shipped (the default); the probabilities of several are averaged, for each task that they
    share"""
    data: Path = CHECKOUT / "data"
    """the test list (question.csv, test.txt) or its folder; for styles, the folder with the TFRecords"""
    out: Path = CHECKOUT / "submission"
    """folder for the submission"""
    augment: bool = False
    """test-time augmentation: ten crops at each of three scales, thirty passes in all"""
    flip: bool = False
    """average over the photo and its mirror image"""
    crops: Literal[1, 5] = 1
    """1: the whole photo; 5: crops of its four corners and its centre; 5 with --flip is ten crops"""
    scales: tuple[float, ...] = (1.0,)
    """average over these input sizes, as multiples of the size in training"""
    weights: Literal["equal", "validation"] = "equal"
    """how several runs are averaged: equal, or validation: the weights that score best on the validation photos of
    --val-data (by AP for an attribute task, F2 for styles, mean class error for products)"""
    val_data: Path = CHECKOUT / "data"
    """for --weights validation: the data folder that all runs were trained on, all with the same --seed and
    --val-fraction"""
    batch_size: int = 32
    """how many photos the network processes at once"""
    strict: bool = False
    """stop at the first photo that cannot be read; by default such photos are only reported"""
    gpu_id: str | None = None
    """number of the GPU to use, such as 0; -1 for none; by default the first. Artifacts always run on the processor"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion test-attributes", Arguments, arguments, predict_test_set)


def predict_test_set(args: Arguments) -> None:
    """Writes the answers of a run, or of several as one."""
    choose_device(args.gpu_id)
    views = ALL_VIEWS if args.augment else Views(args.scales, args.crops, args.flip)
    models = [load_attribute_model(path) for path in args.model or (None,)]
    kinds = {label_kind(model.config.task).name for model in models}
    if len(kinds) > 1:
        raise ValueError(f"runs of different tasks in one ensemble: {', '.join(sorted(kinds))}; choose those of one")
    kind = label_kind(models[0].config.task)
    known = [*models[0].config.vocabulary.attributes, *(head for model in models for head in model.heads)]
    classes = {head.name: head.classes for head in known}
    asked = kind.questions(args.data, classes)
    for model in models:
        check_crop(args.data, model.config.crop)
    tasks = list(dict.fromkeys(asked.heads))
    check_ensemble(models, tasks)
    tables = validation_tables(models, tasks, args.val_data) if args.weights == "validation" else {}
    answers: dict[str, list[np.ndarray]] = {task: [] for task in tasks}
    unreadable: dict[int, str] = {}
    for model in models:
        for task, probabilities in _predict(model, asked.photos, views, args, unreadable).items():
            if task in answers:
                answers[task].append(probabilities)
    validated = {index: _validate(models[index], table, views, args) for index, table in tables.items()}
    blends, thresholds, shares = {}, {}, {}
    for task in tasks:
        chosen = able(models, task)
        pairs = [known_answers(tables[i], validated[i], _index(tables[i], task)) for i in chosen if i in tables]
        weights, thresholds[task] = find_blend(
            task, [models[i] for i in chosen], pairs if len(chosen) > 1 else [], kind
        )
        blends[task] = blended(answers[task], weights)
        # A photo that could not be read: as likely to be anything.
        blends[task][list(unreadable)] = 0.0 if thresholds[task] else 1 / blends[task].shape[1]
        shares[task] = {str(models[i].run): share for i, share in zip(chosen, weights.tolist(), strict=True)}
    for reason in unreadable.values():
        warn(f"no answer, all classes alike: {one_line(reason)}")
    if len(unreadable) == len(asked.photos):
        count = len(asked.photos)
        raise ValueError(f"none of the {count} photos could be read; no submission is written to {args.out}")
    make_folder("--out", args.out)
    with locked(args.out):
        path = kind.submit(args.out, asked, blends, thresholds, classes)
        if len(models) > 1:
            write_atomic(args.out / "ensemble.json", json.dumps(shares, indent=1) + "\n")
    tell(f"Wrote {len(asked.photos)} rows to {path}, {len(unreadable)} of them of photos that cannot be read")


def _predict(
    model: AttributeModel, photos: Photos, views: Views, args: Arguments, unreadable: dict[int, str]
) -> dict[str, np.ndarray]:
    """By head (N, C); rows of photos that cannot be read are 0, and go to `unreadable`."""
    found = {head.name: np.zeros((len(photos), len(head.classes))) for head in model.heads}
    for outcome in _outcomes(model, photos, views, args):
        if outcome.probabilities is None:
            if args.strict:
                raise ValueError(f"{outcome.error}; without --strict it would be reported at the end")
            unreadable[outcome.row] = str(outcome.error)
            continue
        for name, values in outcome.probabilities.items():
            found[name][outcome.row] = values
    return found


def _validate(model: AttributeModel, table: LabelTable, views: Views, args: Arguments) -> list[Outcome]:
    """The outcomes of all validation photos that can be read."""
    return [outcome for outcome in _outcomes(model, table.photos, views, args) if outcome.error is None]


def _outcomes(model: AttributeModel, photos: Photos, views: Views, args: Arguments):
    options = (views, model.calibration.temperatures, args.batch_size)
    return progress_bar(
        predict_attributes(model.predict, photos, model.heads, model.config.size, *options), len(photos)
    )


def _index(table: LabelTable, task: str) -> int:
    return [head.name for head in table.heads].index(task)


if __name__ == "__main__":
    main()
