"""Downloads of single files from the local server of `unreliable_server.py`."""

import gzip
import shutil
import socket
import ssl
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from unreliable_server import Route, Server, drip, first, pour, raw, redirect, send, serving, silence

from aifashion.data_gen import web
from aifashion.data_gen.web import Client, Failure, Hosts, Limits, Resolver, is_public, resolve

BODY = bytes(range(256)) * 8
BOMB = gzip.compress(bytes(20_000_000), 1)
OPEN = Limits(read_timeout=5, total_timeout=5, allow_private=True)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def connecting(limits: Limits = OPEN, resolver: Resolver = resolve) -> closing[Client]:
    return closing(Client(limits, Hosts(limits, resolver)))


def failure(client: Client, url: str) -> Failure:
    with pytest.raises(Failure) as caught:
        client.download(url)
    return caught.value


def test_a_file_arrives_as_it_was_sent(server: Server) -> None:
    server.routes |= {"/": send(BODY, Content_Type="text/plain"), "/empty": send(b"")}
    with connecting() as client:
        assert client.download(server.url("/")) == BODY and client.download(server.url("/empty")) == b""


def test_connections_are_used_again(server: Server) -> None:
    server.routes |= {f"/{i}": send(BODY) for i in range(0, 20, 2)} | {"/over": redirect("/0")}
    with connecting() as client:
        for i in range(20):
            if i % 2:
                assert str(failure(client, server.url(f"/{i}"))) == "HTTP 404 Not Found"
            else:
                assert client.download(server.url(f"/{i}")) == BODY
        assert client.download(server.url("/over")) == BODY
    assert server.connections == 1 and sum(server.seen.values()) == 22


FINAL: dict[str, tuple[Route, str]] = {
    "missing": (send(b"", 404), "HTTP 404 Not Found"),
    "forbidden": (send(b"", 403), "HTTP 403 Forbidden"),
    "huge": (send(b"x" * 200_001), "larger than the limit of 200,000 bytes"),
    "huge by its Content-Length": (send(BODY, length=10**15), "larger than the limit"),
    "huge in chunks": (
        lambda h: pour(h, b"Transfer-Encoding: chunked\r\n", b"1000\r\n" + bytes(4096) + b"\r\n"),
        "larger than the limit",
    ),
    "huge until it ends": (lambda h: pour(h, b"", bytes(4096)), "larger than the limit"),
    "bomb": (send(BOMB, Content_Encoding="gzip"), "larger than the limit"),
    "bomb of nothing": (
        lambda h: pour(h, b"Content-Encoding: gzip\r\n", b"\0\0\0\xff\xff" * 1000, gzip.compress(b"")[:10]),
        "larger than the limit",
    ),
    "brotli": (send(BODY, Content_Encoding="br"), "unexpected content encoding br"),
    "file": (redirect("file:///etc/passwd"), "only http and https are fetched, not file"),
    "password": (redirect("http://user:secret@127.0.0.1/"), "the URL contains a user name or password"),
    "nowhere": (redirect("http://[oops/"), "not a URL"),
    "no location": (send(b"", 302), "HTTP 302 Found"),
    "redirect loop": (redirect("/it"), "more than 5 redirects"),
}


@pytest.mark.parametrize("what", FINAL)
def test_permanent_failures(server: Server, what: str) -> None:
    server.routes["/it"], reason = FINAL[what]
    with connecting(Limits(max_bytes=200_000, read_timeout=5, total_timeout=5, allow_private=True)) as client:
        failed = failure(client, server.url("/it"))
    assert not failed.passing and reason in str(failed) and "secret" not in str(failed)
    assert server.seen["/it"] == (6 if what == "redirect loop" else 1)


PASSING: dict[str, tuple[Route, str]] = {
    "server error": (send(b"", 500), "HTTP 500 Internal Server Error"),
    "too many": (send(b"", 429, Retry_After="0"), "HTTP 429 Too Many Requests"),
    "broken off": (send(BODY[:500], length=len(BODY)), "broke off after 500 bytes"),
    "broken chunks": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n1"),
        "IncompleteRead",
    ),
    "broken gzip": (send(gzip.compress(BODY)[:-20], Content_Encoding="gzip"), "broke off after"),
    "no gzip": (send(BODY, Content_Encoding="gzip"), "error: Error -3 while decompressing"),
    "no HTTP": (raw(b"\x1b[31mhello\r\n\r\n"), "BadStatusLine"),
    "hung up": (raw(b""), "RemoteDisconnected"),
}


@pytest.mark.parametrize("what", PASSING)
def test_temporary_failures(server: Server, what: str) -> None:
    route, reason = PASSING[what]
    server.routes["/"] = first(route, send(BODY))
    with connecting() as client:
        failed = failure(client, server.url("/"))
        assert failed.passing and reason in str(failed) and str(failed).isprintable()
        assert client.download(server.url("/")) == BODY
    assert server.seen["/"] == 2


