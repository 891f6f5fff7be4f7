import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen import heic
from aifashion.data_gen.images import (
    ImageError,
    decode_image,
    image_size,
    read_image,
)


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
