"""Measures the memory of `aifashion predict` on very many photos: links to a small drawn photo.

    python benchmarks/predict_memory.py [--count 100000] [--suffix .csv]

Prints the memory of the process (RSS) after 1,000 photos, the peak after that, and the memory at the end. The growth
must be below 50 MB for any number of photos, since rows are streamed into the table; otherwise the exit code is 1.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BOUND = 50.0  # MB
AFTER = 1000  # photos


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--suffix", default=".csv", choices=(".csv", ".json", ".parquet"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_links(folder, args.count)
        out = folder / f"table{args.suffix}"
        first, most, last, seconds = watched(folder / "photos", out)
        rows = count_rows(out)
    print(
        f"{rows:,} rows {args.suffix}: {first:.0f} MB after {AFTER:,} photos, at most {most:.0f} MB, {last:.0f} MB at "
        f"the end (growth {most - first:.0f} MB, bound {BOUND:.0f}), {seconds:.0f} s"
    )
    raise SystemExit(rows != args.count or most - first > BOUND)


def make_links(folder: Path, count: int) -> None:
    import cv2
    import numpy as np

    from aifashion.data_gen.synthetic.scene import render

    photo = render(np.random.default_rng(1), 96, "dress").image
    (folder / "photos").mkdir()
    cv2.imwrite(str(folder / "photo.jpg"), photo[..., ::-1])
    for number in range(count):
        (folder / "photos" / f"{number:06d}.jpg").symlink_to(folder / "photo.jpg")


def watched(photos: Path, out: Path) -> tuple[float, float, float, float]:
    """Memory in MB after the first photos, the peak from then on, and at the end; and the seconds of the run."""
    command = [sys.executable, "-m", "aifashion.top.cli", "predict", str(photos), "--out", str(out)]
    start = time.monotonic()
    networks = ["--model", "shipped", "--attributes", "shipped"]
    process = subprocess.Popen([*command, *networks], stdout=subprocess.DEVNULL)
    partial, first, most, last = out.with_name(out.name + ".partial"), None, 0.0, 0.0
    while process.poll() is None:
        memory = resident(process.pid)
        if first is None and partial.is_file():
            with partial.open("rb") as file:
                done = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
            first = memory if done > AFTER else None
        if first is not None and memory:
            most, last = max(most, memory), memory
        time.sleep(0.05 if first is None else 0.2)
    if process.returncode or first is None:
        raise SystemExit(f"predict ended with {process.returncode}")
    return first, most, last, time.monotonic() - start


def resident(process: int) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def count_rows(out: Path) -> int:
    if out.suffix == ".parquet":
        import pyarrow.parquet

        return pyarrow.parquet.read_metadata(out).num_rows
    with out.open(encoding="utf-8") as file:
        if out.suffix == ".csv":
            return sum(1 for _ in file) - 1
        return sum(line.startswith('  "photo"') for line in file)


if __name__ == "__main__":
    main()
