import re
import struct

import numpy as np
import pytest
from encoded_photos import encoded
from PIL import Image

from aifashion.data_gen.images import (
    ImageError,
    decode_image,
)


@pytest.fixture
def noise() -> Image.Image:
    small = np.random.default_rng(5).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((200, 150))


KINDS = ("PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "JPEG")
READ_ALL_THE_SAME = r"x: read, but perhaps damaged: "


def told(data: bytes, caplog) -> str:
    """What is said of a photo that is read all the same."""
    caplog.clear()
    decode_image(data, "x")
    (message,) = caplog.messages
    assert message.startswith(READ_ALL_THE_SAME)
    return message.removeprefix(READ_ALL_THE_SAME)


@pytest.mark.parametrize("kind", KINDS)
def test_every_cut_is_an_error_or_told(noise: Image.Image, kind: str, caplog):
    data = encoded(noise, kind)
    whole = decode_image(data, "x")
    assert not caplog.messages
    for missing in (*range(1, 22), 100, len(data) // 3):
        caplog.clear()
        try:
            np.testing.assert_array_equal(decode_image(data[:-missing], "x"), whole)
            assert caplog.messages[0].startswith(READ_ALL_THE_SAME)
        except ImageError:
            continue


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "JPEG2000"])  # whose decoder reads on
def test_bytes_behind_the_end_are_no_damage(noise: Image.Image, kind: str, caplog):
    data = encoded(noise, kind)
    for more in (b"\0" * 9, b"SEFHe\0\0\0 of a phone", data):
        np.testing.assert_array_equal(decode_image(data + more, "x"), decode_image(data, "x"))
    assert not caplog.messages


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0"}])
def test_sizes_in_a_webp_that_go_beyond_its_end(noise: Image.Image, options: dict):
    data = encoded(noise, "WEBP", **options)
    longer = data[:4] + struct.pack("<I", len(data) + 92) + data[8:]
    with pytest.raises(
        ImageError, match=rf"x: truncated: its header tells of {len(data) + 100:,} bytes, and there are "
    ):
        decode_image(longer, "x")
    size = int.from_bytes(data[16:20], "little")
    with pytest.raises(ImageError, match=r"x: damaged: its chunk '.*' goes beyond the end"):
        decode_image(data[:16] + struct.pack("<I", size + len(data)) + data[20:], "x")


@pytest.mark.parametrize("at", [2, 34])
def test_sizes_in_a_bmp_that_go_beyond_its_end(noise: Image.Image, at: int, caplog):
    data = encoded(noise, "BMP")
    longer = data[:at] + struct.pack("<I", len(data) + 7) + data[at + 4 :]
    assert re.fullmatch(r"its header tells of 90,\d+ bytes, and there are 90,054", told(longer, caplog))
    np.testing.assert_array_equal(decode_image(longer, "x"), np.asarray(noise))


@pytest.mark.parametrize("frames", [1, 3])
def test_a_gif_without_its_end(noise: Image.Image, frames: int, caplog):
    data = encoded(noise, "GIF", save_all=True, append_images=[noise.rotate(n) for n in range(1, frames)])
    assert data.endswith(b";")
    decode_image(data, "x")
    assert not caplog.messages
    assert (
        told(data[:-1], caplog) == told(data[:-2], caplog) == "it has no end: it is cut short after the first picture"
    )
    if frames > 1:
        assert "it has no end" in told(data[:-500], caplog)
    assert "a block of the kind 0x07" in told(data[:-1] + b"\x07", caplog)


def test_boxes_that_go_beyond_the_end(noise: Image.Image, caplog):
    data = encoded(noise, "AVIF")
    box = b"\0\0\0\x20free"
    assert told(data + box, caplog) == "its box 'free' goes 24 bytes beyond the end"
    assert told(data + b"\0\0\0\x05free", caplog) == "its box 'free' tells of 5 bytes"
    assert (
        told(data + b"\0\0\0\x01free" + struct.pack(">Q", 17), caplog) == "its box 'free' goes 1 bytes beyond the end"
    )
    caplog.clear()
    decode_image(data + b"\0\0\0\0free" + bytes(40), "x")
    assert not caplog.messages


def test_strips_of_a_tiff_that_do_not_fit_their_checksum(noise: Image.Image):
    data = encoded(noise, "TIFF", compression="tiff_adobe_deflate")
    np.testing.assert_array_equal(decode_image(data, "x"), np.asarray(noise))
    for at in range(1000, len(data) - 1000, len(data) // 7):
        damaged = data[:at] + bytes(50) + data[at + 50 :]
        with pytest.raises(ImageError, match=r"^x: damaged: strip \d+ of its pixels: |^x: decoder error"):
            decode_image(damaged, "x")
