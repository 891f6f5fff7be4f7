"""Scores as tables in the terminal and as pictures."""

from io import BytesIO
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Column, Table

from ..files import write_atomic
from .keypoint_metrics import KeypointScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The colours of Okabe and Ito, which colour-blind readers can tell apart.
_CATEGORY_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#F0E442")
_LINE_STYLES = ("-", "--", ":")
_BAR_COLOUR = "#0072B2"


def print_keypoint_score(score: KeypointScore, console: Console) -> None:
    """NE in percent: overall, per category, and per keypoint with the hardest first."""
    console.print(
        f"NE [bold]{_percent(score.ne)}[/bold] over {score.points:,} visible keypoints of "
        f"{score.garments:,} garments (lower is better)"
    )
    if score.skipped:
        console.print(
            f"[yellow]{score.skipped:,} of {score.garments + score.skipped:,} garments skipped:[/yellow] "
            "an end of the span is missing, the span is zero, or no keypoint is visible"
        )
    by_category = Table("category", *(Column(name, justify="right") for name in ("NE", "keypoints", "garments")))
    for name, ne in score.per_category.items():
        by_category.add_row(
            name, _percent(ne), f"{score.category_points[name]:,}", f"{score.category_garments[name]:,}"
        )
    console.print(by_category)
    by_keypoint = Table("keypoint", *(Column(name, justify="right") for name in ("NE", "measured")))
    for name in _hardest_first(score.per_keypoint):
        by_keypoint.add_row(name, _percent(score.per_keypoint[name]), f"{score.keypoint_points[name]:,}")
    console.print(by_keypoint)


def draw_keypoint_score(score: KeypointScore, path: Path) -> None:
    """Draws the PCK curves beside the NE of every keypoint, in the format of the path's suffix.

    Raises ValueError for a format that matplotlib does not write, OSError if the path cannot be written.
    """
    names = _hardest_first(score.per_keypoint)
    from matplotlib.figure import Figure  # of the extra for training, and slow to load

    figure = Figure(figsize=(13, max(5.0, 1.6 + 0.26 * len(names))), layout="constrained")
    curves, bars = figure.subplots(1, 2)
    measured = f"{score.points:,} visible keypoints of {score.garments:,} garments"
    skipped = f" ({score.skipped:,} skipped)" if score.skipped else ""
    figure.suptitle(f"NE {_percent(score.ne)}: {measured}{skipped}")
    _draw_curves(curves, score)
    _draw_bars(bars, score, names)
    picture = BytesIO()
    figure.savefig(picture, format=path.suffix.lstrip(".") or "png", dpi=120)
    write_atomic(path, picture.getvalue())


def _draw_curves(axes: "Axes", score: KeypointScore) -> None:
    thresholds = 100 * score.pck.thresholds
    for number, (category, fraction) in enumerate(score.pck.per_category.items()):
        label = f"{category}  {_percent(score.per_category[category])}"
        turn, colour = divmod(number, len(_CATEGORY_COLOURS))
        style = _LINE_STYLES[turn % len(_LINE_STYLES)]
        axes.plot(thresholds, 100 * fraction, style, color=_CATEGORY_COLOURS[colour], linewidth=1.6, label=label)
    axes.plot(thresholds, 100 * score.pck.overall, color="black", linewidth=2.6, label=f"all  {_percent(score.ne)}")
    axes.set(
        xlim=(0, thresholds[-1]),
        ylim=(0, 101),
        xlabel="distance, % of the span",
        title="PCK",
        ylabel="keypoints at least that close, %",
    )
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(title="NE", loc="lower right", frameon=False)


def _draw_bars(axes: "Axes", score: KeypointScore, names: list[str]) -> None:
    values = np.nan_to_num([100 * score.per_keypoint[name] for name in names])
    bars = axes.barh([name.replace("_", " ") for name in names], values, color=_BAR_COLOUR, height=0.72)
    labels = [f"{_percent(score.per_keypoint[name])}  ({score.keypoint_points[name]:,})" for name in names]
    axes.bar_label(bars, labels, padding=4, fontsize=8, color="#333333")
    if not isnan(score.ne):
        axes.axvline(100 * score.ne, color="#999999", linewidth=1, linestyle="--", zorder=0)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlim(0, 1.25 * values.max() or 1)
    axes.set(xlabel="NE, % of the span", title="NE per keypoint (number measured)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _hardest_first(per_keypoint: dict[str, float]) -> list[str]:
    """Names by falling NE, those without a measurement last."""
    return [name for name, ne in sorted(per_keypoint.items(), key=lambda item: (isnan(item[1]), -item[1]))]


def _percent(fraction: float) -> str:
    return "n/a" if isnan(fraction) else f"{100 * fraction:.2f}%"
