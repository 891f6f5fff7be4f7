"""Downloads one file at a time, with no trust in URLs or servers.

Only http and https, and only addresses of the open internet: a URL can come from anyone, and must not make this machine
send requests into its local network. A host is resolved, its addresses are checked, and the connection is made to
exactly those addresses; the same after every redirect. The standard library's client is used because it gives access to
the socket: the connection is made here, and closed if a file takes too long in total, which a timeout of single reads
does not notice. Proxies of the environment are not used, because a proxy would resolve and connect without the checks.
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

LONGEST_WAIT = 60.0  # s between two tries at limit, whatever Retry-After says
_HEADERS = {
    "User-Agent": "aifashion/0.1",
    "Accept": "image/jpeg, image/png, image/webp;q=0.9, image/*;q=0.5",
    "Accept-Encoding": "identity",
}
_REDIRECT_STATUS = {301, 302, 303, 307, 308}
_TEMPORARY_STATUS = {408, 425, 429, 500, 502, 503, 504}
_CHUNK = 1 << 16  # bytes
_MAX_FAILURES = 20  # in a row, after which a host is not tried again: old lists name hosts that no longer exist
_MAX_KEPT = 4  # connections that one worker keeps open
_MAX_ADDRESSES = 4  # of one host, tried in order
_ADDRESS_LIFETIME = 60.0  # s
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Resolver = Callable[[str, int], Sequence[str]]
"""(host, port) -> numeric addresses, in the order to try. Raises OSError if the host is not found."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of number, time and size.

    workers: photos at a time; per_host: of those, from one host. retries: further tries after a temporary failure; the
    first comes after `backoff` s, times a random factor of 0.5 to 1.5, and each further one after twice as long.
    connect_timeout, read_timeout: s for connecting and for each read; total_timeout: s for one try in total. max_bytes:
    the largest photo file. allow_private: also connect to addresses outside the open internet. Raises ValueError for
    values that are too small.
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
        timeouts = ("connect_timeout", "read_timeout", "total_timeout")
        wrong = {name: f">= {value}" for name, value in least.items() if not getattr(self, name) >= value}
        wrong |= {name: "> 0" for name in timeouts if not getattr(self, name) > 0}
        if wrong:
            found = ", ".join(f"{name} {getattr(self, name)}" for name in wrong)
            raise ValueError(f"too small: {found}; expected {', '.join(f'{n} {bound}' for n, bound in wrong.items())}")


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host from the system's resolver. Raises OSError if it is not found."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether a numeric address belongs to the open internet (the IANA special-purpose registries list the others).

    For an IPv6 address that contains an IPv4 one (mapped, 6to4, NAT64), the IPv4 address decides, because packets go
    there. Anything but a plain numeric address is not public.
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
    """Why a download failed.

    passing: the failure is temporary, and another try can succeed; after `wait` s, if the server gives a time.
    """

    def __init__(self, reason: str, passing: bool = False, wait: float = 0.0) -> None:
        # Part of the reason can come from the server: control characters must not reach a terminal or a list.
        super().__init__("".join(c if c.isprintable() else " " for c in reason)[:300])
        self.passing, self.wait = passing, min(wait, LONGEST_WAIT)


class _Target(NamedTuple):
    """The server to connect to."""

    scheme: str
    host: str
    port: int


def _parse(url: str, base: str = "") -> tuple[_Target, str, str]:
    """The target, the path and query of the request, and the whole URL. url: can be relative to `base`."""
    try:
        url = urljoin(base, url)
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host if ":" in host else host.encode("idna").decode("ascii")
        # Quoted characters stay; characters beyond ASCII, which lists contain, are quoted as browsers do.
        path = quote(parts.path or "/", safe="/%:=&~+!$,;'@()*")
        query = f"?{quote(parts.query, safe='/%:=&?~+!$,;@()*')}" if parts.query else ""
    except ValueError as error:
        raise Failure(f"not a URL: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise Failure(f"only http and https are fetched, not {parts.scheme or 'a URL without scheme'}")
    if "@" in parts.netloc:
        raise Failure("the URL contains a user name or password")
    if not host or port == 0:
        raise Failure("not a URL: it has no host")
    return _Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80)), path + query, url


