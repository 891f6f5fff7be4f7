"""The score of detected garments as tables in the terminal and as a picture."""

from io import BytesIO
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from ..files import write_atomic
from .calibration import Reliability
from .detection_metrics import LARGE, DetectionScore
from .report import print_keypoint_score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The colours of Okabe and Ito, which colour-blind readers can tell apart.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#F0E442")
_LINE_STYLES = ("-", "--", ":")
_BAR_COLOUR = "#0072B2"


def print_detection_score(score: DetectionScore, console: Console) -> None:
    """Prints AP, recall and false alarms; then the scores by category, and the confused categories."""
    rates = score.rates
    console.print(
        f"AP [bold]{_number(score.mean('ap'))}[/bold]  AP50 {_number(score.mean('ap50'))}  AP75 "
        f"{_number(score.mean('ap75'))}  AR {_number(score.mean('ar'))}  over {rates.true:,} garments of "
        f"{score.photos:,} photos (higher is better)"
    )
    console.print(
        f"at IoU {score.iou:g}: {_percent(rates.recall)} of the garments are found, {_percent(rates.precision)} of the "
        f"{rates.predicted:,} detected ones are true, {score.false_alarms_per_photo:.2f} false alarms a photo"
    )
    if rates.ignored:
        console.print(f"[yellow]{rates.ignored:,} detected garments lie in crowds[/yellow] and count nowhere")
    for name, (true, paired) in zip((f"up to {LARGE:.0%}", f"over {LARGE:.0%}"), score.by_area, strict=True):
        if true:
            console.print(
                f"of {true:,} garments whose box takes {name} of the photo, {_percent(paired / true)} are found"
            )
    if score.reliability is not None:
        console.print(f"the scores as probabilities: ECE {_number(score.reliability.ece)} (lower is better)")
    names, shown = ("ap", "ap50", "ap75", "ar"), _occurring(score)
    precisions = Table("category", *(Column(name.upper(), justify="right") for name in names))
    for c in shown:
        values = (_number(getattr(score.precision, name)[c]) for name in names)
        precisions.add_row(escape(score.categories[c]), *values)
    console.print(precisions)
    counts = ("found", "precision", "true", "detected")
    found = Table(f"at IoU {score.iou:g}", *(Column(name, justify="right") for name in counts))
    for c in shown:
        part = score.per_category[c]
        shares = (_percent(part.recall), _percent(part.precision))
        found.add_row(escape(score.categories[c]), *shares, f"{part.true:,}", f"{part.predicted:,}")
    console.print(found)
    if len(shown) > 1:
        console.print(_confusion(score, shown))
    if score.keypoints is not None:
        console.print("keypoints of the garments that are found:")
        print_keypoint_score(score.keypoints, console)


def draw_detection_score(score: DetectionScore, path: Path) -> None:
    """Draws precision over recall by category beside the reliability of the scores, in the format of the suffix.

    Raises ValueError for a format that matplotlib does not write, OSError if the path cannot be written.
    """
    from matplotlib.figure import Figure  # of the extra for training, and slow to load

    figure = Figure(figsize=(13 if score.reliability else 7, 6), layout="constrained")
    panels = np.ravel(figure.subplots(1, 2 if score.reliability else 1, squeeze=False))
    figure.suptitle(
        f"AP {_number(score.mean('ap'))}, AP50 {_number(score.mean('ap50'))}: {score.rates.true:,} garments of "
        f"{score.photos:,} photos"
    )
    _draw_curves(panels[0], score)
    if score.reliability is not None:
        _draw_reliability(panels[1], score.reliability)
    picture = BytesIO()
    figure.savefig(picture, format=path.suffix.lstrip(".") or "png", dpi=120)
    write_atomic(path, picture.getvalue())


def _occurring(score: DetectionScore) -> list[int]:
    """The indices of the categories that occur on either side; a data set can list many others."""
    return [c for c, rates in enumerate(score.per_category) if rates.true or rates.predicted]


def _confusion(score: DetectionScore, shown: list[int]) -> Table:
    names = [escape(score.categories[c]) for c in shown]
    table = Table("true, detected as", *(Column(name, justify="right") for name in (*names, "not found")))
    for c, name in zip(shown, names, strict=True):
        counts = score.confusion[c, [*shown, len(score.categories)]]
        table.add_row(name, *(f"{count:,}" if count else "" for count in counts.tolist()))
    return table


def _draw_curves(axes: "Axes", score: DetectionScore) -> None:
    recall = np.linspace(0, 1, score.precision.curve.shape[1])
    measured = [c for c in _occurring(score) if not isnan(score.precision.ap50[c])]
    for number, c in enumerate(measured):
        turn, colour = divmod(number, len(_COLOURS))
        style = _LINE_STYLES[turn % len(_LINE_STYLES)]
        label = f"{score.categories[c]}  {_number(score.precision.ap50[c])}"
        axes.plot(recall, score.precision.curve[c], style, color=_COLOURS[colour], linewidth=1.6, label=label)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision", title="precision at IoU 0.5")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(title="AP50", loc="lower left", frameon=False)


def _draw_reliability(axes: "Axes", state: Reliability) -> None:
    axes.plot((0, 1), (0, 1), color="#6B6B6B", linewidth=1, linestyle="--")
    share = state.counts / max(1, state.counts.sum())
    axes.scatter(state.confidence, state.accuracy, s=np.maximum(8, 300 * share), color=_BAR_COLOUR, alpha=0.75)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="score", ylabel="share that is right")
    axes.set_title(f"scores as probabilities: ECE {_number(state.ece)}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _number(value: float) -> str:
    return "n/a" if isnan(value) else f"{value:.4f}"


def _percent(fraction: float) -> str:
    return "n/a" if isnan(fraction) else f"{100 * fraction:.1f}%"
