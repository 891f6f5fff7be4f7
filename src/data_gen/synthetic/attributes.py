"""Attribute labels from geometry: one y, and m for the next class if a length is near its boundary."""

from bisect import bisect

from ..formats.challenges import ATTRIBUTE_TASKS
from .body import ANKLE, CROTCH, HIP, KNEE, WAIST

SLEEVELESS = 0.02  # fraction of the arm; below it there is no sleeve, so m is not used at this boundary
# Upper bounds of the classes after "Invisible": levels of the hem in heads, or fractions of the arm.
BOUNDS: dict[str, tuple[float, ...]] = {
    "coat_length": (WAIST + 0.25, HIP + 0.2, CROTCH + 0.3, KNEE - 0.5, KNEE + 0.3, KNEE + 1.0),
    "skirt_length": (KNEE - 0.3, KNEE + 0.35, KNEE + 1.1, ANKLE + 0.05),
    "pant_length": (CROTCH + 0.75, KNEE + 0.15, KNEE + 0.8, ANKLE - 0.25),
    "sleeve_length": (SLEEVELESS, 0.2, 0.38, 0.54, 0.76, 0.92, 1.06),
}
MARGIN = {"coat_length": 0.12, "skirt_length": 0.12, "pant_length": 0.12, "sleeve_length": 0.03}


def one_hot(task: str, name: str, maybe: tuple[str, ...] = ()) -> str:
    """The marks of a class, such as `nynn`; classes in `maybe` get m. Raises ValueError for unknown classes."""
    classes = ATTRIBUTE_TASKS[task]
    unknown = {name, *maybe} - set(classes)
    if unknown:
        raise ValueError(f"{task} has no class {', '.join(sorted(unknown))}; expected one of {', '.join(classes)}")
    return "".join("y" if c == name else "m" if c in maybe else "n" for c in classes)


def length_label(task: str, value: float) -> str:
    """The marks of a length. value: a hem's level in heads, or the fraction of the arm that a sleeve covers."""
    bounds, classes = BOUNDS[task], ATTRIBUTE_TASKS[task]
    i = bisect(bounds, value)
    maybe = tuple(
        classes[1 + j]
        for j, bound in ((i - 1, bounds[i - 1] if i else None), (i + 1, bounds[i] if i < len(bounds) else None))
        if bound is not None and bound != SLEEVELESS and abs(value - bound) < MARGIN[task]
    )
    return one_hot(task, classes[1 + i], maybe)
