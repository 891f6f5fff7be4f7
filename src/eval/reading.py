"""Work beside the network: photos read ahead of it, and what is left to do with its answers done behind it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

import numpy as np

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")


def read_ahead(
    items: Iterable[Item], load: Callable[[Item], Loaded], group_size: int, threads: int = 2
) -> Iterator[list[Loaded]]:
    """What `load` gives for the items, in their order, in groups; up to two groups are loaded ahead.

    Raises ValueError for a group size below 1, with which no item would be read.
    """
    if group_size < 1:
        raise ValueError(f"the batch size is {group_size}; expected at least 1")
    source = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Loaded]] = deque(pool.submit(load, item) for item in islice(source, 2 * group_size))
        while waiting:
            group = [waiting.popleft().result() for _ in range(min(group_size, len(waiting)))]
            waiting.extend(pool.submit(load, item) for item in islice(source, len(group)))
            yield group


def work_behind(items: Iterable[Item], work: Callable[[Item], Loaded]) -> Iterator[Loaded]:
    """What `work` gives for the items, in their order; done in a thread while the next item is being made."""
    with ThreadPoolExecutor(1) as pool:
        before: Future[Loaded] | None = None
        for item in items:
            behind = pool.submit(work, item)
            if before is not None:
                yield before.result()
            before = behind
        if before is not None:
            yield before.result()


def made_ahead(items: Iterable[Item], count: int) -> Iterator[Item]:
    """The items in their order, each made in a thread of its own, up to `count` of them before they are asked for."""
    source, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[Any]] = deque(pool.submit(next, source, end) for _ in range(count))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(pool.submit(next, source, end))
                yield item
        finally:
            for future in waiting:
                future.cancel()


def full_batch(images: list[np.ndarray], batch_size: int) -> np.ndarray:
    """The images (H, W, 3) and blank ones after them: (batch_size, H, W, 3).

    Always the same shape: a network compiles anew, slowly, for every other one.
    """
    batch = np.zeros((batch_size, *images[0].shape), images[0].dtype)
    batch[: len(images)] = images
    return batch
