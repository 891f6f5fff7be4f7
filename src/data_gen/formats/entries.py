"""What the readers of all formats share: texts, numbers, sizes, boxes and keypoints of one entry, checked."""

import math
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...geometry import Size
from ...records import ABSENT, Keypoints
from .problems import Problem

Edges = tuple[float, float, float, float]
"""left, top, right, bottom of a box in px, as edges: pixel i spans i to i + 1."""
LARGEST = 1e6
"""Px; no photo is larger."""
FAULTS = (KeyError, TypeError, AttributeError, ValueError, OverflowError)
"""What an entry can raise that is not as the format has it."""
_VISIBILITIES = frozenset((0, 1, 2))


def entry_problem(path: Path, label: str, error: Exception) -> Problem:
    return Problem(path, None, f"{label}: {reason_of(error)}")


def reason_of(error: Exception) -> str:
    """What is wrong with an entry, of one of FAULTS that reading it raised."""
    if isinstance(error, KeyError):
        return f"no {error.args[0]}"
    if isinstance(error, TypeError | AttributeError):  # their texts speak of Python
        return "not an object with the entries of the format"
    return str(error)


def text_of(entry: dict[str, Any], name: str) -> str:
    if not isinstance(entry[name], str):
        raise ValueError(f"{name} is {entry[name]!r:.80}; expected a text")
    return entry[name]


def number_of(value: Any, what: str) -> float:
    """A finite number, also as text. Raises ValueError for anything else."""
    if type(value) is float and math.isfinite(value):  # most of them, by the million
        return value
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or not math.isfinite(number):
        raise ValueError(f"{what}: {value!r:.80}; expected a number")
    return number


def numbers_of(values: Any) -> np.ndarray:
    """A flat list of numbers as (N,) float64. Raises ValueError for anything else, such as texts or lists in it."""
    if isinstance(values, array):
        return np.array(values)
    if not isinstance(values, list) or not all(isinstance(v, int | float) for v in values):
        raise ValueError(f"{values!r:.80}; expected a flat list of numbers")
    return np.array(values, np.float64)


def size_of(width: Any, height: Any, names: tuple[str, str] = ("width", "height")) -> Size:
    """Raises ValueError where they are no whole numbers from 1. names: what messages call them."""
    sides = [number_of(value, " and ".join(names)) for value in (width, height)]
    if min(sides) < 1 or not all(side.is_integer() for side in sides):
        raise ValueError(f"{names[0]} {width!r:.40} and {names[1]} {height!r:.40} must be whole numbers from 1")
    return int(sides[0]), int(sides[1])


def edges(numbers: Sequence[float]) -> Edges:
    """The box of its four edges. Raises ValueError for what is none."""
    left, top, right, bottom = _four(numbers, "left, top, right and bottom")
    if right <= left or bottom <= top:
        raise ValueError(f"the box {_listed(numbers)} has no area: right must be above left, and bottom above top")
    return left, top, right, bottom


def edges_about(corners: Iterable[tuple[float, float]]) -> Edges:
    """The upright box about corners in px. Raises ValueError where it has no area or is not finite."""
    xs, ys = zip(*corners, strict=True)
    return edges((min(xs), min(ys), max(xs), max(ys)))


def from_extent(numbers: Sequence[float]) -> Edges:
    """The box of x, y, width and height. Raises ValueError for what is none."""
    left, top, width, height = _four(numbers, "x, y, width and height")
    if left + width <= left or top + height <= top:
        raise ValueError(f"the box {_listed(numbers)} has no area: width and height must be above 0")
    return left, top, left + width, top + height


def keypoints_of_triples(triples: np.ndarray) -> Keypoints:
    """x, y, v (K, 3), v 2 visible, 1 hidden, 0 absent, as COCO and the formats after it count. Raises ValueError for
    another v."""
    visibility = triples[:, 2]
    if not _VISIBILITIES.issuperset(visibility.tolist()):
        raise ValueError(f"visibilities must be 0, 1 or 2; got {sorted(set(visibility.tolist()))[:5]}")
    state = visibility.astype(np.int8) - 1
    return Keypoints(np.where(state[:, None] == ABSENT, -1, triples[:, :2]), state)


def _four(numbers: Sequence[float], names: str) -> Edges:
    if len(numbers) != 4:
        raise ValueError(f"{len(numbers)} numbers of a box; expected four: {names}")
    left, top, right, bottom = numbers
    # Asked in this way, it is not true of NaN.
    if not all(-LARGEST <= number <= LARGEST for number in numbers):
        raise ValueError(f"the box {_listed(numbers)}: expected {names} in px")
    return left, top, right, bottom


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
