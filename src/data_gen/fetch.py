"""Fetches many photos by their URLs: parallel, with retries. `web` does the single downloads.

A photo is complete when its file exists, because files are written atomically. So a run that was stopped can continue.
"""

import csv
import hashlib
import io
import os
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ..files import read_regular, regular, write_atomic
from .images import ImageError, decode_reduced
from .web import LONGEST_WAIT, Client, Failure, Hosts, Limits, Resolver, resolve

DEFAULT_LIMITS = Limits()
_TICK = 0.1  # s between two checks for downloads that take too long
_JPEG_QUALITY = 95
_DECODING_BYTES = 512 << 20
"""That photos can take together while they are decoded; one that takes more is decoded alone."""
_BYTES_A_PIXEL = {"JPEG": 8, "MPO": 8}
_MOST_BYTES_A_PIXEL = 24  # of other formats: transparency and 16 bits are computed in wider numbers


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one URL. path: the complete photo, or None with a `reason`. fresh: not from an earlier run."""

    url: str
    path: Path | None
    reason: str = ""
    fresh: bool = True


def photo_path(folder: Path, url: str) -> Path:
    """The path of the complete photo of a URL: a hash, since URLs and ids can have characters that no file name can."""
    digest = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
    return Path(folder) / digest[:2] / digest[2:34]


def whole_photo(data: bytes, longest: int = 0) -> bytes:
    """The photo file to store: `data` itself, or a JPEG reduced to `longest` px on the longer side (0: never reduced).

    Raises ImageError for data that cannot be decoded completely; the content type of the server is ignored.
    """
    decoded = decode_reduced(data, "the downloaded file", longest or 1)
    width, height = decoded.size
    if not longest or max(height, width) <= longest:
        return data
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    reduced = cv2.resize(decoded.pixels[..., ::-1], size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", reduced, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


def fetch_photos(
    urls: Iterable[str],
    folder: Path,
    limits: Limits = DEFAULT_LIMITS,
    prepare: Callable[[bytes], bytes] = whole_photo,
    seed: int = 0,
    resolver: Resolver = resolve,
) -> Generator[Outcome, None, None]:
    """Fetches every URL once into `photo_path(folder, url)` and yields the outcomes, in the order they finish.

    Photos that are already complete come first and are not fetched. prepare: downloaded bytes -> the file to store;
    raises ImageError if they are no photo. seed: of the random waits between tries. Leaving the iterator (an exception,
    Ctrl-C, `close`) ends the fetching; complete photos stay. Raises OSError if a file cannot be written.
    """
    missing = []
    for url in dict.fromkeys(urls):
        path = photo_path(folder, url)
        if path.is_file():
            yield Outcome(url, path, fresh=False)
        else:
            missing.append(url)
    if missing:
        yield from _Fetching(missing, Path(folder), limits, prepare, seed, resolver).run()


def write_failures(path: Path, failures: Iterable[tuple[str, str, str]]) -> None:
    """Writes a CSV with `id,url,reason` of every photo that could not be fetched; without failures only the header."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([("id", "url", "reason"), *failures])
    write_atomic(regular(path), text.getvalue())


def read_failures(path: Path) -> dict[str, tuple[str, str]]:
    """id -> (URL, reason), as written by `write_failures`; empty if the file is missing or has another format."""
    try:
        text = io.StringIO(read_regular(path).decode("utf-8", "replace"), newline="")
        return {row[0]: (row[1], row[2]) for row in list(csv.reader(text))[1:] if len(row) == 3}
    except (FileNotFoundError, csv.Error):
        return {}


@dataclass(frozen=True, slots=True)
class _Job:
    """One URL to fetch. due: the earliest start, in the time of time.monotonic(). tries: failed ones so far."""

    index: int
    url: str
    host: str
    due: float = 0.0
    tries: int = 0


class _Jobs:
    """The queue of jobs. Hosts take turns, each has `per_host` running jobs at most; no job starts before its time."""

    def __init__(self, urls: Sequence[str], per_host: int) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[_Job]] = {}
        self._running: Counter[str] = Counter()
        self._per_host, self._left, self.stopped = per_host, len(urls), False
        for index, url in enumerate(urls):
            host = url.partition("://")[2].partition("/")[0].lower()
            self._waiting.setdefault(host, deque()).append(_Job(index, url, host))

    def take(self) -> _Job | None:
        """Waits for the next job; None at the end."""
        with self._changed:
            while self._left and not self.stopped:
                now = time.monotonic()
                free = [host for host, jobs in self._waiting.items() if self._running[host] < self._per_host]
                for host in free:
                    jobs = self._waiting[host]
                    if jobs[0].due <= now:
                        job = jobs.popleft()
                        self._running[host] += 1
                        del self._waiting[host]
                        if jobs:
                            self._waiting[host] = jobs  # at the end of the queue of hosts
                        return job
                self._changed.wait(min((self._waiting[host][0].due - now for host in free), default=None))
            return None

    def settle(self, job: _Job, wait: float | None = None) -> None:
        """Ends a job that was taken, or puts it back to be tried again after `wait` s."""
        with self._changed:
            self._running[job.host] -= 1
            if wait is None:
                self._left -= 1
            else:
                again = replace(job, due=time.monotonic() + wait, tries=job.tries + 1)
                self._waiting.setdefault(job.host, deque()).append(again)
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self.stopped = True
            self._changed.notify_all()


