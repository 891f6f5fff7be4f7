"""A service in this process, for tests: pretended networks, and clients with and without sockets."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from aifashion.measurement_sets import measurements_of
from aifashion.recognition.recognizer import EncodedPhoto
from aifashion.vocabulary import load_vocabulary
from aifashion.web.app import new_app
from aifashion.web.metrics import Metrics
from aifashion.web.options import Options
from aifashion.web.protocol import ServiceProtocol
from aifashion.web.settings import Settings
from aifashion.web.worker import Worker

HOST = "http://localhost:8000"


class Networks:
    """Answers each photo with its bytes as a number; `bad` cannot be read, `worse` fails. It keeps its batches, and
    waits for `go` before each; `asked` says that there was one."""

    def __init__(self) -> None:
        self.vocabulary = load_vocabulary()
        self.measurements = measurements_of(self.vocabulary)
        self.facts = {"name": "fashionai"}
        self.batches: list[tuple[list[str], Options]] = []
        self.asked, self.go = threading.Event(), threading.Event()
        self.go.set()

    def check(self, options: Options) -> None:
        if options.category is not None:
            self.vocabulary.category_index(options.category)

    def answers(self, photos: Sequence[EncodedPhoto], options: Options) -> Iterator[dict[str, Any]]:
        self.asked.set()
        self.go.wait(30)
        self.batches.append(([photo.name for photo in photos], options))
        for photo in photos:
            if photo.data == b"worse":
                raise RuntimeError("secret contents of a photo")
            if photo.data == b"bad":
                yield {"name": photo.name, "error": f"{photo.name}: not a readable image"}
            else:
                yield {"name": photo.name, "length": len(photo.data)}


class Client:
    """Asks the application without a socket. Several requests can be sent at once."""

    def __init__(self, settings: Settings, networks: Any) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.worker = Worker(lambda: networks, settings.queue, self.metrics)
        self.app = new_app(settings, self.worker, self.metrics)

    def ask(self, method: str, path: str, **words: Any) -> httpx.Response:
        return self.together([(method, path, words)])[0]

    def get(self, path: str, **words: Any) -> httpx.Response:
        return self.ask("GET", path, **words)

    def post(self, path: str, **words: Any) -> httpx.Response:
        return self.ask("POST", path, **words)

    def together(self, requests: Sequence[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
        async def run() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=HOST, timeout=60) as client:
                return await asyncio.gather(*(client.request(how, path, **words) for how, path, words in requests))

        return asyncio.run(run())


@contextmanager
def client(networks: Any, **settings: Any) -> Iterator[Client]:
    """Whose worker runs, with the networks loaded."""
    made = Client(Settings(**settings), networks)
    made.worker.start()
    try:
        while made.worker.networks is None:
            made.worker._thread.join(0.005)
        yield made
    finally:
        networks.go.set() if isinstance(networks, Networks) else None
        made.worker.stop()


@contextmanager
def listening(made: Client) -> Iterator[tuple[int, Callable[[], None]]]:
    """The application behind a socket: its port, and what asks it to stop and waits until it has."""
    config = uvicorn.Config(
        made.app, port=0, http=ServiceProtocol, ws="none", lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.005)

    def stop() -> None:
        server.should_exit = True
        thread.join()

    try:
        yield server.servers[0].sockets[0].getsockname()[1], stop
    finally:
        stop()


def parts(*photos: tuple[str, bytes]) -> dict[str, Any]:
    """A form with these files."""
    return {"files": [("photos", photo) for photo in photos]}
