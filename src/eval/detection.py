"""Photos -> boxes of their garments, by a detector or as given: the stage before the keypoints.

Here it is decided which boxes a photo has: those in the photo, of wanted categories, one for each garment, in order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..box_maps import BoxCodec
from ..boxes import MARGIN, UNKNOWN, Detections, areas, clipped, moved, no_detections, suppressed
from ..data_gen.formats.box_files import MOST, fitted
from ..data_gen.preprocess import Letterboxed
from ..geometry import Frame, Size
from ..vocabulary import Vocabulary
from .detection_calibration import BoxCalibration
from .listed_garments import ListedGarments
from .reading import full_batch

Detect = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""images (B, S, S, 3) uint8 -> heat (B, h, w, C) float32, probabilities 0..1, and distances (B, h, w, C, 4) float32 px
of the input, from the centre of a cell to the left, top, right and bottom edges."""

UNCALIBRATED = BoxCalibration(1.0, 0.0, 0.3)
"""For a detector without a calibration on validation photos: the scores stay unchanged."""
PEAKS = 3 * MOST
"""Maximum number of peaks used of a photo's maps."""
LOWEST = 0.01
"""The network's score below which a peak is ignored, in calibration as in prediction. It is low because a network with
little training has its best threshold among low scores."""
_EXPECTED = 4
_CELLS = 2  # a detector finds no garment whose longer side has fewer

Garments = Literal["all", "largest"] | int
"""Which garments of a photo are wanted: all, the one with the largest box, or as many with the highest scores."""


@dataclass(frozen=True, slots=True)
class Detector:
    """A network that finds boxes. categories: names of its C maps. calibration: converts its scores to probabilities,
    and has the threshold. batch_size: photos in a batch."""

    detect: Detect
    codec: BoxCodec
    categories: tuple[str, ...]
    calibration: BoxCalibration = UNCALIBRATED
    batch_size: int = 16

    @property
    def smallest(self) -> float:
        """The longer side of the smallest garment that it finds, as a fraction of the photo's longer side."""
        return _CELLS * self.codec.stride / max(self.codec.size)


@dataclass(frozen=True, slots=True)
class BoxSource:
    """Source of the boxes: a detector, or given boxes by sample id, in px of the photo. A sample that is not listed has
    none. garments: which of them are wanted. listed: instead of `garments`, the box that belongs to each sample."""

    boxes: Detector | Mapping[str, Detections]
    garments: Garments = "all"
    listed: ListedGarments | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for invalid `garments`, and for boxes of another type."""
        check_garments(self.garments)
        if isinstance(self.boxes, Detector):
            return
        if not isinstance(self.boxes, Mapping):
            raise ValueError(f"boxes: expected a mapping from photos to Detections; got {type(self.boxes).__name__}")
        for name, found in self.boxes.items():
            if not isinstance(name, str) or not isinstance(found, Detections):
                kinds = f"{type(name).__name__} to {type(found).__name__}"
                raise ValueError(f"boxes[{name!r:.80}]: expected a mapping from texts to Detections; got {kinds}")

    @property
    def detector(self) -> Detector | None:
        return self.boxes if isinstance(self.boxes, Detector) else None

    def expected(self, photos: int) -> int:
        """Usual maximum number of garments in so many photos: no batch need be longer."""
        if isinstance(self.boxes, Detector):
            return _EXPECTED * photos
        return max(photos, sum(map(len, self.boxes.values())))

    def given(self, image_id: str) -> Detections:
        return no_detections() if isinstance(self.boxes, Detector) else self.boxes.get(image_id, no_detections())


def check_garments(garments: object) -> None:
    """Raises ValueError for a value that is not one of `Garments`."""
    number = isinstance(garments, int | np.integer) and not isinstance(garments, bool) and garments >= 1
    if not number and garments not in ("all", "largest"):
        raise ValueError(f"garments = {garments!r}; expected all, largest or a number from 1")


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """The garments of one photo in order, and the reasons why given boxes are left out."""

    garments: Detections
    left_out: tuple[str, ...] = ()


def detected(detector: Detector, inputs: Sequence[Letterboxed], sizes: Sequence[Size]) -> list[Detections]:
    """The boxes of up to `batch_size` photos in px of the photos, with probabilities, before suppression.

    Categories are indices of the detector's. inputs: of the detector, (S, S, 3) uint8, and the frames from the photos
    to them. sizes: (width, height) of the photos. Raises ValueError if the number of the detector's maps is not that of
    its categories.
    """
    images = [image for image, _ in inputs]
    heat, distances = detector.detect(full_batch(images, detector.batch_size))
    count = len(images)
    if heat.shape[-1] != len(detector.categories):
        raise ValueError(f"the detector answers {heat.shape[-1]} categories; expected {len(detector.categories)}")
    answers = detector.codec.decode(heat[:count], distances[:count], PEAKS, LOWEST)
    found = []
    for answer, (_, frame), size in zip(answers, inputs, sizes, strict=True):
        boxes = clipped(moved(answer.boxes, Frame(frame.inverse)), size)
        # A box only in the padding about the photo has no area in it.
        sound = areas(boxes) > 0
        kept = Detections(boxes[sound], answer.category[sound], answer.score[sound])
        found.append(detector.calibration.calibrated(kept))
    return found


def known_categories(found: Detections, names: Sequence[str], vocabulary: Vocabulary) -> Detections:
    """The boxes with indices of the vocabulary's categories instead of indices of `names`; unknown ones are UNKNOWN."""
    of = [vocabulary.category_index(name) if name in vocabulary.categories else UNKNOWN for name in names]
    return Detections(found.boxes, np.array([*of, UNKNOWN])[found.category], found.score)


