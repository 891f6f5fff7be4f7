"""Artifacts at work, without TensorFlow and Keras: the `predict` functions that the evaluation takes.

OpenVINO computes by default; ONNX Runtime is the portable second, and LiteRT the one of small devices.
"""

import hashlib
import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from ..eval.activation import ActivationNet
from ..eval.attribute_inference import AttributePredict
from ..eval.detection import Detect
from ..eval.inference import KeypointPredict
from ..files import read_regular
from .artifact import KERNELS, MODEL_FILES, ArtifactError, Manifest
from .blobs import cache_folder, read_blob, write_blob
from .processor import cpu_quota, fast_bfloat16, usable_cores
from .signature import Array, Signature, check_signature

log = logging.getLogger(__name__)
Arrays = dict[str, np.ndarray]
Compute = Callable[[Mapping[str, np.ndarray]], Arrays]
"""Inputs by name -> outputs by name, all with the batch in front."""


@dataclass(frozen=True, eq=False)
class Network:
    """An artifact that is loaded.

    compute: of any batch but an empty one. prepare: makes ready for batches of a length, which else the first one does;
    where that fails, the first one raises the error. note: what was done otherwise than asked.
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


def load_network(
    folder: Path, outputs: tuple[str, ...] = (), threads: int | None = None, as_exported: bool = False
) -> Network:
    """The network of an artifact, in the runtime of its format.

    outputs: names of those that are wanted, all by default; where the runtime can, the rest is not computed.
    threads: at most so many, all that this process can use by default. as_exported: in bfloat16 also on processors
    where that is slower than float32. Raises ArtifactError where the artifact is damaged, of another version, or for a
    runtime that is not installed, and where its network is not the one that the manifest describes.
    """
    folder = Path(folder)
    manifest = Manifest.read(folder)
    loaders = {"openvino": _load_openvino, "onnx": _load_onnx, "litert": _load_litert}
    if manifest.format not in loaders:
        raise ArtifactError(f"{folder} is a SavedModel, which TensorFlow runs: export {', '.join(loaders)} for here")
    path = folder / MODEL_FILES[manifest.format]
    try:
        loaded = loaders[manifest.format](path, manifest, outputs, _Options(threads, as_exported))
    except ImportError as error:
        raise ArtifactError(
            f"{folder} needs {error.name}, which is not installed: pip install 'aifashion[export]', or take an "
            "artifact for OpenVINO"
        ) from None
    except RuntimeError as error:
        raise _unusable(path, error) from None
    check_signature(manifest, loaded.signature)
    return Network(folder, manifest, _named(path, loaded.compute), _quiet(_named(path, loaded.prepare)), loaded.note)


def _unusable(path: Path, error: Exception) -> ArtifactError:
    """The runtime's reason in full: often only its last line says what is wrong."""
    reason = " ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__
    return ArtifactError(
        f"{path} cannot be loaded, although its sha256 is right: {reason}; export the run again with the versions that "
        "are installed here"
    )


def _named(path: Path, function: Callable) -> Callable:
    def call(argument: Any) -> Any:
        try:
            return function(argument)
        except RuntimeError as error:
            raise _unusable(path, error) from error

    return call


def _quiet(prepare: Callable) -> Callable:
    # It runs in threads of its own, whose errors nobody would catch.
    def call(batch: int) -> Any:
        with suppress(ArtifactError):
            return prepare(batch)

    return call


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


def detection_predict(network: Network) -> Detect:
    """images (B, S, S, 3) uint8 -> probabilities (B, h, w, C) and distances (B, h, w, C, 4), float32."""
    config = network.manifest.detection_config
    shape = (*config.codec.shape, len(config.vocabulary.categories))

    def predict(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not len(images):
            return np.zeros((0, *shape), np.float32), np.zeros((0, *shape, 4), np.float32)
        outputs = network(images)
        return outputs["heat"], outputs["distances"]

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
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    heads = network.manifest.heads
    try:
        kernels = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}): export the run again") from None
    widths = {head.name: len(head.classes) - (head.kind == "ordinal") for head in heads}
    if {name: kernel.shape[1:] for name, kernel in kernels.items()} != {n: (w,) for n, w in widths.items()}:
        raise ArtifactError(f"{path} does not hold the weights of the heads {', '.join(widths)}: export the run again")

    def features(images: np.ndarray) -> tuple[np.ndarray, Arrays]:
        outputs = network(images)
        return outputs["features"], {head.name: outputs[f"logits_{head.name}"] for head in heads}

    return ActivationNet(features, kernels, heads, network.side)


KEPT_SHAPES = 4
"""Lengths of batches for which a compiled network is kept."""
LARGE_BATCH = 4
"""From here on a batch is divided among streams of one core each, which need not wait for each other at every layer."""


class _Options(NamedTuple):
    """See `load_network`."""

    threads: int | None
    as_exported: bool


class _Loaded(NamedTuple):
    """What a runtime gives of an artifact; see `Network`."""

    signature: Signature
    compute: Compute
    prepare: Callable[[int], Any] = lambda batch: None
    note: str | None = None


