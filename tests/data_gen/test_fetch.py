import gzip
import io
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen import fetch
from aifashion.data_gen.fetch import (
    Limits,
    Outcome,
    fetch_photos,
    is_public,
    photo_path,
    read_failures,
    resolve,
    whole_photo,
    write_failures,
)
from aifashion.data_gen.images import ImageError, decode_image

Route = Callable[[BaseHTTPRequestHandler], None]


def photo(width: int = 40, height: int = 30, kind: str = "JPEG", seed: int = 0) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(stream, kind)
    return stream.getvalue()


PHOTO = photo()
MANY = Limits(backoff=0.01, read_timeout=5, total_timeout=5, allow_private=True)
SHORT = Limits(backoff=0.01, retries=0, read_timeout=0.3, total_timeout=0.4, allow_private=True)


class Server(ThreadingHTTPServer):
    """Plays the routes; counts requests by path and connections, and knows how many requests ran at once."""

    daemon_threads, request_queue_size = True, 64

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.seen: Counter[str] = Counter()
        self.hosts: list[str | None] = []
        self.connections = self.at_once = self.most_at_once = 0
        self.lock, self.closing = threading.Lock(), threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server_port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what is tested here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        server = self.server
        with server.lock:
            server.seen[self.path] += 1
            server.hosts.append(self.headers["Host"])
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            server.routes.get(self.path, send(b"nothing here", status=404))(self)
        finally:
            with server.lock:
                server.at_once -= 1

    def log_message(self, format: str, *args: object) -> None:
        pass


def send(body: bytes, status: int = 200, length: int | None = None, sleep: float = 0, **headers: str) -> Route:
    """Answers with `body`, `length` bytes long by its own account."""

    def route(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(sleep)
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)
        if length is not None:
            handler.close_connection = True

    return route


def raw(answer: bytes) -> Route:
    """Sends these bytes and hangs up."""

    def route(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(answer)

    return route


def first(*routes: Route) -> Route:
    """The routes one after the other, then the last of them for ever."""
    waiting = list(routes)
    return lambda handler: (waiting.pop(0) if len(waiting) > 1 else waiting[0])(handler)


def redirect(location: str, status: int = 302) -> Route:
    return send(b"over there", status, Location=location)


def drip(handler: BaseHTTPRequestHandler, head: bytes) -> None:
    """Never ends, and is never silent for long."""
    handler.close_connection = True
    handler.wfile.write(head)
    while not handler.server.closing.wait(0.05):  # type: ignore[attr-defined]
        handler.wfile.write(b"a")


def pour(handler: BaseHTTPRequestHandler, head: bytes, piece: bytes, start: bytes = b"") -> None:
    """Sends without end, as fast as it goes."""
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + start)
    while not handler.server.closing.is_set():  # type: ignore[attr-defined]
        handler.wfile.write(piece)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


