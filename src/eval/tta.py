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
        heatmaps, odds = predict(images)
        mirrored, mirrored_odds = predict(np.ascontiguousarray(images[:, :, ::-1]))
        return (heatmaps + mirrored[:, :, ::-1][..., twins]) / 2, (odds + mirrored_odds) / 2

    return flipped


def with_rotations(predict: KeypointPredict, angles: Sequence[float] = SEED_ANGLES) -> KeypointPredict:
    """Averages the prediction with those on the images turned by each angle, turned back through the same frame.

    Where a turned image leaves out a corner of the photo, that corner counts fewer predictions.
    """

    def rotated(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        heatmaps, odds = predict(images)
        total = heatmaps.astype(np.float32)
        weight = np.ones((1, *heatmaps.shape[1:3], 1), np.float32)
        all_odds = odds.astype(np.float32)
        side, cells = images.shape[1], heatmaps.shape[1]
        to_cells = zoom(cells / side)
        for angle in angles:
            frame = rotate(angle, (side, side))
            turned, turned_odds = predict(np.stack([sample_image(image, frame, (side, side)) for image in images]))
            # In cells: undo the step to cells, turn as the pixels were turned, step to cells again.
            cell_frame = Frame(to_cells.inverse).then(frame).then(to_cells)
            total = total + np.stack([_seen_back(maps, cell_frame) for maps in turned])
            weight = weight + _seen_back(np.ones((cells, cells, 1), np.float32), cell_frame)[None]
            all_odds = all_odds + turned_odds
        return total / weight, all_odds / (len(angles) + 1)

    return rotated


def _seen_back(maps: np.ndarray, frame: Frame) -> np.ndarray:
    """(h, w, K) on turned cells -> (h, w, K) on the original cells, zero where the turned map does not reach."""
    size = (maps.shape[1], maps.shape[0])
    planes = [
        cv2.warpAffine(
            np.ascontiguousarray(maps[..., k]), frame.matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        for k in range(maps.shape[2])
    ]
    return np.stack(planes, axis=-1)
