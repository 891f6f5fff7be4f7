"""The table of the residual family: parameters and multiply-adds beside the published ones, and the largest error."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aifashion.files import write_atomic
from aifashion.unet.backbones.residual import RESIDUAL


@dataclass(frozen=True, slots=True)
class Published:
    """Parameters in millions, and multiply-adds in billions for a square image of that side; 0 where none are."""

    parameters: float
    multiply_adds: float = 0.0
    side: int = 224


# From the tables of results in timm's repository (results/benchmark-infer-*.csv and benchmark-train-*.csv). The paper
# of iResNet says that it has the parameters of ResNet: those of timm's resnet50, 101, 152 and 200.
PUBLISHED: dict[str, Published] = {
    "resnet18_torch": Published(11.69, 1.82),
    "resnet34_torch": Published(21.80, 3.67),
    "resnet50_torch": Published(25.56, 4.11),
    "resnet101_torch": Published(44.55, 7.83),
    "resnet152_torch": Published(60.19, 11.56),
    "resnet18d": Published(11.71, 2.06),
    "resnet34d": Published(21.82, 3.91),
    "resnet50d": Published(25.58, 4.35),
    "resnet101d": Published(44.57, 16.48, 320),
    "resnet152d": Published(60.21, 24.08, 320),
    "resnext50_32x4d": Published(25.03, 4.26),
    "resnext101_32x4d": Published(44.18, 8.01),
    "resnext101_32x8d": Published(88.79, 16.48),
    "resnext101_64x4d": Published(83.46, 25.66, 288),
    "resnest50d": Published(27.48, 5.40),
    "resnest101e": Published(48.28, 13.38, 256),
    "resnest200e": Published(70.20, 35.69, 320),
    "resnest269e": Published(110.93, 77.69, 416),
    "res2net50_26w_4s": Published(25.70, 4.28),
    "res2net101_26w_4s": Published(45.21, 8.10),
    "res2net50d": Published(25.72, 4.52),
    "res2net101d": Published(45.23, 8.35),
    "iresnet50": Published(25.56),
    "iresnet101": Published(44.55),
    "iresnet152": Published(60.19),
    "iresnet200": Published(64.67),
    "seresnext50_32x4d": Published(27.56, 4.26),
    "seresnext101_32x4d": Published(48.96, 8.02),
    "legacy_seresnext50_32x4d": Published(27.56, 4.26),
    "legacy_seresnext101_32x4d": Published(48.96, 8.02),
    "senet154": Published(115.09, 20.77),
    "legacy_senet154": Published(115.09, 20.77),
}
CLOSE = 0.01
"""By what share a count may differ: the published ones are rounded, and count the normalisation as well."""

HEAD = """# The residual family

`make parity` writes this page; do not edit it. Every network gets the same weights as its reference in PyTorch, by the
code of `aifashion weights convert`, and both get images of 64 and 75 px. The error is the largest difference of an
output (P2 to P5 and the classifier's logits) in float32, as a share of that output's largest value.

- **Parameters and multiply-adds** include the classifier of 1000 classes. Multiply-adds count convolutions and the
  classifier.
- **Published** are timm's figures, at the size that timm gives them for; they count the normalisation as well. "Ours at
  its size" is our figure at that size. For iResNet, whose paper gives none, the parameters are those of the ResNet of
  the same depth.
- **Time** is that of one photo of 224 px, divided by that of the reference in PyTorch's eager mode: Keras, and the
  OpenVINO artifact. All in float32, each in its faster mode, taking turns on the same cores
  (`benchmarks/backbone_forward.py`).

"""
COLUMNS = (
    *("backbone", "paper", "parameters, M", "published", "multiply-adds at 224 px, G", "published"),
    *("ours at its size", "error", "time, Keras", "artifact"),
)
MEASURED = {"Keras by PyTorch": 0, "runtime by PyTorch": 1}


def deviations(name: str, facts: Mapping[str, Any]) -> list[str]:
    """What differs from the published counts by more than CLOSE, in words."""
    published = PUBLISHED[name]
    pairs = {"parameters": (facts["parameters"] / 1e6, published.parameters)}
    if published.multiply_adds:
        pairs["multiply-adds"] = (facts["multiply_adds_published_side"] / 1e9, published.multiply_adds)
    return [f"{own:.4g} {what}, published {theirs}" for what, (own, theirs) in pairs.items() if _apart(own, theirs)]


def _apart(own: float, theirs: float) -> bool:
    return abs(own - theirs) > CLOSE * theirs


def measured_times(results: Path) -> dict[str, list[str]]:
    """By network the last ratios of times in results.csv, Keras and artifact by PyTorch, as cells."""
    found: dict[str, list[str]] = {}
    with results.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            case, _, what = row["case"].partition(": ")
            if row["benchmark"] == "backbone_forward" and what in MEASURED:
                found.setdefault(case.partition(",")[0], ["-", "-"])[MEASURED[what]] = f"{float(row['value']):.2f}"
    return found


def write_table(path: Path, facts: Mapping[str, Mapping[str, Any]], times: Mapping[str, list[str]]) -> None:
    """facts: by network what `parity.compare` found. times: what `measured_times` did."""
    rows = [f"| {' | '.join(COLUMNS)} |\n", "|---" * len(COLUMNS) + "|\n"]
    for name, found in facts.items():
        published = PUBLISHED[name]
        theirs = ours = "-"
        if published.multiply_adds:
            side = f" at {published.side} px" if published.side != 224 else ""
            theirs, ours = f"{published.multiply_adds:.2f}{side}", f"{found['multiply_adds_published_side'] / 1e9:.2f}"
        cells = [
            f"`{name}`",
            RESIDUAL[name].paper,
            f"{found['parameters'] / 1e6:.2f}",
            f"{published.parameters:.2f}",
            f"{found['multiply_adds'] / 1e9:.2f}",
            theirs,
            ours,
            f"{found['error']:.1e}",
            *times.get(name, ["-", "-"]),
        ]
        rows.append(f"| {' | '.join(cells)} |\n")
    versions = sorted({found["versions"] for found in facts.values()})
    write_atomic(
        path, HEAD + "".join(rows) + f"\nReferences: {'; '.join(versions)}; for iResNet its authors' structure.\n"
    )
