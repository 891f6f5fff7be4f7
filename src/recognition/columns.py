"""The columns of the table of garments: one schema for a keypoint network and a classifier, independent of the photos.

docs/files.md has them as a table, which a test compares with this module.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..measurement_sets import MeasurementSet, measurements_of
from ..records import HeadSpec
from ..vocabulary import Vocabulary

Kind = Literal["text", "whole", "number", "bool"]


@dataclass(frozen=True, slots=True)
class Column:
    """Name and type of a column. Every cell can be empty."""

    name: str
    kind: Kind


BOX = ("box_left", "box_top", "box_right", "box_bottom")
REGION = ("region_left", "region_top", "region_right", "region_bottom")
FIRST = (
    Column("photo", "text"),
    Column("error", "text"),
    Column("width", "whole"),
    Column("height", "whole"),
    Column("garment_id", "whole"),
    Column("garment", "bool"),
    Column("category", "text"),
    Column("category_probability", "number"),
    *(Column(name, "number") for name in BOX),
    Column("score", "number"),
    *(Column(name, "whole") for name in REGION),
)
"""The first columns of all tables."""
OF_KEYPOINT: Mapping[str, Kind] = {
    "x": "number",
    "y": "number",
    "score": "number",
    "visible": "number",
    "hidden": "bool",
}
"""Suffixes of the names of a keypoint's columns, and their types."""
PROBABILITY = "_probability"
OF_SCALE = (Column("px_per_cm", "number"), Column("scale_error", "text"))
"""Columns that exist only if a scale was asked for."""
OF_LENGTH: Mapping[str, Kind] = {"px": "number", "ratio": "number", "hidden": "bool"}
"""Suffixes of the names of a measurement's columns, and their types."""
OF_SCALED_LENGTH: Mapping[str, Kind] = {"cm": "number", "cm_se": "number"}
"""Further ones if a scale was asked for."""


def columns(
    vocabulary: Vocabulary, heads: Sequence[HeadSpec], known: MeasurementSet | None = None, scaled: bool = False
) -> tuple[Column, ...]:
    """The columns of a table of garments in order: those of the photo, of all keypoints, attributes and measurements.

    heads: of the classifier, empty without one. known: the measurements, by default those of the vocabulary. scaled:
    whether a scale was asked for. Raises ValueError if two columns would have the same name.
    """
    known = known or measurements_of(vocabulary)
    found = list(FIRST)
    found += [Column(f"{name}_{part}", kind) for name in vocabulary.keypoints for part, kind in OF_KEYPOINT.items()]
    for head in heads:
        found.append(Column(head.name, "text"))
        # Each independent label has its own column.
        found += [] if head.kind == "independent" else [Column(head.name + PROBABILITY, "number")]
    found += OF_SCALE if scaled else ()
    parts: dict[str, Kind] = {**OF_LENGTH, **(OF_SCALED_LENGTH if scaled else {})}
    found += [Column(f"{name}_{part}", kind) for name in known.names for part, kind in parts.items()]
    (name, count), *_ = Counter(column.name for column in found).most_common(1)
    if count > 1:
        raise ValueError(f"two names of the vocabulary give the table the column {name!r}: rename one of them")
    return tuple(found)


def flat_rows(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the table for one object: that of a garment, or that of a photo with its garments in a list.

    A photo that could not be read has a row, too.
    """
    if "garments" not in row:
        return [flat_row(row)]
    photo = {name: value for name, value in row.items() if name != "garments"}
    return [flat_row(photo | garment) for garment in row["garments"] or [{}]]


def flat_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The non-empty cells of a row of `Garment.to_dict()`, by column.

    If no garments were searched for in the photo, its garment is its first. Independent labels that hold are in one
    cell, separated by semicolons.
    """
    flat = {name: row.get(name) for name in ("photo", "error", "width", "height")}
    flat["garment_id"] = row.get("garment_id", None if row.get("error") else 0)
    flat |= {name: row.get(name) for name in ("garment", "category", "category_probability")}
    flat |= dict(zip(BOX, row.get("box") or [None] * len(BOX), strict=True))
    flat |= {"score": row.get("score")} | dict(zip(REGION, row.get("region") or [None] * len(REGION), strict=True))
    for name, point in (row.get("keypoints") or {}).items():
        flat |= {f"{name}_{part}": value for part, value in point.items()}
    for task, answer in (row.get("attributes") or {}).items():
        if "labels" in answer:
            flat[task] = ";".join(answer["labels"])
        else:
            flat |= {task: answer["class"], task + PROBABILITY: answer["probability"]}
    if row.get("scale"):
        flat |= {"px_per_cm": row["scale"]["px_per_cm"], "scale_error": row["scale"]["error"]}
    for name, length in (row.get("measurements") or {}).items():
        flat |= {f"{name}_{part}": length[part] for part in (*OF_LENGTH, *OF_SCALED_LENGTH) if part in length}
    return flat
