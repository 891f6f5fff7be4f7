"""Writes tables of garments row by row: CSV, Parquet and JSON with the same columns and values."""

import io
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, TextIO

from .columns import FIRST, Column, flat_rows

SUFFIXES = (".csv", ".json", ".parquet")
"""Suffixes of the files that can be written."""
_ROWS = 1024  # per row group of Parquet, which is made in memory
_QUOTED = re.compile('[",\r\n]')

Row = Mapping[str, Any]
"""The result of `Garment.to_dict()`, or of `two_stage.describe_photo`."""


def table_writer(path: Path) -> Callable[[Path, Iterable[Row], Sequence[Column]], None]:
    """The function that writes rows to a file like `path`; its arguments are the file, the rows and the columns.

    Parquet's library loads here, before hours of work. Raises ValueError for other suffixes, ImportError without that
    library.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        _write_parquet(io.BytesIO(), [{}], FIRST)  # loads all that pyarrow loads at its first use
    writers = {".csv": _write_csv, ".json": _write_json, ".parquet": _write_parquet}
    if suffix not in writers:
        raise ValueError(f"{path} must end in {', '.join(SUFFIXES)}")
    return writers[suffix]


def _write_csv(path: Path, rows: Iterable[Row], columns: Sequence[Column]) -> None:
    names = [column.name for column in columns]
    with path.open("w", encoding="utf-8", newline="") as file:
        _write_line(file, names)
        for row in rows:
            for flat in flat_rows(row):
                _write_line(file, [_text(flat.get(name)) for name in names])


def _write_line(file: TextIO, cells: Sequence[str]) -> None:
    # The csv module of Python before 3.13 does not quote a cell with a line end \r.
    quoted = ['"' + cell.replace('"', '""') + '"' if _QUOTED.search(cell) else cell for cell in cells]
    file.write(",".join(quoted) + "\n")


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _write_json(path: Path, rows: Iterable[Row], columns: Sequence[Column]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        between = "[\n"
        for row in rows:
            file.write(between + textwrap.indent(json.dumps(row, indent=1, allow_nan=False), " "))
            between = ",\n"
        file.write("\n]\n" if between == ",\n" else "[]\n")


def _write_parquet(path: Path | IO[bytes], rows: Iterable[Row], columns: Sequence[Column]) -> None:
    import pyarrow
    from pyarrow import parquet

    kinds = {
        "text": pyarrow.string(),
        "whole": pyarrow.int64(),
        "number": pyarrow.float64(),
        "bool": pyarrow.bool_(),
    }
    schema = pyarrow.schema([(column.name, kinds[column.kind]) for column in columns], metadata=_for_pandas(columns))
    source = (flat for row in rows for flat in flat_rows(row))
    # Numbers rarely repeat, and paths never.
    repeated = [column.name for column in columns if column.kind in ("text", "bool") and column.name != "photo"]
    with parquet.ParquetWriter(path, schema, use_dictionary=repeated) as writer:
        while group := _columnwise(islice(source, _ROWS), columns):
            arrays = [pyarrow.array(values, field.type) for values, field in zip(group, schema, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _columnwise(rows: Iterable[Mapping[str, Any]], columns: Sequence[Column]) -> list[list[Any]]:
    """The values of each column; no list if there are no rows. It uses a quarter of the memory of dicts."""
    found: list[list[Any]] = [[] for _ in columns]
    for flat in rows:
        for column, values in zip(columns, found, strict=True):
            values.append(flat.get(column.name))
    return found if found and found[0] else []


def _for_pandas(columns: Sequence[Column]) -> dict[str, str]:
    """The types for pandas, as `to_pandas` returns them: integers and booleans with empty cells."""
    kinds = {
        "text": ("unicode", "object"),
        "whole": ("int64", "Int64"),
        "number": ("float64", "float64"),
        "bool": ("bool", "boolean"),
    }
    described = [
        {
            "name": column.name,
            "field_name": column.name,
            "pandas_type": kinds[column.kind][0],
            "numpy_type": kinds[column.kind][1],
            "metadata": None,
        }
        for column in columns
    ]
    facts = {"index_columns": [], "column_indexes": [], "columns": described, "pandas_version": "2.0.0"}
    return {"pandas": json.dumps(facts | {"creator": {"library": "aifashion", "version": "1"}})}
