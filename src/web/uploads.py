"""The photos of a request: parts of a form, or base64 in JSON."""

import asyncio
import base64
import binascii
import sys
from collections.abc import AsyncGenerator

from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from ..recognition.recognizer import EncodedPhoto
from .problems import RequestError
from .reading import Held, chunks, media_type, read_json

PART = "photos"
MOST_LETTERS = 500
"""Of the name of a photo."""
_FIELDS = 16  # parts that are no files; all of them are refused, with their names


class PhotoBody(BaseModel):
    """A photo in JSON. data: the bytes of its file in base64."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=MOST_LETTERS)
    data: str


class PhotosBody(BaseModel):
    """Photos in JSON."""

    model_config = ConfigDict(extra="forbid")
    photos: list[PhotoBody]


class _InMemory(MultiPartParser):
    """Keeps files in memory, whatever their size, and knows whether the form came to its end."""

    spool_max_size = sys.maxsize
    whole = False

    def on_end(self) -> None:
        self.whole = True


async def read_photos(request: Request, most: int, count: int, held: Held) -> list[EncodedPhoto]:
    """The photos of a request in their order, 1 to `count`, of at most `most` bytes with all around them.

    Raises RequestError for another request.
    """
    kind = media_type(request)
    if kind == "multipart/form-data":
        photos = await _of_form(request, most, count, held)
    elif kind == "application/json":
        photos = await _of_json(request, most, count, held)
    else:
        raise RequestError(415, "expected photos as multipart/form-data or application/json; /docs shows both")
    if not photos:
        raise RequestError(400, f"no photos: expected parts called {PART}")
    return [EncodedPhoto(photo.name or f"photo {n}", photo.data) for n, photo in enumerate(photos, start=1)]


async def _of_form(request: Request, most: int, count: int, held: Held) -> list[EncodedPhoto]:
    async def pieces() -> AsyncGenerator[bytes, None]:
        async for piece in chunks(request, most, held):
            yield piece
        if not parser.whole:  # raised here, the parser lets go of what it has
            raise RequestError(400, "the form is cut short: its last boundary is missing")

    parser = _InMemory(request.headers, pieces(), max_files=count, max_fields=_FIELDS, max_part_size=1024)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        many = f"more than {count} photos in one request; send several requests"
        raise RequestError(400, many if "Too many files" in error.message else f"the form: {error.message}") from None
    try:
        return [_of_part(name, value) for name, value in form.multi_items()]
    finally:
        await form.close()


def _of_part(name: str, value: UploadFile | str) -> EncodedPhoto:
    if name != PART or not isinstance(value, UploadFile):
        kind = "file" if isinstance(value, UploadFile) else "text"
        raise RequestError(400, f"a {kind} called {name[:40]!r}: expected files called {PART} alone")
    title = value.filename or ""
    if len(title) > MOST_LETTERS:
        raise RequestError(400, f"a file name of {len(title):,} characters; at most {MOST_LETTERS} are possible")
    return EncodedPhoto(title, value.file.read())


async def _of_json(request: Request, most: int, count: int, held: Held) -> list[EncodedPhoto]:
    body = await read_json(request, PhotosBody, most, held)
    if len(body.photos) > count:
        raise RequestError(400, f"more than {count} photos in one request; send several requests")
    return await asyncio.to_thread(_decoded, body)


def _decoded(body: PhotosBody) -> list[EncodedPhoto]:
    photos = []
    for number, photo in enumerate(body.photos):
        try:
            photos.append(EncodedPhoto(photo.name, base64.b64decode(photo.data, validate=True)))
        except (binascii.Error, ValueError) as error:
            raise RequestError(400, f"photos.{number}.data: no base64: {error}") from None
    return photos
