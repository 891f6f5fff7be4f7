"""How photos are drawn: by one process or several, with a progress bar."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

import cv2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

MOST_PHOTOS = 10_000_000
"""Of one set; their jobs alone take gigabytes."""

Job = TypeVar("Job")
Row = TypeVar("Row")


def checked_test_count(count: int, test_count: int | None, workers: int) -> int:
    """`test_count`, by default a tenth of `count`, at least 5. Raises ValueError for counts out of range."""
    test_count = max(count // 10, 5) if test_count is None else test_count
    if not 1 <= count <= MOST_PHOTOS or not 0 <= test_count <= MOST_PHOTOS or workers < 1:
        raise ValueError(
            f"{count:,} photos to train on, {test_count:,} to test, {workers} processes: expected at least 1, 0 and 1, "
            f"and at most {MOST_PHOTOS:,} photos"
        )
    return test_count


def drawn(draw: Callable[[Job], Row], jobs: Sequence[Job], workers: int) -> Iterator[Row]:
    """What `draw` gives for the jobs, in their order."""
    if workers == 1:
        yield from _shown(map(draw, jobs), len(jobs))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        yield from _shown(pool.map(draw, jobs, chunksize=16), len(jobs))


def _one_thread() -> None:
    """Worker processes already use all cores."""
    cv2.setNumThreads(1)


def _shown(rows: Iterator[Row], total: int) -> Iterator[Row]:
    columns = (TextColumn("photos"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}/s"),
               TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("photos", total=total, rate="-")
        for row in rows:
            bar.update(task, advance=1, rate=f"{bar.tasks[0].speed or 0:.0f}")
            yield row
