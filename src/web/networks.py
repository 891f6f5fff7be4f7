"""The networks of a service: what they answer for photos, and what they know."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Thread
from typing import Any

from ..data_gen.images import pixel_count
from ..eval.drawing import encoded
from ..measurement_sets import MeasurementSet, measurements_of
from ..recognition.box_sources import NONE
from ..recognition.detection_model import DetectionModel, load_detection_model
from ..recognition.garment import Garment, draw_garments
from ..recognition.measuring import Measuring, new_measuring
from ..recognition.network_digest import network_digest
from ..recognition.recognizer import EncodedPhoto, Recognizer, load
from ..serve.shipped import SHIPPED, WORD
from ..vocabulary import Vocabulary
from .layers import heatmap_layer
from .options import Options

LENGTHS = (1, 4, 8, 16)
"""Photos, or garments, that a network sees at once: for every other length it is compiled anew, and the runtime keeps
no more than so many."""
MOST = LENGTHS[-1]
MOST_PIXELS = 192_000_000
"""Of photos that are in memory at once, three bytes each: a file of few bytes can have many."""
_GARMENTS = 4  # of a photo, as a rule


@dataclass(frozen=True, eq=False)
class Networks:
    """A keypoint network with its classifier, and a detector; None where there is none."""

    recognizer: Recognizer
    detection: DetectionModel | None

    @property
    def vocabulary(self) -> Vocabulary:
        return self.recognizer.vocabulary

    @cached_property
    def measurements(self) -> MeasurementSet:
        return measurements_of(self.vocabulary)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the networks know, as `GET /v1/vocabulary` answers it."""
        return _facts(self)

    def check(self, options: Options) -> None:
        """Raises ValueError, about options of a command, for options that do not go with these networks."""
        if options.category is not None:
            self.vocabulary.category_index(options.category)
        if self.detection is None and options.garments not in ("photo", None):
            raise ValueError("--garments: this service has no detector; expected photo")
        self.measuring(options)

    def measuring(self, options: Options) -> Measuring:
        return new_measuring(self.vocabulary, None, options.read_scale())

    def prepare(self) -> None:
        """Makes the networks ready for one photo, in threads of their own."""
        model = self.recognizer.model
        for stage in (model.keypoints, model.attributes):
            if stage is not None:
                Thread(target=stage.prepare, args=(_GARMENTS,)).start()
        if self.detection is not None:
            self._detector(1)

    def answers(self, photos: Sequence[EncodedPhoto], options: Options) -> Iterator[dict[str, Any]]:
        """The entry of each photo, in order; of one that cannot be read with `error`. options: that passed `check`."""
        for some in _portions(photos):
            yield from self._answers(some, options)

    def _answers(self, photos: Sequence[EncodedPhoto], options: Options) -> Iterator[dict[str, Any]]:
        measuring = self.measuring(options)
        recognizer = self._augmented if options.augment else self.recognizer
        count = _length(len(photos))
        if options.garments == "photo" or self.detection is None:
            found = ([garment] for garment in recognizer.stream(iter(photos), options.category, count))
        else:
            wanted, boxes = options.garments or "all", self._detector(count)
            length = _length(_GARMENTS * count)
            found = recognizer.stream_garments(iter(photos), options.category, boxes, wanted, length)
        for photo, garments in zip(photos, found, strict=True):
            yield _entry(photo, garments, measuring, options)

    @cached_property
    def _augmented(self) -> Recognizer:
        model = self.recognizer.model
        return Recognizer(replace(model, keypoints=model.keypoints.augmented()))

    @cached_property
    def _detector(self) -> Any:
        assert self.detection is not None
        made: Any = lru_cache(maxsize=None)(self.detection.detector)
        return made


def load_networks(model: Path | None = None, attributes: Path | None = None, detector: Path | None = None) -> Networks:
    """The networks that are named, as in `recognition.recognizer.load`; a detector called `none` is none.

    Raises ValueError for a network that is missing, damaged or of another kind.
    """
    recognizer = load(model, attributes)
    without = detector is not None and str(detector) == NONE
    return Networks(recognizer, None if without else load_detection_model(detector))


def _portions(photos: Sequence[EncodedPhoto]) -> Iterator[list[EncodedPhoto]]:
    """The photos in their order, so many at once as have MOST_PIXELS, but at least one."""
    some: list[EncodedPhoto] = []
    pixels = 0
    for photo in photos:
        own = pixel_count(photo.data)
        if some and pixels + own > MOST_PIXELS:
            yield some
            some, pixels = [], 0
        some.append(photo)
        pixels += own
    if some:
        yield some


def _length(count: int) -> int:
    """The shortest batch that so many fit into, or the longest that there is."""
    return next((length for length in LENGTHS if length >= count), MOST)


def _entry(photo: EncodedPhoto, garments: Sequence[Garment], measuring: Measuring, options: Options) -> dict[str, Any]:
    first = garments[0]
    if first.error is not None:
        return {"name": photo.name, "error": first.error}
    scale = measuring.scale_of(first.recognition)
    measured = measuring.measured([garment.prediction for garment in garments], scale)
    facts = [one.to_dict() | more for one, more in zip(garments, measuring.described(measured), strict=True)]
    if options.layers:
        facts = [one | heatmap_layer(garment) for one, garment in zip(facts, garments, strict=True)]
    width, height = first.size
    entry: dict[str, Any] = {"name": photo.name, "width": width, "height": height, "garments": facts}
    if options.draw:
        picture = encoded(draw_garments(garments, measured, measuring.known), quality=92)
        entry["picture"] = base64.b64encode(picture).decode("ascii")
    return entry


def _facts(networks: Networks) -> dict[str, Any]:
    vocabulary, model = networks.vocabulary, networks.recognizer.model
    known = model.attributes.config.vocabulary if model.attributes else vocabulary
    pairs = vocabulary.edge_pairs
    stages = {"detector": networks.detection, "keypoints": model.keypoints, "attributes": model.attributes}
    return {
        "name": vocabulary.name,
        "categories": [
            {
                "name": category.name,
                "keypoints": list(category.keypoints),
                "edges": [[a, b] for a, b in pairs if {a, b} <= set(category.keypoints)],
                "lengths": [
                    {"name": one.name, **one.to_json()} for one in networks.measurements.of(category.name).measurements
                ],
            }
            for category in vocabulary.definitions
        ],
        "keypoints": list(vocabulary.keypoints),
        "attributes": [
            {
                "task": head.name,
                "categories": [name for name in vocabulary.categories if known.applies(head.name, name)],
                "labels": list(head.classes),
            }
            for head in networks.recognizer.heads
        ],
        "networks": {name: None if stage is None else _named(stage.run) for name, stage in stages.items()},
    }


def _named(run: Path) -> dict[str, str]:
    """What a network is called, without its path, and what tells it from others."""
    return {"name": WORD if run.parent == SHIPPED else run.name, "digest": network_digest(run)}
