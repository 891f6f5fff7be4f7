"""A garment without a network."""

from pathlib import Path

import numpy as np

from aifashion.eval.crops import Framed
from aifashion.eval.inference import PhotoResult
from aifashion.eval.two_stage import Recognition
from aifashion.geometry import letterbox
from aifashion.heatmaps import HeatmapCodec
from aifashion.recognition.garment import Garment
from aifashion.records import Box, HeadSpec, Prediction, Sample
from aifashion.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary().restricted("skirt", "trousers")
CODEC = HeatmapCodec((64, 64))
LENGTH = HeadSpec("skirt_length", "ordinal", ("short", "knee", "long"))
STYLE = HeadSpec("style", "independent", ("sport", "office", "street"))


BOX = Box(5, 2, 25, 22)


def skirt(
    box: Box = BOX,
    fell_back: bool = False,
    visible: bool = True,
    category_probability: float | None = 0.75,
    heads: tuple[HeadSpec, ...] = (LENGTH, STYLE),
) -> Garment:
    """A skirt in a photo of 40 x 30 px, whose left keypoints are hidden. The photo's red is x, its green y."""
    y, x = np.mgrid[:30, :40]
    photo = np.stack([x, y, np.zeros_like(x)], -1).astype(np.uint8)
    mask = VOCABULARY.mask("skirt")
    xy = np.array([[k, 2.5 * k] for k in range(len(VOCABULARY.keypoints))])
    names = VOCABULARY.keypoints
    state = np.array([(0 if "left" in name else 1) if has else -1 for name, has in zip(names, mask, strict=True)])
    chances = np.where(mask, np.where(state == 0, 0.25, 0.875), 0) if visible else None
    prediction = Prediction(
        "a.jpg", "skirt", category_probability, xy, mask * np.float32(0.5), state, chances, True if visible else None
    )
    frame = letterbox((40, 30), CODEC.size)
    heatmaps = CODEC.encode(frame.forward(xy), mask)
    sample = Sample("a.jpg", Path("photos/a.jpg"), None)
    result = PhotoResult(sample, prediction, np.array([0.75, 0.25]), heatmaps, frame, (40, 30), photo)
    answers = {"skirt_length": np.array([0.125, 0.625, 0.25]), "style": np.array([0.9, 0.2, 0.5])}
    return Garment(
        Recognition(result, Framed(box, fell_back), {head.name: answers[head.name] for head in heads}),
        VOCABULARY,
        CODEC,
        heads,
    )
