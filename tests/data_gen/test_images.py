import contextlib
import io
import os
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from encoded_photos import encoded
from PIL import Image, ImageOps, PngImagePlugin

from aifashion.data_gen import images
from aifashion.data_gen.images import (
    ImageError,
    decode_image,
    decode_reduced,
    image_size,
    read_bytes,
    read_image,
)
from aifashion.data_gen.memory import Budget


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


@pytest.mark.parametrize("options", [{"quality": 80}, {"lossless": True}, {"quality": 60, "exif": b"Exif\0\0"}])
def test_webp_agrees_with_pillow(photo: np.ndarray, options):
    data = encoded(Image.fromarray(photo), "WEBP", **options)
    np.testing.assert_array_equal(decode_image(data, "x"), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert decode_reduced(data, "x", 10).pixels.shape == (10, 15, 3)


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


def test_jpeg_2000(photo: np.ndarray):
    data = encoded(Image.fromarray(photo), "JPEG2000")
    np.testing.assert_array_equal(decode_image(data, "x"), photo)
    with pytest.raises(ImageError):
        decode_image(data[: len(data) // 2], "x")


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
