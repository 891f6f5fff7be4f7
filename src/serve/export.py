"""A run becomes an artifact: converted beside its folder, measured against the run, and moved there if it agrees."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from .artifact import KERNELS, MODEL_FILES, ArtifactError, Manifest
from .converters import Batches, convert, quantise_within
from .runtime import Arrays, Network, load_network
from .signature import Array, Signature, check_signature
from .writing import artifact_folder, versions

Measure = Callable[[Network], dict[str, Any]]
"""How an artifact's outputs differ from the run's, by name; `excess` above 0 says by how much it is too far."""


def write_artifact(
    out: Path,
    serving: keras.Model,
    manifest: Manifest,
    measure: Measure,
    calibration: Batches = (),
    kernels: Mapping[str, np.ndarray] | None = None,
) -> Manifest:
    """Exports a serving net to the folder `out`, which may hold an earlier artifact; returns the manifest written.

    calibration: for int8, inputs by name. kernels: by head, for class activation maps. An int8 artifact for OpenVINO
    that is too far from the run is made again, layer by layer back in higher precision, until it is not.
    Raises ArtifactError where it stays too far, or cannot be measured, OSError on a full disk, and then `out` is as it
    was; FileExistsError where `out` is something else than an artifact; BlockingIOError where another process is
    exporting to it. What killed exports left beside `out` is deleted.
    """
    manifest = dataclasses.replace(manifest, versions=versions())
    with artifact_folder(out) as beside:
        _write_beside(beside, serving, manifest, measure, calibration, kernels)
    return Manifest.read(out)


def _write_beside(
    beside: Path,
    serving: keras.Model,
    manifest: Manifest,
    measure: Measure,
    calibration: Batches,
    kernels: Mapping[str, np.ndarray] | None,
) -> None:
    if kernels:
        from safetensors.numpy import save_file

        save_file(dict(kernels), beside / KERNELS)
    convert(serving, manifest.format, manifest.precision, beside, calibration)
    manifest.write(beside)
    network = open_network(beside)
    if manifest.precision == "bfloat16" and network.note:
        raise ArtifactError(
            f"{network.note}: so bfloat16 cannot be measured here; use float32, int8, or another machine"
        )
    found = measure(network)
    if found["excess"] > 0 and (manifest.format, manifest.precision) == ("openvino", "int8"):
        path = beside / MODEL_FILES["openvino"]
        quantise_within(serving, path, calibration, lambda compute: -_excess(measure, beside, manifest, compute))
        manifest.write(beside)
        found = measure(open_network(beside))
    if not found["excess"] <= 0:  # written so that a value that is not a number is too far
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in found.items() if isinstance(value, float))
        raise ArtifactError(
            f"{manifest.format} in {manifest.precision} differs too much from the run ({numbers}): "
            f"{_advice(manifest, found)}"
        )
    del found["excess"]
    dataclasses.replace(manifest, differences=found).write(beside)


def _advice(manifest: Manifest, found: Mapping[str, Any]) -> str:
    if not np.isfinite([value for value in found.values() if isinstance(value, float)]).all():
        return "an output is not a finite number; has the training diverged? Choose a model of another --epoch"
    if manifest.precision != "float32":
        return "choose a higher --precision"
    others = ", ".join(name for name in MODEL_FILES if name != manifest.format)
    return f"the conversion is at fault, since this is the highest precision: choose another --format ({others})"


def open_network(folder: Path) -> Network:
    """`load_network`, and SavedModels as well, for which TensorFlow loads."""
    manifest = Manifest.read(folder)
    if manifest.format != "saved_model":
        return load_network(folder, as_exported=True)
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder / MODEL_FILES["saved_model"]))
    run = loaded.signatures["serving_default"]  # pyright: ignore[reportAttributeAccessIssue]
    wanted = run.structured_input_signature[1]
    arrays = ({name: _spec(tensor) for name, tensor in part.items()} for part in (wanted, run.structured_outputs))
    check_signature(manifest, Signature(*arrays))

    def compute(inputs: Mapping[str, np.ndarray]) -> Arrays:
        outputs = run(**{name: tf.constant(inputs[name]) for name in wanted})
        # The network itself stays alive as long as it is held on to.
        return {name: value.numpy() for name, value in outputs.items()} if loaded else {}

    return Network(folder, manifest, compute)


def _spec(tensor: Any) -> Array:
    return Array(tuple(tensor.shape.as_list()[1:]), tensor.dtype.name)


def _excess(measure: Measure, folder: Path, manifest: Manifest, compute: Callable) -> float:
    return float(measure(Network(folder, manifest, compute))["excess"])
