"""Photos with their labels in TFRecord shards, each with an index for random access.

    photos-00000-of-00004.tfrecord      records of tf.train.Example: `id` bytes, `image` bytes (a photo file, as it was
                                        downloaded), `labels` int64 list, empty without labels
    photos-00000-of-00004.index.json    names, labels, offset and length of each record, size and sha256 of the shard,
                                        and a digest of all this

TensorFlow reads the shards with `tf.data.TFRecordDataset` and `tf.io.parse_single_example`; this module works without
it. The format is that of https://www.tensorflow.org/tutorials/load_data/tfrecord, the checksum CRC-32C (RFC 3720).
Because of the random access, photos are shuffled by shuffling row numbers: training needs no shuffle buffer and resumes
exactly.
"""

import hashlib
import json
import os
import re
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..files import atomic_path, open_regular, read_regular, regular, write_atomic
from .images import ImageError, decode_image
from .tfexample import Record, decode_example, encode_example, masked

_ADVICE = "fetch again into the same folder: only this shard is rewritten"
_NAME = re.compile(r"photos-(\d{5})-of-(\d{5})\.(tfrecord|index\.json)")


class ShardError(ImageError):
    """A shard that is missing, truncated or damaged; the message names it and says how to repair it."""


class RecordSpan(NamedTuple):
    """Where a record is in its shard. offset: first byte of its frame; length: of its payload, in bytes."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class PhotoShards:
    """N photos in shards; implements `Photos`. It has no open file, so it can be sent to worker processes.

    paths: the shards. names: N texts. shard: (N,) int32, index into `paths`. spans: (N, 2) int64, offset and length.
    labels: (N, C) int64, None without labels.
    """

    paths: tuple[Path, ...]
    names: Sequence[str]
    shard: np.ndarray
    spans: np.ndarray
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.names)

    def name(self, row: int) -> str:
        return self.names[row]

    def read(self, row: int) -> np.ndarray:
        """(H, W, 3) uint8. Raises ShardError, an ImageError, if the record is damaged."""
        path = self.paths[self.shard[row]]
        record = read_record(path, RecordSpan(*self.spans[row].tolist()))
        if record.name != self.names[row]:
            raise ShardError(f"{path}: found photo {record.name!r}, but the index has {self.names[row]!r}; {_ADVICE}")
        if self.labels is not None and (record.labels is None or not np.array_equal(record.labels, self.labels[row])):
            raise ShardError(f"{path}: photo {record.name!r} has other labels than the index; {_ADVICE}")
        return decode_image(record.image, f"{path}: {record.name}")

    def select(self, rows: np.ndarray) -> "PhotoShards":
        labels = None if self.labels is None else self.labels[rows]
        names = [self.names[int(row)] for row in rows]
        return PhotoShards(self.paths, names, self.shard[rows], self.spans[rows], labels)


def open_shards(folder: Path) -> PhotoShards:
    """All photos of the shards in `folder`, in order. Reads the indexes, not the photos.

    Raises FileNotFoundError if there are no shards; ShardError with every shard that is missing, has no index, or has
    another size than in its index. Other damage is found when a photo is read, or by `check_shard`.
    """
    folder = Path(folder)
    found = [match for match in map(_NAME.fullmatch, sorted(path.name for path in folder.glob("photos-*"))) if match]
    if not found:
        raise FileNotFoundError(f"no shards in {folder}; expected files such as {shard_path(folder, 0, 4).name}")
    counts = {int(match[2]) for match in found}
    if len(counts) > 1:
        raise ShardError(f"{folder} has shards of several sets, of {sorted(counts)} shards; remove all but one set")
    count = counts.pop()
    paths = [shard_path(folder, index, count) for index in range(count)]
    indexes, problems = [], []
    for path in paths:
        try:
            indexes.append(_read_index(path))
        except ShardError as error:
            problems.append(str(error))
    if problems:
        raise ShardError("\n  ".join(problems))
    names = [name for index in indexes for name in index.names]
    shard = np.repeat(np.arange(len(paths), dtype=np.int32), [len(index.names) for index in indexes])
    spans = np.concatenate([index.spans for index in indexes])
    tables = [index.labels for index in indexes if index.labels is not None]
    labels = np.concatenate(tables) if tables else None
    if labels is not None and len(labels) != len(names):
        raise ShardError(
            f"{folder}: only some of the shards have labels; expected all or none. Fetch into a new folder"
        )
    return PhotoShards(tuple(paths), names, shard, spans, labels)


def shard_path(folder: Path, index: int, count: int) -> Path:
    """The path of shard `index` (from 0) of `count` shards."""
    return Path(folder) / f"photos-{index:05d}-of-{count:05d}.tfrecord"


def index_path(path: Path) -> Path:
    """The path of the index of the shard at `path`."""
    return path.with_suffix(".index.json")


def write_shard(path: Path, records: Iterable[Record], count: int | None = None) -> dict[str, RecordSpan]:
    """Writes a shard and its index, each atomically; `records` can be read from the shard that is replaced.

    count: of the photos that must be in it, if known. Returns the span of each photo, by name. Raises ValueError
    if only some records have labels, they have different numbers of labels or two have the same name; ShardError if
    there are fewer or more than `count`; OSError as `atomic_path`. The shard then stays as it was.
    """
    names: list[str] = []
    spans: list[RecordSpan] = []
    labels: list[list[int] | None] = []
    digest, offset = hashlib.sha256(), 0
    with atomic_path(regular(path)) as beside:
        with beside.open("wb") as stream:
            for record in records:
                payload = encode_example(record)
                size = struct.pack("<Q", len(payload))
                frame = b"".join([size, masked(size), payload, masked(payload)])
                stream.write(frame)
                digest.update(frame)
                names.append(record.name)
                spans.append(RecordSpan(offset, len(payload)))
                labels.append(None if record.labels is None else np.asarray(record.labels).tolist())
                offset += len(frame)
        if len({None if row is None else len(row) for row in labels}) > 1:
            raise ValueError(f"{path}: records of one shard need the same number of labels")
        if len(set(names)) < len(names):
            raise ValueError(f"{path}: records of one shard need different names")
        if count is not None and len(names) != count:
            raise ShardError(f"{path}: {len(names)} photos are there instead of {count}; {_ADVICE}")
        # Remove the old index first: a shard without an index is repaired, one with a wrong index would look valid.
        index_path(path).unlink(missing_ok=True)
    index = {"bytes": offset, "sha256": digest.hexdigest(), "names": names, "places": spans}
    index["labels"] = labels if labels and labels[0] is not None else None
    index["digest"] = _index_digest(index)
    write_atomic(regular(index_path(path)), json.dumps(index, ensure_ascii=False) + "\n")
    return dict(zip(names, spans, strict=True))


def check_shard(path: Path) -> dict[str, RecordSpan]:
    """Reads a whole shard and returns the span of each photo, by name. Raises ShardError if its sha256 is wrong."""
    index = _read_index(path)
    with open_regular(path) as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != index.sha256:
            raise ShardError(f"{path}: damaged, its sha256 is not the one in its index; {_ADVICE}")
    return dict(zip(index.names, (RecordSpan(*span) for span in index.spans.tolist()), strict=True))


def find_intact(path: Path) -> dict[str, RecordSpan]:
    """The photos of a damaged shard that can still be read, found without its index; none if it is missing."""
    found: dict[str, RecordSpan] = {}
    try:
        stream = open_regular(path)
    except OSError:
        return found
    with stream:
        offset = 0
        while True:
            try:
                length = _read_length(stream, path, offset)
            except ShardError:  # without this length, the start of the next record is unknown
                return found
            span = RecordSpan(offset, length)
            with suppress(ShardError):
                found[_read_payload(stream, path, span).name] = span
            offset += length + 16


def read_record(path: Path, span: RecordSpan) -> Record:
    """Reads one record and verifies its checksums. Raises ShardError if they are wrong or the shard cannot be read."""
    try:
        with open_regular(path) as stream:
            length = _read_length(stream, path, span.offset)
            if length != span.length:
                raise ShardError(
                    f"{path}: the record at byte {span.offset} has {length} bytes, but {span.length} in the index; "
                    f"{_ADVICE}"
                )
            return _read_payload(stream, path, span)
    except OSError as error:
        raise ShardError(f"{path}: {error.strerror or error}; {_ADVICE}") from error


def _read_length(stream: BinaryIO, path: Path, offset: int) -> int:
    stream.seek(offset)
    head = stream.read(12)
    if len(head) < 12 or masked(head[:8]) != head[8:]:
        raise ShardError(f"{path}: truncated or damaged at byte {offset}; {_ADVICE}")
    length = struct.unpack("<Q", head[:8])[0]
    left = os.fstat(stream.fileno()).st_size - offset - len(head)
    if length + 4 > left:
        raise ShardError(f"{path}: the record at byte {offset} claims {length:,} bytes of {left:,}; {_ADVICE}")
    return length


def _read_payload(stream: BinaryIO, path: Path, span: RecordSpan) -> Record:
    stream.seek(span.offset + 12)
    data = stream.read(span.length + 4)
    payload = data[:-4]
    if len(data) < span.length + 4 or masked(payload) != data[-4:]:
        raise ShardError(f"{path}: the record at byte {span.offset} is truncated or damaged; {_ADVICE}")
    try:
        return decode_example(payload)
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        reason = f"{path}: the record at byte {span.offset} is not an Example with id, image and labels; {_ADVICE}"
        raise ShardError(reason) from error


def _index_digest(index: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(index, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


class _Index(NamedTuple):
    names: list[str]
    spans: np.ndarray
    labels: np.ndarray | None
    sha256: str


def _read_index(path: Path) -> _Index:
    try:
        content: dict[str, Any] = json.loads(read_regular(index_path(path)))
        digest = content.pop("digest", None)  # older indexes have none
        if digest is not None and digest != _index_digest(content):
            raise ShardError(f"{index_path(path)}: damaged, it is not as it was written; {_ADVICE}")
        names, count = content["names"], len(content["names"])
        spans = np.array(content["places"], np.int64).reshape(count, 2)
        labels = None if content["labels"] is None else np.array(content["labels"], np.int64).reshape(count, -1)
        size, sha256 = int(content["bytes"]), str(content["sha256"])
        if not all(type(name) is str for name in names) or (spans < 0).any():
            raise ValueError("names or places of another kind")
    except OSError as error:
        raise ShardError(f"{index_path(path)}: {error.strerror or error}; {_ADVICE}") from error
    except ShardError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ShardError(f"{index_path(path)}: not a valid index; {_ADVICE}") from error
    try:
        found = path.stat().st_size
    except OSError as error:
        raise ShardError(f"{path}: {error.strerror or error}; {_ADVICE}") from error
    if found != size:
        raise ShardError(f"{path}: {found:,} bytes instead of the {size:,} in its index; {_ADVICE}")
    return _Index(names, spans, labels, sha256)
