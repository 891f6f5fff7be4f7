"""Ensembles of classifiers: which runs go together, their weights, and the thresholds of labels.

For one run, the thresholds are those of its calibration. For several with weights from validation photos, they are
tuned again for the blend, on the same photos as the weights. With equal weights there are no photos to tune them on;
then they are the mean of the runs' thresholds, since calibrated probabilities are on one scale.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data_gen.label_table import LabelTable
from ..eval.ensemble import blend, find_weights
from ..eval.style_metrics import tune_thresholds
from ..recognition.attribute_model import AttributeModel
from .attributes import AttributeTask
from .label_kinds import LabelKind

log = logging.getLogger(__name__)


def check_ensemble(models: Sequence[AttributeModel], tasks: Sequence[str]) -> None:
    """Raises ValueError if runs lack a head, or have different classes, for the tasks of a test set."""
    for task in tasks:
        found = {head.classes: model for model in models for head in model.heads if head.name == task}
        if not found:
            raise ValueError(f"the test set asks for {task}, which none of the runs can answer: add one that can")
        if len(found) > 1:
            (some, one), (others, other), *_ = found.items()
            apart = ", ".join(sorted({*some} ^ {*others})) or "their order"
            raise ValueError(
                f"{one.run} and {other.run} have different classes of {task} ({apart}): choose one of them"
            )
    for model in models:
        if not {head.name for head in model.heads} & set(tasks):
            raise ValueError(f"{model.run} answers nothing that the test set asks for ({', '.join(tasks)})")


def able(models: Sequence[AttributeModel], task: str) -> list[int]:
    """Indices of the runs that have a head for the task."""
    return [index for index, model in enumerate(models) if any(head.name == task for head in model.heads)]


def validation_tables(models: Sequence[AttributeModel], tasks: Sequence[str], data: Path) -> dict[int, LabelTable]:
    """By index of a run that shares a task with another, the photos on which its weight is found.

    Raises ValueError if runs to be blended were not validated on the same photos.
    """
    shared = {task: indices for task in tasks if len(indices := able(models, task)) > 1}
    tables: dict[int, LabelTable] = {}
    for index in sorted({index for indices in shared.values() for index in indices}):
        tables[index] = AttributeTask(models[index].config, models[index].heads).parts(data)[1]
    for task, (first, *others) in shared.items():
        expected = _labelled(tables[first], task)
        for other in others:
            names = _labelled(tables[other], task)
            if names != expected:
                raise ValueError(
                    f"{models[first].run} and {models[other].run} were not validated on the same photos of {task} in "
                    f"{data}: {len(expected)} and {len(names)}, {len({*expected} & {*names})} of them in "
                    "common. Blend runs of one --seed and --val-fraction, or take --weights equal"
                )
    return tables


def find_blend(
    task: str, models: Sequence[AttributeModel], known: Sequence[tuple[np.ndarray, np.ndarray]], kind: LabelKind
) -> tuple[np.ndarray, list[float]]:
    """The weights of the runs for the task, and the thresholds of its labels, empty for exclusive classes.

    known: outputs and targets of each run, both (N, C), for the same N validation photos; empty for equal weights.
    """
    head = next(head for head in models[0].heads if head.name == task)
    weights, truth = np.full(len(models), 1 / len(models)), known[0][1] if known else np.zeros(0)
    answers = [found for found, _ in known]
    if len(truth):
        weights, score = find_weights(len(models), lambda trial: kind.official(blended(answers, trial), truth))
        shares = ", ".join(f"{weight:.2f}" for weight in weights)
        log.info(f"{task}: weights {shares}, validation {kind.measure} {score:.4f}")
    elif known:
        log.warning(f"{task}: no validation photo is labelled for it and can be read, so all weights are the same")
    if head.kind != "independent":
        return weights, []
    if len(truth):
        return weights, tune_thresholds(blended(answers, weights), truth > 0.5).tolist()
    usual = [0.5] * len(head.classes)
    return weights, blend([np.array(m.calibration.thresholds.get(task, usual)) for m in models], weights).tolist()


def blended(answers: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """(N, C) of each run -> their weighted mean, at most 1: the mean of ones can round to above 1."""
    return np.clip(blend(list(answers), weights), 0, 1)


def _labelled(table: LabelTable, task: str) -> list[str]:
    """The names of the photos labelled for the task, in order."""
    rows = np.flatnonzero(table.codes[:, [head.name for head in table.heads].index(task)] >= 0)
    return list(table.photos.select(rows).names)
