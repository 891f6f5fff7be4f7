"""The labelled photos for training and validating a classifier, and the crop that it sees."""

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

    Raises ValueError or OSError if they are missing, FormatError for tasks and classes outside the configuration's
    vocabulary.
    """
    # All tasks are read and split together, even if only one is wanted: the split files name all of them.
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
    """(train, val) of the shards in `data`, split by name. Raises ValueError or OSError if they are missing."""
    shards = open_shards(data)
    if shards.labels is None:
        raise ValueError(f"the photos in {data} have no labels: nothing to train on")
    return _split_by_name(style_table(shards, shards.labels), config)


def crop_rule_of(data: Path) -> CropRule:
    """The crop rule of the photos in `data`, a folder or a list: the rule saved by `data crop`, else whole images.

    Raises ValueError if the file of the rule is damaged.
    """
    # A list or a season's folder lies some levels below the folder of the crops.
    for folder in (data, *data.resolve().parents[:_ABOVE]):
        path = folder / CROPS_FILE
        if path.exists():
            try:
                return read_crop_rule(json.loads(read_regular_text(path)))
            except (ValueError, AttributeError) as error:
                raise ValueError(f"{path} does not name the rule of the crops ({error}): make them again") from None
    return CropRule()


def read_crop_rule(facts: dict[str, Any]) -> CropRule:
    """The rule in a `crops.json`; older ones have only kind and margin. Raises ValueError if there is none."""
    crop = facts.get("crop")
    return CropRule.read(
        {"kind": crop, "margin": facts.get("margin", 0.05), "threshold": 0.2} if isinstance(crop, str) else crop
    )


def check_crop(data: Path, crop: CropRule) -> None:
    """Raises ValueError if the photos in `data`, a folder or a list, are not the crops that the classifier expects."""
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
    """The rows labelled for the task, with only its head; the whole table for `all`."""
    if task == "all":
        return table
    index = [head.name for head in table.heads].index(task)
    chosen = table.select(np.flatnonzero(table.codes[:, index] >= 0))
    one = slice(index, index + 1)
    return LabelTable(chosen.photos, table.heads[one], chosen.codes[:, one], table.targets[one])


def _split_by_name(table: LabelTable, config: AttributeConfig) -> tuple[LabelTable, LabelTable]:
    """Splits by a digest of seed and name: a photo keeps its part when others are added."""
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