@pytest.mark.parametrize(
    ("retry_after", "wait"), [("7", 7), ("0", 0), ("99999", 60), ("9" * 400, 60), ("soon", 0), ("-1", 0), ("1.5", 0)]
)
def test_retry_after_sets_the_wait(server: Server, retry_after: str, wait: float) -> None:
    server.routes["/"] = send(b"", 503, Retry_After=retry_after)
    with connecting() as client:
        assert failure(client, server.url("/")).wait == wait


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        (lambda h: drip(h, b"HTTP/1.1 200 OK\r\n\r\n"), "not complete after 0.15 s"),
        (lambda h: drip(h, b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"), "not complete after 0.15 s"),
        (lambda h: drip(h, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), "not complete after 0.15 s"),
        (lambda h: drip(h, b"HTTP/1.1 200 OK\r\nServer: "), "not complete after 0.15 s"),
        (lambda h: drip(h, b"HTTP/1.1 404 Not Found\r\n\r\n"), "HTTP 404 Not Found"),
        (silence, "not complete after 0.15 s"),
    ],
    ids=["body", "counted body", "chunk size", "header", "refusal", "silence"],
)
def test_downloads_that_take_too_long_in_total_are_ended(server: Server, route: Route, reason: str) -> None:
    server.routes["/"] = route
    start = time.monotonic()
    with (
        connecting(Limits(read_timeout=5, total_timeout=0.15, allow_private=True)) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        download = pool.submit(client.download, server.url("/"))
        while not download.done():
            client.cut(time.monotonic())
            time.sleep(0.01)
    assert str(download.exception()) in (reason, "not complete after 0.15 s") and time.monotonic() - start < 3


def test_a_silent_server_times_out(server: Server) -> None:
    server.routes["/"] = silence
    start = time.monotonic()
    with connecting(Limits(read_timeout=0.1, allow_private=True)) as client:
        assert str(failure(client, server.url("/"))) == "no answer in time"
    assert time.monotonic() - start < 2


def test_redirects_are_followed(server: Server) -> None:
    server.routes |= {
        "/0": redirect("1", 301),
        "/1": redirect(f"//127.0.0.1:{server.server_port}/2", 303),
        "/2": redirect("./x/../3?a=b c#d", 307),
        "/3?a=b%20c": redirect("/é".encode().decode("latin-1"), 308),
        "/%C3%A9": redirect("/5"),
        "/5": send(BODY),
    }
    with connecting() as client:
        assert client.download(server.url("/0")) == BODY


def test_gzip_is_accepted_though_not_requested(server: Server) -> None:
    server.routes["/"] = send(gzip.compress(BODY), Content_Encoding="gzip")
    with connecting() as client:
        assert client.download(server.url("/")) == BODY


def test_a_gzip_bomb_is_not_unpacked_beyond_the_limit(server: Server) -> None:
    server.routes["/"] = send(BOMB, Content_Encoding="gzip")
    with connecting(Limits(max_bytes=100_000, allow_private=True)) as client:
        tracemalloc.start()
        failed = failure(client, server.url("/"))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert str(failed) == "larger than the limit of 100,000 bytes" and most < 5_000_000


def test_bytes_beyond_the_length_do_not_become_the_next_answer(server: Server) -> None:
    def cheat(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY + b"garbage " * 9)

    server.routes |= {"/a": cheat, "/b": send(BODY)}
    with connecting() as client:
        assert client.download(server.url("/a")) == client.download(server.url("/b")) == BODY


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "only http and https are fetched, not a URL without scheme"),
        ("//img14.360buyimg.com/x.jpg", "not a URL without scheme"),
        ("http://img14.360buyimg.com/\ud800.jpg", "not a URL"),
        ("ftp://a/b", "not ftp"),
        ("file:///etc/passwd", "not file"),
        ("data:image/png;base64,xx", "not data"),
        ("http:///x.jpg", "it has no host"),
        ("http://a:b/x.jpg", "not a URL"),
        ("http://a:99999/x.jpg", "not a URL"),
        ("http://a:0/x.jpg", "it has no host"),
        ("http://[::1/x.jpg", "not a URL"),
        ("http://u@a/x.jpg", "user name or password"),
        ("http://u:p@a/x.jpg", "user name or password"),
        ("http://a..b/x.jpg", "not a URL"),
        ("http://" + "a" * 70 + ".b/x.jpg", "not a URL"),
    ],
)
def test_invalid_urls_are_refused_without_a_request(url: str, reason: str) -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError(host)

    with connecting(Limits(), never) as client:
        failed = failure(client, url)
    assert reason in str(failed) and not failed.passing


ADDRESSES = """0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1
240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:a9fe:a9fe ::ffff:0:127.0.0.1
64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: fc00::1
fd12:3456::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1 2130706433 0x7f.1 127.1 0177.0.0.1 localhost"""
PRIVATE = ADDRESSES.split()


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_outside_the_open_internet_are_refused(address: str) -> None:
    assert not is_public(address)
    with connecting(Limits(), lambda host, port: [address]) as client:
        failed = failure(client, "http://photos.test/")
    assert str(failed).startswith(f"photos.test is {address}, which is not in the open internet") and not failed.passing


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"],
)
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "name",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "0", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"],
)
def test_this_machine_is_refused_under_all_its_names(server: Server, name: str) -> None:
    server.routes["/"] = send(BODY)
    with connecting(Limits()) as client:
        failure(client, server.url("/", name))
    assert not server.connections


