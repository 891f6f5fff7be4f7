"""Long tables of labels, for pandas, polars and spreadsheets: CSV or Parquet, a row for each labelled keypoint.

Columns are found by their names and can be in any order. `photo`, `category`, `keypoint`, `x` and `y` are needed:

- `photo`: its name. `width`, `height`: its size in px.
- `garment_id`: any text or number that tells the garments of a photo apart; without it a photo has one garment.
- `category`, and the name of the keypoint: `keypoint`.
- `x`, `y` in px; pixel centres are whole numbers.
- `state`: visible, hidden or absent; or `visible`: true or false. Without both all are visible.
- `score`, or `confidence`: 0 to 1, of a network.
- `box_left`, `box_top`, `box_right`, `box_bottom` in px, edges of pixels.

A row without a keypoint is a garment without one, and a row without a category a photo without a garment. Other columns
are not read. A wrong row costs its garment.
"""

import csv
import io
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...files import atomic_path, open_regular
from ...geometry import Size
from ...paths import is_plain
from ...records import ABSENT, HIDDEN, VISIBLE, Keypoints
from ...vocabulary import Vocabulary
from ..images import image_id_problem
from .box_rows import probability
from .entries import Edges, edges, number_of, size_of
from .label_writing import checked
from .labels import LabelledGarment, LabelledPhoto, LabelSet
from .photo_names import posix_name
from .problems import FormatError, Problem, open_list

SUFFIXES = (".csv", ".parquet")
NEEDED = ("photo", "category", "keypoint", "x", "y")
BOX = ("box_left", "box_top", "box_right", "box_bottom")
COLUMNS = ("photo", "width", "height", "garment_id", "category", "keypoint", "x", "y", "state", "score", *BOX)
"""Those that are written, in their order."""
_STATES = {"visible": VISIBLE, "hidden": HIDDEN, "absent": ABSENT}
_NAMES = {state: name for name, state in _STATES.items()}
_TRUTH = {"true": VISIBLE, "1": VISIBLE, "1.0": VISIBLE, "false": HIDDEN, "0": HIDDEN, "0.0": HIDDEN}
_EMPTY = ("", None)
_FACTS = ("width", "height", "category", *BOX)
_ROWS = 1 << 16  # of a group of Parquet


def is_point_table(path: Path) -> bool:
    """Whether it is a CSV or Parquet file with the columns that are needed."""
    path = Path(path)
    try:
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            return False
        with open_regular(path) as stream:
            if path.suffix.lower() == ".parquet":
                return set(NEEDED) <= set(_parquet_names(stream))
            first = stream.readline(1 << 16).decode("utf-8-sig")
        return set(NEEDED) <= {name.strip() for name in next(csv.reader([first]), [])}
    except Exception:  # of pyarrow as well: whatever is wrong with the file, it is no such table
        return False


def read_point_table(path: Path) -> LabelSet:
    """The photos in the order of their first rows. Names of photos are relative to the folder of the table.

    Raises FormatError for another file, and where nothing is sound; OSError.
    """
    path = Path(path)
    rows = _parquet_rows(path) if path.suffix.lower() == ".parquet" else _csv_rows(path)
    _, header = next(rows)
    names = [str(name).strip() for name in header]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise FormatError([Problem(path, 1, f"no column {', '.join(missing)}; expected a row for each keypoint")])
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise FormatError([Problem(path, 1, f"two columns {twice[0]}")])
    found = _Table(path, names)
    for line, cells in rows:
        found.add(line, cells)
    photos = found.photos()
    if found.problems and not any(photo.garments for photo in photos):
        raise FormatError(found.problems)
    if not photos:
        raise FormatError([Problem(path, None, "no rows below the names of the columns")])
    return LabelSet(path, path.parent, photos, tuple(found.problems))


def write_point_table(labels: LabelSet, out: Path, vocabulary: Vocabulary) -> None:
    """OUT, a .csv or .parquet. Garments are numbered from 1 in each photo; absent keypoints have no row.

    Raises ValueError for another ending, and as `checked`; OSError.
    """
    out = Path(out)
    suffix = out.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{out} must end in {' or '.join(SUFFIXES)}")
    rows = _rows(labels, vocabulary)
    with atomic_path(out) as beside:
        if suffix == ".parquet":
            _write_parquet(beside, rows)
            return
        with beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(rows)


