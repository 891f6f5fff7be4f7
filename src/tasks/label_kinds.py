"""The kinds of labels of a classifier: the attributes of a vocabulary, styles or products.

The table `LABEL_KINDS` has their photos and test lists, their scores, and the format of a challenge's submission. A
further kind of labels is one more entry.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..config import PRODUCT, STYLE, AttributeConfig
from ..data_gen.formats.aliproducts import (
    find_product_lists,
    read_product_lists,
    read_product_test,
    write_product_submission,
)
from ..data_gen.formats.fashionai_attributes import find_attribute_labels, find_attribute_sets, read_questions
from ..data_gen.formats.jingdong import STYLE_HEAD, write_style_submission
from ..data_gen.label_table import LabelTable, Photos
from ..data_gen.tfrecords import open_shards
from ..eval.attribute_inference import Outcome
from ..eval.attribute_metrics import average_precision
from ..eval.attribute_submission import write_attribute_submission
from ..records import HeadSpec
from .attribute_data import attribute_tables, style_tables
from .attribute_scores import attribute_numbers, class_precision, product_numbers, style_numbers, tuned_f2

log = logging.getLogger(__name__)
Classes = Mapping[str, tuple[str, ...]]
"""The classes of each head, by its name."""


@dataclass(frozen=True)
class Questions:
    """N photos of a test set, and for each the name of the head that is asked for, (N,)."""

    photos: Photos
    heads: list[str]

    @property
    def names(self) -> list[str]:
        return [self.photos.name(row) for row in range(len(self.photos))]


@dataclass(frozen=True, slots=True)
class LabelKind:
    """One kind of labels.

    heads: the heads of a configuration; empty if only the lists have the classes. find: raises OSError or ValueError,
    at once, if a data folder has no labelled photos of this kind. tables: (train, val) in a data folder. numbers:
    scores of validation outcomes by name; `score` is the one that training lowers. measure, official: name of the score
    that ranks the challenge, and its function of outputs and targets, both (N, C); higher is better. questions: the
    test list in a file or folder, for heads with these classes. submit: writes the submission to a folder from the
    probabilities (N, C) and thresholds (C,) by head, and returns its path. tasks: whether a network can have several
    heads, as FashionAI's score and confusion matrices expect.
    """

    name: str
    heads: Callable[[AttributeConfig], tuple[HeadSpec, ...]]
    find: Callable[[Path], object]
    tables: Callable[[Path, AttributeConfig], tuple[LabelTable, LabelTable]]
    numbers: Callable[[LabelTable, Sequence[Outcome]], dict[str, float]]
    measure: str
    official: Callable[[np.ndarray, np.ndarray], float]
    questions: Callable[[Path, Classes], Questions]
    submit: Callable[[Path, Questions, dict[str, np.ndarray], dict[str, list[float]], Classes], Path]
    tasks: bool = False


def label_kind(task: str) -> LabelKind:
    """The kind of a classifier's task or head."""
    return LABEL_KINDS.get(task, LABEL_KINDS["attributes"])


def product_tables(
    data: Path, classes: int | None = None, class_names: Path | None = None
) -> tuple[LabelTable, LabelTable]:
    """(train, val) of `train.txt` and `val.txt` with `classes` classes, default those that occur, and their names."""
    return read_product_lists(data, classes, class_names, log.warning)


def _attribute_questions(data: Path, classes: Classes) -> Questions:
    """Raises FileNotFoundError unless there is exactly one list, FormatError for an invalid one."""
    lists = (data,) if data.is_file() else find_attribute_sets(data).questions
    if len(lists) != 1:
        found = ", ".join(map(str, lists)) or "none"
        raise FileNotFoundError(
            f"expected one question.csv below {data}, found {found}: choose it with --data FILE.csv"
        )
    return Questions(*read_questions(lists[0], classes=classes))


def _style_questions(data: Path, classes: Classes) -> Questions:
    shards = open_shards(data)
    return Questions(shards, [STYLE] * len(shards))


def _product_questions(data: Path, classes: Classes) -> Questions:
    photos = read_product_test(data if data.is_file() else data / "test.txt")
    return Questions(photos, [PRODUCT] * len(photos))


def _submit_attributes(
    folder: Path, asked: Questions, answers: dict[str, np.ndarray], thresholds: dict[str, list[float]], classes: Classes
) -> Path:
    path = folder / "attribute_submission.csv"
    rows = [answers[task][row] for row, task in enumerate(asked.heads)]
    write_attribute_submission(path, asked.names, asked.heads, rows, classes)
    return path


def _submit_styles(
    folder: Path, asked: Questions, answers: dict[str, np.ndarray], thresholds: dict[str, list[float]], classes: Classes
) -> Path:
    path, probabilities = folder / "style_submission.csv", answers[STYLE]
    cuts = np.array(thresholds.get(STYLE) or [0.5] * probabilities.shape[1])
    write_style_submission(path, asked.names, probabilities >= cuts)
    return path


def _submit_products(
    folder: Path, asked: Questions, answers: dict[str, np.ndarray], thresholds: dict[str, list[float]], classes: Classes
) -> Path:
    path = folder / "product_submission.txt"
    write_product_submission(path, asked.names, answers[PRODUCT].argmax(axis=1))
    return path


LABEL_KINDS: dict[str, LabelKind] = {
    "attributes": LabelKind(
        "attributes",
        lambda config: config.attribute_heads,
        find_attribute_labels,
        attribute_tables,
        attribute_numbers,
        "AP",
        average_precision,
        _attribute_questions,
        _submit_attributes,
        tasks=True,
    ),
    STYLE: LabelKind(
        STYLE,
        lambda config: (STYLE_HEAD,),
        open_shards,
        style_tables,
        style_numbers,
        "F2",
        tuned_f2,
        _style_questions,
        _submit_styles,
    ),
    PRODUCT: LabelKind(
        PRODUCT,
        lambda config: (),
        find_product_lists,
        lambda data, config: product_tables(data),
        product_numbers,
        "1 - mean class error",
        class_precision,
        _product_questions,
        _submit_products,
    ),
}
"""By the task of a configuration; every other task is one of attributes."""
