"""A run becomes an artifact: converted beside its folder, measured against the run, and moved there if it agrees."""

import dataclasses
import secrets
import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..files import replace_folder
from .artifact import KERNELS, MODEL_FILES, ArtifactError, Manifest, check_replaceable
from .converters import Batches, convert, quantise_within
from .runtime import Arrays, Network, load_network

PACKAGES = ("aifashion", "keras", "tensorflow", "openvino", "nncf", "onnx", "tf2onnx")

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
    Raises ArtifactError where it stays too far, or cannot be measured, and then `out` is as it was; FileExistsError
    where `out` is something else than an artifact.
    """
    check_replaceable(out)
    manifest = dataclasses.replace(manifest, versions=_versions())
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{secrets.token_hex(4)}-{out.name}")
    beside.mkdir()
    try:
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
        if found["excess"] > 0:
            numbers = ", ".join(f"{name} {value:.4g}" for name, value in found.items() if isinstance(value, float))
            raise ArtifactError(
                f"{manifest.format} in {manifest.precision} differs too much from the run ({numbers}): "
                "choose a higher --precision"
            )
        del found["excess"]
        dataclasses.replace(manifest, differences=found).write(beside)
        replace_folder(out, beside)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Manifest.read(out)


def open_network(folder: Path) -> Network:
    """`load_network`, and SavedModels as well, for which TensorFlow loads."""
    manifest = Manifest.read(folder)
    if manifest.format != "saved_model":
        return load_network(folder)
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder / MODEL_FILES["saved_model"]))
    run = loaded.signatures["serving_default"]  # pyright: ignore[reportAttributeAccessIssue]
    wanted = run.structured_input_signature[1]

    def compute(inputs: Mapping[str, np.ndarray]) -> Arrays:
        outputs = run(**{name: tf.constant(inputs[name]) for name in wanted})
        # The network itself stays alive as long as it is held on to.
        return {name: value.numpy() for name, value in outputs.items()} if loaded else {}

    return Network(folder, manifest, compute)


def _excess(measure: Measure, folder: Path, manifest: Manifest, compute: Callable) -> float:
    return float(measure(Network(folder, manifest, compute))["excess"])


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
