"""Garments in the forms of other tools: rows of a pandas table, and supervision's key points.

>>> import aifashion
>>> from aifashion.data_gen.synthetic.scene import render
>>> import numpy as np
>>> photo = render(np.random.default_rng(8), 320, "dress").image
>>> garments = aifashion.load("shipped")([photo, "nowhere.jpg"])
>>> rows = aifashion.to_pandas(garments)
>>> rows[["photo", "category", "sleeve_length", "error"]].fillna("").values.tolist()
[['array 0', 'dress', 'Sleeveless', ''], ['nowhere.jpg', '', '', 'nowhere.jpg: No such file or directory']]
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..records import ABSENT, VISIBLE
from .columns import FIRST, Column, columns, flat_row
from .garment import Garment

if TYPE_CHECKING:
    from pandas import DataFrame

_PANDAS = {"text": "object", "whole": "Int64", "number": "float64", "bool": "boolean"}


def to_pandas(garments: Garment | Iterable[Garment]) -> "DataFrame":
    """One row a garment, with the columns of the tables of `aifashion predict`; see `columns`.

    Garments of several pairs of networks have the columns of all; without any garment there are those of the photo.
    """
    several = _several(garments)
    kinds = {(garment.vocabulary.keypoints, garment.heads): garment for garment in several}
    found = {column: None for garment in kinds.values() for column in columns(garment.vocabulary, garment.heads)}
    return table((garment.to_dict() for garment in several), tuple(found) or FIRST)


def table(rows: Iterable[Mapping[str, Any]], of: Sequence[Column]) -> "DataFrame":
    """The table of `Garment.to_dict()` of several garments with the columns `of`, typed even where all are empty."""
    import pandas as pd  # slow to load

    frame = pd.DataFrame([flat_row(row) for row in rows], columns=[column.name for column in of])
    return frame.astype({column.name: _PANDAS[column.kind] for column in of})


def to_supervision(garments: Garment | Iterable[Garment]) -> Any:
    """The `supervision.KeyPoints` of n garments of one vocabulary, which its annotators draw.

    xy: (n, K, 2), (0, 0) for keypoints that the category does not have. keypoint_confidence: (n, K), the scores.
    visible: (n, K), False for keypoints that are absent or hidden, which are not drawn. class_id: (n,), the index of
    the category; data: its name as `class_name`. Edges of `supervision.EdgeAnnotator` count from 1:
    `[(a + 1, b + 1) for a, b in recognizer.vocabulary.edges]`.

    Before supervision 0.29 the scores are called confidence and there is no `visible`: its VertexAnnotator then draws
    the absent ones in the photo's corner.

    Raises ImportError without supervision; ValueError for no garments, garments of different vocabularies, or a photo
    that could not be read (ImageError).
    """
    try:
        import supervision  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(f"to_supervision needs the package supervision ({error}): pip install supervision") from error
    several = _several(garments)
    if not several:
        raise ValueError("expected at least one garment to make key points of; got none")
    vocabulary = several[0].vocabulary
    if any(garment.vocabulary.keypoints != vocabulary.keypoints for garment in several):
        raise ValueError("the garments have different vocabularies; make key points of each vocabulary apart")
    predictions = [garment.prediction for garment in several]
    state = np.stack([prediction.state for prediction in predictions])
    xy = np.stack([prediction.xy for prediction in predictions])
    values = {
        "xy": np.where((state == ABSENT)[..., None], 0, xy).astype(np.float32),
        "class_id": np.array([vocabulary.category_index(prediction.category) for prediction in predictions]),
        "data": {"class_name": np.array([prediction.category for prediction in predictions])},
    }
    known = inspect.signature(supervision.KeyPoints).parameters
    confidence = "keypoint_confidence" if "keypoint_confidence" in known else "confidence"
    values[confidence] = np.stack([prediction.score for prediction in predictions]).astype(np.float32)
    if "visible" in known:
        values["visible"] = state == VISIBLE
    return supervision.KeyPoints(**values)


def _several(garments: Garment | Iterable[Garment]) -> list[Garment]:
    return [garments] if isinstance(garments, Garment) else list(garments)
