"""Compares a training step with PyTorch eager: `python benchmarks/training_peers.py [lite] [v11]`.

Every network runs in its own process, one step at a time in turn. Ratios are of the fastest steps: on a shared
machine, the other steps mostly measure the load. PyTorch is measured in both memory layouts; the faster one counts.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from measure import report
from turns import Worker

HERE = Path(__file__).resolve().parent
TORCH = HERE.parent / ".venv-peers" / "torch" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
CASES = {"lite": (256, 16, 20), "v11": (256, 4, 10)}
"""Side in px, batch size, and rounds."""
PRECISIONS = ("float32", "mixed_bfloat16")
LAYOUTS = ("contiguous_format", "channels_last")
PAUSE = 0.3
"""Seconds until the threads of a library stop waiting for more work on the cores."""


def measure(network: str) -> None:
    size, batch, rounds = CASES[network]
    options = {"network": network, "size": size, "batch": batch, "threads": os.cpu_count()}
    workers = {(p, "own"): Worker(_words(sys.executable, "random_training.py", options, p)) for p in PRECISIONS}
    for precision in PRECISIONS:
        for layout in LAYOUTS:
            command = _words(TORCH, "peers/worker_torch_training.py", options | {"layout": layout}, precision)
            workers[precision, layout] = Worker(command)
    sizes = [worker.facts["parameters"] for worker in workers.values()]
    # The convolutions of the ResNets in keras.applications have biases that the following normalisation cancels.
    if max(sizes) - min(sizes) > 0.002 * max(sizes):
        raise SystemExit(f"networks of different sizes: {sizes}")
    taken: dict[tuple[str, str], list[float]] = {key: [] for key in workers}
    for _ in range(rounds):
        for key, worker in workers.items():
            taken[key].append(worker.ask(step=1)["seconds"])
            time.sleep(PAUSE)
    for key, worker in workers.items():
        worker.close()
        print(f"{network}, {', '.join(key)}: {np.median(taken[key]):.3f} s, fastest {min(taken[key]):.3f} s")
    name = f"{network}, batch {batch}, {size} px"
    fastest = {key: min(times) for key, times in taken.items()}
    for precision in PRECISIONS:
        own = fastest[precision, "own"]
        report("training_peers", f"{name}, {precision}", batch / own, "images/s")
        best = min(fastest[precision, layout] for layout in LAYOUTS)
        bound = ">= 1.5" if precision == "float32" else ""
        report("training_peers", f"{name}, {precision}, times as fast as PyTorch eager", best / own, "x", bound)
    faster = fastest["float32", "own"] / fastest["mixed_bfloat16", "own"]
    report("training_peers", f"{name}, mixed_bfloat16, times as fast as float32", faster, "x", ">= 1")


def _words(python: object, script: str, options: Mapping[str, object], precision: str) -> list[object]:
    given = {**options, "precision": precision}
    return [python, HERE / script, *(f"--{name}={word}" for name, word in given.items())]


def main() -> None:
    unknown = sorted(set(sys.argv[1:]) - set(CASES))
    if unknown:
        raise SystemExit(f"no network called {', '.join(unknown)}; these are there: {', '.join(CASES)}")
    subprocess.run([sys.executable, str(HERE / "peers" / "environments.py"), "torch"], check=True)
    for network in sys.argv[1:] or CASES:
        measure(network)


if __name__ == "__main__":
    main()
