"""RTMPose-m with random weights and 24 keypoints, in PyTorch eager. The whole photo is the person's box."""

# pyright: reportMissingImports=false

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch_modes import EagerNetwork, arrays, versions
from torch_rtmpose import HEIGHT, SPLIT, WIDTH, RTMPose
from worker import Options, Peer, read_jpeg, serve

from aifashion.data_gen.preprocess import letterboxed


def finish(told: Sequence[np.ndarray], frames: Sequence[Any]) -> list[np.ndarray]:
    """Scores (B, K, 384) and (B, K, 512) -> the highest class of each axis as a point in px of the photo."""
    xy = np.stack([scores.argmax(-1) for scores in told], axis=-1) / SPLIT
    return [frame.back(points) for frame, points in zip(frames, xy, strict=True)]


def build(options: Options) -> Peer:
    torch.manual_seed(0)
    keypoints = len(options.config.vocabulary.keypoints)
    network = EagerNetwork(RTMPose(keypoints), options.precision, options.threads)
    return Peer(
        prepare=lambda data: letterboxed(read_jpeg(data), (WIDTH, HEIGHT)),
        infer=lambda images: arrays(network(np.stack(images))),
        finish=finish,
        versions=versions(),
        modes=network.modes,
        use=network.use,
    )


if __name__ == "__main__":
    serve(build)
