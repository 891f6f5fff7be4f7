"""Runs training steps of a keypoint network on random photos and weights; the time depends on neither.

As a script it runs a step for every line that `training_peers.py` sends.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from measure import SEED

from aifashion.config import KeypointConfig, Precision, keypoint_preset
from aifashion.unet.losses import keypoint_objective
from aifashion.unet.optimizers import adamw
from aifashion.unet.predictors import keypoint_net
from aifashion.unet.training import TrainedNet


def training_model(config: KeypointConfig) -> TrainedNet:
    """A network with random weights, its losses and its optimizer, as in train.py."""
    model = TrainedNet(
        keypoint_net(config),
        lambda y, out: keypoint_objective(y, out, config.sigma, config.hard_fraction, config.category_weight),
    )
    model.track(["global", "refined", "category"])
    model.compile(optimizer=adamw(config.learning_rate, config.weight_decay, config.clip_norm), jit_compile=False)
    return model


def training_step(
    network: str, batch: int, side: int, precision: Precision = "float32"
) -> tuple[Callable[[], Any], int]:
    """A function that runs one step on a batch of photos of `side` px, and the number of trained weights."""
    config = replace(keypoint_preset(network), size=side, batch_size=batch, precision=precision)
    model = training_model(config)
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
    weights = sum(int(np.prod(weight.shape)) for weight in model.net.trainable_weights)
    return lambda: model.train_on_batch(inputs, targets), weights


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("size", "batch", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--precision", choices=get_args(Precision), required=True)
    options = parser.parse_args()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    step, parameters = training_step(options.network, options.batch, options.size, options.precision)
    for _ in range(2):  # trace and compile
        step()
    print(json.dumps({"parameters": parameters}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        step()
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()
