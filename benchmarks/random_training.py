"""A training step of a keypoint network on random photos, whose weights start at random: no time depends on either.

Called by itself it times some steps and prints a line for `training_peers.py`.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from measure import SEED

from aifashion.config import Precision, keypoint_preset
from aifashion.unet.losses import keypoint_objective
from aifashion.unet.optimizers import adamw
from aifashion.unet.predictors import keypoint_net
from aifashion.unet.training import TrainedNet


def training_step(
    network: str, batch: int, side: int, precision: Precision = "float32"
) -> tuple[Callable[[], Any], int]:
    """A function that does one step with a batch of photos of `side` px, and the number of trained weights."""
    config = replace(keypoint_preset(network), size=side, batch_size=batch, precision=precision)
    net = keypoint_net(config)
    model = TrainedNet(
        net, lambda y, out: keypoint_objective(y, out, config.sigma, config.hard_fraction, config.category_weight)
    )
    model.track(["global", "refined", "category"])
    model.compile(optimizer=adamw(config.learning_rate, config.weight_decay, config.clip_norm), jit_compile=False)
    rng, count = np.random.default_rng(SEED), len(config.vocabulary.keypoints)
    ones = np.ones((batch, count), np.float32)
    inputs = {"image": rng.integers(0, 256, (batch, side, side, 3)).astype(np.float32), "mask": ones}
    targets = {
        "heatmaps": rng.random((batch, *config.codec.shape, count), np.float32),
        "labelled": ones,
        "mask": ones,
        "category": np.zeros(batch, np.int32),
        "readable": np.ones(batch, np.float32),
    }
    weights = sum(int(np.prod(weight.shape)) for weight in net.trainable_weights)
    return lambda: model.train_on_batch(inputs, targets), weights


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("size", "batch", "steps", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--precision", choices=get_args(Precision), required=True)
    words = parser.parse_args()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(words.threads)
    step, parameters = training_step(words.network, words.batch, words.size, words.precision)
    taken = []
    for _ in range(2 + words.steps):
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    # The first two trace and compile.
    print(json.dumps({"seconds": taken[2:], "parameters": parameters}))


if __name__ == "__main__":
    main()
