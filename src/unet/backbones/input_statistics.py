"""By which mean and deviation the input of a checkpoint was normalised, as timm writes it down.

A model of timm on the hub has a `config.json` beside its weights, with the entry `pretrained_cfg`. Most have the
statistics of ImageNet; some, such as those of the tag `ra4_e3600_r224_in1k`, have 0.5 for all.
"""

import json
import logging
from pathlib import Path
from typing import Any

import keras

from ...files import open_regular, read_regular
from ..normalization import InputStatistics, input_layers
from .published import PUBLISHED
from .reading import WeightsError, shown
from .weights import SAFETENSORS

log = logging.getLogger(__name__)
CONFIG = "config.json"
_MOST_BYTES = 1 << 20


def normalise_as_trained(
    net: keras.Model, backbone: str, path: Path, statistics: InputStatistics | None = None
) -> None:
    """Sets by what the network normalises its input: the statistics given, or those that belong to the checkpoint.

    Where nothing says them they are those that all checkpoints of the backbone have, or else those of ImageNet, which
    is logged as a warning. Raises WeightsError where what
    says them makes no sense.
    """
    if statistics is None:
        statistics = read_statistics(path, backbone)
    if statistics is None:
        statistics = PUBLISHED[backbone].statistics
    if statistics is None:
        log.warning(
            f"{path} does not say how its input was normalised: the mean and deviation of ImageNet are taken. Some "
            "checkpoints need others (those of timm with the tag ra4_e3600_r224_in1k need 0.5): name them with --mean "
            "and --std of aifashion weights convert, or put the config.json of the model beside the file"
        )
        return
    for layer in input_layers(net):
        layer.assign(statistics)


def read_statistics(path: Path, backbone: str) -> InputStatistics | None:
    """From the metadata of a safetensors file, or from the `config.json` of timm beside the file; None without one.

    Raises WeightsError where they are no statistics.
    """
    if path.suffix in SAFETENSORS and (found := _statistics(_metadata(path), path)):
        return found
    beside = path.with_name(CONFIG)
    try:
        if not beside.is_file() or beside.stat().st_size > _MOST_BYTES:
            return None
        content = json.loads(read_regular(beside))
    except (OSError, ValueError, RecursionError) as error:
        log.warning(f"{beside} cannot be read: {shown(str(error))}")
        return None
    found = _statistics(content, beside)
    architecture = content.get("architecture", "") if found else ""
    if found and architecture != backbone.removesuffix("_torch"):
        log.warning(
            f"{beside} is that of {shown(str(architecture))}, not of {backbone}: it says how {path} is normalised"
        )
    return found


def _statistics(content: Any, path: Path) -> InputStatistics | None:
    if not isinstance(content, dict):
        return None
    found = content.get("pretrained_cfg", content)
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            return None
    if not isinstance(found, dict) or "mean" not in found or "std" not in found:
        return None
    try:
        mean, deviation = (tuple(float(number) for number in found[name]) for name in ("mean", "std"))
        return InputStatistics(mean, deviation)
    except (TypeError, ValueError):
        values = shown(f"mean {found['mean']} and std {found['std']}")
        raise WeightsError(f"{path} says {values}; expected three numbers of 0..1 each") from None


def _metadata(path: Path) -> dict[str, Any]:
    """What a safetensors file says beside its tensors: texts by name."""
    try:
        with open_regular(path) as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size)) if size <= path.stat().st_size else {}
    except (OSError, ValueError, RecursionError):
        return {}
    found = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return {"pretrained_cfg": found["pretrained_cfg"]} if isinstance(found, dict) and "pretrained_cfg" in found else {}
