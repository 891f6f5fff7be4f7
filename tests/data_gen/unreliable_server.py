"""A local server with configurable faults: slow, broken, endless or redirecting answers."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Route = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """Answers with the routes; counts requests by path, connections, and requests that ran at the same time."""

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
        """Ignores clients that close the connection, because the tests do so."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise a body is sent 40 ms after its headers
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


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def send(body: bytes, status: int = 200, length: int | None = None, sleep: float = 0, **headers: str) -> Route:
    """Answers with `body` and a Content-Length of `length`."""

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
    """The routes one after the other, then always the last one."""
    waiting = list(routes)
    return lambda handler: (waiting.pop(0) if len(waiting) > 1 else waiting[0])(handler)


def redirect(location: str, status: int = 302) -> Route:
    return send(b"over there", status, Location=location)


def drip(handler: BaseHTTPRequestHandler, head: bytes) -> None:
    """Sends bytes without end, with short pauses."""
    handler.close_connection = True
    handler.wfile.write(head)
    while not handler.server.closing.wait(0.05):  # type: ignore[attr-defined]
        handler.wfile.write(b"a")


def pour(handler: BaseHTTPRequestHandler, head: bytes, piece: bytes, start: bytes = b"") -> None:
    """Sends bytes without end, as fast as possible."""
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + start)
    while not handler.server.closing.is_set():  # type: ignore[attr-defined]
        handler.wfile.write(piece)


def silence(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.server.closing.wait(5)  # type: ignore[attr-defined]
