"""Attribute scores as tables in the terminal, confusion matrices and reliability diagrams as pictures."""

from collections.abc import Mapping
from io import BytesIO
from math import ceil, isnan
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Column, Table

from ..data_gen.formats.challenges import ATTRIBUTE_TASKS
from ..files import write_atomic
from .attribute_metrics import AttributeScore, TaskScore
from .attribute_submission import SUM_TOLERANCE
from .calibration import Reliability
from .product_metrics import ClassScore
from .style_metrics import StyleScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Two of the colours of Okabe and Ito, which colour-blind readers can tell apart.
_BEFORE, _AFTER = "#D55E00", "#0072B2"
_GREY = "#6B6B6B"


def print_attribute_score(score: AttributeScore, console: Console) -> None:
    """Prints mAP and related scores over all tasks, what was left out, then a row for each task."""
    tasks = f"{len(score.per_task)} task{'s' if len(score.per_task) > 1 else ''}"
    console.print(
        f"mAP [bold]{_number(score.map)}[/bold]  BasicPrecision {_number(score.basic_precision)}  "
        f"accuracy {_number(score.accuracy)}  over {score.images:,} images of {tasks} (higher is better)"
    )
    maybe = sum(task.maybe for task in score.per_task.values())
    if maybe:
        console.print(
            f"[yellow]{maybe:,} of {score.images:,} answers count nowhere:[/yellow] their class is marked m (maybe)"
        )
    bare = [name for name, task in score.per_task.items() if isnan(task.ap)]
    if bare:
        console.print(f"[yellow]left out of the mean:[/yellow] {', '.join(bare)}, where no answer counts")
    if score.unnormalised:
        console.print(
            f"[yellow]{score.unnormalised:,} rows have probabilities whose sum is off one by more than "
            f"{SUM_TOLERANCE}[/yellow] and were scored as they are"
        )
    columns = ("AP", "BasicPrecision", "accuracy", "images", "m answered")
    table = Table("task", *(Column(name, justify="right") for name in columns))
    for name, task in score.per_task.items():
        numbers = (_number(task.ap), _number(task.basic_precision), _number(task.accuracy))
        table.add_row(name, *numbers, f"{task.images:,}", f"{task.maybe:,}")
    console.print(table)


def print_style_score(score: StyleScore, console: Console) -> None:
    """Prints F2, then a row for each label."""
    console.print(f"F2 [bold]{_number(score.f2)}[/bold]  over {score.images:,} images (higher is better)")
    columns = ("precision", "recall", "true", "predicted")
    table = Table("style", *(Column(name, justify="right") for name in columns))
    for name, label in score.per_label.items():
        table.add_row(name, _number(label.precision), _number(label.recall), f"{label.true:,}", f"{label.predicted:,}")
    console.print(table)


def print_product_score(score: ClassScore, console: Console) -> None:
    """Prints the mean class error, and the numbers of photos and classes."""
    console.print(
        f"mean class error [bold]{_number(score.mean_class_error)}[/bold]  accuracy {_number(score.accuracy)}  over "
        f"{score.images:,} images of {score.classes:,} classes (a lower error is better)"
    )
    if score.absent:
        console.print(f"[yellow]{score.absent:,} classes below the largest label have no image[/yellow] in the truth")


def draw_confusions(
    score: AttributeScore, path: Path, classes: Mapping[str, tuple[str, ...]] = ATTRIBUTE_TASKS
) -> None:
    """Writes the confusion matrices of all tasks in one picture, in the format of the path's suffix.

    A row is a true class (y) with its number of images, a cell the percentage of them that were given the column's
    class. `classes` names the classes of every task. Raises ValueError for a format that matplotlib does not write,
    OSError if the path cannot be written.
    """
    rows, columns = _grid(len(score.per_task))
    from matplotlib.figure import Figure  # of the extra for training, and slow to load

    figure = Figure(figsize=(1 + 6.6 * columns, 1.6 + 5.4 * rows), layout="constrained")
    numbers = f"mAP {_number(score.map)}, BasicPrecision {_number(score.basic_precision)}"
    images = f"accuracy {_number(score.accuracy)} over {score.images:,} images\n"
    figure.suptitle(numbers + (", " if columns > 1 else "\n") + images, fontsize=16)
    figure.supxlabel("predicted class", fontsize=13)
    figure.supylabel("true class (its images); cells in % of them", fontsize=13)
    panels = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes, (name, task) in zip(panels, score.per_task.items(), strict=False):
        _draw_confusion(axes, name, task, classes[name])
    for axes in panels[len(score.per_task) :]:
        axes.set_axis_off()
    _write(figure, path)


