"""What of a PNG makes its pixels: checked against the file's checksums, without text, profiles and other metadata.

Pillow limits metadata, which sound photos exceed, and does not compare the checksums of the pixels.
"""

import io
import zlib
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"IEND\xaeB`\x82"
_KEPT = (b"tRNS", b"eXIf", b"sBIT")
_LONGEST = 1 << 30


class DamagedPngError(ValueError):
    """A checksum does not fit; the message names the chunk."""


def pixel_chunks(stream: BinaryIO, whole: bool = True) -> bytes:
    """The PNG without what does not change its pixels. whole: up to its end, else only what comes before the pixels.

    Raises DamagedPngError where a checksum does not fit. A file that is cut short stays so.
    """
    kept = [stream.read(len(SIGNATURE))]
    while len(head := stream.read(8)) == 8:
        kind, length = head[4:], int.from_bytes(head[:4]) + 4
        if kind == b"IDAT" and not whole:
            kept.append(head)
            break
        # The type of what must be understood starts with a capital letter.
        if kind[0] & 0x20 and kind not in _KEPT:
            stream.seek(length, io.SEEK_CUR)
            continue
        body = stream.read(min(length, _LONGEST))
        kept += [head, body]
        if len(body) == length and zlib.crc32(memoryview(body)[:-4], zlib.crc32(kind)) != int.from_bytes(body[-4:]):
            raise DamagedPngError(f"damaged: the checksum of a chunk {kind.decode('latin-1')!r} does not fit")
        if kind == b"IEND":
            break
    return b"".join(kept)


def depths(png: bytes) -> tuple[int, int | None]:
    """The bits of a sample, and how many of them have a meaning if an sBIT chunk says so: of the channel with most."""
    declared, at = png[24] if len(png) > 24 else 8, len(SIGNATURE)
    while at + 8 <= len(png) and (kind := png[at + 4 : at + 8]) not in (b"IDAT", b"IEND"):
        length = int.from_bytes(png[at : at + 4])
        if (
            kind == b"sBIT"
            and 0 < length <= 4
            and 0 < (most := max(png[at + 8 : at + 8 + length], default=0)) <= declared
        ):
            return declared, most
        at += 12 + length
    return declared, None
