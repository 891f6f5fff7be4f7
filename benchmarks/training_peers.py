"""A training step beside the same network in PyTorch eager: `python benchmarks/training_peers.py [lite] [v11]`.

The networks take turns in processes of their own, so that nothing else is loaded beside them; ratios are medians over
the rounds of the ratios within a round. PyTorch is measured in both of its memory layouts, of which the faster counts.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from measure import report

HERE = Path(__file__).resolve().parent
TORCH = HERE.parent / ".venv-peers" / "torch" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
ROUNDS = {"lite": 5, "v11": 3}
CASES = {"lite": {"size": 256, "batch": 16, "steps": 6}, "v11": {"size": 256, "batch": 4, "steps": 3}}
PRECISIONS = ("float32", "mixed_bfloat16")
LAYOUTS = ("contiguous_format", "channels_last")


def seconds(python: object, worker: Path, **words: object) -> float:
    """Of a step, the median. Both workers build networks of as many parameters."""
    options = [f"--{name}={word}" for name, word in {**words, "threads": os.cpu_count()}.items()]
    done = subprocess.run([str(python), str(worker), *options], check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    print(f"{worker.name} {' '.join(options)}: {np.median(told['seconds']):.3f} s, {told['parameters']} parameters")
    return float(np.median(told["seconds"]))


def measure(network: str) -> None:
    case = CASES[network]
    own: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    eager: dict[tuple[str, str], list[float]] = {(p, layout): [] for p in PRECISIONS for layout in LAYOUTS}
    for _ in range(ROUNDS[network]):
        for precision, taken in own.items():
            words = {"network": network, "precision": precision, **case}
            taken.append(seconds(sys.executable, HERE / "random_training.py", **words))
        for (precision, layout), taken in eager.items():
            words = {"network": network, "precision": precision, "layout": layout, **case}
            taken.append(seconds(TORCH, HERE / "peers" / "worker_torch_training.py", **words))
    name = f"{network}, batch {case['batch']}, {case['size']} px"
    for precision, taken in own.items():
        report("training_peers", f"{name}, {precision}", case["batch"] / float(np.median(taken)), "images/s")
        best = min((eager[precision, layout] for layout in LAYOUTS), key=np.median)
        bound = ">= 1.5" if precision == "float32" else ""
        report("training_peers", f"{name}, {precision}, times as fast as PyTorch eager", ratio(best, taken), "x", bound)
    faster = ratio(own["float32"], own["mixed_bfloat16"])
    report("training_peers", f"{name}, mixed_bfloat16, times as fast as float32", faster, "x", ">= 1")


def ratio(one: list[float], other: list[float]) -> float:
    return float(np.median(np.array(one) / np.array(other)))


def main() -> None:
    unknown = sorted(set(sys.argv[1:]) - set(CASES))
    if unknown:
        raise SystemExit(f"no network called {', '.join(unknown)}; these are there: {', '.join(CASES)}")
    subprocess.run([sys.executable, str(HERE / "peers" / "environments.py"), "torch"], check=True)
    for network in sys.argv[1:] or CASES:
        measure(network)


if __name__ == "__main__":
    main()
