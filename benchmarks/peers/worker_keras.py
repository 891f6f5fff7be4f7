"""The same weights in `predict` of Keras: single photos, and folders in batches of 16."""

from importlib.metadata import version
from pathlib import Path

from worker import Options, Peer, heatmap_peer, serve

from aifashion.unet.predictors import keypoint_predictor, trained_keypoint_net


def build(options: Options) -> Peer:
    predict = keypoint_predictor(trained_keypoint_net(options.config, Path(options.facts["weights"])))
    versions = f"Keras {version('keras')}, TensorFlow {version('tensorflow')}"
    return heatmap_peer(
        options.config, predict, versions, batches=(1, 16), heatmaps=lambda images: {"f32": predict(images)[0]}
    )


if __name__ == "__main__":
    serve(build)
