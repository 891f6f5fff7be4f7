"""A trained detector of garments, ready to predict, and where the boxes of photos come from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from ..box_maps import BoxCodec
from ..eval.detection import Detect, Detector
from ..vocabulary import Vocabulary


@dataclass(frozen=True)
class DetectionModel:
    """The folder of the run or artifact; `detect`, the function from images to maps; their codec and vocabulary; from
    which probability on there is a garment; and `prepare`, which makes it ready for batches of a length."""

    run: Path
    detect: Detect
    codec: BoxCodec
    vocabulary: Vocabulary
    threshold: float
    prepare: Callable[[int], Any] = lambda batch: None

    @property
    def size(self) -> int:
        """Side of the input in px."""
        return self.codec.size[0]

    def detector(self, batch_size: int) -> Detector:
        """For batches of so many photos; a thread makes it ready for them."""
        Thread(target=self.prepare, args=(batch_size,)).start()
        return Detector(self.detect, self.codec, self.vocabulary.categories, self.threshold, batch_size)


def load_detection_model(path: Path) -> DetectionModel:
    """Raises ValueError where there is no detector."""
    raise ValueError(f"no detector of garments in {path}: this version can load none; give the boxes in a file instead")
