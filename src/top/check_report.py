"""How `aifashion data check` shows what it found."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aifashion.data_gen.check import Report
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS


def print_report(report: Report, console: Console) -> None:
    """Prints the summary table, every finding and a verdict."""
    if report.summaries:
        table = Table(title=f"Keypoint sets in {report.data}")
        table.add_column("set")
        table.add_column("category")
        for name in ("images", "visible", "hidden", "absent", "no span", "none visible"):
            table.add_column(name, justify="right")
        for s in report.summaries:
            counts = (s.images, s.visible, s.hidden, s.absent, s.no_span, s.unseen)
            table.add_row(str(_short(s.file, report.data)), s.category, *(f"{count:,}" for count in counts))
        console.print(table)
    if report.tasks:
        table = Table(title=f"Attribute sets in {report.data}")
        for name in ("set", "task"):
            table.add_column(name)
        for name in ("images", "with m"):
            table.add_column(name, justify="right")
        table.add_column("images of each class")
        for t in report.tasks:
            classes = zip(ATTRIBUTE_TASKS[t.task], t.yes, strict=True) if t.yes else ()
            spread = ", ".join(f"{name} {count:,}" for name, count in classes) or "no labels (questions)"
            table.add_row(str(_short(t.file, report.data)), t.task, f"{t.images:,}", f"{t.maybe:,}", spread)
        console.print(table)
    for title, findings in (("Problems", report.problems), ("Warnings", report.warnings)):
        _print_list(console, title, [str(finding) for finding in findings])
    for title, groups in (
        ("Pictures that occur more than once", report.duplicates),
        ("In training and test", report.leaks),
    ):
        _print_list(console, title, [" = ".join(str(_short(path, report.data)) for path in group) for group in groups])
    counts = (
        f"{len(report.problems)} problems, {len(report.warnings)} warnings, "
        f"{len(report.duplicates)} repeated pictures, "
        f"{len(report.leaks)} of them in training and test"
    )
    console.print(f"{'usable' if report.ok else 'not usable as it is'}: {counts}", markup=False, highlight=False)


def _short(path: Path, data: Path) -> Path:
    return path.relative_to(data) if path.is_relative_to(data) else path


def _print_list(console: Console, title: str, lines: Sequence[str]) -> None:
    if lines:
        console.print(f"{title} ({len(lines)})", style="bold")
    for line in lines:
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
