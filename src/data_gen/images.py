"""Safe decoding: any photo file to RGB uint8, or an `ImageError` with the reason.

Pillow reads all headers, and the pixels of all files but 8-bit RGB and grey JPEGs. OpenCV decodes those twice as fast
to equal values (both use libjpeg-turbo). A truncated photo must not be read as one with a grey half: Pillow refuses it,
and OpenCV is given only JPEGs that have their end marker.
"""

import errno
import io
import ntpath
import os
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError, features

from ..files import tell_link
from ..geometry import Size

MAX_PIXELS = 64_000_000
# Formats that Pillow decodes in this process. Its full list would start Ghostscript for EPS.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", *(("AVIF",) if features.check("avif") else ()))
_ORIENTATION_TAG = 0x0112
_FLAGS = {
    1: cv2.IMREAD_COLOR_RGB,
    2: cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
_SCAN_STARTS, _IMAGE_ENDS = b"\xff\xda", b"\xff\xd9"


class ImageError(ValueError):
    """A file that cannot be read as a photo; the message names the file and the reason."""


def read_image(path: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The photo as RGB uint8 (H, W, 3), with EXIF orientation applied and transparency on white.

    Grey, palette, CMYK and 16-bit files are converted; an animation gives its first frame. Raises ImageError for a file
    that is missing, empty, truncated, damaged, not an image, or larger than `max_pixels` pixels; the size is read from
    the header, before anything is decoded.
    """
    return read_reduced(path, None, max_pixels)[0]


def read_reduced(path: Path, side: int | None, max_pixels: int = MAX_PIXELS) -> tuple[np.ndarray, Size]:
    """`read_image` for callers that need only `side` px on the longer side, and the full (width, height) of the photo.

    A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, the smallest that is not below `side`, in a fraction of the time.
    Other formats, and all files if `side` is None, are decoded at full size.
    """
    try:
        with Path(path).open("rb") as stream:
            return _decode(stream, str(path), max_pixels, side)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error


def decode_image(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """`read_image` for the bytes of a file. name: of the file, for error messages."""
    return _decode(io.BytesIO(data), name, max_pixels)[0]


def image_size(path: Path) -> Size:
    """(width, height) after EXIF orientation, from the header alone. Raises ImageError as `read_image`."""
    try:
        with Path(path).open("rb") as stream, _open(stream, str(path)) as image:
            width, height = image.size
            return (height, width) if _orientation(image) >= 5 else (width, height)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error


def resolve_image(root: Path, image_id: str) -> Path:
    """The path of `image_id` ("Images/blouse/x.jpg", forward slashes) below `root`; the file need not exist.

    Links below `root` are followed, wherever they lead: who makes one, lets it be. The log says so, once a folder.
    Raises ValueError for an id that is empty or absolute, names a drive, has `..`, a backslash or a control character,
    or leads through a loop of links.
    """
    reason = image_id_problem(image_id)
    path = Path(root) / image_id
    if not reason:
        leaves = _leaves(path, Path(root))
        reason = "a loop of links" if leaves is None else None
        if leaves:
            tell_link(str(root), str(path))
    if reason:
        raise ValueError(f"image id {image_id!r}: {reason}; expected a path inside the data folder")
    return path


def image_id_problem(image_id: str) -> str | None:
    """Why the text of an image id is invalid; None if it is a plain relative path."""
    if not image_id.strip() or not image_id.isprintable():
        return "it is empty or has a control character"
    if "\\" in image_id:
        return "it has a backslash; separate folders with /"
    if image_id.startswith("/") or ntpath.splitdrive(image_id)[0]:
        return "it is an absolute path"
    if ".." in image_id.split("/"):
        return "'..' leads out of the data folder"
    return None


def _leaves(path: Path, root: Path) -> bool | None:
    """Whether links on the way lead out of `root`; None for a loop of links."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
    except ValueError:
        return False
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def _open(stream: BinaryIO, name: str) -> Image.Image:
    try:
        return Image.open(stream, formats=_FORMATS)
    except UnidentifiedImageError:
        stream.seek(0)
        reason = f"not a readable image ({', '.join(_FORMATS)})" if stream.read(1) else "the file is empty"
        raise ImageError(f"{name}: {reason}") from None
    except Exception as error:  # bad headers: Pillow also raises struct.error, SyntaxError, KeyError and others
        raise ImageError(f"{name}: {_reason(error)}") from error


def _decode(stream: BinaryIO, name: str, max_pixels: int, side: int | None = None) -> tuple[np.ndarray, Size]:
    with _open(stream, name) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise ImageError(f"{name}: {width} x {height} pixels are more than the limit of {max_pixels:,}")
        orientation = _orientation(image)
        try:
            pixels = _decode_jpeg(stream, image, _reduction(max(width, height), side))
            pixels = _to_rgb(image) if pixels is None else pixels
        except Exception as error:  # as in _open
            raise ImageError(f"{name}: {_reason(error)}") from error
    return _upright(pixels, orientation), (height, width) if orientation >= 5 else (width, height)


def _reduction(length: int, side: int | None) -> int:
    """1, 2, 4 or 8: the largest factor by which a photo of this longer side can be reduced and still have `side` px."""
    return 1 if side is None else next((by for by in (8, 4, 2) if length >= by * side), 1)


def _decode_jpeg(stream: BinaryIO, image: Image.Image, reduction: int = 1) -> np.ndarray | None:
    """The pixels of an 8-bit RGB or grey JPEG; None for other files and truncated ones, which are left to Pillow."""
    # Phones write MPO, JPEGs one after the other, of which the first is the photo.
    if image.format not in ("JPEG", "MPO") or image.mode not in ("RGB", "L"):
        return None
    position = stream.tell()
    stream.seek(0)
    data = stream.read()
    stream.seek(position)
    # Compressed data cannot contain these markers, and the end of an embedded thumbnail comes before the last scan.
    if data.rfind(_IMAGE_ENDS) < data.rfind(_SCAN_STARTS):
        return None
    return cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[reduction] | cv2.IMREAD_IGNORE_ORIENTATION)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode == "RGB" and "transparency" not in image.info:
        return np.asarray(image)
    if image.mode.startswith(("I", "F")):
        return np.repeat(_to_8_bits(image)[..., None], 3, axis=-1)
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA")).astype(np.uint16)
        alpha = rgba[..., 3:]
        return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.asarray(image.convert("RGB"))


def _to_8_bits(image: Image.Image) -> np.ndarray:
    # Pillow's own conversion clips at 255 instead of scaling. 16-bit files of some formats open as mode "I" (32 bits).
    grey = np.asarray(image)
    if image.mode == "F" or grey.min() < 0 or grey.max() > 65535:
        raise ValueError(f"mode {image.mode!r} with values outside 0..65535; convert it to 8 or 16 bits")
    return ((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _orientation(image: Image.Image) -> int:
    # Pillow applies the orientation of TIFFs itself, and would decode a whole PNG to look for EXIF after the pixels.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # damaged EXIF does not concern the pixels: the photo keeps its stored orientation
        return 1
    return value if value in range(1, 9) else 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    # EXIF 1..8: rows and columns exchanged from 5 on, then each axis as stored or reversed.
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.require(pixels, requirements=("C", "W"))
