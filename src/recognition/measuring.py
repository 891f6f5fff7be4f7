"""Measurements and scales of commands: reads the options, and writes the results for each garment of a photo."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data_gen.formats.garmentiq import read_garmentiq
from ..eval.measuring import KnownLength, Measured, PhotoScale, describe_measured, knows, measure
from ..eval.two_stage import Recognition
from ..files import read_regular
from ..measurement_sets import ByCategory, MeasurementSet, measurements_of, read_measurements
from ..records import Prediction
from ..vocabulary import Vocabulary
from .cameras import read_camera
from .markers import Marker
from .scales import PxPerCm, Scale, Sheet, Source

_MARKER = re.compile(r"aruco:([^:]+):(\d{1,6}):(\d{1,6}(?:\.\d+)?)")
_KNOWN = re.compile(r"([^=]+)=(\d{1,6}(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class ScaleOptions:
    """The options of a command, as they are written."""

    px_per_cm: float | None = None
    known: str | None = None
    sheet: str | None = None
    marker: str | None = None
    camera: Path | None = None

    def read(self) -> Scale | None:
        """The scale of the options; None for none. Raises ValueError, naming the option, for an invalid one."""
        sources: list[Source] = []
        if self.px_per_cm is not None:
            sources.append(_named("--px-per-cm", PxPerCm, self.px_per_cm))
        if self.known is not None:
            sources.append(_known(self.known))
        if self.sheet is not None:
            sources.append(_named("--sheet", Sheet, self.sheet))
        if self.marker is not None:
            sources.append(_marker(self.marker))
        if len(sources) > 1:
            raise ValueError("--px-per-cm, --known, --sheet and --marker each give the scale: give one of them")
        if not sources:
            if self.camera is not None:
                raise ValueError(f"--camera {self.camera} is of use only with --sheet, --marker or --px-per-cm")
            return None
        if self.camera is not None and self.known is not None:
            raise ValueError("--camera and --known do not go together: a known length is taken in px of the photo")
        return Scale(sources[0], None if self.camera is None else read_camera(self.camera))

    @property
    def origin(self) -> dict[str, str]:
        """The options on which the results depend, as texts, with a digest of the calibration. Raises OSError."""
        given = {name: getattr(self, name) for name in self.__dataclass_fields__}
        texts = {name: str(value) for name, value in given.items() if value is not None}
        if self.camera is not None:
            texts["camera"] += f" ({hashlib.sha256(read_regular(self.camera)).hexdigest()[:12]})"
        return texts


def _named(option: str, kind: Any, value: Any) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        raise ValueError(f"{option} {value}: {error}") from None


def _known(text: str) -> KnownLength:
    found = _KNOWN.fullmatch(text.strip())
    if found is None or not float(found[2]) > 0:
        raise ValueError(f"--known {text}: expected a name and its length in cm, such as waist=42")
    return KnownLength(found[1].strip(), float(found[2]))


def _marker(text: str) -> Marker:
    found = _MARKER.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"--marker {text}: expected aruco:DICTIONARY:NUMBER:CM, such as aruco:4X4_50:7:15 for the marker 7 whose "
            "black square is 15 cm wide"
        )
    try:
        return Marker(found[1].removeprefix("DICT_"), int(found[2]), float(found[3]))
    except ValueError as error:
        raise ValueError(f"--marker {text}: {error}") from None


@dataclass(frozen=True, slots=True, eq=False)
class Measuring:
    """The measurements of garments, and the source of the scale."""

    known: MeasurementSet
    scale: Scale | None = None

    @property
    def needs_photo(self) -> bool:
        """Whether photos are needed in full size."""
        return self.scale is not None and self.scale.needs_photo

    def scale_of(self, recognition: Recognition) -> PhotoScale:
        """The scale of a garment's photo, shared by all its garments. None without a scale, or without a photo."""
        result = recognition.result
        if self.scale is None or result.size is None:
            return None
        return self.scale.of_photo(result.photo, result.size, result.reduced)

    def measured(self, predictions: Sequence[Prediction | None], scale: PhotoScale) -> list[Measured]:
        """The measurements of each garment of a photo; empty without a prediction."""
        known = iter(measure([prediction for prediction in predictions if prediction is not None], self.known, scale))
        return [Measured({}) if prediction is None else next(known) for prediction in predictions]

    def described(self, measured: Sequence[Measured]) -> list[dict[str, Any]]:
        """Plain data for JSON."""
        return [describe_measured(one, self.scale is not None) for one in measured]


def new_measuring(vocabulary: Vocabulary, measurements: Path | None = None, scale: Scale | None = None) -> Measuring:
    """The measurements of a vocabulary, with those of a file: TOML, or GarmentIQ's JSON.

    Raises ValueError for a file that is neither, and for a known length that no category has; OSError without the file.
    """
    known = measurements_of(vocabulary, None if measurements is None else _read(measurements, vocabulary))
    source = scale.source if scale else None
    if isinstance(source, KnownLength) and not knows(known, source.name):
        raise ValueError(
            f"--known {source.name}={source.cm:g}: no measurement and no pair of keypoints of {vocabulary.name} is "
            f"called so; there are {', '.join(known.names) or 'no measurements'}"
        )
    return Measuring(known, scale)


def _read(path: Path, vocabulary: Vocabulary) -> ByCategory:
    suffix = path.suffix.lower()
    if suffix not in (".toml", ".json"):
        raise ValueError(f"--measurements {path}: expected a .toml file, or a .json file of GarmentIQ")
    return read_garmentiq(path, vocabulary) if suffix == ".json" else read_measurements(path, vocabulary)
