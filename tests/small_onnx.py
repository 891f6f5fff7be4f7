"""Artifacts in ONNX whose networks are written by hand: what they answer follows from the colours of a photo."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from aifashion.config import DetectionConfig, KeypointConfig
from aifashion.data_gen.preprocess import PADDING
from aifashion.geometry import letterbox
from aifashion.serve.artifact import Manifest
from aifashion.serve.onnx_graph import Graph, Value, apply, described
from aifashion.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary().restricted("blouse", "skirt", "trousers")
"""Of the keypoints; the detector knows two of the categories, under other numbers."""
DETECTION = DetectionConfig(network="lite", size=128, vocabulary=load_vocabulary().restricted("skirt", "trousers"))
KEYPOINTS = KeypointConfig(network="lite", size=64, vocabulary=VOCABULARY, decoder="argmax")
CALIBRATION = {"slope": 1.5, "offset": 0.5, "threshold": 0.2}
TROUSERS, SKIRT = (250, 40), (40, 250)
"""Red and green of the garments that the detector finds; their blue is half of the box's side in px of its input."""

Patch = tuple[tuple[int, int], int, int, int]
"""A garment: colours; column and row of its middle cell, of 8 px in the detector's input; half a side of its box."""


def painted(size: tuple[int, int], *patches: Patch, cells: int = 5) -> np.ndarray:
    """A photo of (width, height) with squares of so many cells of the detector's input."""
    frame = letterbox(size, DETECTION.codec.size)
    photo = np.full((size[1], size[0], 3), PADDING, np.uint8)
    for colours, column, row, half in patches:
        middle = (np.array([column, row]) + 0.5) * 8
        corners = np.stack([middle - 4 * cells, middle + 4 * cells]) - 0.5
        (left, top), (right, bottom) = np.maximum(np.rint(frame.back(corners) + 0.5), 0).astype(int)
        photo[top:bottom, left:right] = (*colours, half)
    return photo


def detector(folder: Path, calibration: Mapping[str, float] = CALIBRATION) -> Path:
    """Finds the middles of patches of the two colours, likelier the larger they are."""

    def compute(image: Value) -> dict[str, Value]:
        pixels = apply("Transpose", image.cast(np.float32), perm=[0, 3, 1, 2])
        seen = [apply("Slice", pixels, *(np.array([n], np.int64) for n in (c, c + 1, 1))) for c in range(3)]
        heat = []
        for red, green in (SKIRT, TROUSERS):
            here = (apply("Abs", seen[0] - red) < 30) & (apply("Abs", seen[1] - green) < 30)
            of_cell = apply("AveragePool", here.cast(np.float32), kernel_shape=[8, 8], strides=[8, 8])
            wide = {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2], "count_include_pad": 1}
            heat.append(apply("AveragePool", apply("AveragePool", of_cell, **wide), **wide))
        start, end, step = (np.array([n, n], np.int64) for n in (4, DETECTION.size, 8))
        half = apply("Slice", seen[2], start, end, np.array([2, 3], np.int64), step)
        edges = apply("Transpose", half, perm=[0, 2, 3, 1]).expanded(3)
        ones = np.ones((1, 1, 1, 2, 4), np.float32)
        joined = apply("Concat", *heat, axis=1)
        return {"heat": apply("Transpose", joined, perm=[0, 2, 3, 1]), "distances": edges * ones}

    told = json.loads(DETECTION.to_json())
    manifest = Manifest("detection", "onnx", "float32", told, DETECTION.vocabulary, detection=dict(calibration))
    return _written(folder, manifest, _model(compute, DETECTION.size))


def keypoints(folder: Path, config: KeypointConfig = KEYPOINTS) -> Path:
    """Every keypoint lies where the square is brightest, each in another channel or mixture of channels."""
    count, categories = len(config.vocabulary.keypoints), len(config.vocabulary.categories)
    mixture = np.random.default_rng(3).normal(size=(3, count)).astype(np.float32)

    def compute(image: Value, mask: Value) -> dict[str, Value]:
        pixels = apply("Transpose", image.cast(np.float32), perm=[0, 3, 1, 2])
        cells = apply("AveragePool", pixels, kernel_shape=[4, 4], strides=[4, 4])
        mixed = apply("MatMul", apply("Transpose", cells, perm=[0, 2, 3, 1]) - 128, mixture) / 512 + 0.5
        heatmaps = mixed * mask.expanded(1, 2)
        side = config.size // 4
        flat = heatmaps.reshape(-1, side * side, count)
        index = apply("ArgMax", flat, dtype=np.int64, axis=1, keepdims=0)
        row = index / side
        points = [((part.cast(np.float32) + 0.5) * 4 - 0.5).expanded(2) for part in (index - row * side, row)]
        peaks = apply("ReduceMax", flat, axes=[1], keepdims=0).expanded(2)
        probabilities = mask.take([0] * categories, axis=1) * 0 + 1 / categories
        return {"heatmaps": heatmaps, "keypoints": apply("Concat", *points, peaks, axis=2), "category": probabilities}

    manifest = Manifest("keypoints", "onnx", "float32", json.loads(config.to_json()), config.vocabulary)
    return _written(folder, manifest, _model(compute, config.size, count))


def _model(compute: Callable[..., dict[str, Value]], side: int, count: int | None = None) -> onnx.ModelProto:
    graph = Graph()
    inputs: dict[str, tuple[type, tuple]] = {"image": (np.uint8, ("B", side, side, 3))}
    if count is not None:
        inputs["mask"] = (np.float32, ("B", count))
    made = compute(*(graph.named(name, dtype) for name, (dtype, _) in inputs.items()))
    for name, value in made.items():
        graph.nodes.append(helper.make_node("Identity", [value.name], [name]))
    whole = helper.make_graph(
        graph.nodes,
        "by_hand",
        [described(name, dtype, shape) for name, (dtype, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in made],
        [*graph.constants.values()],
    )
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def _written(folder: Path, manifest: Manifest, model: onnx.ModelProto) -> Path:
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    manifest.write(folder)
    return folder
