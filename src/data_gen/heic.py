"""HEIC photos, which phones write; read with pillow-heif, an extra that is loaded with the first of them."""

from typing import BinaryIO

from PIL import Image

_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_OF_ANY_CODEC = frozenset((b"mif1", b"mif2", b"msf1", b"miaf"))


def is_heic(head: bytes) -> bool:
    """Whether a file with these first bytes is HEIC; AVIF, of the same family, is not."""
    if head[4:8] != b"ftyp":
        return False
    length = min(int.from_bytes(head[:4]), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, length - 3, 4))}
    if b"avif" in brands or b"avis" in brands:
        return False
    return head[8:12] in _BRANDS or (head[8:12] in _OF_ANY_CODEC and bool(brands & _BRANDS))


def open_heic(stream: BinaryIO) -> Image.Image:
    """The first photo of the file, 8 bits, upright whatever its EXIF says.

    Raises ImportError without pillow-heif, and ValueError for a damaged file.
    """
    try:
        from pillow_heif import HeifImageFile  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(f"a HEIC photo; to read it: pip install 'aifashion[heic]' ({error})") from error
    return HeifImageFile(stream)
