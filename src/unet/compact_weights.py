"""Keras weights files that keep a number once: what an artifact beside them holds already they only refer to.

A compact file has the groups and names of the Keras weights file that it was made of. An array of it is one of these:

- as it was (vectors: biases, and the numbers of normalisation),
- in float16, compressed, which Keras reads as it is (kernels that the artifact does not have),
- instead of a kernel, a factor for each output channel, with the attributes `offset` (bytes), `shape` and `type`: the
  constant that the artifact has there, (O, I, h, w), (O, I) or of a depthwise convolution (O, 1, 1, h, w), divided by
  the factors is the kernel. The factors are those of the normalisation that an export multiplies into it, and of a
  constant in int8 those of its steps. A kernel of such a constant is the trained one to half a step. A channel that the
  constant has as zeros, because its normalisation leaves nothing of it, has the factor 0; in their order, such channels
  are the attribute `apart`, in float16.

The attributes of the file are the name of the artifact's file and its sha256.
"""

import hashlib
import math
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

CONSTANTS, GRAPH = "model.bin", "model.xml"
"""Of an artifact for OpenVINO: the file of all constants, and where in it each one lies."""
NEAR = 1e-6
"""How far a kernel made of a constant can be from the trained one, relative to its largest number: float32 rounding."""
STEPS = 1.0
"""How many steps of int8 it can be away: rounding is half a step, and the factor is fitted to rounded numbers."""
MOST_APART = 0.25
"""The share of a kernel's channels that a constant can have as zeros."""
_TYPES = {"f32": "<f4", "i8": "<i1"}


class CompactError(ValueError):
    """A compact file whose artifact is missing or another one."""


def write_compact(weights: Path, artifact: Path, out: Path) -> None:
    """Writes the compact form of a Keras weights file for the folder of the artifact made of the same weights.

    Where the artifact is not for OpenVINO, all kernels are kept in float16. Not atomic: call it in `atomic_path`.
    """
    constants = _constants(artifact)
    referred = False
    with h5py.File(weights) as whole, h5py.File(out, "w", libver="latest") as compact:

        def keep(name: str, item: h5py.Group | h5py.Dataset) -> None:
            nonlocal referred
            if isinstance(item, h5py.Group):
                kept = compact.require_group(name)
            elif (array := item[()]).ndim < 2:
                kept = compact.create_dataset(name, data=array)
            elif (found := _find(array, constants)) is not None:
                offset, factors = found
                kept = compact.create_dataset(name, data=factors)
                kept.attrs["offset"], kept.attrs["shape"] = offset, constants[offset].shape
                kept.attrs["type"] = "f32" if constants[offset].dtype == np.float32 else "i8"
                if not factors.all():
                    kept.attrs["apart"] = _by_channel(array, constants[offset])[factors == 0].astype(np.float16)
                referred = True
            else:
                half = array.astype(np.float16)
                kept = compact.create_dataset(
                    name, data=half, chunks=half.shape, shuffle=True, compression="gzip", compression_opts=9
                )
            for key, value in item.attrs.items():
                kept.attrs[key] = value

        whole.visititems(keep)
        if referred:
            compact.attrs["artifact"] = CONSTANTS
            compact.attrs["sha256"] = hashlib.sha256((artifact / CONSTANTS).read_bytes()).hexdigest()


def is_compact(path: Path) -> bool:
    """Whether a Keras weights file refers to an artifact. Raises OSError where it is no HDF5 file."""
    with h5py.File(path) as file:
        return "artifact" in file.attrs


