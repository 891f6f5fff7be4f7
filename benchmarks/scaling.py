"""Measures time and memory of `lite` by batch size, image size and cores, in training and in the runtime.

Every case runs in its own process, so its peak memory is its own. Weights and images are random. The rate is that of
the fastest step: on a shared machine, the other steps mostly measure the load.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure import SEED, report

CASES = [(4, 192, 2), (16, 192, 2), (64, 192, 2), (16, 128, 2), (16, 256, 2), (16, 384, 2), (16, 192, 1)]
"""Batch, side in px, cores."""
SINGLE = [(1, 192, 2), (1, 192, 1)]
"""Cases for the runtime only."""
SECONDS = 6.0


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        for what, cases in (("training", CASES), ("runtime", [*SINGLE, *CASES])):
            for batch, side, cores in cases:
                options = [sys.executable, __file__, what, name, str(batch), str(side), str(cores)]
                done = subprocess.run(options, check=True, stdout=subprocess.PIPE, text=True)
                rate, memory = json.loads(done.stdout.splitlines()[-1])
                case = f"{what} of lite, batch {batch}, {side} px, {cores} cores"
                report("scaling", case, rate, "images/s")
                report("scaling", f"{case}, peak", memory, "GiB")


def measured(what: str, folder: Path, batch: int, side: int, cores: int) -> None:
    """Prints images/s and peak memory in GiB."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    step = {"training": training, "runtime": runtime}[what](folder, batch, side)
    for _ in range(3):
        step()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < SECONDS or len(times) < 10:
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps([batch / min(times), peak]))


def training(folder: Path, batch: int, side: int):
    from random_training import training_step

    return training_step("lite", batch, side)[0]


def runtime(folder: Path, batch: int, side: int):
    from aifashion.serve.runtime import keypoint_predict, load_network

    artifact = folder / f"lite_{side}"
    if not artifact.is_dir():
        subprocess.run([sys.executable, __file__, "export", str(folder), "0", str(side), "0"], check=True)
    predict = keypoint_predict(load_network(artifact, ("heatmaps", "category")))
    images = np.random.default_rng(SEED).integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
    return lambda: predict(images)


def exported(folder: Path, side: int) -> None:
    from random_artifacts import keypoint_artifact

    from aifashion.config import keypoint_preset

    keypoint_artifact(folder / f"lite_{side}", replace(keypoint_preset("lite"), size=side), "bfloat16")


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"], os.environ["AIFASHION_CACHE"] = "3", ""
    if len(sys.argv) < 2:
        main()
    elif sys.argv[1] == "export":
        exported(Path(sys.argv[2]), int(sys.argv[4]))
    else:
        measured(sys.argv[1], Path(sys.argv[2]), *(int(word) for word in sys.argv[3:6]))
