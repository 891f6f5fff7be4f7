"""The measurement instructions of GarmentIQ (0.0.4.11): JSON files with landmarks and lengths between two of them.

    {"skirt": {"landmarks": {"1": {"predefined": true, "description": "waist_left", ...}, ...},
               "measurements": {"waist": {"landmarks": {"start": "1", "end": "3"}, "description": "/"}, ...}}}

A landmark that is predefined is a keypoint: the category's one that is called by its description, or else by the
category and its number, `skirt_1`, as DeepFashion2's are. One that is derived lies where a line through a landmark
meets the line of two others; GarmentIQ then moves it to the garment's outline, of which there is no mask here. A length
from such a landmark to the one that it is derived from is the distance of that one to the line, in that direction.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...measurement_sets import ByCategory
from ...measurements import Measurement, measurement_from
from ...vocabulary import Category, Vocabulary
from ...vocabulary_names import VocabularyError, few
from .entries import FAULTS, entry_problem
from .problems import FormatError, Problem, leave_out, read_json

_CORNERS = ("p1_id", "p2_id", "p3_id", "p4_id", "p5_id")


def read_garmentiq(path: Path, vocabulary: Vocabulary) -> ByCategory:
    """The measurements of a file of instructions for the categories of a vocabulary.

    What does not fit it, such as a class that it does not have, is left out with a warning. Raises FormatError where
    nothing fits, or where the file has another form.
    """
    data = read_json(path)
    if not isinstance(data, dict) or not all(_is_instruction(entry) for entry in data.values()) or not data:
        raise FormatError(
            [Problem(path, None, "no instructions of GarmentIQ: expected a class with landmarks and measurements")]
        )
    found: dict[str, tuple[Measurement, ...]] = {}
    problems: list[Problem] = []
    for name, entry in data.items():
        category = next((c for c in vocabulary.definitions if _folded(c.name) == _folded(name)), None)
        if category is None:
            known = few(vocabulary.categories)
            problems.append(Problem(path, None, f"class {name!r} is not one of the categories {known}"))
            continue
        made: dict[str, Measurement] = {}
        for label, facts in entry["measurements"].items():
            try:
                measurement = _measurement(label, facts, entry["landmarks"], category)
                if measurement.name in made:
                    raise ValueError(f"another one is called {measurement.name} as well")
                made[measurement.name] = measurement
            except FAULTS as error:
                problems.append(entry_problem(path, f"measurement {label!r} of {name!r}", error))
        if made:
            found[category.name] = tuple(made.values())
    leave_out(path, problems, sum(map(len, found.values())), "measurements")
    return found


def _is_instruction(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(part), dict) for part in ("landmarks", "measurements"))


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().casefold()


def _measurement(label: str, facts: Any, landmarks: Mapping[str, Any], category: Category) -> Measurement:
    """Raises one of FAULTS for what it cannot be."""
    name = re.sub(r"\W+", "_", label.strip(), flags=re.ASCII).strip("_")
    start, end = str(facts["landmarks"]["start"]), str(facts["landmarks"]["end"])
    derived = [number for number in (start, end) if not landmarks[number]["predefined"]]
    if not derived:
        form: dict[str, Any] = {"between": [_keypoint(number, landmarks, category) for number in (start, end)]}
    elif len(derived) == 2:
        raise ValueError("both of its landmarks are derived; one can be")
    else:
        form = _derived(landmarks[derived[0]]["derivation"], start if derived == [end] else end, landmarks, category)
    try:
        return measurement_from(name, form, "measurements", set(category.keypoints))
    except VocabularyError as error:
        raise ValueError(str(error)) from None


def _derived(derivation: Any, other: str, landmarks: Mapping[str, Any], category: Category) -> dict[str, Any]:
    """The form of a length from landmark `other` to the derived one."""
    corners = [str(derivation[key]) for key in _CORNERS]
    direction = derivation["direction"]
    if derivation["function"] != "derive_keypoint_coord" or direction not in ("parallel", "perpendicular"):
        raise ValueError(f"its landmark is derived by {derivation['function']!r}, {direction!r}, which is not known")
    if corners[0] != other:
        raise ValueError(f"its derived landmark lies on a line through {corners[0]}, not through its other end {other}")
    p1, p2, p3, p4, p5 = (_keypoint(number, landmarks, category) for number in corners)
    if direction == "parallel":
        return {"from": p1, "onto": [p4, p5], "along": [p2, p3]}
    if {p2, p3} != {p4, p5}:
        raise ValueError("its derived landmark lies at a right angle to another line than the one that it lies on")
    return {"from": p1, "onto": [p4, p5]}


def _keypoint(number: str, landmarks: Mapping[str, Any], category: Category) -> str:
    """The keypoint that a landmark is. Raises ValueError where the category has none."""
    entry = landmarks.get(number, {})
    names = [str(entry.get("description", "")), f"{category.name}_{number}"]
    found = next((name for name in names if name in category.keypoints), None)
    if found is None:
        called = f" ({names[0]})" if names[0] else ""
        raise ValueError(f"landmark {number}{called} is no keypoint of {category.name}")
    return found
