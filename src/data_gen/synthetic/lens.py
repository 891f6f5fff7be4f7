"""What a camera does to a drawn picture: it bends lines slightly, and it is exposed, blurred, noisy and compressed."""

import cv2
import numpy as np


def random_bend(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(2, H, W) float32 px: a smooth random displacement, by which each pixel samples the drawn picture.

    It bends straight lines slightly, because seams in real photos are not exactly straight.
    """
    cells = int(rng.integers(3, 8))
    amount = max(height, width) * rng.uniform(0, 0.05) / cells * (rng.random() < 0.8)
    small = rng.normal(0, amount, (2, cells, cells)).astype(np.float32)
    return np.stack([cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC) for field in small])


def grid(bend: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sampling positions (x, y), each (H, W), of a bend for cv2.remap."""
    height, width = bend.shape[1:]
    x = bend[0] + np.arange(width, dtype=np.float32)[None, :]
    return x, bend[1] + np.arange(height, dtype=np.float32)[:, None]


def bent(points: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Points (N, 2) of the straight picture -> in the bent picture: q + bend(q) = point, by fixed-point iteration."""
    moved = points
    for _ in range(6):
        x, y = np.split(moved.astype(np.float32), 2, axis=1)
        shift = [cv2.remap(f, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0] for f in bend]
        moved = points - np.stack(shift, -1)
    return moved


def develop(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Exposure, colour cast, blur, noise, tone curve and compression, as of cameras and shops. float -> uint8."""
    height, width = image.shape[:2]
    image = image * (rng.uniform(0.88, 1.08) * (1 + rng.normal(0, 0.025, 3).astype(np.float32)))
    if rng.random() < 0.25:
        small = rng.uniform(0.75, 1.15, (3, 3)).astype(np.float32)
        image = image * cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.2)) * max(height, width) / 256)
    if rng.random() < 0.6:
        grain = rng.standard_normal((height, width, 1), np.float32)
        image = image + grain * rng.uniform(0.002, 0.02)
    pixels = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        tones = (np.arange(256) / 255) ** rng.uniform(0.75, 1.35) * 255
        pixels = cv2.LUT(pixels, np.round(tones).astype(np.uint8))
    if rng.random() < 0.4:
        _, packed = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 85))])
        pixels = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return np.asarray(pixels)
