import contextlib
import io
import os
import re
import struct
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin

from aifashion.data_gen import heic, images
from aifashion.data_gen.images import (
    ImageError,
    decode_image,
    decode_reduced,
    image_size,
    read_bytes,
    read_image,
    read_reduced,
    resolve_image,
)
from aifashion.data_gen.memory import Budget
from links import link


@pytest.fixture
def photo() -> np.ndarray:
    """(40, 60, 3): smooth, so that JPEG keeps it, and without symmetry."""
    y, x = np.mgrid[:40, :60]
    return np.stack([x * 4, y * 6, 255 - x - y * 3], axis=-1).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_are_decoded_exactly(photo: np.ndarray, kind: str) -> None:
    decoded = decode_image(encoded(Image.fromarray(photo), kind), "x")
    assert decoded.dtype == np.uint8 and decoded.flags.writeable and decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, photo)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_agrees_with_pillow(photo: np.ndarray, mode: str, progressive: bool) -> None:
    data = encoded(Image.fromarray(photo).convert(mode), "JPEG", quality=90, progressive=progressive)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(decode_image(data, "x") - expected).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_exif_orientation(photo: np.ndarray, kind: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo"
    path.write_bytes(encoded(Image.fromarray(photo), kind, exif=exif))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    decoded = read_image(path)
    assert decoded.shape == ((60, 40, 3) if orientation >= 5 else (40, 60, 3))
    assert np.abs(decoded.astype(int) - upright).max() <= 1
    assert image_size(path) == decoded.shape[1::-1]


def test_orientation_6_turns_the_top_left_corner_to_the_top_right() -> None:
    stored = np.zeros((2, 3, 3), np.uint8)
    stored[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode_image(encoded(Image.fromarray(stored), "PNG", exif=exif), "x")
    expected = np.zeros((3, 2, 3), np.uint8)
    expected[0, 1] = 255
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_or_invalid_exif_leaves_the_photo_as_stored(photo: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    for block in (exif, b"Exif\0\0MM\0*\xff\xff\xff\xff"):
        assert decode_image(encoded(Image.fromarray(photo), "JPEG", exif=block), "x").shape == photo.shape


def test_transparency_becomes_white() -> None:
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 51]]], np.uint8)
    decoded = decode_image(encoded(Image.fromarray(rgba), "PNG"), "x")
    np.testing.assert_array_equal(decoded, [[[10, 20, 30], [255, 255, 255], [204, 204, 204]]])

    grey_alpha = np.array([[[100, 255], [100, 0]]], np.uint8)
    decoded = decode_image(encoded(Image.fromarray(grey_alpha, "LA"), "PNG"), "x")
    np.testing.assert_array_equal(decoded, [[[100] * 3, [255] * 3]])


def test_every_transparency_is_rounded_to_the_nearest() -> None:
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    rgba = np.stack([colour, colour, colour, alpha], axis=-1).astype(np.uint8)
    expected = np.rint((colour * alpha + 255 * (255 - alpha)) / 255)
    np.testing.assert_array_equal(decode_image(encoded(Image.fromarray(rgba), "PNG"), "x")[..., 0], expected)


def test_palettes_with_and_without_transparency() -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    np.testing.assert_array_equal(decode_image(encoded(image, "PNG"), "x"), [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]])
    np.testing.assert_array_equal(
        decode_image(encoded(image, "PNG", transparency=1), "x"), [[[255, 0, 0], [255, 255, 255], [0, 0, 255]]]
    )


def test_one_bit_and_grey() -> None:
    bits = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    np.testing.assert_array_equal(decode_image(encoded(bits, "PNG"), "x"), [[[0] * 3, [255] * 3]])
    grey = Image.fromarray(np.array([[7, 200]], np.uint8))
    np.testing.assert_array_equal(decode_image(encoded(grey, "PNG"), "x"), [[[7] * 3, [200] * 3]])


def test_cmyk_jpeg_with_adobe_marker() -> None:
    # Pillow writes the Adobe marker and inverted inks, as Photoshop does: no ink is white, all black ink is black.
    for ink, colour in (((0, 0, 0, 0), 255), ((0, 0, 0, 255), 0)):
        data = encoded(Image.new("CMYK", (16, 16), ink), "JPEG", quality=95)
        assert b"Adobe" in data
        assert np.abs(decode_image(data, "x").astype(int) - colour).max() <= 2
    red = decode_image(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95), "x")
    assert red[8, 8, 0] > 250 and red[8, 8, 1:].max() < 5


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


