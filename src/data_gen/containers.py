"""What the structure of a file says of its being whole, in formats without checksums: sizes in headers, and ends.

Decoders pass over most of it: Pillow reads neither the sizes in the header of a BMP nor the end of a GIF, and libtiff
does not get to the checksums of strips that zlib has compressed. What is damaged inside the pixels of WebP, AVIF, HEIC,
GIF, BMP, PPM, JPEG 2000 and other TIFFs can only be noticed where their decoders stumble over it.
"""

import io
import struct
import zlib
from typing import BinaryIO

from PIL import Image

_BOXES = (b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"uuid", b"idat", b"jP  ", b"jp2h", b"jp2c", b"jp2i")
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B  # blocks of a GIF
_STRIPS, _TILES = (273, 279), (324, 325)  # TIFF: offsets and sizes
_COMPRESSION, _DEFLATE = 259, (8, 32946)
_PIECE = 1 << 20


class DamagedFileError(ValueError):
    """A part of the file is missing or wrong; the message says which."""


def fault(stream: BinaryIO, head: bytes) -> str | None:
    """What is odd about a file whose pixels can be whole all the same; None where its structure is whole.

    head: its first 64 bytes. Reads headers alone. Raises DamagedFileError where pixels are missing.
    """
    length = stream.seek(0, io.SEEK_END)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _riff(stream, head, length)
    if head[:2] == b"BM" and len(head) >= 38:
        return _bmp(head, length)
    if head[:3] == b"GIF" and len(head) >= 13:
        return _gif(stream, head)
    if head[4:8] in (b"ftyp", b"jP  "):
        return _boxes(stream, length)
    return None


def check_strips(stream: BinaryIO, image: Image.Image) -> None:
    """Raises DamagedFileError where the checksum of a strip or tile of a TIFF that zlib compressed does not fit."""
    tags = image.tag_v2 if image.format == "TIFF" else {}  # pyright: ignore[reportAttributeAccessIssue]
    if tags.get(_COMPRESSION) not in _DEFLATE:
        return
    position = stream.tell()
    for offsets, sizes in (_STRIPS, _TILES):
        for number, (at, size) in enumerate(zip(tags.get(offsets, ()), tags.get(sizes, ()), strict=False)):
            stream.seek(at)
            data, unpacked = stream.read(size), zlib.decompressobj()
            try:
                while data and not unpacked.eof:
                    unpacked.decompress(data, _PIECE)
                    data = unpacked.unconsumed_tail
            except zlib.error as error:
                raise DamagedFileError(f"damaged: strip {number} of its pixels: {error}") from None
    stream.seek(position)


def _riff(stream: BinaryIO, head: bytes, length: int) -> None:
    end = 8 + int.from_bytes(head[4:8], "little")
    if end > length:
        raise DamagedFileError(f"truncated: its header tells of {end:,} bytes, and there are {length:,}")
    at = 12
    while at + 8 <= end:
        stream.seek(at)
        kind, size = struct.unpack("<4sI", stream.read(8))
        if at + 8 + size > end:
            raise DamagedFileError(f"damaged: its chunk {kind.decode('latin-1')!r} goes beyond the end")
        at += 8 + size + size % 2


def _bmp(head: bytes, length: int) -> str | None:
    told, offset = struct.unpack_from("<I4xI", head, 2)
    header = int.from_bytes(head[14:18], "little")
    pixels = offset + int.from_bytes(head[34:38], "little") if header >= 40 else 0
    if max(told, pixels) > length:
        return f"its header tells of {max(told, pixels):,} bytes, and there are {length:,}"
    return None


def _gif(stream: BinaryIO, head: bytes) -> str | None:
    stream.seek(13 + _palette(head[10]))
    while kind := stream.read(1):
        if kind[0] == _TRAILER:
            return None
        if kind[0] == _EXTENSION:
            stream.seek(1, io.SEEK_CUR)
        elif kind[0] == _IMAGE:
            facts = stream.read(9)
            if len(facts) < 9:
                break
            stream.seek(_palette(facts[8]) + 1, io.SEEK_CUR)
        else:
            return f"a block of the kind {kind[0]:#04x}, which GIF does not have"
        while (size := stream.read(1)) and size[0]:
            stream.seek(size[0], io.SEEK_CUR)
    return "it has no end: it is cut short after the first picture"


def _palette(flags: int) -> int:
    """The bytes of the palette behind these flags."""
    return 3 * (2 << (flags & 7)) if flags & 0x80 else 0


def _boxes(stream: BinaryIO, length: int) -> str | None:
    """Of the boxes of AVIF, HEIC and JPEG 2000: one of a known kind that goes beyond the end."""
    at = 0
    while at + 8 <= length:
        stream.seek(at)
        size, kind = struct.unpack(">I4s", stream.read(8))
        if kind not in _BOXES:  # bytes behind the photo, as phones write
            return None
        if size == 1:
            size = int.from_bytes(stream.read(8))
        if size == 0:  # to the end
            return None
        if size < 8:
            return f"its box {kind.decode()!r} tells of {size} bytes"
        at += size
        if at > length:
            return f"its box {kind.decode()!r} goes {at - length:,} bytes beyond the end"
    return None
