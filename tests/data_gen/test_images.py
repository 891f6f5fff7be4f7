import contextlib
import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from aifashion.data_gen.images import ImageError, decode_image, image_size, read_image, read_reduced, resolve_image
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


def test_floating_point_grey_is_refused() -> None:
    data = encoded(Image.fromarray(np.zeros((2, 2), np.float32)), "TIFF")
    with pytest.raises(ImageError, match="mode 'F'"):
        decode_image(data, "x")


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


@pytest.mark.parametrize(
    ("side", "expected"), [(None, (101, 60)), (101, (101, 60)), (51, (101, 60)), (50, (51, 30)), (12, (13, 8))]
)
def test_a_jpeg_is_decoded_no_larger_than_is_needed(tmp_path, side, expected):
    x, y = np.meshgrid(np.arange(101), np.arange(60))
    photo = np.stack([x * 2, y * 4, x + y], axis=-1).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / "a.jpg", quality=95)
    pixels, size = read_reduced(tmp_path / "a.jpg", side)
    assert size == (101, 60) and pixels.shape == (expected[1], expected[0], 3)
    by = -(-101 // expected[0])
    h, w = 60 // by, 101 // by
    blocks = photo[: h * by, : w * by].reshape(h, by, w, by, 3).mean(axis=(1, 3))
    assert np.abs(pixels[:h, :w] - blocks).mean() < 3


def test_a_reduced_photo_has_its_orientation_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 40), (200, 30, 30)).save(tmp_path / "a.jpg", exif=exif)
    pixels, size = read_reduced(tmp_path / "a.jpg", 40)
    assert size == (40, 80) and pixels.shape == (40, 20, 3)


def test_other_formats_are_decoded_at_full_size(tmp_path):
    Image.new("RGB", (80, 40)).save(tmp_path / "a.png")
    assert read_reduced(tmp_path / "a.png", 10)[0].shape == (40, 80, 3)
