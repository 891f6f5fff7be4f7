"""The result for a garment, by name: category, keypoints, crop and attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ..data_gen.images import ImageError
from ..eval.crops import Framed
from ..eval.dimensions import draw_dimensions
from ..eval.drawing import side_by_side
from ..eval.measuring import Length, Measured, PhotoScale, ScaleError, describe_measured, measure
from ..eval.two_stage import Recognition, describe, likely_labels
from ..geometry import Size
from ..heatmaps import HeatmapCodec
from ..measurement_sets import MeasurementSet, measurements_of
from ..records import ABSENT, HIDDEN, Box, HeadSpec, Prediction
from ..vocabulary import Vocabulary
from . import pictures
from .pictures import crop_of
from .scales import Scale, Source


@dataclass(frozen=True, slots=True)
class Keypoint:
    """A keypoint of a garment.

    x, y: px in the photo, pixel centres on integers. score: the height of the heatmap's peak, 0..1. visible: the
    probability that the point is visible, None for a network without a calibration. hidden: whether it is probably
    covered, by an arm or a bag, or outside the photo.
    """

    x: float
    y: float
    score: float
    visible: float | None
    hidden: bool


@dataclass(frozen=True, slots=True)
class Attribute:
    """The classifier's result for one attribute.

    probabilities: by class, in the network's order. label: the most probable class, and probability: that class's.
    labels: the classes that hold: for an `independent` attribute those with a probability above 0.5, maybe none; for an
    `exclusive` or `ordinal` one only the label.
    """

    kind: Literal["exclusive", "independent", "ordinal"]
    label: str
    probability: float
    labels: tuple[str, ...]
    probabilities: Mapping[str, float]


class _ByName(dict):
    """A dict whose KeyError lists the available names."""

    def __init__(self, items: Mapping[str, Any], what: str, category: str) -> None:
        super().__init__(items)
        self.what, self.category = what, category

    def __missing__(self, name: object) -> Any:
        known = ", ".join(self) or "none"
        raise KeyError(f"no {self.what} {name!r}; of {self.category} there are: {known}")


@dataclass(frozen=True, eq=False, repr=False)
class Garment:
    """A garment in a photo, made by a `Recognizer`.

    If the photo could not be read, `error` says why, and all but `name`, `error`, `to_dict` and `str` raises
    ImageError. vocabulary: of the keypoints. codec: of the heatmaps. heads: of the classifier, empty without one.
    """

    recognition: Recognition
    vocabulary: Vocabulary
    codec: HeatmapCodec
    heads: tuple[HeadSpec, ...]

    @property
    def name(self) -> str:
        """The path of the photo as it was given; for pixels `array 0` and so on, by their position."""
        return str(self.recognition.result.sample.path)

    @property
    def error(self) -> str | None:
        """Why the photo could not be read; None if it was read."""
        return self.recognition.result.error

    @property
    def garment_id(self) -> int:
        """0, 1, ... within the photo: the highest score first, for equal scores the larger box first."""
        return self.recognition.garment_id

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """left, top, right, bottom in px of the photo, edges of pixels; None if no garments were searched for, or none
        was found, and the garment is that of the whole photo."""
        return self.recognition.box

    @property
    def score(self) -> float | None:
        """The probability of the box, 0..1; None without one."""
        return self.recognition.score

    @property
    def photo(self) -> np.ndarray:
        """(H, W, 3) RGB uint8, upright."""
        return self._known(self.recognition.result.photo)

    @property
    def size(self) -> Size:
        """(width, height) of the photo."""
        return self._known(self.recognition.result.size)

    @property
    def category(self) -> str:
        """The most probable category, or the one given for all photos or with the box."""
        return self.prediction.category

    @property
    def category_probability(self) -> float | None:
        """The probability of the category; None if the category was given."""
        return self.prediction.category_probability

    @property
    def category_probabilities(self) -> dict[str, float]:
        """The network's probability of every category of its vocabulary, even if the category was given."""
        probabilities = self._known(self.recognition.result.probabilities)
        return dict(zip(self.vocabulary.categories, probabilities.tolist(), strict=True))

    @property
    def found(self) -> bool | None:
        """Whether there is a garment at all; None for a network without a calibration. False if boxes were searched for
        and none was found."""
        return self.prediction.found

    @cached_property
    def keypoints(self) -> Mapping[str, Keypoint]:
        """The keypoints of the category by name, including hidden ones."""
        prediction, visible = self.prediction, self.prediction.visible
        found = {
            name: Keypoint(
                *prediction.xy[k].tolist(),
                score=float(prediction.score[k]),
                visible=None if visible is None else float(visible[k]),
                hidden=bool(prediction.state[k] == HIDDEN),
            )
            for k, name in enumerate(self.vocabulary.keypoints)
            if prediction.state[k] != ABSENT
        }
        return _ByName(found, "keypoint", self.category)

    @cached_property
    def attributes(self) -> Mapping[str, Attribute]:
        """The attributes that apply to the category by name; empty without a classifier."""
        heads = {head.name: head for head in self.heads}
        found = {task: _attribute(heads[task], values) for task, values in self.recognition.attributes.items()}
        return _ByName(found, "attribute", self.category)

    @property
    def region(self) -> Box | None:
        """The square region of the garment in px of the photo; it may extend beyond the photo. None if the heatmaps
        show none. For a classifier of whole photos: the whole photo or, for a garment with a box, its square."""
        framed = self._framed
        return None if framed.fell_back else framed.box

    @property
    def crop(self) -> np.ndarray:
        """The region of the photo, padded where it extends beyond, or the whole photo if there is no region:
        (height, width, 3) RGB uint8."""
        self._known(self.recognition.result.photo)
        return crop_of(self.recognition)

    @property
    def heatmaps(self) -> np.ndarray:
        """(h, w, K) float32: one for each keypoint of the vocabulary; 0 for those that the category does not have."""
        return self._known(self.recognition.result.heatmaps)

    def measure(
        self, scale: "Source | Scale | PhotoScale" = None, measurements: MeasurementSet | None = None
    ) -> Mapping[str, Length]:
        """Lengths and widths by name: in px, and with a scale in cm with their standard errors.

        scale: its source, such as `Sheet("a4")`; or the photo's scale from `Scale.of_photo`, computed once for several
        garments. measurements: by default those of the vocabulary. A garment that was not found has none. Raises
        ScaleError with the reason if a scale is given and there are no cm.
        """
        (measured,) = measure_garments([self], scale, measurements)
        return measured

    def draw(self) -> np.ndarray:
        """Draws keypoints, heat and region, and with a classifier crop and attributes, side by side: (H, W, 3) RGB."""
        return draw_garments([self])

    def draw_lengths(
        self, scale: "Source | Scale | PhotoScale" = None, measurements: MeasurementSet | None = None
    ) -> np.ndarray:
        """Draws the lines of all measurements and their values on the photo: (H, W, 3) RGB uint8. As `measure`."""
        known = measurements or measurements_of(self.vocabulary)
        measured = Measured(dict(self.measure(scale, known)))
        return draw_dimensions(self.photo, [(self.prediction, measured)], known)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, numbers rounded, lengths in px; for an unreadable photo its name and the error."""
        facts = describe(self.recognition, self.vocabulary, self.heads)
        prediction = self.recognition.result.prediction
        if prediction is None:
            return facts
        (measured,) = measure([prediction], measurements_of(self.vocabulary))
        return facts | describe_measured(measured, scaled=False)

    def __str__(self) -> str:
        if self.error is not None:
            return self.error
        hidden = sum(point.hidden for point in self.keypoints.values())
        parts = [] if self.found in (True, None) else ["probably no garment"]
        given = self.category_probability
        parts += [self.category + ("" if given is None else f" ({given:.0%})")]
        parts += [f"{len(self.keypoints)} keypoints" + (f", {hidden} of them hidden" if hidden else "")]
        for task, attribute in self.attributes.items():
            labels = [f"{attribute.label} ({attribute.probability:.0%})"]
            labels = labels if attribute.kind != "independent" else list(attribute.labels)
            parts += [f"{task.replace('_', ' ')}: {', '.join(labels)}"] if labels else []
        return ", ".join(parts)

    def __repr__(self) -> str:
        return f"<Garment of {self.name}: {self}>"

    @property
    def prediction(self) -> Prediction:
        """The arrays behind the names, in the order of the vocabulary's keypoints."""
        return self._known(self.recognition.result.prediction)

    @property
    def _framed(self) -> Framed:
        return self._known(self.recognition.framed)

    def _known(self, value: Any) -> Any:
        """The value. Raises ImageError if there is none."""
        if value is None:
            raise ImageError(self.error or f"{self.name}: the photo was not kept")
        return value


