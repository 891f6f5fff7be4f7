"""Measures peak memory of `train.py` with `lite` at batch 16 and 256 px, including validation."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from measure import SEED, report

from aifashion.data_gen.synthetic.writer import write_dataset

SCRIPT = Path(__file__).resolve().parent.parent / "src" / "top" / "train.py"

with tempfile.TemporaryDirectory() as folder:
    write_dataset(Path(folder) / "data", 400, SEED, 256, test_count=0)
    options = {
        "network": "lite",
        "size": 256,
        "batch-size": 16,
        "epochs": 2,
        "data": f"{folder}/data",
        "output": folder,
    }
    command = [sys.executable, str(SCRIPT), *(f"--{name}={value}" for name, value in options.items())]
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.02)
    if process.wait():
        raise SystemExit("the training failed")

report("training_memory", "lite, batch 16, 256 px, peak", peak / 2**30, "GiB", "< 3")
