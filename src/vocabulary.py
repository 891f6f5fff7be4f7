"""What kinds of garments there are, and what can be told of them: their keypoints and their attributes.

A vocabulary is data. The package has some as TOML files in `vocabularies/`, a user may write one, and every run and
every artifact keeps the one that its network was trained with, since the order of its names is the order of the
network's outputs.

    >>> from aifashion.vocabulary import load_vocabulary
    >>> vocabulary = load_vocabulary("fashionai")
    >>> vocabulary.categories
    ('blouse', 'dress', 'outwear', 'skirt', 'trousers')
    >>> vocabulary.restricted("skirt").keypoints
    ('waistband_left', 'waistband_right', 'hemline_left', 'hemline_right')
"""

import hashlib
import json
import tomllib
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from .files import open_regular
from .measurements import Measurement, measurements_from, plain
from .records import HeadSpec
from .vocabulary_names import (
    TASK_NAME,
    Pair,
    check_classes,
    check_folders,
    check_known,
    check_names,
    line_of,
    list_of,
    name_differences,
    names_of,
    pair_of,
    table,
)
from .vocabulary_names import VocabularyError as VocabularyError

FOLDER = Path(__file__).parent / "vocabularies"
DEFAULT = "fashionai"
"""The vocabulary of networks and data sets that do not name one."""
OLDER_FILES = FOLDER / "older_files.json"
"""The meaning of runs and artifacts that were made before they kept a vocabulary. It never changes."""
MOST_KEYPOINTS = 1000
LARGEST_FILE = 16 << 20
"""Bytes; a vocabulary of 1,000 keypoints has about 100,000."""


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of garment.

    keypoints: names of those that it has. span: the two of them whose distance normalises errors (NE); None stands for
    the diagonal of the box of its keypoints. attributes: names of the tasks that make sense for it. measurements: what
    can be measured of it; None where the vocabulary says nothing of that, see `measurement_sets`.
    """

    name: str
    keypoints: tuple[str, ...]
    span: Pair | None = None
    attributes: tuple[str, ...] = ()
    # No output of a network depends on them, so vocabularies that differ in them are the same.
    measurements: tuple[Measurement, ...] | None = field(default=None, compare=False)


@dataclass(frozen=True, repr=False)
class Vocabulary:
    """The categories, the K keypoints and the attribute tasks that a network or a data set knows.

    twin_pairs: keypoints that a mirror image exchanges, the one on the left of a picture first. edge_pairs: keypoints
    that the outline joins. All orders are those of the network's outputs.
    Raises VocabularyError for what contradicts itself, such as a name that comes twice.
    """

    name: str
    keypoints: tuple[str, ...]
    definitions: tuple[Category, ...]
    twin_pairs: tuple[Pair, ...] = ()
    edge_pairs: tuple[Pair, ...] = ()
    attributes: tuple[HeadSpec, ...] = ()

    def __post_init__(self) -> None:
        _check(self)

    def __repr__(self) -> str:
        counts = f"{len(self.definitions)} categories, {len(self.keypoints)} keypoints, {len(self.attributes)} tasks"
        return f"Vocabulary({self.name}: {counts})"

    @cached_property
    def digest(self) -> str:
        """The sha256 of all names in their order, measurements apart: equal only for vocabularies that are the same."""
        names = replace(self, definitions=tuple(replace(c, measurements=None) for c in self.definitions)).to_json()
        return hashlib.sha256(json.dumps(names).encode()).hexdigest()

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The names of the categories."""
        return tuple(category.name for category in self.definitions)

    @cached_property
    def indices(self) -> dict[str, int]:
        """Name of a keypoint -> its index."""
        return {name: index for index, name in enumerate(self.keypoints)}

    @cached_property
    def twins(self) -> np.ndarray:
        """(K,) int: the index of the keypoint that each becomes in a mirror image; its own inverse."""
        twins = np.arange(len(self.keypoints))
        for left, right in self.twin_pairs:
            a, b = self.indices[left], self.indices[right]
            twins[a], twins[b] = b, a
        return _constant(twins)

    @cached_property
    def sides(self) -> np.ndarray:
        """(K,) int: -1 for the left one of a pair of twins, 1 for the right one, 0 for a keypoint without a twin."""
        sides = np.zeros(len(self.keypoints), int)
        for pair in self.twin_pairs:
            sides[[self.indices[name] for name in pair]] = -1, 1
        return _constant(sides)

    @cached_property
    def masks(self) -> np.ndarray:
        """(categories, K) bool: which keypoints each category has."""
        kept = [set(category.keypoints) for category in self.definitions]
        return _constant(np.array([[name in names for name in self.keypoints] for names in kept], bool))

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Pairs of the indices of keypoints that the outline joins."""
        return tuple((self.indices[a], self.indices[b]) for a, b in self.edge_pairs)

    @cached_property
    def spans(self) -> np.ndarray:
        """(categories, 2) int: indices of the ends of each category's span, -1 where it has none."""
        ends = [[self.indices[end] for end in c.span] if c.span else [-1, -1] for c in self.definitions]
        return _constant(np.array(ends, int).reshape(-1, 2))

    def category_index(self, category: str) -> int:
        """Raises ValueError for a category that the vocabulary does not have."""
        if category not in self.categories:
            raise ValueError(f"unknown category {category!r}; expected one of {', '.join(self.categories)}")
        return self.categories.index(category)

    def mask(self, category: str) -> np.ndarray:
        """(K,) bool: the keypoints of `category`. Raises ValueError for an unknown one."""
        return self.masks[self.category_index(category)]

    def task(self, name: str) -> HeadSpec:
        """The attribute task of that name. Raises ValueError for an unknown one."""
        found = next((task for task in self.attributes if task.name == name), None)
        if found is None:
            known = ", ".join(task.name for task in self.attributes) or "none"
            raise ValueError(f"unknown attribute task {name!r}; expected one of: {known}")
        return found

    def applies(self, task: str, category: str) -> bool:
        """Whether an attribute task makes sense for a category: one that no category names does for all of them."""
        naming = [definition.name for definition in self.definitions if task in definition.attributes]
        return not naming or category in naming

    def restricted(self, *categories: str) -> Self:
        """The vocabulary of some categories alone, in the order they have here; for `all` this one.

        Raises ValueError for an unknown category.
        """
        if categories in (("all",), self.categories):
            return self
        chosen = {self.category_index(category) for category in categories}
        definitions = tuple(self.definitions[index] for index in sorted(chosen))
        kept = {name for category in definitions for name in category.keypoints}
        return replace(
            self,
            keypoints=tuple(name for name in self.keypoints if name in kept),
            definitions=definitions,
            twin_pairs=tuple(pair for pair in self.twin_pairs if kept.issuperset(pair)),
            edge_pairs=tuple(pair for pair in self.edge_pairs if kept.issuperset(pair)),
            attributes=tuple(t for t in self.attributes if any(self.applies(t.name, c.name) for c in definitions)),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data in the form of the TOML files, which `vocabulary_from` reads."""
        return {
            "name": self.name,
            "keypoints": list(self.keypoints),
            "twins": [list(pair) for pair in self.twin_pairs],
            "edges": [list(pair) for pair in self.edge_pairs],
            "categories": {
                category.name: {"keypoints": list(category.keypoints)}
                | ({"span": list(category.span)} if category.span else {})
                | ({"attributes": list(category.attributes)} if category.attributes else {})
                | ({"measurements": plain(category.measurements)} if category.measurements is not None else {})
                for category in self.definitions
            },
            "attributes": {task.name: {"kind": task.kind, "classes": list(task.classes)} for task in self.attributes},
        }


def load_vocabulary(source: str | Path = DEFAULT) -> Vocabulary:
    """A vocabulary of the package by its name, or that of a TOML file, or of a run's or an artifact's JSON file.

    Raises VocabularyError, naming the file and the line, for a file that is not a vocabulary, and for what cannot name
    one; FileNotFoundError where there is neither such a file nor such a name.
    """
    if not isinstance(source, str | Path) or "\0" in str(source) or not str(source):
        raise VocabularyError(
            f"no vocabulary is named {source!r:.80}: expected {', '.join(packaged())}, or a .toml or .json file"
        )
    path = Path(source)
    if path.is_dir():
        raise VocabularyError(f"{path} is a folder; name the .toml or .json file of the vocabulary in it")
    if path.suffix not in (".toml", ".json"):
        if path.is_file() or str(source) not in packaged():
            raise FileNotFoundError(
                f"no vocabulary {str(source)!r}: expected {', '.join(packaged())}, or a file that ends in .toml or "
                ".json"
            )
        path = FOLDER / f"{source}.toml"
        return _read_packaged(path)
    return read_vocabulary(path)


def packaged() -> tuple[str, ...]:
    """The names of the vocabularies that the package has."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def older_files_vocabulary() -> Vocabulary:
    """The vocabulary of runs and artifacts that keep none: that of FashionAI, as it was then."""
    return _read_packaged(OLDER_FILES)


@lru_cache
def _read_packaged(path: Path) -> Vocabulary:
    return read_vocabulary(path)


def read_small(path: Path, what: str) -> bytes:
    """Raises VocabularyError where the file is larger than what it should be can need, and OSError without one."""
    with open_regular(path) as stream:
        read = stream.read(LARGEST_FILE + 1)
    if len(read) > LARGEST_FILE:
        raise VocabularyError(f"{path}: more than {LARGEST_FILE >> 20} MiB, which no {what} needs")
    return read


def read_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary of a TOML or JSON file. Raises VocabularyError, naming the file and line; OSError without one."""
    path = Path(path)
    read = read_small(path, "vocabulary")
    try:
        text = read.decode("utf-8-sig")  # some editors begin a file with a mark
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise VocabularyError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None
    except ValueError as error:  # of both formats; also numbers of thousands of digits
        raise VocabularyError(f"{path}: {error}") from None
    except RecursionError:
        raise VocabularyError(f"{path}: nested too deeply for a vocabulary") from None
    # The JSON file of an artifact has the vocabulary as one of its parts.
    if isinstance(data, dict) and isinstance(data.get("vocabulary"), dict):
        data = data["vocabulary"]
    try:
        return vocabulary_from(data)
    except VocabularyError as error:
        line = line_of(text, error)
        where = f"{path}, line {line}" if line else str(path)
        raise VocabularyError(f"{where}: {error}", error.section, error.item) from None


def vocabulary_from(data: Any) -> Vocabulary:
    """The vocabulary of plain data, as a TOML file or `Vocabulary.to_json` gives it. Raises VocabularyError."""
    top = table(data, "", {"name", "keypoints", "twins", "edges", "categories", "attributes"}, "a vocabulary")
    name = top.get("name")
    if not isinstance(name, str) or not name or not name.isprintable() or len(name) > 200:
        raise VocabularyError(f"name must be a text of 1 to 200 printable characters; got {name!r:.80}", "name")
    definitions = []
    for key, value in table(top.get("categories"), "categories", None, "categories").items():
        section = f"categories.{key}"
        entry = table(value, section, {"keypoints", "span", "attributes", "measurements"}, f"category {key!r}")
        span = pair_of(entry["span"], section) if "span" in entry else None
        keypoints = names_of(entry.get("keypoints"), section, "keypoints")
        tasks_of = names_of(entry.get("attributes", []), section, "attributes")
        found = entry.get("measurements")
        measured = None if found is None else measurements_from(found, f"{section}.measurements", set(keypoints))
        definitions.append(Category(key, keypoints, span, tasks_of, measured))
    listed = top.get("keypoints")
    keypoints = (
        tuple(dict.fromkeys(name for category in definitions for name in category.keypoints))
        if listed is None
        else names_of(listed, "keypoints", "keypoints")
    )
    tasks = []
    for key, value in table(top.get("attributes", {}), "attributes", None, "attributes").items():
        section = f"attributes.{key}"
        entry = table(value, section, {"kind", "classes"}, f"attribute task {key!r}")
        classes = names_of(entry.get("classes", []), section, "classes")
        check_classes(key, classes)
        try:
            tasks.append(HeadSpec(key, entry.get("kind", "exclusive"), classes))
        except ValueError as error:
            raise VocabularyError(f"attribute task {key!r}: {error}", section) from None
    twins = tuple(pair_of(pair, "twins") for pair in list_of(top.get("twins", []), "twins"))
    edges = tuple(pair_of(pair, "edges") for pair in list_of(top.get("edges", []), "edges"))
    return Vocabulary(name, keypoints, tuple(definitions), twins, edges, tuple(tasks))


def differences(expected: Vocabulary, found: Vocabulary) -> str:
    """Which names of two vocabularies differ, as one line; empty where they mean the same outputs in the same order."""
    parts = []
    for what in ("categories", "keypoints"):
        parts += name_differences(what, getattr(expected, what), getattr(found, what))
    for category in expected.definitions:
        other = next((c for c in found.definitions if c.name == category.name), None)
        if other is not None and set(category.keypoints) != set(other.keypoints) and not parts:
            parts += name_differences(f"keypoints of {category.name}", category.keypoints, other.keypoints)
    return "; ".join(parts)


def _check(vocabulary: Vocabulary) -> None:
    keypoints, definitions = vocabulary.keypoints, vocabulary.definitions
    if not definitions:
        raise VocabularyError("there are no categories; a vocabulary needs at least one", "categories")
    if len(keypoints) > MOST_KEYPOINTS:
        raise VocabularyError(f"{len(keypoints)} keypoints; at most {MOST_KEYPOINTS} are possible", "keypoints")
    check_names(keypoints, "keypoint", "keypoints")
    check_names([c.name for c in definitions], "category", "categories")
    check_names([t.name for t in vocabulary.attributes], "attribute task", "attributes", TASK_NAME)
    check_folders([c.name for c in definitions], "category", "categories")
    check_folders([t.name for t in vocabulary.attributes], "attribute task", "attributes")
    known, tasks = set(keypoints), {task.name for task in vocabulary.attributes}
    for category in definitions:
        section, what = f"categories.{category.name}", f"category {category.name!r}"
        if not category.keypoints:
            raise VocabularyError(f"{what} has no keypoints; it needs at least one", section)
        check_names(category.keypoints, "keypoint", section)
        if len(category.keypoints) == 1:
            raise VocabularyError(
                f"{what} has one keypoint, which has no extent to measure errors by; it needs two", section
            )
        check_known(category.keypoints, known, f"{what}: keypoint", section)
        check_known(category.span or (), set(category.keypoints), f"{what}: the span's end", section)
        check_known(category.attributes, tasks, f"{what}: attribute task", section)
        if category.span and category.span[0] == category.span[1]:
            raise VocabularyError(f"{what}: both ends of the span are {category.span[0]!r}", section, category.span[0])
    unused = [name for name in keypoints if not any(name in category.keypoints for category in definitions)]
    if unused:
        raise VocabularyError(f"keypoint {unused[0]!r} belongs to no category", "keypoints", unused[0])
    _check_twins(vocabulary)
    for pair in vocabulary.edge_pairs:
        check_known(pair, known, "an edge's end", "edges")
        if pair[0] == pair[1]:
            raise VocabularyError(f"an edge joins {pair[0]!r} to itself", "edges", pair[0])
    for task in vocabulary.attributes:
        section = f"attributes.{task.name}"
        check_names(task.classes, "class", section, None)
        check_classes(task.name, task.classes)
        if task.name.endswith("_labels"):
            raise VocabularyError(f"attribute task {task.name!r}: leave out _labels, which label files add", section)
        fewest = 1 if task.kind == "independent" else 2
        if len(task.classes) < fewest:
            count = f"{len(task.classes)} class; {task.kind} tasks need at least {fewest}"
            raise VocabularyError(f"attribute task {task.name!r} has {count}", section)


def _check_twins(vocabulary: Vocabulary) -> None:
    partner: dict[str, str] = {}
    for pair in vocabulary.twin_pairs:
        check_known(pair, set(vocabulary.keypoints), "a twin", "twins")
        for name, other in (pair, pair[::-1]):
            if name == other:
                raise VocabularyError(f"{name!r} is its own twin: leave it out of twins", "twins", name)
            if name in partner:
                both = f"{partner[name]!r} and {other!r}"
                raise VocabularyError(f"twins are not mutual: {name!r} is paired with {both}", "twins", name)
            partner[name] = other
    for category in vocabulary.definitions:
        alone = [n for n in category.keypoints if n in partner and partner[n] not in category.keypoints]
        if alone:
            raise VocabularyError(
                f"category {category.name!r} has {alone[0]!r} without its twin {partner[alone[0]]!r}: mirrored, it "
                "would have no such keypoint",
                f"categories.{category.name}",
                alone[0],
            )


def _constant(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
