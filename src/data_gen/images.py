"""Safe decoding: any photo file to RGB uint8, or an `ImageError` with the reason.

Pillow reads all headers, and the pixels of all files but JPEGs in RGB or grey, which `jpegs` decodes twice as fast to
equal values, and HEIC, which `heic` reads. Of JPEGs in other colours `jpegs` checks that they are whole.

Memory is bounded in bytes: what threads need while they decode is reserved from one budget, and a photo that is to be
reduced is composited and reduced in strips, never held in full size as RGB.
"""

import errno
import io
import logging
import ntpath
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError, features

from ..geometry import Frame, Size, identity, shift, zoom
from ..paths import is_plain, tell_backslash, tell_link
from . import containers, depths, heic, jpegs, pngs
from .memory import Budget

log = logging.getLogger(__name__)
MAX_PIXELS = 64_000_000
MAX_BYTES = 256 << 20
"""The largest file that is read: as large as MAX_PIXELS with four bytes each."""
# Formats that Pillow decodes in this process. Its full list would start Ghostscript for EPS.
_OPTIONAL = (("AVIF", "avif"), ("JPEG2000", "jpg_2000"))
_FORMATS = (
    *("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"),
    *(name for name, feature in _OPTIONAL if features.check(feature)),
)
_TIFFS = (b"II*\0", b"MM\0*")
_ORIENTATION_TAG = 0x0112
_WHOLE = identity()
_JPEGS = ("JPEG", "MPO")  # phones write MPO, JPEGs one after the other, of which the first is the photo
_ROWS_REVERSED, _COLUMNS_REVERSED = (3, 4, 7, 8), (2, 3, 6, 7)  # EXIF orientations
_FILES, _DECODING = Budget(MAX_BYTES), Budget(384 << 20)
_SMALL = 32 << 20  # what needs less is decoded without waiting
_STRIP = 1 << 20  # bytes, few enough for the processor's cache
_HEAD = 64
_ODD = "aifashion_odd"  # in the info of an image: what its file says of itself and is not so


Side = int | None | Callable[[Size], int | None]
"""The px that are needed on the longer side of a photo, or what says them of its upright (width, height); None: all."""


class ImageError(ValueError):
    """A file that cannot be read as a photo; the message names the file and the reason."""


class Decoded(NamedTuple):
    """A photo that can be reduced.

    pixels: (h, w, 3) RGB uint8, upright. size: the full (width, height) of the photo. frame: from `pixels` to pixels of
    the photo. Its scale is a whole number and not the quotient of the sides: a JPEG of 2049 px that is reduced by 8 has
    257 px, of which the last one is only in part photo. Mirrored, that is the first one.
    """

    pixels: np.ndarray
    size: Size
    frame: Frame


