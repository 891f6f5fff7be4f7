"""Lengths of garments from their keypoints, in px and, with a scale, in cm, each with its standard error."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..measurement_sets import MeasurementSet
from ..planes import SCALES, Plane, uniform_plane
from ..records import ABSENT, HIDDEN, Prediction, Uncertainty

MOST_ERROR = 0.1
"""Largest relative error of the scale alone; above it there are no cm."""


class ScaleError(ValueError):
    """A photo, or a garment in it, has no scale, for the reason given."""


@dataclass(frozen=True, slots=True)
class Length:
    """A measured length.

    px, px_se: in the photo, and its standard error. ratio: to the garment's span as in NE, the distance of its armpits
    or of the ends of its waistband; None if that is 0. hidden: whether it depends on a keypoint that is probably
    covered; None for a network without calibration. cm, cm_se: in the garment's plane, None without a scale. Values
    that cannot be measured are None.
    """

    px: float | None
    px_se: float | None
    ratio: float | None
    hidden: bool | None
    cm: float | None = None
    cm_se: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurements of one garment: its lengths by name. px_per_cm: at its middle. scale_error: why it has no cm
    although a scale was asked for."""

    lengths: dict[str, Length]
    px_per_cm: float | None = None
    scale_error: str | None = None


@dataclass(frozen=True, slots=True)
class KnownLength:
    """A scale from a known length. name: of a measurement, or of two keypoints NAME_left and NAME_right."""

    name: str
    cm: float


PhotoScale = Plane | KnownLength | ScaleError | None
"""The scale of a photo, or why it has none; None: no scale was asked for."""


def measure(predictions: Sequence[Prediction], known: MeasurementSet, scale: PhotoScale = None) -> list[Measured]:
    """The lengths of all garments of a photo, which share its scale.

    A garment that was not found has none. A known length is that of the first garment that has it.
    """
    if isinstance(scale, KnownLength):
        return _by_known_length(predictions, known, scale)
    return [_measured(prediction, known, scale) for prediction in predictions]


@dataclass(frozen=True, slots=True, eq=False)
class _InPixels:
    """values: (M,) px. slopes: (M, K, 2). covariance: (K, 2, 2) of the points. factors: (M,) of the standard errors."""

    values: np.ndarray
    slopes: np.ndarray
    covariance: np.ndarray
    factors: np.ndarray

    @property
    def deviations(self) -> np.ndarray:
        return self.deviations_by(self.slopes)

    def deviations_by(self, slopes: np.ndarray) -> np.ndarray:
        """Derivatives (M, K, 2) of the lengths by the points, in any unit -> their standard errors (M,)."""
        x, y = slopes[..., 0], slopes[..., 1]
        c = self.covariance
        variance = x * x @ c[:, 0, 0] + y * y @ c[:, 1, 1] + 2 * (x * y @ c[:, 0, 1])
        return self.factors * np.sqrt(np.maximum(variance, 0))


def lengths_in_pixels(prediction: Prediction, known: MeasurementSet) -> tuple[np.ndarray, np.ndarray]:
    """The lengths (M,) of the prediction's category in px, and their standard errors."""
    found = _in_pixels(prediction, known)
    return found.values, found.deviations


def _in_pixels(prediction: Prediction, known: MeasurementSet) -> _InPixels:
    of = known.of(prediction.category)
    values, slopes = of.measure(prediction.xy)
    absent = prediction.state == ABSENT
    if absent[of.used].any():
        values[of.uses @ absent] = np.nan
    unsure = prediction.uncertainty or Uncertainty(np.full((len(absent), 2, 2), np.nan))
    factors = np.array([unsure.lengths.get(key, 1.0) for key in of.keys]) if unsure.lengths else np.ones(len(values))
    return _InPixels(values, slopes, unsure.covariance, factors)


