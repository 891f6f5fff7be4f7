"""Fetches photos by their URLs: many at a time, with patience, and believing nothing that a server says.

Only http and https, and only addresses of the open internet: a list may come from anywhere, and must not make this
machine ask questions inside its own network. A host is resolved once, its addresses are checked, and exactly those are
connected to; after a redirect anew. The standard library's client is used because it lets go of the socket: the
connection is made here, and cut where a photo takes too long in all, which a timeout of single reads never notices.
Proxies set in the environment are not used, since a proxy would connect wherever it is told to.

A photo is complete when its file exists: it is written whole or not at all, so a run that was stopped goes on.
"""

import csv
import hashlib
import http.client
import io
import ipaddress
import os
import queue
import socket
import ssl
import threading
import time
import zlib
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import certifi
import cv2
import numpy as np

from ..files import write_atomic
from .images import ImageError, decode_image

_HEADERS = {
    "User-Agent": "aifashion/0.1",
    "Accept": "image/jpeg, image/png, image/webp;q=0.9, image/*;q=0.5",
    "Accept-Encoding": "identity",
}
_REDIRECTS = {301, 302, 303, 307, 308}
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_CHUNK = 1 << 16  # bytes
_LONGEST_WAIT = 60.0  # s between two tries, whatever a server asks for
_SILENT = 20  # failures in a row after which a host is asked no more; old lists name hosts that are gone
_KEPT = 4  # connections that one worker keeps open
_ADDRESSES = 4  # of one host, tried one after the other
_ADDRESSES_HOLD = 60.0  # s
_TICK = 0.1  # s between two looks for photos that take too long
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_JPEG_QUALITY = 95

