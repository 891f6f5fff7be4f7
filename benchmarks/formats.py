"""Measures writing and reading annotations of 100,000 garments, one per photo, in every format that can do both.

Each step runs in its own process; its peak memory includes Python and the libraries. There are no photos, except for
the format whose reader needs their size: there they are links to a few files, whose headers are read.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from aifashion.data_gen.formats.label_samples import convertible
from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.data_gen.formats.table import FORMATS
from aifashion.records import Keypoints
from aifashion.vocabulary import Vocabulary, load_vocabulary

COUNT, SIZE, SEED = 100_000, (800, 600), 0
FILES = {"fashionai": "x.csv", "coco": "x.json", "label-studio": "x.json", "cvat": "x.xml", "table": "x.csv"}
"""Formats that write one file; all others write folders."""
NEED_PHOTOS = ("yolo-pose",)


def vocabulary_of(name: str) -> Vocabulary:
    return load_vocabulary("deepfashion2" if name == "deepfashion2" else "fashionai")


def drawn_labels(root: Path, vocabulary: Vocabulary, count: int) -> LabelSet:
    """Garments of all categories in turn; the keypoints are at random places, one in ten hidden or absent."""
    rng, photos = np.random.default_rng(SEED), []
    for number in range(1, count + 1):
        category = vocabulary.definitions[number % len(vocabulary.definitions)]
        points = len(category.keypoints)
        state = rng.choice((-1, 0, 1), points, p=(0.1, 0.1, 0.8))
        state[0] = 1
        xy = np.where(state[:, None] < 0, -1, np.round(rng.uniform(0, np.array(SIZE) - 1, (points, 2)), 2))
        garment = LabelledGarment(str(number), category.name, category.keypoints, Keypoints(xy, state))
        photos.append(LabelledPhoto(f"photos/{number:06d}.png", SIZE, (garment,)))
    return LabelSet(root, root, tuple(photos))


def write(name: str, root: Path) -> None:
    target, vocabulary = FORMATS[name], vocabulary_of(name)
    labels = drawn_labels(root, vocabulary, COUNT)
    start = time.perf_counter()
    assert target.write is not None
    target.write(convertible(labels, target, vocabulary), root / FILES.get(name, "set"), vocabulary)
    print(time.perf_counter() - start, _peak())


def read(name: str, root: Path) -> None:
    entry, vocabulary = FORMATS[name], vocabulary_of(name)
    start = time.perf_counter()
    assert entry.read is not None
    found = convertible(entry.read(root / FILES.get(name, "set")), FORMATS["fashionai"], vocabulary)
    taken = time.perf_counter() - start
    if found.garment_count != COUNT or found.problems:
        raise SystemExit(f"{name}: {found.garment_count} of {COUNT} garments came back: {found.problems[:1]}")
    print(taken, _peak())


def make_photos(root: Path) -> None:
    """COUNT links to a few files, each with no more links than every file system allows."""
    (root / "photos").mkdir()
    for number in range(1, COUNT + 1):
        first = (number - 1) // 10_000 * 10_000 + 1
        path = root / "photos" / f"{number:06d}.png"
        if number == first:
            Image.new("RGB", SIZE).save(path)
        else:
            os.link(root / "photos" / f"{first:06d}.png", path)


def _peak() -> float:
    """Peak memory in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))


def main() -> None:
    from measure import report  # asks for the versions of all libraries

    for name, entry in FORMATS.items():
        if entry.read is None or entry.write is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            if name in NEED_PHOTOS:
                make_photos(Path(folder))
            figures = []
            for step in ("write", "read"):
                command = [sys.executable, __file__, step, name, folder]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                figures.append([float(word) for word in done.stdout.split()[-2:]])
        case = f"{COUNT:,} garments, {name}"
        for step, (taken, peak) in zip(("write", "read"), figures, strict=True):
            report("formats", f"{case}, {step}", taken, "s", "< 20")
            report("formats", f"{case}, {step}, peak", peak, "MiB", "< 500")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        {"write": write, "read": read}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
    else:
        main()
