from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from aifashion.data_gen.duplicates import close_pairs, duplicate_groups


def scene(garment: int, size: int = 256) -> np.ndarray:
    """A patterned figure on one shop background; `garment` chooses shape and pattern."""
    rng = np.random.default_rng(garment)
    image = np.full((size, size, 3), 235, np.uint8)
    cv2.rectangle(image, (0, int(size * 0.85)), (size, size), (200, 190, 180), -1)
    outline = np.array([[0.35, 0.15], [0.65, 0.15], [0.8, 0.45], [0.65, 0.9], [0.35, 0.9], [0.2, 0.45]])
    outline = ((outline + rng.uniform(-0.1, 0.1, outline.shape)) * size).astype(np.int32)
    pattern = cv2.resize(rng.integers(0, 255, (7, 7, 3), dtype=np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
    mask = cv2.fillPoly(np.zeros((size, size), np.uint8), [outline], 1)
    image[mask > 0] = pattern[mask > 0]
    return image


def test_only_copies_are_grouped(tmp_path: Path) -> None:
    image = Image.fromarray(scene(1))
    image.save(tmp_path / "a.png")
    (tmp_path / "same_bytes.png").write_bytes((tmp_path / "a.png").read_bytes())
    image.save(tmp_path / "good.jpg", quality=95)
    image.save(tmp_path / "poor.jpg", quality=40)
    image.resize((160, 160), Image.Resampling.LANCZOS).save(tmp_path / "small.jpg", quality=85)
    for i in range(2, 12):
        Image.fromarray(scene(i)).save(tmp_path / f"other{i}.jpg")
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "mirrored.png")
    for name in ("broken1.jpg", "broken2.jpg"):
        (tmp_path / name).write_bytes(b"not a photo")
    copies = ["a.png", "same_bytes.png", "good.jpg", "poor.jpg", "small.jpg"]
    others = [*(f"other{i}.jpg" for i in range(2, 12)), "mirrored.png", "broken1.jpg", "broken2.jpg", "missing.jpg"]
    labels = duplicate_groups([tmp_path / name for name in copies + others])
    assert len(set(labels[: len(copies)])) == 1
    assert len(set(labels)) == 1 + len(others)


def test_garments_that_differ_in_their_print_are_no_duplicates(tmp_path: Path) -> None:
    plain = np.full((200, 200, 3), 240, np.uint8)
    cv2.rectangle(plain, (60, 40), (140, 180), (40, 60, 120), -1)
    printed = plain.copy()
    cv2.circle(printed, (100, 90), 20, (250, 220, 40), -1)
    for name, image in (("plain.png", plain), ("printed.png", printed)):
        Image.fromarray(image).save(tmp_path / name)
    assert len(set(duplicate_groups([tmp_path / "plain.png", tmp_path / "printed.png"]))) == 2


def test_without_photos_there_are_no_groups() -> None:
    assert duplicate_groups([]).shape == (0,)


def test_close_pairs_agree_with_all_pairs() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 400, dtype=np.uint64)
    for i in range(200):  # flip 0..9 bits of another
        for bit in rng.choice(64, i % 10, replace=False):
            hashes[i] ^= np.uint64(1) << np.uint64(bit)
        hashes[i + 200] = hashes[i] ^ np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, i % 9, dtype=np.uint64))
    hashes[:3] = hashes[10]
    for distance in (0, 3, 5):
        differing = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
        expected = [(i, j) for i, j in np.argwhere(differing <= distance).tolist() if i < j]
        assert [tuple(pair) for pair in close_pairs(hashes, distance).tolist()] == sorted(expected)
        assert len(expected) > 20
