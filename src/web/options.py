"""What is asked of photos: the query of a request, checked."""

import re
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..eval.detection import Garments
from ..recognition.box_sources import read_garments
from ..recognition.measuring import ScaleOptions
from ..recognition.scales import Scale
from .problems import RequestError

MARKER = "aruco:4X4_50:7"
"""The marker that docs/measuring.md prints."""
_NUMBER = re.compile(r"\d{1,6}(\.\d+)?")
_OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)")


class PhotoQuery(BaseModel):
    """The query of a request for garments."""

    model_config = ConfigDict(extra="forbid")
    garments: str | None = Field(
        None,
        description="all (what the detector finds; the default), largest, a number (at most so many), or photo: the "
        "whole photo is one garment",
    )
    category: str | None = Field(None, description="the category of all garments; without it the network chooses")
    augment: bool = Field(False, description="average ten passes of the keypoint network, in ten times the time")
    draw: bool = Field(False, description="adds `picture` to each photo: a JPEG in base64")
    layers: bool = Field(False, description="adds `heatmap` (PNG in base64) and `heatmap_box` to each garment")
    px_per_cm: float | None = Field(None, description="the scale: px per cm")
    known: str | None = Field(None, description="the scale, from a length in cm, such as waistband=42")
    marker: str | None = Field(
        None,
        description=f"the scale, from an ArUco marker: aruco:DICTIONARY:NUMBER:CM, or CM alone for {MARKER}",
    )
    sheet: str | None = Field(None, description="the scale, from a sheet of white paper: a4 or letter")


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of a photo; photos with equal options can be recognised together. garments: None is the default of
    the service."""

    garments: Garments | Literal["photo"] | None = None
    category: str | None = None
    augment: bool = False
    draw: bool = False
    layers: bool = False
    scale: ScaleOptions = field(default_factory=ScaleOptions)

    def read_scale(self) -> Scale | None:
        return self.scale.read()


def options_of(query: PhotoQuery) -> Options:
    """Raises RequestError for values that mean nothing."""
    marker = query.marker
    if marker is not None and _NUMBER.fullmatch(marker):
        marker = f"{MARKER}:{marker}"
    scale = ScaleOptions(query.px_per_cm, query.known, query.sheet, marker)
    try:
        garments = (
            "photo" if query.garments == "photo" else None if query.garments is None else read_garments(query.garments)
        )
        scale.read()
    except ValueError as error:
        raise RequestError(400, of_query(error)) from None
    return Options(garments, query.category, query.augment, query.draw, query.layers, scale)


def of_query(error: ValueError) -> str:
    """The message of a command about its options, as one about the query: `--px-per-cm 0` is `px_per_cm 0`."""
    return _OPTION.sub(lambda found: found[1].replace("-", "_"), str(error))
