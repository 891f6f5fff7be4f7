"""Labels of photos that people corrected, as a file in one of the formats of annotations."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..data_gen.formats.label_samples import joined_photos, largest_garments
from ..data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from ..data_gen.formats.photo_names import posix_name
from ..data_gen.formats.table import FORMATS
from ..data_gen.images import image_id_problem
from ..vocabulary import Vocabulary
from .corrected import LONGEST_SIDE, Point, keypoints_of
from .problems import RequestError

TARGETS = {"fashionai": "csv", "coco": "json", "label-studio": "json"}
"""Formats of one text file, and its ending."""
_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


class LabelledGarmentBody(BaseModel):
    """box: left, top, right, bottom in px, edges of pixels; without one it is the box about the keypoints."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    category: str
    keypoints: dict[str, Point]
    box: tuple[float, float, float, float] | None = None


class LabelledPhotoBody(BaseModel):
    """A photo of width x height px; one without garments is a photo that shows none."""

    model_config = ConfigDict(extra="forbid")
    name: str
    width: int = Field(ge=1, le=LONGEST_SIDE)
    height: int = Field(ge=1, le=LONGEST_SIDE)
    garments: list[LabelledGarmentBody]


class LabelsBody(BaseModel):
    """Photos with the keypoints of their garments."""

    model_config = ConfigDict(extra="forbid")
    photos: list[LabelledPhotoBody] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class LabelFile:
    """left_out: garments that the format has no room for."""

    name: str
    media_type: str
    text: str
    left_out: int


def label_file(body: LabelsBody, to: str, vocabulary: Vocabulary) -> LabelFile:
    """The file that the format's own writer makes. A format of one garment a photo gets the largest of each.

    Raises RequestError for an unknown format, and for labels that it cannot hold.
    """
    target = FORMATS[to] if to in TARGETS else None
    if target is None or target.pieces is None:
        raise RequestError(400, f"to={to[:40]}: expected one of {', '.join(TARGETS)}")
    photos = tuple(_photo(photo, f"photos.{n}", vocabulary) for n, photo in enumerate(body.photos))
    labels = joined_photos(LabelSet(Path(), Path(), photos))
    kept = largest_garments(labels) if target.one_garment else labels
    try:
        text = "".join(target.pieces(kept, vocabulary))
    except ValueError as error:
        raise RequestError(400, str(error)) from None
    ending = TARGETS[to]
    name = f"labels.{ending}" if ending == "csv" else f"labels_{to}.{ending}"
    return LabelFile(name, _TYPES[ending], text, labels.garment_count - kept.garment_count)


def _photo(photo: LabelledPhotoBody, where: str, vocabulary: Vocabulary) -> LabelledPhoto:
    size = photo.width, photo.height
    problem = image_id_problem(photo.name)
    if problem is None and (plain := posix_name(photo.name)) != photo.name:
        problem = f"write it as {plain[:100]!r}"
    if problem:
        raise RequestError(400, f"{where}.name: labels cannot name the photo {photo.name[:100]!r}: {problem}")
    garments = []
    for number, garment in enumerate(photo.garments):
        place = f"{where}.garments.{number}."
        keypoints = keypoints_of(garment.keypoints, garment.category, vocabulary, size, place)
        own = vocabulary.definitions[vocabulary.category_index(garment.category)].keypoints
        chosen = np.array([vocabulary.indices[name] for name in own])
        box = None if garment.box is None else _box(garment.box, size, place)
        garments.append(LabelledGarment(str(number), garment.category, own, keypoints.select(chosen), box))
    return LabelledPhoto(photo.name, size, tuple(garments))


def _box(
    box: tuple[float, float, float, float], size: tuple[int, int], where: str
) -> tuple[float, float, float, float]:
    left, top = max(box[0], 0.0), max(box[1], 0.0)
    right, bottom = min(box[2], float(size[0])), min(box[3], float(size[1]))
    if not (left < right and top < bottom):
        raise RequestError(400, f"{where}box: nothing of it lies in the photo of {size[0]} x {size[1]} px")
    return left, top, right, bottom
