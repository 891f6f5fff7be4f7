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
from .garment import Garment

if TYPE_CHECKING:
    from pandas import DataFrame

REGION = ("region_left", "region_top", "region_right", "region_bottom")
_WHOLE = ("width", "height", *REGION)
_FIRST = ("photo", "error", "width", "height", "category", "category_probability", *REGION)


def to_pandas(garments: Garment | Iterable[Garment]) -> "DataFrame":
    """One row a garment, with the columns of the tables of `aifashion predict`; see `flat_row`."""
    return table([garment.to_dict() for garment in _several(garments)])


def table(rows: Sequence[Mapping[str, Any]]) -> "DataFrame":
    """The table of `Garment.to_dict()` of several garments. Pixels are whole numbers even where a photo has none."""
    import pandas as pd  # slow to load

    flat = [flat_row(row) for row in rows]
    return pd.DataFrame(flat, columns=None if flat else list(_FIRST)).astype(dict.fromkeys(_WHOLE, "Int64"))


def flat_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """One level of columns of `Garment.to_dict()`.

    photo, error, width, height; garment (whether there is one, of a network that says so); category,
    category_probability (none where the category was given); region_left, region_top, region_right, region_bottom;
    for each keypoint NAME of the category NAME_x, NAME_y, NAME_score, NAME_visible; for each attribute NAME its class
    NAME and NAME_probability. Of independent labels those that hold stand in one cell, between semicolons.
    """
    region = row.get("region") or [None] * len(REGION)
    flat = {name: row.get(name) for name in ("photo", "error", "width", "height")}
    flat |= {"garment": row["garment"]} if "garment" in row else {}
    flat |= {name: row.get(name) for name in ("category", "category_probability")}
    flat |= dict(zip(REGION, region, strict=True))
    for name, point in row.get("keypoints", {}).items():
        flat |= {f"{name}_{part}": value for part, value in point.items()}
    for task, answer in row.get("attributes", {}).items():
        if "labels" in answer:
            flat[task] = ";".join(answer["labels"])
        else:
            flat |= {task: answer["class"], f"{task}_probability": answer["probability"]}
    return flat


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
