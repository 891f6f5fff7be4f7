"""The front door: `load` gives a `Recognizer`, which turns photos into garments.

    >>> import aifashion
    >>> from aifashion.data_gen.synthetic.scene import render
    >>> import numpy as np
    >>> photo = render(np.random.default_rng(7), 320, "trousers").image    # drawn; a path does as well
    >>> recognizer = aifashion.load("shipped")
    >>> garment = recognizer(photo)
    >>> garment.category, garment.found
    ('trousers', True)
    >>> list(garment.keypoints)[:3]
    ['waistband_left', 'waistband_right', 'crotch']
    >>> crotch = garment.keypoints["crotch"]
    >>> 0 < crotch.x < 320, 0 < crotch.y < 320, crotch.hidden
    (True, True, False)

Several photos are recognised in batches, and give a list in their order:

    >>> [garment.category for garment in recognizer([photo, photo[:, ::-1]], category="trousers")]
    ['trousers', 'trousers']

All garments of a photo are recognised, each in its box, by `recognizer.garments`. The boxes can be given:

    >>> from aifashion.boxes import Detections
    >>> two = np.concatenate([photo, photo[:, ::-1]], axis=1)
    >>> boxes = Detections(np.array([[0, 0, 320, 320], [320, 0, 640, 320]]), np.array([-1, -1]), np.array([0.9, 0.8]))
    >>> [(garment.garment_id, garment.category) for garment in recognizer.garments(two, boxes={"array 0": boxes})]
    [(0, 'trousers'), (1, 'trousers')]

The bytes of a file, as they come from a network or a database, are decoded as the file would be:

    >>> from aifashion.eval.drawing import encoded
    >>> recognizer(EncodedPhoto("trousers.png", encoded(photo, "PNG"))).name
    'trousers.png'
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard, overload

import numpy as np

from ..boxes import Detections
from ..data_gen.images import ImageError
from ..eval.detection import BoxSource, Detector, Garments, check_garments
from ..eval.inference import EncodedSample, PixelSample
from ..records import HeadSpec, Sample
from ..serve.shipped import WORD
from ..vocabulary import Vocabulary
from .detection_model import DetectionModel, load_detection_model
from .garment import Garment
from .two_stage_model import TwoStageModel, load_two_stage_model

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EncodedPhoto:
    """The bytes of the file of a photo, such as a JPEG. name: what the photo is called."""

    name: str
    data: bytes = field(repr=False)


Photo = str | os.PathLike[str] | np.ndarray | EncodedPhoto
"""A path, pixels (H, W, 3) RGB uint8, or the bytes of a file."""
Boxes = Mapping[str, Detections] | Detector
"""The boxes of garments by the name of their photo, or what finds them."""


class Recognizer:
    """The trained networks, ready for photos; `load` makes it.

    A call and `stream` give one garment for each photo, which is taken as that of one garment. `garments` and
    `stream_garments` give all garments of each, where given boxes or a detector say that they are. Without a
    `detector`, the one that comes with the package is loaded as soon as garments are to be found.
    """

    def __init__(self, model: TwoStageModel, detector: DetectionModel | None = None) -> None:
        self.model, self.detector = model, detector

    @property
    def vocabulary(self) -> Vocabulary:
        """The categories and keypoints that it knows."""
        return self.model.keypoints.vocabulary

    @property
    def heads(self) -> tuple[HeadSpec, ...]:
        """The attributes that it knows and their classes; empty without a classifier."""
        return self.model.heads

    def __repr__(self) -> str:
        return f"<Recognizer of {self.model.name}>"

    @overload
    def __call__(self, photos: Photo, category: str | None = None, batch_size: int = 16) -> Garment: ...
    @overload
    def __call__(self, photos: Iterable[Photo], category: str | None = None, batch_size: int = 16) -> list[Garment]: ...
    def __call__(
        self, photos: Photo | Iterable[Photo], category: str | None = None, batch_size: int = 16
    ) -> Garment | list[Garment]:
        """One photo gives one garment; an iterable of photos gives a list, one garment a photo, in order.

        category: of all photos; None lets the network choose. batch_size: photos that the network sees at once.
        A single photo that cannot be read raises ImageError. In a list such a photo has a garment as well, whose
        `error` says why; nothing is left out. The list keeps all photos and heatmaps; `stream` does not.
        Raises ValueError for a category that the network does not know, before any photo is read, and for arrays that
        are not (H, W, 3) uint8.
        """
        if _is_one(photos):
            (garment,) = self.stream([photos], category, 1)
            if garment.error is not None:
                raise ImageError(garment.error)
            return garment
        return list(self.stream(_several(photos), category, batch_size))

    def stream(self, photos: Iterable[Photo], category: str | None = None, batch_size: int = 16) -> Iterator[Garment]:
        """As for an iterable, one garment after the other: for more photos than memory holds, or for an endless source.

        A few batches of photos are read ahead. An array may be written to as soon as the next one is asked for.
        """
        samples = self._samples(photos, category, batch_size)
        if isinstance(photos, Sized):
            batch_size = max(1, min(batch_size, len(photos)))
        return self._recognised(samples, batch_size, None)

    @overload
    def garments(
        self,
        photos: Photo,
        category: str | None = None,
        boxes: Boxes | None = None,
        wanted: Garments = "all",
        batch_size: int = 16,
    ) -> list[Garment]: ...
    @overload
    def garments(
        self,
        photos: Iterable[Photo],
        category: str | None = None,
        boxes: Boxes | None = None,
        wanted: Garments = "all",
        batch_size: int = 16,
    ) -> list[list[Garment]]: ...
    def garments(
        self,
        photos: Photo | Iterable[Photo],
        category: str | None = None,
        boxes: Boxes | None = None,
        wanted: Garments = "all",
        batch_size: int = 16,
    ) -> list[Garment] | list[list[Garment]]:
        """The garments of one photo; an iterable of photos gives a list of such lists, in order.

        boxes: by the name of a photo (`Garment.name`: the path as it is given, `array 0` and so on for pixels) those of
        its garments, with the categories' indices in `vocabulary`; None: the detector finds them, or if the recognizer
        was loaded without, the shipped one. wanted: all, the largest, or so many. category: the only one that is
        wanted. batch_size: garments that the network sees at once.
        In a photo without a box the one garment is that of the whole photo; its `box` is None and `found` False. A
        photo that cannot be read is as in a call: its list has one garment with an `error`.
        Raises ValueError as a call does, or if the shipped detector is missing. A warning says if all boxes are of
        other photos.
        """
        if _is_one(photos):
            (found,) = self.stream_garments([photos], category, boxes, wanted, batch_size)
            if found[0].error is not None:
                raise ImageError(found[0].error)
            return found
        return list(self.stream_garments(_several(photos), category, boxes, wanted, batch_size))

    def stream_garments(
        self,
        photos: Iterable[Photo],
        category: str | None = None,
        boxes: Boxes | None = None,
        wanted: Garments = "all",
        batch_size: int = 16,
    ) -> Iterator[list[Garment]]:
        """`garments` of an iterable, one photo after the other: for more photos than memory holds."""
        check_garments(wanted)
        samples = self._samples(photos, category, batch_size)
        if boxes is None:
            self.detector = self.detector or load_detection_model(None)
            at_once = max(1, min(batch_size, len(photos))) if isinstance(photos, Sized) else batch_size
            boxes = self.detector.detector(at_once)
        source = BoxSource(boxes, wanted)
        if isinstance(boxes, Mapping) and isinstance(photos, Sequence):
            _tell_other_names(boxes, [_name(index, photo) for index, photo in enumerate(photos)])
        if isinstance(photos, Sized):
            batch_size = max(1, min(batch_size, source.expected(len(photos))))
        return _by_photo(self._recognised(samples, batch_size, source))

    def _samples(self, photos: Iterable[Photo], category: str | None, batch_size: int) -> Iterator[Sample]:
        """Raises ValueError before any photo is read."""
        if category is not None:
            self.vocabulary.category_index(category)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ValueError(f"batch_size = {batch_size!r}; expected a whole number of photos from 1")
        if _is_one(photos) or isinstance(photos, bytes):
            raise ValueError("expected an iterable of photos; got one photo: put it in a list")
        return (_sample(index, photo, category) for index, photo in enumerate(photos))

    def _recognised(self, samples: Iterator[Sample], batch_size: int, boxes: BoxSource | None) -> Iterator[Garment]:
        for recognition in self.model.recognise(samples, batch_size, boxes=boxes):
            yield Garment(recognition, self.vocabulary, self.model.keypoints.config.codec, self.heads)


def load(
    model: str | os.PathLike[str] | None = None,
    attributes: str | os.PathLike[str] | None = None,
    augment: bool = False,
    detector: str | os.PathLike[str] | None = None,
    scales: Sequence[float] = (),
) -> Recognizer:
    """A recognizer of trained networks.

    Args:
        model: the keypoint network: `shipped`, the one that comes with the package and the default; a run folder; a
            folder of runs, of which the latest finished one is taken, never a debug run; or an artifact, which needs
            no TensorFlow.
        attributes: the classifier, in the same ways. By default the shipped one beside the shipped keypoint network;
            beside another keypoint network there are no attributes unless a classifier is named.
        augment: average the keypoints over ten turned and mirrored copies, which takes ten times as long.
        detector: the network that finds the garments of a photo for `Recognizer.garments`, in the same ways. By
            default the shipped one, which is loaded once it is needed.
        scales: average the keypoints over the photo enlarged (above 1) or reduced by these scales as well, from 0.25 to
            4, each also mirrored.

    Raises:
        ValueError: a network that is missing, damaged, or of the other kind; what names no folder; two networks of
            different vocabularies.
    """
    if not isinstance(augment, bool | np.bool_):
        raise ValueError(f"augment = {augment!r}; expected True or False")
    keypoints, classifier = _network("model", model), _network("attributes", attributes)
    boxes = _network("detector", detector)
    return Recognizer(
        load_two_stage_model(keypoints, classifier, augment, scales),
        None if boxes is None else load_detection_model(boxes),
    )


def _is_one(photos: object) -> TypeGuard[Photo]:
    return isinstance(photos, str | os.PathLike | np.ndarray | EncodedPhoto)


def _several(photos: Any) -> Iterable[Photo]:
    """Raises ValueError for what is not iterable."""
    if isinstance(photos, bytes) or not isinstance(photos, Iterable):
        raise ValueError(f"expected a path, an array or an iterable of them; got {type(photos).__name__}")
    return photos


def _by_photo(garments: Iterable[Garment]) -> Iterator[list[Garment]]:
    """The garments of one photo after the other."""
    found: list[Garment] = []
    for garment in garments:
        found.append(garment)
        if garment.recognition.result.is_last:
            yield found
            found = []


def _network(name: str, value: Any) -> Path | None:
    """Raises ValueError for what names no folder."""
    if value is None:
        return None
    expected = f"expected {WORD}, or the path of a run folder, a folder of runs or an artifact"
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"{name} = {value!r:.80}; {expected}")
    text = os.fspath(value)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise ValueError(f"{name} = {text!r:.80}; {expected}")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", text) and not Path(text).exists():
        raise ValueError(f"{name} = {text!r:.200} is an address; download the folder first; {expected}")
    return Path(text)


def _name(index: int, photo: object) -> str:
    """What a photo is called: its path as it is given."""
    if isinstance(photo, EncodedPhoto):
        return photo.name
    return os.fspath(photo) if isinstance(photo, str | os.PathLike) else f"array {index}"


def _tell_other_names(boxes: Mapping[str, Detections], names: Sequence[str]) -> None:
    """Warns where there are boxes, and none of them is of one of the photos, as where a path is written in two ways."""
    if boxes and names and not any(name in boxes for name in names):
        log.warning(
            f"the boxes are of other photos: of {len(boxes):,}, the first {next(iter(boxes))!r}; asked for are "
            f"{len(names):,} photos, the first {names[0]!r}"
        )


def _sample(index: int, photo: Photo, category: str | None) -> Sample:
    if isinstance(photo, np.ndarray):
        name = _name(index, photo)
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
            hint = "; several photos in one array: give list(array)" if photo.ndim == 4 else ""
            raise ValueError(f"{name}: expected (H, W, 3) RGB uint8; got {photo.shape} {photo.dtype}{hint}")
        # A copy: photos are read ahead, and whoever gives frames of a video may use one array for all.
        return PixelSample(name, Path(name), category, pixels=np.array(photo, order="C"))
    if isinstance(photo, str | os.PathLike):
        return Sample(_name(index, photo), Path(photo), category)
    if isinstance(photo, EncodedPhoto):
        return EncodedSample(photo.name, Path(photo.name), category, data=photo.data)
    raise ValueError(f"photo {index}: expected a path or an array (H, W, 3) RGB uint8; got {type(photo).__name__}")
