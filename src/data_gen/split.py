"""The split into training and validation: seeded, by picture, and stored in two CSV files.

FashionAI has no official split. Duplicates of one picture are always on the same side.
"""

import csv
import io
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..files import regular, write_atomic
from ..records import Sample
from .duplicates import duplicate_groups
from .formats.problems import FormatError, read_csv_rows
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
    files = [data / f"{prefix}{TRAIN_FILE}", data / f"{prefix}{VAL_FILE}"]
    present = [file for file in files if file.exists()]
    if len(present) == 1:
        (other,) = set(files) - set(present)
        raise ValueError(f"{present[0]} exists, but not {other.name}; delete {present[0].name} to make a new split")
    if present:
        return _read_split(files, data, samples)
    for sample in samples:
        _key(sample, data)  # before duplicates are looked for, which takes long
    halves = split_samples(samples, duplicate_groups([sample.path for sample in samples], workers), fraction, seed)
    if not all(halves):
        raise ValueError(f"{len(samples)} samples are too few for a validation fraction of {fraction}; use more data")
    try:
        write_split(data, halves, prefix)
    except OSError as error:
        files[0].unlink(missing_ok=True)
        warnings.warn(f"the split is not stored, so another run can split differently: {error}", stacklevel=2)
    return halves


def write_split(data: Path, halves: tuple[Sequence[Sample], Sequence[Sample]], prefix: str = "") -> None:
    """Stores a split (train, val) in the folder `data`, as `load_or_make_split` reads it.

    Raises ValueError for photos outside the folder, OSError where it cannot be written to.
    """
    data = Path(data)
    for name, half in zip((TRAIN_FILE, VAL_FILE), halves, strict=True):
        text = io.StringIO(newline="")
        rows = [(sample.image_id, sample.category, _key(sample, data)) for sample in half]
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


def _key(sample: Sample, data: Path) -> str:
    """The photo's path relative to `data`, with forward slashes."""
    relative = Path(os.path.relpath(sample.path, data))
    if relative.parts[0] == "..":
        raise ValueError(f"{sample.path} is outside the data folder {data}; a split needs photos below it")
    return relative.as_posix()


def _read_split(files: list[Path], data: Path, samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    advice = f"delete {files[0].name} and {files[1].name} in {data} to make a new split"
    by_key = {_key(sample, data): sample for sample in samples}
    first: dict[str, str] = {}
    halves: list[list[Sample]] = []
    for file in files:
        try:
            rows = read_csv_rows(file)
        except FormatError as error:
            raise ValueError(f"{error}; {advice}") from None
        if not rows or rows[0][1] != _HEADER:
            columns = ",".join(rows[0][1]) if rows else "none, since the file is empty"
            raise ValueError(f"{file}:1: columns {columns:.200}; expected {','.join(_HEADER)}; {advice}")
        half = []
        for line, cells in rows[1:]:
            where, key = f"{file}:{line}", cells[-1]
            if len(cells) != len(_HEADER):
                raise ValueError(f"{where}: {len(cells)} cells; expected {','.join(_HEADER)}; {advice}")
            if key in first:
                raise ValueError(f"{where}: {key!r} again, first at {first[key]}; {advice}")
            if key not in by_key:
                raise ValueError(f"{where}: {key!r} is not among the {len(samples)} training samples; {advice}")
            first[key] = where
            half.append(by_key[key])
        if not half:
            raise ValueError(f"{file}: no row below the header; {advice}")
        halves.append(half)
    new = [key for key in by_key if key not in first]
    if new:
        both = f"{files[0]} and {files[1]}"
        raise ValueError(f"{len(new)} samples, such as {new[0]!r}, are in none of {both}; {advice}")
    return halves[0], halves[1]
