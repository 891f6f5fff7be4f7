"""Measures the share of the time in which a network computes in `aifashion predict`, on a folder of 500 JPEGs.

Both networks are `lite` with random weights at their usual sizes; the time does not depend on the weights.
"""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from measure import SEED, report

from aifashion.config import attribute_preset, keypoint_preset
from aifashion.data_gen.formats.fashionai_attributes import attribute_heads
from aifashion.data_gen.synthetic.writer import write_dataset
from aifashion.recognition.two_stage_model import load_two_stage_model
from aifashion.top import predict as command
from aifashion.unet.predictors import attribute_net, keypoint_net
from aifashion.unet.runs import new_run, save_model

PHOTOS, SIDE, ROUNDS = 500, 512, 5


class Busy:
    """Adds up the seconds inside the functions that it wraps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrapped(self, function: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray], Any]:
        def timed(images: np.ndarray) -> Any:
            start = time.perf_counter()
            try:
                return function(images)
            finally:
                self.seconds += time.perf_counter() - start

        return timed


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_dataset(folder / "data", PHOTOS, SEED, SIDE, test_count=0, workers=2)
        keypoints, attributes = keypoint_preset("lite"), replace(attribute_preset("lite"), crop="heatmap")
        heads = attribute_heads(ordinal=True)
        first = new_run(folder, "all", keypoints)
        save_model(first, keypoint_net(keypoints), 1, 0.5, 1)
        second = new_run(folder / "attributes", "all", attributes)
        (second / "heads.json").write_text(json.dumps([asdict(head) for head in heads]))
        save_model(second, attribute_net(attributes, heads), 1, 0.5, 1)
        model = load_two_stage_model(first, second)
        assert model.attributes is not None
        busy = Busy()
        timed = replace(
            model,
            keypoints=replace(model.keypoints, maps=busy.wrapped(model.keypoints.maps)),
            attributes=replace(model.attributes, predict=busy.wrapped(model.attributes.predict)),
        )
        command.load_two_stage_model = lambda *_: timed
        shares, rates = [], []
        for number in range(ROUNDS + 1):
            busy.seconds, start = 0.0, time.perf_counter()
            options = command.Arguments(photos=folder / "data" / "train" / "Images", out=folder / f"{number}.csv")
            command.predict(options)
            taken = time.perf_counter() - start
            if number:  # the first round also compiles
                shares.append(busy.seconds / taken)
                rates.append(PHOTOS / taken)

    report("two_stage_predict", f"{PHOTOS} JPEGs of {SIDE} px, network at work", 100 * np.median(shares), "%", ">= 85")
    report("two_stage_predict", f"{PHOTOS} JPEGs of {SIDE} px, lite + lite", float(np.median(rates)), "photos/s")


if __name__ == "__main__":  # drawing processes import this file again
    main()