Resolver = Callable[[str, int], Sequence[str]]
"""Host and port -> numeric addresses, in the order to try. Raises OSError where there are none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many, how long and how much.

    workers: photos at a time; per_host: of those, from one host. retries: further tries after a failure that may pass;
    the first comes after `backoff` s, times 0.5 to 1.5, each further one after twice as long. connect_timeout and
    read_timeout: s for connecting and for each read; total_timeout: s for one try in all. max_bytes: the largest photo
    file. allow_private: also connect outside the open internet. Raises ValueError for values that cannot be.
    """

    workers: int = 16
    per_host: int = 8
    retries: int = 3
    backoff: float = 0.5
    connect_timeout: float = 10.0
    read_timeout: float = 20.0
    total_timeout: float = 60.0
    max_bytes: int = 20_000_000
    max_redirects: int = 5
    allow_private: bool = False

    def __post_init__(self) -> None:
        least = {"workers": 1, "per_host": 1, "retries": 0, "backoff": 0, "max_bytes": 1, "max_redirects": 0}
        wrong = [name for name, value in least.items() if not getattr(self, name) >= value]
        wrong += [name for name in ("connect_timeout", "read_timeout", "total_timeout") if not getattr(self, name) > 0]
        if wrong:
            raise ValueError(f"too small: {', '.join(f'{name} {getattr(self, name)}' for name in wrong)}")


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one URL: `path` is the complete photo, or None and `reason` says why there is none.

    fresh: fetched now, not in an earlier run.
    """

    url: str
    path: Path | None
    reason: str = ""
    fresh: bool = True


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host as the system knows them. Raises OSError where it is not found."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether a numeric address belongs to the open internet (the IANA special-purpose registries name the others).

    An IPv4 address inside an IPv6 one (mapped, 6to4, NAT64) decides, since that is where the packets go. Anything but
    a plain numeric address is not public.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip.ipv4_mapped or ip.sixtofour
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


def photo_path(folder: Path, url: str) -> Path:
    """Where the photo of a URL lies once it is complete; URLs and ids may hold what file systems do not take."""
    digest = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
    return Path(folder) / digest[:2] / digest[2:34]


def whole_photo(data: bytes, longest: int = 0) -> bytes:
    """The photo file to keep: `data` itself, or a JPEG reduced to `longest` px on the longer side (0 reduces none).

    Raises ImageError for anything that does not decode in full; what a server calls it counts for nothing.
    """
    image = decode_image(data, "what came")
    height, width = image.shape[:2]
    if not longest or max(height, width) <= longest:
        return data
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    reduced = cv2.resize(image[..., ::-1], size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", reduced, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


def fetch_photos(
    urls: Iterable[str],
    folder: Path,
    limits: Limits = DEFAULT_LIMITS,
    prepare: Callable[[bytes], bytes] = whole_photo,
    seed: int = 0,
    resolver: Resolver = resolve,
) -> Generator[Outcome, None, None]:
    """Fetches every URL once into `photo_path(folder, url)` and yields what became of it, in the order they finish.

    Photos that are complete already come first and are not fetched. `prepare` turns what came into the file to keep,
    and raises ImageError where it is no photo. `seed` is that of the waits between tries. Leaving the iterator (an
    exception, Ctrl-C, `close`) ends the fetching; what is complete stays. Raises OSError where writing a file fails.
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
    """Writes `id,url,reason` of every photo that could not be fetched, all or nothing; with none, the header alone."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([("id", "url", "reason"), *failures])
    write_atomic(path, text.getvalue())


def read_failures(path: Path) -> dict[str, tuple[str, str]]:
    """id -> URL and reason, as written by `write_failures`; empty where there is no such file, or another."""
    try:
        with Path(path).open(encoding="utf-8", errors="replace", newline="") as stream:
            return {row[0]: (row[1], row[2]) for row in list(csv.reader(stream))[1:] if len(row) == 3}
    except (FileNotFoundError, csv.Error):
        return {}


class _Failure(Exception):
    """Why a photo did not come. passing: another try may bring it, after `wait` s where the server says so."""

    def __init__(self, reason: str, passing: bool = False, wait: float = 0.0) -> None:
        # Part of it may come from the server, and must not reach a terminal or a list as it is.
        super().__init__("".join(c if c.isprintable() else " " for c in reason)[:300])
        self.passing, self.wait = passing, min(wait, _LONGEST_WAIT)


class _Target(NamedTuple):
    """Whom to ask for a photo."""

    scheme: str
    host: str
    port: int


def _parse(url: str, base: str = "") -> tuple[_Target, str, str]:
    """The target, the path to ask it for, and the whole URL, which may be relative to `base`."""
    try:
        url = urljoin(base, url)
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host if ":" in host else host.encode("idna").decode("ascii")
    except ValueError as error:
        raise _Failure(f"not a URL: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise _Failure(f"only http and https are fetched, not {parts.scheme or 'a URL without scheme'}")
    if "@" in parts.netloc:
        raise _Failure("the URL holds a user name or password")
    if not host or port == 0:
        raise _Failure("not a URL: there is no host to ask")
    # What is quoted already stays; letters beyond ASCII, which lists do hold, become what browsers make of them.
    path = quote(parts.path or "/", safe="/%:=&~+!$,;'@()*")
    query = f"?{quote(parts.query, safe='/%:=&?~+!$,;@()*')}" if parts.query else ""
    return _Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80)), path + query, url


class _Connection(http.client.HTTPConnection):
    """A connection to one of `addresses`; the host's name is only what the server is told and its certificate proves.

    line: the socket, which http.client itself forgets while the answer is still being read.
    """

    def __init__(self, target: _Target, addresses: Sequence[str], limits: Limits, tls: ssl.SSLContext | None) -> None:
        super().__init__(target.host, target.port)
        self.default_port = 80 if tls is None else 443
        self.line: socket.socket | None = None
        self._addresses, self._limits, self._tls = addresses, limits, tls

    def connect(self) -> None:
        self.sock = self.line = self._dial()
        self.line.settimeout(self._limits.read_timeout)
        if self._tls is not None:
            wrapped = self._tls.wrap_socket(self.line, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock = self.line = wrapped
            wrapped.do_handshake()

    def _dial(self) -> socket.socket:
        for address in self._addresses[:-1]:
            with suppress(OSError):
                return socket.create_connection((address, self.port), self._limits.connect_timeout)
        return socket.create_connection((self._addresses[-1], self.port), self._limits.connect_timeout)

    def cut(self) -> None:
        """Ends whatever another thread waits for on this connection."""
        if self.line is not None:
            with suppress(OSError):
                # SSLSocket's own method would also forget the encryption, under the other thread's feet.
                socket.socket.shutdown(self.line, socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True)
class _Job:
    """One URL to fetch; `due`: not before this time.monotonic()."""

    index: int
    url: str
    host: str
    due: float = 0.0
    tries: int = 0


class _Jobs:
    """Who is next: hosts in turn, each with at most `per_host` jobs under way, and no job before it is due."""

    def __init__(self, urls: Sequence[str], per_host: int) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[_Job]] = {}
        self._running: Counter[str] = Counter()
        self._per_host, self._left, self.stopped = per_host, len(urls), False
        for index, url in enumerate(urls):
            host = url.partition("://")[2].partition("/")[0].lower()
            self._waiting.setdefault(host, deque()).append(_Job(index, url, host))

    def take(self) -> _Job | None:
        """The next job, once there is one; None at the end."""
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
        """Ends a job that was taken, or has it tried again after `wait` s."""
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


class _Hosts:
    """What all threads know of the hosts: their addresses, resolved and checked, and which of them do not answer."""

    def __init__(self, limits: Limits, resolver: Resolver) -> None:
        self._limits, self._resolver = limits, resolver
        self._found: dict[_Target, tuple[float, Sequence[str]]] = {}
        self._failures: Counter[str] = Counter()

    def addresses(self, target: _Target) -> Sequence[str]:
        known = self._found.get(target)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        found = self._resolver(target.host, target.port)
        allowed = [address for address in found if self._limits.allow_private or is_public(address)][:_ADDRESSES]
        if not allowed:
            reason = f"{target.host} is {', '.join(found) or 'nowhere'}, which is not in the open internet"
            raise _Failure(f"{reason}; --allow-private True fetches from there too")
        self._found[target] = (time.monotonic() + _ADDRESSES_HOLD, allowed)
        return allowed

    @cached_property
    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())  # some systems come without certificates of their own
        return context

    def check(self, host: str) -> None:
        if self._failures[host] >= _SILENT:
            raise _Failure(f"{host} failed {_SILENT} times in a row and is asked no more in this run")

    def note(self, host: str, answered: bool) -> None:
        self._failures[host] = 0 if answered else self._failures[host] + 1


class _Client:
    """Downloads one file at a time, for one thread; others call `cut`."""

    def __init__(self, limits: Limits, hosts: _Hosts) -> None:
        self._limits, self._hosts = limits, hosts
        self._kept: dict[_Target, _Connection] = {}
        self._busy: _Connection | None = None
        self._deadline = 0.0

    def cut(self, now: float) -> None:
        """Ends the download under way if it should be over by `now`."""
        connection = self._busy
        if connection is not None and self._deadline <= now:
            connection.cut()

    def close(self) -> None:
        for connection in self._kept.values():
            connection.close()

    def download(self, url: str) -> bytes:
        self._deadline = time.monotonic() + self._limits.total_timeout
        base = ""
        for _ in range(self._limits.max_redirects + 1):
            target, path, base = _parse(url, base)
            self._hosts.check(target.host)
            try:
                answer = self._visit(target, path)
            except (OSError, http.client.HTTPException, ValueError, zlib.error) as error:
                self._hosts.note(target.host, answered=False)
                raise self._failure(error) from error
            if isinstance(answer, _Failure):
                raise answer
            if isinstance(answer, bytes):
                return answer
            url = answer
        raise _Failure(f"more than {self._limits.max_redirects} redirects")

    def _failure(self, error: Exception) -> _Failure:
        if time.monotonic() >= self._deadline:
            return _Failure(f"not there after {self._limits.total_timeout:g} s", passing=True)
        if isinstance(error, ssl.SSLCertVerificationError):
            return _Failure(f"the server's certificate is not valid: {error.verify_message}")
        if isinstance(error, TimeoutError):
            return _Failure("no answer in time", passing=True)
        return _Failure(f"{type(error).__name__}: {error}", passing=True)

    def _visit(self, target: _Target, path: str) -> bytes | str | _Failure:
        """What came, where the server says to look instead, or why nothing came."""
        kept = self._kept.pop(target, None)
        if kept is not None:
            with suppress(OSError, http.client.HTTPException):  # the server may have closed what was kept open
                return self._ask(kept, target, path)
        if time.monotonic() >= self._deadline:
            raise TimeoutError
        tls = self._hosts.tls if target.scheme == "https" else None
        return self._ask(_Connection(target, self._hosts.addresses(target), self._limits, tls), target, path)

    def _ask(self, connection: _Connection, target: _Target, path: str) -> bytes | str | _Failure:
        again = False
        self._busy = connection
        try:
            connection.request("GET", path, headers=_HEADERS)
            with connection.getresponse() as response:
                self._hosts.note(target.host, answered=True)
                answer = self._body(response) if response.status == 200 else _referral(response)
                again = response.isclosed() and not response.will_close
            return answer
        finally:
            self._busy = None
            if again:
                self._kept[target] = connection
            else:
                connection.close()
            while len(self._kept) > _KEPT:
                self._kept.pop(next(iter(self._kept))).close()

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        most = self._limits.max_bytes
        coding = (response.getheader("Content-Encoding") or "identity").strip().lower()
        if coding not in ("identity", "gzip", "x-gzip"):
            raise _Failure(f"it comes compressed in a way that was not asked for: {coding}")
        unzip = zlib.decompressobj(31) if "gzip" in coding else None
        data, received = bytearray(), response.length or 0
        if received <= most:  # the length is only what the server says; what comes is counted too
            received = 0
            while max(received, len(data)) <= most and (chunk := response.read(_CHUNK)):
                received += len(chunk)
                data += chunk if unzip is None else unzip.decompress(chunk, most + 1 - len(data))
        if max(received, len(data)) > most:
            raise _Failure(f"larger than the limit of {most:,} bytes")
        if time.monotonic() >= self._deadline:
            raise TimeoutError
        if response.length or (unzip is not None and not unzip.eof):
            raise _Failure(f"broke off after {received:,} bytes", passing=True)
        return bytes(data)


def _referral(response: http.client.HTTPResponse) -> str | _Failure:
    with suppress(OSError, http.client.HTTPException):
        response.read(_CHUNK)  # so that the connection can be used again
    location = response.getheader("Location")
    if response.status in _REDIRECTS and location:
        return "".join(c if c.isascii() else f"%{ord(c):02X}" for c in location)  # characters stand for bytes here
    wait = response.getheader("Retry-After") or ""
    reason = f"HTTP {response.status} {http.client.responses.get(response.status, '')}".rstrip()
    return _Failure(reason, response.status in _PASSING, float(wait[:9]) if wait.isdecimal() else 0.0)


class _Fetching:
    """One run: threads that fetch, and a guard that cuts what takes too long."""

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
        self._decoding = threading.Semaphore(os.cpu_count() or 1)  # decoded photos are large
        hosts = _Hosts(limits, resolver)
        self._clients = [_Client(limits, hosts) for _ in range(min(limits.workers, len(urls)))]

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
            patience = time.monotonic() + 5  # a thread that resolves a name cannot be hurried
            for thread in threads:
                while thread.is_alive() and time.monotonic() < patience:
                    self._cut(float("inf"))
                    thread.join(_TICK / 4)

    def _result(self) -> Outcome:
        while True:  # Windows hears Ctrl-C only between two waits
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

    def _work(self, client: _Client) -> None:
        try:
            while (job := self._jobs.take()) is not None:
                outcome, wait = self._try(client, job)
                self._jobs.settle(job, wait)
                if outcome is not None:
                    self._results.put(outcome)
        except BaseException as error:  # a full disk, or a fault of ours: whoever waits for results shall hear of it
            self._results.put(error)
        finally:
            client.close()

    def _try(self, client: _Client, job: _Job) -> tuple[Outcome | None, float | None]:
        """What became of the job, or how many seconds to wait before it is tried again."""
        try:
            data = client.download(job.url)
            with self._decoding:
                data = self._prepare(data)
        except ImageError as error:
            return Outcome(job.url, None, str(_Failure(str(error)))), None
        except _Failure as failure:
            if not failure.passing or job.tries >= self._limits.retries:
                return Outcome(job.url, None, str(failure)), None
            jitter = np.random.default_rng([self._seed, job.index, job.tries]).uniform(0.5, 1.5)
            return None, min(_LONGEST_WAIT, max(failure.wait, self._limits.backoff * 2**job.tries * jitter))
        path = photo_path(self._folder, job.url)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)
        return Outcome(job.url, path), None
