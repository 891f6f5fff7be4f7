"""Augmentation: one warp for the geometry, then brightness, colour, blur and erasing on the sampled pixels."""

import cv2
import numpy as np

from ..config import AttributeConfig, DetectionConfig, KeypointConfig
from ..geometry import Frame, flip, rotate, shift
from ..records import Keypoints

_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)


def random_frame(
    rng: np.random.Generator, config: KeypointConfig | AttributeConfig | DetectionConfig, side: int | None = None
) -> tuple[Frame, bool]:
    """A random turn, rotation, zoom, shift and flip of the network input onto itself, and whether it flips.

    side: of the input in px; by default that of the configuration.
    """
    side = side or config.size
    size = (side, side)
    factor = rng.uniform(1 - config.zoom, 1 + config.zoom)
    centre = (side - 1) / 2
    about_centre = shift(-centre, -centre).then(Frame(np.diag([factor, factor, 1.0])[:2])).then(shift(centre, centre))
    dx, dy = rng.uniform(-config.shift, config.shift, 2) * side
    angle = rng.uniform(-config.rotate, config.rotate)
    # Without turns nothing is drawn for them: a training of before goes on with the same photos.
    if config.turn > 0 and rng.random() < config.turn:
        angle += 90.0 * rng.integers(1, 4)
    frame = rotate(angle, size).then(about_centre).then(shift(dx, dy))
    mirrored = config.flip and rng.random() < 0.5
    return (frame.then(flip(side)) if mirrored else frame), mirrored


def warp_keypoints(keypoints: Keypoints, frame: Frame, mirrored: bool, twins: np.ndarray) -> Keypoints:
    """The keypoints mapped by `frame`; if it mirrors, left and right are exchanged. twins: (K,) index of each twin."""
    xy, state = frame.forward(keypoints.xy), keypoints.state
    return Keypoints(xy[twins], state[twins]) if mirrored else Keypoints(xy, state)


def change_colours(rng: np.random.Generator, image: np.ndarray, strength: float) -> np.ndarray:
    """Random brightness, contrast, gamma, saturation and colour cast as one 3x3 matrix and one table per channel.

    (H, W, 3) uint8 -> (H, W, 3) uint8. strength: 0 (no change) to 1.
    """
    if strength <= 0:
        return image
    saturation = 1 + strength * rng.uniform(-1, 1)
    grey = np.array([0.299, 0.587, 0.114])
    mix = saturation * np.eye(3) + (1 - saturation) * grey[None, :]
    if rng.random() < 0.3 * strength:
        mix = mix[rng.permutation(3)]
    image = cv2.transform(image, mix)
    levels = np.arange(256) / 255.0
    gamma = np.exp(strength * rng.uniform(-0.7, 0.7))
    contrast = 1 + 0.7 * strength * rng.uniform(-1, 1)
    brightness = 0.4 * strength * rng.uniform(-1, 1)
    gains = 1 + 0.3 * strength * rng.uniform(-1, 1, 3)
    curve = (levels[:, None] ** gamma - 0.5) * contrast * gains + 0.5 + brightness
    table = np.clip(np.rint(curve * 255), 0, 255).astype(np.uint8)
    return cv2.LUT(image, table.reshape(1, 256, 3))


def blur_image(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Gaussian blur, or motion blur in a random direction. (H, W, 3) uint8."""
    if rng.random() < 0.5:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6) * max(1.0, image.shape[0] / 256))
    # The kernel has an odd width and is symmetric: any other would shift the image relative to its keypoints.
    length = 2 * int(rng.integers(1, 4)) + 1
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    half = (length - 1) / 2
    ends = [(round(half + sign * half * np.cos(angle)), round(half + sign * half * np.sin(angle))) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    kernel = kernel + kernel[::-1, ::-1]
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def erase_rectangle(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Random erasing (arXiv:1708.04896): a rectangle of 2% to 15% of the area becomes one colour or noise."""
    height, width = image.shape[:2]
    area, aspect = rng.uniform(0.02, 0.15) * height * width, np.exp(rng.uniform(-1, 1))
    h, w = min(height, round(np.sqrt(area * aspect)) or 1), min(width, round(np.sqrt(area / aspect)) or 1)
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    image = image.copy()
    fill = rng.integers(0, 256, (h, w, 3) if rng.random() < 0.3 else (1, 1, 3), dtype=np.uint8)
    image[top : top + h, left : left + w] = fill
    return image


def change_pixels(rng: np.random.Generator, image: np.ndarray, config: KeypointConfig | DetectionConfig) -> np.ndarray:
    """Colour changes, blur and erasing with the probabilities and strengths of the configuration."""
    return blur_and_erase(rng, change_colours(rng, image, config.colour), config)


def blur_and_erase(
    rng: np.random.Generator, image: np.ndarray, config: KeypointConfig | AttributeConfig | DetectionConfig
) -> np.ndarray:
    """Blur and erasing, each with its probability in the configuration."""
    if rng.random() < config.blur:
        image = blur_image(rng, image)
    if rng.random() < config.erase:
        image = erase_rectangle(rng, image)
    return image


def turn_colours(
    rng: np.random.Generator, image: np.ndarray, hue: float, saturation: float, brightness: float
) -> np.ndarray:
    """Random hue (fraction of the circle), saturation and brightness (fractions) as one 3x3 matrix. (H, W, 3) uint8.

    Hue rotates about the grey axis of YIQ: greys stay grey, and unlike HSV no pixel needs a branch.
    """
    if hue <= 0 and saturation <= 0 and brightness <= 0:
        return image
    angle = 2 * np.pi * rng.uniform(-hue, hue)
    chroma, gain = 1 + rng.uniform(-saturation, saturation), 1 + rng.uniform(-brightness, brightness)
    cos, sin = chroma * np.cos(angle), chroma * np.sin(angle)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return cv2.transform(image, gain * (_FROM_YIQ @ turn @ _TO_YIQ))
