"""A folder with one ONNX file for the way from a photo to the keypoints of all its garments.

combined.onnx    the graph of combined_graph.py, of two artifacts in ONNX
manifest.json    its inputs and outputs, names, thresholds, where the networks come from, and what was measured
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ..boxes import MARGIN, OTHER, SAME
from ..eval.detection import LOWEST
from ..files import sealed, write_atomic
from .artifact import COMBINED, MANIFEST, MODEL_FILES, file_digest
from .combined_graph import combined_model
from .combined_measure import CombinedNet, Measured, measured
from .combined_parts import Parts
from .writing import artifact_folder, versions

MODEL = "combined.onnx"
LAYOUT = 1


def write_combined(out: Path, parts: Parts, photos: Sequence[np.ndarray]) -> dict[str, Any]:
    """Writes the folder `out`, which may hold an earlier artifact, and returns what the manifest says.

    photos: (H, W, 3) uint8 each, on which the file is compared with the package's own way. Raises ArtifactError where
    it differs too much or cannot be compared, and otherwise what `artifact_folder` does; then `out` is as it was.
    """
    with artifact_folder(out) as beside:
        onnx.save(combined_model(parts.plan), beside / MODEL)
        found = measured(CombinedNet.load(beside / MODEL), parts, photos)
        facts = _facts(parts, found) | {"files": {MODEL: file_digest(beside / MODEL)}}
        write_atomic(beside / MANIFEST, json.dumps(sealed(facts), indent=1) + "\n")
    return facts


def _facts(parts: Parts, found: Measured) -> dict[str, Any]:
    vocabulary = parts.keypoints.vocabulary
    return {
        "layout": LAYOUT,
        "stage": COMBINED,
        "inputs": {
            "image": {"shape": ["H", "W", 3], "type": "uint8", "colours": "RGB", "range": [0, 255]},
        },
        "outputs": {
            "boxes": {
                "shape": ["N", 4],
                "type": "float32",
                "meaning": "left, top, right, bottom in px of the photo, edges of pixels: a photo spans 0 to W",
            },
            "category": {"shape": ["N"], "type": "int64", "meaning": "which of categories"},
            "score": {"shape": ["N"], "type": "float32", "meaning": "probability that there is such a garment"},
            "keypoints": {
                "shape": ["N", len(vocabulary.keypoints), 3],
                "type": "float32",
                "meaning": "x and y in px of the photo, whose pixel centres are integers, and the peak of the heatmap, "
                "0 to 1; -1, -1, 0 for a keypoint that the category does not have",
            },
        },
        "limit": parts.limit,
        "categories": list(vocabulary.categories),
        "keypoints": list(vocabulary.keypoints),
        "keypoints_of": {category.name: list(category.keypoints) for category in vocabulary.definitions},
        "thresholds": {
            "score": parts.calibration.threshold,
            "peak": LOWEST,
            "overlap_of_one_category": SAME,
            "overlap_of_two_categories": OTHER,
        },
        "margin": MARGIN,
        "visibility": parts.keypoints.visibility,
        "sources": {
            name: {
                "precision": part.precision,
                "size": part.config["size"],
                "flip": part.flip,
                "source": part.source,
                "differences": part.differences,
                "sha256": part.files[MODEL_FILES["onnx"]],
            }
            for name, part in (("detector", parts.detector), ("keypoints", parts.keypoints))
        },
        "differences": found.to_json(),
        "versions": versions(),
    }
