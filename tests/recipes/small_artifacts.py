"""Artifacts as an export writes them, whose network is a line of text: to be read and copied, not to be run."""

import json
from collections.abc import Mapping
from pathlib import Path

from aifashion.config import (
    AttributeConfig,
    DetectionConfig,
    KeypointConfig,
    attribute_preset,
    detection_preset,
    keypoint_preset,
)
from aifashion.serve.artifact import Manifest, Stage

NETWORK = {"model.xml": "<net><layers /></net>", "model.bin": "one"}


PRESETS = {"detection": detection_preset, "keypoints": keypoint_preset, "attributes": attribute_preset}


def small_manifest(stage: Stage, config: DetectionConfig | KeypointConfig | AttributeConfig | None = None) -> Manifest:
    """For OpenVINO in float32, with what every manifest of the stage has; config: by default that of a lite network."""
    config = config or PRESETS[stage]("lite")
    heads = config.attribute_heads if isinstance(config, AttributeConfig) else ()
    return Manifest(stage, "openvino", "float32", json.loads(config.to_json()), config.vocabulary, heads=heads)


def write_artifact(folder: Path, manifest: Manifest, files: Mapping[str, str] = NETWORK) -> Path:
    """Writes the files, names and texts, and the manifest that lists them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    manifest.write(folder)
    return folder
