"""One thread owns the networks; the photos of all clients wait for it, and are recognised in batches."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import ceil
from threading import Condition, Thread
from typing import Any, Protocol

from ..recognition.recognizer import EncodedPhoto
from .metrics import Metrics
from .networks import MOST
from .options import Options
from .problems import RequestError

log = logging.getLogger(__name__)
GATHER = 0.005
"""Seconds that the first photo of a batch waits for others."""
_LONGEST_WAIT = 60  # seconds after which a client is told to come again


class Answers(Protocol):
    """What the worker needs of networks: the entry of each photo, in order."""

    def answers(self, photos: Sequence[EncodedPhoto], options: Options) -> Iterator[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A photo that waits, and where its entry goes."""

    photo: EncodedPhoto
    options: Options
    entry: Future[dict[str, Any]] = field(default_factory=Future)
    arrived: float = field(default_factory=time.monotonic)


class Worker:
    """queue: photos that can wait at once.

    `start` begins the thread, which loads the networks first; `networks` is None until then. If they cannot be loaded,
    `failure` says why, and `failed` is called.
    """

    def __init__(self, load: Callable[[], Any], queue: int, metrics: Metrics) -> None:
        self.networks: Any = None
        self.failure: Exception | None = None
        self._load, self._queue, self._metrics = load, queue, metrics
        self._waiting: deque[_Job] = deque()
        self._changed, self._stopping = Condition(), False
        self._seconds = 0.1  # for a photo, as of late
        # No daemon: threads that compile networks are its children, and must not be cut off at the end of the process.
        self._thread = Thread(target=self._run, name="recognition")
        metrics.queue.set_function(lambda: len(self._waiting))

    def start(self, failed: Callable[[], None] = lambda: None) -> None:
        self._failed = failed
        self._thread.start()

    def submit(self, photos: Sequence[EncodedPhoto], options: Options) -> list[Future[dict[str, Any]]]:
        """The entries of the photos, to come. One that is cancelled before its turn costs nothing more.

        Raises RequestError where so many photos cannot wait.
        """
        jobs = [_Job(photo, options) for photo in photos]
        with self._changed:
            if self._stopping:
                raise RequestError(503, "the service is being stopped")
            waiting = len(self._waiting)
            if waiting + len(jobs) > self._queue:
                seconds = min(_LONGEST_WAIT, max(1, ceil(waiting * self._seconds)))
                full = f"{waiting} photos are waiting already; try again in {seconds} s"
                raise RequestError(429, full, {"Retry-After": str(seconds)})
            self._waiting.extend(jobs)
            self._changed.notify_all()
        for job in jobs:
            job.entry.add_done_callback(self._leave)
        return [job.entry for job in jobs]

    def stop(self) -> None:
        """Recognises what waits, and ends the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _leave(self, entry: Future[dict[str, Any]]) -> None:
        """A photo that nobody waits for any longer gives its place and its bytes back at once."""
        if entry.cancelled():
            with self._changed:
                self._waiting = deque(job for job in self._waiting if job.entry is not entry)

    def _run(self) -> None:
        try:
            self.networks = self._load()
        except Exception as error:
            self.failure = error
            self._failed()
            return
        while batch := self._next_batch():
            start = time.monotonic()
            self._recognise(batch)
            seconds = time.monotonic() - start
            self._seconds += 0.2 * (seconds / len(batch) - self._seconds)
            self._metrics.batches.observe(len(batch))
            self._metrics.seconds.observe(seconds)

    def _next_batch(self) -> list[_Job]:
        """Up to MOST photos with the options of the one that came first; none where the thread is to end."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return []
                first = self._waiting[0]
                end = first.arrived + GATHER
                while len(alike := self._alike(first.options)) < MOST and not self._stopping:
                    left = end - time.monotonic()
                    if left <= 0 or not self._changed.wait(left):
                        break
                alike = self._alike(first.options)  # none where all have left meanwhile
                taken = set(map(id, alike))
                self._waiting = deque(job for job in self._waiting if id(job) not in taken)
                batch = [job for job in alike if job.entry.set_running_or_notify_cancel()]
                if batch:
                    return batch

    def _alike(self, options: Options) -> list[_Job]:
        found = [job for job in self._waiting if job.options == options]
        return found[:MOST]

    def _recognise(self, batch: Sequence[_Job]) -> None:
        """Gives every photo its entry. Where something fails that no photo should do, each is tried alone."""
        done = 0
        try:
            entries = self.networks.answers([job.photo for job in batch], batch[0].options)
            for job, entry in zip(batch, entries, strict=True):
                self._give(job, entry)
                done += 1
        except Exception as error:
            if len(batch) == 1:
                # Not the message, which can have what the photo holds or is called.
                log.error(f"a photo could not be recognised: {type(error).__name__}")
                self._give(batch[0], {"name": batch[0].photo.name, "error": "the photo could not be recognised"})
                return
            for job in batch[done:]:
                self._recognise([job])

    def _give(self, job: _Job, entry: dict[str, Any]) -> None:
        self._metrics.photos.labels("error" if "error" in entry else "recognised").inc()
        job.entry.set_result(entry)
