"""HTTP/1.1 for the service: what uvicorn and h11 do, with refusals in JSON and a limit of time for headers."""

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .guard import HEADERS

HEAD_SECONDS = 10.0
"""How long the headers of a request can take, from their first byte or from the connection on."""


class ServiceProtocol(H11Protocol):
    """One connection."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._forget_head()
        elif self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "not a sound HTTP request")

    def _forget_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _too_late(self) -> None:
        self._head = None
        if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
            self._refuse(408, "the headers come too slowly")

    def _refuse(self, status: int, message: str) -> None:
        """Answers, if the state of the connection lets it, and closes."""
        data = json.dumps({"error": message}).encode()
        headers = [*HEADERS.items(), ("Content-Type", "application/json"), ("Connection", "close")]
        headers += [("Content-Length", str(len(data)))]
        try:
            for event in (
                h11.Response(status_code=status, headers=[(n.encode(), v.encode()) for n, v in headers]),
                h11.Data(data=data),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event))  # type: ignore[arg-type]
        except h11.LocalProtocolError:  # an answer has begun
            pass
        self.transport.close()
