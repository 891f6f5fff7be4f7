"""Backgrounds: studio paper, rooms, streets, floors and beds."""

import cv2
import numpy as np

from .cloth import colour, random_cloth, weave


def _smooth(rng: np.random.Generator, height: int, width: int, cells: int) -> np.ndarray:
    """(H, W, 1) smooth noise in about -1..1. cells: per side."""
    small = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]


def _studio(rng: np.random.Generator, height: int, width: int, base: np.ndarray) -> np.ndarray:
    image = np.empty((height, width, 3), np.float32)
    image[:] = base
    image *= 1 + rng.uniform(0, 0.06) * _smooth(rng, height, width, 3)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    image *= 1 - rng.uniform(0, 0.12) * (x * x + y * y) + rng.uniform(-0.06, 0.06) * y
    if rng.random() < 0.3:  # the floor
        level = rng.uniform(0.55, 0.95)
        soft = np.clip(((y + 1) / 2 - level) * rng.choice([8, 60, 200]), 0, 1)
        image *= 1 - soft * rng.uniform(-0.08, 0.2)
    return image


def _clutter(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A street or a room with many objects, often out of focus."""
    h, w = height // 2, width // 2
    image = _studio(rng, h, w, colour(rng) * 0.7 + 0.2)
    vanish = rng.uniform(0.3, 0.7, 2) * (w, h)
    for _ in range(int(rng.integers(6, 28))):
        ink = np.clip(colour(rng) * rng.uniform(0.5, 1.1) + rng.uniform(0, 0.2), 0, 1).tolist()
        x, y = rng.uniform(-0.1, 1.0, 2) * (w, h)
        rw, rh = rng.uniform(0.03, 0.45) * w, rng.uniform(0.05, 0.7) * h
        kind = rng.random()
        if kind < 0.6:
            quad = np.array([[x, y], [x + rw, y], [x + rw, y + rh], [x, y + rh]])
            quad += (vanish - quad) * rng.uniform(0, 0.15, (4, 1)) * (rng.random() < 0.5)
            cv2.fillPoly(image, [quad.astype(np.int32)], ink, cv2.LINE_AA)
        elif kind < 0.8:
            axes = (int(rw / 2) + 1, int(rh / 3) + 1)
            cv2.ellipse(image, (int(x), int(y)), axes, rng.uniform(0, 180), 0, 360, ink, -1, cv2.LINE_AA)
        else:
            end = rng.uniform(0, 1, 2) * (w, h)
            cv2.line(image, (int(x), int(y)), (int(end[0]), int(end[1])), ink, int(rng.integers(1, 6)), cv2.LINE_AA)
    if rng.random() < 0.5:  # leaves, gravel, shelves of goods
        image *= 1 + rng.uniform(0.1, 0.4) * _smooth(rng, h, w, int(rng.integers(12, 40)))
    blur = rng.choice([0, 1.0, 2.5, 5.0])
    if blur:
        image = cv2.GaussianBlur(image, (0, 0), float(blur))
    return cv2.resize(np.clip(image, 0, 1), (width, height), interpolation=cv2.INTER_LINEAR)


def _boards(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    base = np.array([0.72, 0.6, 0.47]) * rng.uniform(0.4, 1.3) * rng.uniform(0.95, 1.05, 3)
    if rng.random() < 0.35:
        base = np.full(3, rng.uniform(0.5, 0.95))
    grain = rng.normal(0, 1, (6, height // 2)).astype(np.float32)
    grain = cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)
    image = base * (1 + 0.06 * grain[..., None])
    count = int(rng.integers(3, 11))
    for k in range(count):
        a, b = k * width // count, (k + 1) * width // count
        image[:, a:b] *= rng.uniform(0.88, 1.1)
        image[:, a : a + 1] *= 0.6
    if rng.random() < 0.5:
        image = np.ascontiguousarray(cv2.resize(np.swapaxes(image, 0, 1), (width, height)))
    return image.astype(np.float32)


def _fabric(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A bedspread, a rug, wallpaper, tiles."""
    x = np.arange(width, dtype=np.float32)[None, :] + np.zeros((height, 1), np.float32)
    y = np.arange(height, dtype=np.float32)[:, None] + np.zeros((1, width), np.float32)
    bend = _smooth(rng, height, width, 5)[..., 0] * width * 0.03 * rng.random()
    image, _ = weave(random_cloth(rng, "blouse"), (x + bend) / 40, y / 40, 1.0, 40.0)
    image = image * rng.uniform(0.5, 1.0) + rng.uniform(0.0, 0.4)
    return image * (1 + rng.uniform(0, 0.25) * _smooth(rng, height, width, 6))


def backdrop(rng: np.random.Generator, height: int, width: int, worn: bool) -> np.ndarray:
    """A random background, (H, W, 3) float32 RGB in 0..1. worn: whether the garment is on a figure."""
    kind = rng.random()
    if kind < (0.3 if worn else 0.5):
        white = np.full((height, width, 3), rng.choice([1.0, 1.0, 0.985, 0.96]), np.float32)
        return white
    if kind < (0.62 if worn else 0.68):
        grey = rng.uniform(0.55, 0.97) + rng.normal(0, 0.012, 3)
        return np.clip(_studio(rng, height, width, np.clip(grey, 0, 1)), 0, 1)
    if kind < (0.7 if worn else 0.76):
        return np.clip(_studio(rng, height, width, colour(rng)), 0, 1)
    if kind < (0.93 if worn else 0.82):
        return _clutter(rng, height, width)
    if kind < (0.96 if worn else 0.92):
        return np.clip(_boards(rng, height, width), 0, 1)
    return np.clip(_fabric(rng, height, width), 0, 1).astype(np.float32)


def street(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Houses, or whatever is behind, over a pavement; (H, W, 3) float32 RGB in 0..1."""
    image = _clutter(rng, height, width)
    if rng.random() < 0.5:
        _windows(rng, image)
    level = int(height * rng.uniform(0.45, 0.85))
    grey = np.clip(rng.uniform(0.25, 0.8) + rng.normal(0, 0.03, 3), 0, 1)
    ground = _studio(rng, height - level, width, grey)
    ground *= 1 + rng.uniform(0.02, 0.15) * _smooth(rng, height - level, width, int(rng.integers(8, 60)))
    if rng.random() < 0.5:  # slabs, in perspective
        middle, thick = width * rng.uniform(0.2, 0.8), max(1, height // 300)
        for x in np.linspace(-2, 3, int(rng.integers(8, 24))) * width:
            top = (int(middle + (x - middle) * 0.3), 0)
            cv2.line(ground, top, (int(x), height - level), (grey * 0.8).tolist(), thick, cv2.LINE_AA)
        for y in ((height - level) * np.linspace(0, 1, int(rng.integers(3, 9))) ** 2).astype(int).tolist():
            cv2.line(ground, (0, y), (width, y), (grey * 0.8).tolist(), thick, cv2.LINE_AA)
    image[level:] = ground
    if rng.random() < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 2.5)) * max(height, width) / 400)
    return np.clip(image, 0, 1)


def _windows(rng: np.random.Generator, image: np.ndarray) -> None:
    """Paints a row of windows and doors."""
    height, width = image.shape[:2]
    w, h = width * rng.uniform(0.08, 0.3), height * rng.uniform(0.12, 0.35)
    frame, pane = np.clip(colour(rng) + 0.2, 0, 1).tolist(), np.clip(colour(rng) * 0.5 + 0.1, 0, 1).tolist()
    for y in np.arange(rng.uniform(-h, 0), height, h * rng.uniform(1.2, 1.9)).tolist():
        for x in np.arange(rng.uniform(-w, 0), width, w * rng.uniform(1.15, 2.2)).tolist():
            corner, end = (int(x), int(y)), (int(x + w), int(y + h))
            cv2.rectangle(image, corner, end, pane, -1)
            cv2.rectangle(image, corner, end, frame, max(1, width // 120))
            cv2.line(image, (int(x + w / 2), int(y)), (int(x + w / 2), int(y + h)), frame, max(1, width // 200))
