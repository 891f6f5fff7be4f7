"""Bodies of requests: read into memory, never to a disk, as far as the limits of bytes and time allow."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from .problems import RequestError, sentence

Body = TypeVar("Body", bound=BaseModel)
FIRST_SECONDS = 20.0
"""How long a body can take, however short it is."""
LEAST_RATE = 50_000
"""Bytes a second that a longer body must reach beyond that."""
MOST_VALUES = 1_000_000
"""Values in the JSON of a body, those of 10,000 garments: in memory an empty list takes many times its two bytes."""
MOST_JSON = 16 << 20
"""Bytes of JSON that holds no photos."""
_CLOSE = {"Connection": "close"}


class Held:
    """The bytes of one request that are in memory."""

    def __init__(self, bodies: "Bodies") -> None:
        self._bodies, self.count = bodies, 0

    def add(self, count: int) -> None:
        """Raises RequestError where the requests together have too many bytes."""
        if self._bodies.used + count > self._bodies.limit:
            raise RequestError(
                429, "too many bytes are being uploaded at once; try again", {"Retry-After": "2"} | _CLOSE
            )
        self.count += count
        self._bodies.used += count


class Bodies:
    """Bounds the bytes of all requests that are in memory at once. Of one event loop, so without a lock."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0

    @contextmanager
    def holding(self) -> Iterator[Held]:
        """Gives the bytes back at its end."""
        held = Held(self)
        try:
            yield held
        finally:
            self.used -= held.count


async def chunks(request: Request, most: int, held: Held) -> AsyncIterator[bytes]:
    """The body piece by piece. Raises RequestError as soon as it is longer than `most` bytes or too slow."""
    too_long = RequestError(413, f"the body has more than the limit of {most:,} bytes", _CLOSE)
    told = request.headers.get("content-length", "0")
    if not (told.isascii() and told.isdigit()):
        raise RequestError(400, "Content-Length is not a number", _CLOSE)
    if int(told) > most:
        raise too_long
    clock = asyncio.get_running_loop()
    start, count = clock.time(), 0
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout_at(start + FIRST_SECONDS + count / LEAST_RATE):
                piece = await anext(stream, None)
        except TimeoutError:
            raise RequestError(408, f"the body comes too slowly: {count:,} bytes so far", _CLOSE) from None
        if piece is None:
            return
        count += len(piece)
        if count > most:
            raise too_long
        held.add(len(piece))
        if piece:
            yield piece


async def read_body(request: Request, most: int, held: Held) -> bytes:
    return b"".join([piece async for piece in chunks(request, most, held)])


async def read_json(request: Request, kind: type[Body], most: int, held: Held) -> Body:
    """The body as an object of this kind. Raises RequestError for another type of content, and for what is none."""
    if media_type(request) != "application/json":
        raise RequestError(415, "expected the header Content-Type: application/json")
    data = await read_body(request, most, held)
    if sum(map(data.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise RequestError(413, f"the JSON has more than {MOST_VALUES:,} values")
    try:
        return await asyncio.to_thread(kind.model_validate_json, data)
    except ValidationError as error:
        raise RequestError(400, sentence(error.errors(include_url=False, include_input=False))) from None


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
