"""Frozen records that travel between the rooms, validated where they are made.

The alphabet of shapes, used in every docstring of the package:
B images of a batch; H, W image rows and columns in pixels; h, w heatmap rows and columns in cells;
K keypoints; C classes. Points are (x, y) in pixels, x right, y down, pixel centres on integers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np

ABSENT, HIDDEN, VISIBLE = -1, 0, 1
NO_GARMENT = "none"
"""The category of photos to train on that show no garment of the vocabulary: their heatmaps are empty."""
_STATES = frozenset((ABSENT, HIDDEN, VISIBLE))
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """The keypoints of one garment.

    xy: (K, 2) float64 px. state: (K,) int8, -1 not in this category, 0 hidden (occluded), 1 visible.
    Raises ValueError for other shapes, states outside -1, 0, 1, or a present point that is not finite.
    """

    xy: np.ndarray
    state: np.ndarray

    def __post_init__(self) -> None:
        xy = np.asarray(self.xy, dtype=np.float64)
        state = np.asarray(self.state)
        if xy.ndim != 2 or xy.shape[1] != 2 or state.shape != xy.shape[:1]:
            raise ValueError(f"keypoints need xy (K, 2) and state (K,); got {xy.shape} and {state.shape}")
        # Before the cast to 8 bits, which would let 255 pass as -1.
        if not _STATES.issuperset(state.tolist()):  # of so few numbers faster than what NumPy has
            raise ValueError(f"keypoint states must be -1, 0 or 1; got {sorted(set(state.tolist()))}")
        state = state.astype(np.int8)
        if not np.isfinite(xy[state != ABSENT]).all():
            raise ValueError("a keypoint that is present has a coordinate that is not a finite number")
        object.__setattr__(self, "xy", xy)
        object.__setattr__(self, "state", state)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Keypoints):
            return NotImplemented
        return np.array_equal(self.xy, other.xy) and np.array_equal(self.state, other.state)

    def select(self, indices: np.ndarray) -> "Keypoints":
        """The keypoints at `indices`, (K',) int."""
        return Keypoints(self.xy[indices], self.state[indices])


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels: columns left <= x < right, rows top <= y < bottom. Raises ValueError when empty."""

    left: int
    top: int
    right: int
    bottom: int

    def __post_init__(self) -> None:
        if self.right <= self.left or self.bottom <= self.top:
            raise ValueError(f"an empty box: {self.left}, {self.top}, {self.right}, {self.bottom}")

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Sample:
    """One garment in one photo: its id in files, where the photo lies, the category and, if known, the keypoints.

    square: what of a photo with several garments the network sees of this one; None for all of it.
    """

    image_id: str
    path: Path
    category: str | None
    keypoints: Keypoints | None = None
    square: Box | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Uncertainty:
    """How far keypoints are probably off. covariance: (K, 2, 2) px squared. lengths: by `Measurement.key` the factor of
    standard errors of lengths that follow from it: errors of neighbouring points are not independent."""

    covariance: np.ndarray
    lengths: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What stage 1 says of one photo.

    xy: (K, 2) px in the photo. score: (K,) heatmap peaks in 0..1. state: (K,) int8, -1 where the category has
    no such keypoint, 0 where it is unlikely to be visible. category_probability is that of the category head, None
    where the category was given. visible: (K,) probabilities, and found: whether there is a garment at all; both None
    for a network that was not calibrated, whose keypoints all count as visible. uncertainty: how far the keypoints are
    probably off; None where that is not known.
    """

    image_id: str
    category: str
    category_probability: float | None
    xy: np.ndarray
    score: np.ndarray
    state: np.ndarray
    visible: np.ndarray | None = None
    found: bool | None = None
    uncertainty: Uncertainty | None = None


CropKind = Literal["image", "keypoints", "heatmap", "cam"]


@dataclass(frozen=True, slots=True)
class CropRule:
    """What of a photo a classifier sees; kept with every run, artifact and folder of crops.

    kind: the whole image, the box of its keypoints, the region of their heatmaps, or that of a classifier's own
    activation maps (cam). margin: added on each side, as a fraction of the square's side. threshold: of the heat, as a
    fraction of its peak, from where on a cell belongs to a region. Raises ValueError for other kinds and ranges.
    """

    kind: CropKind = "image"
    margin: float = 0.05
    threshold: float = 0.2

    def __post_init__(self) -> None:
        if self.kind not in get_args(CropKind):
            raise ValueError(f"crop kind {self.kind!r}; expected one of {', '.join(get_args(CropKind))}")
        if not 0 <= self.margin <= 2:
            raise ValueError(f"crop margin = {self.margin!r}; expected a number from 0 to 2")
        if not 0 < self.threshold < 1:
            raise ValueError(f"crop threshold = {self.threshold!r}; expected a number between 0 and 1")

    def __str__(self) -> str:
        return self.kind

    @classmethod
    def read(cls, value: Any) -> "CropRule":
        """Of plain data; a kind alone, as older files have it, means the margin and threshold of their time.

        Raises ValueError for what is neither.
        """
        if isinstance(value, str):
            return cls(cast(CropKind, value))
        if isinstance(value, dict) and set(value) == {"kind", "margin", "threshold"}:
            numbers = value["margin"], value["threshold"]
            if all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
                return cls(value["kind"], float(numbers[0]), float(numbers[1]))
        raise ValueError(f"a crop rule needs kind, margin and threshold; got {value!r}")


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """One output of the classifier: `exclusive` (one class of several), `independent` (each yes or no) or `ordinal`."""

    name: str
    kind: Literal["exclusive", "independent", "ordinal"]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.kind not in ("exclusive", "independent", "ordinal"):
            raise ValueError(f"head {self.name!r}: kind must be exclusive, independent or ordinal, not {self.kind!r}")
        if not self.classes:
            raise ValueError(f"head {self.name!r} has no classes")
        for name in self.classes:
            # Tables join the labels of an independent head with semicolons.
            if not name.strip() or _CONTROL.search(name) or (self.kind == "independent" and ";" in name):
                raise ValueError(
                    f"head {self.name!r} has the class {name!r}: names of classes are not blank, and have no "
                    "line end or other control character, and no semicolon where several classes can hold"
                )
