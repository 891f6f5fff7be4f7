"""Checkpoints of PyTorch as arrays by name: safetensors, or state dicts that torch.save wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from .torch_files import BFLOAT16, numbers, read_torch_file
from .weights import CHECKPOINTS, SAFETENSORS, WeightsError, beginning

_WRAPPERS = ("state_dict", "model", "model_state_dict", "net")
"""Under what a training script keeps the state dict among other things."""
_KINDS = {"F32": "f4", "F16": "f2", "F64": "f8", "BF16": BFLOAT16, "I64": "i8", "I32": "i4", "BOOL": "?", "U8": "u1"}


def read_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """The tensors by name, without the `module.` that training on several GPUs puts before all names.

    Raises WeightsError for a file that is missing, damaged, not what its ending says, or that holds no state dict.
    """
    if not path.is_file():
        raise WeightsError(f"no checkpoint at {path}")
    if path.suffix not in CHECKPOINTS:
        raise WeightsError(f"{path} is no checkpoint by its ending; expected one of {', '.join(CHECKPOINTS)}")
    kind = beginning(path)
    if path.suffix in SAFETENSORS:
        state: Any = _read_safetensors(path, kind)
    else:
        if kind and "torch.save" not in kind:
            raise WeightsError(f"{path} is not a file of torch.save but {kind}: name it by what it is")
        state = _unwrapped(read_torch_file(path), path)
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): array for name, array in state.items()}
    return state


def _read_safetensors(path: Path, kind: str) -> dict[str, np.ndarray]:
    try:
        parts = safetensors.deserialize(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # the library's own error, of no common kind
        if kind:  # not asked before: the format begins with a length, whose bytes may be those of another one
            raise WeightsError(f"{path} is not in the safetensors format but {kind}: name it by what it is") from None
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"{path} is damaged, cut short or no safetensors file: {reason}") from None
    unknown = sorted({part["dtype"] for _, part in parts} - set(_KINDS))
    if unknown:
        raise WeightsError(f"{path} has numbers of the kinds {', '.join(unknown)}; known are {', '.join(_KINDS)}")
    return {name: numbers(part["data"], _KINDS[part["dtype"]]).reshape(part["shape"]) for name, part in parts}


def _unwrapped(content: Any, path: Path) -> Mapping[str, np.ndarray]:
    if isinstance(content, dict):
        for name in _WRAPPERS:
            if isinstance(content.get(name), dict):
                content = content[name]
                break
    if not isinstance(content, dict) or not content:
        raise WeightsError(f"{path} holds no state dict but a {type(content).__name__}")
    others = [str(name) for name, value in content.items() if not isinstance(value, np.ndarray)]
    if others:
        named = ", ".join(others[:10])
        raise WeightsError(f"{path} holds no state dict: these entries are no tensors: {named}")
    return content
