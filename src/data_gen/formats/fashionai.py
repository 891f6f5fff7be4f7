"""FashionAI keypoint CSVs: `image_id,image_category` and 24 cells `x_y_v` (v: 1 visible, 0 hidden, -1 absent).

Test sets have only the first two columns. An absent keypoint is `-1_-1_-1` in the file and (-1, -1) in `Keypoints`.
Layout and names are those of the FashionAI challenge's archives (Alibaba and HKPU, 2018).
"""

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from ...files import write_atomic
from ...records import ABSENT, NO_GARMENT, Keypoints, Sample
from ..images import image_id_problem, resolve_image
from .challenges import CATEGORIES, FASHIONAI, KEYPOINTS
from .folders import Folders, drawn_below, find_files
from .problems import FormatError, Problem, leave_out, read_csv_rows

ID_COLUMNS = ("image_id", "image_category")
ANSWERS = "fashionAI_key_points_test_[ab]_answer_*.csv"

_NUMBER = r"-?[0-9]{1,7}(?:\.[0-9]{1,15})?"
_CELL = rf"{_NUMBER}_{_NUMBER}_(?:-1|0|1)"
_COLUMN = re.compile(rf"(?>{_CELL}\n)*+")
_NO_POINT = "-1_-1_-1"

_MASKS = {category: FASHIONAI.mask(category) for category in CATEGORIES}
_MASKS[NO_GARMENT] = np.zeros(len(KEYPOINTS), bool)

LAYOUT = """expected, for example,
  train/Annotations/train.csv (or annotations.csv) beside train/Images/<category>/
  test/test.csv beside test/Images/<category>/
  fashionAI_key_points_test_a_answer_<date>.csv anywhere"""


@dataclass(frozen=True, slots=True)
class KeypointFiles:
    """The CSVs of the keypoint challenge found in a data folder, each kind sorted by path."""

    train: tuple[Path, ...]
    tests: tuple[Path, ...]
    answers: tuple[Path, ...]


def image_root(path: Path) -> Path:
    """The folder of the image ids in the CSV at `path`: the one above `Annotations`, otherwise that of the CSV."""
    folder = Path(path).parent
    return folder.parent if folder.name == "Annotations" else folder


def read_keypoint_csv(path: Path, root: Path | None = None, strict: bool = True) -> list[Sample]:
    """The samples of one CSV; `keypoints` is None if it has only the first two columns.

    root: the folder of the image ids, by default `image_root(path)`. Raises FormatError for any problem; with `strict`
    False, rows with problems are left out and counted in a warning, unless all are. `scan_keypoint_csv` returns the
    problems.
    """
    samples, problems = scan_keypoint_csv(path, root)
    if strict and problems:
        raise FormatError(problems)
    leave_out(Path(path), problems, len(samples), count=len({problem.line for problem in problems}))
    return samples


def scan_keypoint_csv(path: Path, root: Path | None = None) -> tuple[list[Sample], list[Problem]]:
    """The valid rows of a keypoint CSV, and the problems of the other rows, in the order of the lines.

    Raises OSError if the file cannot be read.
    """
    samples, _, problems = scan_keypoint_rows(path, root)
    return samples, problems


def scan_keypoint_rows(
    path: Path, root: Path | None = None, training: bool = False
) -> tuple[list[Sample], list[int], list[Problem]]:
    """(samples, line number of each sample, problems), otherwise as `scan_keypoint_csv`.

    training: rows of the category `none`, without any keypoint, are sound: photos that show no garment.
    """
    path = Path(path)
    table, problems = _read_table(path)
    if table is None:
        return [], [], problems
    columns, lines = table
    ids, categories = (columns[name] for name in ID_COLUMNS)
    paths, found = _check_rows(path, image_root(path) if root is None else Path(root), ids, categories, lines, training)
    problems += found
    xy = state = None
    if len(columns) > len(ID_COLUMNS):
        xy, state, found = _parse_keypoints(path, columns, categories, lines)
        problems += found
    bad = {problem.line for problem in problems}
    good = [i for i, line in enumerate(lines) if line not in bad]
    samples = [
        Sample(ids[i], paths[i], categories[i], None if xy is None or state is None else Keypoints(xy[i], state[i]))
        for i in good
    ]
    return samples, [lines[i] for i in good], sorted(problems, key=lambda problem: problem.line or 0)


