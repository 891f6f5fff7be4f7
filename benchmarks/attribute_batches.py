"""Measures how fast the classifier's training photos are read, decoded, warped and changed in colour, on one core."""

import dataclasses
import tempfile
from pathlib import Path

import cv2
import numpy as np
from measure import SEED, report, seconds

from aifashion.config import attribute_preset
from aifashion.data_gen.attribute_batches import AttributeExamples
from aifashion.data_gen.formats.fashionai_attributes import attribute_heads, load_attribute_table
from aifashion.data_gen.synthetic.writer import write_dataset

COUNT = 128
cv2.setNumThreads(1)

with tempfile.TemporaryDirectory() as folder:
    write_dataset(Path(folder) / "data", COUNT, SEED, 256, test_count=0)
    table = load_attribute_table(Path(folder) / "data", attribute_heads(ordinal=True))
    config = dataclasses.replace(attribute_preset("lite"), size=224)
    examples = AttributeExamples(table, config, epoch=1)

    def batch() -> None:
        np.stack([examples((row, 224))["image"] for row in range(COUNT)])

    report("attribute_batches", "224 px from 256 px JPEGs, one core", COUNT / seconds(batch, 7), "samples/s", ">= 350")
