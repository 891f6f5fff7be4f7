"""The network as an ONNX file in ONNX Runtime."""

from collections.abc import Sequence

import numpy as np
import onnxruntime  # pyright: ignore[reportMissingImports]
from worker import Options, Peer, heatmap_peer, serve


class Session:
    """An ONNX file with an input of uint8 images (B, S, S, 3) and one of masks (B, K), found by their shapes.

    Outputs, also found by their shapes: heatmaps (B, h, w, K); category scores (B, C); and, if the file decodes the
    heatmaps itself, keypoints (B, K, 3): x and y in px of the input, and the peak.
    """

    def __init__(self, path: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        inputs = {len(value.shape): value for value in self.session.get_inputs()}
        self.image = inputs[4].name
        self.float_image = inputs[4].type == "tensor(float)"
        self.mask, self.count = (inputs[2].name, inputs[2].shape[1]) if 2 in inputs else (None, 0)
        self.outputs = {len(value.shape): value.name for value in self.session.get_outputs()}

    def run(self, images: np.ndarray, ranks: Sequence[int]) -> list[np.ndarray]:
        """The outputs with these numbers of axes: 4 heatmaps, 3 keypoints, 2 category scores."""
        fed = {self.image: images.astype(np.float32) if self.float_image else images}
        if self.mask is not None:
            fed[self.mask] = np.ones((len(images), self.count), np.float32)
        return self.session.run([self.outputs[rank] for rank in ranks], fed)

    def predict(self, images: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """Heatmaps (rank 4) or keypoints (rank 3) of the images, and their category scores."""
        if 2 in self.outputs:
            maps, scores = self.run(images, (rank, 2))
            return maps, scores
        return self.run(images, (rank,))[0], np.ones((len(images), 1), np.float32)


def build(options: Options) -> Peer:
    """Modes: heatmaps are decoded by the file itself, if it can, or by the project's codec."""
    session = Session(str(options.artifact), options.threads)
    ranks = {"codec": 4} | ({"file": 3} if 3 in session.outputs else {})
    chosen = {"rank": 4}
    return heatmap_peer(
        options.config,
        lambda images: session.predict(images, chosen["rank"]),
        f"onnxruntime {onnxruntime.__version__}",
        modes=tuple(ranks),
        use=lambda mode: chosen.update(rank=ranks[mode]),
        heatmaps=lambda images: {options.precision: session.predict(images, 4)[0]},
    )


if __name__ == "__main__":
    serve(build)
