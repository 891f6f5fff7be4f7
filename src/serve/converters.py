"""A Keras model -> the file of a format, in a precision. The libraries load when they are needed."""

import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..extras import explained
from .artifact import MODEL_FILES, ArtifactError, Format, Numbers

# OpenVINO's converter and NNCF report their use to their makers through this package, unless it is not there.
sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]

HEAVY = {"Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul", "Conv", "ConvTranspose", "Gemm"}
"""Operations that are worth computing in int8, as OpenVINO and as ONNX name them."""

Batches = Sequence[dict[str, np.ndarray]]


def convert(net: keras.Model, form: Format, precision: Numbers, folder: Path, calibration: Batches = ()) -> None:
    """Writes the model file into the folder.

    calibration: batches by input name, from which int8 learns the range of every layer. Raises ArtifactError where a
    library is missing or int8 has no batches.
    """
    if precision == "int8" and not calibration:
        raise ArtifactError("int8 needs photos from which it learns the range of every layer: name them with --data")
    target = folder / MODEL_FILES[form]
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converters' own code
        try:
            {"openvino": _openvino, "onnx": _onnx, "litert": _litert, "saved_model": _saved_model}[form](
                net, precision, target, Path(scratch), calibration
            )
        except ImportError as error:
            raise ArtifactError(str(explained(error, f"{form} in {precision}"))) from None


def _saved_model(net: keras.Model, precision: Numbers, target: Path, scratch: Path, calibration: Batches) -> None:
    net.export(target, format="tf_saved_model", verbose=False)


def _openvino(net: keras.Model, precision: Numbers, target: Path, scratch: Path, calibration: Batches) -> None:
    import openvino
    from openvino.tools.ovc import convert_model

    _saved_model(net, "float32", scratch / "saved_model", scratch, ())
    model = convert_model(scratch / "saved_model")
    if precision == "int8":
        model = _quantised(model, calibration, _openvino_float_part(model))
    # Halves the file; what is computed in bfloat16 or int8 has no use for more.
    openvino.save_model(model, target, compress_to_fp16=precision != "float32")


def _onnx(net: keras.Model, precision: Numbers, target: Path, scratch: Path, calibration: Batches) -> None:
    import onnx
    import tensorflow as tf
    import tf2onnx
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    # Frozen first: left to itself, tf2onnx makes an input of every constant that a layer holds, such as the mean of a
    # Normalization, and a network with such inputs nobody can call.
    specs = {name: tf.TensorSpec((None, *taken.shape[1:]), taken.dtype, name) for name, taken in net.input.items()}
    function = tf.function(lambda taken: net(taken, training=False)).get_concrete_function(specs)
    frozen = convert_variables_to_constants_v2(function)
    names = {tensor.name: tensor.name.partition(":")[0] for tensor in frozen.inputs}
    names |= dict(zip((tensor.name for tensor in frozen.outputs), sorted(function.structured_outputs), strict=True))
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it calls what tf2onnx uses deprecated
    tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(),
        input_names=[tensor.name for tensor in frozen.inputs],
        output_names=[tensor.name for tensor in frozen.outputs],
        tensors_to_rename=names,
        output_path=str(target),
    )
    model = onnx.load(target)
    if _modernise(model):
        onnx.save(model, target)
    if precision == "int8":
        takers: dict[str, list[str]] = {}
        for node in model.graph.node:
            for name in node.input:
                takers.setdefault(name, []).append(node.name)
        consumers = {node.name: [t for name in node.output for t in takers.get(name, [])] for node in model.graph.node}
        kinds = {node.name: node.op_type for node in model.graph.node}
        onnx.save(_quantised(model, calibration, kept_in_float(kinds, consumers)), target)


