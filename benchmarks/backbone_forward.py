"""Compares the forward time of every network of the residual family with its reference in PyTorch.

    python benchmarks/backbone_forward.py [NAME...]

Each network runs in both frameworks on one photo and the same cores, in turn; a ratio is that of the medians. The
fastest mode of each framework counts: PyTorch eager, contiguous or channels last; Keras by `predict_on_batch`, with or
without XLA. The OpenVINO artifact that the runtime uses has its own rows. Run nothing else at the same time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measure import interleaved, report
from turns import Worker

from aifashion.unet.framework import import_keras

HERE = Path(__file__).resolve().parent / "peers"
ENVIRONMENTS = HERE.parents[1] / ".venv-peers"
BOUND = 1.2
"""Limit of the time of Keras's fastest mode divided by PyTorch's."""


class Reference(Worker):
    """The same network in PyTorch, in a process with its own environment; it computes when asked."""

    def __init__(self, python: Path, name: str, side: int, threads: int) -> None:
        options = [python, HERE / "worker_backbone.py", name, side, threads]
        super().__init__(options, os.environ | {"OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""})
        self.modes: list[str] = self.facts["modes"]

    def use(self, mode: str) -> None:
        self.ask(use=mode)

    def __call__(self) -> None:
        self.ask(run=1)


def keras_modes(name: str, side: int, folder: Path) -> dict[str, Callable[[], object]]:
    """Functions that run the network once, by name of the mode; each has already run before."""
    import keras

    from aifashion.serve.converters import convert
    from aifashion.unet.backbones.residual import build_residual

    image = np.random.default_rng(0).integers(0, 256, (1, side, side, 3)).astype(np.float32)
    modes: dict[str, Callable[[], object]] = {}
    for compiled in (False, True):
        net = build_residual(name, (side, side, 3))
        net.jit_compile = compiled
        modes["xla" if compiled else "graph"] = lambda net=net: net.predict_on_batch(image)
    convert(keras.Model(net.input, net.output["P5"]), "openvino", "float32", folder)
    modes["openvino"] = openvino_call(folder / "model.xml", image)
    return modes


def openvino_call(path: Path, image: np.ndarray) -> Callable[[], object]:
    import openvino

    model = openvino.Core().compile_model(path, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    return lambda: model({0: image})


def compare(name: str, python: Path, side: int, rounds: int, threads: int) -> dict[str, float]:
    """Median seconds by mode; `torch` is the faster mode of PyTorch."""
    with tempfile.TemporaryDirectory() as work:
        modes = keras_modes(name, side, Path(work))
        reference = Reference(python, name, side, threads)
        try:
            seconds = {}
            for mode in reference.modes:
                reference.use(mode)
                (seconds[mode],) = interleaved([reference], 3)
            reference.use(min(seconds, key=lambda mode: seconds[mode]))
            medians = interleaved([reference, *modes.values()], rounds)
        finally:
            reference.close()
    return dict(zip(["torch", *modes], medians, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="networks; all by default")
    parser.add_argument("--side", type=int, default=224, help="of the photo in px")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--python", type=Path, help="an interpreter with torch and timm; one is prepared by default")
    parser.add_argument("--record", type=int, choices=(0, 1), default=1, help="add rows to results.csv")
    options = parser.parse_args()
    python = options.python
    if python is None:
        subprocess.run([sys.executable, HERE / "environments.py", "torch"], check=True)
        python = ENVIRONMENTS / "torch" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    import_keras()
    import tensorflow as tf

    from aifashion.unet.backbones.residual import RESIDUAL

    # Keras traverses the graph from output to input by recursion, one frame per layer.
    sys.setrecursionlimit(10_000)
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    for name in options.names or RESIDUAL:
        medians = compare(name, python, options.side, options.rounds, options.threads)
        told = ", ".join(f"{mode} {1000 * value:.1f} ms" for mode, value in medians.items())
        best = min(medians["graph"], medians["xla"]) / medians["torch"]
        print(f"{name}: {told}; Keras {best:.2f} times, OpenVINO {medians['openvino'] / medians['torch']:.2f} times")
        if options.record:
            case = f"{name}, {options.side} px"
            report("backbone_forward", f"{case}: Keras by PyTorch", best, "times", f"<= {BOUND}")
            report("backbone_forward", f"{case}: runtime by PyTorch", medians["openvino"] / medians["torch"], "times")
            for mode, value in medians.items():
                report("backbone_forward", f"{case}: {mode}", 1000 * value, "ms")


if __name__ == "__main__":
    main()
