"""Pictures of the predictions for a photo."""

from collections.abc import Sequence

import cv2
import numpy as np

from ..data_gen.preprocess import sample_image
from ..eval.crops import cut
from ..eval.drawing import (
    contact_sheet,
    draw_answers,
    draw_box,
    draw_heatmaps,
    draw_keypoints,
    draw_title,
    side_by_side,
)
from ..eval.two_stage import Recognition
from ..geometry import Frame, identity, resize
from ..heatmaps import HeatmapCodec
from ..records import ABSENT, Box, HeadSpec
from ..regions import summed_heatmap
from ..vocabulary import Vocabulary

_SHOWN = 3  # garments of a photo whose crops and attributes are drawn
_TALLEST = 4096  # maximum px of such a page, for any photo
_LEGIBLE = 200  # minimum px of a page of attributes


def draw_recognition(
    recognition: Recognition, vocabulary: Vocabulary, codec: HeatmapCodec, heads: Sequence[HeadSpec]
) -> np.ndarray:
    """The panels of one photo side by side, (H, W, 3) RGB uint8: keypoints; heat and region; with a classifier, whose
    heads are given, the crop and the attributes.

    Raises ValueError if the photo could not be read.
    """
    result, framed = recognition.result, recognition.framed
    prediction, frame, heatmaps, photo = result.prediction, result.frame, result.heatmaps, result.photo
    if prediction is None or frame is None or heatmaps is None or photo is None or framed is None:
        raise ValueError(f"{result.sample.path} has no prediction to draw: {result.error}")
    present = prediction.state != ABSENT
    points = draw_keypoints(photo, prediction.xy, prediction.state, vocabulary, prediction.score)
    likely = prediction.category_probability
    points = draw_title(points, prediction.category + ("" if likely is None else f" {likely:.0%}"))
    # All panels have the size of this one; otherwise a small photo would enlarge lines and letters, too.
    size = points.shape[1], points.shape[0]
    to_panel = resize((photo.shape[1], photo.shape[0]), size)
    cells_to_panel = Frame(codec.frame.inverse).then(Frame(frame.inverse)).then(to_panel)
    heat = cv2.warpAffine(summed_heatmap(heatmaps, present), cells_to_panel.matrix, size, flags=cv2.INTER_LINEAR)
    name = "whole photo: no garment found" if framed.fell_back else "region"
    if prediction.found is False:
        name = "probably no garment"
    warm = draw_heatmaps(sample_image(photo, to_panel, size), heat)
    panels = [points, draw_box(warm, _in_panel(framed.box, to_panel), name)]
    if heads:
        cropped = crop_of(recognition)
        tallest = min(max(panel.shape[0] for panel in [*panels, cropped]), _TALLEST)
        panels += [cropped, draw_answers(_likeliest(recognition, heads), (round(0.6 * tallest), tallest))]
    return side_by_side(panels)


def draw_garments(
    recognitions: Sequence[Recognition], vocabulary: Vocabulary, codec: HeatmapCodec, heads: Sequence[HeadSpec]
) -> np.ndarray:
    """The panels of one photo with all its garments, (H, W, 3) RGB uint8: their keypoints and boxes; heat and regions;
    with a classifier crops and attributes of the first three, from top to bottom.

    Raises ValueError if the photo could not be read.
    """
    first = recognitions[0].result
    if first.photo is None:
        raise ValueError(f"{first.sample.path} has no garments to draw: {first.error}")
    if recognitions[0].box is None:
        return draw_recognition(recognitions[0], vocabulary, codec, heads)
    photo, points, to_panel = first.photo, first.photo, identity()
    several = len(recognitions) > 1
    for recognition in recognitions:
        prediction = recognition.result.prediction
        if prediction is not None:
            xy = to_panel.forward(prediction.xy)
            points = draw_keypoints(points, xy, prediction.state, vocabulary, prediction.score, names=not several)
            # The first one enlarges a small photo.
            to_panel = resize((photo.shape[1], photo.shape[0]), (points.shape[1], points.shape[0]))
    size = points.shape[1], points.shape[0]
    heat = np.zeros((size[1], size[0]), np.float32)
    for recognition in recognitions:
        result = recognition.result
        if result.prediction is not None and result.frame is not None and result.heatmaps is not None:
            cells_to_panel = Frame(codec.frame.inverse).then(Frame(result.frame.inverse)).then(to_panel)
            cells = summed_heatmap(result.heatmaps, result.prediction.state != ABSENT)
            heat = np.maximum(heat, cv2.warpAffine(cells, cells_to_panel.matrix, size, flags=cv2.INTER_LINEAR))
    warm = draw_heatmaps(sample_image(photo, to_panel, size), heat)
    for recognition in reversed(recognitions):  # the most probable one is drawn last, on top
        points = draw_box(points, _in_panel(_whole_pixels(recognition), to_panel), _name(recognition))
        if recognition.framed is not None:
            warm = draw_box(warm, _in_panel(recognition.framed.box, to_panel), f"{recognition.garment_id}")
    panels = [points, warm]
    if heads:
        shown = recognitions[:_SHOWN]
        cell = min(max(size[1] // len(shown), _LEGIBLE), _TALLEST)
        pages = [(crop_of(r), draw_answers(_likeliest(r, heads), (max(1, round(0.8 * cell)), cell))) for r in shown]
        panels.append(contact_sheet([picture for page in pages for picture in page], columns=2, cell=cell))
    return side_by_side(panels)


def _whole_pixels(recognition: Recognition) -> Box:
    """The box of a garment in whole px, at least one."""
    left, top, right, bottom = (round(value) for value in recognition.box or (0, 0, 1, 1))
    return Box(left, top, max(right, left + 1), max(bottom, top + 1))


def _name(recognition: Recognition) -> str:
    prediction, score = recognition.result.prediction, recognition.score
    category = prediction.category if prediction else ""
    return f"{recognition.garment_id} {category}" + ("" if score is None else f" {score:.0%}")


def _in_panel(box: Box, to_panel: Frame) -> Box:
    left, top = np.rint(to_panel.forward(np.array([box.left, box.top]) - 0.5) + 0.5).astype(int).tolist()
    right, bottom = np.rint(to_panel.forward(np.array([box.right, box.bottom]) - 0.5) + 0.5).astype(int).tolist()
    return Box(left, top, max(right, left + 1), max(bottom, top + 1))


def crop_of(recognition: Recognition) -> np.ndarray:
    """The region of the photo that stage 2 sees, (H, W, 3) RGB uint8. Raises ValueError for an unreadable photo."""
    result, framed = recognition.result, recognition.framed
    if result.photo is None or framed is None:
        raise ValueError(f"{result.sample.path} has no crop: {result.error}")
    return cut(result.photo, framed.box)


def _likeliest(
    recognition: Recognition, heads: Sequence[HeadSpec], count: int = 2
) -> list[tuple[str, list[tuple[str, float]]]]:
    """For every attribute that applies, the most probable classes with their probabilities."""
    classes = {head.name: head.classes for head in heads}
    return [
        (task, [(classes[task][c], float(values[c])) for c in np.argsort(-values)[:count]])
        for task, values in recognition.attributes.items()
    ]