def _modernise(model: Any) -> bool:
    """Takes the deprecated mode `tf_half_pixel_for_nn` out of an ONNX model; whether there was one.

    That mode takes cell floor((x + 0.5) / scale). `half_pixel` means (x + 0.5) / scale - 0.5, and `round_prefer_ceil`
    is floor(value + 0.5): the same cell for every scale. Source: the specification of Resize, version 19.
    """
    found = False
    for node in model.graph.node:
        modes = {attribute.name: attribute for attribute in node.attribute}
        mode = modes.get("coordinate_transformation_mode")
        if node.op_type == "Resize" and mode is not None and mode.s == b"tf_half_pixel_for_nn":
            rounding = modes.get("nearest_mode") or node.attribute.add(name="nearest_mode", type=mode.type)
            mode.s, rounding.s, found = b"half_pixel", b"round_prefer_ceil", True
    return found


def kept_in_float(kinds: Mapping[str, str], consumers: Mapping[str, Sequence[str]]) -> list[str]:
    """Names of the operations that int8 leaves alone: those from which no convolution or matrix product follows, since
    points and probabilities are made there; and the first and the last convolutions and matrix products themselves,
    which cost accuracy and hardly any time.

    kinds: type by name, in the order of computation. consumers: by name, who takes its outputs.
    """
    leads: dict[str, bool] = {}
    for name in reversed(list(kinds)):
        leads[name] = any(kinds[taker] in HEAVY or leads[taker] for taker in consumers[name])
    follows = dict.fromkeys(kinds, False)
    for name, kind in kinds.items():
        for taker in consumers[name]:
            follows[taker] = follows[taker] or follows[name] or kind in HEAVY
    return [name for name, kind in kinds.items() if not leads[name] or (kind in HEAVY and not follows[name])]


def quantise_within(
    net: keras.Model, target: Path, calibration: Batches, margin: Callable[[Callable[[Any], Any]], float]
) -> None:
    """Writes the int8 model for OpenVINO anew, with those layers back in higher precision that cost most accuracy.

    margin: from a function of inputs to outputs by name, how far its outputs stay within the bound, below 0 outside.
    """
    import nncf
    import openvino
    from openvino.tools.ovc import convert_model

    logging.getLogger("nncf").setLevel(logging.ERROR)

    def judged(compiled: Any, _: Any) -> tuple[float, None]:
        names = {output: next(iter(output.get_names())) for output in compiled.outputs}
        wanted = {name for taken in compiled.inputs for name in taken.get_names()}

        def compute(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            outputs = compiled({name: inputs[name] for name in wanted})
            return {names[output]: np.array(array) for output, array in outputs.items()}

        return margin(compute), None

    with tempfile.TemporaryDirectory() as scratch:
        _saved_model(net, "float32", Path(scratch) / "saved_model", Path(scratch), ())
        model = convert_model(Path(scratch) / "saved_model")
    found = nncf.quantize_with_accuracy_control(
        model,
        nncf.Dataset(list(calibration)),
        nncf.Dataset([0]),
        validation_fn=judged,
        subset_size=len(calibration),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=_openvino_float_part(model), validate=False),
        drop_type=nncf.DropType.ABSOLUTE,
        # The margin of the network in float32 is the whole bound: all of it may be used up.
        max_drop=judged(openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}), None)[0],
    )
    openvino.save_model(found, target, compress_to_fp16=True)


def _openvino_float_part(model: Any) -> list[str]:
    operations = model.get_ordered_ops()
    consumers = {
        op.get_friendly_name(): [
            taker.get_node().get_friendly_name() for output in op.outputs() for taker in output.get_target_inputs()
        ]
        for op in operations
    }
    return kept_in_float({op.get_friendly_name(): op.get_type_name() for op in operations}, consumers)


def _quantised(model: Any, calibration: Batches, ignored: list[str]) -> Any:
    import nncf

    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf.quantize(
        model,
        nncf.Dataset(list(calibration)),
        subset_size=len(calibration),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=ignored, validate=False),
    )


def _litert(net: keras.Model, precision: Numbers, target: Path, scratch: Path, calibration: Batches) -> None:
    import tensorflow as tf

    _saved_model(net, "float32", scratch / "saved_model", scratch, ())
    converter = tf.lite.TFLiteConverter.from_saved_model(str(scratch / "saved_model"))
    if precision == "int8":
        # Of the weights alone: LiteRT would else compute the points, too, in eight bits.
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    target.write_bytes(converter.convert())