def write_keypoint_csv(path: Path, samples: Sequence[Sample], decimals: int = 0) -> None:
    """Writes samples with their 24 keypoints in the official columns, atomically.

    Coordinates are rounded to `decimals` decimals, halves away from zero. Raises ValueError, with the image id, for
    a sample that could not be read again: a missing or unknown category, not 24 keypoints, keypoints that the
    category does not have, or a repeated image id; OSError as `write_atomic`.
    """
    write_atomic(path, keypoint_csv(samples, decimals))


def keypoint_csv(samples: Sequence[Sample], decimals: int = 0) -> str:
    """The text of the file that `write_keypoint_csv` writes. Raises ValueError as it does."""
    seen: set[str] = set()
    for sample in samples:
        if sample.category is None or sample.keypoints is None or len(sample.keypoints.state) != len(KEYPOINTS):
            raise ValueError(f"{sample.image_id}: the format needs a category and all {len(KEYPOINTS)} keypoints")
        if sample.category not in (*CATEGORIES, NO_GARMENT):
            raise ValueError(
                f"{sample.image_id}: unknown category {sample.category!r}; expected one of {', '.join(CATEGORIES)}"
            )
        foreign = np.flatnonzero((sample.keypoints.state != ABSENT) & ~_MASKS[sample.category])
        if foreign.size:
            names = ", ".join(KEYPOINTS[k] for k in foreign)
            raise ValueError(f"{sample.image_id}: {_named(sample.category)} has no {names}")
        if sample.image_id in seen:
            raise ValueError(f"{sample.image_id} has several samples, but the format has one row per photo: keep one")
        seen.add(sample.image_id)
    rows = [(s.image_id, s.category, *_cells(s.keypoints, decimals)) for s in samples if s.keypoints is not None]
    return _csv((*ID_COLUMNS, *KEYPOINTS), rows)


def one_per_photo(samples: Sequence[Sample]) -> tuple[list[Sample], int]:
    """The samples, of each photo the one with the largest box about its keypoints; and how many were left out.

    A keypoint CSV has one row per photo.
    """
    largest: dict[str, Sample] = {}
    for sample in samples:
        other = largest.setdefault(sample.image_id, sample)
        if _area(sample) > _area(other):
            largest[sample.image_id] = sample
    return list(largest.values()), len(samples) - len(largest)


def _area(sample: Sample) -> float:
    """Of the box about the labelled keypoints, px^2."""
    if sample.keypoints is None or not (sample.keypoints.state != ABSENT).any():
        return 0.0
    xy = sample.keypoints.xy[sample.keypoints.state != ABSENT]
    return float((xy.max(axis=0) - xy.min(axis=0) + 1).prod())


def write_test_csv(path: Path, samples: Sequence[Sample]) -> None:
    """Writes the two columns of a test set, atomically. Raises ValueError for a sample without a category."""
    for sample in samples:
        if sample.category is None:
            raise ValueError(f"{sample.image_id}: a test set needs the category of every photo")
    write_atomic(path, _csv(ID_COLUMNS, [(s.image_id, s.category) for s in samples]))


def find_keypoint_sets(data: Path) -> KeypointFiles:
    """Finds the challenge's CSVs up to four levels below `data`, in any folder names of the unpacked archives.

    Both seasons, the warm-up set and the released answers; synthetic photos below `data` only if there are no others.
    Raises FileNotFoundError, with the expected layout, if there is no CSV.
    """
    return KeypointFiles(*find_files(data, _by_kind, f"no FashionAI keypoint files in {data}; {LAYOUT}"))


def _by_kind(folders: Folders) -> tuple[list[Path], ...]:
    train, tests, answers = [], [], []
    for here, names in folders:
        for name in names:
            if name == "annotations.csv" or (name == "train.csv" and here.name == "Annotations"):
                train.append(here / name)
            elif name == "test.csv":
                tests.append(here / name)
            elif fnmatch(name, ANSWERS):
                answers.append(here / name)
    return train, tests, answers


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """What of a list to train on is used, with the line of each row, and its problems in the order of the lines.

    sound: how many rows are, also those that an earlier list has as well.
    """

    path: Path
    samples: tuple[Sample, ...]
    lines: tuple[int, ...]
    problems: tuple[Problem, ...]
    sound: int


