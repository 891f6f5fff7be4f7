"""Work in parallel with the network: reading photos before it, and processing its outputs after it.

Reading ahead is limited in number and in bytes: a batch of phone photos has a hundred times the bytes of thumbnails.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from ..data_gen.memory import Budget, array_bytes

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")
AHEAD = 768 << 20
"""Limit of the bytes of photos that are held between file and caller."""


def new_budget() -> Budget:
    return Budget(AHEAD)


def read_ahead(
    items: Iterable[Item],
    load: Callable[[Item], Loaded],
    group_size: int,
    threads: int = 2,
    budget: Budget | None = None,
    weigh: Callable[[Loaded], int] = array_bytes,
) -> Iterator[list[Loaded]]:
    """The results of `load` for the items, in order, in groups; up to two groups are loaded ahead.

    budget: shared with callers that handle the items later and give their bytes back; without one, the bytes are given
    back here when the next group is requested. While it is full, only requested items are loaded. weigh: the bytes of a
    loaded item. A group that uses a quarter of the budget gets no more items. Raises ValueError for a group size below
    1.
    """
    if group_size < 1:
        raise ValueError(f"the batch size is {group_size}; expected at least 1")
    bytes_ahead = budget or new_budget()
    with closing(_loaded_ahead(items, load, 2 * group_size, threads, bytes_ahead, weigh)) as ahead:
        group: list[Loaded] = []
        held = 0
        for loaded, weight in ahead:
            group.append(loaded)
            held += weight
            if len(group) == group_size or is_large(held, bytes_ahead):
                yield group
                if budget is None:
                    bytes_ahead.add(-held)
                group, held = [], 0
        if group:
            yield group


def is_large(count: int, budget: Budget) -> bool:
    """Whether a group of so many bytes is not to be filled up."""
    return count >= budget.limit // 4


def _loaded_ahead(
    items: Iterable[Item],
    load: Callable[[Item], Loaded],
    count: int,
    threads: int,
    budget: Budget,
    weigh: Callable[[Loaded], int],
) -> Generator[tuple[Loaded, int]]:
    """The results of `load` for the items, in order, and their bytes; `count` items are loaded ahead, if they fit."""
    source, asked = enumerate(items), -1

    def loaded(number: int, item: Item) -> tuple[Loaded, int]:
        budget.wait(lambda: number <= asked)
        result = load(item)
        weight = weigh(result)
        budget.add(weight)
        return result, weight

    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(loaded, *numbered) for numbered in islice(source, count))
        try:
            while waiting:
                asked += 1
                budget.changed()
                result = waiting.popleft().result()
                waiting.extend(pool.submit(loaded, *numbered) for numbered in islice(source, 1))
                yield result
        finally:
            asked += len(waiting) + 1  # so that no thread waits for room any longer
            budget.changed()
            for future in waiting:
                future.cancel()


def work_behind(items: Iterable[Item], work: Callable[[Item], Loaded]) -> Iterator[Loaded]:
    """The results of `work` for the items, in order; a thread runs it while the next item is made."""
    with ThreadPoolExecutor(1) as pool:
        before: Future[Loaded] | None = None
        for item in items:
            behind = pool.submit(work, item)
            if before is not None:
                yield before.result()
            before = behind
        if before is not None:
            yield before.result()


def made_ahead(items: Iterable[Item], count: int, budget: Budget | None = None) -> Iterator[Item]:
    """The items in order, made in a separate thread, up to `count` of them before they are requested.

    budget: limits the bytes of the items; while it is full, only requested items are made.
    """
    source, end, room = iter(items), object(), budget or new_budget()
    asked, made = -1, 0

    def make(number: int) -> Any:
        room.wait(lambda: number <= asked)
        return next(source, end)

    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[Any]] = deque(pool.submit(make, number) for number in range(count))
        try:
            made = count
            while True:
                asked += 1
                room.changed()
                if (item := waiting.popleft().result()) is end:
                    break
                waiting.append(pool.submit(make, made))
                made += 1
                yield item
        finally:
            asked = made
            room.changed()
            for future in waiting:
                future.cancel()


def full_batch(images: list[np.ndarray], batch_size: int) -> np.ndarray:
    """The images (H, W, 3) and blank ones after them: (batch_size, H, W, 3).

    The shape is always the same: a network compiles again, slowly, for another one.
    """
    batch = np.zeros((batch_size, *images[0].shape), images[0].dtype)
    batch[: len(images)] = images
    return batch