@contextmanager
def whole_weights(path: Path) -> Iterator[Path]:
    """The path of a Keras weights file with all arrays: `path` itself, or for a compact file one that is made for now.

    Raises CompactError where the artifact that a compact file refers to is missing or another one, and OSError where
    `path` is no HDF5 file.
    """
    if not is_compact(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "model.weights.h5"
        with h5py.File(path) as compact, h5py.File(made, "w") as whole:
            constants = _referred(path, compact)

            def restore(name: str, item: h5py.Group | h5py.Dataset) -> None:
                if isinstance(item, h5py.Group):
                    kept = whole.require_group(name)
                else:
                    array = item[()] if "offset" not in item.attrs else _kernel(item, constants)
                    kept = whole.create_dataset(name, data=array)
                for key, value in item.attrs.items():
                    if key not in ("offset", "shape", "type", "apart"):
                        kept.attrs[key] = value

            compact.visititems(restore)
        yield made


def _referred(path: Path, compact: h5py.File) -> bytes:
    name = str(compact.attrs["artifact"])
    if name != CONSTANTS:
        raise CompactError(f"{path} refers to {name!r}; expected {CONSTANTS}, which lies beside it")
    source = path.parent / CONSTANTS
    if not source.is_file():
        raise CompactError(f"{path} refers to {source}, which is missing: copy the whole folder")
    constants = source.read_bytes()
    if hashlib.sha256(constants).hexdigest() != compact.attrs["sha256"]:
        raise CompactError(f"{path} refers to another {source.name} than the one beside it: copy the whole folder")
    return constants


def _kernel(factors: h5py.Dataset, constants: bytes) -> np.ndarray:
    shape = tuple(int(side) for side in factors.attrs["shape"])
    if len(shape) not in _AXES or any(side < 1 for side in shape):
        raise CompactError(f"{factors.name} refers to a constant of the shape {shape}; expected 2, 4 or 5 sides")
    kind = str(factors.attrs.get("type", "f32"))  # earlier files refer to float32 alone
    if kind not in _TYPES:
        raise CompactError(f"{factors.name} refers to a constant of {kind!r:.40}; expected {' or '.join(_TYPES)}")
    constant = np.frombuffer(constants, _TYPES[kind], math.prod(shape), int(factors.attrs["offset"])).reshape(shape)
    kernel, found = _as_keras(constant), factors[()]
    gone = found == 0
    made = kernel.astype(np.float32)
    channels = _by_channel(made, constant)
    channels /= np.where(gone, 1, found).reshape(-1, *(1,) * (made.ndim - 1))
    if gone.any():
        apart = np.asarray(factors.attrs.get("apart"))
        if apart.shape != channels[gone].shape:
            raise CompactError(f"{factors.name} lacks {gone.sum()} channels that are kept apart from the artifact")
        channels[gone] = apart
    return made


_AXES = {2: (1, 0), 4: (2, 3, 1, 0), 5: (3, 4, 0, 1, 2)}


def _as_keras(constant: np.ndarray) -> np.ndarray:
    """(O, I, h, w) -> (h, w, I, O), (O, I) -> (I, O), and (O, 1, 1, h, w) -> (h, w, O, 1), as Keras has kernels."""
    kernel = constant.transpose(_AXES[constant.ndim])
    return kernel[..., 0] if constant.ndim == 5 else kernel


def _by_channel(kernel: np.ndarray, constant: np.ndarray) -> np.ndarray:
    """A view of a kernel with its output channels as the first axis: of Keras's the last one, but of a depthwise kernel
    (h, w, O, 1) the last but one. constant: of the same kernel, as the artifact has it."""
    return np.moveaxis(kernel, -2 if constant.ndim == 5 else -1, 0)


def _find(kernel: np.ndarray, constants: dict[int, np.ndarray]) -> tuple[int, np.ndarray] | None:
    """The offset of the constant that is the kernel but for a factor for each output channel, and these factors.

    Of constants in int8 the nearest one.
    """
    best: tuple[float, int, np.ndarray] | None = None
    for offset, constant in constants.items():
        held = _as_keras(constant)
        if held.shape != kernel.shape:
            continue
        ours, theirs = _by_channel(kernel, constant).astype(np.float64), _by_channel(held, constant)
        others = tuple(range(1, ours.ndim))
        size = np.square(ours).sum(others)
        factors = ((theirs * ours).sum(others) / np.where(size > 0, size, 1)).astype(np.float32)
        there = factors != 0
        if there.mean() < 1 - MOST_APART or theirs[~there].any():
            continue
        by = factors[there].reshape(-1, *(1 for _ in others))
        if constant.dtype == np.float32:
            if np.abs(theirs[there] / by - ours[there]).max() <= NEAR * np.abs(ours).max():
                return offset, factors
            continue
        steps = float(np.abs(theirs[there] - ours[there] * by).max())
        if steps <= STEPS and (best is None or steps < best[0]):
            best = steps, offset, factors
    return None if best is None else best[1:]


def _constants(artifact: Path) -> dict[int, np.ndarray]:
    """By offset the constants that can be kernels."""
    if not (artifact / GRAPH).is_file():
        return {}
    data, found = (artifact / CONSTANTS).read_bytes(), {}
    for layer in ElementTree.parse(artifact / GRAPH).iterfind("./layers/layer[@type='Const']/data"):
        shape = tuple(int(side) for side in layer.get("shape", "").split(",") if side.strip())
        kind = _TYPES.get(layer.get("element_type", ""))
        if kind is not None and len(shape) in _AXES and (len(shape) < 5 or shape[1:3] == (1, 1)):
            offset = int(layer.get("offset", 0))
            found[offset] = np.frombuffer(data, kind, int(np.prod(shape)), offset).reshape(shape)
    return found
