"""The same network with the same weights in PyTorch, eager: float32, or bfloat16."""

# pyright: reportMissingImports=false

import numpy as np
import timm
from safetensors.numpy import load_file
from torch_cpn import Cpn
from torch_modes import EagerNetwork, arrays, versions
from worker import Options, Peer, heatmap_peer, serve


def build(options: Options) -> Peer:
    weights = load_file(options.work / "weights.safetensors")
    network = EagerNetwork(Cpn(weights, options.facts), options.precision, options.threads)

    def predict(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        heatmaps, scores = arrays(network(images))
        return heatmaps.transpose(0, 2, 3, 1), scores

    def heatmaps(images: np.ndarray) -> dict[str, np.ndarray]:
        exact = EagerNetwork(Cpn(weights, options.facts), "f32", options.threads)
        differing = {"f32": arrays(exact(images))[0].transpose(0, 2, 3, 1)}
        return differing | {options.precision: predict(images)[0]}

    return heatmap_peer(
        options.config,
        predict,
        f"{versions()}, timm {timm.__version__}",
        modes=network.modes,
        use=network.use,
        heatmaps=heatmaps,
    )


if __name__ == "__main__":
    serve(build)
