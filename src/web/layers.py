"""The heat of a garment as a picture that lies over its photo."""

import base64
import io
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ..geometry import Frame
from ..recognition.garment import Garment
from ..records import ABSENT
from ..regions import summed_heatmap

_FINER = 4  # px of the picture for each cell


def heatmap_layer(garment: Garment) -> dict[str, Any]:
    """`heatmap`: a PNG in base64, the heat that `aifashion demo` draws, transparent where there is none; and
    `heatmap_box`: its left, top, right, bottom in px of the photo, edges of pixels. It can reach beyond the photo."""
    result = garment.recognition.result
    assert result.frame is not None  # a photo that was read has one
    heat = summed_heatmap(garment.heatmaps, garment.prediction.state != ABSENT)
    height, width = heat.shape
    fine = cv2.resize(heat, (width * _FINER, height * _FINER), interpolation=cv2.INTER_LINEAR)
    levels = np.rint(255 * np.clip(fine, 0, 1)).astype(np.uint8)
    colour = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
    cover = np.rint(255 * 0.85 * np.sqrt(np.clip(fine, 0, 1))).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(np.dstack([colour, cover])).save(data, format="PNG")
    to_photo = Frame(garment.codec.frame.inverse).then(Frame(result.frame.inverse))
    corners = to_photo.forward(np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])) + 0.5
    return {
        "heatmap": base64.b64encode(data.getvalue()).decode("ascii"),
        "heatmap_box": [round(value, 2) for value in corners.ravel().tolist()],
    }
