"""Photo -> network input, the same for training, validation and inference."""

import cv2
import numpy as np

from ..geometry import Frame, Size, letterbox, resize, zoom

PADDING = (124, 116, 104)
"""RGB of what lies beyond the photo: the ImageNet mean, which the networks see as about zero."""


_NOTHING = np.eye(2, 3)


def sample_image(image: np.ndarray, frame: Frame, size: Size) -> np.ndarray:
    """The photo (H, W, 3) uint8 seen through `frame`, sampled once -> (size[1], size[0], 3) uint8.

    Where the frame shrinks the photo to less than half, it is first reduced by area averaging, so that fine cloth
    does not alias. A frame that changes nothing gives the photo itself.
    """
    height, width = image.shape[:2]
    if size == (width, height) and np.array_equal(frame.matrix, _NOTHING):
        return image
    if frame.scale < 0.5:
        image, to_reduced = _reduced(image, int(1 / frame.scale))
        frame = to_reduced.then(frame)
    return cv2.warpAffine(
        image, frame.matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=PADDING
    )


def _reduced(image: np.ndarray, by: int) -> tuple[np.ndarray, Frame]:
    """The photo with means of `by` x `by` pixels, and the frame from its pixels to those of the photo.

    By a whole number, since OpenCV's averaging over parts of pixels takes ten times as long. What is left over at the
    right and at the bottom makes one more mean where it is at least half of one, and is left out where it is less.
    """
    height, width = image.shape[:2]
    size = max(1, (2 * width + by) // (2 * by)), max(1, (2 * height + by) // (2 * by))
    beside, below = size[0] * by - width, size[1] * by - height
    image = image[: size[1] * by, : size[0] * by]
    if below > 0 or beside > 0:
        image = cv2.copyMakeBorder(image, 0, max(0, below), 0, max(0, beside), cv2.BORDER_REPLICATE)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), zoom(by)


def letterboxed(image: np.ndarray, size: Size, photo: Size | None = None) -> tuple[np.ndarray, Frame]:
    """The whole photo in the middle of an input of `size`, and the frame that leads from photo to input pixels.

    photo: its (width, height), where `image` is a reduced one.
    """
    own = image.shape[1], image.shape[0]
    frame = letterbox(photo or own, size)
    return sample_image(image, frame if photo in (None, own) else resize(own, photo).then(frame), size), frame


def scaled_side(size: int, scale: float) -> int:
    """The side in px of an input of `size` at a scale: a multiple of 32 where the size is one."""
    unit = 32 if size % 32 == 0 else 1
    return max(unit, round(size * scale / unit) * unit)
