"""Profiles a training step with TensorFlow's profiler: `python benchmarks/training_profile.py [lite]`.

Prints the operations of the CPU threads by their time, in float32 and mixed bfloat16, and the share of matrix
operations (convolutions and matrix products, forward and backward).
"""

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import get_args

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf
from measure import report
from random_training import training_step
from rich.console import Console
from rich.table import Table
from tensorflow.tsl.profiler.protobuf import xplane_pb2  # pyright: ignore[reportMissingImports]

from aifashion.config import Precision

CASES = {"lite": (256, 16), "v11": (256, 4)}
"""Side in px and batch size."""
STEPS, SHOWN = 4, 14
MATRIX_WORK = ("Conv", "MatMul")
"""Parts of the names of matrix operations; oneDNN's begin with `_MklNative`."""


def profile(network: str, precision: Precision) -> Counter[str]:
    """Milliseconds of a step by operation, summed over threads."""
    size, batch = CASES[network]
    step, _ = training_step(network, batch, size, precision)
    for _ in range(2):
        step()
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(STEPS):
            step()
        tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        return operations(path.read_bytes())


def operations(data: bytes) -> Counter[str]:
    """The operations in a trace, `NAME:TYPE`, by type."""
    space = xplane_pb2.XSpace.FromString(data)
    taken: Counter[str] = Counter()
    for plane in space.planes:
        if not plane.name.startswith("/host:CPU"):
            continue
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                kind = name.rpartition(":")[2]
                if ":" in name and "::" not in name and kind.isidentifier() and not kind[0].islower():
                    taken[kind] += event.duration_ps / 1e9 / STEPS
    return taken


def main() -> None:
    console = Console(width=100)
    for network in sys.argv[1:] or CASES:
        if network not in CASES:
            raise SystemExit(f"no network called {network}; these are there: {', '.join(CASES)}")
        size, batch = CASES[network]
        for precision in get_args(Precision):
            taken = profile(network, precision)
            whole = sum(taken.values())
            title = f"{network}, batch {batch}, {size} px, {precision}"
            table = Table("operation", "ms a step", "share", title=title)
            for kind, milliseconds in taken.most_common(SHOWN):
                table.add_row(kind, f"{milliseconds:.1f}", f"{milliseconds / whole:.1%}")
            console.print(table)
            work = sum(value for kind, value in taken.items() if any(word in kind for word in MATRIX_WORK))
            report("training_profile", f"{title}, matrix work", 100 * work / whole, "% of all operations")


if __name__ == "__main__":
    main()
