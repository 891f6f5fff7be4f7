"""Budgets of bytes: how much threads can hold at once of what they read ahead, or need while they decode."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class Budget:
    """Bytes that several threads share.

    limit: how many can be in use at once. What needs more than that gets all of it, alone.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0
        self._turn, self._changed = threading.Lock(), threading.Condition()

    @property
    def full(self) -> bool:
        return self.used >= self.limit

    @contextmanager
    def reserved(self, count: int) -> Iterator[None]:
        """Waits until `count` bytes are free, and holds them for as long as the block runs; first come, first served.

        A thread that already holds bytes of the same budget must not reserve more: it could wait for itself.
        """
        count = min(count, self.limit)
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self.used + count <= self.limit)
            self.used += count
        try:
            yield
        finally:
            self.add(-count)

    def add(self, count: int) -> None:
        """Counts bytes that are in use already, without waiting; a negative count gives bytes back."""
        with self._changed:
            self.used += count
            self._changed.notify_all()

    def wait(self, ready: Callable[[], bool]) -> None:
        """Waits until there is room, or `ready()` is true. Call `changed` where that becomes true."""
        with self._changed:
            self._changed.wait_for(lambda: not self.full or ready())

    def changed(self) -> None:
        """Lets those who wait look again."""
        with self._changed:
            self._changed.notify_all()


def array_bytes(value: Any) -> int:
    """The bytes of all arrays in a value: an array, or a tuple or list of values."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    return sum(map(array_bytes, value)) if isinstance(value, tuple | list) else 0
