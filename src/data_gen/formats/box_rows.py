"""One box of a garment as a file has it, and what makes its numbers sound.

COCO's (x, y, width, height) become edges of pixels, as in `boxes`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .coco_entries import CocoCategory, CocoImage
from .entries import Edges, number_of
from .problems import FormatError, Problem

LabelledPoints = Mapping[str, tuple[float, float, int]]
"""Name of a keypoint -> x and y in px and its state, 0 or 1; absent ones have no entry."""


@dataclass(frozen=True, slots=True)
class BoxRow:
    """photo: its name, with forward slashes. category: None where the file has none that has a name. score: 1 where the
    file has none. line: in a CSV. label: what messages call it, such as `entry 3`. crowd: whether COCO counts it as
    many garments."""

    photo: str
    box: Edges
    category: str | None = None
    score: float = 1.0
    line: int | None = None
    label: str = ""
    crowd: bool = False
    keypoints: LabelledPoints = field(default_factory=dict)

    def problem(self, path: Path, message: str) -> Problem:
        return Problem(path, self.line, f"{self.label}: {message}" if self.label else message)


@dataclass(frozen=True, slots=True)
class CocoNames:
    """The images and categories of a COCO data set, by their ids. path: of its file."""

    path: Path
    images: dict[str, CocoImage]
    categories: dict[str, CocoCategory]


@dataclass(frozen=True, slots=True)
class BoxRows:
    """All boxes of a file, and what is wrong with others.

    has_scores: whether the file says how sure each box is. numbered: whether there are categories that are mere
    numbers. names: of a data set.
    """

    path: Path
    kind: Literal["csv", "table", "results", "data set"]
    rows: tuple[BoxRow, ...]
    problems: tuple[Problem, ...]
    has_scores: bool
    numbered: bool = False
    names: CocoNames | None = None


def probability(value: object) -> float:
    """Raises ValueError for a score that is no number from 0 to 1."""
    score = number_of(value, "score")
    if not 0 <= score <= 1:
        raise ValueError(f"score {score:g}; expected a number from 0 to 1")
    return score


def check_pixels(found: BoxRows) -> BoxRows:
    """The same. Raises FormatError where all numbers look like fractions of the photo."""
    if found.rows and all(_is_within_a_pixel(row.box) for row in found.rows):
        reason = (
            "all numbers are at most 1, as fractions of the photo are; expected pixels: multiply what is horizontal "
            "by the photo's width, and what is vertical by its height"
        )
        raise FormatError([Problem(found.path, None, reason)])
    return found


def _is_within_a_pixel(box: Edges) -> bool:
    left, top, right, bottom = box
    return right - left <= 1 and bottom - top <= 1 and max(map(abs, box)) <= 2