def test_resolve_gives_the_addresses_of_the_system() -> None:
    assert resolve("127.0.0.1", 80) == ["127.0.0.1"]


def test_a_host_that_is_not_found_is_a_temporary_failure() -> None:
    def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such host")

    with connecting(OPEN, nowhere) as client:
        failed = failure(client, "http://a/")
    assert str(failed) == "gaierror: no such host" and failed.passing


def test_a_host_that_never_answers_is_not_tried_again() -> None:
    resolved = []

    def nowhere(host: str, port: int) -> list[str]:
        resolved.append(host)
        raise socket.gaierror("no such host")

    with connecting(OPEN, nowhere) as client:
        failed = [failure(client, f"http://a/{i}") for i in range(22)]
        assert str(failed[-1]) == str(failed[-2]) == "a failed 20 times in a row and is not tried again in this run"
        assert not failed[-1].passing and failed[-3].passing and resolved == ["a"] * 20
        assert str(failure(client, "http://b/")) == "gaierror: no such host"


def test_any_answer_resets_the_failures_of_a_host(server: Server) -> None:
    server.routes |= {"/": send(BODY), "/broken": raw(b"")}
    with connecting() as client:
        for _ in range(2):
            assert all(failure(client, server.url("/broken")).passing for _ in range(19))
            assert client.download(server.url("/")) == BODY


@pytest.fixture
def loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treats the address of the local server as public; all other addresses are checked as usual."""
    original = is_public
    monkeypatch.setattr(web, "is_public", lambda address: address == "127.0.0.1" or original(address))


@pytest.mark.usefixtures("loopback_is_public")
def test_redirects_to_private_addresses_are_refused(server: Server) -> None:
    inside = Server()  # listens, so that a connection would be noticed
    hosts = {"photos.test": ["127.0.0.1"], "inside.test": ["127.0.0.2", "10.0.0.1"]}
    hosts_inside = ("http://inside.test", "http://127.0.0.2", "http://[::1]", "http://169.254.169.254")
    with inside, connecting(Limits(), lambda host, port: hosts.get(host) or [host]) as client:
        for host in hosts_inside:
            server.routes["/"] = redirect(f"{host}:{inside.server_port}/")
            failed = failure(client, server.url("/", "photos.test"))
            assert "is not in the open internet" in str(failed)
        inside.timeout = 0
        inside.handle_request()
    assert not inside.connections and server.seen["/"] == len(hosts_inside)


@pytest.mark.usefixtures("loopback_is_public")
def test_the_address_that_was_checked_is_the_one_connected_to(server: Server) -> None:
    answers = [["10.0.0.1", "127.0.0.1"], ["127.0.0.2"], ["127.0.0.3"]]
    resolved = []

    def rebinding(host: str, port: int) -> list[str]:
        resolved.append((host, port))
        return answers[len(resolved) - 1]

    server.routes["/"] = send(BODY, Connection="close")
    with connecting(Limits(), rebinding) as client:
        for _ in range(5):
            assert client.download(server.url("/", "photos.test")) == BODY
    assert server.connections == 5 and resolved == [("photos.test", server.server_port)]
    assert server.hosts == [f"photos.test:{server.server_port}"] * 5


def test_the_next_address_is_tried_if_one_does_not_answer(server: Server) -> None:
    server.routes["/"] = send(BODY)
    with connecting(OPEN, lambda host, port: ["127.9.9.9", "127.0.0.1", "127.9.9.8"]) as client:
        assert client.download(server.url("/", "a.test")) == BODY


def test_proxies_of_the_environment_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.routes["/"] = send(BODY)
    with connecting() as client:
        assert client.download(server.url("/")) == BODY


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_https_checks_the_host_name_though_it_connects_to_an_address(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=photos.test"
    named = ["-addext", "subjectAltName=DNS:photos.test", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*make.split(), *named], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    names: list[str | None] = []
    context.sni_callback = lambda connection, name, _: names.append(name)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.routes["/"] = send(BODY)
    right, wrong = (f"https://{host}:{server.server_port}/" for host in ("photos.test", "other.test"))

    def loopback(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    with connecting(OPEN, loopback) as client:
        for url in (right, wrong):
            failed = failure(client, url)
            assert "certificate is not valid: self" in str(failed) and not failed.passing
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with connecting(OPEN, loopback) as client:
        assert client.download(right) == BODY
        failed = failure(client, wrong)
        assert "certificate is not valid: Hostname mismatch" in str(failed) and not failed.passing
    assert names == ["photos.test", "other.test"] * 2
    assert server.hosts == [f"photos.test:{server.server_port}"]


def test_limits_that_are_too_small_are_refused() -> None:
    with pytest.raises(
        ValueError,
        match="too small: workers 0, retries -1, total_timeout 0; expected workers >= 1, retries >= 0, total_",
    ):
        Limits(workers=0, retries=-1, total_timeout=0)
    with pytest.raises(ValueError, match="read_timeout nan"):
        Limits(read_timeout=float("nan"))
