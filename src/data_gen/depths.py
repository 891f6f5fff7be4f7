"""Photos of more than 8 bits: which value is white.

The rule is what the file declares, never what its values happen to be: the bits of a sample (TIFF's BitsPerSample, the
depth and the sBIT chunk of a PNG). Nothing tells the range of floating-point values and of integers of 32 bits: they
are refused. Values that use only the lowest part of the declared range are read as such, and told.
"""

import numpy as np
from PIL import Image

SIGNIFICANT = "significant_bits"
"""In the `info` of a PNG with an sBIT chunk: the bits of its samples that have a meaning."""
_BITS_PER_SAMPLE, _SAMPLE_FORMAT, _PHOTOMETRIC = 258, 339, 262  # tags of TIFF
_SIGNED, _WHITE_IS_ZERO = 2, 0
_DARK = 16  # of 255: 12 bits in 16, or fewer


def declared_bits(image: Image.Image) -> int:
    """The bits of a sample that the header tells; 8 where it tells of no more."""
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (1,))  # pyright: ignore[reportAttributeAccessIssue]
        return max(8, *bits)
    if image.format == "PNG":
        return max(8, int(image.info.get("depth", 8)))
    return 16 if image.mode.startswith("I") else 8


def grey_range(image: Image.Image) -> tuple[int, int] | None:
    """(black, white) of a loaded photo in the modes I and F, as it is declared; None in other modes.

    Raises ValueError where nothing declares it, and for values outside it.
    """
    if not image.mode.startswith(("I", "F")):
        return None
    if image.mode == "F":
        raise ValueError("floating-point values, of which nothing tells the range; convert it to 8 or 16 bits")
    bits = declared_bits(image)
    if bits > 16:
        raise ValueError(f"integers of {bits} bits, of which nothing tells the range; convert it to 8 or 16 bits")
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    tags = image.tag_v2 if image.format == "TIFF" else {}  # pyright: ignore[reportAttributeAccessIssue]
    signed = _first(tags.get(_SAMPLE_FORMAT)) == _SIGNED
    white = (1 << (bits - signed)) - 1
    significant = image.info.get(SIGNIFICANT, bits)
    if significant < bits and high < 1 << significant:  # not scaled to all bits, as the format would have it
        white = (1 << significant) - 1
    if low < 0 or high > white:
        raise ValueError(f"values of {low} to {high}, outside 0 to {white}; convert it to 8 or 16 bits")
    return (white, 0) if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else (0, white)


def to_8_bits(values: np.ndarray, between: tuple[int, int]) -> np.ndarray:
    """Integers (H, W) as uint8: the first of the two becomes 0, the second 255."""
    black, white = between
    whole = max(between)
    # Pillow's own conversion clips at 255 instead of scaling.
    grey = ((values.astype(np.uint32) * 255 + whole // 2) // whole).astype(np.uint8)
    return grey if white > black else 255 - grey


def check_colours(image: Image.Image) -> None:
    """Raises ValueError for a loaded PNG of 16 bits whose colours lie in the lower bits, as its sBIT says: of colours,
    the decoder gives the upper 8 bits alone."""
    significant = image.info.get(SIGNIFICANT, 16)
    if image.mode.startswith("I") or significant >= 16 or declared_bits(image) < 16:
        return
    bands = 3 if len(image.getbands()) >= 3 else 1  # without alpha
    if np.atleast_3d(np.asarray(image))[..., :bands].max() < 1 << max(0, significant - 8):
        raise ValueError(
            f"colours of {significant} bits in the lower bits of 16; scale them to all 16 bits, or convert it to 8 bits"
        )


def looks_shallow(image: Image.Image, pixels: np.ndarray) -> str | None:
    """What to say of a photo that uses only the lowest part of the range that it declares; None for others."""
    bits = declared_bits(image)
    brightest = int(pixels.max())
    if bits <= 8 or not 0 < brightest < _DARK or SIGNIFICANT in image.info:
        return None
    return (
        f"read as {bits} bits, as it says, and so nearly black: if it has fewer bits, convert it to 8 bits, or name "
        "them in the file (BitsPerSample of TIFF, sBIT of PNG)"
    )


def _first(value: object) -> object:
    return value[0] if isinstance(value, tuple) and value else value
