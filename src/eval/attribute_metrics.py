"""mAP and BasicPrecision, the scores of the FashionAI attribute challenge (higher is better).

Only the largest probability of a photo and its class count. At a threshold, the photos whose largest probability
reaches it are answered. An answered photo is correct if its class has the mark y, wrong if it has n, and ignored if it
has m. Precision is correct / (correct + wrong), AP of a task is the mean precision over the thresholds, mAP the mean AP
over the tasks. BasicPrecision is the precision with every photo answered.

The definition leaves these points open; here they are decided as follows:

- There is one threshold for each distinct largest probability, so photos of equal probability are answered together.
- A threshold at which every answered photo is ignored has no precision and is left out of the mean. A task without any
  other threshold has no AP and is left out of mAP.
- If several classes have the largest probability, the first is the answer.
- The score needs only the largest probability, so those of a photo need not sum to one. Files with a sum off by more
  than 0.01 are scored all the same, and the number of such rows is reported.

The truth of a task is an array (N, C) of soft labels, as `LabelTable.target` returns it: y is the largest part, m every
other part above 0, n is 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..data_gen.formats.challenges import ATTRIBUTE_TASKS
from ..data_gen.formats.fashionai_attributes import AttributeRow, read_labels, soft_label
from ..data_gen.formats.problems import FormatError, Problem
from .attribute_submission import SUM_TOLERANCE, read_attribute_submission


@dataclass(frozen=True, slots=True, eq=False)
class TaskScore:
    """The score of one task; NaN if there was nothing to measure.

    accuracy: share of the photos answered with y; those answered with m count as wrong. maybe: photos answered with m,
    which AP and BasicPrecision ignore. confusion: (C, C) int, photos by true (y) and predicted class.
    """

    ap: float
    basic_precision: float
    accuracy: float
    images: int
    maybe: int
    confusion: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class AttributeScore:
    """map, basic_precision and accuracy: means over the tasks that have one. unnormalised: rows of the scored file
    whose probabilities do not sum to one."""

    map: float
    basic_precision: float
    accuracy: float
    per_task: dict[str, TaskScore]
    unnormalised: int = 0

    @property
    def images(self) -> int:
        """The photos of all tasks; one that is asked for two tasks counts twice."""
        return sum(task.images for task in self.per_task.values())

    def to_json(self) -> dict:
        """Plain numbers for `json.dumps`, None for NaN."""
        return {
            "map": _plain(self.map),
            "basic_precision": _plain(self.basic_precision),
            "accuracy": _plain(self.accuracy),
            "images": self.images,
            "unnormalised": self.unnormalised,
            "per_task": {
                name: {
                    "ap": _plain(task.ap),
                    "basic_precision": _plain(task.basic_precision),
                    "accuracy": _plain(task.accuracy),
                    "images": task.images,
                    "maybe": task.maybe,
                }
                for name, task in self.per_task.items()
            },
        }


def precision_curve(probabilities: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds from high to low, (T,), and the precision at each, (T,); thresholds without precision are left out.

    probabilities, truth: (N, C), see the module. Raises ValueError for shapes that differ, or probabilities that are
    negative or not finite.
    """
    predicted, largest, verdict = _answers(probabilities, truth)
    order = np.argsort(-largest, kind="stable")
    largest = largest[order]
    last = np.flatnonzero(np.append(largest[1:] != largest[:-1], True)) if len(predicted) else np.empty(0, int)
    correct = np.cumsum(verdict[order] > 0)[last]
    counted = np.cumsum(verdict[order] != 0)[last]
    usable = counted > 0
    return largest[last][usable], correct[usable] / counted[usable]


