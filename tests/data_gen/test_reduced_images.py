"""Photos that are reduced while they are decoded."""

from pathlib import Path

import numpy as np
import pytest
from encoded_photos import encoded
from PIL import Image

from aifashion.data_gen import images
from aifashion.data_gen.images import (
    decode_image,
    decode_reduced,
    read_reduced,
)


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


@pytest.mark.parametrize(("orientation", "upright"), [(1, (400, 100)), (6, (100, 400))])
def test_the_side_that_is_needed_can_depend_on_the_upright_size(tmp_path: Path, orientation: int, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (400, 100)).save(tmp_path / "a.jpg", exif=exif)
    asked = []

    def side(size: tuple[int, int]) -> int:
        asked.append(size)
        return size[0] // 2

    photo = read_reduced(tmp_path / "a.jpg", side)
    by = 2 if orientation == 1 else 8
    assert asked == [upright] and photo.size == upright and photo.frame.scale == by
    assert read_reduced(tmp_path / "a.jpg", lambda size: None).frame.scale == 1
