"""Runs the service: listens first, then loads, and stops when it is told to."""

import importlib.util
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..extras import EXTRAS
from .settings import EVERYWHERE, Settings

log = logging.getLogger(__name__)
_STOP_SECONDS = 120
"""How long requests that are running can take when the service is stopped."""
_BACKLOG = 256
_MOST_HEAD = 64 << 10  # bytes of the headers of a request
# They report photos by their names.
_QUIET = ("aifashion.data_gen", "aifashion.eval")


def serve(settings: Settings, load: Callable[[], Any]) -> None:
    """Serves until SIGTERM or SIGINT; then running requests are finished. load: gives the networks.

    Raises ModuleNotFoundError without the extra, OSError where it cannot listen, and what `load` raises.
    """
    _check_extra()
    with _stoppable() as stopping, _listening(settings) as listener, _quiet():
        # FastAPI and the networks load while clients can already connect.
        from .metrics import Metrics
        from .worker import Worker

        metrics = Metrics()
        worker = Worker(load, settings.queue, metrics)
        worker.start(stopping)
        try:
            _run(settings, worker, metrics, listener, stopping)
        finally:
            worker.stop()
        if worker.failure is not None:
            raise worker.failure
        log.info("stopped")


def _check_extra() -> None:
    """Before anything is promised, and without the time that loading the packages takes."""
    for module in EXTRAS["serve"]:
        loaded = module in sys.modules
        if (sys.modules[module] if loaded else importlib.util.find_spec(module)) is None:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)


def _run(settings: Settings, worker: Any, metrics: Any, listener: socket.socket, stopping: "_Stopping") -> None:
    import uvicorn

    from .app import new_app
    from .protocol import ServiceProtocol

    config = uvicorn.Config(
        new_app(settings, worker, metrics),
        http=ServiceProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=_MOST_HEAD,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # its errors are answers, and counted
    stopping.server = uvicorn.Server(config)
    if not stopping.asked:
        stopping.server.run(sockets=[listener])


class _Stopping:
    """Whether the service is to end, asked by a signal or since the networks could not be loaded."""

    def __init__(self) -> None:
        self.asked = False
        self.server: Any = None

    def __call__(self, *_: object) -> None:
        self.asked = True
        if self.server is not None:
            self.server.should_exit = True


@contextmanager
def _stoppable() -> Iterator["_Stopping"]:
    """Signals ask for the end, before uvicorn takes them over too: it raises them once more when it is done."""
    stopping = _Stopping()
    before = {number: signal.signal(number, stopping) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            reason = f"cannot listen at {settings.host}, port {settings.port}: {error.strerror or error}"
            raise OSError(error.errno, reason) from None
        listener.listen(_BACKLOG)
        _tell(settings, listener.getsockname()[1])
        yield listener


def _tell(settings: Settings, port: int) -> None:
    log.info(f"serving on http://{settings.own_name}:{port}")
    if not settings.on_loopback and settings.token is None:
        log.warning(
            f"--host {settings.host} lets other machines in, and there is no --token: whoever reaches port {port} can "
            "use the service"
        )
    if settings.own_name in EVERYWHERE and not settings.hosts:
        log.warning("requests to names of this machine are refused; --allow-host NAME allows one")


@contextmanager
def _quiet() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _QUIET]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
