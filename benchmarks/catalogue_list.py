"""Measures the work of training before its first step, without the network: 3,000,000 photos in 50,030 classes."""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from measure import SEED, report

PHOTOS, VALIDATION, CLASSES = 3_000_000, 150_000, 50_030
CASE = f"{PHOTOS:,} photos, {CLASSES:,} classes"
LOAD = """
import sys
from pathlib import Path
import numpy as np
from aifashion.config import attribute_preset
from aifashion.data_gen.attribute_batches import batch_sides, epoch_order
from aifashion.tasks.label_kinds import product_tables
from aifashion.tasks.resuming import data_facts
from dataclasses import replace

config = replace(attribute_preset("lite"), task="product", balance=0.5)
train, val = product_tables(Path(sys.argv[1]))
assert train.counts(0).sum() == len(train) and len(val)
data_facts(train.photos.names, val.photos.names, False)
order = epoch_order(train, config, 1)
batch_sides(config, 1, len(train) // config.batch_size)
train.target(0, order[:32])
[train.photos.name(row) for row in order[:32]]
"""


def write_list(path: Path, count: int, rng: np.random.Generator) -> None:
    """A long tail: one class in a hundred has a third of the photos."""
    labels = (CLASSES * rng.random(count) ** 4).astype(np.int64)
    rows = (f"{path.stem}/{label:05d}/{n * 7919:032d}.jpg {label}" for n, label in enumerate(labels.tolist()))
    path.write_text("\n".join(rows) + "\n")


with tempfile.TemporaryDirectory() as folder:
    generator = np.random.default_rng(SEED)
    write_list(Path(folder) / "train.txt", PHOTOS, generator)
    write_list(Path(folder) / "val.txt", VALIDATION, generator)
    start = time.perf_counter()
    process = psutil.Popen([sys.executable, "-c", LOAD, folder])
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.01)
    taken = time.perf_counter() - start
    if process.wait():
        raise SystemExit("the lists were not loaded")

report("catalogue_list", CASE, taken, "s", "< 20")
report("catalogue_list", f"{CASE}, peak", peak / 2**30, "GiB", "< 2")
