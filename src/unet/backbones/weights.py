"""Weights that a backbone starts from."""

import warnings
from pathlib import Path

import h5py
import keras
import numpy as np

from ...files import open_regular
from ..compact_weights import CompactError, whole_weights
from .hdf5_files import digest, hdf5_fault
from .reading import WeightsError, first, shown

Weights = str | Path | None
"""`"imagenet"`, a Keras weights file or a checkpoint of PyTorch, or None for a random start."""

SAFETENSORS, TORCH = (".safetensors",), (".pth", ".pt", ".bin", ".tar", ".ckpt")
CHECKPOINTS = SAFETENSORS + TORCH
"""Endings of the checkpoints of PyTorch."""
_BEGINNINGS = {
    b"PK\x03\x04": "a ZIP archive, as torch.save writes",
    b"\x80\x02": "a pickle, as torch.save wrote before PyTorch 1.6",
    b"\x89HDF": "an HDF5 file, as Keras writes",
    b"<!DO": "a web page",
    b"<htm": "a web page",
    b"vers": "a pointer of Git LFS, not the file itself",
}
BACKBONE = "aifashion_backbone"
"""The attribute of a weights file that tells which backbone it belongs to."""
DIGEST = "aifashion_digest"
"""The attribute of such a file that tells the sha256 of its numbers."""


def beginning(path: Path) -> str:
    """What a file is by its first bytes, in words; empty where they tell nothing."""
    if path.suffix == ".keras":
        return "a whole Keras model, of which the .weights.h5 alone is wanted"
    with open_regular(path) as file:
        begin = file.read(4)
    return next((kind for mark, kind in _BEGINNINGS.items() if begin.startswith(mark)), "")


def load_file(model: keras.Model, path: str | Path) -> None:
    """Loads a Keras weights file (.h5 or .weights.h5), compact ones as well.

    Raises WeightsError where it is missing or does not fit, CompactError where what a compact one refers to is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path} is a folder; expected a file" if path.is_dir() else f"no weights file at {path}")
    if path.suffix in CHECKPOINTS:
        reason = "a checkpoint of PyTorch fits the residual family alone, such as resnet50_torch"
        raise WeightsError(f"{path} does not fit {model.name}: {reason}")
    kind = beginning(path)
    if kind and "HDF5" not in kind:
        raise WeightsError(f"{path} does not fit {model.name}: it is no Keras weights file but {kind}")
    if fault := hdf5_fault(path):
        raise WeightsError(f"{path} does not fit {model.name}: {fault}")
    if not _intact(path):
        raise WeightsError(f"{path} is damaged: its numbers are not those that it was written with")
    try:
        with warnings.catch_warnings():
            # Keras only warns that a part is missing in the file, and leaves the start weights there.
            warnings.filterwarnings("error", "Skipping nested container", UserWarning)
            with whole_weights(path) as whole:
                model.load_weights(whole)
    except CompactError:
        raise
    except UserWarning:
        raise WeightsError(f"{path} does not fit {model.name}: it lacks a part of the network") from None
    except (ValueError, OSError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WeightsError(f"{path} does not fit {model.name}: {shown(reason, 500)}") from None


def _intact(path: Path) -> bool:
    """Whether the numbers have the digest that the file tells, if it tells one."""
    try:
        with h5py.File(path, "r") as file:
            told = file.attrs.get(DIGEST)
            return told is None or told == digest(file)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        return False


def check_finite(model: keras.Model, path: str | Path) -> None:
    """Raises WeightsError, naming the weights, where some of a file are no numbers."""
    broken = [weight.path for weight in model.weights if not np.isfinite(keras.ops.convert_to_numpy(weight)).all()]
    if broken:
        raise WeightsError(f"{path} holds numbers that are not finite: {first(broken)}")


def told_backbone(path: Path) -> str:
    """The backbone that a weights file says it belongs to; empty where it is none, or says nothing."""
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get(BACKBONE, ""))
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):  # a damaged file: what loads it says so
        return ""


def save_file(model: keras.Model, path: Path, backbone: str) -> None:
    """Writes a Keras weights file that tells its backbone. Not atomic: call it within `files.atomic_path`."""
    model.save_weights(path)
    with h5py.File(path, "a") as file:
        file.attrs[BACKBONE] = backbone
        file.attrs[DIGEST] = digest(file)
