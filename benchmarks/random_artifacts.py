"""Makes OpenVINO artifacts with random weights: the speed of a network does not depend on them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.data_gen.formats.fashionai_attributes import attribute_heads
from aifashion.data_gen.preprocess import letterboxed
from aifashion.serve.artifact import Manifest, Numbers
from aifashion.serve.export import write_artifact
from aifashion.serve.serving_net import attribute_serving_net, keypoint_serving_net
from aifashion.unet.predictors import attribute_net, keypoint_net


def keypoint_artifact(out: Path, config: KeypointConfig, precision: Numbers, photos: Sequence[np.ndarray] = ()) -> Path:
    """photos: (H, W, 3) uint8, from which int8 calibrates the ranges of the layers."""
    options, side = config.vocabulary, (config.size, config.size)
    serving = keypoint_serving_net(keypoint_net(config), config.codec, config.decoder, options.twins)
    mask = np.ones((1, len(options.keypoints)), np.float32)
    learned = [{"image": letterboxed(photo, side)[0][None], "mask": mask} for photo in photos]
    manifest = Manifest("keypoints", "openvino", precision, json.loads(config.to_json()), config.vocabulary)
    write_artifact(out, serving, manifest, _accepted, learned if precision == "int8" else ())
    return out


def attribute_artifact(
    out: Path, config: AttributeConfig, precision: Numbers, photos: Sequence[np.ndarray] = ()
) -> Path:
    """The eight FashionAI tasks; photos as in `keypoint_artifact`."""
    heads, side = attribute_heads(ordinal=True), (config.size, config.size)
    serving = attribute_serving_net(attribute_net(config, heads), heads, config.size, {})
    learned = [{"image": letterboxed(photo, side)[0][None]} for photo in photos]
    manifest = Manifest(
        "attributes", "openvino", precision, json.loads(config.to_json()), config.vocabulary, heads=tuple(heads)
    )
    write_artifact(out, serving, manifest, _accepted, learned if precision == "int8" else ())
    return out


def _accepted(network: Any) -> dict[str, float]:
    # The outputs of random weights are not checked.
    return {"excess": 0.0}
