"""What wrappers of training scripts put before the names of a checkpoint's tensors."""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from .reading import WeightsError, shown

_WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
"""Put by torch.compile and the like, before all names or within them; no module is called so."""
PREFIXES = (*_WRAPPERS, "module", "model", "net", "network", "backbone", "encoder", "body", "base_model", "model_ema")
"""Attributes under which a larger model has the backbone."""
_CHAIN = re.compile(rf"(?:(?:{'|'.join(PREFIXES)})\.)+")
_WITHIN = re.compile(rf"(?:^|(?<=\.))(?:{'|'.join(_WRAPPERS)})\.")


def known_prefix(names: Collection[str]) -> str:
    """The longest chain of known prefixes with which all names begin, such as `module.backbone.`; empty without one."""
    chains = [match[0] if (match := _CHAIN.match(name)) else "" for name in names]
    prefix = min(chains, key=len, default="")
    while prefix and not all(name.startswith(prefix) for name in names):
        prefix = prefix[:-1].rpartition(".")[0]
        prefix += "." if prefix else ""
    return prefix


def without_wrappers(state: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The tensors without what wrappers put before or into all their names, and what was left out.

    Raises WeightsError where two tensors would have the same name.
    """
    names = {name: _WITHIN.sub("", name) for name in state}
    taken = [f"{word}." for word in _WRAPPERS if any(f"{word}." in name for name in names if names[name] != name)]
    prefix = known_prefix(names.values())
    if prefix:
        names = {name: short.removeprefix(prefix) for name, short in names.items()}
        taken.append(prefix)
    return _renamed(state, names), taken


def prefix_of(names: Iterable[str], wanted: Collection[str]) -> str:
    """The prefix behind which most of the wanted tensors are, where more of them have it than have none."""
    names = list(names)
    counts = {"": sum(name in wanted for name in names)}
    lasts = {name.rpartition(".")[0].rpartition(".")[2] + "." + name.rpartition(".")[2] for name in wanted}
    for name in names:
        parts = name.split(".")
        if ".".join(parts[-2:]) not in lasts:
            continue
        for index in range(1, len(parts) - 1):
            if ".".join(parts[index:]) in wanted:
                prefix = ".".join(parts[:index]) + "."
                counts[prefix] = counts.get(prefix, 0) + 1
    return max(counts, key=lambda prefix: (counts[prefix], -len(prefix)))


def is_known(prefix: str) -> bool:
    return _CHAIN.fullmatch(prefix) is not None


def without_prefix(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The tensors whose names begin with the prefix, without it, and the others as they are.

    Raises WeightsError where two tensors would have the same name.
    """
    return _renamed(state, {name: name.removeprefix(prefix) for name in state})


def nearest(name: str, known: Collection[str]) -> str:
    """What to say of a name that is not known: the names most like it, or all where none is like it."""
    found = get_close_matches(name.lower(), list(known), n=5, cutoff=0.5)
    return f"nearest are {', '.join(found)}" if found else f"expected one of {', '.join(known)}"


def _renamed(state: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for name, short in names.items():
        if short in renamed:
            raise WeightsError(f"two tensors are called {shown(short)} once {shown(name)} has lost its prefix")
        renamed[short] = state[name]
    return renamed
