"""Functions that all benchmarks use: they measure a value and add it as a row to results.csv."""

import csv
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results.csv"
SEED = 0
COLUMNS = [
    "benchmark",
    "case",
    "value",
    "unit",
    "bound",
    "seed",
    "commit",
    "time",
    "machine",
    "cores",
    "python",
    "numpy",
    "opencv",
    "keras",
    "tensorflow",
]


def seconds(task: Callable[[], object], rounds: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Median time of a call, after a first one that is not counted."""
    task()
    return float(np.median([_once(task, clock) for _ in range(rounds)]))


def interleaved(tasks: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Median times of calls that take turns, so that a slow moment of the machine affects all of them."""
    for task in tasks:
        task()
    return np.median([[_once(task, time.perf_counter) for task in tasks] for _ in range(rounds)], axis=0).tolist()


def _once(task: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    task()
    return clock() - start


def report(benchmark: str, case: str, value: float, unit: str, bound: str = "") -> None:
    """Prints the value and adds it to results.csv. bound: its limit, such as `>= 250`."""
    row = [benchmark, case, f"{value:.4g}", unit, bound, SEED, _commit(), datetime.now(UTC).isoformat("T", "seconds")]
    row += [_processor(), os.cpu_count(), platform.python_version()]
    row += [version(name) for name in ("numpy", "opencv-python-headless", "keras", "tensorflow")]
    new = not RESULTS.exists()
    with RESULTS.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        writer.writerow(row)
    print(f"{benchmark:<16} {case:<44} {value:>10.4g} {unit:<12} {bound}", flush=True)


def _commit() -> str:
    def git(*options: str) -> str:
        return subprocess.run(("git", *options), capture_output=True, text=True, cwd=RESULTS.parent).stdout.strip()

    changed = git("status", "--porcelain", "--", "../src", "../requirements.lock")
    return git("rev-parse", "--short", "HEAD") + ("+changes" if changed else "")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