def _measured(prediction: Prediction, known: MeasurementSet, scale: Plane | ScaleError | None) -> Measured:
    if prediction.found is False:
        return Measured({}, scale_error="no garment was found" if scale is not None else None)
    pixels = _in_pixels(prediction, known)
    lengths = _plain(prediction, known, pixels)
    if scale is None:
        return Measured(lengths)
    try:
        if isinstance(scale, ScaleError):
            raise scale
        cm, errors, density = _in_cm(prediction, known, scale, pixels)
    except ScaleError as error:
        return Measured(lengths, scale_error=str(error))
    return Measured(_with_cm(lengths, cm, errors), density)


def _plain(prediction: Prediction, known: MeasurementSet, pixels: _InPixels) -> dict[str, Length]:
    of = known.of(prediction.category)
    span = _span(prediction, known)
    covered = (of.uses & (prediction.state == HIDDEN)).any(axis=1)
    calibrated = prediction.visible is not None
    columns = pixels.values.tolist(), pixels.deviations.tolist(), covered.tolist()
    return {
        m.name: Length(
            _number(px), _number(error), _number(px / span) if span else None, hidden if calibrated else None
        )
        for m, px, error, hidden in zip(of.measurements, *columns, strict=True)
    }


def _span(prediction: Prediction, known: MeasurementSet) -> float:
    """The distance in px by which NE divides errors: between the span's ends, or the diagonal of the keypoints' box."""
    ends = known.vocabulary.spans[known.vocabulary.category_index(prediction.category)]
    if (ends >= 0).all() and (prediction.state[ends] != ABSENT).all():
        a, b = prediction.xy[ends]
    else:
        points = prediction.xy[prediction.state != ABSENT]
        a, b = points.min(axis=0), points.max(axis=0)
    return math.hypot(*(b - a))


def _in_cm(
    prediction: Prediction, known: MeasurementSet, plane: Plane, pixels: _InPixels
) -> tuple[np.ndarray, np.ndarray, float]:
    """Lengths in cm (M,), their standard errors (M,), and px per cm in the middle. Raises ScaleError."""
    present = prediction.state != ABSENT
    middle = prediction.xy[present].mean(axis=0)
    places = np.concatenate([np.where(present[:, None], prediction.xy, middle), middle[None]])
    points, by_point, by_parameter = plane.to_cm(places)
    if plane.camera is not None and not np.isfinite(plane.camera.straight(places)).all():
        raise ScaleError("the garment reaches to where the calibration of the camera does not hold")
    if not np.isfinite(points).all():
        raise ScaleError("the garment reaches beyond the horizon of the plane in which the scale lies")
    area = abs(by_point[-1, 0, 0] * by_point[-1, 1, 1] - by_point[-1, 0, 1] * by_point[-1, 1, 0])
    if not SCALES[0] ** 2 <= 1 / max(area, 1e-300) <= SCALES[1] ** 2:
        raise ScaleError(f"the scale would be {max(area, 1e-300) ** -0.5:.3g} px per cm, which no photo has")
    density = area**-0.5
    of = known.of(prediction.category)
    values, slopes = of.measure(points[:-1])
    if not present[of.used].all():
        values[of.uses @ ~present] = np.nan
    errors = pixels.deviations_by((slopes[:, :, None, :] @ by_point[:-1])[:, :, 0])
    if plane.partials.size and len(values):
        flat = by_parameter[:-1].transpose(0, 2, 1).reshape(-1, len(plane.partials))
        of_scale = slopes.reshape(len(values), -1) @ flat
        shared = np.sqrt(np.maximum(((of_scale @ plane.covariance) * of_scale).sum(axis=1), 0))
        doubt = float(np.nanmax(shared / np.maximum(values, 1e-9), initial=0))
        if doubt > MOST_ERROR:
            raise ScaleError(
                f"the scale is {doubt:.0%} unsure at the garment: what it was taken from is too small, too far from "
                "the garment, or seen too flat"
            )
        errors = np.hypot(errors, shared)
    return values, errors, float(density)


