"""What comes through sockets: requests that are slow, wrong or broken off, and the end of the service."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from served import Client, Networks, client, listening

from aifashion.web import protocol

FORM = b'--B\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\nabc\r\n--B--\r\n'


def request(length: int | str | None = None, more: bytes = b"") -> bytes:
    told = b"" if length is None else f"Content-Length: {length}\r\n".encode()
    kind = b"Content-Type: multipart/form-data; boundary=B\r\n"
    return b"POST /v1/garments HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + kind + told + b"\r\n" + more


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def said(connection: socket.socket) -> tuple[int, dict]:
    """The status and the JSON of an answer after which the connection is closed."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:  # the service closed while bytes were still on their way
        pass
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"content-security-policy" in head.lower()
    return int(head.split()[1]), json.loads(body)


def until(connection: socket.socket, end: bytes) -> bytes:
    """What is received up to and with these bytes."""
    data = b""
    while end not in data:
        piece = connection.recv(65536)
        assert piece, data
        data += piece
    return data


@pytest.fixture
def port(pretended: Client) -> Iterator[int]:
    with listening(pretended) as (number, _):
        yield number


def test_a_sound_request(port: int):
    with connected(port) as connection:
        connection.sendall(request(len(FORM), FORM))
        assert said(connection) == (200, {"photos": [{"name": "a.jpg", "length": 3}]})


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        request(-1, FORM),
        request("many", FORM),
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /" + b"x" * 200_000,
    ],
)
def test_what_is_no_request_is_refused(port: int, data: bytes):
    with connected(port) as connection:
        connection.sendall(data)
        assert said(connection) == (400, {"error": "not a sound HTTP request"})


def test_fewer_bytes_than_told(port: int, networks: Networks):
    with connected(port) as connection:
        connection.sendall(request(len(FORM) + 100, FORM))
        connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            assert not connection.recv(100)
    assert not networks.batches


def test_more_bytes_than_the_limit_are_not_read(networks: Networks):
    with client(networks, max_bytes=10_000) as made, listening(made) as (port, _):
        with connected(port) as connection:
            connection.sendall(request(10**9))
            status, answer = said(connection)
            assert status == 413 and answer == {"error": "the body has more than the limit of 10,000 bytes"}
        with connected(port) as connection:  # of unknown length
            head = request().replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
            connection.sendall(head + b"2ee0\r\n" + b"x" * 12_000 + b"\r\n")
            assert said(connection)[0] in (400, 413)


def test_slow_headers_end(port: int, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    for start in (b"", b"GET / HTTP/1.1\r\nHost:"):
        with connected(port) as connection:
            connection.sendall(start)
            assert said(connection) == (408, {"error": "the headers come too slowly"})


def test_an_answer_that_nobody_takes_ends(pretended: Client, monkeypatch):
    monkeypatch.setattr(protocol, "TAKE_SECONDS", 0.2)
    pretended.worker.networks.facts = {"name": "x" * (32 << 20)}
    with listening(pretended) as (port, _), connected(port) as connection:
        connection.sendall(b"GET /v1/vocabulary HTTP/1.1\r\nHost: localhost\r\n\r\n")
        count = len(connection.recv(1))  # it has begun
        time.sleep(3)
        with suppress(ConnectionResetError):
            while piece := connection.recv(1 << 20):
                count += len(piece)
        assert 0 < count < 32 << 20


def test_an_answer_that_is_taken_slowly_is_given_as_a_whole(pretended: Client, monkeypatch):
    monkeypatch.setattr(protocol, "TAKE_SECONDS", 0.5)
    pretended.worker.networks.facts = {"name": "x" * (8 << 20)}
    with listening(pretended) as (port, _), connected(port) as connection:
        connection.sendall(b"GET /v1/vocabulary HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        count = 0
        while piece := connection.recv(1 << 20):
            count += len(piece)
            time.sleep(0.05)
        assert count > 8 << 20


def test_the_rest_of_a_body_that_was_refused_is_not_taken_for_ever(port: int, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    with connected(port) as connection:
        connection.sendall(b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
        assert b" 405 " in connection.recv(65536)
        with pytest.raises(OSError):
            for _ in range(100):
                connection.sendall(b"x")
                time.sleep(0.1)


def test_a_connection_goes_on_after_a_body_that_was_refused(port: int):
    with connected(port) as connection:
        head = b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"
        connection.sendall(head)
        assert b" 405 " in until(connection, b"there")
        connection.sendall(b"body" + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in until(connection, b"ok")


def test_head_is_answered_as_get_without_a_body(port: int):
    with connected(port) as connection:
        connection.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := connection.recv(65536):
            data += piece
    assert b" 200 " in data.splitlines()[0] and b"content-length: 15" in data.lower() and data.endswith(b"\r\n\r\n")


def test_a_client_that_went_away_costs_no_recognition(port: int, pretended: Client, networks: Networks, caplog):
    networks.go.clear()
    with connected(port) as busy, connected(port) as gone:
        busy.sendall(request(len(FORM), FORM))
        assert networks.asked.wait(20)
        gone.sendall(request(len(FORM), FORM))
        while not pretended.worker._waiting:
            time.sleep(0.005)
        (waiting,) = pretended.worker._waiting
        gone.close()
        while not waiting.entry.cancelled():
            time.sleep(0.005)
        networks.go.set()
        assert said(busy)[0] == 200
    assert [len(names) for names, _ in networks.batches] == [1] and not caplog.records


def test_what_runs_is_answered_before_the_end(pretended: Client, networks: Networks):
    networks.go.clear()
    with listening(pretended) as (port, stop), connected(port) as running:
        running.sendall(request(len(FORM), FORM))
        assert networks.asked.wait(20)
        ending = threading.Thread(target=stop)
        ending.start()
        time.sleep(0.3)
        with pytest.raises(OSError):
            connected(port)
        networks.go.set()
        assert said(running)[0] == 200
        ending.join(20)
