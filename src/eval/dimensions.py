"""Pictures of measurements: dimension lines on the photo, each with its value."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import cv2
import numpy as np

from ..geometry import resize
from ..measurement_sets import MeasurementSet
from ..measurements import Measurement, Point
from ..records import ABSENT, Prediction
from ..vocabulary import Vocabulary
from .drawing import LEFT, MIDDLE, RIGHT, Colour, draw_lines, draw_names, resized
from .measuring import Length, Measured

Line = tuple[np.ndarray, np.ndarray]
_SIDES: Mapping[int, Colour] = {-1: LEFT, 1: RIGHT, 0: MIDDLE}


def draw_dimensions(
    image: np.ndarray,
    garments: Sequence[tuple[Prediction, Measured]],
    known: MeasurementSet,
    *,
    longer_side: int = 900,
) -> np.ndarray:
    """Draws the measurements of a photo's garments as lines with bars at their ends, with values in cm or else px.

    image: RGB uint8 (H, W, 3). longer_side: px; a smaller photo is enlarged to it so that the values can be read.
    Returns RGB uint8 of the photo's size or enlarged. Lengths that could not be measured are left out.
    """
    height, width = image.shape[:2]
    scale = max(1.0, longer_side / max(height, width))
    size = (round(width * scale), round(height * scale))
    canvas = resized(image, size)
    # Grey, so that coloured lines stand out on coloured cloth.
    canvas = cv2.cvtColor(cv2.cvtColor(canvas, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    radius = max(2.5, 0.0065 * max(size))
    lines: list[tuple[np.ndarray, np.ndarray, Colour]] = []
    labels: list[tuple[str, Colour]] = []
    anchors: list[np.ndarray] = []
    to_canvas = resize((width, height), size)
    for prediction, measured in garments:
        points = to_canvas.forward(prediction.xy)
        for measurement in known.of(prediction.category).measurements:
            length = measured.lengths.get(measurement.name)
            if length is None or length.px is None:
                continue
            used = [known.vocabulary.indices[name] for name in measurement.keypoints]
            if (prediction.state[used] == ABSENT).any():
                continue
            colour = _SIDES[_side(measurement, known.vocabulary)]
            parts = measured_lines(measurement, points, known.vocabulary)
            if not parts:
                continue
            lines += [(a, b, colour) for a, b in parts]
            lines += [(a, b, colour) for a, b in _bars(parts, 1.6 * radius)]
            labels.append((value_text(measurement.name, length), colour))
            anchors.append(_middle(parts))
    canvas = draw_lines(canvas, lines, thickness=max(1, round(0.5 * radius)))
    if not labels:
        return canvas
    return draw_names(canvas, labels, np.array(anchors), radius, [(a, b) for a, b, _ in lines])


def value_text(name: str, length: Length) -> str:
    """The text of a measurement: `chest 52.3 ± 0.8 cm`, or `chest 214 px` without a scale."""
    plain = name.replace("_", " ")
    if length.cm is None:
        return plain if length.px is None else f"{plain} {length.px:.0f} px"
    error = "" if length.cm_se is None else f" ± {length.cm_se:.1f}"
    return f"{plain} {length.cm:.1f}{error} cm"


def measured_lines(measurement: Measurement, points: np.ndarray, vocabulary: Vocabulary) -> list[Line]:
    """The lines along which a measurement of points (K, 2) is taken, as pairs of ends."""

    def at(point: Point) -> np.ndarray:
        return points[[vocabulary.indices[name] for name in point]].mean(axis=0)

    places = [at(point) for point in measurement.points]
    if measurement.form != "from":
        return list(pairwise(places))
    start, end = (at(point) for point in measurement.onto)
    along = end - start
    directions = [at(point) for point in measurement.along]
    way = directions[1] - directions[0] if directions else np.array([along[1], -along[0]])
    across = way[0] * along[1] - way[1] * along[0]
    if across == 0:
        return []
    away = start - places[0]
    return [(places[0], places[0] + (away[0] * along[1] - away[1] * along[0]) / across * way)]


def _side(measurement: Measurement, vocabulary: Vocabulary) -> int:
    """-1 or 1 if all of its keypoints with a side have the same side, else 0."""
    sides = {int(vocabulary.sides[vocabulary.indices[name]]) for name in measurement.keypoints} - {0}
    return sides.pop() if len(sides) == 1 else 0


def _bars(parts: Sequence[Line], half: float) -> list[Line]:
    """Short bars across both ends of a measured line."""
    bars = []
    for end, other in ((parts[0][0], parts[0][1]), (parts[-1][1], parts[-1][0])):
        way = other - end
        across = np.array([-way[1], way[0]]) * half / max(float(np.hypot(*way)), 1e-9)
        bars.append((end - across, end + across))
    return bars


def _middle(parts: Sequence[Line]) -> np.ndarray:
    """A point a little before the middle of the line: at the middle of crossing lines, their names would overlap."""
    lengths = np.array([np.hypot(*(b - a)) for a, b in parts])
    way = 0.42 * lengths.sum()
    for (a, b), length in zip(parts, lengths, strict=True):
        if way <= length:
            return a + (b - a) * (way / max(length, 1e-9))
        way -= length
    return parts[-1][1]
