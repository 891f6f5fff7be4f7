"""`aifashion data fetch-styles`: the photos of a JingDong style list, fetched and stored with their labels."""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from aifashion.data_gen.fetch import fetch_photos, photo_path, read_failures, whole_photo, write_failures
from aifashion.data_gen.formats.jingdong import StyleList, read_style_list
from aifashion.data_gen.tfexample import Record
from aifashion.data_gen.tfrecords import (
    RecordSpan,
    ShardError,
    check_shard,
    find_intact,
    read_record,
    shard_path,
    write_shard,
)
from aifashion.data_gen.web import Limits
from aifashion.files import locked, read_regular, regular, sweep, write_atomic
from aifashion.top.arguments import fail, run_command, tell, warn

MANIFEST, FAILED, LOOSE = "fetch.json", "failed.csv", "loose"
ROWS_PER_SHARD = 4000
_REASONS_SHOWN = 5
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True)
class FetchStylesArguments:
    """Download the photos of a JingDong style list and store them with their labels as TFRecords.

    The data are written in several files, the shards. Run the same command again to continue after an interruption, to
    retry failed photos, and to repair damaged shards.
    """

    list: tyro.conf.Positional[Path]
    """the list: rows id,url,l0,...,l12 (for training) or id,url (for test)"""
    out: Path
    """folder for the shards and failed.csv; it must be new, empty, or written earlier from this list"""
    workers: int = 16
    """number of photos to download at the same time"""
    per_host: int = 8
    """number of photos to download at the same time from one host"""
    retries: int = 3
    """number of retries after a temporary failure"""
    timeout: float = 60.0
    """time limit for one download, in seconds"""
    max_bytes: int = 20_000_000
    """largest file to accept, in bytes"""
    size: int = 0
    """shrink larger photos so that the longer side has this many px; 0 stores them unchanged"""
    shards: int | None = None
    """number of shards; by default one for every 4000 rows"""
    allow_private: bool = False
    """also download from private addresses, such as this machine and its local network"""
    seed: int = 0
    """seed of the random waiting times between retries"""


@dataclass(slots=True)
class _Shard:
    """One shard: the rows of the list that belong in it, what is in it, and what it still waits for.

    found: photos in the file at `path` that can be read. stale: whether it must be written anew. waiting: URLs of which
    the outcome is not known. arrived: rows of which the photo was fetched, and so must be in the file.
    """

    path: Path
    rows: range
    found: dict[str, RecordSpan]
    stale: bool
    waiting: set[str] = field(default_factory=set)
    arrived: set[int] = field(default_factory=set)


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion data fetch-styles", FetchStylesArguments, arguments, _fetch)


def _fetch(args: FetchStylesArguments) -> None:
    limits = Limits(
        workers=args.workers,
        per_host=args.per_host,
        retries=args.retries,
        connect_timeout=min(10.0, args.timeout),
        read_timeout=min(20.0, args.timeout),
        total_timeout=args.timeout,
        max_bytes=args.max_bytes,
        allow_private=args.allow_private,
    )
    styles = read_style_list(args.list, strict=False)
    if styles.urls is None:
        raise ValueError(f"{args.list} has no URLs; expected rows id,url,l0,...,l12 or id,url")
    if styles.header:
        tell(f"The first line of {args.list} is taken as a header")
    proxies = [name for name, at in os.environ.items() if at and name.lower() in _PROXIES]
    if proxies:
        warn(f"{', '.join(proxies)} is set, but proxies are not used: the photos are fetched directly")
    _facts(args, styles)  # before the folder is made, which a lock needs
    args.out.mkdir(parents=True, exist_ok=True)
    with locked(args.out):
        _fetch_into(args, styles, limits)


def _fetch_into(args: FetchStylesArguments, styles: StyleList, limits: Limits) -> None:
    facts = _facts(args, styles)
    write_atomic(regular(args.out / MANIFEST), json.dumps(facts) + "\n")
    sweep(args.out)  # what a killed run was writing, which can be large
    store = _Store(args.out, styles, facts["shards"])
    before = store.stored
    try:
        store.fetch(limits, partial(whole_photo, longest=args.size), args.seed)
    except KeyboardInterrupt:
        fail(f"stopped by the keyboard; what was fetched is kept in {args.out}, the same command goes on from there")
    finally:
        store.report()
    _summarise(store, before)