def usable(given: Detections, size: Size, categories: int) -> Located:
    """The usable ones of the boxes given for a photo of (width, height), clipped at its edges.

    A box outside the photo, or with a category number outside `categories`, is left out.
    """
    inside, reasons = fitted(given, size)
    strange = (inside.category >= categories) | (inside.category < UNKNOWN)
    for index in np.flatnonzero(strange):
        text = ", ".join(f"{value:g}" for value in inside.boxes[index])
        reasons.append(f"the box {text} has the category number {inside.category[index]}; there are {categories}")
    return Located(inside.select(~strange), tuple(reasons))


def of_category(found: Detections, category: int | None) -> Detections:
    """Boxes of this category, and those of UNKNOWN category, which then get it; all boxes for None."""
    if category is None:
        return found
    found = found.select((found.category == category) | (found.category == UNKNOWN))
    return Detections(found.boxes, np.full(len(found), category), found.score)


def chosen(found: Detections, garments: Garments) -> Detections:
    """The wanted garments in order: the highest score first, for equal scores the larger box first.

    At most MOST garments.
    """
    found = found.select(np.lexsort((-areas(found.boxes), -found.score)))
    if garments == "largest":
        return found.select(np.argsort(-areas(found.boxes), kind="stable")[:1])
    return found.select(np.arange(min(len(found), MOST if garments == "all" else min(int(garments), MOST))))


def located(source: BoxSource, found: Detections, size: Size, vocabulary: Vocabulary, category: str | None) -> Located:
    """The garments of a photo of (width, height).

    found: the result of `detected`, or given boxes. category: the only one wanted; None for all. Boxes of a detector
    are suppressed; given boxes are not.
    """
    wanted = None if category is None else vocabulary.category_index(category)
    if source.detector is not None:
        known = of_category(known_categories(found, source.detector.categories, vocabulary), wanted)
        return Located(chosen(suppressed(known), source.garments))
    sound = usable(found, size, len(vocabulary.categories))
    kept = of_category(sound.garments, wanted)
    garments, reasons = chosen(kept, source.garments), sound.left_out
    if source.garments == "all":
        reasons += (f"one box more than the {MOST} that a photo can have",) * (len(kept) - len(garments))
    return Located(garments, reasons)


def needed_side(side: int, size: Size, smallest: float) -> int:
    """The longer side that a photo of (width, height) needs so that the network's view of a box has `side` px.

    smallest: the longer side of the smallest box, in px of the photo. It is enough for a view of the whole photo, too.
    """
    return int(np.ceil(side * max(1.0, max(size) / (smallest * (1 + 2 * MARGIN)))))