class Decoding:
    """Lets threads decode photos as long as there are cores for them and their photos fit into memory together.

    threads: at most so many at a time. memory: bytes that their photos take together; one that takes more goes alone.
    """

    def __init__(self, threads: int, memory: int) -> None:
        self._changed = threading.Condition()
        self._threads, self._memory, self._running, self._taken = threads, memory, 0, 0

    @contextmanager
    def place(self, size: int) -> Iterator[None]:
        """Waits until a photo of `size` bytes can be decoded, and keeps its place for as long as the block runs."""
        size = min(size, self._memory)
        with self._changed:
            self._changed.wait_for(lambda: self._running < self._threads and self._taken + size <= self._memory)
            self._running += 1
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._taken -= size
                self._changed.notify_all()


def decoding_bytes(data: bytes) -> int:
    """About how many bytes it takes to decode a photo file, from its header; without a readable one, none."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.width * image.height * _BYTES_A_PIXEL.get(image.format or "", _MOST_BYTES_A_PIXEL)
    except Exception:  # Pillow raises errors of many kinds; what decodes the photo says what is wrong
        return 0


class _Fetching:
    """One run: worker threads that fetch, and a guard thread that ends downloads that take too long."""

    def __init__(
        self,
        urls: Sequence[str],
        folder: Path,
        limits: Limits,
        prepare: Callable[[bytes], bytes],
        seed: int,
        resolver: Resolver,
    ) -> None:
        self._folder, self._limits, self._prepare, self._seed = folder, limits, prepare, seed
        self._count, self._jobs = len(urls), _Jobs(urls, limits.per_host)
        self._results: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()
        self._over = threading.Event()
        self._decoding = Decoding(os.cpu_count() or 1, _DECODING_BYTES)
        hosts = Hosts(limits, resolver)
        self._clients = [Client(limits, hosts) for _ in range(min(limits.workers, len(urls)))]

    def run(self) -> Iterator[Outcome]:
        threads = [threading.Thread(target=self._guard, daemon=True)]
        threads += [threading.Thread(target=self._work, args=(client,), daemon=True) for client in self._clients]
        try:
            for thread in threads:
                thread.start()
            for _ in range(self._count):
                yield self._result()
        finally:
            self._jobs.stop()
            self._over.set()
            latest = time.monotonic() + 5  # a thread that resolves a name cannot be interrupted
            for thread in threads:
                while thread.is_alive() and time.monotonic() < latest:
                    self._cut(float("inf"))
                    thread.join(_TICK / 4)

    def _result(self) -> Outcome:
        while True:  # Windows handles Ctrl-C only between two waits
            with suppress(queue.Empty):
                result = self._results.get(timeout=0.5)
                if isinstance(result, Outcome):
                    return result
                raise result

    def _guard(self) -> None:
        while not self._over.wait(_TICK):
            self._cut(time.monotonic())

    def _cut(self, now: float) -> None:
        for client in self._clients:
            client.cut(now)

    def _work(self, client: Client) -> None:
        try:
            while (job := self._jobs.take()) is not None:
                outcome, wait = self._try(client, job)
                self._jobs.settle(job, wait)
                if outcome is not None:
                    self._results.put(outcome)
        except BaseException as error:  # a full disk, or a bug: it is raised where the results are read
            self._results.put(error)
        finally:
            client.close()

    def _try(self, client: Client, job: _Job) -> tuple[Outcome | None, float | None]:
        """The outcome of the job, or the number of seconds to wait before it is tried again."""
        try:
            data = client.download(job.url)
            with self._decoding.place(decoding_bytes(data)):
                data = self._prepare(data)
        except ImageError as error:
            return Outcome(job.url, None, str(Failure(str(error)))), None
        except Failure as failure:
            if not failure.passing or job.tries >= self._limits.retries:
                return Outcome(job.url, None, str(failure)), None
            jitter = np.random.default_rng([self._seed, job.index, job.tries]).uniform(0.5, 1.5)
            return None, min(LONGEST_WAIT, max(failure.wait, self._limits.backoff * 2**job.tries * jitter))
        path = photo_path(self._folder, job.url)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(regular(path), data)
        return Outcome(job.url, path), None