def draw_garments(
    garments: Sequence[Garment], measured: Sequence[Measured] = (), known: MeasurementSet | None = None
) -> np.ndarray:
    """Draws all garments of one photo in one picture, as `Garment.draw` does: (H, W, 3) RGB uint8.

    measured: their lengths, for a panel of dimension lines. known: the measurements of these lengths, by default those
    of the vocabulary. Raises ValueError for no garments, ImageError for a photo that could not be read.
    """
    if not garments:
        raise ValueError("expected at least one garment to draw; got none")
    first = garments[0]
    if first.recognition.result.photo is None:
        raise ImageError(first.error or f"{first.name}: the photo was not kept")
    recognitions = [garment.recognition for garment in garments]
    drawn = pictures.draw_garments(recognitions, first.vocabulary, first.codec, first.heads)
    if not measured:
        return drawn
    known = known or measurements_of(first.vocabulary)
    pairs = [(g.recognition.result.prediction, one) for g, one in zip(garments, measured, strict=True)]
    return side_by_side([drawn, draw_dimensions(first.photo, [(p, one) for p, one in pairs if p is not None], known)])


def measure_garments(
    garments: Sequence[Garment],
    scale: "Source | Scale | PhotoScale" = None,
    measurements: MeasurementSet | None = None,
) -> list[Mapping[str, Length]]:
    """`Garment.measure` for all garments of one photo, which share its scale: a known length is that of the first one
    that has it.

    Raises ValueError for no garments, ImageError for a photo that could not be read, ScaleError if a scale is given and
    a garment has no cm.
    """
    if not garments:
        raise ValueError("expected at least one garment to measure; got none")
    first = garments[0]
    if isinstance(scale, Source | Scale):
        how = scale if isinstance(scale, Scale) else Scale(scale)
        scale = how.of_photo(first.photo, first.size, first.recognition.result.reduced)
    known = measurements or measurements_of(first.vocabulary)
    found = measure([garment.prediction for garment in garments], known, scale)
    failed = next((one.scale_error for one in found if one.scale_error is not None), None)
    if failed is not None:
        raise ScaleError(failed)
    pairs = zip(garments, found, strict=True)
    return [_ByName(one.lengths, "measurement", garment.category) for garment, one in pairs]


def _attribute(head: HeadSpec, values: np.ndarray) -> Attribute:
    probabilities = dict(zip(head.classes, values.tolist(), strict=True))
    label = max(probabilities, key=probabilities.__getitem__)
    labels = likely_labels(probabilities) if head.kind == "independent" else [label]
    return Attribute(head.kind, label, probabilities[label], tuple(labels), probabilities)