def one(url: str, folder: Path, limits: Limits = MANY, **options: object) -> Outcome:
    (outcome,) = fetch_photos([url], folder, limits, **options)  # type: ignore[arg-type]
    return outcome


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_photos_arrive_as_they_were_sent(server: Server, tmp_path: Path) -> None:
    photos = {server.url(f"/{kind}"): photo(kind=kind) for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF")}
    for url, data in photos.items():
        server.routes["/" + url.rpartition("/")[2]] = send(data, Content_Type="text/plain")
    outcomes = list(fetch_photos(photos, tmp_path, MANY))
    assert sorted(outcome.url for outcome in outcomes) == sorted(photos)
    for outcome in outcomes:
        assert outcome.path is not None and outcome.path == photo_path(tmp_path, outcome.url) and outcome.fresh
        assert outcome.path.read_bytes() == photos[outcome.url]
    assert sorted(files(tmp_path)) == sorted(photo_path(tmp_path, url) for url in photos)


def test_what_is_complete_is_not_fetched_again_and_one_url_only_once(server: Server, tmp_path: Path) -> None:
    server.routes |= {"/a": send(PHOTO), "/b": first(send(b"", 404), send(PHOTO))}
    urls = [server.url("/a"), server.url("/b"), server.url("/a")]
    assert sorted((outcome.url, outcome.reason) for outcome in fetch_photos(urls, tmp_path, MANY)) == [
        (urls[0], ""),
        (urls[1], "HTTP 404 Not Found"),
    ]
    again = list(fetch_photos(urls, tmp_path, MANY))
    assert [(outcome.url, outcome.fresh) for outcome in again] == [(urls[0], False), (urls[1], True)]
    assert server.seen == {"/a": 1, "/b": 2}


def test_connections_are_used_again(server: Server, tmp_path: Path) -> None:
    server.routes |= {f"/{i}": send(PHOTO) for i in range(0, 20, 2)}
    outcomes = list(
        fetch_photos([server.url(f"/{i}") for i in range(20)], tmp_path, Limits(workers=2, allow_private=True))
    )
    assert sum(outcome.path is not None for outcome in outcomes) == 10 and sum(server.seen.values()) == 20
    assert server.connections <= 2


def test_no_more_at_once_than_allowed(server: Server, tmp_path: Path) -> None:
    server.routes |= {f"/{i}": send(PHOTO, sleep=0.03) for i in range(12)}
    urls = [server.url(f"/{i}") for i in range(12)]
    list(fetch_photos(urls, tmp_path / "host", Limits(workers=8, per_host=3, allow_private=True)))
    assert 1 < server.most_at_once <= 3
    server.most_at_once = 0
    list(fetch_photos(urls, tmp_path / "all", Limits(workers=2, per_host=8, allow_private=True)))
    assert server.most_at_once <= 2


FINAL: dict[str, tuple[Route, str]] = {
    "missing": (send(b"", 404), "HTTP 404 Not Found"),
    "forbidden": (send(b"", 403), "HTTP 403 Forbidden"),
    "page": (send(b"<html>gone</html>", Content_Type="image/jpeg"), "what came: not a readable image"),
    "empty": (send(b""), "what came: the file is empty"),
    "half": (send(PHOTO[:-400]), "what came: "),
    "length too small": (send(PHOTO, length=len(PHOTO) - 300), "what came: "),
    "huge": (send(b"x" * 200_001), "larger than the limit of 200,000 bytes"),
    "huge by its own account": (send(PHOTO, length=10**15), "larger than the limit"),
    "huge in chunks": (
        lambda h: pour(h, b"Transfer-Encoding: chunked\r\n", b"1000\r\n" + bytes(4096) + b"\r\n"),
        "larger than the limit",
    ),
    "huge until it ends": (lambda h: pour(h, b"", bytes(4096)), "larger than the limit"),
    "bomb": (send(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip"), "larger than the limit"),
    "bomb of nothing": (
        lambda h: pour(h, b"Content-Encoding: gzip\r\n", b"\0\0\0\xff\xff" * 1000, gzip.compress(b"")[:10]),
        "larger than the limit",
    ),
    "brotli": (send(PHOTO, Content_Encoding="br"), "compressed in a way that was not asked for: br"),
    "many pixels": (send(b"P5 9000 9000 255\n"), "pixels are more than the limit"),
    "file": (redirect("file:///etc/passwd"), "only http and https are fetched, not file"),
    "password": (redirect("http://user:secret@127.0.0.1/"), "the URL holds a user name or password"),
    "nowhere": (redirect("http://[oops/"), "not a URL"),
    "no location": (send(b"", 302), "HTTP 302 Found"),
    "circle": (redirect("/it"), "more than 5 redirects"),
}


@pytest.mark.parametrize("what", FINAL)
def test_what_no_further_try_would_change_is_tried_once(server: Server, tmp_path: Path, what: str) -> None:
    server.routes["/it"], reason = FINAL[what]
    limits = Limits(backoff=0.01, max_bytes=200_000, read_timeout=5, total_timeout=5, allow_private=True)
    outcome = one(server.url("/it"), tmp_path, limits)
    assert outcome.path is None and reason in outcome.reason and "secret" not in outcome.reason
    assert server.seen["/it"] == (6 if what == "circle" else 1)
    assert not files(tmp_path)


PASSING: dict[str, tuple[Route, str]] = {
    "server error": (send(b"", 500), "HTTP 500 Internal Server Error"),
    "too many": (send(b"", 429, Retry_After="0"), "HTTP 429 Too Many Requests"),
    "broken off": (send(PHOTO[:500], length=len(PHOTO)), "broke off after 500 bytes"),
    "broken chunks": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n1"),
        "IncompleteRead",
    ),
    "broken gzip": (send(gzip.compress(PHOTO)[:-20], Content_Encoding="gzip"), "broke off after"),
    "no gzip": (send(PHOTO, Content_Encoding="gzip"), "error: Error -3 while decompressing"),
    "no HTTP": (raw(b"\x1b[31mhello\r\n\r\n"), "BadStatusLine"),
    "hung up": (raw(b""), "RemoteDisconnected"),
}


@pytest.mark.parametrize("what", PASSING)
def test_what_may_pass_is_tried_again(server: Server, tmp_path: Path, what: str) -> None:
    route, reason = PASSING[what]
    server.routes |= {"/once": first(route, send(PHOTO)), "/always": route}
    outcome = one(server.url("/once"), tmp_path)
    assert outcome.path is not None and outcome.path.read_bytes() == PHOTO and server.seen["/once"] == 2
    outcome = one(server.url("/always"), tmp_path)
    assert outcome.path is None and reason in outcome.reason and outcome.reason.isprintable()
    assert server.seen["/always"] == 4 and len(files(tmp_path)) == 1


@pytest.mark.parametrize(
    "route",
    [
        lambda h: drip(h, b"HTTP/1.1 200 OK\r\n\r\n"),
        lambda h: drip(h, b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
        lambda h: drip(h, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        lambda h: drip(h, b"HTTP/1.1 200 OK\r\nServer: "),
        lambda h: drip(h, b"HTTP/1.1 404 Not Found\r\n\r\n"),
    ],
    ids=["body", "counted body", "chunk size", "header", "refusal"],
)
def test_drops_without_end_are_cut_off(server: Server, tmp_path: Path, route: Route) -> None:
    server.routes["/"] = route
    start = time.monotonic()
    outcome = one(server.url("/"), tmp_path, SHORT)
    assert outcome.path is None and time.monotonic() - start < 3
    assert outcome.reason in ("not there after 0.4 s", "HTTP 404 Not Found")
    assert not files(tmp_path)


def test_silence_is_not_waited_out(server: Server, tmp_path: Path) -> None:
    server.routes["/"] = lambda handler: handler.server.closing.wait(3) and None  # type: ignore[attr-defined]
    start = time.monotonic()
    assert one(server.url("/"), tmp_path, SHORT).reason in ("no answer in time", "not there after 0.4 s")
    assert time.monotonic() - start < 2


def test_a_server_may_say_how_long_to_wait(server: Server, tmp_path: Path) -> None:
    server.routes["/"] = first(send(b"", 503, Retry_After="1"), send(PHOTO))
    start = time.monotonic()
    assert one(server.url("/"), tmp_path).path is not None
    assert time.monotonic() - start >= 1


def test_others_go_on_while_one_waits(server: Server, tmp_path: Path) -> None:
    server.routes |= {"/0": first(send(b"", 503, Retry_After="1"), send(PHOTO)), "/1": send(PHOTO), "/2": send(PHOTO)}
    urls = [server.url(f"/{i}") for i in range(3)]
    order = [outcome.url for outcome in fetch_photos(urls, tmp_path, Limits(workers=1, allow_private=True))]
    assert order == [urls[1], urls[2], urls[0]]


def test_the_waits_double_differ_and_depend_on_the_seed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []
    settle = fetch._Jobs.settle

    def noted(jobs: fetch._Jobs, job: fetch._Job, wait: float | None = None) -> None:
        waits.append(wait)
        settle(jobs, job, None if wait is None else 0.0)

    def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such host")

    monkeypatch.setattr(fetch._Jobs, "settle", noted)
    runs = []
    for seed in (1, 1, 2):
        outcome = one("http://a/", tmp_path, Limits(backoff=8), seed=seed, resolver=nowhere)
        assert outcome.reason == "gaierror: no such host"
        runs.append([wait for wait in waits if wait is not None])
        waits.clear()
    assert runs[0] == runs[1] != runs[2] and len(runs[0]) == 3
    for wait, mean in zip(runs[0], (8, 16, 32), strict=True):
        assert mean * 0.5 <= wait <= mean * 1.5


def test_a_host_that_never_answers_is_asked_no_more(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    limits = Limits(workers=4, retries=0, allow_private=True)
    reasons = [o.reason for o in fetch_photos([f"http://127.0.0.1:{port}/{i}" for i in range(60)], tmp_path, limits)]
    assert len(reasons) == 60 and "ConnectionRefusedError" in reasons[0]
    assert reasons.count("127.0.0.1 failed 20 times in a row and is asked no more in this run") >= 30


def test_redirects_are_followed(server: Server, tmp_path: Path) -> None:
    server.routes |= {
        "/0": redirect("1", 301),
        "/1": redirect(f"//127.0.0.1:{server.server_port}/2", 303),
        "/2": redirect("./x/../3?a=b c#d", 307),
        "/3?a=b%20c": redirect("/é".encode().decode("latin-1"), 308),
        "/%C3%A9": redirect("/5"),
        "/5": send(PHOTO),
    }
    outcome = one(server.url("/0"), tmp_path)
    assert outcome.reason == "" and outcome.path == photo_path(tmp_path, server.url("/0"))


def test_gzip_is_read_where_a_server_insists(server: Server, tmp_path: Path) -> None:
    server.routes["/"] = send(gzip.compress(PHOTO), Content_Encoding="gzip")
    outcome = one(server.url("/"), tmp_path)
    assert outcome.path is not None and outcome.path.read_bytes() == PHOTO


def test_a_bomb_is_not_unpacked_beyond_the_limit(server: Server, tmp_path: Path) -> None:
    server.routes["/"] = send(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")
    tracemalloc.start()
    outcome = one(server.url("/"), tmp_path, Limits(max_bytes=100_000, allow_private=True))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.reason == "larger than the limit of 100,000 bytes" and most < 5_000_000


def test_bytes_beyond_the_length_do_not_become_the_next_answer(server: Server, tmp_path: Path) -> None:
    def cheat(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PHOTO) + PHOTO + b"garbage " * 9)

    server.routes |= {"/a": cheat, "/b": send(PHOTO)}
    urls = [server.url("/a"), server.url("/b")]
    outcomes = list(fetch_photos(urls, tmp_path, Limits(workers=1, retries=0, allow_private=True)))
    assert [outcome.reason for outcome in outcomes] == ["", ""]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "only http and https are fetched, not a URL without scheme"),
        ("//img14.360buyimg.com/x.jpg", "not a URL without scheme"),
        ("ftp://a/b", "not ftp"),
        ("file:///etc/passwd", "not file"),
        ("data:image/png;base64,xx", "not data"),
        ("http:///x.jpg", "there is no host"),
        ("http://a:b/x.jpg", "not a URL"),
        ("http://a:99999/x.jpg", "not a URL"),
        ("http://a:0/x.jpg", "there is no host"),
        ("http://[::1/x.jpg", "not a URL"),
        ("http://u@a/x.jpg", "user name or password"),
        ("http://u:p@a/x.jpg", "user name or password"),
        ("http://a..b/x.jpg", "not a URL"),
        ("http://" + "a" * 70 + ".b/x.jpg", "not a URL"),
    ],
)
def test_urls_that_are_not_asked_for(tmp_path: Path, url: str, reason: str) -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError(host)

    outcome = one(url, tmp_path, Limits(), resolver=never)
    assert outcome.path is None and reason in outcome.reason


ADDRESSES = """0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1
240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:a9fe:a9fe ::ffff:0:127.0.0.1
64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: fc00::1
fd12:3456::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1 2130706433 0x7f.1 127.1 0177.0.0.1 localhost"""
PRIVATE = ADDRESSES.split()


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_outside_the_open_internet(tmp_path: Path, address: str) -> None:
    assert not is_public(address)
    outcome = one("http://photos.test/", tmp_path, Limits(retries=0), resolver=lambda host, port: [address])
    assert outcome.reason.startswith(f"photos.test is {address}, which is not in the open internet")


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"],
)
def test_addresses_of_the_open_internet(address: str) -> None:
    assert is_public(address)


def test_this_machine_is_not_asked_however_it_is_called(server: Server, tmp_path: Path) -> None:
    server.routes["/"] = send(PHOTO)
    names = [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ]
    outcomes = list(fetch_photos([server.url("/", name) for name in names], tmp_path, Limits(retries=0)))
    assert [outcome.path for outcome in outcomes] == [None] * len(names)
    assert not server.connections
    assert resolve("127.0.0.1", 80) == ["127.0.0.1"]


@pytest.fixture
def loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the server stand for one in the open internet; all other addresses are judged as ever."""
    judge = is_public
    monkeypatch.setattr(fetch, "is_public", lambda address: address == "127.0.0.1" or judge(address))


@pytest.mark.usefixtures("loopback_is_public")
def test_a_redirect_leads_nowhere_private(server: Server, tmp_path: Path) -> None:
    inside = Server()  # listens, so that a connection would be noticed
    hosts = {"photos.test": ["127.0.0.1"], "inside.test": ["127.0.0.2", "10.0.0.1"]}
    with inside:
        for number, place in enumerate(
            ("http://inside.test", "http://127.0.0.2", "http://[::1]", "http://169.254.169.254")
        ):
            server.routes[f"/{number}"] = redirect(f"{place}:{inside.server_port}/")
        urls = [server.url(f"/{number}", "photos.test") for number in range(4)]
        outcomes = list(
            fetch_photos(urls, tmp_path, Limits(retries=0), resolver=lambda host, port: hosts.get(host) or [host])
        )
        inside.timeout = 0
        inside.handle_request()
    assert all("is not in the open internet" in outcome.reason for outcome in outcomes)
    assert not inside.connections and sum(server.seen.values()) == 4


@pytest.mark.usefixtures("loopback_is_public")
def test_the_address_that_was_checked_is_the_one_connected_to(server: Server, tmp_path: Path) -> None:
    answers = [["10.0.0.1", "127.0.0.1"], ["127.0.0.2"], ["127.0.0.3"]]
    asked = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return answers[len(asked) - 1]

    server.routes |= {f"/{i}": send(PHOTO, Connection="close") for i in range(5)}
    urls = [server.url(f"/{i}", "photos.test") for i in range(5)]
    outcomes = list(fetch_photos(urls, tmp_path, Limits(workers=1, retries=0), resolver=rebinding))
    assert [outcome.reason for outcome in outcomes] == [""] * 5
    assert asked == [("photos.test", server.server_port)]
    assert server.hosts == [f"photos.test:{server.server_port}"] * 5


def test_the_next_address_is_tried_where_one_does_not_answer(server: Server, tmp_path: Path) -> None:
    server.routes["/"] = send(PHOTO)
    outcome = one(server.url("/", "a.test"), tmp_path, MANY, resolver=lambda host, port: ["127.9.9.9", "127.0.0.1"])
    assert outcome.path is not None


def test_proxies_of_the_environment_are_not_asked(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.routes["/"] = send(PHOTO)
    assert one(server.url("/"), tmp_path).path is not None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_https_proves_the_name_though_the_address_is_connected_to(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=photos.test"
    named = ["-addext", "subjectAltName=DNS:photos.test", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*make.split(), *named], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    told: list[str | None] = []
    context.sni_callback = lambda connection, name, _: told.append(name)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.routes["/"] = send(PHOTO)
    urls = [f"https://{host}:{server.server_port}/" for host in ("photos.test", "other.test")]

    def outcomes(folder: str) -> list[str]:
        limits = Limits(workers=1, allow_private=True, read_timeout=5, backoff=0.01)
        found = fetch_photos(urls, tmp_path / folder, limits, resolver=lambda host, port: ["127.0.0.1"])
        return [outcome.reason for outcome in found]

    unknown = outcomes("unknown")
    assert all("certificate is not valid: self" in reason for reason in unknown)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    right, wrong = outcomes("known")
    assert right == "" and "certificate is not valid: Hostname mismatch" in wrong
    assert told == ["photos.test", "other.test"] * 2  # and no further tries
    assert server.hosts == [f"photos.test:{server.server_port}"]


def test_leaving_ends_at_once_and_keeps_what_is_done(server: Server, tmp_path: Path) -> None:
    server.routes |= {
        f"/{i}": send(PHOTO) if i < 2 else lambda h: drip(h, b"HTTP/1.1 200 OK\r\n\r\n") for i in range(9)
    }
    urls = [server.url(f"/{i}") for i in range(9)]
    outcomes = fetch_photos(urls, tmp_path, Limits(workers=4, allow_private=True))
    done = [next(outcomes).url, next(outcomes).url]
    start = time.monotonic()
    outcomes.close()
    assert time.monotonic() - start < 3
    assert sorted(done) == urls[:2] and sorted(files(tmp_path)) == sorted(photo_path(tmp_path, url) for url in done)
    server.routes = {f"/{i}": send(PHOTO) for i in range(9)}
    again = list(fetch_photos(urls, tmp_path, Limits(workers=4, allow_private=True)))
    assert sorted(outcome.url for outcome in again if not outcome.fresh) == urls[:2]
    assert all(outcome.path is not None for outcome in again) and server.seen["/0"] == server.seen["/1"] == 1


def test_a_full_disk_ends_the_run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch, "write_atomic", full)
    server.routes["/"] = send(PHOTO)
    with pytest.raises(OSError, match="No space left"):
        one(server.url("/"), tmp_path)


def test_large_photos_are_reduced() -> None:
    data = photo(60, 40, "PNG")
    assert whole_photo(data) is data and whole_photo(data, 60) is data
    reduced = whole_photo(data, 30)
    assert reduced[:3] == b"\xff\xd8\xff" and decode_image(reduced, "x").shape == (20, 30, 3)
    assert decode_image(whole_photo(photo(3, 300, "PNG"), 30), "x").shape == (30, 1, 3)
    red = Image.new("RGB", (40, 40), (255, 0, 0))
    stream = io.BytesIO()
    red.save(stream, "PNG")
    assert (np.abs(decode_image(whole_photo(stream.getvalue(), 8), "x").astype(int) - (255, 0, 0)) < 3).all()
    with pytest.raises(ImageError, match="what came: not a readable image"):
        whole_photo(b"<html>")


def test_the_list_of_failures_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    assert read_failures(path) == {}
    failures = [("a", "http://x/?a=1,2", 'HTTP 404 "Not Found"'), ("b", "http://ü/", "broke off")]
    write_failures(path, failures)
    assert path.read_bytes().startswith(b'id,url,reason\na,"http://x/?a=1,2",')
    assert read_failures(path) == {name: (url, reason) for name, url, reason in failures}
    write_failures(path, [])
    assert path.read_text() == "id,url,reason\n" and read_failures(path) == {}
    path.write_bytes(b"id,url,reason\na,b\n\xff,c,d\n")
    assert list(read_failures(path).values()) == [("c", "d")]


def test_limits_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="too small: workers 0, retries -1, total_timeout 0"):
        Limits(workers=0, retries=-1, total_timeout=0)
    with pytest.raises(ValueError, match="read_timeout nan"):
        Limits(read_timeout=float("nan"))