def _facts(args: FetchStylesArguments, styles: StyleList) -> dict[str, Any]:
    """What the folder is for, as its manifest says.

    Raises FileExistsError where it is for something else: photos of two lists must not mix.
    """
    if args.size < 0 or (args.shards is not None and not 1 <= args.shards <= 99_999):
        raise ValueError(f"need --size >= 0 and --shards 1 to 99999; got {args.size} and {args.shards}")
    content = hashlib.sha256(repr((styles.ids, styles.urls)).encode())
    content.update(b"" if styles.labels is None else styles.labels.tobytes())
    manifest = args.out / MANIFEST
    names = sorted(path.name for path in args.out.glob("[!.]*"))
    known = {}
    if MANIFEST in names:
        with suppress(ValueError):
            known = json.loads(read_regular(manifest))
    if names and not (known and isinstance(known, dict)):
        raise FileExistsError(f"{args.out} holds other things ({', '.join(names[:5])}); give an empty or a new folder")
    shards = args.shards or known.get("shards") or -(-len(styles) // ROWS_PER_SHARD)
    wanted = {"list": content.hexdigest(), "rows": len(styles), "size": args.size, "shards": shards}
    if known and known != wanted:
        keys = [key for key in wanted if known.get(key) != wanted[key]]
        other = ", ".join("another list" if key == "list" else f"{key} {known.get(key)}" for key in keys)
        raise FileExistsError(f"{args.out} was begun with {other}; give the same, or an empty or a new folder")
    return wanted


class _Store:
    """The folder: shards, photos that wait for their shard, and the list of failures."""

    def __init__(self, out: Path, styles: StyleList, count: int) -> None:
        self.out, self.loose = out, out / LOOSE
        self.ids, self.labels = styles.ids, styles.labels
        self.urls: tuple[str, ...] = styles.urls or ()
        self.order = {name: row for row, name in enumerate(self.ids)}
        self.failures = {name: why for name, why in read_failures(out / FAILED).items() if name in self.order}
        bounds = [index * len(styles) // count for index in range(count + 1)]
        with _progress("checking shards", count) as bar:
            self.shards = []
            for index in range(count):
                self.shards.append(self._look(shard_path(out, index, count), range(*bounds[index : index + 2])))
                bar.advance(bar.task_ids[0])

    @property
    def stored(self) -> int:
        """Photos in the shards."""
        return sum(len(shard.found) for shard in self.shards)

    def _look(self, path: Path, rows: range) -> _Shard:
        try:
            return _Shard(path, rows, check_shard(path), stale=False)
        except ShardError as error:
            if path.exists():
                warn(str(error).partition(";")[0] + "; what can be read of it is kept")
            return _Shard(path, rows, find_intact(path), stale=True)

    def fetch(self, limits: Limits, prepare: partial[bytes], seed: int) -> None:
        """Fetches every photo that is in no shard, and writes each shard once nothing more is to come for it."""
        rows_of: dict[str, list[tuple[_Shard, int]]] = {}
        for shard in self.shards:
            for row in shard.rows:
                if self.ids[row] in shard.found:
                    self.failures.pop(self.ids[row], None)
                else:
                    rows_of.setdefault(self.urls[row], []).append((shard, row))
                    shard.waiting.add(self.urls[row])
        for shard in self.shards:
            self._write_if_done(shard, rows_of)
        failed = 0
        outcomes = fetch_photos(list(rows_of), self.loose, limits, prepare, seed)
        with _progress("fetching photos", len(rows_of)) as bar, closing(outcomes):
            for outcome in outcomes:
                failed += outcome.path is None
                for shard, row in rows_of[outcome.url]:
                    shard.waiting.discard(outcome.url)
                    if outcome.path is None:
                        self.failures[self.ids[row]] = (outcome.url, outcome.reason)
                    else:
                        self.failures.pop(self.ids[row], None)
                        shard.arrived.add(row)
                        shard.stale = True
                for shard in {id(shard): shard for shard, _ in rows_of[outcome.url]}.values():
                    self._write_if_done(shard, rows_of)
                note = f"{bar.tasks[0].speed or 0:.0f}/s, {failed} failed"
                bar.update(bar.task_ids[0], advance=1, note=note)
        shutil.rmtree(self.loose, ignore_errors=True)

    def _write_if_done(self, shard: _Shard, rows_of: dict[str, list[tuple[_Shard, int]]]) -> None:
        if shard.waiting or not shard.stale:
            return
        count = len(shard.arrived | {row for row in shard.rows if self.ids[row] in shard.found})
        shard.found, shard.stale = write_shard(shard.path, self._records(shard), count), False
        for row in shard.rows:
            url = self.urls[row]
            if not any(other.stale or other.waiting for other, _ in rows_of.get(url, ())):
                photo_path(self.loose, url).unlink(missing_ok=True)

    def _records(self, shard: _Shard) -> Iterator[Record]:
        for row in shard.rows:
            name = self.ids[row]
            labels = None if self.labels is None else self.labels[row]
            loose = photo_path(self.loose, self.urls[row])
            if name in shard.found:
                yield Record(name, read_record(shard.path, shard.found[name]).image, labels)
            elif row in shard.arrived:
                if not loose.is_file():
                    raise ShardError(f"{loose}, the photo {name}, was fetched and is gone; fetch again")
                yield Record(name, read_regular(loose), labels)

    def report(self) -> None:
        """Writes failed.csv: every photo that is still missing and was tried."""
        names = sorted(self.failures, key=self.order.__getitem__)
        write_failures(self.out / FAILED, [(name, *self.failures[name]) for name in names])


def _progress(what: str, total: int) -> Progress:
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
               TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
    bar = Progress(*columns, console=Console(stderr=True))
    bar.add_task(what, total=total, note="")
    return bar


def _summarise(store: _Store, before: int) -> None:
    size = sum(shard.path.stat().st_size for shard in store.shards)
    tell(
        f"{store.stored:,} of {len(store.ids):,} photos are in {len(store.shards)} shards in {store.out} "
        f"({size / 1e6:,.1f} MB), {store.stored - before:,} of them new"
    )
    if store.failures:
        tell(f"{len(store.failures):,} could not be fetched, see {store.out / FAILED}; the same command tries again:")
        reasons = Counter(reason for _, reason in store.failures.values())
        for reason, count in reasons.most_common(_REASONS_SHOWN):
            tell(f"  {count:,} {reason}")
    if not store.stored:
        fail(f"no photo of {store.out} could be fetched")