def scan_training_sets(data: Path) -> list[TrainingRows]:
    """All lists to train on below `data`, both seasons and the warm-up set; see `load_training_samples`.

    A photo is in the first list that has it. Raises FileNotFoundError if there is no training CSV, FormatError for one
    without keypoints.
    """
    files = find_keypoint_sets(data).train
    if not files:
        raise FileNotFoundError(f"no FashionAI training CSV in {data}; {LAYOUT}{drawn_below(data)}")
    first: dict[Path, Sample] = {}
    sets = []
    for file in files:
        found, lines, problems = scan_keypoint_rows(file, training=True)
        kept, kept_lines, sound = [], [], len(found)
        for sample, line in zip(found, lines, strict=True):
            if sample.keypoints is None:
                raise FormatError([Problem(file, 1, "a training CSV needs the 24 keypoint columns")])
            other = first.setdefault(sample.path, sample)
            if other is sample:
                kept.append(sample)
                kept_lines.append(line)
            elif other != sample:
                sound -= 1
                reason = f"{sample.image_id}: other keypoints than in an earlier CSV for the same photo; remove one row"
                problems.append(Problem(file, line, reason))
        problems.sort(key=lambda problem: problem.line or 0)
        sets.append(TrainingRows(file, tuple(kept), tuple(kept_lines), tuple(problems), sound))
    return sets


def load_training_samples(data: Path) -> list[Sample]:
    """All training samples below `data`, both seasons and the warm-up set together.

    The same image id in two sets means two photos, with different paths. A photo with the same row in two CSVs counts
    once. Rows with problems are left out and counted in a warning, and so are rows with other keypoints than an earlier
    CSV has for the photo. Raises FileNotFoundError if there is no training CSV, FormatError for one without a sound
    row or without keypoints.
    """
    samples: list[Sample] = []
    for rows in scan_training_sets(data):
        wrong = len({problem.line for problem in rows.problems})
        leave_out(rows.path, rows.problems, rows.sound, count=wrong)
        samples += rows.samples
    return samples


Table = tuple[dict[str, Sequence[str]], list[int]]
"""Column name -> its cells, and the line in the file of every row."""


def _read_table(path: Path) -> tuple[Table | None, list[Problem]]:
    try:
        rows = read_csv_rows(path)
    except FormatError as error:
        return None, list(error.problems)
    if not rows:
        return None, [Problem(path, None, f"the file is empty; expected a header {','.join(ID_COLUMNS)},...")]
    header = [name.strip() for name in rows[0][1]]
    expected = ID_COLUMNS if set(header) <= set(ID_COLUMNS) else (*ID_COLUMNS, *KEYPOINTS)
    reasons = {
        "missing columns": [name for name in expected if name not in header],
        "repeated columns": [name for name, count in Counter(header).items() if count > 1],
        "unknown columns": [name for name in header if name not in expected],
    }
    problems = [
        Problem(path, rows[0][0], f"{what}: {', '.join(map(repr, names))}") for what, names in reasons.items() if names
    ]
    if problems:
        return None, problems
    if len(rows) == 1:
        return None, [Problem(path, None, "the file has a header, but no rows")]
    width = len(header)
    problems = [
        Problem(path, line, f"{len(row)} cells; expected {width} as in the header")
        for line, row in rows[1:]
        if len(row) != width
    ]
    whole = [(line, row) for line, row in rows[1:] if len(row) == width]
    if not whole:
        return None, problems
    columns: dict[str, Sequence[str]] = dict(zip(header, zip(*(row for _, row in whole), strict=True), strict=True))
    return (columns, [line for line, _ in whole]), problems


