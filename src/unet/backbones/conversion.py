"""Tensors of PyTorch into a network that they were published for."""

import fnmatch
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from ...files import atomic_path
from ..normalization import InputStatistics
from .checkpoints import read_checkpoint
from .input_statistics import normalise_as_trained
from .published import PUBLISHED, residual_module
from .reading import WeightsError, first, shown
from .tensor_names import is_known, nearest, prefix_of, without_prefix
from .weights import save_file

log = logging.getLogger(__name__)

_UNUSED = ("num_batches_tracked",)
"""What normalisation keeps in PyTorch and nothing here needs."""
_OF_HEADS = ("weight", "bias", "running_mean", "running_var")
_STEPS = "n_averaged"
"""What an average of weights keeps beside them."""


@dataclass(frozen=True, slots=True)
class Target:
    """A weight of a network. shape: that of the tensor in PyTorch, where kernels are (out, in, h, w). depthwise: a
    kernel of one input a channel."""

    variable: Any
    shape: tuple[int, ...]
    depthwise: bool = False

    def value(self, tensor: np.ndarray) -> np.ndarray:
        """The tensor as float32 in the order of Keras: kernels are (h, w, in, out), depthwise ones (h, w, out, 1)."""
        tensor = tensor.astype(np.float32)
        if tensor.ndim != 4:
            return tensor
        return tensor.transpose((2, 3, 0, 1) if self.depthwise else (2, 3, 1, 0))


def targets(net: keras.Model, module_of: Callable[[str], str] = residual_module) -> dict[str, Target]:
    """Tensor name in PyTorch -> weight, for all weights of a network of `PUBLISHED`; module_of: its way to name."""
    found = {}
    for layer in net.layers:
        module = module_of(layer.name)
        if isinstance(layer, layers.DepthwiseConv2D):
            height, width, channels, _ = layer.kernel.shape
            found[f"{module}.weight"] = Target(layer.kernel, (channels, 1, height, width), depthwise=True)
        elif isinstance(layer, layers.Conv2D):
            height, width, inputs, outputs = layer.kernel.shape
            found[f"{module}.weight"] = Target(layer.kernel, (outputs, inputs, height, width))
            if layer.use_bias:
                found[f"{module}.bias"] = Target(layer.bias, (outputs,))
        elif isinstance(layer, layers.BatchNormalization):
            pairs = {
                "weight": layer.gamma,
                "bias": layer.beta,
                "running_mean": layer.moving_mean,
                "running_var": layer.moving_variance,
            }
            found |= {f"{module}.{part}": Target(weight, tuple(weight.shape)) for part, weight in pairs.items()}
    return found


