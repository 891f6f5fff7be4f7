"""The parameters of an upper garment, drawn at random; and the record of a finished garment."""

from dataclasses import dataclass

import numpy as np

from .attributes import BOUNDS
from .body import FLOOR
from .paint import Piece


@dataclass(frozen=True, slots=True)
class Mark:
    """A keypoint. xy: in heads. home: the part it is on. spared: later painted parts that do not hide it.

    hidden: whether it is, whatever is painted: at the edge of a boot, under which the leg of trousers ends.
    """

    xy: np.ndarray
    home: str
    spared: frozenset[str] = frozenset()
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Garment:
    """A cut and posed garment.

    pieces: to paint. marks: keypoints by name. attributes: labels by task. sleeve: the fraction of the arms that its
    sleeves cover. tucked: whether its legs end in boots.
    """

    category: str
    pieces: tuple[Piece, ...]
    marks: dict[str, Mark]
    attributes: dict[str, str]
    sleeve: float = 0.0
    tucked: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """The parameters of an upper garment.

    hem: level in heads. sleeve: fraction of the arm. loose: 0 tight to 1 wide. neck_task, neck_class: the task and the
    class that determine the neck. flare: how much wider the hem is than the hip, in heads.
    """

    hem: float
    sleeve: float
    loose: float
    neck_task: str
    neck_class: str
    open_front: bool
    flare: float

    @property
    def bare(self) -> bool:
        """Whether both shoulders are uncovered."""
        return self.neck_class in ("Strapless Neck", "Off Shoulder")

    @property
    def sleeved(self) -> bool:
        return self.sleeve > 0.02

    @property
    def stands(self) -> bool:
        """Whether a collar stands up around the neck."""
        return self.neck_class in ("Shirt Collar", "Notched", "Shawl Collar", "Plus Size Shawl")


NECK_TASKS = ("collar_design", "lapel_design", "neck_design", "neckline_design")
_NECK_PROBABILITIES = {
    "blouse": (0.28, 0.03, 0.17, 0.52),
    "dress": (0.12, 0.03, 0.12, 0.73),
    "outwear": (0.33, 0.55, 0.07, 0.05),
}
_CLASS_PROBABILITIES = {
    "collar_design": {"Shirt Collar": 0.5, "Peter Pan": 0.2, "Puritan Collar": 0.12, "Rib Collar": 0.18},
    "lapel_design": {"Notched": 0.42, "Collarless": 0.24, "Shawl Collar": 0.2, "Plus Size Shawl": 0.14},
    "neck_design": {"Turtle Neck": 0.35, "Ruffle Semi-High Collar": 0.15, "Low Turtle Neck": 0.3, "Draped Collar": 0.2},
    "neckline_design": {
        "Round Neckline": 0.3, "V Neckline": 0.16, "Deep V Neckline": 0.07, "Square Neckline": 0.1,
        "Straight Neck": 0.08, "Sweat Heart Neck": 0.07, "Strapless Neck": 0.07, "Off Shoulder": 0.09,
        "One Shoulder Neckline": 0.06,
    },
}  # fmt: skip
_SLEEVE_PROBABILITIES = {  # the classes of sleeve_length from sleeveless to extra long
    "blouse": (0.16, 0.06, 0.2, 0.08, 0.1, 0.1, 0.26, 0.04),
    "dress": (0.34, 0.08, 0.16, 0.08, 0.1, 0.08, 0.13, 0.03),
    "outwear": (0.05, 0.01, 0.03, 0.04, 0.09, 0.16, 0.52, 0.1),
}
_HEM_PROBABILITIES = {  # the classes of skirt_length and coat_length
    "dress": ((2.9, *BOUNDS["skirt_length"], FLOOR), (0.4, 0.22, 0.18, 0.12, 0.08)),
    "outwear": ((1.6, *BOUNDS["coat_length"], FLOOR - 0.3), (0.14, 0.28, 0.19, 0.15, 0.11, 0.08, 0.05)),
}


def random_hem(rng: np.random.Generator, category: str) -> float:
    """The level of a random hem in heads; all classes of its length occur."""
    if category == "blouse":
        return float(rng.triangular(1.35, 2.2, 2.95))
    levels, probabilities = _HEM_PROBABILITIES[category]
    i = int(rng.choice(len(probabilities), p=probabilities))
    return float(rng.uniform(levels[i], levels[i + 1]))


def random_cut(rng: np.random.Generator, category: str) -> Cut:
    """Random parameters for a blouse, a dress or outwear."""
    hem = random_hem(rng, category)
    steps = (0.0, 0.06, *BOUNDS["sleeve_length"][1:], 1.2)
    i = int(rng.choice(8, p=_SLEEVE_PROBABILITIES[category]))
    sleeve = float(rng.uniform(steps[i], steps[i + 1])) if i else 0.0
    task = str(rng.choice(NECK_TASKS, p=_NECK_PROBABILITIES[category]))
    probabilities = _CLASS_PROBABILITIES[task]
    name = str(rng.choice(list(probabilities), p=list(probabilities.values())))
    if task == "neckline_design" and category == "outwear":
        name = str(rng.choice(["Round Neckline", "V Neckline"]))
    if name in ("Strapless Neck", "One Shoulder Neckline"):
        sleeve = 0.0
    elif name == "Off Shoulder":
        sleeve = max(sleeve, float(rng.uniform(0.16, 0.9)))
    flare = rng.uniform(-0.03, 0.2)
    if category == "dress":
        shapes = (rng.uniform(-0.06, 0.05), rng.uniform(0.1, 0.3), rng.uniform(0.3, 0.7))
        flare = rng.choice(shapes, p=(0.3, 0.4, 0.3))
    collared = task in ("collar_design", "lapel_design")
    return Cut(
        hem=hem,
        sleeve=sleeve,
        loose=float(0.25 + 0.75 * rng.beta(1.4, 1.8) if category == "outwear" else rng.beta(1.3, 2.0)),
        neck_task=task,
        neck_class=name,
        open_front=bool(category == "outwear" and collared and rng.random() < 0.5),
        flare=float(flare),
    )