@dataclass(slots=True)
class _Garment:
    """A garment whose rows are being read. facts: the cells that all its rows share, as they are written. keypoints:
    indices of names; the others stand at the same places."""

    id: str
    category: str
    box: Edges | None
    facts: tuple[Any, ...]
    wrong: bool = False
    keypoints: array = field(default_factory=lambda: array("i"))
    numbers: array = field(default_factory=lambda: array("d"))  # x, y, state, score of each; no score is NaN


class _Table:
    """What the rows so far say. Most cells repeat those of the row above, so they are understood once."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns = path, columns
        self.problems: list[Problem] = []
        self.sizes: dict[str, Size | None] = {}
        self.garments: dict[tuple[str, str], _Garment] = {}
        self.names: dict[str, int] = {}
        self.photo: dict[str, str] = {}  # of the last row, as it is written -> its name

    def add(self, line: int, cells: Sequence[Any]) -> None:
        garment = None
        try:
            if len(cells) != len(self.columns):
                raise ValueError(f"{len(cells)} cells; expected {len(self.columns)}")
            row = dict(zip(self.columns, cells, strict=True))
            photo = self._photo(row)
            key = photo, _id(row)
            garment = self.garments.get(key)
            facts = tuple(map(row.get, _FACTS))
            if garment is None or garment.facts != facts:
                garment = self._garment(key, row, facts, garment)
            if garment is not None and row["keypoint"] not in _EMPTY:
                self._add_keypoint(garment, row)
        except ValueError as error:
            self.problems.append(Problem(self.path, line, str(error)))
            if garment is not None:
                garment.wrong = True

    def _photo(self, row: dict[str, Any]) -> str:
        written = row["photo"]
        if written not in self.photo:
            name = posix_name(_text(row, "photo"))
            if wrong := image_id_problem(name):
                raise ValueError(f"photo {name!r:.80}: {wrong}")
            self.photo = {written: name}
        return self.photo[written]

    def _garment(
        self, key: tuple[str, str], row: dict[str, Any], facts: tuple[Any, ...], above: _Garment | None
    ) -> _Garment | None:
        """A new garment, or that of the rows above if this row agrees with them; None for a photo without one."""
        photo, name = key
        size = _size(row)
        if self.sizes.setdefault(photo, size) != size:
            raise ValueError(f"{photo} is {size}, and {self.sizes[photo]} in a row above")
        if row["category"] in _EMPTY:
            if name or row["keypoint"] not in _EMPTY:
                raise ValueError("no category")
            return None
        category, box = _text(row, "category"), _box(row)
        if above is None:
            return self.garments.setdefault(key, _Garment(name, category, box, facts))
        if (category, box) != (above.category, above.box):
            raise ValueError("category or box differ from those in a row of this garment above")
        return above

    def photos(self) -> tuple[LabelledPhoto, ...]:
        names = tuple(self.names)
        listed: dict[tuple[int, ...], tuple[str, ...]] = {}  # most garments have the keypoints of others
        by_photo: dict[str, list[LabelledGarment]] = {photo: [] for photo in self.sizes}
        for (photo, _), garment in self.garments.items():
            if garment.wrong:
                continue
            kept = tuple(garment.keypoints)
            own = listed.setdefault(kept, tuple(names[index] for index in kept))
            numbers = np.array(garment.numbers, np.float64).reshape(-1, 4)
            scores = numbers[:, 3]
            by_photo[photo].append(
                LabelledGarment(
                    f"{photo}, garment {garment.id or 1}",
                    garment.category,
                    own,
                    Keypoints(numbers[:, :2], numbers[:, 2]),
                    garment.box,
                    tuple(scores.tolist()) if len(scores) and np.isfinite(scores).all() else None,
                )
            )
        return tuple(LabelledPhoto(photo, self.sizes[photo], tuple(found)) for photo, found in by_photo.items())

    def _add_keypoint(self, garment: _Garment, row: dict[str, Any]) -> None:
        name = _text(row, "keypoint")
        index = self.names.setdefault(name, len(self.names))
        if index in garment.keypoints:
            raise ValueError(f"{name} is there twice in this garment")
        state = _state(row)
        x, y = (-1.0, -1.0) if state == ABSENT else (_number(row, "x"), _number(row, "y"))
        score = next((row[name] for name in ("score", "confidence") if row.get(name) not in _EMPTY), None)
        garment.keypoints.append(index)
        garment.numbers.extend((x, y, state, float("nan") if score is None else probability(score)))


def _id(row: dict[str, Any]) -> str:
    value = row.get("garment_id")
    return "" if value is None else str(value)


def _text(row: dict[str, Any], name: str) -> str:
    value = row[name]
    if value in _EMPTY:
        raise ValueError(f"no {name}")
    if not isinstance(value, str) or not value.strip() or not is_plain(value):
        raise ValueError(f"{name} is {value!r:.80}; expected a text")
    return value.strip()


def _number(row: dict[str, Any], name: str) -> float:
    value = row.get(name)
    return number_of(None if value == "" else value, name)


def _size(row: dict[str, Any]) -> Size | None:
    if row.get("width") in _EMPTY and row.get("height") in _EMPTY:
        return None
    return size_of(row.get("width"), row.get("height"))


def _box(row: dict[str, Any]) -> Edges | None:
    if all(row.get(name) in _EMPTY for name in BOX):
        return None
    return edges([_number(row, name) for name in BOX])


def _state(row: dict[str, Any]) -> int:
    value = next((row[name] for name in ("state", "visible") if row.get(name) not in _EMPTY), "visible")
    state = _STATES.get(value, _TRUTH.get(value)) if isinstance(value, str) else None
    if state is None:
        known = _STATES | _TRUTH
        state = known.get(str(value).strip().lower())
    if state is None:
        raise ValueError(f"state {value!r:.40}; expected visible, hidden or absent, or visible as true or false")
    return state


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, cells), the header first. Reads as it goes: a table of a million garments has 10 million rows."""
    with open_list(path) as (stream, _):
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        reader = csv.reader(text, strict=True)
        rows = 0
        try:
            for row in reader:
                if row:
                    rows += 1
                    yield reader.line_num, row
        except csv.Error as error:
            raise FormatError([Problem(path, reader.line_num, f"not a CSV: {error}")]) from None
        except UnicodeDecodeError as error:
            reason = f"not UTF-8 text after this line: {error.reason}; save it as UTF-8"
            raise FormatError([Problem(path, reader.line_num, reason)]) from None
        if not rows:
            raise FormatError([Problem(path, None, "the file is empty")])


