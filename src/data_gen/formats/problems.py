"""Problems in data files, and the error that reports them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SHOWN = 10  # problems in the message of one error


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a data file. line: from 1, with the header; None if it concerns the whole file."""

    path: Path
    line: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.path}{'' if self.line is None else f':{self.line}'}: {self.message}"


class FormatError(ValueError):
    """A data file with problems. The message has the first of them, `problems` all."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - _SHOWN
        lines = [str(problem) for problem in self.problems[:_SHOWN]] + ([f"... and {more} more"] if more > 0 else [])
        super().__init__(lines[0] if len(lines) == 1 else "\n  ".join([f"{len(self.problems)} problems:", *lines]))