def with_sbit(png: bytes, *bits: int) -> bytes:
    """The PNG with a chunk sBIT before its pixels."""
    chunk = b"sBIT" + bytes(bits)
    at = png.index(b"IDAT") - 4
    return png[:at] + struct.pack(">I", len(bits)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[at:]


TWELVE_BITS = np.array([[0, 1000, 2048, 4095]], np.uint16)


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


def test_the_first_frame_of_an_animation() -> None:
    red, blue = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))
    data = encoded(red, "GIF", save_all=True, append_images=[blue])
    np.testing.assert_array_equal(decode_image(data, "x")[0, 0], [255, 0, 0])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_truncated_files_are_errors(kind: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(ImageError, match=r"^photo\.x: "):
        decode_image(data[: int(len(data) * kept)], "photo.x")


def test_a_jpeg_without_its_last_bytes_is_an_error(photo: np.ndarray) -> None:
    data = encoded(Image.fromarray(photo), "JPEG")
    with pytest.raises(ImageError, match="truncated"):
        decode_image(data[:-2], "x")
    assert decode_image(data + b"trailing bytes \xff\xda", "x").shape == photo.shape


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_damaged_bytes_raise_only_image_errors(kind: str, photo: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    data = encoded(Image.fromarray(photo), kind)
    for _ in range(60):
        damaged = bytearray(data)
        for at in rng.integers(0, min(len(data), 300), rng.integers(1, 12)):
            damaged[at] = rng.integers(256)
        with contextlib.suppress(ImageError):
            assert decode_image(bytes(damaged), "x", max_pixels=1_000_000).dtype == np.uint8


def _png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checked = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + checked + struct.pack(">I", 999) + b"IDAT"


@pytest.mark.parametrize("size", [(9000, 9000), (60_000, 60_000)])
def test_the_size_is_checked_from_the_header(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=r"x: .*(limit|exceeds)"):
        decode_image(_png_header(*size) + bytes(16), "x")


def test_the_pixel_limit(photo: np.ndarray) -> None:
    data = encoded(Image.fromarray(photo), "PNG")
    assert decode_image(data, "x", max_pixels=2400).shape == photo.shape
    with pytest.raises(ImageError, match="60 x 40 pixels are more than the limit of 2,399"):
        decode_image(data, "x", max_pixels=2399)


def test_files_that_are_no_images(tmp_path: Path) -> None:
    for content, reason in ((b"", "the file is empty"), (b"image_id,image_category\n", "not a readable image")):
        path = tmp_path / "x.jpg"
        path.write_bytes(content)
        for read in (read_image, image_size):
            with pytest.raises(ImageError, match=rf"x\.jpg: {reason}"):
                read(path)
    for path in (tmp_path / "missing.jpg", tmp_path):
        for read in (read_image, image_size):
            with pytest.raises(ImageError, match=path.name):
                read(path)


def test_ids_resolve_below_the_root(tmp_path: Path) -> None:
    assert resolve_image(tmp_path, "Images/blouse/x.jpg") == tmp_path / "Images" / "blouse" / "x.jpg"
    assert resolve_image(tmp_path, "Images/a..b.jpg") == tmp_path / "Images" / "a..b.jpg"


@pytest.mark.parametrize(
    "image_id",
    [
        "/x.jpg",
        "C:/x.jpg",
        "C:x.jpg",
        "//host/x.jpg",
        "..\\x.jpg",
        "a\\x.jpg",
        "a/../../x.jpg",
        "..",
        "",
        " ",
        "a\0",
        "a\n",
    ],
)
def test_ids_that_leave_the_root_are_refused(tmp_path: Path, image_id: str) -> None:
    with pytest.raises(ValueError, match="image id") as caught:
        resolve_image(tmp_path, image_id)
    assert repr(image_id) in str(caught.value)


def test_links_out_of_the_root_are_followed_and_told_once(tmp_path: Path, caplog) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "Images").mkdir(parents=True)
    outside.mkdir()
    (outside / "x.jpg").touch()
    (root / "Images" / "inside.jpg").touch()
    link(root / "Images" / "link", outside)
    link(root / "Images" / "x.jpg", outside / "x.jpg")
    link(root / "Images" / "y.jpg", root / "Images" / "inside.jpg")
    link(root / "Images" / "circle.jpg", root / "Images" / "circle.jpg")
    caplog.set_level("INFO")
    resolve_image(root, "Images/y.jpg")
    assert not caplog.messages
    for image_id in ("Images/link/x.jpg", "Images/x.jpg", "Images/nowhere.jpg"):
        assert resolve_image(root, image_id) == root / image_id
    (told,) = caplog.messages
    assert told.startswith(f"{root}: links lead out of it and are followed, such as {root / 'Images/link/x.jpg'} -> ")
    for image_id in ("Images/circle.jpg", "Images/link/../../outside/x.jpg"):
        with pytest.raises(ValueError, match=r"a loop of links|'..' leads out"):
            resolve_image(root, image_id)


@pytest.mark.parametrize("kind", ["jpg", "png"])
@pytest.mark.parametrize(
    ("side", "expected"), [(None, (101, 60)), (101, (101, 60)), (51, (101, 60)), (50, (51, 30)), (12, (13, 8))]
)
def test_a_photo_is_decoded_no_larger_than_is_needed(tmp_path, side, expected, kind):
    x, y = np.meshgrid(np.arange(101), np.arange(60))
    photo = np.stack([x * 2, y * 4, x + y], axis=-1).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / f"a.{kind}", quality=95)
    pixels, size, frame = read_reduced(tmp_path / f"a.{kind}", side)
    assert size == (101, 60) and pixels.shape == (expected[1], expected[0], 3)
    by = -(-101 // expected[0])
    assert frame.scale == by
    h, w = 60 // by, 101 // by
    blocks = photo[: h * by, : w * by].reshape(h, by, w, by, 3).mean(axis=(1, 3))
    assert np.abs(pixels[:h, :w] - blocks).mean() < (3 if kind == "jpg" else 0.51)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "size", [(8 * 30 + n, 8 * 26 + m) for n, m in zip(range(8), (1, 7, 3, 0, 5, 2, 6, 4), strict=True)]
)
@pytest.mark.parametrize("axis", [0, 1])
def test_the_frame_of_a_reduced_photo_leads_to_the_same_pixels(size, orientation, kind, axis):
    ramp = np.mgrid[: size[1], : size[0]][axis].astype(np.uint8)  # in grey, which JPEG rounds less
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(ramp), kind, exif=exif, quality=100)
    whole = decode_image(data, "x")[..., 0].astype(float)
    for side in (100, 50, 25):  # by 2, 4 and 8
        photo = decode_reduced(data, "x", side)
        assert photo.size == (whole.shape[1], whole.shape[0])
        rows, columns = photo.pixels.shape[:2]
        # Away from the rim, where blocks can be incomplete; the ramps are linear, so a block has its centre's value.
        at = np.array([(columns // 2, rows // 2), (2, 3), (columns - 4, rows - 3)])
        for (column, row), (x, y) in zip(at, photo.frame.forward(at), strict=True):
            around = whole[int(y) : int(y) + 2, int(x) : int(x) + 2].mean()  # a centre lies between pixels
            # A pixel of the photo is 1; the quotient of the sides would be wrong by up to 7 of them.
            np.testing.assert_allclose(photo.pixels[row, column, 0], around, rtol=0, atol=0.8)


def test_a_reduced_photo_has_its_orientation_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 40), (200, 30, 30)).save(tmp_path / "a.jpg", exif=exif)
    photo = read_reduced(tmp_path / "a.jpg", 40)
    assert photo.size == (40, 80) and photo.pixels.shape == (40, 20, 3)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA", "L", "I;16"])
@pytest.mark.parametrize("side", [None, 10])
def test_decoding_in_strips_changes_nothing(mode, side, monkeypatch):
    rng = np.random.default_rng(3)
    if mode == "I;16":
        image = Image.fromarray(rng.integers(0, 65536, (61, 47), dtype=np.uint16))
    else:
        image = Image.fromarray(rng.integers(0, 256, (61, 47, 4), dtype=np.uint8)).convert(mode)
    options = {"transparency": 5} if mode == "P" else {}
    data = encoded(image, "PNG", **options)
    expected = decode_reduced(data, "x", side).pixels
    monkeypatch.setattr(images, "_STRIP", 1)
    np.testing.assert_array_equal(decode_reduced(data, "x", side).pixels, expected)


@pytest.mark.parametrize("options", [{"quality": 80}, {"lossless": True}, {"quality": 60, "exif": b"Exif\0\0"}])
def test_webp_agrees_with_pillow(photo: np.ndarray, options):
    data = encoded(Image.fromarray(photo), "WEBP", **options)
    np.testing.assert_array_equal(decode_image(data, "x"), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert decode_reduced(data, "x", 10).pixels.shape == (10, 15, 3)


# ------------------------------------------------------------------------------------------------------- damaged photos


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


# ----------------------------------------------------------------------- formats without checksums: sizes and ends


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


# ------------------------------------------------------------------------------------------------------------- metadata


def test_pngs_with_large_metadata_are_read(photo: np.ndarray, tmp_path: Path):
    text, xmp = PngImagePlugin.PngInfo(), PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * 3_000_000, zip=True)
    xmp.add_itxt("XML:com.adobe.xmp", "y" * 3_000_000, zip=True)
    for options in ({"pnginfo": text}, {"pnginfo": xmp}, {"icc_profile": bytes(2_500_000)}):
        path = tmp_path / "a.png"
        path.write_bytes(encoded(Image.fromarray(photo), "PNG", **options))
        np.testing.assert_array_equal(read_image(path), photo)
        assert image_size(path) == (60, 40)


def test_a_png_whose_pixels_do_not_fit_their_checksum_is_an_error(photo: np.ndarray):
    data = bytearray(encoded(Image.fromarray(photo), "PNG"))
    data[data.index(b"IDAT") + 30] ^= 1
    with pytest.raises(ImageError, match=r"a\.png: damaged: the checksum of a chunk 'IDAT'"):
        decode_image(bytes(data), "a.png")


# --------------------------------------------------------------------------------------------------- kinds of photos


def test_jpeg_2000(photo: np.ndarray):
    data = encoded(Image.fromarray(photo), "JPEG2000")
    np.testing.assert_array_equal(decode_image(data, "x"), photo)
    with pytest.raises(ImageError):
        decode_image(data[: len(data) // 2], "x")


@pytest.mark.parametrize("orientation", [1, 6])
def test_heic(photo: np.ndarray, orientation: int, tmp_path: Path):
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.heic"
    pillow_heif.from_pillow(Image.fromarray(photo)).save(path, quality=100, chroma=444, exif=exif.tobytes())
    turned = photo if orientation == 1 else np.rot90(photo, -1)
    decoded = read_image(path)
    assert decoded.shape == turned.shape and np.abs(decoded.astype(int) - turned).max() <= 6
    assert image_size(path) == (turned.shape[1], turned.shape[0])
    with pytest.raises(ImageError, match=r"a\.heic"):
        decode_image(path.read_bytes()[:-200], "a.heic")


def test_heic_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r"^a\.heic: a HEIC photo; to read it: pip install 'aifashion\[heic\]'"):
        decode_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40), "a.heic")


