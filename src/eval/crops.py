"""The region of a photo that the classifier sees: the whole photo, the box of keypoints, or the heatmaps' region."""

from dataclasses import dataclass

import numpy as np

from ..data_gen.preprocess import sample_image
from ..geometry import Frame, crop, letterbox, shift
from ..heatmaps import HeatmapCodec
from ..records import ABSENT, Box, CropRule
from ..regions import garment_region, squared_box
from ..vocabulary import Vocabulary
from .inference import PhotoResult

KEYPOINT_SCORE = 0.1
"""Keypoints with a lower score do not extend the box."""


@dataclass(frozen=True, slots=True)
class Framed:
    """The box in photo pixels, and whether it is the keypoint network's whole input (the photo or a garment's square)
    because no garment was found there."""

    box: Box
    fell_back: bool


def frame_garment(result: PhotoResult, vocabulary: Vocabulary, codec: HeatmapCodec, rule: CropRule) -> Framed:
    """The classifier's box of a photo with stage 1's result; for a rule of whole images, all that stage 1 saw. Raises
    ValueError if there is none."""
    prediction, frame, heatmaps, size = result.prediction, result.frame, result.heatmaps, result.size
    if prediction is None or frame is None or heatmaps is None or size is None:
        raise ValueError(f"{result.sample.path} has no prediction: {result.error}")
    whole = result.place.square if result.place and result.place.square else Box(0, 0, *size)
    present = prediction.state != ABSENT
    if rule.kind == "image":
        return Framed(whole, False)
    if rule.kind == "keypoints":
        sure = present & (prediction.score >= KEYPOINT_SCORE)
        # A single point has no extent.
        if sure.sum() < 2:
            return Framed(whole, True)
        return Framed(squared_box(prediction.xy[sure], size, rule.margin), False)
    if rule.kind == "heatmap":
        cells_to_photo = Frame(codec.frame.inverse).then(Frame(frame.inverse))
        where = cells_to_photo, size, vocabulary.edges
        box = garment_region(heatmaps, present, *where, rule.threshold, rule.margin)
        return Framed(box or whole, box is None)
    raise ValueError(f"the keypoint network gives no crop of kind {rule.kind!r}; expected image, keypoints or heatmap")


def cut(photo: np.ndarray, box: Box) -> np.ndarray:
    """The box of the photo (H, W, 3) uint8, padded where it reaches beyond: (box.height, box.width, 3)."""
    return sample_image(photo, crop(box), (box.width, box.height))


def classifier_input(photo: np.ndarray, box: Box, side: int, reduced: Frame | None = None) -> np.ndarray:
    """The box of the photo in the middle of an input of (side, side, 3), resampled only once.

    photo: (H, W, 3) uint8. reduced: for a reduced photo, the frame from its pixels to those of the original; the box is
    in the original's pixels.
    """
    framed = letterbox((box.width, box.height), (side, side))
    if reduced is not None:
        return sample_image(photo, reduced.then(crop(box)).then(framed), (side, side))
    left, top = max(box.left, 0), max(box.top, 0)
    seen = photo[top : max(box.bottom, 0), left : max(box.right, 0)]
    return sample_image(seen, shift(left - box.left, top - box.top).then(framed), (side, side))
