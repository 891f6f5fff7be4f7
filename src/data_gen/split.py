"""The split into training and validation: seeded, by picture, and stored in two CSV files.

FashionAI has no official split. Duplicates of one picture are always on the same side.
"""

import csv
import io
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from ..files import regular, write_atomic
from ..records import Sample
from .duplicates import duplicate_groups
from .formats.problems import FormatError, Problem, read_csv_rows
from .label_table import LabelTable, PhotoFiles

TRAIN_FILE, VAL_FILE = "train_split.csv", "val_split.csv"
ATTRIBUTE_PREFIX = "attribute_"
_HEADER = ["image_id", "image_category", "path"]


def split_samples(
    samples: Sequence[Sample], groups: Sequence[int] | np.ndarray, fraction: float, seed: int
) -> tuple[list[Sample], list[Sample]]:
    """(train, val), each in the given order, with about `fraction` of every category in val; groups are not divided.

    groups: (N,) group numbers; samples of one group stay together, and count as the group's most frequent category.
    Raises ValueError for a fraction that is not between 0 and 1, or if samples and groups differ in number.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"the validation fraction must lie between 0 and 1; got {fraction}")
    if len(groups) != len(samples):
        raise ValueError(f"{len(samples)} samples but {len(groups)} group numbers; expected one for each sample")
    members: dict[int, list[int]] = defaultdict(list)
    for i, group in enumerate(groups):
        members[int(group)].append(i)
    strata: dict[str, list[list[int]]] = defaultdict(list)
    for indices in members.values():
        category = Counter(str(samples[i].category) for i in indices).most_common(1)[0][0]
        strata[category].append(indices)
    rng = np.random.default_rng(seed)
    chosen: set[int] = set()
    for _, stratum in sorted(strata.items()):
        missing = round(fraction * sum(map(len, stratum)))
        for i in rng.permutation(len(stratum)):
            if len(stratum[i]) <= missing:
                chosen.update(stratum[i])
                missing -= len(stratum[i])
    return (
        [sample for i, sample in enumerate(samples) if i not in chosen],
        [sample for i, sample in enumerate(samples) if i in chosen],
    )


def load_or_make_split(
    data: Path,
    samples: Sequence[Sample],
    fraction: float = 0.1,
    seed: int = 0,
    workers: int = 2,
    prefix: str = "",
) -> tuple[list[Sample], list[Sample]]:
    """(train, val) as stored in `train_split.csv` and `val_split.csv` in the folder `data`; made at the first call.

    Give all training samples and select categories afterwards: the files must name exactly these samples. Samples that
    were added later are refused, not put into training, because they can repeat a validation picture. prefix: of the
    file names. fraction, seed, workers (threads that look for duplicates): used only to make the split.
    Warns, and does not store the split, if `data` cannot be written to. Raises ValueError if the files do not match the
    samples, or if there are too few samples.
    """
    data = Path(data)
    # Also finds photos outside the folder before duplicates are looked for, which takes long.
    stored = _read_split(data, samples, prefix)
    if stored is not None:
        return stored
    halves = split_samples(samples, duplicate_groups([sample.path for sample in samples], workers), fraction, seed)
    if not all(halves):
        raise ValueError(f"{len(samples)} samples are too few for a validation fraction of {fraction}; use more data")
    try:
        write_split(data, halves, prefix)
    except OSError as error:
        split_files(data, prefix)[0].unlink(missing_ok=True)
        warnings.warn(f"the split is not stored, so another run can split differently: {error}", stacklevel=2)
    return halves


def write_split(data: Path, halves: tuple[Sequence[Sample], Sequence[Sample]], prefix: str = "") -> None:
    """Stores a split (train, val) in the folder `data`, as `load_or_make_split` reads it.

    Raises ValueError for photos outside the folder, OSError where it cannot be written to.
    """
    data = Path(data)
    for name, half in zip((TRAIN_FILE, VAL_FILE), halves, strict=True):
        text = io.StringIO(newline="")
        rows = [(sample.image_id, sample.category, photo_key(sample.path, data)) for sample in half]
        csv.writer(text, lineterminator="\n").writerows([_HEADER, *rows])
        write_atomic(regular(data / f"{prefix}{name}"), text.getvalue())


def split_table(
    data: Path, table: LabelTable, fraction: float = 0.1, seed: int = 0, workers: int = 2
) -> tuple[LabelTable, LabelTable]:
    """(train, val) of labelled photos in files below `data`, stored in `attribute_{train,val}_split.csv`.

    All rows of one photo are on one side. If every photo is labelled for one head only, `fraction` of the photos of
    each head are in val. Errors as in `load_or_make_split`.
    """
    if not isinstance(table.photos, PhotoFiles):
        raise ValueError(f"a split needs photos in files; got {type(table.photos).__name__}")
    rows: dict[Path, list[int]] = defaultdict(list)
    for row in range(len(table)):
        rows[table.photos.path(row)].append(row)
    heads = [head.name for head in table.heads]
    first = {path: heads[int((table.codes[indices[0]] >= 0).argmax())] for path, indices in rows.items()}
    samples = [Sample(table.photos.name(indices[0]), path, first[path]) for path, indices in rows.items()]
    halves = load_or_make_split(data, samples, fraction, seed, workers, ATTRIBUTE_PREFIX)
    chosen = ([row for sample in half for row in rows[sample.path]] for half in halves)
    train, val = (table.select(np.array(sorted(half), int)) for half in chosen)
    return train, val


def photo_key(path: Path, data: Path) -> str:
    """How the split files name a photo: its path relative to `data`, with forward slashes. Raises ValueError for one
    that lies outside."""
    relative = Path(os.path.relpath(path, data))
    if relative.parts[0] == "..":
        raise ValueError(f"{path} is outside the data folder {data}; a split needs photos below it")
    return relative.as_posix()


def split_files(data: Path, prefix: str = "") -> list[Path]:
    """Where the split of the folder is stored: of training, of validation."""
    return [Path(data) / f"{prefix}{name}" for name in (TRAIN_FILE, VAL_FILE)]


def scan_split(data: Path, keys: Collection[str], prefix: str = "") -> tuple[list[dict[str, int]], list[Problem]]:
    """The photos that each split file names, with their lines, and all problems; no photos where there are no files.

    keys: of the photos that the lists have, as `photo_key` gives them. A problem is a photo that is not among them, one
    that is named twice, in one file or in both, one that neither file names, and a file that is damaged or missing.
    """
    files = split_files(data, prefix)
    present = [file for file in files if file.exists()]
    if not present:
        return [], []
    if len(present) == 1:
        (other,) = set(files) - set(present)
        text = f"there is no {other.name} beside it"
        return [], [Problem(present[0], None, text)]
    first: dict[str, str] = {}
    halves: list[dict[str, int]] = []
    problems: list[Problem] = []
    for file in files:
        half, wrong = _scan_half(file, keys, first)
        halves.append(half)
        problems += wrong
    new = [key for key in keys if key not in first]
    if new and all(halves):
        text = f"{len(new)} samples, such as {new[0]!r}, are neither in this file nor in {files[1]}"
        problems.append(Problem(files[0], None, text))
    return halves, problems


def _scan_half(file: Path, keys: Collection[str], first: dict[str, str]) -> tuple[dict[str, int], list[Problem]]:
    """The photos of one file, with their lines, and its problems. first: of each photo so far, where it is named."""
    try:
        rows = read_csv_rows(file)
    except FormatError as error:
        return {}, list(error.problems)
    except OSError as error:
        return {}, [Problem(file, None, error.strerror or str(error))]
    if not rows or rows[0][1] != _HEADER:
        columns = ",".join(rows[0][1]) if rows else "none, since the file is empty"
        return {}, [Problem(file, 1, f"columns {columns:.200}; expected {','.join(_HEADER)}")]
    half: dict[str, int] = {}
    problems = []
    for line, cells in rows[1:]:
        key = cells[-1]
        if len(cells) != len(_HEADER):
            problems.append(Problem(file, line, f"{len(cells)} cells; expected {','.join(_HEADER)}"))
        elif key in first:
            problems.append(Problem(file, line, f"{key!r} again, first at {first[key]}"))
        elif key not in keys:
            problems.append(Problem(file, line, f"{key!r} is not among the {len(keys)} training samples"))
        else:
            first[key] = f"{file}:{line}"
            half[key] = line
    if not half and not problems:
        problems.append(Problem(file, None, "no row below the header"))
    return half, problems


def _read_split(data: Path, samples: Sequence[Sample], prefix: str) -> tuple[list[Sample], list[Sample]] | None:
    """The stored split; None where there is none. Raises ValueError for one that does not match the samples."""
    by_key = {photo_key(sample.path, data): sample for sample in samples}
    halves, problems = scan_split(data, by_key, prefix)
    if problems:
        names = [file.name for file in split_files(data, prefix)]
        raise ValueError(f"{problems[0]}; delete {' and '.join(names)} in {data} to make a new split")
    if not halves:
        return None
    train, val = ([by_key[key] for key in half] for half in halves)
    return train, val
