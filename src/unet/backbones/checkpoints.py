"""Checkpoints of PyTorch as arrays by name: safetensors, or state dicts that torch.save wrote."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from ...files import open_regular, read_regular
from .reading import BUDGET, Budget, WeightsError, first, shown
from .tensor_names import without_wrappers
from .torch_files import BFLOAT16, numbers, read_torch_file
from .weights import CHECKPOINTS, SAFETENSORS, beginning

log = logging.getLogger(__name__)

_WRAPPERS = ("state_dict", "model", "model_state_dict", "net", "network", "module", "model_state", "weights", "params")
"""Under what a training script keeps the state dict among other things."""
_AVERAGES = ("state_dict_ema", "model_ema", "ema_state_dict", "model_ema_state_dict", "ema", "ema_model", "params_ema")
"""Under what it keeps the average of the weights, which is taken where there are no others."""
_MOST_WRAPPERS = 4
_KINDS = {"F32": "f4", "F16": "f2", "F64": "f8", "BF16": BFLOAT16, "I64": "i8", "I32": "i4", "BOOL": "?", "U8": "u1"}


def read_checkpoint(path: Path, entry: str = "", budget: Budget = BUDGET) -> dict[str, np.ndarray]:
    """The tensors by name, without the prefixes that wrappers put before all names, which is logged.

    entry: which state dict of a file of torch.save, such as `state_dict_ema`; by default the first of those that
    training scripts write. Raises WeightsError for a file that is missing, damaged, not what its ending says, that
    holds no state dict or asks for more than the budget.
    """
    if not path.is_file():
        raise WeightsError(f"no checkpoint at {path}")
    if path.suffix not in CHECKPOINTS:
        raise WeightsError(f"{path} is no checkpoint by its ending; expected one of {', '.join(CHECKPOINTS)}")
    kind = beginning(path)
    if path.suffix in SAFETENSORS:
        if entry:
            raise WeightsError(f"{path} is in the safetensors format, which has no entries: leave out {entry}")
        state: Any = _read_safetensors(path, kind, budget)
    else:
        if kind and "torch.save" not in kind:
            raise WeightsError(f"{path} is not a file of torch.save but {kind}: name it by what it is")
        state = _unwrapped(read_torch_file(path, budget), path, entry)
    state, prefixes = without_wrappers(state)
    if prefixes:
        log.info(f"the names in {path} are taken without {' and '.join(prefixes)}")
    return state


def _read_safetensors(path: Path, kind: str, budget: Budget) -> dict[str, np.ndarray]:
    size = path.stat().st_size
    if size > budget.memory:
        raise WeightsError(f"{path} asks for more than is given to a file of weights: {size:,} bytes")
    with open_regular(path) as file:
        described = int.from_bytes(file.read(8), "little")
    if max(1 << 16, budget.parts * 4) < described <= size:
        raise WeightsError(f"{path} asks for more than is given to a file of weights: {described:,} bytes of names")
    try:
        parts = safetensors.deserialize(read_regular(path))
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # the library's own error, of no common kind
        if kind:  # not asked before: the format begins with a length, whose bytes may be those of another one
            raise WeightsError(f"{path} is not in the safetensors format but {kind}: name it by what it is") from None
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"{path} is damaged, cut short or no safetensors file: {shown(reason)}") from None
    unknown = sorted({part["dtype"] for _, part in parts} - set(_KINDS))
    if unknown:
        raise WeightsError(f"{path} has numbers of the kinds {', '.join(unknown)}; known are {', '.join(_KINDS)}")
    return {name: numbers(part["data"], _KINDS[part["dtype"]]).reshape(part["shape"]) for name, part in sorted(parts)}


def _unwrapped(content: Any, path: Path, entry: str) -> Mapping[str, np.ndarray]:
    for part in entry.split(".") if entry else ():
        if not isinstance(content, dict) or not isinstance(content.get(part), dict):
            held = first([str(key) for key in content], 10) if isinstance(content, dict) else type(content).__name__
            raise WeightsError(f"{path} has no dict {shown(part)}; it holds {held}")
        content = content[part]
    for _ in range(_MOST_WRAPPERS):
        found = [name for name in (*_WRAPPERS, *_AVERAGES) if _is_dict(content, name)]
        if not found:
            break
        if len(found) > 1:
            log.info(f"{path} holds {', '.join(found)}: {found[0]} is taken")
        elif found[0] in _AVERAGES:
            log.info(f"of {path} the averaged weights are taken, {found[0]}")
        content = content[found[0]]
    if not isinstance(content, dict) or not content:
        raise WeightsError(f"{path} holds no state dict but a {type(content).__name__}")
    others = [str(name) for name, value in content.items() if not isinstance(value, np.ndarray)]
    if others:
        raise WeightsError(f"{path} holds no state dict: these entries are no tensors: {first(others, 10)}")
    if not all(isinstance(name, str) for name in content):
        raise WeightsError(f"{path} holds no state dict: its tensors have no names")
    return content


def _is_dict(content: Any, name: str) -> bool:
    return isinstance(content, dict) and isinstance(content.get(name), dict)