class _Connection(http.client.HTTPConnection):
    """A connection to one of `addresses`. The host name is used only in the request and to check the certificate.

    connected: the socket. http.client clears its attribute `sock` while the answer is still being read.
    """

    def __init__(self, target: _Target, addresses: Sequence[str], limits: Limits, tls: ssl.SSLContext | None) -> None:
        super().__init__(target.host, target.port)
        self.default_port = 80 if tls is None else 443
        self.connected: socket.socket | None = None
        self._addresses, self._limits, self._tls = addresses, limits, tls

    def connect(self) -> None:
        self.sock = self.connected = self._dial()
        self.connected.settimeout(self._limits.read_timeout)
        if self._tls is not None:
            wrapped = self._tls.wrap_socket(self.connected, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock = self.connected = wrapped
            wrapped.do_handshake()

    def _dial(self) -> socket.socket:
        for address in self._addresses[:-1]:
            with suppress(OSError):
                return socket.create_connection((address, self.port), self._limits.connect_timeout)
        return socket.create_connection((self._addresses[-1], self.port), self._limits.connect_timeout)

    def cut(self) -> None:
        """Ends any connecting, reading or writing of another thread on this connection."""
        if self.connected is not None:
            with suppress(OSError):
                # SSLSocket.shutdown would also drop the TLS state while the other thread uses it.
                socket.socket.shutdown(self.connected, socket.SHUT_RDWR)


class Hosts:
    """The state of all hosts, shared by the threads: checked addresses, and the number of failures in a row."""

    def __init__(self, limits: Limits, resolver: Resolver) -> None:
        self._limits, self._resolver = limits, resolver
        self._found: dict[_Target, tuple[float, Sequence[str]]] = {}
        self._failures: Counter[str] = Counter()

    def addresses(self, target: _Target) -> Sequence[str]:
        """The allowed addresses of a host. Raises Failure if there are none, OSError if the host is not found."""
        known = self._found.get(target)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        found = self._resolver(target.host, target.port)
        allowed = [address for address in found if self._limits.allow_private or is_public(address)][:_MAX_ADDRESSES]
        if not allowed:
            reason = f"{target.host} is {', '.join(found) or 'nowhere'}, which is not in the open internet"
            raise Failure(f"{reason}; use --allow-private to fetch from there too")
        self._found[target] = (time.monotonic() + _ADDRESS_LIFETIME, allowed)
        return allowed

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """The certificate authorities that are trusted."""
        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())  # some systems have no certificates installed
        return context

    def check(self, host: str) -> None:
        """Raises Failure for a host that failed too often in a row."""
        if self._failures[host] >= _MAX_FAILURES:
            raise Failure(f"{host} failed {_MAX_FAILURES} times in a row and is not tried again in this run")

    def note(self, host: str, answered: bool) -> None:
        """Counts the failures of a host in a row; any answer, also an error status, sets the count to 0."""
        self._failures[host] = 0 if answered else self._failures[host] + 1


class Client:
    """Downloads one file at a time, in one thread; other threads can call `cut`."""

    def __init__(self, limits: Limits, hosts: Hosts) -> None:
        self._limits, self._hosts = limits, hosts
        self._kept: dict[_Target, _Connection] = {}
        self._busy: _Connection | None = None
        self._deadline = 0.0

    def cut(self, now: float) -> None:
        """Ends the running download if its time is over at `now` (time.monotonic())."""
        connection = self._busy
        if connection is not None and self._deadline <= now:
            connection.cut()

    def close(self) -> None:
        """Closes all open connections."""
        for connection in self._kept.values():
            connection.close()

    def download(self, url: str) -> bytes:
        """The file at a URL, after redirects. Raises Failure for every kind of error."""
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
            return Failure(f"not complete after {self._limits.total_timeout:g} s", passing=True)
        if isinstance(error, ssl.SSLCertVerificationError):
            return Failure(f"the server's certificate is not valid: {error.verify_message}")
        if isinstance(error, TimeoutError):
            return Failure("no answer in time", passing=True)
        return Failure(f"{type(error).__name__}: {error}", passing=True)

    def _visit(self, target: _Target, path: str) -> bytes | str | Failure:
        """The file, the URL that the server redirects to, or the reason why there is no file."""
        kept = self._kept.pop(target, None)
        if kept is not None:
            with suppress(OSError, http.client.HTTPException):  # the server can have closed the connection
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
            while len(self._kept) > _MAX_KEPT:
                self._kept.pop(next(iter(self._kept))).close()

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        limit = self._limits.max_bytes
        coding = (response.getheader("Content-Encoding") or "identity").strip().lower()
        if coding not in ("identity", "gzip", "x-gzip"):
            raise Failure(f"unexpected content encoding {coding}; expected none or gzip")
        unzip = zlib.decompressobj(31) if "gzip" in coding else None
        data, received = bytearray(), response.length or 0
        if received <= limit:  # the length is only what the server says, so the received bytes are counted too
            received = 0
            while max(received, len(data)) <= limit and (chunk := response.read(_CHUNK)):
                received += len(chunk)
                data += chunk if unzip is None else unzip.decompress(chunk, limit + 1 - len(data))
        if max(received, len(data)) > limit:
            raise Failure(f"larger than the limit of {limit:,} bytes")
        if time.monotonic() >= self._deadline:
            raise TimeoutError
        if response.length or (unzip is not None and not unzip.eof):
            raise Failure(f"broke off after {received:,} bytes", passing=True)
        return bytes(data)


def _referral(response: http.client.HTTPResponse) -> str | Failure:
    with suppress(OSError, http.client.HTTPException):
        response.read(_CHUNK)  # so that the connection can be used again
    location = response.getheader("Location")
    if response.status in _REDIRECT_STATUS and location:
        return "".join(c if c.isascii() else f"%{ord(c):02X}" for c in location)  # each character is one byte here
    wait = response.getheader("Retry-After") or ""
    reason = f"HTTP {response.status} {http.client.responses.get(response.status, '')}".rstrip()
    return Failure(reason, response.status in _TEMPORARY_STATUS, float(wait[:9]) if wait.isdecimal() else 0.0)
