"""Garments in the forms of other tools: rows of a pandas table, and supervision's key points and detections.

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


Several = Garment | Iterable[Garment | Iterable[Garment]]
"""One garment, several, or those of several photos."""


def to_pandas(garments: Several) -> "DataFrame":
    """A table with one row for each garment and the columns of the tables of `aifashion predict`; see `columns`.

    Garments of several recognizers have the columns of all; without any garment, the table has those of the photo.
    """
    several = _several(garments)
    kinds = {(garment.vocabulary.keypoints, garment.heads): garment for garment in several}
    found = {column: None for garment in kinds.values() for column in columns(garment.vocabulary, garment.heads)}
    return table((garment.to_dict() for garment in several), tuple(found) or FIRST)


def table(rows: Iterable[Mapping[str, Any]], of: Sequence[Column]) -> "DataFrame":
    """The table of `Garment.to_dict()` of several garments with the columns `of`; empty columns have a type, too."""
    import pandas as pd  # slow to load

    frame = pd.DataFrame([flat_row(row) for row in rows], columns=[column.name for column in of])
    return frame.astype({column.name: _PANDAS[column.kind] for column in of})


def to_supervision(garments: Several) -> Any:
    """The `supervision.KeyPoints` of n garments of one vocabulary, which its annotators draw.

    xy: (n, K, 2), (0, 0) for keypoints that the category does not have. keypoint_confidence: (n, K), the scores.
    visible: (n, K), False for keypoints that are absent or hidden, which are not drawn. class_id: (n,), the index of
    the category; data: its name as `class_name`. detection_confidence: (n,), the scores of the boxes, if all have
    one. Edges of `supervision.EdgeAnnotator` count from 1:
    `[(a + 1, b + 1) for a, b in recognizer.vocabulary.edges]`.

    Before supervision 0.29 the scores are called confidence and there is no `visible`: its VertexAnnotator then draws
    the absent ones in the photo's corner.

    Raises ImportError without supervision; ValueError for no garments, garments of different vocabularies, or a photo
    that could not be read (ImageError).
    """
    supervision = _supervision("to_supervision")
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
    scores = [garment.score for garment in several]
    if "detection_confidence" in known and None not in scores:
        values["detection_confidence"] = np.array(scores, np.float32)
    return supervision.KeyPoints(**values)


def to_supervision_boxes(garments: Several) -> Any:
    """The `supervision.Detections` of the garments that have a box.

    xyxy: (n, 4), confidence: (n,), class_id: (n,), the index of the category; data: its name as `class_name`. Raises
    ImportError without supervision.
    """
    supervision = _supervision("to_supervision_boxes")
    boxed = [garment for garment in _several(garments) if garment.box is not None]
    if not boxed:
        return supervision.Detections.empty()
    return supervision.Detections(
        xyxy=np.array([garment.box for garment in boxed], np.float32),
        confidence=np.array([garment.score for garment in boxed], np.float32),
        class_id=np.array([garment.vocabulary.category_index(garment.category) for garment in boxed]),
        data={"class_name": np.array([garment.category for garment in boxed])},
    )


def _supervision(name: str) -> Any:
    try:
        import supervision  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(f"{name} needs the package supervision ({error}): pip install supervision") from error
    return supervision


def _several(garments: Several) -> list[Garment]:
    if isinstance(garments, Garment):
        return [garments]
    return [garment for found in garments for garment in _several(found)]
