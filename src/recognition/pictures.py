"""Pictures of what was recognised in a photo."""

from collections.abc import Sequence

import cv2
import numpy as np

from ..data_gen.preprocess import sample_image
from ..eval.crops import cut
from ..eval.drawing import draw_answers, draw_box, draw_heatmaps, draw_keypoints, draw_title, side_by_side
from ..eval.two_stage import Recognition
from ..geometry import Frame, resize
from ..heatmaps import HeatmapCodec
from ..records import ABSENT, Box, HeadSpec
from ..regions import summed_heatmap
from ..vocabulary import Vocabulary


def draw_recognition(
    recognition: Recognition, vocabulary: Vocabulary, codec: HeatmapCodec, heads: Sequence[HeadSpec]
) -> np.ndarray:
    """The panels of one photo side by side, (H, W, 3) RGB uint8: keypoints; heat and region; with a classifier, whose
    heads these are, the crop and the attributes.

    Raises ValueError where the photo could not be read.
    """
    result, framed = recognition.result, recognition.framed
    prediction, frame, heatmaps, photo = result.prediction, result.frame, result.heatmaps, result.photo
    if prediction is None or frame is None or heatmaps is None or photo is None or framed is None:
        raise ValueError(f"{result.sample.path} has no prediction to draw: {result.error}")
    present = prediction.state != ABSENT
    points = draw_keypoints(photo, prediction.xy, prediction.state, vocabulary, prediction.score)
    likely = prediction.category_probability
    points = draw_title(points, prediction.category + ("" if likely is None else f" {likely:.0%}"))
    # All panels in the size of this one: on a small photo lines and letters would else be enlarged with it.
    size = points.shape[1], points.shape[0]
    to_panel = resize((photo.shape[1], photo.shape[0]), size)
    cells_to_panel = Frame(codec.frame.inverse).then(Frame(frame.inverse)).then(to_panel)
    heat = cv2.warpAffine(summed_heatmap(heatmaps, present), cells_to_panel.matrix, size, flags=cv2.INTER_LINEAR)
    box = framed.box
    left, top = np.rint(to_panel.forward(np.array([box.left, box.top]) - 0.5) + 0.5).astype(int).tolist()
    right, bottom = np.rint(to_panel.forward(np.array([box.right, box.bottom]) - 0.5) + 0.5).astype(int).tolist()
    name = "whole photo: no garment found" if framed.fell_back else "region"
    if prediction.found is False:
        name = "probably no garment"
    warm = draw_heatmaps(sample_image(photo, to_panel, size), heat)
    panels = [points, draw_box(warm, Box(left, top, right, bottom), name)]
    if heads:
        cropped = crop_of(recognition)
        tallest = max(panel.shape[0] for panel in [*panels, cropped])
        panels += [cropped, draw_answers(_likeliest(recognition, heads), (round(0.6 * tallest), tallest))]
    return side_by_side(panels)


def crop_of(recognition: Recognition) -> np.ndarray:
    """What stage 2 sees of the photo, (H, W, 3) RGB uint8. Raises ValueError where the photo could not be read."""
    result, framed = recognition.result, recognition.framed
    if result.photo is None or framed is None:
        raise ValueError(f"{result.sample.path} has no crop: {result.error}")
    return cut(result.photo, framed.box)


def _likeliest(
    recognition: Recognition, heads: Sequence[HeadSpec], count: int = 2
) -> list[tuple[str, list[tuple[str, float]]]]:
    """Of every attribute that applies the likeliest classes with their probabilities."""
    classes = {head.name: head.classes for head in heads}
    return [
        (task, [(classes[task][c], float(values[c])) for c in np.argsort(-values)[:count]])
        for task, values in recognition.attributes.items()
    ]
