"""Measures the cost of detection: `predict --garments all` compared with one garment for the whole photo.

One photo: the time for a drawn photo in which the detector finds one garment, and three, compared with both other
stages on the same photo. A folder: drawn scenes of several garments. Memory: the peak of the whole command.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import SEED, interleaved, report

import aifashion
from aifashion.data_gen.images import read_image
from aifashion.data_gen.synthetic.scene_set import SceneCounts, write_scenes
from aifashion.recognition.recognizer import Recognizer

SIDE, COUNT, ROUNDS, FOLDER_ROUNDS, SHOWN = 512, 1000, 31, 3, 200
PREDICT = ("-m", "aifashion.top.cli", "predict")
WAYS = {"whole photos": (), "all garments": ("--garments", "all")}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["AIFASHION_CACHE"], os.environ["AIFASHION_RUN_LOG"] = str(folder / "cache"), ""
        write_scenes(folder / "scenes", SceneCounts.of(COUNT, 0, 0), SEED, SIDE, workers=2)
        photos = sorted((folder / "scenes").rglob("*.jpg"))
        one_photo(aifashion.load("shipped", "shipped"), photos)
        whole_folder(photos, folder)


def one_photo(recognizer: Recognizer, photos: list[Path]) -> None:
    """Photos are in memory: the decoder is not measured."""
    found: dict[int, np.ndarray] = {}
    for path in photos[:SHOWN]:
        garments = recognizer.garments(path)
        found.setdefault(sum(bool(garment.found) for garment in garments), read_image(path))
    for count, bound in ((1, "<= 1.35"), (3, "<= 2.2")):
        photo = found[count]
        plain, detected = interleaved([lambda p=photo: recognizer(p), lambda p=photo: recognizer.garments(p)], ROUNDS)
        report("garments", f"one photo with {count} found, whole photo", 1000 * plain, "ms")
        report("garments", f"one photo with {count} found, --garments all, compared", detected / plain, "times", bound)


def whole_folder(photos: list[Path], folder: Path) -> None:
    """Whole commands, the start of the process included, in turns."""
    some = folder / "some"
    some.mkdir()
    for path in photos:
        (some / path.name).hardlink_to(path)
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    rows, peaks = 0, {}
    for number in range(FOLDER_ROUNDS + 1):
        for way, options in WAYS.items():
            out = folder / f"{number} {way}.csv"
            start = time.perf_counter()
            peak = peak_of([sys.executable, *PREDICT, str(some), *options, "--out", str(out)])
            if number:  # the first one fills the cache of compiled networks
                taken[way].append(time.perf_counter() - start)
                peaks[way] = peak
            rows = len(out.read_text(encoding="utf-8").splitlines()) - 1
    plain, detected = (np.array(taken[way]) for way in WAYS)
    report("garments", f"{len(photos)} scenes, rows with --garments all", rows, "rows")
    report("garments", f"{len(photos)} scenes, whole photos", len(photos) / float(np.median(plain)), "photos/s")
    rate = len(photos) / float(np.median(detected))
    report("garments", f"{len(photos)} scenes, --garments all", rate, "photos/s", ">= 60")
    share = float(np.median(plain / detected))
    report("garments", f"{len(photos)} scenes, --garments all, rate compared", share, "times", ">= 0.5")
    memory = peaks["all garments"] / peaks["whole photos"]
    report("garments", f"{len(photos)} scenes, --garments all, peak memory compared", memory, "times", "<= 1.2")


def peak_of(command: list[str]) -> float:
    """Runs it; returns its peak memory in MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))


if __name__ == "__main__":  # drawing processes import this file again
    main()
