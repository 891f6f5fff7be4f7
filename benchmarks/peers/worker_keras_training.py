"""Training steps of this project's network: `training_peers.py` starts it and reads the line it prints."""

import argparse
import json
import time
from dataclasses import replace

import numpy as np

from aifashion.config import keypoint_preset
from aifashion.unet.start import import_keras


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("size", "batch", "steps", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--precision", choices=("float32", "mixed_bfloat16"), required=True)
    words = parser.parse_args()
    import_keras()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(words.threads)
    from aifashion.unet.losses import keypoint_objective
    from aifashion.unet.optimizers import adamw
    from aifashion.unet.predictors import keypoint_net
    from aifashion.unet.training import TrainedNet

    config = replace(keypoint_preset(words.network), size=words.size, precision=words.precision)
    net = keypoint_net(config)
    model = TrainedNet(
        net, lambda y, out: keypoint_objective(y, out, config.sigma, config.hard_fraction, config.category_weight)
    )
    model.track(["global", "refined", "category"])
    model.compile(optimizer=adamw(1e-3, config.weight_decay, config.clip_norm), jit_compile=False)
    rng, count = np.random.default_rng(0), len(config.vocabulary.keypoints)
    some = np.ones((words.batch, count), np.float32)
    batch = {
        "image": rng.uniform(0, 255, (words.batch, words.size, words.size, 3)).astype(np.float32),
        "mask": some,
        "heatmaps": rng.random((words.batch, words.size // 4, words.size // 4, count), np.float32),
        "labelled": some,
        "category": np.zeros(words.batch, np.int32),
        "readable": np.ones(words.batch, np.float32),
    }

    def step() -> float:
        start = time.perf_counter()
        model.train_on_batch({"image": batch["image"], "mask": some}, batch)
        return time.perf_counter() - start

    for _ in range(2):
        step()
    parameters = sum(int(np.prod(weight.shape)) for weight in net.trainable_weights)
    print(json.dumps({"seconds": [step() for _ in range(words.steps)], "parameters": parameters}))


if __name__ == "__main__":
    main()
