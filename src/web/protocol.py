"""HTTP/1.1 for the service: what uvicorn and h11 do, with refusals in JSON and a limit of time for headers."""

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .guard import HEADERS
from .reading import LEAST_RATE

HEAD_SECONDS = 10.0
"""How long the headers of a request can take, from their first byte or from the connection on; and what is left of a
body after it was answered."""
TAKE_SECONDS = 20.0
"""In this time a client must take what is left of its answer, or as much as LEAST_RATE gives."""


class ServiceProtocol(H11Protocol):
    """One connection."""

    _head: asyncio.TimerHandle | None = None
    _rest: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._rest is not None and not self._is_answered:
            self._rest = self._forgotten(self._rest)
        if self.conn.their_state is not h11.IDLE:
            self._head = self._forgotten(self._head)
        elif self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def connection_lost(self, exc: Exception | None) -> None:
        for name in ("_head", "_rest", "_taking"):
            setattr(self, name, self._forgotten(getattr(self, name)))
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # The rest of a body that was refused is taken, so that its client sees the answer; but not for ever.
        if self._is_answered:
            self._rest = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking = self._forgotten(self._taking)
        self._expect(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        self._taking = self._forgotten(self._taking)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "not a sound HTTP request")

    @property
    def _is_answered(self) -> bool:
        """Whether an answer was sent before the body came to its end."""
        return self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY

    def _expect(self, left: int) -> None:
        """Breaks the connection off unless fewer bytes of an answer are left in a while."""
        self._taking = self.loop.call_later(TAKE_SECONDS, self._look, left - int(LEAST_RATE * TAKE_SECONDS))

    def _look(self, most: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left > max(most, 0):
            self.transport.abort()
        else:
            self._expect(left)

    @staticmethod
    def _forgotten(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()

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
