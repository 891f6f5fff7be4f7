"""The fields of a configuration: their ranges, and how files keep them, those of earlier versions as well."""

import dataclasses
import json
import logging
import math
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .records import CropRule
from .vocabulary import Vocabulary

log = logging.getLogger(__name__)
OLDER_PRECISIONS = {"mixed_bfloat16": "bfloat16", "f32": "float32", "bf16": "bfloat16"}
"""What files and command lines of earlier versions call a precision -> its name."""


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`; above, below: without low itself, without high itself."""

    low: float
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        # Written so that a value that is not a number is in no range.
        low = value > self.low if self.above else value >= self.low
        return low and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"the numbers above {self.low:g}" if self.above else f"the numbers from {self.low:g} up"
        if self.above and self.below:
            return f"the numbers between {self.low:g} and {self.high:g}"
        ends = f" without {self.low:g}" if self.above else f" without {self.high:g}" if self.below else ""
        return f"{self.low:g} to {self.high:g}{ends}"


_SHARE = Range(0, 1)
_RANGES: dict[str, Range] = {
    **dict.fromkeys(("epochs", "batch_size"), Range(1)),
    **dict.fromkeys(("warmup_epochs", "weight_decay", "clip_norm", "seed"), Range(0)),
    **dict.fromkeys(("hidden_weight", "category_weight", "box_weight", "mixup", "cutmix", "rotate", "shift"), Range(0)),
    **dict.fromkeys(("hue", "saturation", "brightness", "colour", "blur", "erase", "turn", "balance"), _SHARE),
    **dict.fromkeys(("ema", "label_smoothing", "dropout", "zoom"), Range(0, 1, below=True)),
    "learning_rate": Range(0, above=True),
    "hard_fraction": Range(0, 1, above=True),
    "val_fraction": Range(0, 1, above=True, below=True),
}
"""Of the fields that have the same range in every configuration."""


def check_values(config: Any, ranges: dict[str, Range]) -> None:
    """Raises ValueError for a number outside its range, and for a word that is none of those expected."""
    ranges = _RANGES | ranges
    for name, kind in typing.get_type_hints(type(config)).items():
        value = getattr(config, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} = {value!r}; expected a finite number")
        if name in ranges and value not in ranges[name]:
            raise ValueError(f"{name} = {value!r} is outside {ranges[name]}")
        choices = typing.get_args(kind) if typing.get_origin(kind) is Literal else ()
        if choices and value not in choices:
            raise ValueError(f"{name} = {value!r}; expected {' or '.join(choices)}")


_DIGEST = "vocabulary_sha256"
"""In a file: which vocabulary belongs to the configuration. Older files do not have it."""


def write_fields(config: Any, kind: str) -> str:
    values = dataclasses.asdict(config)
    del values["vocabulary"]
    return json.dumps({"kind": kind, **values, _DIGEST: config.vocabulary.digest}, indent=1) + "\n"


def read_fields(cls: type, text: str, kind: str, vocabulary: Vocabulary, source: Path | str) -> dict[str, Any]:
    """The fields that a file has, each of its type; one that its version did not write keeps the default of the class.

    So a new field's default must be the one that means what older files mean. Raises ValueError for a file that has
    lost a field on which answers depend; one that decides only how to train is named in a warning.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source} is not JSON: {error}") from None
    found = values.get("kind") if isinstance(values, dict) else None
    if found != kind:
        raise ValueError(f"{source} is the configuration of a {found!r} run; expected one of kind {kind!r}")
    digest = values.get(_DIGEST)
    if digest not in (None, vocabulary.digest):
        raise ValueError(
            f"{source}: the vocabulary beside it is not the one of this network (its sha256 differs): it was lost or "
            "edited, and the names of the outputs would be wrong; restore it, or train or export again"
        )
    types = {name: value for name, value in typing.get_type_hints(cls).items() if name != "vocabulary"}
    fields = {name: value for name, value in values.items() if name not in ("kind", _DIGEST)}
    fields = _with_names_of_today(fields, kind, source)
    unknown = sorted(set(fields) - set(types))
    if unknown:
        raise ValueError(
            f"{source} has unknown fields {', '.join(unknown)}: it comes from a newer version, or was edited; use that "
            f"version, or take the fields out of the file"
        )
    _check_lost(lost_fields(cls, values), source)
    return {name: _read_value(value, types[name], f"{source}: {name}") for name, value in fields.items()}


_ADDED: dict[str, tuple[frozenset[str], ...]] = {
    "keypoints": (frozenset({"layers", "optimizer", "schedule", "tag"}), frozenset({_DIGEST}), frozenset({"turn"})),
    "attributes": (frozenset({"task_weights"}), frozenset({"network"}), frozenset({_DIGEST}), frozenset({"turn"})),
    "detection": (frozenset({"turn"}),),
}
"""By kind, what each version wrote that the version before it did not; a new field belongs to a new set at the end."""
_DECIDING = ("category", "task", "network", "size", "sigma", "crop", "length_heads", "decoder", "precision")
"""The fields on which the answers of a trained network depend; all others decide only how it is trained."""


def lost_fields(cls: type, values: Mapping[str, Any]) -> list[str]:
    """The fields that a file of a configuration lacks, although the version that wrote it wrote them."""
    kind, found = values["kind"], set(values)
    newest = max((index + 1 for index, added in enumerate(_ADDED[kind]) if added & found), default=0)
    # What has today's name in a later version had another one before.
    later = frozenset().union(*_ADDED[kind][newest:]) - set(_RENAMED[kind].values())
    found |= {name for older, name in _RENAMED[kind].items() if older in values}
    names = [field.name for field in dataclasses.fields(cls) if field.name != "vocabulary"]
    return [name for name in names if name not in found and name not in later]


def _check_lost(lost: list[str], source: Path | str) -> None:
    deciding = [name for name in lost if name in _DECIDING]
    if deciding:
        raise ValueError(
            f"{source} has lost {', '.join(deciding)}, on which the answers depend: restore the file from a copy, or "
            "write the value of the training into it"
        )
    if lost:
        log.warning(f"{source} has lost {', '.join(lost)}: not needed to predict, but no resume is exact without it")


_RENAMED = {"keypoints": {"lrdecay": "schedule"}, "attributes": {"model": "network"}, "detection": {}}
"""By kind, the name of a field in earlier versions -> today's."""


def _with_names_of_today(values: dict[str, Any], kind: str, source: Path | str) -> dict[str, Any]:
    """The fields of a file of an earlier version as this one calls them."""
    values = dict(values)
    for older, name in _RENAMED[kind].items():
        if older in values and name in values:
            raise ValueError(
                f"{source} has both {name} and {older}, its name in earlier versions: take out the one that is wrong"
            )
        if older in values:
            value = values.pop(older)
            if older == "lrdecay":
                value = {True: "cosine", False: "constant"}[_read_value(value, bool, f"{source}: {older}")]
            values[name] = value
    if isinstance(values.get("precision"), str):
        values["precision"] = OLDER_PRECISIONS.get(values["precision"], values["precision"])
    return values


def _read_value(value: Any, kind: Any, where: str) -> Any:
    if kind is CropRule:
        try:
            return CropRule.read(value)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    types, expected = _JSON_TYPES.get(kind, ((str,), "a text"))
    # Not isinstance: to it True is a whole number.
    if type(value) not in types or (list in types and not all(type(part) in (int, float) for part in value)):
        raise ValueError(f"{where} = {value!r} is not {expected}")
    return tuple(value) if list in types else value


_JSON_TYPES: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    tuple[float, ...]: ((list,), "a list of numbers"),
}


@contextmanager
def naming(source: Path | str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
