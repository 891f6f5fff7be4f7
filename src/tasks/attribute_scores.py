"""Scores of a classifier's outputs, by the kind of its heads, and fitting of the calibration."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data_gen.label_table import LabelTable
from ..eval.attribute_inference import Outcome
from ..eval.attribute_metrics import AttributeScore, score_attributes
from ..eval.calibration import Reliability, fit_label_temperatures, fit_temperature, reliability, top_label
from ..eval.heads import head_probabilities
from ..eval.product_metrics import ClassScore, score_classes
from ..eval.style_metrics import sample_f2, tune_thresholds
from ..files import regular, sealed, write_atomic
from ..recognition.attribute_model import Calibration, read_calibration
from ..recognition.keypoint_model import CALIBRATION
from ..records import HeadSpec


def known_answers(table: LabelTable, outcomes: Sequence[Outcome], index: int, part: str = "probabilities"):
    """(outputs, targets), both (N, C), of the photos labelled for head `index`. part: `probabilities` or `logits`."""
    rows = np.array([outcome.row for outcome in outcomes], int)
    target, known = table.target(index, rows)
    name = table.heads[index].name
    answers = [getattr(outcome, part)[name] for outcome, here in zip(outcomes, known, strict=True) if here]
    width = len(table.heads[index].classes)
    return (np.stack(answers) if answers else np.zeros((0, width))), target[known]


def attribute_numbers(table: LabelTable, outcomes: Sequence[Outcome]) -> dict[str, float]:
    """1 - map, and `ap_<task>` of each task. Raises ValueError if no photo is labelled."""
    score = score_tasks(table, outcomes)
    row = {"score": 1 - score.map, "map": score.map, "basic_precision": score.basic_precision}
    return row | {"accuracy": score.accuracy} | {f"ap_{name}": task.ap for name, task in score.per_task.items()}


def style_numbers(table: LabelTable, outcomes: Sequence[Outcome]) -> dict[str, float]:
    """1 - F2, with thresholds tuned on the same photos."""
    f2 = tuned_f2(*known_answers(table, outcomes, 0))
    return {"score": 1 - f2, "f2": f2}


def product_numbers(table: LabelTable, outcomes: Sequence[Outcome]) -> dict[str, float]:
    """The mean class error. Raises ValueError if no photo is labelled."""
    probabilities, truth = known_answers(table, outcomes, 0)
    if not len(truth):
        raise ValueError("not one validation photo is labelled")
    classes = _score_classes(probabilities, truth)
    return {"score": classes.mean_class_error, "error": classes.mean_class_error, "accuracy": classes.accuracy}


def tuned_f2(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """F2 of (N, C) probabilities, with thresholds tuned on them; higher is better."""
    holds = truth > 0.5
    return float(sample_f2(probabilities >= tune_thresholds(probabilities, holds), holds).mean())


def class_precision(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """1 - mean class error of (N, C) probabilities; higher is better."""
    return 1 - _score_classes(probabilities, truth).mean_class_error


def _score_classes(probabilities: np.ndarray, truth: np.ndarray) -> ClassScore:
    return score_classes(probabilities.argmax(axis=1), truth.argmax(axis=1), truth.shape[1])


def score_tasks(table: LabelTable, outcomes: Sequence[Outcome]) -> AttributeScore:
    """The official score of FashionAI's tasks that have labelled photos. Raises ValueError if there are none."""
    pairs = {head.name: known_answers(table, outcomes, index) for index, head in enumerate(table.heads)}
    pairs = {name: pair for name, pair in pairs.items() if len(pair[0])}
    answers, truth = ({name: pair[part] for name, pair in pairs.items()} for part in (0, 1))
    return score_attributes(answers, truth)


def reliabilities(
    table: LabelTable, outcomes: Sequence[Outcome], temperatures: Mapping[str, Any]
) -> dict[str, tuple[Reliability, Reliability]]:
    """Reliability by head, before and after its temperature: accuracy of predictions of similar confidence.

    Each independent label counts as one prediction. Heads without labelled photos are left out.
    """
    found = {}
    for index, head in enumerate(table.heads):
        logits, target = known_answers(table, outcomes, index, "logits")
        if len(logits):
            states = []
            for temperature in (1.0, temperatures.get(head.name, 1.0)):
                answers = head_probabilities(head, logits, temperature)
                pair = (answers.ravel(), target.ravel()) if head.kind == "independent" else top_label(answers, target)
                states.append(reliability(*pair))
            found[head.name] = (states[0], states[1])
    return found


def fit_calibration(run: Path, table: LabelTable, outcomes: Sequence[Outcome]) -> Calibration:
    """Fits temperatures and thresholds on validation outcomes, and saves them in the run's `calibration.json`."""
    temperatures: dict[str, Any] = {}
    thresholds: dict[str, list[float]] = {}
    for index, head in enumerate(table.heads):
        logits, target = known_answers(table, outcomes, index, "logits")
        if not len(logits):
            continue
        if head.kind == "independent":
            temperatures[head.name] = fit_label_temperatures(logits, target).tolist()
            scaled = head_probabilities(head, logits, np.array(temperatures[head.name]))
            thresholds[head.name] = tune_thresholds(scaled, target > 0.5).tolist()
        else:
            temperatures[head.name] = fit_temperature(logits, target, _log_probabilities(head))
    text = json.dumps(sealed({"temperatures": temperatures, "thresholds": thresholds}), indent=1)
    write_atomic(regular(run / CALIBRATION), text + "\n")
    return read_calibration(run, table.heads)


def _log_probabilities(head: HeadSpec):
    return lambda logits: np.log(np.maximum(head_probabilities(head, logits), 1e-12))
