"""Photo -> network input, in the same way for training, validation and inference."""

import cv2
import numpy as np

from ..geometry import Frame, Size, crop, letterbox, shift, zoom
from ..records import Box

PADDING = (124, 116, 104)
"""RGB of the padding around the photo: the ImageNet mean, which is about zero after normalisation."""

Letterboxed = tuple[np.ndarray, Frame]

_IDENTITY = np.eye(2, 3)


def sample_image(image: np.ndarray, frame: Frame, size: Size) -> np.ndarray:
    """The photo (H, W, 3) uint8 warped by `frame` in one interpolation -> (size[1], size[0], 3) uint8.

    If the frame shrinks the photo to less than half, the photo is first reduced by area averaging, so that fine
    patterns of cloth do not alias. The identity returns the photo itself.
    """
    height, width = image.shape[:2]
    if size == (width, height) and np.array_equal(frame.matrix, _IDENTITY):
        return image
    if frame.scale < 0.5:
        image, to_reduced = _reduced(image, int(1 / frame.scale))
        frame = to_reduced.then(frame)
    return cv2.warpAffine(
        image, frame.matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=PADDING
    )


def _reduced(image: np.ndarray, by: int) -> tuple[np.ndarray, Frame]:
    """The photo averaged over blocks of `by` x `by` pixels, and the frame from its pixels to those of the photo.

    `by` is a whole number because OpenCV's averaging over parts of pixels takes ten times as long. An incomplete block
    at the right or at the bottom is kept if it is at least half a block, and left out if it is less.
    """
    height, width = image.shape[:2]
    size = max(1, (2 * width + by) // (2 * by)), max(1, (2 * height + by) // (2 * by))
    beside, below = size[0] * by - width, size[1] * by - height
    image = image[: size[1] * by, : size[0] * by]
    if below > 0 or beside > 0:
        image = cv2.copyMakeBorder(image, 0, max(0, below), 0, max(0, beside), cv2.BORDER_REPLICATE)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), zoom(by)


def letterboxed(image: np.ndarray, size: Size, photo: Size | None = None, reduced: Frame | None = None) -> Letterboxed:
    """The whole photo in the middle of an input of `size`, and the frame from photo pixels to input pixels.

    photo, reduced: of an `image` that is a reduced photo the (width, height) of the photo, and the frame from its
    pixels to those of the photo, as `images.read_reduced` gives them.
    """
    frame = letterbox(photo or (image.shape[1], image.shape[0]), size)
    return sample_image(image, reduced.then(frame) if reduced else frame, size), frame


def boxed(image: np.ndarray, box: Box, size: Size, reduced: Frame | None = None) -> Letterboxed:
    """A box of the photo in the middle of an input of `size`, and the frame from photo pixels to input pixels.

    What of the box lies beyond the photo is padding. reduced: as in `letterboxed`. Raises ValueError where nothing of
    the box lies in the photo.
    """
    frame = crop(box).then(letterbox((box.width, box.height), size))
    of_image = reduced.then(frame) if reduced else frame
    # Only that part of a large photo is touched, with all that the interpolation takes from beside it.
    around = 2 / of_image.scale + 2
    ends = of_image.back(np.array([[-0.5, -0.5], [size[0] - 0.5, size[1] - 0.5]]))
    left, top = np.maximum(np.floor(ends.min(axis=0) - around), 0).astype(int).tolist()
    right, bottom = np.ceil(ends.max(axis=0) + around + 1).astype(int).tolist()
    part = image[top : max(0, bottom), left : max(0, right)]
    if not part.size:
        raise ValueError(f"{box} has no pixel of an image of {image.shape[1]} x {image.shape[0]} px")
    return sample_image(part, shift(left, top).then(of_image), size), frame


def scaled_side(size: int, scale: float) -> int:
    """The side in px of an input of `size` px, scaled: a multiple of 32 if `size` is one."""
    unit = 32 if size % 32 == 0 else 1
    return max(unit, round(size * scale / unit) * unit)
