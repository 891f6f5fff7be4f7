"""The runtime: from process start to a first result, and a folder of photos against the bare networks.

Weights are random: how long a network takes does not depend on them. Photos are drawn.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure import SEED, report
from random_artifacts import attribute_artifact, keypoint_artifact

from aifashion.config import attribute_preset, keypoint_preset
from aifashion.data_gen.images import read_image
from aifashion.data_gen.synthetic.writer import write_dataset
from aifashion.serve.artifact import Numbers
from aifashion.top import predict as command
from aifashion.top.two_stage_model import TwoStageModel, load_two_stage_model

SIDE, BATCH, STARTS, ROUNDS, LEARNED = 512, 16, 7, 5, 16
FOLDERS = {"lite": 1000, "v11": 200}
"""Photos in the folder of each keypoint network."""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["AIFASHION_CACHE"], os.environ["AIFASHION_RUN_LOG"] = str(folder / "cache"), ""
        write_dataset(folder / "data", max(FOLDERS.values()), SEED, SIDE, test_count=0, workers=2)
        photos = sorted((folder / "data").rglob("*.jpg"))
        learned = [read_image(path) for path in photos[:LEARNED]]
        precisions: tuple[Numbers, ...] = ("bf16", "int8")
        second_config = replace(attribute_preset("lite"), crop="heatmap")
        attributes = {p: attribute_artifact(folder / f"attributes_{p}", second_config, p, learned) for p in precisions}
        for network, count in FOLDERS.items():
            some = _subset(folder / network, photos[:count])
            for precision in precisions:
                second = attributes[precision]
                first = keypoint_artifact(
                    folder / f"{network}_{precision}", keypoint_preset(network), precision, learned
                )
                if network == "lite":
                    _starts(first, second, photos[0], precision, folder)
                _throughput(load_two_stage_model(first, second), some, f"{network} + lite, {precision}", folder)


def _subset(folder: Path, photos: list[Path]) -> Path:
    folder.mkdir()
    for path in photos:
        (folder / path.name).hardlink_to(path)
    return folder


def _starts(first: Path, second: Path, photo: Path, precision: str, folder: Path) -> None:
    words = ["aifashion.top.cli", "predict", photo, "--modelfile", first, "--attributes", second]
    taken = []
    for _ in range(STARTS + 1):
        start = time.perf_counter()
        out = ("--out", folder / "first.json")
        subprocess.run([sys.executable, "-m", *map(str, (*words, *out))], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    report("runtime", f"predict of one photo, lite + lite, {precision}, first start ever", taken[0], "s")
    report("runtime", f"predict of one photo, lite + lite, {precision}", float(np.median(taken[1:])), "s", "< 1.5")


def _throughput(model: TwoStageModel, photos: Path, case: str, folder: Path) -> None:
    """Both in turn, so that a slow moment of the machine meets both."""
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
        command.predict(command.Arguments(photos, out=folder / f"{number}.csv", batch_size=BATCH))
        if number:  # the first round also compiles
            bare.append(max(1, count // BATCH // 4) * BATCH / (middle - start))
            whole.append(count / (time.perf_counter() - middle))
    report("runtime", f"{count} JPEGs of {SIDE} px, {case}", float(np.median(whole)), "photos/s")
    share = 100 * float(np.median(np.array(whole) / np.array(bare)))
    report("runtime", f"{count} JPEGs of {SIDE} px, {case}, of the bare networks' rate", share, "%", ">= 90")


if __name__ == "__main__":  # the processes that draw import this file again
    main()
