"""Which measurements there are for the categories of a network.

Runs and artifacts keep their vocabulary with its measurements. One that says nothing of measurements, as those of
earlier versions, has those of the package's vocabulary of the same name, as far as its categories have the keypoints;
where the package has none of that name, there are none. A vocabulary with an empty table of measurements has none.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from .measurements import Lengths, Measurement, measurements_from, plain
from .vocabulary import Vocabulary, load_vocabulary, packaged, read_small
from .vocabulary_names import VocabularyError, few, line_of

ByCategory = Mapping[str, tuple[Measurement, ...]]
"""Name of a category -> its measurements."""


class MeasurementSet:
    """The measurements of all categories of a vocabulary. by_category: of those that have some."""

    def __init__(self, vocabulary: Vocabulary, by_category: ByCategory) -> None:
        self.vocabulary, self.by_category = vocabulary, dict(by_category)
        none = Lengths((), vocabulary.keypoints)
        self._lengths = {
            name: Lengths(by_category[name], vocabulary.keypoints) if name in by_category else none
            for name in vocabulary.categories
        }

    def of(self, category: str) -> Lengths:
        """Those of a category, ready to measure."""
        return self._lengths[category]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all measurements, each once, in the order of the categories."""
        found = (m.name for category in self.vocabulary.categories for m in self.of(category).measurements)
        return tuple(dict.fromkeys(found))

    @cached_property
    def digest(self) -> str:
        """12 hex digits of all definitions."""
        names = {name: plain(found) for name, found in sorted(self.by_category.items())}
        return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:12]


def measurements_of(vocabulary: Vocabulary, changes: ByCategory | None = None) -> MeasurementSet:
    """The measurements of a network's vocabulary. changes: of some categories, which add to them, or replace those of
    the same name."""
    if changes is None:
        return _standard(vocabulary, tuple(category.measurements for category in vocabulary.definitions))
    return _made(vocabulary, changes)


@lru_cache(maxsize=16)
def _standard(vocabulary: Vocabulary, measurements: tuple[tuple[Measurement, ...] | None, ...]) -> MeasurementSet:
    """`measurements`: those of the vocabulary, in which vocabularies that are equal can differ."""
    return _made(vocabulary, {})


def _made(vocabulary: Vocabulary, changes: ByCategory) -> MeasurementSet:
    found: dict[str, tuple[Measurement, ...]] = {}
    silent = all(category.measurements is None for category in vocabulary.definitions)
    default = _default(vocabulary) if silent else {}
    for category in vocabulary.definitions:
        own = default.get(category.name, ()) if silent else category.measurements or ()
        by_name = {measurement.name: measurement for measurement in own}
        by_name |= {measurement.name: measurement for measurement in changes.get(category.name, ())}
        if by_name:
            found[category.name] = tuple(by_name.values())
    return MeasurementSet(vocabulary, found)


def _default(vocabulary: Vocabulary) -> ByCategory:
    """What the package's vocabulary of the same name has of these categories and keypoints."""
    if vocabulary.name not in packaged():
        return {}
    keypoints = {category.name: set(category.keypoints) for category in vocabulary.definitions}
    return {
        category.name: tuple(m for m in category.measurements or () if m.keypoints <= keypoints[category.name])
        for category in load_vocabulary(vocabulary.name).definitions
        if category.name in keypoints
    }


def read_measurements(path: Path, vocabulary: Vocabulary) -> ByCategory:
    """The measurements of a TOML file: a table for each category, as `[categories.NAME.measurements]` of a vocabulary.

    Raises VocabularyError, naming the file and line, for categories and keypoints that the vocabulary does not have and
    for what is no measurement; OSError without the file.
    """
    path = Path(path)
    read = read_small(path, "list of measurements")
    try:
        text = read.decode("utf-8-sig")  # some editors begin a file with a mark
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise VocabularyError(f"{path}: {error}") from None
    try:
        return _by_category(data, vocabulary)
    except VocabularyError as error:
        line = line_of(text, error)
        where = f"{path}, line {line}" if line else str(path)
        raise VocabularyError(f"{where}: {error}", error.section, error.item) from None


def _by_category(data: Mapping[str, Any], vocabulary: Vocabulary) -> ByCategory:
    if not data:
        raise VocabularyError("no measurement: expected tables such as [blouse] with lines such as chest = { ... }")
    found = {}
    for name, entries in data.items():
        category = next((c for c in vocabulary.definitions if c.name == name), None)
        if category is None:
            raise VocabularyError(f"category {name!r} is not one of {few(vocabulary.categories)}", name)
        found[name] = measurements_from(entries, name, set(category.keypoints))
    return found