def test_heic_is_told_from_avif_of_the_same_family():
    assert heic.is_heic(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic")
    assert not heic.is_heic(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif")
    assert not heic.is_heic(b"\0\0\0\x18ftypisom\0\0\0\0mp41heic") and not heic.is_heic(b"")


# ------------------------------------------------------------------------------------------------------------- limits


def test_a_file_of_too_many_bytes_is_not_read(photo: np.ndarray, tmp_path: Path):
    path = tmp_path / "long.jpg"
    path.write_bytes(encoded(Image.fromarray(photo), "JPEG"))
    with path.open("r+b") as file:
        file.truncate(images.MAX_BYTES)  # a hole of zeros, which takes no space
    assert read_image(path).shape == photo.shape
    with path.open("r+b") as file:
        file.truncate(images.MAX_BYTES + 1)
    with pytest.raises(ImageError, match=r"long\.jpg: a file of 268,435,457 bytes; the limit is 268,435,456"):
        read_image(path)
    with pytest.raises(ImageError, match="the limit is"):
        read_bytes(path)


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "a.jpg")
    for path in (tmp_path / "a.jpg", Path("/dev/zero")):
        for read in (read_image, image_size, read_bytes):
            with pytest.raises(ImageError, match="a device, pipe or socket; expected the file of a photo"):
                read(path)


def test_a_path_that_no_file_can_have():
    with pytest.raises(ImageError, match="null"):
        read_image(Path("a\0.jpg"))


def test_large_photos_are_decoded_one_after_the_other(monkeypatch):
    held, most = [0], [0]
    budget = images.Budget(1000)

    @contextlib.contextmanager
    def spied(count: int):
        with Budget.reserved(budget, count):
            held[0] += count
            most[0] = max(most[0], held[0])
            time.sleep(0.005)
            yield
            held[0] -= count

    monkeypatch.setattr(budget, "reserved", spied)
    monkeypatch.setattr(images, "_DECODING", budget)
    monkeypatch.setattr(images, "_SMALL", 10)
    data = encoded(Image.new("RGB", (12, 10)), "PNG")  # 120 pixels of 7 bytes
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: decode_image(data, "x"), range(12)))
    assert most[0] == 840
