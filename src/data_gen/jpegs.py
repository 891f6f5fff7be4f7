"""The pixels of JPEGs, decoded strictly: what the decoder warns of is not passed over.

simplejpeg and OpenCV have the same decoder, libjpeg-turbo, and give equal pixels. But only simplejpeg tells of the
warnings of the decoder, and it goes on to the end of the file. libjpeg fills what is missing or damaged with grey or
with pixels that lie elsewhere in the photo, and warns only. Of several warnings the first is told.
"""

import re

import numpy as np
import simplejpeg

from ..geometry import Size

SIGNATURE = b"\xff\xd8\xff"
_START_OF_SCAN = 0xDA
_PADDING_IN_SCAN = 8  # bytes
_DAMAGE = re.compile("Corrupt JPEG data(?!: bad ICC)|Premature end of JPEG|Inconsistent progression")
_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0x(..)")


class DamagedJpegError(ValueError):
    """Pixels of the JPEG are missing or wrong; the message is that of the decoder."""


def decode_jpeg(data: bytes, size: Size, reduction: int = 1, kind: str = "RGB") -> tuple[np.ndarray, str | None]:
    """The pixels (H, W, C) uint8 as stored, and what the decoder said of a photo that can be whole all the same.

    size: the (width, height) that the header tells. reduction: 1, 2, 4 or 8; sides are rounded up, and each pixel
    stands for exactly `reduction` pixels of the photo on either axis. kind: RGB or CMYK.

    Some cameras write padding before the end marker, as well as odd versions and numbers in headers, which change no
    pixel. Raises DamagedJpegError for any other warning and for missing data; other ValueErrors for JPEGs that this
    decoder does not know.
    """
    width, height = (-(-side // reduction) for side in size)

    def decoded(of: bytes, strict: bool = True) -> np.ndarray:
        least = {"min_width": width, "min_height": height} if reduction > 1 else {}
        pixels = simplejpeg.decode_jpeg(of, kind, strict=strict, **least)
        if pixels.shape[:2] != (height, width):
            raise ValueError(f"decoded to {pixels.shape[1]} x {pixels.shape[0]}; expected {width} x {height}")
        return pixels

    try:
        return decoded(data), None
    except ValueError as error:
        reason = str(error)
    if not _DAMAGE.search(reason):
        # The warning can concern the header alone, and hide one that concerns the pixels.
        data = plain_header(data, kind)
        try:
            return decoded(data), None
        except ValueError as error:
            reason = str(error)
    padding = _EXTRANEOUS.search(reason)
    if padding and (padding[2] == "d9" or int(padding[1]) <= _PADDING_IN_SCAN):
        return decoded(data, strict=False), reason
    raise (DamagedJpegError if _DAMAGE.search(reason) else ValueError)(reason)


def plain_header(data: bytes, kind: str = "RGB") -> bytes:
    """The JPEG without metadata, and with usual values of what decoders warn of, but read in one way all the same:
    versions of JFIF and of Adobe's colours, the spectral range of a sequential scan."""
    kept, at, sequential = [data[:2]], 2, True
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == 0xFF:  # a filling byte
            at += 1
            continue
        segment = bytearray(data[at:end])
        sequential &= marker not in (0xC2, 0xCA)
        if marker == 0xE0 and segment[4:8] == b"JFIF" and len(segment) > 10:
            segment[9:11] = 1, 1
        elif marker == 0xEE and segment[4:9] == b"Adobe" and len(segment) > 15:
            # YCbCr and YCCK: what decoders take unknown numbers for.
            segment[15] = min(segment[15], 1 if kind == "RGB" else 2)
        elif 0xE0 <= marker <= 0xEF or marker == 0xFE:
            segment.clear()
        elif marker == _START_OF_SCAN:
            if sequential:
                segment[-3:] = 0, 63, 0
            return b"".join([*kept, segment, data[end:]])
        kept.append(bytes(segment))
        at = end
    return data
