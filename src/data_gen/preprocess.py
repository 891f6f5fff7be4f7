"""Photo -> network input, the same for training, validation and inference."""

import cv2
import numpy as np

from ..geometry import Frame, Size, letterbox, resize

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
        reduced = (max(1, round(width * frame.scale * 1.5)), max(1, round(height * frame.scale * 1.5)))
        image = cv2.resize(image, reduced, interpolation=cv2.INTER_AREA)
        frame = resize(reduced, (width, height)).then(frame)
    return cv2.warpAffine(
        image, frame.matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=PADDING
    )


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