def _load_openvino(path: Path, manifest: Manifest, outputs: tuple[str, ...], asked: _Options) -> _Loaded:
    openvino = _openvino()
    core = openvino.Core()
    folder = cache_folder()
    model = core.read_model(path)
    signature = Signature(_openvino_arrays(model.inputs), _openvino_arrays(model.outputs))
    if outputs:
        for result in list(model.get_results()):
            if not set(outputs) & set(result.input_value(0).get_names()):
                model.remove_result(result)
    names = [next(iter(output.get_names())) for output in model.outputs]
    wanted = [next(iter(taken.get_names())) for taken in model.inputs]
    note = _no_bfloat16(core, path.parent, asked.as_exported) if manifest.precision != "float32" else None
    low = manifest.precision != "float32" and note is None
    options = {"INFERENCE_PRECISION_HINT": "bf16" if low else "f32"}
    threads = asked.threads
    if threads is None and cpu_quota() is not None:
        threads = usable_cores()  # the runtime's own choice knows nothing of quotas
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = str(threads)
    identity = [manifest.files, names, openvino.get_version(), core.get_property("CPU", "FULL_DEVICE_NAME")]
    identity.append(sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")))

    def compiled(batch: int, options: dict[str, str]) -> Any:
        if folder is None:
            return _compiled(core, model, batch, options)
        key = hashlib.sha256(json.dumps([identity, batch, options]).encode()).hexdigest()
        kept = folder / f"{key}.blob"
        blob = read_blob(kept)
        if blob is not None:
            try:
                return core.import_model(blob, "CPU", options)
            except RuntimeError as error:
                log.info(f"{kept} cannot be used ({error}): the network is compiled again")
        made = _compiled(core, model, batch, options)
        with suppress(RuntimeError):  # what cannot be kept is compiled again at the next start
            write_blob(kept, made.export_model().getvalue())
        return made

    compiling, computing = Lock(), Lock()

    @lru_cache(maxsize=KEPT_SHAPES)
    def requests(batch: int) -> list[Any]:
        """One request of the whole batch, or where it is large enough one a stream, each of an equal part."""
        if batch < LARGE_BATCH:
            return [compiled(batch, options | {"PERFORMANCE_HINT": "LATENCY"}).create_infer_request()]
        streams = min(threads or usable_cores(), batch // 2)
        divided = options | {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(streams)}
        network = compiled(-(-batch // streams), divided)
        return [network.create_infer_request() for _ in range(streams)]

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

    return _Loaded(signature, compute, prepared, note)


def _no_bfloat16(core: Any, folder: Path, as_exported: bool) -> str | None:
    """Why float32 takes the place of bfloat16; None where it does not."""
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return f"this processor has no bfloat16: {folder} is computed in float32 where it is not int8"
    if not as_exported and not fast_bfloat16():
        return (
            "this processor has no matrix unit for bfloat16 (AMX), and is slower in it than in float32: "
            f"{folder} is computed in float32 where it is not int8"
        )
    return None


def _openvino_arrays(ports: Iterable[Any]) -> dict[str, Array]:
    found = {}
    for port in ports:
        shape = [side.get_length() if side.is_static else None for side in port.get_partial_shape()][1:]
        found[next(iter(port.get_names()))] = Array(tuple(shape), port.get_element_type().to_dtype().name)
    return found


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


def _compiled(core: Any, model: Any, batch: int, options: dict[str, str]) -> Any:
    # With every shape known beforehand the network runs up to twice as fast.
    fixed = model.clone()
    fixed.reshape({next(iter(i.get_names())): [batch, *list(i.get_partial_shape())[1:]] for i in fixed.inputs})
    return core.compile_model(fixed, "CPU", options)


_EXTERNAL_DATA = b"\x0a\x08location\x12"
"""In an ONNX file: the key of a tensor that lies in another file, as its protocol buffers write it."""
_ONNX_TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}


def _load_onnx(path: Path, manifest: Manifest, outputs: tuple[str, ...], asked: _Options) -> _Loaded:
    import onnxruntime

    content = read_regular(path)
    if _EXTERNAL_DATA in content:
        raise ArtifactError(f"{path} has weights in other files, which no export writes: export the run again")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = asked.threads or usable_cores()
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common base but Exception
        raise RuntimeError(str(error)) from error
    signature = Signature(_onnx_arrays(session.get_inputs()), _onnx_arrays(session.get_outputs()))
    names = [name for name in signature.outputs if not outputs or name in outputs]

    def compute(inputs: Mapping[str, np.ndarray]) -> Arrays:
        try:
            answers = session.run(names, {name: inputs[name] for name in signature.inputs})
        except Exception as error:
            raise RuntimeError(str(error)) from error
        return dict(zip(names, (np.asarray(array) for array in answers), strict=True))

    return _Loaded(signature, compute)


def _onnx_arrays(ports: Iterable[Any]) -> dict[str, Array]:
    return {
        port.name: Array(
            tuple(side if isinstance(side, int) else None for side in (port.shape or [])[1:]),
            _ONNX_TYPES.get(port.type) or str(port.type),
        )
        for port in ports
    }


def _load_litert(path: Path, manifest: Manifest, outputs: tuple[str, ...], asked: _Options) -> _Loaded:
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(str(path), num_threads=asked.threads or usable_cores())
        run = interpreter.get_signature_runner()
    except ValueError as error:
        raise RuntimeError(str(error)) from error
    signature = Signature(_litert_arrays(run.get_input_details()), _litert_arrays(run.get_output_details()))

    def compute(inputs: Mapping[str, np.ndarray]) -> Arrays:
        answers = run(**{name: inputs[name] for name in signature.inputs})
        return {name: np.array(array) for name, array in answers.items() if not outputs or name in outputs}

    return _Loaded(signature, compute)


def _litert_arrays(details: Mapping[str, Any]) -> dict[str, Array]:
    return {
        name: Array(
            tuple(int(side) if side >= 0 else None for side in list(port["shape_signature"])[1:]),
            np.dtype(port["dtype"]).name,
        )
        for name, port in details.items()
    }