def _check_rows(
    path: Path, root: Path, ids: Sequence[str], categories: Sequence[str], lines: list[int], training: bool
) -> tuple[list[Path], list[Problem]]:
    """The photo path of every row (not valid for rows with a problem), and the problems of the first two columns."""
    problems, paths, first, safe = [], [], {}, set()
    for image_id, category, line in zip(ids, categories, lines, strict=True):
        photo = root / image_id
        paths.append(photo)
        if category not in CATEGORIES and not (training and category == NO_GARMENT):
            reason = f"column 'image_category': unknown category {category!r}; expected one of {', '.join(CATEGORIES)}"
            problems.append(Problem(path, line, reason))
        if image_id in first:
            problems.append(Problem(path, line, f"image id {image_id!r} again; first on line {first[image_id]}"))
        first.setdefault(image_id, line)
        # resolve_image follows the links of every folder, which is slow, so each folder is checked only once.
        folder = image_id.rpartition("/")[0]
        # Unlike Path.is_symlink, islink returns False for a name too long for the file system.
        if folder in safe and not image_id_problem(image_id) and not os.path.islink(photo):  # noqa: PTH114
            continue
        try:
            paths[-1] = resolve_image(root, image_id)
            safe.add(folder)
        except ValueError as error:
            problems.append(Problem(path, line, f"column 'image_id': {error}"))
    return paths, problems


def _parse_keypoints(
    path: Path, columns: dict[str, Sequence[str]], categories: Sequence[str], lines: list[int]
) -> tuple[np.ndarray, np.ndarray, list[Problem]]:
    """xy (N, 24, 2) px, state (N, 24), and the problems of the cells."""
    problems = []
    values = np.empty((len(lines), len(KEYPOINTS), 3))
    for k, name in enumerate(KEYPOINTS):
        values[:, k], wrong = _parse_column(columns[name])
        for i in wrong:
            reason = f"column {name!r}: {columns[name][i]!r}; expected x_y_v with v one of -1, 0, 1, as in 120_85_1"
            problems.append(Problem(path, lines[i], reason))
    xy, state = values[..., :2], values[..., 2].astype(np.int8)
    allowed = np.array([_MASKS.get(category, np.ones(len(KEYPOINTS), bool)) for category in categories])
    for i, k in np.argwhere((state != ABSENT) & ~allowed):
        cell, category = columns[KEYPOINTS[k]][i], str(categories[i])
        reason = (
            f"column {KEYPOINTS[k]!r}: {cell!r}; {_named(category)} does not have this keypoint, expected {_NO_POINT}"
        )
        problems.append(Problem(path, lines[i], reason))
    xy[state == ABSENT] = -1
    return xy, state, problems


def _parse_column(cells: Sequence[str]) -> tuple[np.ndarray, list[int]]:
    """(N, 3) float64 x, y, v; and the rows with a malformed cell, whose values are those of an absent keypoint."""
    values = np.full((len(cells), 3), -1.0)
    rows = [i for i, cell in enumerate(cells) if cell != _NO_POINT]
    text = "".join([f"{cells[i]}\n" for i in rows])
    wrong: list[int] = []
    if not _COLUMN.fullmatch(text) or text.count("\n") != len(
        rows
    ):  # one match for the column is much faster than one per cell
        wrong = [i for i in rows if not re.fullmatch(_CELL, cells[i])]
        rows = sorted(set(rows) - set(wrong))
        text = "".join([f"{cells[i]}\n" for i in rows])
    values[rows] = np.fromstring(text.replace("\n", "_"), sep="_").reshape(-1, 3)
    return values, wrong


def _named(category: str | None) -> str:
    return "a photo without a garment" if category == NO_GARMENT else f"a {category}"


def _cells(keypoints: Keypoints, decimals: int) -> list[str]:
    scale = 10**decimals
    xy = np.where(keypoints.state[:, None] == ABSENT, 0, keypoints.xy)
    xy = np.copysign(np.floor(np.abs(xy) * scale + 0.5), xy) / scale + 0.0  # + 0.0 turns -0 into 0
    rows = zip(xy.tolist(), keypoints.state.tolist(), strict=True)

    def text(number: float) -> str:
        fixed = f"{number:.{decimals}f}"
        return fixed.rstrip("0").rstrip(".") if "." in fixed else fixed

    return [_NO_POINT if v == ABSENT else f"{text(x)}_{text(y)}_{v}" for (x, y), v in rows]


def _csv(header: Sequence[str], rows: Sequence[Sequence[str | None]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
