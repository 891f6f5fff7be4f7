"""Measures the runtime: process start to first result, and throughput on a folder compared with the bare networks.

`python benchmarks/runtime.py [shipped] [lite] [v11]`: the shipped keypoint network and classifier, and others with
random weights, which do not change the times. Photos are drawn.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure import SEED, report
from random_artifacts import attribute_artifact, keypoint_artifact

from aifashion.config import attribute_preset, keypoint_preset
from aifashion.data_gen.images import read_image
from aifashion.data_gen.synthetic.writer import write_dataset
from aifashion.recognition.two_stage_model import TwoStageModel, load_two_stage_model
from aifashion.serve.artifact import Numbers
from aifashion.serve.shipped import shipped
from aifashion.top import predict as command

SIDE, BATCH, STARTS, ROUNDS, LEARNED = 512, 16, 7, 5, 16
FOLDERS = {"shipped": 1000, "lite": 1000, "v11": 200}
"""Photos in the folder of each pair of networks; each other pair has the name of its keypoint network."""


def main(names: list[str]) -> None:
    unknown = sorted(set(names) - set(FOLDERS))
    if unknown:
        raise SystemExit(f"no pair called {', '.join(unknown)}; these are there: {', '.join(FOLDERS)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["AIFASHION_CACHE"], os.environ["AIFASHION_RUN_LOG"] = str(folder / "cache"), ""
        counts = {name: FOLDERS[name] for name in names or FOLDERS}
        write_dataset(folder / "data", max(counts.values()), SEED, SIDE, test_count=0, workers=2)
        photos = sorted((folder / "data").rglob("*.jpg"))
        for pair, count in counts.items():
            some = _subset(folder / pair, photos[:count])
            for first, second, case in _pairs(folder, pair, [read_image(path) for path in photos[:LEARNED]]):
                if pair != "v11":
                    _starts(first, second, photos[0], case, folder)
                _throughput(load_two_stage_model(first, second), some, case, folder)


def _pairs(folder: Path, pair: str, learned: list[np.ndarray]) -> Iterator[tuple[Path, Path, str]]:
    """The artifacts of both stages, and their name."""
    if pair == "shipped":
        yield shipped("keypoints"), shipped("attributes"), "the shipped networks"
        return
    precisions: tuple[Numbers, ...] = ("bfloat16", "int8")
    for precision in precisions:
        config, attributes = keypoint_preset(pair), replace(attribute_preset("lite"), crop="heatmap")
        first = keypoint_artifact(folder / f"{pair}_{precision}", config, precision, learned)
        second = attribute_artifact(folder / f"{pair}_attributes_{precision}", attributes, precision, learned)
        yield first, second, f"{pair} + lite, {precision}"


def _subset(folder: Path, photos: list[Path]) -> Path:
    folder.mkdir()
    for path in photos:
        (folder / path.name).hardlink_to(path)
    return folder


def _starts(first: Path, second: Path, photo: Path, case: str, folder: Path) -> None:
    options = ["aifashion.top.cli", "predict", photo, "--model", first, "--attributes", second]
    taken = []
    for _ in range(STARTS + 1):
        start = time.perf_counter()
        out = ("--out", folder / "first.json")
        subprocess.run([sys.executable, "-m", *map(str, (*options, *out))], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    report("runtime", f"predict of one photo, {case}, first start ever", taken[0], "s")
    report("runtime", f"predict of one photo, {case}", float(np.median(taken[1:])), "s", "< 1.5")


def _throughput(model: TwoStageModel, photos: Path, case: str, folder: Path) -> None:
    """Measures both in turn, so that a slow moment of the machine affects both."""
    assert model.attributes is not None
    count = len(list(photos.iterdir()))
    command.load_two_stage_model = lambda *_: model
    sides = model.keypoints.config.size, model.attributes.config.size
    ready = [np.random.default_rng(SEED).integers(0, 256, (BATCH, s, s, 3), dtype=np.uint8) for s in sides]
    bare, whole = [], []
    for number in range(ROUNDS + 1):
        start = time.perf_counter()
        for _ in range(max(1, count // BATCH // 4)):
            model.keypoints.maps(ready[0])
            model.attributes.predict(ready[1])
        middle = time.perf_counter()
        command.predict(command.Arguments(photos=photos, out=folder / f"{number}.csv", batch_size=BATCH))
        if number:  # the first round also compiles
            bare.append(max(1, count // BATCH // 4) * BATCH / (middle - start))
            whole.append(count / (time.perf_counter() - middle))
    report("runtime", f"{count} JPEGs of {SIDE} px, {case}", float(np.median(whole)), "photos/s")
    share = 100 * float(np.median(np.array(whole) / np.array(bare)))
    report("runtime", f"{count} JPEGs of {SIDE} px, {case}, of the bare networks' rate", share, "%", ">= 90")


if __name__ == "__main__":  # drawing processes import this file again
    main(sys.argv[1:])