def read_image(path: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The photo as RGB uint8 (H, W, 3), with EXIF orientation applied and transparency on white.

    Grey, palette, CMYK and 16-bit files are converted (`depths` has the rule of more than 8 bits); an animation gives
    its first frame. Raises ImageError for a file that is missing, empty, truncated, damaged, not an image, or larger
    than `max_pixels` pixels or MAX_BYTES bytes; the size is read from the header, before anything is decoded. A photo
    that is perhaps damaged is read, with a warning.
    """
    return read_reduced(path, None, max_pixels).pixels


def read_reduced(path: Path, side: Side, max_pixels: int = MAX_PIXELS) -> Decoded:
    """`read_image` for callers that need only `side` px on the longer side.

    The photo is reduced to 1/2, 1/4 or 1/8 of its size, the smallest that is not below `side`: a JPEG while it is
    decoded, in a fraction of the time, other formats by averaging. If `side` is None, it stays as it is. A function is
    asked for it once the header was read.
    """
    with _opened(path) as stream:
        return _decode(stream, str(path), max_pixels, side)


def read_bytes(path: Path) -> bytes:
    """The bytes of the file of a photo. Raises ImageError where there is none, or for more than MAX_BYTES."""
    with _opened(path) as stream:
        _check_length(stream, str(path))
        return stream.read()


def decode_image(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """`read_image` for the bytes of a file. name: of the file, for error messages."""
    return decode_reduced(data, name, None, max_pixels).pixels


def decode_reduced(data: bytes, name: str, side: Side, max_pixels: int = MAX_PIXELS) -> Decoded:
    """`read_reduced` for the bytes of a file. With a side of 1 it checks, in little memory, that the photo is whole."""
    return _decode(io.BytesIO(data), name, max_pixels, side)


def image_size(path: Path) -> Size:
    """(width, height) after EXIF orientation, from the header alone. Raises ImageError as `read_image`."""
    with _opened(path) as stream, _open(stream, str(path), False) as image:
        width, height = image.size
        return (height, width) if _orientation(image) >= 5 else (width, height)


def pixel_count(data: bytes) -> int:
    """How many pixels a photo has, from the header of its file alone; 0 for what cannot be read."""
    try:
        with _open(io.BytesIO(data), "a photo", False) as image:
            return image.width * image.height
    except ImageError:
        return 0


def resolve_image(root: Path, image_id: str) -> Path:
    """The path of `image_id` ("Images/blouse/x.jpg", forward slashes) below `root`; the file need not exist.

    Backslashes, as in lists that were written on Windows, are read as / where that photo is there; the log says so,
    once a folder.
    Links below `root` are followed, wherever they lead: who makes one, lets it be. The log says so, once a folder.
    Raises ValueError for an id that is empty or absolute, names a drive, has `..`, a backslash or a control character,
    or leads through a loop of links.
    """
    slashed = image_id.replace("\\", "/")
    if slashed != image_id and image_id_problem(slashed) is None and os.path.isfile(Path(root) / slashed):  # noqa: PTH113
        tell_backslash(str(root), image_id)
        return resolve_image(root, slashed)
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
    if not image_id.strip() or not is_plain(image_id):
        return "it is empty or has a control character"
    if "\\" in image_id:
        return "it has a backslash; separate folders with /"
    if image_id.startswith("/") or ntpath.splitdrive(image_id)[0]:
        return "it is an absolute path"
    if ".." in image_id.split("/"):
        return "'..' leads out of the data folder"
    if set(image_id.split("/")) <= {".", ""}:
        return "it names the data folder itself"
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


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file of a photo; what the system says of it becomes an ImageError. Nobody waits for a pipe."""
    try:
        kind = Path(path).stat().st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
            raise ImageError(f"{path}: a device, pipe or socket; expected the file of a photo")
        with Path(path).open("rb") as stream:
            yield stream
    except ImageError:
        raise
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ImageError(f"{str(path)!r}: {error}") from error  # a path that no file can have


def _check_length(stream: BinaryIO, name: str) -> int:
    length = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if length > MAX_BYTES:
        raise ImageError(f"{name}: a file of {length:,} bytes; the limit is {MAX_BYTES:,}")
    return length


def _open(stream: BinaryIO, name: str, whole: bool = True) -> Image.Image:
    """The image behind its header. whole: whether the pixels are needed as well."""
    head = b""
    try:
        head = stream.read(_HEAD)
        odd = containers.fault(stream, head) if whole else None
        stream.seek(0)
        if heic.is_heic(head):
            return _noted(heic.open_heic(stream), _ODD, odd)
        if head.startswith(pngs.SIGNATURE):
            data = pngs.pixel_chunks(stream, whole)
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
            image.info["depth"], bits = pngs.depths(data)
            image = _noted(image, depths.SIGNIFICANT, bits)
            cut_short = whole and not data.endswith(pngs.END)
            return _noted(image, _ODD, "it has no end: it is cut short" if cut_short else None)
        return _noted(Image.open(stream, formats=_FORMATS), _ODD, odd)
    except UnidentifiedImageError:
        stream.seek(0)
        reason = f"not a readable image ({', '.join(_FORMATS)})" if stream.read(1) else "the file is empty"
        if head[:4] in _TIFFS:
            reason = "a TIFF that is damaged, or of a kind that cannot be read; convert it to 8 bits, in grey or RGB"
        raise ImageError(f"{name}: {reason}") from None
    except Exception as error:  # bad headers: Pillow also raises struct.error, SyntaxError, KeyError and others
        raise ImageError(f"{name}: {_reason(error)}") from error


def _noted(image: Image.Image, name: str, value: object) -> Image.Image:
    if value is not None:
        image.info[name] = value
    return image


def _decode(stream: BinaryIO, name: str, max_pixels: int, side: Side = None) -> Decoded:
    with _reserved(_FILES, _check_length(stream, name)), _open(stream, name) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise ImageError(f"{name}: {width} x {height} pixels are more than the limit of {max_pixels:,}")
        orientation = _orientation(image)
        size = (height, width) if orientation >= 5 else (width, height)
        by = _reduction(max(size), side(size) if callable(side) else side)
        try:
            with _reserved(_DECODING, _needed(image, by)):
                containers.check_strips(stream, image)
                pixels = _decode_jpeg(stream, image, name, by)
                pixels = _decode_webp(stream, image, by) if pixels is None else pixels
                pixels = _decode_by_pillow(image, by) if pixels is None else pixels
            if _ODD in image.info:
                log.warning(f"{name}: read, but perhaps damaged: {image.info[_ODD]}")
            if said := depths.looks_shallow(image, pixels):
                log.warning(f"{name}: {said}")
        except Exception as error:  # as in _open
            raise ImageError(f"{name}: {_reason(error)}") from error
    return Decoded(_upright(pixels, orientation), size, _frame(size, by, orientation))


def _reserved(budget: Budget, count: int) -> AbstractContextManager[None]:
    return budget.reserved(count) if count > _SMALL else nullcontext()


def _needed(image: Image.Image, by: int) -> int:
    """Bytes that are in use at once while the image is decoded, as a rule."""
    count = image.width * image.height
    result = 3 * count // by**2
    if image.format in _JPEGS and image.mode in ("RGB", "L"):
        # Progressive JPEGs are decoded as a whole: two bytes for each coefficient.
        return result + (6 * count if image.info.get("progressive") else 0)
    held = {"1": 1, "L": 1, "P": 1}.get(image.mode, 2 if image.mode.startswith("I;16") else 4)
    # Libraries of formats that are compressed by frames hold a frame beside Pillow's.
    return result + count * held * (2 if image.format in ("WEBP", "AVIF", "HEIF", "JPEG2000") else 1)


def _reduction(length: int, side: int | None) -> int:
    """1, 2, 4 or 8: the largest factor by which a photo of this longer side can be reduced and still have `side` px."""
    return 1 if side is None else next((by for by in (8, 4, 2) if length >= by * side), 1)


def _decode_jpeg(stream: BinaryIO, image: Image.Image, name: str, by: int) -> np.ndarray | None:
    """The pixels of an RGB or grey JPEG; None for other files, and for JPEGs that only Pillow knows."""
    if image.format not in _JPEGS:
        return None
    colours = image.mode in ("RGB", "L")
    position = stream.tell()
    stream.seek(0)
    data = stream.read()
    stream.seek(position)
    try:
        pixels, said = jpegs.decode_jpeg(data, image.size, by if colours else 8, "RGB" if colours else "CMYK")
    except jpegs.DamagedJpegError as error:
        raise ImageError(f"truncated or damaged: {error}") from error
    except ValueError:
        return None
    if said:
        log.warning(f"{name}: read, but perhaps damaged: {said}")
    return pixels if colours else None


def _decode_webp(stream: BinaryIO, image: Image.Image, by: int) -> np.ndarray | None:
    """The pixels of a WebP without transparency; None for others, and where something is wrong, which Pillow tells.

    Pillow decodes every WebP as an animation, to equal values, in nearly three times the memory.
    """
    if image.format != "WEBP" or image.mode != "RGB" or getattr(image, "n_frames", 1) > 1:
        return None
    stream.seek(0)
    pixels = cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if pixels is None else _averaged(pixels, by)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _decode_by_pillow(image: Image.Image, by: int) -> np.ndarray:
    """The pixels (h, w, 3) uint8, averaged over blocks of `by` x `by`; incomplete ones at the right and below too."""
    image.load()
    width, height = image.size
    rows = max(1, _STRIP // (4 * width * by)) * by
    depths.check_colours(image)
    between = depths.grey_range(image)
    if rows >= height:
        return _averaged(_to_rgb(image, between), by)
    pixels = np.empty((-(-height // by), -(-width // by), 3), np.uint8)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        pixels[top // by : (top + rows) // by] = _averaged(_to_rgb(strip, between), by)
    return pixels


def _averaged(image: np.ndarray, by: int) -> np.ndarray:
    if by == 1:
        return image
    height, width = image.shape[:2]
    below, beside = -height % by, -width % by
    if below or beside:
        image = cv2.copyMakeBorder(image, 0, below, 0, beside, cv2.BORDER_REPLICATE)
    size = (width + beside) // by, (height + below) // by
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _to_rgb(image: Image.Image, between: tuple[int, int] | None) -> np.ndarray:
    """between: of grey of more than 8 bits, its black and white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return np.asarray(image)
    if between is not None:
        return np.repeat(depths.to_8_bits(np.asarray(image), between)[..., None], 3, axis=-1)
    if image.has_transparency_data:
        return _on_white(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


def _on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:].astype(np.uint16)
    sums = rgba[..., :3] * alpha
    sums += 255 * (255 - alpha) + 128
    sums += sums >> 8  # with the next line the rounded quotient by 255, in a third of the time of a division
    sums >>= 8
    return sums.astype(np.uint8)


def _orientation(image: Image.Image) -> int:
    # Pillow applies the orientation of TIFFs itself, pillow-heif that of HEIC, and Pillow would decode a whole PNG to
    # look for EXIF after the pixels.
    if image.format in ("TIFF", "HEIF") or (image.format == "PNG" and "exif" not in image.info):
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
    if orientation in _ROWS_REVERSED:
        pixels = pixels[::-1]
    if orientation in _COLUMNS_REVERSED:
        pixels = pixels[:, ::-1]
    return np.require(pixels, requirements=("C", "W"))


def _frame(size: Size, by: int, orientation: int) -> Frame:
    """From pixels that are reduced and upright to those of the upright photo of `size`."""
    if by == 1:
        return _WHOLE
    # An axis that is reversed begins with the block that is only in part photo.
    dx, dy = -(-size[0] % by), -(-size[1] % by)
    return zoom(by).then(shift(dx * (orientation in _COLUMNS_REVERSED), dy * (orientation in _ROWS_REVERSED)))