def _by_known_length(predictions: Sequence[Prediction], known: MeasurementSet, scale: KnownLength) -> list[Measured]:
    """The scale from the first garment that has the length; its own errors are correlated with those of its lengths."""
    answers = [None if p.found is False else _known_in_pixels(p, known, scale.name) for p in predictions]
    giver = next((number for number, answer in enumerate(answers) if answer is not None), None)
    if giver is None:
        kinds = ", ".join(sorted({p.category for p in predictions})) or "no garment"
        error = ScaleError(f"no garment of this photo has the known length {scale.name} ({kinds})")
        return [_measured(prediction, known, error) for prediction in predictions]
    value, slope, doubt = answers[giver] or (np.nan, 0, np.nan)
    if not value > 0:  # or not a number
        error = ScaleError(f"the known length {scale.name} has no extent in this photo")
        return [_measured(prediction, known, error) for prediction in predictions]
    try:
        plane = uniform_plane(value / scale.cm, doubt / value)
    except ValueError as error:
        wrong = ScaleError(f"the known length {scale.name}, {scale.cm:g} cm, has {value:.1f} px: {error}")
        return [_measured(prediction, known, wrong) for prediction in predictions]
    measured = [_measured(prediction, known, plane) for prediction in predictions]
    # For the garment itself: length / known length, which both depend on its points.
    pixels = _in_pixels(predictions[giver], known)
    if measured[giver].scale_error is None:
        factor = scale.cm / value
        slopes = factor * (pixels.slopes - (pixels.values / value)[:, None, None] * slope)
        errors = pixels.deviations_by(slopes)
        lengths = _with_cm(measured[giver].lengths, factor * pixels.values, errors)
        measured[giver] = replace(measured[giver], lengths=lengths)
    return measured


def _known_in_pixels(
    prediction: Prediction, known: MeasurementSet, name: str
) -> tuple[float, np.ndarray, float] | None:
    """A length in px, its derivatives (K, 2) and its standard error; None if the category does not have it."""
    of = known.of(prediction.category)
    pixels = _in_pixels(prediction, known)
    number = next((i for i, m in enumerate(of.measurements) if m.name == name), None)
    if number is not None:
        return float(pixels.values[number]), pixels.slopes[number], float(pixels.deviations[number])
    ends = [known.vocabulary.indices.get(f"{name}_{side}") for side in ("left", "right")]
    if any(end is None or prediction.state[end] == ABSENT for end in ends):
        return None
    a, b = (prediction.xy[end] for end in ends)
    value = float(np.hypot(*(b - a)))
    slope = np.zeros_like(prediction.xy)
    slope[ends[1]] = (b - a) / max(value, 1e-300)
    slope[ends[0]] = -slope[ends[1]]
    plain = replace(pixels, factors=np.ones(1))
    return value, slope, float(plain.deviations_by(slope[None])[0])


def _with_cm(lengths: dict[str, Length], cm: np.ndarray, errors: np.ndarray) -> dict[str, Length]:
    return {
        name: replace(length, cm=_number(cm[i]), cm_se=_number(errors[i]))
        for i, (name, length) in enumerate(lengths.items())
    }


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def knows(known: MeasurementSet, name: str) -> bool:
    """Whether some category has the length that a `KnownLength` names."""
    indices = known.vocabulary.indices
    return name in known.names or all(f"{name}_{side}" in indices for side in ("left", "right"))


def describe_measured(measured: Measured, scaled: bool) -> dict[str, Any]:
    """Plain data for JSON, rounded: `measurements` by name, and with a scale that was asked for `scale`."""
    lengths = {
        name: {
            "px": _rounded(length.px, 2),
            "px_se": _rounded(length.px_se, 3),
            "ratio": _rounded(length.ratio, 4),
            "hidden": length.hidden,
        }
        | ({"cm": _rounded(length.cm, 3), "cm_se": _rounded(length.cm_se, 4)} if scaled else {})
        for name, length in measured.lengths.items()
    }
    scale = {"px_per_cm": _rounded(measured.px_per_cm, 4), "error": measured.scale_error}
    return {"measurements": lengths} | ({"scale": scale} if scaled else {})


def _rounded(value: float | None, decimals: int) -> float | None:
    return None if value is None else round(value, decimals)