def draw_reliability(heads: Mapping[str, tuple[Reliability, Reliability]], path: Path) -> None:
    """Writes a reliability diagram for each head, before and after its temperature, in the format of the suffix.

    Above, the accuracy of the answers in each bin of confidence, a marker's area following their number; below, how
    the answers spread over the bins. heads: name -> (before, after). Raises ValueError for no heads or a format that
    matplotlib does not write, OSError if the path cannot be written.
    """
    if not heads:
        raise ValueError("there is no head to draw")
    rows, columns = _grid(len(heads))
    from matplotlib.figure import Figure  # of the extra for training, and slow to load

    figure = Figure(figsize=(4.4 * columns, 5.6 * rows), layout="constrained")
    panels = np.ravel(figure.subfigures(rows, columns, squeeze=False, hspace=0.04, wspace=0.02))
    for panel, (name, (before, after)) in zip(panels, heads.items(), strict=False):
        curve, spread = panel.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        _draw_reliability(curve, name, before, after)
        _draw_spread(spread, before, after)
    _write(figure, path)


def _grid(count: int) -> tuple[int, int]:
    """Rows and columns for so many panels: at most four in a row, and rows of similar length."""
    rows = ceil(count / 4)
    return rows, ceil(count / rows)


def _draw_confusion(axes: "Axes", name: str, task: TaskScore, classes: tuple[str, ...]) -> None:
    counts = task.confusion
    images = counts.sum(axis=1)
    share = np.divide(counts, images[:, None], out=np.full(counts.shape, np.nan), where=images[:, None] > 0)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_facecolor("#EEEEEE")  # visible for a class without images
    for (i, j), part in np.ndenumerate(share):
        if part > 0:
            weight = "bold" if i == j else "normal"
            colour = "white" if part > 0.55 else "black"
            text = "<1" if part < 0.005 else f"{100 * part:.0f}"
            axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=11, fontweight=weight)
    positions = np.arange(len(classes))
    axes.set_xticks(positions, classes, rotation=40, ha="right", rotation_mode="anchor", fontsize=11)
    labels = [f"{label} ({count:,})" for label, count in zip(classes, images, strict=True)]
    axes.set_yticks(positions, labels, fontsize=11)
    axes.set_xticks(positions[1:] - 0.5, minor=True)
    axes.set_yticks(positions[1:] - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    title = f"{name.replace('_', ' ')}: AP {_number(task.ap)}, accuracy {_number(task.accuracy)}"
    axes.set_title(title, fontsize=13, pad=10)


def _draw_reliability(axes: "Axes", name: str, before: Reliability, after: Reliability) -> None:
    axes.plot((0, 1), (0, 1), color=_GREY, linewidth=1, linestyle="--")
    for state, label, colour, marker in ((before, "before", _BEFORE, "o"), (after, "after", _AFTER, "s")):
        share = state.counts / max(1, state.counts.sum())
        # A single prediction makes a bin of accuracy 0 or 1, so the line leaves out bins with very few.
        line = share >= 0.005
        axes.plot(state.confidence[line], state.accuracy[line], color=colour, linewidth=1.2, alpha=0.45)
        size = np.maximum(6, 200 * share)
        axes.scatter(state.confidence, state.accuracy, s=size, color=colour, marker=marker, alpha=0.75, linewidths=0)
        # The legend gets its own marker, which would otherwise have the size of the first bin.
        axes.plot([], [], color=colour, marker=marker, markersize=7, label=f"{label}: ECE {_number(state.ece)}")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), ylabel="accuracy")
    axes.set_title(name.replace("_", " "), fontsize=12)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", frameon=False, fontsize=9)


def _draw_spread(axes: "Axes", before: Reliability, after: Reliability) -> None:
    for state, colour in ((before, _BEFORE), (after, _AFTER)):
        share = 100 * state.counts / max(1, state.counts.sum())
        axes.stairs(share, state.edges, color=colour, linewidth=1.4)
        axes.stairs(share, state.edges, color=colour, alpha=0.12, fill=True)
    axes.set(xlabel="confidence", ylabel="answers, %", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _write(figure: "Figure", path: Path) -> None:
    picture = BytesIO()
    figure.savefig(picture, format=path.suffix.lstrip(".") or "png", dpi=120)
    write_atomic(path, picture.getvalue())


def _number(value: float) -> str:
    return "n/a" if isnan(value) else f"{value:.4f}"
