"""What all readers of weights share: their error, and how much a file can ask for."""

from collections.abc import Collection
from dataclasses import dataclass


class WeightsError(ValueError):
    """Weights that cannot be had or do not fit; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What reading one file of weights can cost; a file that asks for more is refused before it is given.

    memory: bytes of numbers, all tensors together. parts: values, operations and entries, which bounds the time. depth:
    how far dicts, lists or groups lie in one another.
    """

    memory: int = 4 << 30
    parts: int = 2_000_000
    depth: int = 64


BUDGET = Budget()
"""Several times what the largest backbone needs, with the state of its optimizer and an average of its weights."""


def shown(text: str, longest: int = 200) -> str:
    """A text of a file as part of a line: no characters that steer a terminal, and not more than `longest`."""
    text = "".join(c if c.isprintable() else "?" for c in text[: longest + 1])
    return text if len(text) <= longest else f"{text[:longest]}..."


def first(names: Collection[str], count: int = 5) -> str:
    """The first names and, where there are more, dots: `a, b, c, d, e, ...`"""
    return ", ".join([shown(name) for name in list(names)[:count]] + ["..."] * (len(names) > count))
