"""Examples -> batches, prepared ahead by threads or processes; used by keypoints and attributes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grain
import numpy as np

Batch = dict[str, Any]
"""Arrays by name, with the batch as first axis. A single example has arrays without it, or NumPy numbers."""


def steps_per_epoch(count: int, batch_size: int) -> int:
    """The number of full batches in one epoch of `count` samples. Raises ValueError if there is none."""
    if count < batch_size:
        raise ValueError(
            f"{count} training samples do not fill a batch of {batch_size}: use --batch-size {max(count, 1)} or less, "
            "or more data"
        )
    return count // batch_size


def shuffled_batches(
    count: int,
    example: Callable[[Any], Batch],
    batch_size: int,
    seed: tuple[int, int],
    first_step: int = 0,
    workers: int = 0,
) -> Iterator[Batch]:
    """The examples of 0 to `count` - 1 as batches in a random order, from `first_step` on.

    seed: that of the training, and the epoch; they alone decide the order. An incomplete last batch is left out.
    """
    order = np.random.default_rng(seed).permutation(count)
    steps = steps_per_epoch(count, batch_size)
    remaining = order[first_step * batch_size : steps * batch_size].tolist()
    return prepared_batches(remaining, example, batch_size, workers=workers)


def prepared_batches(
    items: Sequence[Any],
    example: Callable[[Any], Batch],
    batch_size: int,
    change: Callable[[int, Batch], Batch] | None = None,
    workers: int = 0,
) -> Iterator[Batch]:
    """The examples of the items as batches, in the order of the items; an incomplete last batch is left out.

    change: (number of the batch, batch) -> batch, for changes that need whole batches. workers: number of processes
    that prepare batches (0: threads of this process); for processes, `example` and `change` must be picklable.
    """
    batches = grain.MapDataset.source(items).map(example).batch(batch_size, drop_remainder=True)
    if change is not None:
        batches = batches.map_with_index(change)
    # Two threads are enough to stay ahead of the network; more would take cores from it.
    stream = batches.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=4))
    if workers:
        stream = stream.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    return iter(stream)
