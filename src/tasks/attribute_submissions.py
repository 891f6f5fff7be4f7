"""The test lists of the three kinds of classifiers, and the answers in the form that each challenge takes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..config import PRODUCT, STYLE
from ..data_gen.formats.aliproducts import read_product_test, write_product_submission
from ..data_gen.formats.fashionai_attributes import find_attribute_sets, read_questions
from ..data_gen.formats.jingdong import write_style_submission
from ..data_gen.label_table import Photos
from ..data_gen.tfrecords import open_shards
from ..eval.attribute_submission import write_attribute_submission


@dataclass(frozen=True)
class Asked:
    """What a test set asks: of each of its N photos the head whose answer is wanted, (N,) names."""

    kind: str
    photos: Photos
    heads: list[str]


def read_asked(data: Path, kind: str) -> Asked:
    """The test set in a list or folder. Raises FileNotFoundError where there is none, FormatError for a faulty list."""
    if kind == STYLE:
        shards = open_shards(data)
        return Asked(kind, shards, [STYLE] * len(shards))
    if kind == PRODUCT:
        photos = read_product_test(data if data.is_file() else data / "test.txt")
        return Asked(kind, photos, [PRODUCT] * len(photos))
    lists = (data,) if data.is_file() else find_attribute_sets(data).questions
    if len(lists) != 1:
        found = ", ".join(map(str, lists)) or "none"
        raise FileNotFoundError(f"one question.csv is wanted below {data}, found {found}: name it with --data FILE.csv")
    photos, tasks = read_questions(lists[0])
    return Asked(kind, photos, tasks)


def write_answers(
    folder: Path, asked: Asked, answers: dict[str, np.ndarray], thresholds: dict[str, list[float]]
) -> Path:
    """Writes the submission and returns its path. answers: by head (N, C) probabilities of all photos asked about."""
    names = [asked.photos.name(row) for row in range(len(asked.photos))]
    if asked.kind == STYLE:
        path = folder / "style_submission.csv"
        told = answers[STYLE]
        write_style_submission(path, names, told >= np.array(thresholds.get(STYLE, [0.5] * told.shape[1])))
    elif asked.kind == PRODUCT:
        path = folder / "product_submission.txt"
        write_product_submission(path, names, answers[PRODUCT].argmax(axis=1))
    else:
        path = folder / "attribute_submission.csv"
        rows = [answers[task][row] for row, task in enumerate(asked.heads)]
        write_attribute_submission(path, names, asked.heads, rows)
    return path
