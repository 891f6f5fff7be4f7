"""Downloads one file at a time, believing nothing that a server says.

Only http and https, and only addresses of the open internet: a URL may come from anywhere, and must not make this
machine ask questions inside its own network. A host is resolved once, its addresses are checked, and exactly those are
connected to; after a redirect anew. The standard library's client is used because it lets go of the socket: the
connection is made here, and cut where a file takes too long in all, which a timeout of single reads never notices.
Proxies set in the environment are not used, since a proxy would connect wherever it is told to.
"""

import http.client
import ipaddress
import socket
import ssl
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import certifi

LONGEST_WAIT = 60.0  # s between two tries, whatever a server asks for
_HEADERS = {
    "User-Agent": "aifashion/0.1",
    "Accept": "image/jpeg, image/png, image/webp;q=0.9, image/*;q=0.5",
    "Accept-Encoding": "identity",
}
_REDIRECTS = {301, 302, 303, 307, 308}
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_CHUNK = 1 << 16  # bytes
_SILENT = 20  # failures in a row after which a host is asked no more; old lists name hosts that are gone
_KEPT = 4  # connections that one worker keeps open
_ADDRESSES = 4  # of one host, tried one after the other
_ADDRESSES_HOLD = 60.0  # s
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

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


class Failure(Exception):
    """Why a photo did not come. passing: another try may bring it, after `wait` s where the server says so."""

    def __init__(self, reason: str, passing: bool = False, wait: float = 0.0) -> None:
        # Part of it may come from the server, and must not reach a terminal or a list as it is.
        super().__init__("".join(c if c.isprintable() else " " for c in reason)[:300])
        self.passing, self.wait = passing, min(wait, LONGEST_WAIT)


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
        # What is quoted already stays; letters beyond ASCII, which lists hold, become what browsers make of them.
        path = quote(parts.path or "/", safe="/%:=&~+!$,;'@()*")
        query = f"?{quote(parts.query, safe='/%:=&?~+!$,;@()*')}" if parts.query else ""
    except ValueError as error:
        raise Failure(f"not a URL: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise Failure(f"only http and https are fetched, not {parts.scheme or 'a URL without scheme'}")
    if "@" in parts.netloc:
        raise Failure("the URL holds a user name or password")
    if not host or port == 0:
        raise Failure("not a URL: there is no host to ask")
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


class Hosts:
    """What all threads know of the hosts: their addresses, resolved and checked, and which of them do not answer."""

    def __init__(self, limits: Limits, resolver: Resolver) -> None:
        self._limits, self._resolver = limits, resolver
        self._found: dict[_Target, tuple[float, Sequence[str]]] = {}
        self._failures: Counter[str] = Counter()

    def addresses(self, target: _Target) -> Sequence[str]:
        """Those that may be connected to. Raises Failure where there are none, OSError where the host is not found."""
        known = self._found.get(target)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        found = self._resolver(target.host, target.port)
        allowed = [address for address in found if self._limits.allow_private or is_public(address)][:_ADDRESSES]
        if not allowed:
            reason = f"{target.host} is {', '.join(found) or 'nowhere'}, which is not in the open internet"
            raise Failure(f"{reason}; --allow-private True fetches from there too")
        self._found[target] = (time.monotonic() + _ADDRESSES_HOLD, allowed)
        return allowed

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Which certificates to believe."""
        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())  # some systems come without certificates of their own
        return context

    def check(self, host: str) -> None:
        """Raises Failure for a host that is asked no more."""
        if self._failures[host] >= _SILENT:
            raise Failure(f"{host} failed {_SILENT} times in a row and is asked no more in this run")

    def note(self, host: str, answered: bool) -> None:
        """Remembers whether a host answered, whatever the answer."""
        self._failures[host] = 0 if answered else self._failures[host] + 1


class Client:
    """Downloads one file at a time, for one thread; others call `cut`."""

    def __init__(self, limits: Limits, hosts: Hosts) -> None:
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
        """Closes the connections that were kept open."""
        for connection in self._kept.values():
            connection.close()

    def download(self, url: str) -> bytes:
        """The file at a URL, wherever redirects lead. Raises Failure for everything that comes between."""
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
            if isinstance(answer, Failure):
                raise answer
            if isinstance(answer, bytes):
                return answer
            url = answer
        raise Failure(f"more than {self._limits.max_redirects} redirects")

    def _failure(self, error: Exception) -> Failure:
        if time.monotonic() >= self._deadline:
            return Failure(f"not there after {self._limits.total_timeout:g} s", passing=True)
        if isinstance(error, ssl.SSLCertVerificationError):
            return Failure(f"the server's certificate is not valid: {error.verify_message}")
        if isinstance(error, TimeoutError):
            return Failure("no answer in time", passing=True)
        return Failure(f"{type(error).__name__}: {error}", passing=True)

    def _visit(self, target: _Target, path: str) -> bytes | str | Failure:
        """What came, where the server says to look instead, or why nothing came."""
        kept = self._kept.pop(target, None)
        if kept is not None:
            with suppress(OSError, http.client.HTTPException):  # the server may have closed what was kept open
                return self._ask(kept, target, path)
        if time.monotonic() >= self._deadline:
            raise TimeoutError
        tls = self._hosts.tls if target.scheme == "https" else None
        return self._ask(_Connection(target, self._hosts.addresses(target), self._limits, tls), target, path)

    def _ask(self, connection: _Connection, target: _Target, path: str) -> bytes | str | Failure:
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
            raise Failure(f"it comes compressed in a way that was not asked for: {coding}")
        unzip = zlib.decompressobj(31) if "gzip" in coding else None
        data, received = bytearray(), response.length or 0
        if received <= most:  # the length is only what the server says; what comes is counted too
            received = 0
            while max(received, len(data)) <= most and (chunk := response.read(_CHUNK)):
                received += len(chunk)
                data += chunk if unzip is None else unzip.decompress(chunk, most + 1 - len(data))
        if max(received, len(data)) > most:
            raise Failure(f"larger than the limit of {most:,} bytes")
        if time.monotonic() >= self._deadline:
            raise TimeoutError
        if response.length or (unzip is not None and not unzip.eof):
            raise Failure(f"broke off after {received:,} bytes", passing=True)
        return bytes(data)


def _referral(response: http.client.HTTPResponse) -> str | Failure:
    with suppress(OSError, http.client.HTTPException):
        response.read(_CHUNK)  # so that the connection can be used again
    location = response.getheader("Location")
    if response.status in _REDIRECTS and location:
        return "".join(c if c.isascii() else f"%{ord(c):02X}" for c in location)  # characters stand for bytes here
    wait = response.getheader("Retry-After") or ""
    reason = f"HTTP {response.status} {http.client.responses.get(response.status, '')}".rstrip()
    return Failure(reason, response.status in _PASSING, float(wait[:9]) if wait.isdecimal() else 0.0)
