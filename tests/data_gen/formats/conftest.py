from typing import Any

import numpy as np
import pytest


@pytest.fixture
def foreign() -> dict[str, Any]:
    """A file of another vocabulary, as DeepFashion's full-body set has it."""
    names = [f"{side} {part}" for part in ("collar", "sleeve", "waistline", "hem") for side in ("left", "right")]
    points = [[10 * k, 10 * k + 1, 2] for k in range(8)]
    points[1][2], points[4] = 1, [0, 0, 0]
    return {
        "categories": [{"id": 7, "name": "fashion", "keypoints": names}],
        "images": [{"id": 3, "file_name": "img/a.jpg", "width": 200, "height": 250}],
        "annotations": [{"id": 5, "image_id": 3, "category_id": 7, "keypoints": np.ravel(points).tolist()}],
    }
