"""Test-time augmentation: a `predict` function is wrapped into one that predicts on changed images and changes back."""

from collections.abc import Sequence

import cv2
import numpy as np

from ..data_gen.preprocess import sample_image
from ..geometry import Frame, rotate, zoom
from .inference import KeypointPredict

SEED_ANGLES = (-20.0, -10.0, 10.0, 20.0)
"""Degrees; the rotations of the AiFashion entry."""


def with_flip(predict: KeypointPredict, twins: np.ndarray) -> KeypointPredict:
    """Averages the prediction with that on the mirrored images, mirrored back, left and right exchanged."""

    def flipped(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        heatmaps, probabilities = predict(images)
        mirrored, mirrored_probabilities = predict(np.ascontiguousarray(images[:, :, ::-1]))
        return (heatmaps + mirrored[:, :, ::-1][..., twins]) / 2, (probabilities + mirrored_probabilities) / 2

    return flipped


def with_rotations(predict: KeypointPredict, angles: Sequence[float] = SEED_ANGLES) -> KeypointPredict:
    """Averages the prediction with those on the images turned by each angle, turned back through the same frame.

    Where a turned image leaves out a corner of the photo, that corner counts fewer predictions.
    """

    def rotated(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        heatmaps, probabilities = predict(images)
        total = heatmaps.astype(np.float32)
        weight = np.ones((1, *heatmaps.shape[1:3], 1), np.float32)
        probability_sum = probabilities.astype(np.float32)
        side, cells = images.shape[1], heatmaps.shape[1]
        to_cells = zoom(cells / side)
        for angle in angles:
            frame = rotate(angle, (side, side))
            turned_images = np.stack([sample_image(image, frame, (side, side)) for image in images])
            turned, turned_probabilities = predict(turned_images)
            # In cells: undo the step to cells, turn as the pixels were turned, step to cells again.
            cell_frame = Frame(to_cells.inverse).then(frame).then(to_cells)
            total = total + np.stack([_seen_back(maps, cell_frame) for maps in turned])
            weight = weight + _seen_back(np.ones((cells, cells, 1), np.float32), cell_frame)[None]
            probability_sum = probability_sum + turned_probabilities
        return total / weight, probability_sum / (len(angles) + 1)

    return rotated


def _seen_back(maps: np.ndarray, frame: Frame) -> np.ndarray:
    """(h, w, K) on turned cells -> (h, w, K) on the original cells, zero where the turned map does not reach."""
    # One heatmap at a time: for 2 and for 5 or more channels OpenCV rounds positions to 1/32 cell, and it refuses more
    # than 128 channels.
    size = (maps.shape[1], maps.shape[0])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    planes = np.ascontiguousarray(np.moveaxis(maps, 2, 0))
    return np.stack([cv2.warpAffine(plane, frame.matrix, size, flags=flags) for plane in planes], axis=-1)
