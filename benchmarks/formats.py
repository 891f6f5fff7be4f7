"""Annotations of 100,000 garments, a photo each, written and read again in every format that goes both ways.

Each format runs in a process of its own, whose peak memory includes Python and the libraries. The photos are not there,
as for whoever converts on another machine.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from aifashion.data_gen.formats.conversion import convertible, garment_count
from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.data_gen.formats.table import FORMATS
from aifashion.records import Keypoints
from aifashion.vocabulary import load_vocabulary

COUNT, SIZE, SEED = 100_000, (800, 600), 0
NAMES = {"CSV file": "labels.csv", "JSON file": "labels.json", "XML file": "labels.xml"}
"""By what a format writes; all others write folders."""


def drawn_labels(count: int) -> LabelSet:
    """Garments of all categories in turn, their points at random places of the photo, one in ten hidden or absent."""
    vocabulary, rng = load_vocabulary(), np.random.default_rng(SEED)
    photos = []
    for number in range(count):
        category = vocabulary.definitions[number % len(vocabulary.definitions)]
        points = len(category.keypoints)
        state = rng.choice((-1, 0, 1), points, p=(0.1, 0.1, 0.8))
        state[0] = 1
        xy = np.where(state[:, None] < 0, -1, np.round(rng.uniform(0, np.array(SIZE) - 1, (points, 2)), 2))
        garment = LabelledGarment(str(number + 1), category.name, category.keypoints, Keypoints(xy, state))
        photos.append(LabelledPhoto(f"Images/{category.name}/{number:06d}.jpg", SIZE, (garment,)))
    return LabelSet(Path("drawn"), Path("drawn"), tuple(photos))


def write(name: str, out: Path) -> None:
    target, vocabulary = FORMATS[name], load_vocabulary()
    labels = drawn_labels(COUNT)
    start = time.perf_counter()
    assert target.write is not None
    target.write(convertible(labels, target, vocabulary), out, vocabulary)
    print(time.perf_counter() - start, _peak())


def read(name: str, out: Path) -> None:
    entry, vocabulary = FORMATS[name], load_vocabulary()
    start = time.perf_counter()
    assert entry.read is not None
    found = convertible(entry.read(out), FORMATS["fashionai"], vocabulary)
    taken = time.perf_counter() - start
    if garment_count(found) != COUNT or found.problems:
        raise SystemExit(f"{name}: {garment_count(found)} of {COUNT} garments came back")
    print(taken, _peak())


def _peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))


def main() -> None:
    from measure import report  # asks for the versions of all libraries

    for name, entry in FORMATS.items():
        if entry.read is None or entry.write is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / NAMES.get(entry.writes, "set")
            figures = []
            for step in ("write", "read"):
                command = [sys.executable, __file__, step, name, str(out)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                figures.append([float(word) for word in done.stdout.split()[-2:]])
            case = f"{COUNT:,} garments, {name}"
            for step, (taken, _) in zip(("write", "read"), figures, strict=True):
                report("formats", f"{case}, {step}", taken, "s")
            report("formats", f"{case}, write and read", sum(taken for taken, _ in figures), "s", "< 20")
            report("formats", f"{case}, peak", max(peak for _, peak in figures), "MiB", "< 500")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        {"write": write, "read": read}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
    else:
        main()
