"""Artifacts at work, without TensorFlow and Keras: the `predict` functions that the evaluation takes.

OpenVINO computes by default; ONNX Runtime is the portable second, and LiteRT the one of small devices.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from ..eval.activation import ActivationNet
from ..eval.attribute_inference import AttributePredict
from ..eval.inference import KeypointPredict
from .artifact import KERNELS, MODEL_FILES, ArtifactError, Manifest

Arrays = dict[str, np.ndarray]
Compute = Callable[[Mapping[str, np.ndarray]], Arrays]
"""Inputs by name -> outputs by name, all with the batch in front."""


@dataclass(frozen=True, eq=False)
class Network:
    """An artifact that is loaded.

    compute: of any batch but an empty one. prepare: makes ready for batches of a length, which else the first one does.
    note: what was done otherwise than asked.
    """

    folder: Path
    manifest: Manifest
    compute: Compute
    prepare: Callable[[int], Any] = lambda batch: None
    note: str | None = None

    @property
    def side(self) -> int:
        return int(self.manifest.config["size"])

    def __call__(self, images: np.ndarray, **more: np.ndarray) -> Arrays:
        """images (B, S, S, 3) uint8, B > 0 -> outputs by name. Raises ValueError for another shape or type."""
        wanted = (self.side, self.side, 3)
        if images.ndim != 4 or images.shape[1:] != wanted or images.dtype != np.uint8 or not len(images):
            raise ValueError(
                f"{self.folder} takes images (B, {', '.join(map(str, wanted))}) of uint8, B > 0; "
                f"got {images.shape} of {images.dtype}. An artifact has one size: other scales need the run itself"
            )
        return self.compute({"image": np.ascontiguousarray(images), **more})


def load_network(folder: Path, outputs: tuple[str, ...] = (), threads: int | None = None) -> Network:
    """The network of an artifact, in the runtime of its format.

    outputs: names of those that are wanted, all by default; where the runtime can, the rest is not computed.
    threads: at most so many, the runtime's own choice by default. Raises ArtifactError where the artifact is damaged,
    of another version, or for a runtime that is not installed.
    """
    folder = Path(folder)
    manifest = Manifest.read(folder)
    loaders = {"openvino": _load_openvino, "onnx": _load_onnx, "litert": _load_litert}
    if manifest.format not in loaders:
        raise ArtifactError(f"{folder} is a SavedModel, which TensorFlow runs: export {', '.join(loaders)} for here")
    path = folder / MODEL_FILES[manifest.format]
    try:
        loaded = loaders[manifest.format](path, manifest, outputs, threads)
    except ImportError as error:
        raise ArtifactError(
            f"{folder} needs {error.name}, which is not installed: pip install 'aifashion[export]', or take an "
            "artifact for OpenVINO"
        ) from None
    except RuntimeError as error:
        raise ArtifactError(f"{path} cannot be loaded ({str(error).splitlines()[0]}): export the run again") from None
    return Network(folder, manifest, *loaded)


def keypoint_predict(network: Network) -> KeypointPredict:
    """images (B, S, S, 3) uint8 -> heatmaps (B, h, w, K), not masked, and category probabilities (B, C), float32."""
    config = network.manifest.keypoint_config
    count, (h, w) = len(config.vocabulary.keypoints), config.codec.shape

    def predict(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not len(images):
            return np.zeros((0, h, w, count), np.float32), np.zeros((0, len(config.vocabulary.categories)), np.float32)
        outputs = network(images, mask=np.ones((len(images), count), np.float32))
        return outputs["heatmaps"], outputs["category"]

    return predict


def attribute_predict(network: Network) -> AttributePredict:
    """images (B, S, S, 3) uint8, S as exported -> logits by head, (B, logits) float32."""
    network.manifest.attribute_config  # noqa: B018  raises for a keypoint network
    heads = network.manifest.heads

    def predict(images: np.ndarray) -> Arrays:
        if not len(images):
            return {
                head.name: np.zeros((0, len(head.classes) - (head.kind == "ordinal")), np.float32) for head in heads
            }
        outputs = network(images)
        return {head.name: outputs[f"logits_{head.name}"] for head in heads}

    return predict


def attribute_outputs(manifest: Manifest) -> tuple[str, ...]:
    """Names of what `attribute_predict` reads."""
    return tuple(f"logits_{head.name}" for head in manifest.heads)


def activation_net(network: Network) -> ActivationNet | None:
    """Where the classifier looks; None for one whose crops do not depend on it."""
    path = network.folder / KERNELS
    if KERNELS not in network.manifest.files:
        return None
    from safetensors.numpy import load_file

    heads = network.manifest.heads

    def features(images: np.ndarray) -> tuple[np.ndarray, Arrays]:
        outputs = network(images)
        return outputs["features"], {head.name: outputs[f"logits_{head.name}"] for head in heads}

    return ActivationNet(features, load_file(path), heads, network.side)


KEPT_SHAPES = 4
"""Lengths of batches for which a compiled network is kept."""
LARGE_BATCH = 4
"""From here on a batch is divided among streams of one core each, which need not wait for each other at every layer."""


class _Loaded(NamedTuple):
    """What a runtime gives of an artifact; see `Network`."""

    compute: Compute
    prepare: Callable[[int], Any] = lambda batch: None
    note: str | None = None


def _load_openvino(path: Path, manifest: Manifest, outputs: tuple[str, ...], threads: int | None) -> _Loaded:
    openvino = _openvino()
    core = openvino.Core()
    cache = cache_folder()
    if cache is not None:
        core.set_property({"CACHE_DIR": str(cache)})
    model = core.read_model(path)
    if outputs:
        for result in list(model.get_results()):
            if not set(outputs) & set(result.input_value(0).get_names()):
                model.remove_result(result)
    names = [next(iter(output.get_names())) for output in model.outputs]
    wanted = [next(iter(taken.get_names())) for taken in model.inputs]
    low, note = manifest.precision != "float32", None
    if low and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        low, note = False, f"this processor has no bfloat16: {path.parent} is computed in float32 where it is not int8"
    options = {"INFERENCE_PRECISION_HINT": "bf16" if low else "f32"}
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = str(threads)

    compiling, computing = Lock(), Lock()

    @lru_cache(maxsize=KEPT_SHAPES)
    def requests(batch: int) -> list[Any]:
        """One request of the whole batch, or where it is large enough one a stream, each of an equal part."""
        if batch < LARGE_BATCH:
            return [_compiled(core, model, batch, options | {"PERFORMANCE_HINT": "LATENCY"}).create_infer_request()]
        streams = min(threads or _cores(), batch // 2)
        divided = options | {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(streams)}
        compiled = _compiled(core, model, -(-batch // streams), divided)
        return [compiled.create_infer_request() for _ in range(streams)]

    def prepared(batch: int) -> list[Any]:
        with compiling:  # who comes second waits, instead of compiling it once more
            return requests(batch)

    def compute(inputs: Mapping[str, np.ndarray]) -> Arrays:
        batch = len(inputs["image"])
        workers = prepared(batch)
        part = -(-batch // len(workers))
        # The last part is filled up with the last image.
        rows = [np.minimum(np.arange(n * part, (n + 1) * part), batch - 1) for n in range(len(workers))]
        parts = [{name: inputs[name][chosen] for name in wanted} for chosen in rows]
        with computing:  # requests are not for two at a time
            for worker, batch_part in zip(workers, parts, strict=True):
                worker.start_async(batch_part, share_inputs=True)
            for worker in workers:
                worker.wait()
            answers = {name: np.concatenate([worker.get_tensor(name).data for worker in workers]) for name in names}
        return {name: values[:batch] for name, values in answers.items()}

    return _Loaded(compute, prepared, note)


def cache_folder() -> Path | None:
    """Where compiled networks are kept, so that the next start takes a third of the time; None for nowhere.

    The folder that AIFASHION_CACHE names (empty: none), or else the user's own for such things.
    """
    named = os.environ.get("AIFASHION_CACHE")
    if named is not None:
        return Path(named) if named else None
    if os.name == "nt":
        above = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        above = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = above / "aifashion"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _openvino() -> Any:
    # Its converters load with it, and take longer than all the rest; it does without them where they are not there.
    hidden = "openvino.tools.ovc"
    if "openvino" not in sys.modules and hidden not in sys.modules:
        sys.modules[hidden] = None  # pyright: ignore[reportArgumentType]
        try:
            import openvino
        finally:
            del sys.modules[hidden]
    import openvino

    return openvino


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _compiled(core: Any, model: Any, batch: int, options: dict[str, str]) -> Any:
    # With every shape known beforehand the network runs up to twice as fast.
    fixed = model.clone()
    fixed.reshape({next(iter(i.get_names())): [batch, *list(i.get_partial_shape())[1:]] for i in fixed.inputs})
    return core.compile_model(fixed, "CPU", options)


def _load_onnx(path: Path, manifest: Manifest, outputs: tuple[str, ...], threads: int | None) -> _Loaded:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common base but Exception
        raise RuntimeError(str(error)) from error
    wanted = {taken.name for taken in session.get_inputs()}
    known = [output.name for output in session.get_outputs()]
    asked = [name for name in known if not outputs or name in outputs]

    def compute(inputs: Mapping[str, np.ndarray]) -> Arrays:
        answers = session.run(asked, {name: inputs[name] for name in wanted})
        return dict(zip(asked, (np.asarray(array) for array in answers), strict=True))

    return _Loaded(compute)


def _load_litert(path: Path, manifest: Manifest, outputs: tuple[str, ...], threads: int | None) -> _Loaded:
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(str(path), num_threads=threads)
        run = interpreter.get_signature_runner()
    except ValueError as error:
        raise RuntimeError(str(error)) from error
    wanted = set(interpreter.get_signature_list()["serving_default"]["inputs"])

    def compute(inputs: Mapping[str, np.ndarray]) -> Arrays:
        answers = run(**{name: inputs[name] for name in wanted})
        return {name: np.array(array) for name, array in answers.items() if not outputs or name in outputs}

    return _Loaded(compute)
