"""Keypoints that people corrected: read from a request, and measured."""

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..eval.measuring import describe_measured
from ..recognition.measuring import ScaleOptions, new_measuring
from ..records import ABSENT, HIDDEN, VISIBLE, Keypoints, Prediction
from ..vocabulary import Vocabulary
from .options import of_query
from .problems import RequestError

BEYOND = 1.0
"""How far a point may lie beyond the edge of its photo, px: tools round, and people click on the border."""
LONGEST_SIDE = 100_000
_STATES = {"visible": VISIBLE, "hidden": HIDDEN, "absent": ABSENT}
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class Point(BaseModel):
    """x, y: px in the photo, pixel centres on integers; without a meaning where it is absent."""

    model_config = _STRICT
    x: float | None = None
    y: float | None = None
    state: Literal["visible", "hidden", "absent"]


class ScaleBody(BaseModel):
    """One of both."""

    model_config = _STRICT
    px_per_cm: float | None = None
    known: dict[str, float] | None = None


class LengthsBody(BaseModel):
    """A garment of a photo of width x height px, and the scale, if its lengths are wanted in cm."""

    model_config = _STRICT
    category: str
    keypoints: dict[str, Point]
    scale: ScaleBody | None = None
    width: int = Field(ge=1, le=LONGEST_SIDE)
    height: int = Field(ge=1, le=LONGEST_SIDE)


def keypoints_of(
    points: dict[str, Point], category: str, vocabulary: Vocabulary, size: tuple[int, int], where: str = ""
) -> Keypoints:
    """All K keypoints of the vocabulary; those that are not given are absent. size: of the photo.

    where: of the garment in the request, for messages. Raises RequestError for an unknown category, keypoints that it
    does not have, and points that lie nowhere or beyond the photo.
    """
    try:
        present = vocabulary.mask(category)
    except ValueError as error:
        raise RequestError(400, f"{where}category: {error}") from None
    count = len(vocabulary.keypoints)
    xy, state = np.full((count, 2), -1.0), np.full(count, ABSENT)
    for name, point in points.items():
        k = vocabulary.indices.get(name)
        if k is None or not present[k]:
            raise RequestError(400, f"{where}keypoints.{name[:40]}: a {category} has no such keypoint")
        if point.state == "absent":
            continue
        if point.x is None or point.y is None:
            raise RequestError(400, f"{where}keypoints.{name}: a point that is {point.state} needs x and y")
        if not (-BEYOND <= point.x <= size[0] - 1 + BEYOND and -BEYOND <= point.y <= size[1] - 1 + BEYOND):
            place = f"{point.x:g}, {point.y:g}"
            raise RequestError(
                400, f"{where}keypoints.{name}: {place} lies beyond the photo of {size[0]} x {size[1]} px"
            )
        xy[k], state[k] = np.clip((point.x, point.y), 0, np.array(size) - 1.0), _STATES[point.state]
    if not (state != ABSENT).any():
        raise RequestError(400, f"{where}keypoints: all are absent")
    return Keypoints(xy, state)


def corrected_lengths(body: LengthsBody, vocabulary: Vocabulary) -> dict[str, Any]:
    """`lengths`: those of the garment, each with its name and the values that `Garment.to_dict` has of it; and with a
    scale `scale`.

    How far off the points of a person are is not known, so there are no standard errors but those of the scale.
    Raises RequestError as `keypoints_of`, and for a scale that is none.
    """
    keypoints = keypoints_of(body.keypoints, body.category, vocabulary, (body.width, body.height))
    try:
        scale = _options(body.scale).read()
        measuring = new_measuring(vocabulary, None, scale)
    except ValueError as error:
        raise RequestError(400, f"scale: {of_query(error)}") from None
    visible = (keypoints.state == VISIBLE).astype(float)
    prediction = Prediction("", body.category, None, keypoints.xy, visible, keypoints.state, visible)
    # A scale of this kind is found without the photo.
    found = None if scale is None else scale.of_photo(None, (body.width, body.height))
    (measured,) = measuring.measured([prediction], found)
    facts = describe_measured(measured, scale is not None)
    lengths = [{"name": name, **values} for name, values in facts.pop("measurements").items()]
    return {"lengths": lengths} | facts


def _options(scale: ScaleBody | None) -> ScaleOptions:
    """Raises ValueError for several lengths, of which only one can give the scale."""
    if scale is None:
        return ScaleOptions()
    if scale.known is None:
        return ScaleOptions(scale.px_per_cm)
    if len(scale.known) != 1:
        raise ValueError(f"known has {len(scale.known)} lengths; expected one")
    ((name, cm),) = scale.known.items()
    return ScaleOptions(scale.px_per_cm, f"{name}={cm:.6f}")
