"""Runs the benchmarks, each in a process of its own: `python benchmarks/run.py [NAME...]`."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = (
    "startup",
    "synthetic",
    "augmentation",
    "decoding",
    "attribute_batches",
    "catalogue_list",
    "training_step",
    "training_memory",
    "two_stage_predict",
    "runtime",
    "scaling",
    "service",
)


def main(names: list[str]) -> None:
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise SystemExit(f"no benchmark called {', '.join(unknown)}; these are there: {', '.join(NAMES)}")
    failed = [n for n in names or NAMES if subprocess.run([sys.executable, str(HERE / f"{n}.py")]).returncode]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main(sys.argv[1:])
