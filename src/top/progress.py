"""The bar that commands show while photos are worked on."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from aifashion.top.arguments import console

Result = TypeVar("Result")


def progress_bar(results: Iterable[Result], total: int) -> Iterator[Result]:
    """The same results, with a bar that shows how many there were, the rate and the time left."""
    columns = (
        TextColumn("photos"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("photos", total=total, rate="")
        for result in results:
            yield result
            # Of the whole run: results come in batches, and the rate within one says nothing.
            done, seconds = bar.tasks[task].completed + 1, bar.tasks[task].elapsed or 0
            bar.update(task, completed=done, rate=f"{done / seconds:.1f}/s" if seconds else "")
