"""What a training step spends its time on, by TensorFlow's profiler: `python benchmarks/training_profile.py [lite]`.

Prints the operations of the processor's threads by the time they took, in float32 and mixed bfloat16, and the share of
matrix work (convolutions and matrix products, forward and backward) in all of it.
"""

import os
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from measure import SEED, report
from rich.console import Console
from rich.table import Table
from tensorflow.tsl.profiler.protobuf import xplane_pb2  # pyright: ignore[reportMissingImports]

from aifashion.config import keypoint_preset
from aifashion.unet.losses import keypoint_objective
from aifashion.unet.optimizers import adamw
from aifashion.unet.predictors import keypoint_net
from aifashion.unet.training import TrainedNet

CASES = {"lite": (256, 16), "v11": (256, 4)}
"""Side in px and batch."""
STEPS, SHOWN = 4, 14
MATRIX_WORK = ("Conv", "MatMul", "_FusedConv", "_MklConv")


def profile(network: str, precision: str) -> Counter[str]:
    """Milliseconds of a step by operation, all threads together."""
    size, batch = CASES[network]
    config = replace(keypoint_preset(network), size=size, precision=precision)
    net = keypoint_net(config)
    model = TrainedNet(
        net, lambda y, out: keypoint_objective(y, out, config.sigma, config.hard_fraction, config.category_weight)
    )
    model.track(["global", "refined", "category"])
    model.compile(optimizer=adamw(1e-3, config.weight_decay, config.clip_norm), jit_compile=False)
    rng, count = np.random.default_rng(SEED), len(config.vocabulary.keypoints)
    some = np.ones((batch, count), np.float32)
    targets = {
        "heatmaps": rng.random((batch, size // 4, size // 4, count), np.float32),
        "labelled": some,
        "mask": some,
        "category": np.zeros(batch, np.int32),
        "readable": np.ones(batch, np.float32),
    }
    inputs = {"image": rng.uniform(0, 255, (batch, size, size, 3)).astype(np.float32), "mask": some}
    for _ in range(2):
        model.train_on_batch(inputs, targets)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(STEPS):
            model.train_on_batch(inputs, targets)
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
                if (
                    ":" in name
                    and "::" not in name
                    and kind.isidentifier()
                    and kind[0] in "_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                ):
                    taken[kind] += event.duration_ps / 1e9 / STEPS
    return taken


def main() -> None:
    console = Console(width=100)
    for network in sys.argv[1:] or CASES:
        if network not in CASES:
            raise SystemExit(f"no network called {network}; these are there: {', '.join(CASES)}")
        size, batch = CASES[network]
        for precision in ("float32", "mixed_bfloat16"):
            taken = profile(network, precision)
            whole = sum(taken.values())
            title = f"{network}, batch {batch}, {size} px, {precision}"
            table = Table("operation", "ms a step", "share", title=title)
            for kind, milliseconds in taken.most_common(SHOWN):
                table.add_row(kind, f"{milliseconds:.1f}", f"{milliseconds / whole:.1%}")
            console.print(table)
            work = sum(value for kind, value in taken.items() if kind.startswith(MATRIX_WORK))
            report("training_profile", f"{title}, matrix work", 100 * work / whole, "% of all operations")


if __name__ == "__main__":
    main()
