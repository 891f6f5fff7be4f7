"""What names and tables of a vocabulary can be, and where in its file a mistake is."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NAME = re.compile(r"\w[\w .&+-]{0,63}")
_LONGEST_CLASS = 100
# Names of devices on Windows, in any folder and with any ending. Categories and tasks become names of folders.
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
TASK_NAME = re.compile(r"[A-Za-z]\w{0,63}", re.ASCII)
_RESERVED = {
    "category": ("all", "auto", "attributes", "shipped"),
    # The last ones are columns of the table of `aifashion predict`.
    "attribute task": (
        *(
            "all",
            "style",
            "product",
            "photo",
            "error",
            "width",
            "height",
            "garment",
            "category",
            "category_probability",
        ),
        *("region_left", "region_top", "region_right", "region_bottom"),
    ),
}

Pair = tuple[str, str]


class VocabularyError(ValueError):
    """A vocabulary that contradicts itself. section, item: where in its file the mistake is."""

    def __init__(self, message: str, section: str = "", item: str = "") -> None:
        super().__init__(message)
        self.section, self.item = section, item


def few(names: Sequence[str], shown: int = 5) -> str:
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def check_names(names: Sequence[str], what: str, section: str, pattern: re.Pattern[str] | None = NAME) -> None:
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise VocabularyError(f"{what} {doubled[0]!r} comes twice; names must differ", section, doubled[0])
    for name in names:
        if name in _RESERVED.get(what, ()):
            raise VocabularyError(f"no {what} can be called {name!r}, which the commands use for themselves", section)
        if pattern is not None and not pattern.fullmatch(name):
            expected = "letters, digits and _" if pattern is TASK_NAME else "letters, digits, spaces and _ . & + -"
            raise VocabularyError(f"{what} {name!r:.120}: expected 1 to 64 {expected}", section, name)
        if pattern is NAME and name.endswith((" ", ".")):
            raise VocabularyError(f"{what} {name!r} ends with a space or a dot, which Windows drops", section, name)


def check_folders(names: Sequence[str], what: str, section: str) -> None:
    """Of names that become those of folders: no device of Windows, and none that differ from another by case alone."""
    for name in names:
        if _DEVICE.fullmatch(name):
            raise VocabularyError(f"no {what} can be called {name!r}, a name that Windows keeps", section, name)
    folded = Counter(name.casefold() for name in names)
    alike = [name for name in names if folded[name.casefold()] > 1]
    if alike:
        both = f"{what} {alike[0]!r} and {alike[1]!r} differ only in upper and lower case"
        raise VocabularyError(f"{both}, which the names of folders need not tell apart", section, alike[0])


def check_classes(task: str, classes: Sequence[str]) -> None:
    """Of the names of classes, which can have any letters and signs: what tables and terminals cannot keep."""
    for name in classes:
        reason = None
        if not name.isprintable():
            reason = "it has a control character, such as a line break"
        elif ";" in name:
            reason = "it has a ';', which separates classes in tables"
        elif name != name.strip() or not name:
            reason = "it is empty, or begins or ends with a space"
        elif len(name) > _LONGEST_CLASS:
            reason = f"it has {len(name)} characters; at most {_LONGEST_CLASS} are possible"
        if reason:
            raise VocabularyError(
                f"class {name!r:.120} of attribute task {task!r}: {reason}", f"attributes.{task}", name
            )


def check_known(names: Iterable[str], known: set[str], what: str, section: str) -> None:
    for name in names:
        if name not in known:
            raise VocabularyError(f"{what} {name!r} is not one of {few(sorted(known))}", section, name)


def table(value: Any, section: str, keys: set[str] | None, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise VocabularyError(f"{what} must be a table; got {value!r:.80}", section)
    unknown = sorted(set(value) - keys) if keys is not None else []
    if unknown:
        known = ", ".join(sorted(keys or ()))
        raise VocabularyError(f"{what}: unknown entry {unknown[0]!r}; expected some of {known}", section, unknown[0])
    return value


def list_of(value: Any, section: str) -> list[Any]:
    if not isinstance(value, list):
        raise VocabularyError(f"{section} must be a list; got {value!r:.80}", section)
    return value


def names_of(value: Any, section: str, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise VocabularyError(f"{what} of {section} must be a list of texts; got {value!r:.80}", section)
    return tuple(value)


def pair_of(value: Any, section: str) -> Pair:
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(name, str) for name in value):
        raise VocabularyError(f"{section}: expected pairs of two names; got {value!r:.80}", section)
    return value[0], value[1]


def line_of(text: str, error: VocabularyError) -> int | None:
    """The number of the line that an error means: the item in its section, or where the section begins."""
    lines = text.splitlines()
    header = re.compile(rf'\s*(\[\s*"?{re.escape(error.section)}"?\s*\]|"?{re.escape(error.section)}"?\s*[=:])')
    first = next((i for i, line in enumerate(lines) if error.section and header.match(line)), None)
    if first is None:
        part = error.section.rpartition(".")[2]
        first = next((i for i, line in enumerate(lines) if part and part in line), None)
    if first is None:
        return None
    item = re.compile(rf"""["']{re.escape(error.item)}["']|^\s*{re.escape(error.item)}\s*=""")
    found = [i for i in range(first, len(lines)) if error.item and item.search(lines[i])]
    return 1 + (found[0] if found else first)


def name_differences(what: str, expected: Sequence[str], found: Sequence[str]) -> list[str]:
    """What is missing, extra or in another place, each as a few words; `what` says of which names."""
    missing, extra = [n for n in expected if n not in found], [n for n in found if n not in expected]
    parts = [f"{what} without {few(missing)}"] if missing else []
    parts += [f"{what} with {few(extra)} as well"] if extra else []
    if not parts and list(expected) != list(found):
        first = next(i for i, pair in enumerate(zip(expected, found, strict=True)) if pair[0] != pair[1])
        parts = [f"{what} in another order: number {first + 1} is {found[first]}, not {expected[first]}"]
    return parts
