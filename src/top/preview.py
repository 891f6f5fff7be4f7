"""`aifashion data preview`: a batch as it enters the network, augmentation and all."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image

from aifashion.config import AttributeConfig, attribute_preset
from aifashion.data_gen.attribute_batches import attribute_batches
from aifashion.eval.drawing import contact_sheet
from aifashion.files import atomic_path
from aifashion.records import HeadSpec
from aifashion.tasks.attribute_data import load_tables
from aifashion.top.arguments import CHECKOUT, option_value, read_arguments, run_command, tell


@dataclass(frozen=True)
class Arguments:
    """Draw one training batch of a classifier with its labels, with the options that training would be given."""

    config: Annotated[AttributeConfig, tyro.conf.arg(name="")] = field(default_factory=AttributeConfig)
    data: Path = CHECKOUT / "data"
    """folder with the attribute sets, the shards of styles, or train.txt and val.txt of products"""
    out: Path = CHECKOUT / "submission" / "preview.jpg"
    """the picture to write"""
    epoch: int = 1
    """whose augmentation is shown"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion data preview", None, arguments, preview)


def preview(arguments: Sequence[str] | None) -> None:
    preset = Arguments(config=attribute_preset(option_value(arguments, "--model", "resnet50v2")))
    args = read_arguments(Arguments, "aifashion data preview", arguments, preset)
    table, _ = load_tables(args.data, args.config)
    batch = next(iter(attribute_batches(table, args.config, args.epoch)))
    titles = [describe_targets(table.heads, batch, place) for place in range(len(batch["image"]))]
    sheet = contact_sheet(list(batch["image"]), 4, titles, cell=256)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(args.out) as beside:
        Image.fromarray(sheet).save(beside, quality=92)
    tell(f"Wrote {len(titles)} photos as they enter the network to {args.out}")


def describe_targets(heads: Sequence[HeadSpec], batch: dict[str, np.ndarray], place: int) -> str:
    """The labels of one photo of a batch: every class with a share above one part in a hundred."""
    parts = []
    for head in heads:
        if not batch[f"known/{head.name}"][place]:
            continue
        target = batch[f"target/{head.name}"][place]
        shares = sorted(((float(v), c) for v, c in zip(target, head.classes, strict=True) if v > 0.01), reverse=True)
        parts.append(", ".join(c if v > 0.995 else f"{c} {v:.0%}" for v, c in shares[:3]))
    return "; ".join(parts) or "no label"
