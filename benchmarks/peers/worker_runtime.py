"""This project's runtime: an exported artifact, without TensorFlow."""

from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
from worker import Options, Peer, heatmap_peer, serve

from aifashion.serve.runtime import load_network

MODES = ("heatmaps", "keypoints")
Predict = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""images (B, S, S, 3) uint8 -> maps and category probabilities (B, C), float32."""


def load(artifact_folder: Path, mode: str, threads: int) -> Predict:
    """Loads the artifact in one of MODES: maps are heatmaps (B, h, w, K), not masked, or keypoints (B, K, 3) that the
    artifact decodes itself: x and y in px of the input, and the peak.
    """
    network = load_network(artifact_folder, (mode, "category"), threads)
    everything = np.ones((1, len(network.manifest.keypoint_config.vocabulary.keypoints)), np.float32)

    def predict(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        told = network(images, mask=np.repeat(everything, len(images), axis=0))
        return told[mode], told["category"]

    return predict


def build(options: Options) -> Peer:
    """A mode is loaded when it is first used, so a round holds only what it needs."""
    folder = options.artifact
    assert folder is not None
    loaded = cache(lambda mode: load(folder, mode, options.threads))
    chosen = {"mode": MODES[0]}
    return heatmap_peer(
        options.config,
        lambda images: loaded(chosen["mode"])(images),
        f"OpenVINO {version('openvino')}",
        modes=MODES,
        use=lambda mode: chosen.update(mode=mode),
        heatmaps=lambda images: {options.precision: loaded("heatmaps")(images)[0]},
    )


if __name__ == "__main__":
    serve(build)
