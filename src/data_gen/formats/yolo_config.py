"""The `data.yaml` of a pose data set of ultralytics: which photos, which classes, which keypoints.

`path` is left out of what is written: then the photos are looked for beside the file. ultralytics takes a relative
`path`, even `.`, from the folder in which it was started, or from its own folder of data sets.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ...vocabulary import MOST_KEYPOINTS, Vocabulary
from .problems import FormatError, Problem, read_text

SIGMA = 0.05
"""Of OKS, for every keypoint. COCO's own lie between 0.025 and 0.107. Without it, ultralytics takes 1 / number of
keypoints, by which the same error counts for nothing in 4 keypoints and for everything in 294."""
PARTS = ("train", "val", "validation", "test", "minival")
_LARGEST = 4 << 20  # characters; 294 keypoints in 13 classes have 100,000


@dataclass(frozen=True, slots=True)
class YoloConfig:
    """The content of a data.yaml.

    root: the folder of the data set. parts: folders of photos and lists of photos, those that are there. classes: their
    names. keypoints: the K names for each class. numbers: of a keypoint in a label file, 2 (x, y) or 3 (x, y, v).
    problems: of parts that are not there.
    """

    path: Path
    root: Path
    parts: tuple[Path, ...]
    classes: tuple[str, ...]
    keypoints: tuple[tuple[str, ...], ...]
    numbers: int
    problems: tuple[Problem, ...] = ()


def read_config(path: Path) -> YoloConfig:
    """Raises FormatError, with the line where YAML has an error, for what is no data.yaml of poses; OSError."""
    path = Path(path)
    content = _load(path)
    try:
        if not isinstance(content, dict) or "kpt_shape" not in content:
            raise ValueError("no kpt_shape; expected the data.yaml of a pose data set")
        count, numbers = _shape(content["kpt_shape"])
        classes = _classes(content)
        keypoints = _keypoint_names(content.get("kpt_names"), len(classes), count)
        root, parts, missing = _parts(path, content)
    except ValueError as error:
        raise FormatError([Problem(path, None, str(error))]) from None
    problems = tuple(Problem(path, None, message) for message in missing)
    if not parts:
        reason = "no folder of photos; label files say fractions of a photo, so the photos are needed to read them"
        raise FormatError([*problems, Problem(path, None, reason)])
    return YoloConfig(path, root, parts, classes, keypoints, numbers, problems)


def config_text(vocabulary: Vocabulary) -> str:
    """The data.yaml of photos in `images`. All classes have all keypoints of the vocabulary: ultralytics knows one
    `kpt_shape`."""
    keypoints = list(vocabulary.keypoints)
    content = {
        "train": "images",
        "val": "images",
        "kpt_shape": [len(keypoints), 3],
        "flip_idx": vocabulary.twins.tolist(),
        "kpt_oks_sigmas": [SIGMA] * len(keypoints),
        "names": dict(enumerate(vocabulary.categories)),
        "kpt_names": {index: list(keypoints) for index in range(len(vocabulary.categories))},
    }
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
    return f"# val has the photos of train: name other photos there to measure on.\n{text}"


def _load(path: Path) -> Any:
    text = read_text(path)
    if len(text) > _LARGEST:
        raise FormatError([Problem(path, None, f"{len(text):,} characters; expected a data.yaml of at most 4 MiB")])
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise FormatError([Problem(path, mark.line + 1 if mark else None, f"not YAML: {reason}")]) from None
    except RecursionError:
        raise FormatError([Problem(path, None, "nested too deeply for a data file")]) from None
    except ValueError as error:  # such as the 99th of a month, or a number of thousands of digits
        raise FormatError([Problem(path, None, f"not YAML: {error}")]) from None


def _shape(value: Any) -> tuple[int, int]:
    whole = isinstance(value, list) and all(isinstance(v, int) and not isinstance(v, bool) for v in value)
    if not whole or len(value) != 2 or not 1 <= value[0] <= MOST_KEYPOINTS or value[1] not in (2, 3):
        raise ValueError(
            f"kpt_shape is {value!r:.80}; expected [number of keypoints, 2 or 3], with at most {MOST_KEYPOINTS} "
            "keypoints"
        )
    return value[0], value[1]


def _classes(content: Mapping[Any, Any]) -> tuple[str, ...]:
    names = content.get("names")
    if names is None and isinstance(content.get("nc"), int) and 0 < content["nc"] <= 10_000:
        names = [f"class_{index}" for index in range(content["nc"])]  # as ultralytics calls them
    found = _by_index(names, "names")
    if not found:
        raise ValueError("names has no class")
    return tuple(str(name) for name in found)


def _keypoint_names(value: Any, classes: int, count: int) -> tuple[tuple[str, ...], ...]:
    """Without them the names are the numbers from 0, as in ultralytics."""
    if value is None:
        return (tuple(str(index) for index in range(count)),) * classes
    per_class = [value] * classes if isinstance(value, list) and value[:1] and isinstance(value[0], str) else value
    found: dict[tuple[str, ...], tuple[str, ...]] = {}  # one record for all classes with the same names
    result = []
    for index, names in enumerate(_by_index(per_class, "kpt_names")):
        if not isinstance(names, list) or len(names) != count or len(set(map(str, names))) != count:
            raise ValueError(f"kpt_names of class {index}: {names!r:.80}; expected {count} different names")
        listed = tuple(str(name) for name in names)
        result.append(found.setdefault(listed, listed))
    if len(result) != classes:
        raise ValueError(f"kpt_names has {len(result)} classes, names {classes}")
    return tuple(result)


def _by_index(value: Any, what: str) -> Sequence[Any]:
    """The values of a list, or of a table from 0 on without a gap."""
    if isinstance(value, dict):
        try:
            numbered = {int(key): entry for key, entry in value.items()}
            return [numbered[index] for index in range(len(value))]
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{what}: the keys are {list(value)!r:.80}; expected 0, 1, 2, ...") from None
    if not isinstance(value, list):
        raise ValueError(f"{what} is {value!r:.80}; expected a list, or a table from 0 on")
    return value


def _parts(path: Path, content: Mapping[Any, Any]) -> tuple[Path, tuple[Path, ...], list[str]]:
    """(root, the parts that are there, what is to say of others)."""
    folder, named = path.parent, content.get("path")
    if named is not None and not isinstance(named, str):
        raise ValueError(f"path is {named!r:.80}; expected a folder")
    # Paths of data sets come from other machines, or count from the folder that holds all data sets.
    roots = [folder / named, folder.parent / named, folder] if named else [folder]
    found: list[Path] = []
    missing = []
    listed = [(key, entry) for key in PARTS for entry in _entries(key, content.get(key))]
    root = next((r for r in roots if any(_part(r, entry) for _, entry in listed)), folder)
    root = Path(os.path.normpath(root))
    for key, entry in listed:
        part = _part(root, entry)
        if part is None:
            missing.append(f"{key}: no folder or list {entry} in {root}")
        elif not part.is_relative_to(root):
            missing.append(f"{key}: {entry} leads out of the data set {root}")
        elif part not in found:
            found.append(part)
    return root, tuple(found), missing


def _entries(key: str, value: Any) -> list[str]:
    entries = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(entry, str) and entry and "\0" not in entry for entry in entries):
        raise ValueError(f"{key} is {value!r:.80}; expected a folder or a list of photos")
    return entries


def _part(root: Path, entry: str) -> Path | None:
    # Some tools write ../train/images for the folder train/images beside the file.
    candidates = [entry, entry.removeprefix("../")]
    paths = (Path(os.path.normpath(root / candidate)) for candidate in candidates)
    return next((path for path in paths if path.exists()), None)
