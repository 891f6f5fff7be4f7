"""A label table -> training batches of the classifier: read, warp once, augment the pixels, mix.

As for keypoints, the random numbers of row i in epoch e come from (seed, e, i), the order of an epoch from (seed, e),
and the mixing of a batch from (seed, e, step).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..config import AttributeConfig
from ..geometry import letterbox
from .augment import blur_and_erase, random_frame, turn_colours
from .batches import Batch, prepared_batches, steps_per_epoch
from .images import ImageError
from .label_table import LabelTable
from .preprocess import sample_image, scaled_side

# Part of every seed, so that orders, batches and photos of one epoch never share a random stream.
_ORDER, _BATCH, _PHOTO = 0, 1, 2


@dataclass(frozen=True, slots=True)
class AttributeExamples:
    """Makes one training example of a row; picklable, for worker processes."""

    table: LabelTable
    config: AttributeConfig
    epoch: int

    def __call__(self, item: tuple[int, int]) -> Batch:
        """(row, side in px) -> image (S, S, 3) uint8, and for each head `target/<head>` (C,) and `known/<head>` ().

        A photo that cannot be read gives a blank image without labels, with `readable` False.
        """
        row, side = item
        rng = np.random.default_rng([self.config.seed, _PHOTO, self.epoch, row])
        example = {"index": np.int32(row), "readable": np.bool_(True)} | row_targets(self.table, row, self.config)
        try:
            photo = self.table.photos.read(row)
        except ImageError:
            unknown = {name: np.float32(0) for name in example if name.startswith("known/")}
            return example | unknown | {"image": np.zeros((side, side, 3), np.uint8), "readable": np.bool_(False)}
        return example | {"image": training_image(rng, photo, self.config, side)}


def row_targets(table: LabelTable, row: int, config: AttributeConfig) -> Batch:
    """`target/<head>` (C,) float32 and `known/<head>` () float32 of one row, made hard and smoothed as configured."""
    targets = {}
    for index, head in enumerate(table.heads):
        if table.codes[row, index] < 0:
            blank = {f"target/{head.name}": np.zeros(len(head.classes), np.float32)}
            targets |= blank | {f"known/{head.name}": np.float32(0)}
            continue
        target, known = (array[0] for array in table.target(index, np.array([row])))
        if head.kind != "independent":
            if config.labels == "hard" and known:
                target = np.eye(len(target), dtype=np.float32)[target.argmax()]
            target = (1 - config.label_smoothing) * target + np.float32(config.label_smoothing / len(target)) * known
        else:
            # A yes-or-no label has two answers: half of the smoothed share goes to each.
            target = (1 - config.label_smoothing) * target + np.float32(config.label_smoothing / 2) * known
        targets |= {f"target/{head.name}": target.astype(np.float32), f"known/{head.name}": np.float32(known)}
    return targets


def training_image(rng: np.random.Generator, photo: np.ndarray, config: AttributeConfig, side: int) -> np.ndarray:
    """The augmented photo (H, W, 3) uint8 as a network input of `side` px: (side, side, 3) uint8."""
    size = (side, side)
    change, _ = random_frame(rng, config, side)
    frame = letterbox((photo.shape[1], photo.shape[0]), size).then(change)
    image = sample_image(photo, frame, size)
    image = turn_colours(rng, image, config.hue, config.saturation, config.brightness)
    return blur_and_erase(rng, image, config)


@dataclass(frozen=True, slots=True)
class Mixing:
    """Mixup (arXiv:1710.09412) or cutmix (arXiv:1905.04899) of each photo of a batch with another of the same batch."""

    config: AttributeConfig
    epoch: int
    first_step: int

    def __call__(self, number: int, batch: Batch) -> Batch:
        """Mixes photos and targets with the same weights. If both are on, each is used for half of the batches."""
        config = self.config
        rng = np.random.default_rng([config.seed, _BATCH, self.epoch, self.first_step + number])
        ways = [way for way, alpha in ((_mixup, config.mixup), (_cutmix, config.cutmix)) if alpha > 0]
        if not ways:
            return batch
        way = ways[int(rng.integers(len(ways)))]
        alpha = config.mixup if way is _mixup else config.cutmix
        partner = _partners(batch, rng)
        images, share = way(batch["image"], batch["image"][partner], float(rng.beta(alpha, alpha)), rng)
        targets = {name: value for name, value in batch.items() if name.startswith("target/")}
        blended = {name: np.float32(share) * t + np.float32(1 - share) * t[partner] for name, t in targets.items()}
        return batch | blended | {"image": images}


def _partners(batch: Batch, rng: np.random.Generator) -> np.ndarray:
    """(B,) index of the photo that each photo is mixed with: one labelled for the same heads, or itself."""
    known = np.stack([value for name, value in batch.items() if name.startswith("known/")], axis=1)
    partner = np.arange(len(known))
    for pattern in np.unique(known, axis=0):
        alike = np.flatnonzero((known == pattern).all(axis=1))
        partner[alike] = rng.permutation(alike)
    return partner


def _mixup(images: np.ndarray, others: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    blend = share * images.astype(np.float32) + (1 - share) * others.astype(np.float32)
    return np.rint(blend).astype(np.uint8), share


def _cutmix(images: np.ndarray, others: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    height, width = images.shape[1:3]
    h, w = round(height * np.sqrt(1 - share)), round(width * np.sqrt(1 - share))
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    images = images.copy()
    images[:, top : top + h, left : left + w] = others[:, top : top + h, left : left + w]
    return images, 1 - h * w / (height * width)


def row_weights(table: LabelTable, balance: float) -> np.ndarray:
    """(N,) float64, summing to 1: the probability that each row is drawn.

    The weight of a label is its count to the power of -balance, and a row has the weight of its rarest label. "No label
    of an independent head is true" counts as one more label.
    """
    weights = np.zeros(len(table))
    for index, head in enumerate(table.heads):
        rates = np.maximum(table.counts(index), 1.0) ** -balance
        codes, targets = table.codes[:, index], table.targets[index]
        if targets is None:
            of_code = rates
        elif head.kind == "independent":
            none = np.logical_not(np.any(targets > 0, axis=1))
            rate_of_none = max(none[codes[codes >= 0]].sum(), 1.0) ** -balance
            of_code = np.where(none, rate_of_none, np.max(np.where(targets > 0, rates, 0), axis=1))
        else:
            of_code = rates[targets.argmax(axis=1)]
        weights = np.maximum(weights, np.where(codes >= 0, of_code[codes], 0))
    return weights / weights.sum() if weights.any() else np.full(len(table), 1 / max(1, len(table)))


def epoch_order(table: LabelTable, config: AttributeConfig, epoch: int) -> np.ndarray:
    """(N,) rows in the order of an epoch: each once, or with `balance` drawn with the weights of `row_weights`."""
    rng = np.random.default_rng([config.seed, _ORDER, epoch])
    if not config.balance:
        return rng.permutation(len(table))
    return rng.choice(len(table), size=len(table), p=row_weights(table, config.balance))


def batch_sides(config: AttributeConfig, epoch: int, steps: int) -> np.ndarray:
    """(steps,) side in px of each batch of an epoch; a multiple of 32 if the configured size is one."""
    rng = np.random.default_rng([config.seed, _ORDER, epoch, 1])
    return rng.choice([scaled_side(config.size, scale) for scale in config.scales], size=steps)


def attribute_batches(
    table: LabelTable, config: AttributeConfig, epoch: int, first_step: int = 0, workers: int = 0
) -> Iterator[Batch]:
    """The batches of one epoch, from `first_step` on; an incomplete last batch is left out.

    workers: number of processes that prepare batches (0: threads of this process).
    """
    steps = steps_per_epoch(len(table), config.batch_size)
    order = epoch_order(table, config, epoch)[: steps * config.batch_size]
    sides = np.repeat(batch_sides(config, epoch, steps), config.batch_size)
    first = first_step * config.batch_size
    items = list(zip(order[first:].tolist(), sides[first:].tolist(), strict=True))
    examples, mixing = AttributeExamples(table, config, epoch), Mixing(config, epoch, first_step)
    return prepared_batches(items, examples, config.batch_size, mixing, workers)
