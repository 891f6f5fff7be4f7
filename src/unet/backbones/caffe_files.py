"""ResNets of Caffe in HDF5, as Keras 1 and 2 wrote them: `resnet101_weights_tf.h5` and its like.

Their layers are called as in Caffe (`res4b12_branch2a`), and what normalises is two layers: one with the statistics,
and a `scale` of factor and offset. They fit the ResNets of keras.applications, which have biases and one layer instead.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import numpy as np

from ...files import open_regular
from .hdf5_files import check_hdf5
from .reading import WeightsError, shown

_EPSILON = 1.1e-5
"""Of the normalisation of those files; that of the network is another, which its variances make up for."""
_MARK = "bn_conv1"
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_PARTS = {"bn": ("gamma", "beta", "mean", "std|var"), "scale": ("gamma", "beta")}
"""What the names of a layer's weights have in them, in order, by how the layer's name begins."""
_SHOWN = 5
"""Faults that a message names."""


def is_caffe_file(path: str | Path) -> bool:
    """Whether the file is HDF5 with Caffe's names. Raises WeightsError where it reads other files, or is damaged."""
    try:
        with open_regular(Path(path)) as stream:
            if stream.read(8) != _SIGNATURE:
                return False
    except OSError:
        return False
    check_hdf5(Path(path))
    with h5py.File(path, "r") as file:
        return _MARK in _layer_names(_root(file))


def load_caffe_file(body: keras.Model, path: str | Path) -> None:
    """Loads such a file into a ResNet50, 101 or 152 of keras.applications without its top.

    Raises WeightsError, naming the tensors, where one is missing, has another shape or is not finite, and then changes
    nothing; and where the file is damaged, or reads other files.
    """
    check_hdf5(Path(path))
    try:
        found, faults = _found(body, path)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, UnicodeError) as error:
        reason = str(error).strip("'\" ").partition("\n")[0] or type(error).__name__
        raise WeightsError(f"{path} does not fit {body.name}: {shown(reason)}") from None
    if faults:
        raise WeightsError(f"{path} does not fit {body.name}: {'; '.join(faults)}")
    for variable, value in found:
        variable.assign(value)


def _found(body: keras.Model, path: str | Path) -> tuple[list[tuple[keras.Variable, np.ndarray]], list[str]]:
    """What to assign, and what is wrong with the file."""
    faults: list[str] = []
    found: list[tuple[keras.Variable, np.ndarray]] = []
    with h5py.File(path, "r") as file:
        arrays = _layers(file)
        names = set(arrays) - {"fc1000"}
        for variables, caffe in _places(body):
            names -= set(caffe)
            missing = [name for name in caffe if name not in arrays and not name.startswith("scale")]
            if missing:
                faults.append(f"it lacks {', '.join(missing)}")
                continue
            values = _values([arrays.get(name, []) for name in caffe], variables)
            shapes = [tuple(value.shape) for value in values]
            if shapes != [tuple(variable.shape) for variable in variables]:
                faults.append(f"{caffe[0]} has the shapes {shapes}")
            elif not all(np.isfinite(value).all() for value in values):
                faults.append(f"{caffe[0]} holds numbers that are not finite")
            elif len(values) == 4 and (values[3] <= 0).any():
                faults.append(f"{caffe[0]} holds negative variances")
            found += zip(variables, values, strict=False)
        faults += [f"it has {name} too many" for name in sorted(names) if arrays[name]]
    return found, faults[:_SHOWN] + ([f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else [])


def _layers(file: h5py.File) -> dict[str, list[np.ndarray]]:
    """Layer -> its weights in their order; of Keras 1 as of Keras 2."""
    root = _root(file)
    found = {}
    for layer in _layer_names(root):
        names = [_text(name) for name in root[layer].attrs["weight_names"]]
        expected = next((parts for start, parts in _PARTS.items() if layer.startswith(start)), ())
        # They are told apart by their order alone, since most have the same shape.
        if names and expected and not all(map(re.search, expected, names)):
            raise ValueError(f"{layer} has {', '.join(names)}; expected {', '.join(expected)} in this order")
        found[layer] = [np.asarray(root[layer][name]) for name in names]
        if any(array.dtype.kind != "f" for array in found[layer]):
            raise ValueError(f"{layer} has whole numbers for weights")
    return found


def _root(file: h5py.File) -> h5py.Group:
    return file["model_weights"] if "model_weights" in file else file["/"]


def _layer_names(root: h5py.Group) -> list[str]:
    return [_text(name) for name in root.attrs.get("layer_names", [])]


def _text(name: bytes | str) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _places(body: keras.Model) -> Iterator[tuple[list[keras.Variable], list[str]]]:
    """The weights of every layer that has some, and the layers of Caffe that they come from."""
    depths: dict[str, int] = {}
    for layer in body.layers:
        match = re.match(r"conv(\d)_block(\d+)_", layer.name)
        if match:
            depths[match[1]] = max(depths.get(match[1], 0), int(match[2]))
    for layer in body.layers:
        if layer.weights:
            place = _caffe_place(layer.name, depths)
            kinds = ["res"] if layer.name.endswith("_conv") else ["bn", "scale"]
            if place == "conv1":
                yield layer.weights, ["conv1"] if kinds == ["res"] else [f"{kind}_conv1" for kind in kinds]
            else:
                yield layer.weights, [f"{kind}{place}" for kind in kinds]


def _caffe_place(name: str, depths: dict[str, int]) -> str:
    """`conv4_block3_1_bn` -> `4b2_branch2a`, or `4c_branch2a` where the stage has few blocks."""
    match = re.match(r"conv(\d)_block(\d+)_(\d)_", name)
    if not match:
        return "conv1"
    stage, block, part = match[1], int(match[2]), int(match[3])
    many = depths[stage] > 6 or (stage == "3" and depths["4"] > 6)
    letter = "a" if block == 1 else f"b{block - 1}" if many else "abcdef"[block - 1]
    return f"{stage}{letter}_branch{'1' if part == 0 else '2' + 'abc'[part - 1]}"


def _values(arrays: list[list[np.ndarray]], variables: list[keras.Variable]) -> list[np.ndarray]:
    first = arrays[0]
    if len(arrays) == 1:  # a convolution, with or without its bias
        return first if len(first) == 2 else [*first, np.zeros(first[0].shape[-1:], np.float32)]
    if len(first) != 4:
        return first
    gamma, beta, mean, variance = first
    if arrays[1]:
        factor, offset = arrays[1]
        gamma, beta = gamma * factor, beta * factor + offset
    # variables: gamma, beta, mean, variance of a layer with the epsilon of keras.applications
    return [gamma, beta, mean, variance + (_EPSILON - 1.001e-5)]
