import struct
import zlib

import cv2
import numpy as np
import pytest
from encoded_photos import encoded
from PIL import Image

from aifashion.data_gen.images import (
    ImageError,
    decode_image,
    decode_reduced,
)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    values = np.array([[0, 257, 1000, 32768, 65535]], np.uint16)
    decoded = decode_image(encoded(Image.fromarray(values), kind), "x")
    np.testing.assert_array_equal(decoded[..., 0], [[0, 1, 4, 128, 255]])
    assert (decoded == decoded[..., :1]).all()


def test_16_bit_colour_is_scaled_not_clipped(photo: np.ndarray) -> None:
    _, data = cv2.imencode(".png", photo[..., ::-1].astype(np.uint16) * 257)
    np.testing.assert_array_equal(decode_image(data.tobytes(), "x"), photo)


def test_every_value_of_16_bits_is_rounded_to_the_nearest() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    decoded = decode_image(encoded(Image.fromarray(values), "PNG"), "x")
    np.testing.assert_array_equal(decoded[..., 1], np.rint(values / 257))


TWELVE_BITS = np.array([[0, 1000, 2048, 4095]], np.uint16)


def with_sbit(png: bytes, *bits: int) -> bytes:
    """The PNG with a chunk sBIT before its pixels."""
    chunk = b"sBIT" + bytes(bits)
    at = png.index(b"IDAT") - 4
    return png[:at] + struct.pack(">I", len(bits)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[at:]


def test_12_bits_in_a_png_are_scaled_as_its_sbit_says() -> None:
    data = with_sbit(encoded(Image.fromarray(TWELVE_BITS), "PNG"), 12)
    np.testing.assert_array_equal(decode_image(data, "x")[..., 0], [[0, 62, 128, 255]])
    # The format asks for samples that are scaled to all bits: these are.
    data = with_sbit(encoded(Image.fromarray(TWELVE_BITS * 16), "PNG"), 12)
    np.testing.assert_array_equal(decode_image(data, "x")[..., 0], [[0, 62, 128, 255]])
    decoded = decode_reduced(data, "x", 2)
    assert decoded.pixels.shape == (1, 2, 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_12_bits_in_16_of_which_the_file_says_nothing_are_told(kind: str, caplog) -> None:
    decoded = decode_image(encoded(Image.fromarray(TWELVE_BITS), kind), "dark.x")
    np.testing.assert_array_equal(decoded[..., 0], [[0, 4, 8, 16]])
    assert not caplog.messages
    decode_image(encoded(Image.fromarray(TWELVE_BITS[:, :3]), kind), "dark.x")
    assert caplog.messages[0].startswith("dark.x: read as 16 bits, as it says, and so nearly black: if it has fewer")


@pytest.mark.parametrize("alpha", [False, True])
def test_12_bits_of_colours_are_refused_or_told(alpha: bool, caplog) -> None:
    colours = np.zeros((2, 4, 3 + alpha), np.uint16)
    colours[..., :3] = TWELVE_BITS[..., None] * 15 // 16
    if alpha:
        colours[..., 3] = 65535
    png = cv2.imencode(".png", colours)[1].tobytes()
    with pytest.raises(ImageError, match=r"^a\.png: colours of 12 bits in the lower bits of 16; scale them"):
        decode_image(with_sbit(png, *[12] * (3 + alpha)), "a.png")
    assert decode_image(png, "a.png").max() < 16 and "nearly black" in caplog.messages[0]
    scaled = cv2.imencode(".png", colours * 16)[1].tobytes()
    assert decode_image(with_sbit(scaled, *[12] * (3 + alpha)), "a.png").max() > 200 and len(caplog.messages) == 1


def tiff(values: np.ndarray, bits: int, **tags: int) -> bytes:
    """A TIFF of one strip: its bytes are those of the values."""
    height, width = values.shape
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: values.nbytes}
    entries |= {int(name[1:]): value for name, value in tags.items()}
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    start = 8 + values.nbytes
    return (
        struct.pack("<4sI", b"II*\0", start) + values.tobytes() + struct.pack("<H", len(entries)) + directory + bytes(4)
    )


def test_tiffs_are_scaled_by_the_depth_that_they_declare() -> None:
    grey = np.array([[0, 1000, 32767, 65535]], np.uint16)
    np.testing.assert_array_equal(decode_image(tiff(grey, 16), "x")[..., 0], [[0, 4, 127, 255]])
    # White is zero: the other way round.
    np.testing.assert_array_equal(decode_image(tiff(grey, 16, t262=0), "x")[..., 0], [[255, 251, 128, 0]])
    signed = np.array([[0, 1000, 16384, 32767]], np.int16)
    np.testing.assert_array_equal(decode_image(tiff(signed, 16, t339=2), "x")[..., 0], [[0, 8, 128, 255]])
    with pytest.raises(ImageError, match=r"values of -1 to 5, outside 0 to 32767; convert it to 8 or 16 bits"):
        decode_image(tiff(np.array([[-1, 5]], np.int16), 16, t339=2), "x")
    big_endian = b"MM\0*" + struct.pack(">I", 16) + grey.astype(">u2").tobytes()
    tags = {256: 4, 257: 1, 258: 16, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 8}
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags.items())
    big_endian += struct.pack(">H", len(tags)) + entries + bytes(4)
    np.testing.assert_array_equal(decode_image(big_endian, "x")[..., 0], [[0, 4, 127, 255]])
    # Two samples of 12 bits in three bytes: 0xabc and 0xfff.
    packed = np.array([[0xAB, 0xCF, 0xFF]], np.uint8)
    data = tiff(packed, 12, t256=2)
    np.testing.assert_array_equal(decode_image(data, "x")[..., 0], [[171, 255]])


@pytest.mark.parametrize("most", [255, 65535, 2**31 - 1])
def test_integers_of_32_bits_are_refused(most: int) -> None:
    data = encoded(Image.fromarray(np.array([[0, most]], np.int32)), "TIFF")
    with pytest.raises(
        ImageError, match=r"^x: integers of 32 bits, of which nothing tells the range; convert it to 8 or"
    ):
        decode_image(data, "x")


def test_floating_point_values_are_refused() -> None:
    data = encoded(Image.fromarray(np.full((2, 2), 0.5, np.float32)), "TIFF")
    with pytest.raises(
        ImageError, match=r"^x: floating-point values, of which nothing tells the range; convert it to 8"
    ):
        decode_image(data, "x")
    colours = cv2.imencode(".tiff", np.zeros((2, 2, 3), np.float32))[1].tobytes()
    with pytest.raises(ImageError, match=r"^x: a TIFF that is damaged, or of a kind that cannot be read; convert"):
        decode_image(colours, "x")
