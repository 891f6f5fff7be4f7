"""Maps from the names in a file to those of a vocabulary, and which names are alike.

A map is a TOML file:

    ignore = ["left hem", "sleeve *"]     # dropped on purpose; * stands for any letters

    [categories]
    "short sleeve top" = "blouse"

    [keypoints]                           # of all categories
    "left collar" = "neckline_left"

    [keypoints."short sleeve top"]        # of one category of the file; it goes before those of all
    "short_sleeve_top_2" = "neckline_left"
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ...vocabulary import FOLDER, Vocabulary
from .problems import FormatError, Problem, read_text

MAPS = FOLDER / "maps"
"""The maps that come with the package, by their names."""
ALL = ""
_CLOSE = 0.75  # of difflib: hemline_rigth is 0.92 like hemline_right


@dataclass(frozen=True, slots=True)
class Names:
    """What names mean where they are not those of the vocabulary.

    categories: name in the file -> category. keypoints: category in the file, or "" for all of them -> name in the file
    -> keypoint. dropped: names of categories and keypoints that are left out on purpose, `*` for any letters. asked:
    the same, before everything else: what a user names counts even where a map or the vocabulary has the name.
    """

    categories: Mapping[str, str] = field(default_factory=dict)
    keypoints: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    def joined(self, other: "Names") -> "Names":
        """Both; where they differ, `other` counts."""
        keypoints = {name: {**self.keypoints.get(name, {}), **points} for name, points in other.keypoints.items()}
        return Names(
            {**self.categories, **other.categories},
            {**self.keypoints, **keypoints},
            (*self.dropped, *other.dropped),
            (*self.asked, *other.asked),
        )


NO_NAMES = Names()


def shipped_maps() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in MAPS.glob("*.toml")))


def read_names(source: str | Path, vocabulary: Vocabulary) -> Names:
    """A map of the package by its name, or that of a TOML file.

    Raises FormatError, with the entry, for a file that is no map, and for names that the vocabulary does not have;
    OSError where there is no such file.
    """
    path = MAPS / f"{source}.toml" if str(source) in shipped_maps() else Path(source)
    if path.suffix.lower() != ".toml":
        raise FileNotFoundError(
            f"no map {str(source)!r}: expected {', '.join(shipped_maps())}, or a file ending in .toml"
        )
    try:
        data = tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise FormatError([Problem(path, None, f"not TOML: {error}")]) from None
    unknown = sorted(data.keys() - {"ignore", "categories", "keypoints"})
    if unknown:
        raise FormatError([Problem(path, None, f"{unknown[0]!r}; expected some of ignore, categories, keypoints")])
    dropped = data.get("ignore", [])
    if not isinstance(dropped, list) or not all(isinstance(name, str) for name in dropped):
        raise FormatError([Problem(path, None, f"ignore must be a list of names; got {dropped!r:.80}")])
    entries = _table(path, "keypoints", data.get("keypoints", {}))
    by_category = {name: value for name, value in entries.items() if isinstance(value, dict)}
    tables = {ALL: {name: value for name, value in entries.items() if name not in by_category}, **by_category}
    keypoints = {}
    for name, table in tables.items():
        section = f"keypoints.{name}" if name else "keypoints"
        keypoints[name] = _meanings(path, section, table, vocabulary.keypoints)
    categories = _meanings(path, "categories", data.get("categories", {}), vocabulary.categories)
    return Names(categories, keypoints, tuple(dropped))


class Known:
    """The names that a file can mean."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = frozenset(names)
        counts = Counter(map(plain, names))
        self.variants = {plain(name): name for name in names if counts[plain(name)] == 1}

    def meaning(self, name: str) -> str | None:
        return name if name in self.names else self.variants.get(plain(name))

    def nearest(self, name: str) -> str | None:
        close = get_close_matches(plain(name), self.variants, 1, _CLOSE)
        return self.variants[close[0]] if close else None


def looked_up(table: Mapping[str, Any], name: str) -> Any:
    """The entry of a name, or of one that is the same but for case, `-`, `_` and spaces; None without one."""
    if name in table or not table:
        return table.get(name)
    return next((value for other, value in table.items() if plain(other) == plain(name)), None)


def plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip()).casefold()


def matches(name: str, patterns: Iterable[str]) -> bool:
    return any(
        name == pattern or ("*" in pattern and re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name))
        for pattern in patterns
    )


def _meanings(path: Path, section: str, value: Any, known: Sequence[str]) -> dict[str, str]:
    table = _table(path, section, value)
    for name, meant in table.items():
        if meant not in known:
            near = Known(known).nearest(meant) if isinstance(meant, str) else None
            nearest = f"; the nearest is {near}" if near else ""
            raise FormatError(
                [Problem(path, None, f"[{section}] {name!r} = {meant!r:.80}: not in the vocabulary{nearest}")]
            )
    return table


def _table(path: Path, section: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormatError([Problem(path, None, f"{section} must be a table of names; got {value!r:.80}")])
    return value