def _parquet_names(stream: Any) -> list[str]:
    from pyarrow import parquet  # slow to load

    return parquet.read_schema(stream).names


def _parquet_rows(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """(row, from 2 on, as in a CSV; cells), the names of the columns first."""
    import pyarrow
    from pyarrow import parquet

    with open_regular(path) as stream:
        try:
            file = parquet.ParquetFile(stream)
            names = file.schema_arrow.names
            wanted = [name for name in names if name in (*COLUMNS, "visible", "confidence")]
            yield 1, wanted
            line = 1
            for batch in file.iter_batches(_ROWS, columns=wanted):
                columns = [column.to_pylist() for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    line += 1
                    # Tables made with pandas have NaN where there is nothing.
                    yield line, [None if cell != cell else cell for cell in cells]
        except (pyarrow.ArrowException, ValueError, OSError) as error:  # pyarrow raises OSError for a damaged page
            if isinstance(error, FormatError):
                raise
            raise FormatError([Problem(path, None, f"not a Parquet file that can be read: {error}")]) from None


def _rows(labels: LabelSet, vocabulary: Vocabulary) -> Iterator[tuple[Any, ...]]:
    for photo in checked(labels, vocabulary, sized=False, outlined=False):
        start = (photo.file_name, *(photo.size or (None, None)))
        if not photo.garments:
            yield (*start, *[None] * (len(COLUMNS) - 3))
        for number, garment in enumerate(photo.garments, start=1):
            box = garment.box or (None,) * 4
            scores = garment.scores or (None,) * len(garment.names)
            points = zip(
                garment.names,
                garment.keypoints.xy.tolist(),
                garment.keypoints.state.tolist(),
                scores,
                strict=True,
            )
            known = [(name, xy, state, score) for name, xy, state, score in points if state != ABSENT]
            for name, (x, y), state, score in known:
                yield (*start, str(number), garment.category, name, x, y, _NAMES[state], score, *box)
            if not known:
                yield (*start, str(number), garment.category, None, None, None, None, None, *box)


def _write_parquet(path: Path, rows: Iterable[tuple[Any, ...]]) -> None:
    import pyarrow
    from pyarrow import parquet

    texts = ("photo", "garment_id", "category", "keypoint", "state")
    whole = ("width", "height")
    kinds = {**dict.fromkeys(texts, pyarrow.string()), **dict.fromkeys(whole, pyarrow.int64())}
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.float64())) for name in COLUMNS])
    source = iter(rows)
    with parquet.ParquetWriter(path, schema) as writer:
        while group := list(islice(source, _ROWS)):
            columns = zip(*group, strict=True)
            arrays = [pyarrow.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