def average_precision(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """AP of one task, NaN if no photo counts. Arguments and errors as in `precision_curve`."""
    return _mean(precision_curve(probabilities, truth)[1])


def score_task(probabilities: np.ndarray, truth: np.ndarray) -> TaskScore:
    """All scores of one task. Arguments and errors as in `precision_curve`."""
    predicted, _, verdict = _answers(probabilities, truth)
    true = np.asarray(truth).argmax(axis=1)
    return TaskScore(
        ap=average_precision(probabilities, truth),
        basic_precision=_mean(verdict[verdict != 0] > 0),
        accuracy=_mean(predicted == true),
        images=len(true),
        maybe=int((verdict == 0).sum()),
        confusion=confusion_matrix(predicted, true, np.shape(truth)[1]),
    )


def score_attributes(probabilities: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> AttributeScore:
    """The score of several tasks: task -> (N, C), the photos of each task in the same order on both sides.

    Tasks that only `probabilities` has are left out. Raises ValueError for no task, for a task without probabilities,
    and as `precision_curve`, naming the task.
    """
    missing = [task for task in truth if task not in probabilities]
    if missing or not truth:
        raise ValueError(f"no probabilities for {', '.join(missing)}" if missing else "there is nothing to score")
    per_task = {}
    for task, target in truth.items():
        try:
            per_task[task] = score_task(probabilities[task], target)
        except ValueError as error:
            raise ValueError(f"{task}: {error}") from None
    means = [_mean([getattr(s, name) for s in per_task.values()]) for name in ("ap", "basic_precision", "accuracy")]
    return AttributeScore(means[0], means[1], means[2], per_task)


def score_attribute_files(truth: Path, predicted: Path) -> AttributeScore:
    """Scores a submission against a label file or released answers, rows matched by path and task in any order.

    Raises FormatError, naming file and line, for any error in either file, for rows of the truth without a prediction,
    and for predictions without a row of the truth.
    """
    truth, predicted = Path(truth), Path(predicted)
    asked = {(row.path, row.task): row for row in read_labels(truth)}
    submission = read_attribute_submission(predicted)
    answered = {key: i for i, key in enumerate(zip(submission.names, submission.tasks, strict=True))}
    problems = [
        Problem(truth, row.line, f"{row.path!r} of {row.task} has no row in {predicted}")
        for key, row in asked.items()
        if key not in answered
    ]
    problems += [
        Problem(predicted, submission.lines[i], f"{name!r} of {task} has no row in {truth}")
        for (name, task), i in answered.items()
        if (name, task) not in asked
    ]
    if problems:
        raise FormatError(problems)
    targets = {label: soft_label(label) for label in {row.value for row in asked.values()}}
    by_task: dict[str, list[AttributeRow]] = {task: [] for task in ATTRIBUTE_TASKS}
    for row in asked.values():
        by_task[row.task].append(row)
    truths, answers = {}, {}
    for task, rows in by_task.items():
        if rows:
            truths[task] = np.stack([targets[row.value] for row in rows])
            answers[task] = np.stack([submission.probabilities[answered[row.path, task]] for row in rows])
    off = sum(int((abs(values.sum(axis=1) - 1) > SUM_TOLERANCE).sum()) for values in answers.values())
    return replace(score_attributes(answers, truths), unnormalised=off)


def confusion_matrix(predicted: np.ndarray, true: np.ndarray, classes: int) -> np.ndarray:
    """(C, C) int64: photos by true class (row) and predicted class (column), from two (N,) int arrays of classes.

    Raises ValueError for lengths that differ or a class outside 0 .. classes - 1.
    """
    predicted, true = checked_classes(predicted, true, classes)
    return np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)


def _answers(probabilities: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,) each: the class of the largest probability, that probability, and 1 for y, 0 for m, -1 for n."""
    probabilities, truth = np.asarray(probabilities), np.asarray(truth)
    if probabilities.shape != truth.shape or truth.ndim != 2:
        raise ValueError(f"expected probabilities and truth (N, C); got {probabilities.shape} and {truth.shape}")
    if not (np.isfinite(probabilities) & (probabilities >= 0)).all():
        raise ValueError("a probability is negative or not a finite number; give probabilities, not logits")
    if not (truth > 0).any(axis=1).all():
        raise ValueError("a photo has no label for this task; select those that have")
    predicted = probabilities.argmax(axis=1)
    rows = np.arange(len(truth))
    verdict = np.where(truth[rows, predicted] > 0, 0, -1)
    verdict[predicted == truth.argmax(axis=1)] = 1
    return predicted, probabilities[rows, predicted], verdict


def checked_classes(predicted: np.ndarray, true: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Both as (N,) int64. Raises ValueError for lengths that differ or a class outside 0 .. classes - 1."""
    predicted, true = np.asarray(predicted, np.int64), np.asarray(true, np.int64)
    if predicted.shape != true.shape or true.ndim != 1:
        raise ValueError(f"expected predicted and true classes (N,); got {predicted.shape} and {true.shape}")
    for values in (predicted, true):
        if len(values) and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(f"classes {values.min()} to {values.max()}; expected 0 to {classes - 1}")
    return predicted, true


def _mean(values: Sequence[float] | np.ndarray) -> float:
    """Mean of those that are not NaN; NaN if there are none."""
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else float("nan")


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
