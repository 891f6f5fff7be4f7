"""Photos with boxes -> training batches of a detector: read, warp once, augment the pixels, encode the maps.

The random numbers are those of `keypoint_batches`: any batch of any epoch can be made again on its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..boxes import areas, clipped, moved
from ..config import DetectionConfig
from ..geometry import letterbox
from .augment import change_pixels, random_frame
from .batches import Batch, shuffled_batches
from .formats.scenes import Scene
from .images import ImageError, read_image
from .preprocess import sample_image

_KEPT, _LEAST = 0.35, 4.0
"""Of a garment's box that much must be left in the input, and so many px in each direction, to be learned; what is left
of another one is ignored."""


@dataclass(frozen=True, slots=True)
class DetectionExamples:
    """Makes one training example of a photo; picklable, for worker processes."""

    scenes: Sequence[Scene]
    config: DetectionConfig
    epoch: int

    def __call__(self, index: int) -> Batch:
        """Index of a photo -> image (S, S, 3) uint8 and the maps of `BoxTargets`.

        A photo that cannot be read gives a blank example in which nothing is counted, with `readable` False; `index` is
        the photo.
        """
        config, scene = self.config, self.scenes[index]
        facts = {"index": np.int32(index), "readable": np.bool_(True)}
        try:
            photo = read_image(scene.path)
        except ImageError:
            return _blank_example(config) | facts | {"readable": np.bool_(False)}
        rng = np.random.default_rng([config.seed, self.epoch, index])
        return training_example(rng, photo, scene, config) | facts


def training_example(rng: np.random.Generator, photo: np.ndarray, scene: Scene, config: DetectionConfig) -> Batch:
    """The augmented photo (H, W, 3) uint8 and its targets, as in `DetectionExamples`."""
    size = (config.size, config.size)
    change, _ = random_frame(rng, config)
    frame = letterbox((photo.shape[1], photo.shape[0]), size).then(change)
    image = change_pixels(rng, sample_image(photo, frame, size), config)
    there = moved(scene.garments.boxes, frame)
    seen = clipped(there, size)
    kept = (areas(seen) >= _KEPT * areas(there)) & ((seen[:, 2:] - seen[:, :2]) >= _LEAST).all(axis=1)
    ignored = np.concatenate([clipped(moved(scene.ignored, frame), size), seen[~kept]])
    categories = len(config.vocabulary.categories)
    targets = config.codec.encode(seen[kept], scene.garments.category[kept], categories, ignored)
    return {
        "image": image,
        "heat": targets.heat,
        "counted": targets.counted,
        "distances": targets.distances,
        "weight": targets.weight,
    }


def _blank_example(config: DetectionConfig) -> Batch:
    categories = len(config.vocabulary.categories)
    shape = (*config.codec.shape, categories)
    return {
        "image": np.zeros((config.size, config.size, 3), np.uint8),
        **{name: np.zeros(shape, np.float32) for name in ("heat", "counted", "weight")},
        "distances": np.zeros((*shape, 4), np.float32),
    }


def detection_batches(
    scenes: Sequence[Scene], config: DetectionConfig, epoch: int, first_step: int = 0, workers: int = 0
) -> Iterator[Batch]:
    """The shuffled batches of one epoch, from `first_step` on; an incomplete last batch is left out.

    workers: number of processes that prepare batches (0: threads of this process).
    """
    examples = DetectionExamples(scenes, config, epoch)
    return shuffled_batches(len(scenes), examples, config.batch_size, (config.seed, epoch), first_step, workers)
