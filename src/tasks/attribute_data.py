"""The labelled photos that a classifier is trained and validated on, and what of each it sees."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..config import AttributeConfig
from ..data_gen.formats.fashionai_attributes import load_attribute_table
from ..data_gen.formats.folders import CROPS_FILE
from ..data_gen.formats.jingdong import style_table
from ..data_gen.label_table import LabelTable
from ..data_gen.split import split_table
from ..data_gen.tfrecords import open_shards
from ..files import read_regular_text
from ..records import CropRule

_ABOVE = 4


def attribute_tables(data: Path, config: AttributeConfig) -> tuple[LabelTable, LabelTable]:
    """(train, val) of every attribute set below `data`, split as its split files say, for one task or for all.

    Raises ValueError or OSError where they are not there, FormatError for tasks and classes that the configuration's
    vocabulary does not have.
    """
    # All tasks are read, and split together, even where one is wanted: the files name them all.
    every = dataclasses.replace(config, task="all").attribute_heads
    independent = [head.name for head in every if head.kind == "independent"]
    if independent:
        raise ValueError(
            f"attribute task {independent[0]} is independent, but the label files of attributes have one class a photo"
        )
    table = load_attribute_table(data, every)
    train, val = split_table(data, table, config.val_fraction, config.seed)
    return _of_task(train, config.task), _of_task(val, config.task)


def style_tables(data: Path, config: AttributeConfig) -> tuple[LabelTable, LabelTable]:
    """(train, val) of the shards in `data`, split by name. Raises ValueError or OSError where they are not there."""
    shards = open_shards(data)
    if shards.labels is None:
        raise ValueError(f"the photos in {data} have no labels: nothing to train on")
    return _split_by_name(style_table(shards, shards.labels), config)


def crop_rule_of(data: Path) -> CropRule:
    """What the photos in `data`, a folder or a list, are crops of: the rule that `data crop` kept, else whole images.

    Raises ValueError where the file of the rule is damaged.
    """
    # A list or a season's folder lies some folders below the one that holds the crops.
    for folder in (data, *data.resolve().parents[:_ABOVE]):
        path = folder / CROPS_FILE
        if path.exists():
            try:
                return read_crop_rule(json.loads(read_regular_text(path)))
            except (ValueError, AttributeError) as error:
                raise ValueError(f"{path} does not name the rule of the crops ({error}): make them again") from None
    return CropRule()


def read_crop_rule(facts: dict[str, Any]) -> CropRule:
    """The rule in the content of a `crops.json`; older ones have kind and margin only. Raises ValueError for none."""
    crop = facts.get("crop")
    return CropRule.read(
        {"kind": crop, "margin": facts.get("margin", 0.05), "threshold": 0.2} if isinstance(crop, str) else crop
    )


def check_crop(data: Path, crop: CropRule) -> None:
    """Raises ValueError where the photos in `data`, a folder or a list, are not the crops that a classifier sees."""
    found = crop_rule_of(data)
    if found == crop:
        return
    if found.kind == crop.kind:
        raise ValueError(
            f"the photos in {data} were cropped with margin {found.margin:g} and threshold {found.threshold:g}, but "
            f"the classifier is for margin {crop.margin:g} and threshold {crop.threshold:g}: crop them again with these"
        )
    if found.kind != "image":
        raise ValueError(
            f"the photos in {data} are crops of kind {found}, but the classifier is for kind {crop}: "
            f"train one with --crop {found}, or choose other photos"
        )
    raise ValueError(
        f"the photos in {data} are whole, but the classifier is for crops of kind {crop}: make the crops first, "
        f"aifashion data crop --data {data} --out DIR --crop {crop}"
    )


def _of_task(table: LabelTable, task: str) -> LabelTable:
    """The rows labelled for the task, with its head alone; all of it for `all`."""
    if task == "all":
        return table
    index = [head.name for head in table.heads].index(task)
    chosen = table.select(np.flatnonzero(table.codes[:, index] >= 0))
    one = slice(index, index + 1)
    return LabelTable(chosen.photos, table.heads[one], chosen.codes[:, one], table.targets[one])


def _split_by_name(table: LabelTable, config: AttributeConfig) -> tuple[LabelTable, LabelTable]:
    """By a digest of seed and name: a photo stays on its side when others are added later."""
    limit = int(config.val_fraction * 2**32)
    drawn = np.array(
        [
            int.from_bytes(hashlib.sha256(f"{config.seed}/{table.photos.name(row)}".encode()).digest()[:4], "big")
            for row in range(len(table))
        ]
    )
    parts = table.select(np.flatnonzero(drawn >= limit)), table.select(np.flatnonzero(drawn < limit))
    if not len(parts[0]) or not len(parts[1]):
        raise ValueError(f"{len(table)} photos are too few for a validation fraction of {config.val_fraction}")
    return parts
