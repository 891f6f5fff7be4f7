"""The labelled photos that a classifier is trained and validated on, whatever the kind of its task."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aifashion.config import PRODUCT, STYLE, AttributeConfig
from aifashion.data_gen.formats.aliproducts import read_product_lists
from aifashion.data_gen.formats.fashionai_attributes import load_attribute_table
from aifashion.data_gen.formats.folders import CROPS_FILE
from aifashion.data_gen.formats.jingdong import style_table
from aifashion.data_gen.label_table import LabelTable
from aifashion.data_gen.split import split_table
from aifashion.data_gen.tfrecords import open_shards
from aifashion.records import HeadSpec
from aifashion.top.arguments import warn

_ABOVE = 4


def load_tables(
    data: Path, config: AttributeConfig, classes: int | None = None, class_names: Path | None = None
) -> tuple[LabelTable, LabelTable]:
    """(train, val) for the task of the configuration. Raises ValueError or OSError where they are not there.

    FashionAI: every attribute set below `data`, split as its split files say. Styles: the shards in `data`. Products:
    `train.txt` and `val.txt` in `data`, of so many `classes` (those that occur, if not given), with names from a file.
    """
    if config.task == STYLE:
        shards = open_shards(data)
        if shards.labels is None:
            raise ValueError(f"the photos in {data} have no labels: nothing to train on")
        return _split_by_name(style_table(shards, shards.labels), config)
    if config.task == PRODUCT:
        return read_product_lists(data, classes, class_names, warn)
    table = load_attribute_table(data, ordinal=config.length_heads == "ordinal")
    train, val = split_table(data, table, config.val_fraction, config.seed)
    return _of_task(train, config.task), _of_task(val, config.task)


def load_tables_of(data: Path, config: AttributeConfig, heads: Sequence[HeadSpec]) -> tuple[LabelTable, LabelTable]:
    """(train, val) for a trained classifier of these heads. Raises as `load_tables`.

    Of products the lists alone do not tell its classes: there may be more than occur, and they may have names.
    """
    if config.task != PRODUCT:
        return load_tables(data, config)
    train, val = load_tables(data, config, len(heads[0].classes))
    return dataclasses.replace(train, heads=tuple(heads)), dataclasses.replace(val, heads=tuple(heads))


def check_crop(data: Path, crop: str) -> None:
    """Raises ValueError where the photos in `data`, a folder or a list, are not the crops that a classifier sees."""
    kind = "image"
    # A list or a season's folder lies some folders below the one that holds the crops.
    for folder in (data, *data.resolve().parents[:_ABOVE]):
        if (folder / CROPS_FILE).is_file():
            kind = json.loads((folder / CROPS_FILE).read_text(encoding="utf-8"))["crop"]
            break
    if kind == crop:
        return
    if kind != "image":
        raise ValueError(
            f"the photos in {data} are crops of kind {kind}, but the classifier is for kind {crop}: "
            f"train one with --crop {kind}, or name other photos"
        )
    raise ValueError(
        f"the photos in {data} are whole, but the classifier is for crops of kind {crop}: make the crops first, "
        f"aifashion data crop --data {data} --out DIR --crop {crop}"
    )


def _of_task(table: LabelTable, task: str) -> LabelTable:
    """The rows labelled for the task, with its head alone; all of it for `all`."""
    if task == "all":
        return table
    place = [head.name for head in table.heads].index(task)
    chosen = table.select(np.flatnonzero(table.codes[:, place] >= 0))
    one = slice(place, place + 1)
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
