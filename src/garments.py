"""The vocabulary of the field: categories, keypoints, twins, spans, attribute tasks and styles.

Names, order and label classes are those of the FashionAI challenges (keypoints and attributes) and of
the JingDong fashion challenge (styles); files and networks index by the orders given here.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

CATEGORIES = ("blouse", "dress", "outwear", "skirt", "trousers")

KEYPOINTS = (
    "neckline_left",
    "neckline_right",
    "center_front",
    "shoulder_left",
    "shoulder_right",
    "armpit_left",
    "armpit_right",
    "waistline_left",
    "waistline_right",
    "cuff_left_in",
    "cuff_left_out",
    "cuff_right_in",
    "cuff_right_out",
    "top_hem_left",
    "top_hem_right",
    "waistband_left",
    "waistband_right",
    "hemline_left",
    "hemline_right",
    "crotch",
    "bottom_left_in",
    "bottom_left_out",
    "bottom_right_in",
    "bottom_right_out",
)

_UPPER = KEYPOINTS[0:2] + KEYPOINTS[3:7]
_CUFFS = KEYPOINTS[9:13]

CATEGORY_KEYPOINTS: dict[str, frozenset[str]] = {
    "blouse": frozenset((*_UPPER, "center_front", *_CUFFS, "top_hem_left", "top_hem_right")),
    "dress": frozenset(
        (*_UPPER, "center_front", "waistline_left", "waistline_right", *_CUFFS, "hemline_left", "hemline_right")
    ),
    "outwear": frozenset((*_UPPER, "waistline_left", "waistline_right", *_CUFFS, "top_hem_left", "top_hem_right")),
    "skirt": frozenset(("waistband_left", "waistband_right", "hemline_left", "hemline_right")),
    "trousers": frozenset(("waistband_left", "waistband_right", "crotch", *KEYPOINTS[20:24])),
}

SPAN_PAIRS: dict[str, tuple[str, str]] = {
    "blouse": ("armpit_left", "armpit_right"),
    "dress": ("armpit_left", "armpit_right"),
    "outwear": ("armpit_left", "armpit_right"),
    "skirt": ("waistband_left", "waistband_right"),
    "trousers": ("waistband_left", "waistband_right"),
}
"""The two keypoints whose distance normalises the error of a garment (NE)."""

EDGES: tuple[tuple[str, str], ...] = (
    ("neckline_left", "center_front"),
    ("center_front", "neckline_right"),
    ("neckline_left", "shoulder_left"),
    ("neckline_right", "shoulder_right"),
    ("shoulder_left", "cuff_left_out"),
    ("shoulder_right", "cuff_right_out"),
    ("cuff_left_in", "cuff_left_out"),
    ("cuff_right_in", "cuff_right_out"),
    ("armpit_left", "cuff_left_in"),
    ("armpit_right", "cuff_right_in"),
    ("armpit_left", "waistline_left"),
    ("armpit_right", "waistline_right"),
    ("armpit_left", "top_hem_left"),
    ("armpit_right", "top_hem_right"),
    ("waistline_left", "top_hem_left"),
    ("waistline_right", "top_hem_right"),
    ("waistline_left", "hemline_left"),
    ("waistline_right", "hemline_right"),
    ("top_hem_left", "top_hem_right"),
    ("waistband_left", "waistband_right"),
    ("waistband_left", "hemline_left"),
    ("waistband_right", "hemline_right"),
    ("hemline_left", "hemline_right"),
    ("waistband_left", "bottom_left_out"),
    ("waistband_right", "bottom_right_out"),
    ("bottom_left_out", "bottom_left_in"),
    ("bottom_right_out", "bottom_right_in"),
    ("bottom_left_in", "crotch"),
    ("bottom_right_in", "crotch"),
)
"""Outline segments. A drawing leaves out one whose ends run through a waistline where the waistline is there."""

ATTRIBUTE_TASKS: dict[str, tuple[str, ...]] = {
    "coat_length": (
        "Invisible",
        "High Waist Length",
        "Regular Length",
        "Long Length",
        "Micro Length",
        "Knee Length",
        "Midi Length",
        "Ankle&Floor Length",
    ),
    "collar_design": ("Invisible", "Shirt Collar", "Peter Pan", "Puritan Collar", "Rib Collar"),
    "lapel_design": ("Invisible", "Notched", "Collarless", "Shawl Collar", "Plus Size Shawl"),
    "neck_design": ("Invisible", "Turtle Neck", "Ruffle Semi-High Collar", "Low Turtle Neck", "Draped Collar"),
    "neckline_design": (
        "Invisible",
        "Strapless Neck",
        "Deep V Neckline",
        "Straight Neck",
        "V Neckline",
        "Square Neckline",
        "Off Shoulder",
        "Round Neckline",
        "Sweat Heart Neck",
        "One Shoulder Neckline",
    ),
    "pant_length": ("Invisible", "Short Pant", "Mid Length", "3/4 Length", "Cropped Pant", "Full Length"),
    "skirt_length": ("Invisible", "Short Length", "Knee Length", "Midi Length", "Ankle Length", "Floor Length"),
    "sleeve_length": (
        "Invisible",
        "Sleeveless",
        "Cup Sleeves",
        "Short Sleeves",
        "Elbow Sleeves",
        "3/4 Sleeves",
        "Wrist Length",
        "Long Sleeves",
        "Extra Long Sleeves",
    ),
}
"""Attribute task -> its classes in label order. In files the task is called `<task>_labels`."""

CATEGORY_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "blouse": ("sleeve_length", "collar_design", "neck_design", "neckline_design"),
    "outwear": ("coat_length", "sleeve_length", "collar_design", "lapel_design"),
    "dress": ("skirt_length", "sleeve_length", "collar_design", "neck_design", "neckline_design"),
    "skirt": ("skirt_length",),
    "trousers": ("pant_length",),
}
"""The attribute tasks that make sense for a category: a skirt has no sleeves to measure."""

STYLES = (
    "sports",
    "casual",
    "OL/commuter",
    "Japanese",
    "Korean",
    "Western",
    "British",
    "girl",
    "lady",
    "minimalist",
    "natural",
    "street/punk",
    "ethnic",
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The categories and the K keypoints that one network or one data set speaks of.

    `twins[k]` is the index of the keypoint that k becomes when the photo is mirrored.
    """

    categories: tuple[str, ...]
    keypoints: tuple[str, ...]

    @property
    def indices(self) -> np.ndarray:
        """(K,) positions of the keypoints among all 24."""
        return np.array([KEYPOINTS.index(name) for name in self.keypoints])

    @property
    def twins(self) -> np.ndarray:
        """(K,) int permutation that exchanges left and right."""
        return np.array([self.keypoints.index(_twin(name)) for name in self.keypoints])

    @property
    def masks(self) -> np.ndarray:
        """(categories, K) bool: which keypoints each category has."""
        return np.array([[k in CATEGORY_KEYPOINTS[c] for k in self.keypoints] for c in self.categories])

    @property
    def edges(self) -> list[tuple[int, int]]:
        """Pairs of keypoints that an outline joins, as positions among those of this vocabulary."""
        here = {name: k for k, name in enumerate(self.keypoints)}
        return [(here[a], here[b]) for a, b in EDGES if a in here and b in here]

    def mask(self, category: str) -> np.ndarray:
        """(K,) bool: the keypoints of `category`. Raises ValueError for a category outside this vocabulary."""
        return self.masks[self.category_index(category)]

    def category_index(self, category: str) -> int:
        if category not in self.categories:
            raise ValueError(f"unknown category {category!r}; expected one of {', '.join(self.categories)}")
        return self.categories.index(category)


def _twin(name: str) -> str:
    if "left" in name:
        return name.replace("left", "right")
    return name.replace("right", "left")


def vocabulary(categories: Iterable[str] | str = "all") -> Vocabulary:
    """The vocabulary of `"all"`, of one category or of several, keypoints in the official order.

    Raises ValueError for an unknown category.
    """
    if categories == "all":
        chosen = CATEGORIES
    else:
        wanted = (categories,) if isinstance(categories, str) else tuple(categories)
        unknown = [c for c in wanted if c not in CATEGORIES]
        if unknown or not wanted:
            raise ValueError(f"unknown category {unknown}; expected 'all' or some of {', '.join(CATEGORIES)}")
        chosen = tuple(c for c in CATEGORIES if c in wanted)
    present = set().union(*(CATEGORY_KEYPOINTS[c] for c in chosen))
    return Vocabulary(chosen, tuple(k for k in KEYPOINTS if k in present))


ALL = vocabulary("all")
