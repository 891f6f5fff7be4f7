"""Test-time augmentation: wraps a `predict` function into one that averages over changed images."""

from collections.abc import Sequence

import cv2
import numpy as np

from ..data_gen.preprocess import sample_image
from ..geometry import Frame, rotate, zoom, zoom_about_centre
from .inference import KeypointPredict

SEED_ANGLES = (-20.0, -10.0, 10.0, 20.0)
"""Degrees; the rotations of the AiFashion entry."""
LEAST_SCALE, MOST_SCALE = 0.25, 4.0


def with_flip(predict: KeypointPredict, twins: np.ndarray) -> KeypointPredict:
    """Averages the prediction with that for the mirrored images, mirrored back, left and right exchanged."""

    def flipped(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        heatmaps, probabilities = predict(images)
        mirrored, mirrored_probabilities = predict(np.ascontiguousarray(images[:, :, ::-1]))
        return (heatmaps + mirrored[:, :, ::-1][..., twins]) / 2, (probabilities + mirrored_probabilities) / 2

    return flipped


def check_scales(scales: Sequence[float]) -> None:
    """Raises ValueError for scales that are too small or too large."""
    for scale in scales:
        if not LEAST_SCALE <= scale <= MOST_SCALE:  # NaN too
            raise ValueError(
                f"a photo cannot be seen at the scale {scale:g}: expected scales from {LEAST_SCALE:g} to {MOST_SCALE:g}"
            )


def with_augmentation(
    predict: KeypointPredict, twins: np.ndarray, turned: bool, scales: Sequence[float] = (), mirrors: bool = False
) -> KeypointPredict:
    """Averages the requested passes; each is mirrored, too. mirrors: whether `predict` does that itself.

    turned: the image and `SEED_ANGLES`. scales: the image at these scales as well. With neither, `predict` itself.
    Raises ValueError as `check_scales`.
    """
    check_scales(scales)
    if not turned and not scales:
        return predict
    return with_views(predict if mirrors else with_flip(predict, twins), SEED_ANGLES if turned else (), scales)


def with_views(
    predict: KeypointPredict, angles: Sequence[float] = SEED_ANGLES, scales: Sequence[float] = ()
) -> KeypointPredict:
    """Averages the prediction with those for the images turned by each angle (degrees), and at each scale, all about
    their centre; each is transformed back by the same frame.

    A part of the photo that is outside such an image is averaged over fewer predictions.
    """

    def viewed(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        heatmaps, probabilities = predict(images)
        total = heatmaps.astype(np.float32)
        weight = np.ones((1, *heatmaps.shape[1:3], 1), np.float32)
        probability_sum = probabilities.astype(np.float32)
        side, cells = images.shape[1], heatmaps.shape[1]
        to_cells = zoom(cells / side)
        size = (side, side)
        frames = [rotate(angle, size) for angle in angles] + [zoom_about_centre(scale, size) for scale in scales]
        for frame in frames:
            seen_images = np.stack([sample_image(image, frame, size) for image in images])
            seen, seen_probabilities = predict(seen_images)
            # In cells: undo the step to cells, change as the pixels were changed, step to cells again.
            cell_frame = Frame(to_cells.inverse).then(frame).then(to_cells)
            total = total + np.stack([_seen_back(maps, cell_frame) for maps in seen])
            weight = weight + _seen_back(np.ones((cells, cells, 1), np.float32), cell_frame)[None]
            probability_sum = probability_sum + seen_probabilities
        return total / weight, probability_sum / (len(frames) + 1)

    return viewed


def _seen_back(maps: np.ndarray, frame: Frame) -> np.ndarray:
    """(h, w, K) on changed cells -> (h, w, K) on the original cells, zero outside the changed map."""
    # One heatmap at a time: for 2 and for 5 or more channels OpenCV rounds positions to 1/32 cell, and it refuses more
    # than 128 channels.
    size = (maps.shape[1], maps.shape[0])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    planes = np.ascontiguousarray(np.moveaxis(maps, 2, 0))
    return np.stack([cv2.warpAffine(plane, frame.matrix, size, flags=flags) for plane in planes], axis=-1)
