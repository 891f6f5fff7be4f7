"""Samples -> training batches: read, warp once, augment the pixels, encode the heatmaps.

The random numbers of sample i in epoch e come from the seed (seed, e, i), and the order of an epoch from (seed, e). So
any batch of any epoch can be made again on its own, as an exact resume needs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..config import KeypointConfig
from ..geometry import Frame, Size, crop, inside, letterbox
from ..records import HIDDEN, NO_GARMENT, VISIBLE, Sample
from ..vocabulary import Vocabulary
from .augment import change_pixels, random_frame, warp_keypoints
from .batches import Batch, shuffled_batches
from .images import ImageError, read_image
from .preprocess import sample_image


@dataclass(frozen=True, slots=True)
class KeypointExamples:
    """Makes one training example of a sample; picklable, for worker processes.

    A photo that shows no garment teaches every heatmap to be empty, and no category.
    """

    samples: Sequence[Sample]
    config: KeypointConfig
    epoch: int

    def __call__(self, index: int) -> Batch:
        """Index of a sample -> image (S, S, 3) uint8, mask (K,), heatmaps (h, w, K), labelled (K,), category () and
        categorised () bool, whether that is known.

        A photo that cannot be read gives a blank example without labels, with `readable` False; `index` is the sample.
        """
        config, sample = self.config, self.samples[index]
        facts = {"index": np.int32(index), "readable": np.bool_(True)}
        try:
            photo = read_image(sample.path)
        except ImageError:
            return _blank_example(sample, config) | facts | {"readable": np.bool_(False)}
        rng = np.random.default_rng([config.seed, self.epoch, index])
        return training_example(rng, photo, sample, config) | facts


def training_example(rng: np.random.Generator, photo: np.ndarray, sample: Sample, config: KeypointConfig) -> Batch:
    """The augmented photo (H, W, 3) uint8 of `sample` and its targets, as in `KeypointExamples`.

    Raises ValueError if the sample does not have the keypoints of the vocabulary.
    """
    vocabulary, size = config.vocabulary, (config.size, config.size)
    if sample.keypoints is None or len(sample.keypoints.state) != len(vocabulary.keypoints):
        raise ValueError(
            f"{sample.image_id}: training needs the {len(vocabulary.keypoints)} keypoints of the vocabulary; got "
            f"{'none' if sample.keypoints is None else len(sample.keypoints.state)}"
        )
    change, mirrored = random_frame(rng, config)
    frame = sample_frame(sample, (photo.shape[1], photo.shape[0]), size).then(change)
    image = change_pixels(rng, sample_image(photo, frame, size), config)
    points = warp_keypoints(sample.keypoints, frame, mirrored, vocabulary.twins)
    weight = (points.state == VISIBLE) + config.hidden_weight * (points.state == HIDDEN)
    labelled = (weight * inside(points.xy, size)).astype(np.float32)
    heatmaps = config.codec.encode(points.xy, labelled > 0)
    if sample.category == NO_GARMENT:
        labelled = np.ones_like(labelled)
    return _category_targets(sample, vocabulary) | {"image": image, "heatmaps": heatmaps, "labelled": labelled}


def sample_frame(sample: Sample, photo: Size, size: Size) -> Frame:
    """From a photo of (width, height) to an input of `size`: all of it, or the square of one of several garments."""
    if sample.square is None:
        return letterbox(photo, size)
    return crop(sample.square).then(letterbox((sample.square.width, sample.square.height), size))


def _blank_example(sample: Sample, config: KeypointConfig) -> Batch:
    vocabulary = config.vocabulary
    return _category_targets(sample, vocabulary) | {
        "categorised": np.bool_(False),
        "image": np.zeros((config.size, config.size, 3), np.uint8),
        "heatmaps": np.zeros((*config.codec.shape, len(vocabulary.keypoints)), np.float32),
        "labelled": np.zeros(len(vocabulary.keypoints), np.float32),
    }


def _category_targets(sample: Sample, vocabulary: Vocabulary) -> Batch:
    if sample.category == NO_GARMENT:
        mask, category = np.ones(len(vocabulary.keypoints), bool), 0
    else:
        mask = vocabulary.mask(str(sample.category))
        category = vocabulary.category_index(str(sample.category))
    return {
        "mask": mask.astype(np.float32),
        "category": np.int32(category),
        "categorised": np.bool_(sample.category != NO_GARMENT),
    }


def keypoint_batches(
    samples: Sequence[Sample], config: KeypointConfig, epoch: int, first_step: int = 0, workers: int = 0
) -> Iterator[Batch]:
    """The shuffled batches of one epoch, from `first_step` on; an incomplete last batch is left out.

    workers: number of processes that prepare batches (0: threads of this process).
    """
    examples = KeypointExamples(samples, config, epoch)
    return shuffled_batches(len(samples), examples, config.batch_size, (config.seed, epoch), first_step, workers)