def load_state(
    net: keras.Model,
    backbone: str,
    state: Mapping[str, np.ndarray],
    source: object,
    accept_missing: Sequence[str] = (),
    accept_unexpected: Sequence[str] = (),
    prefix: str = "",
) -> tuple[list[str], list[str]]:
    """Loads the tensors of a checkpoint into the backbone that bears that name; its classifier is left out.

    accept_missing, accept_unexpected: patterns of names, such as `layer4.*`, that can be absent, and so stay as they
    start, or too many. prefix: what the names of the backbone begin with; known ones, such as `module.`, are found and
    logged. Returns both as found. Raises WeightsError, which counts what is at fault and names the first of each kind,
    and then changes nothing.
    """
    published = PUBLISHED[backbone]
    wanted = targets(net, published.module)
    state, hint = _from_prefix(state, wanted, prefix, source)
    modules = {name.rpartition(".")[0] for name in wanted} | set(published.head)
    known = set(wanted) | {f"{head}.{part}" for head in published.head for part in _OF_HEADS}
    extra = [name for name in state if name not in known and not _unused(name, modules)]
    missing = [name for name in wanted if name not in state]
    present = [name for name in wanted if name in state]
    shapes = [
        f"{name} {_shape(state[name].shape)} instead of {_shape(wanted[name].shape)}"
        for name in present
        if state[name].shape != wanted[name].shape
    ]
    # Only of the right shapes: those of others can be larger than the network.
    fitting = [name for name in present if state[name].shape == wanted[name].shape]
    whole = [name for name in fitting if state[name].dtype.kind != "f"]
    broken = [name for name in fitting if not np.isfinite(state[name]).all()]
    negative = [name for name in fitting if name.endswith(".running_var") and (state[name] < 0).any()]
    faults = {
        "lacks": _not_accepted(missing, accept_missing),
        "has too many": _not_accepted(extra, accept_unexpected),
        "has other shapes": shapes,
        "has whole numbers for weights": whole,
        "holds numbers that are not finite": broken,
        "holds negative variances": negative,
    }
    faults_found = [f"it {fault} ({len(names)}): {first(names)}" for fault, names in faults.items() if names]
    if faults_found:
        raise WeightsError(f"{source} does not fit {backbone}: {'; '.join(faults_found)}{hint}")
    for name in present:
        wanted[name].variable.assign(wanted[name].value(state[name]))
    return missing, extra


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a checkpoint that it does not say itself.

    entry: which of several state dicts. prefix: what the names of the backbone begin with. statistics: by what its
    input was normalised.
    """

    entry: str = ""
    prefix: str = ""
    statistics: InputStatistics | None = None


def convert_checkpoint(
    path: Path,
    backbone: str,
    out: Path,
    accept_missing: Sequence[str] = (),
    accept_unexpected: Sequence[str] = (),
    known: Known | None = None,
) -> tuple[list[str], list[str]]:
    """Writes the tensors of a checkpoint as a Keras weights file of the backbone, whole or not at all.

    Patterns and result as in `load_state`. The input is normalised by the statistics that are known, that a
    `config.json` of timm beside the file names, or else by those of ImageNet, with a warning. Raises ValueError for an
    unknown backbone or a file name that Keras does not write to, WeightsError where the checkpoint cannot be read or
    does not fit, OSError where `out` cannot be written.
    """
    if backbone not in PUBLISHED:
        raise ValueError(f"no weights of PyTorch fit {backbone!r}; {nearest(backbone, PUBLISHED)}")
    if not out.name.endswith(".weights.h5"):
        raise ValueError(f"{out} must end in .weights.h5, by which Keras knows a weights file")
    known = known or Known()
    state = read_checkpoint(path, known.entry)
    net = PUBLISHED[backbone].build((None, None, 3))
    accepted = load_state(net, backbone, state, path, accept_missing, accept_unexpected, known.prefix)
    normalise_as_trained(net, backbone, path, known.statistics)
    with atomic_path(out) as beside:
        save_file(net, beside, backbone)
    return accepted


def _from_prefix(
    state: Mapping[str, np.ndarray], wanted: Collection[str], prefix: str, source: object
) -> tuple[Mapping[str, np.ndarray], str]:
    """The tensors by the names of the backbone, and what to say of prefixes where they do not fit."""
    if prefix:
        prefix = f"{prefix.rstrip('.')}."
        if not any(name.startswith(prefix) for name in state):
            raise WeightsError(f"{source} has no tensor with the prefix {prefix}; it has {first(state)}")
        return without_prefix(state, prefix), ""
    found = prefix_of(state, wanted)
    if is_known(found):
        log.info(f"of {source} the tensors that begin with {found} are taken, without it")
        return without_prefix(state, found), ""
    count = sum(f"{found}{name}" in state for name in wanted)
    prefix = shown(found)
    hint = f"; {count} of {len(wanted)} tensors are there with the prefix {prefix}, which --prefix {prefix} takes off"
    return state, hint if found else ""


def _unused(name: str, modules: set[str]) -> bool:
    module, _, part = name.rpartition(".")
    return (part in _UNUSED and module in modules) or name == _STEPS


def _not_accepted(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def _shape(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes)) or "scalar"
