import contextlib
import io
import re

import numpy as np
import pytest
from encoded_photos import encoded
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aifashion.data_gen.images import (
    ImageError,
    decode_image,
    decode_reduced,
)


def end_of_scan(jpeg: bytes) -> int:
    return jpeg.rindex(b"\xff\xd9")


@pytest.fixture
def jpeg() -> bytes:
    rng = np.random.default_rng(5)
    small = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    return encoded(small.resize((400, 300)), "JPEG", quality=90)


@pytest.mark.parametrize("side", [None, 100])
@pytest.mark.parametrize("progressive", [False, True])
def test_half_a_jpeg_with_an_end_marker_is_an_error(jpeg: bytes, progressive: bool, side: int | None):
    data = encoded(Image.open(io.BytesIO(jpeg)), "JPEG", progressive=progressive)
    for share in (0.3, 0.5, 0.95):
        with pytest.raises(ImageError, match=r"^half\.jpg: truncated or damaged: "):
            decode_reduced(data[: int(len(data) * share)] + b"\xff\xd9", "half.jpg", side)


def test_a_jpeg_with_a_zeroed_block_is_an_error(jpeg: bytes):
    for options in ({}, {"restart_marker_rows": 2}, {"progressive": True}):
        data = bytearray(encoded(Image.open(io.BytesIO(jpeg)), "JPEG", **options))
        at = len(data) // 2
        data[at : at + 2000] = bytes(2000)
        with pytest.raises(ImageError, match="damaged"):
            decode_image(bytes(data), "x")


def test_a_damaged_cmyk_jpeg_is_an_error(jpeg: bytes):
    data = encoded(Image.open(io.BytesIO(jpeg)).convert("CMYK"), "JPEG", quality=95)
    assert decode_image(data, "x").shape == (300, 400, 3)
    with pytest.raises(ImageError, match="damaged"):
        decode_image(data[: len(data) // 2] + b"\xff\xd9", "x")


def padded_before_end(jpeg: bytes) -> bytes:
    return jpeg[: end_of_scan(jpeg)] + bytes(5) + jpeg[end_of_scan(jpeg) :]


def padded_before_restart(jpeg: bytes) -> bytes:
    data = encoded(Image.open(io.BytesIO(jpeg)), "JPEG", quality=90, restart_marker_rows=4)
    at = data.index(b"\xff\xd3")
    return data[:at] + bytes(7) + data[at:]


@pytest.mark.parametrize("padded", [padded_before_end, padded_before_restart])
def test_a_few_bytes_too_many_are_read_as_pillow_does_and_said(jpeg: bytes, padded, caplog):
    data = padded(jpeg)
    np.testing.assert_array_equal(decode_image(data, "a.jpg"), np.asarray(Image.open(io.BytesIO(data))))
    assert re.fullmatch(
        r"a\.jpg: read, but perhaps damaged: .* \d extraneous bytes before marker 0xd\d", caplog.messages[0]
    )


def with_jfif_2(jpeg: bytes) -> bytes:
    at = jpeg.index(b"JFIF\0") + 5
    return jpeg[:at] + b"\2" + jpeg[at + 1 :]


def with_odd_adobe(jpeg: bytes) -> bytes:
    adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x05"
    return jpeg[:2] + adobe + jpeg[2:].replace(jpeg[2:20], b"", 1)


def with_odd_scan(jpeg: bytes) -> bytes:
    at = jpeg.index(b"\xff\xda")
    end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return jpeg[: end - 3] + b"\0\0\0" + jpeg[end:]


def with_bad_profile(jpeg: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xe2\0\x12ICC_PROFILE\0\x05\x02xx" + jpeg[2:]


def with_trailing_bytes(jpeg: bytes) -> bytes:
    return jpeg + b"\0video\xff\xda\xff\xd8" * 100


ODD = [with_jfif_2, with_odd_adobe, with_odd_scan, with_bad_profile, with_trailing_bytes]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_does_not_concern_the_pixels_is_no_damage(jpeg: bytes, odd, caplog):
    np.testing.assert_array_equal(decode_image(odd(jpeg), "a.jpg"), decode_image(jpeg, "a.jpg"))
    assert not caplog.messages


@pytest.mark.parametrize("odd", ODD[:-1])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_odd_headers_do_not_hide_damage(jpeg: bytes, odd):
    data = odd(jpeg)
    with pytest.raises(ImageError, match="damaged"):
        decode_image(data[: len(data) // 2] + b"\xff\xd9", "x")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 7), st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "JPEG2000"]))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_flipped_bit_raises_only_image_errors(at: int, bit: int, kind: str):
    y, x = np.mgrid[:40, :60]
    data = bytearray(encoded(Image.fromarray((x * y % 256).astype(np.uint8)).convert("RGB"), kind))
    data[at % len(data)] ^= 1 << bit
    with contextlib.suppress(ImageError):
        assert decode_image(bytes(data), "x", max_pixels=1_000_000).dtype == np.uint8
