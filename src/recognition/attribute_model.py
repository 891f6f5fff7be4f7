"""A trained classifier, ready to predict: what all commands that use one share."""

import dataclasses
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..config import AttributeConfig
from ..eval.activation import ActivationNet
from ..eval.attribute_inference import AttributePredict
from ..eval.calibration import check_temperatures, check_thresholds
from ..files import CHECKOUT, regular, sealed, unsealed, write_atomic
from ..records import HeadSpec
from ..run_files import RunError, damaged, find_trained_run, read_calibration_file, read_json
from ..serve.artifact import KERNELS, ArtifactError, Manifest, is_artifact, read_head_specs
from .keypoint_model import check_folder, named_or_shipped

log = logging.getLogger(__name__)
FOLDER = "attributes"
"""Folder of the classifiers' runs in trained_models/, beside those of the categories."""
HEADS_FILE = "heads.json"
"""In a run folder: the outputs of its classifier."""


@dataclass(frozen=True)
class Calibration:
    """temperatures: by head, what its logits are divided by, one number or one a label. thresholds: by independent
    head, (C,), from where on a label holds."""

    temperatures: dict[str, Any] = field(default_factory=dict)
    thresholds: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class AttributeModel:
    """The folder of the run or artifact, its configuration and heads, `predict`, the function from images to logits,
    where it looks, which an artifact knows only for crops that depend on it, and `prepare`, which makes it ready for
    batches of a length."""

    run: Path
    config: AttributeConfig
    heads: tuple[HeadSpec, ...]
    predict: AttributePredict
    calibration: Calibration
    activation: ActivationNet | None
    prepare: Callable[[int], Any] = lambda batch: None


def load_attribute_model(
    run: Path | None, epoch: int | None = None, weights: Path | None = None, option: str = "--model"
) -> AttributeModel:
    """The best model of a run folder, or of the latest finished run in a folder of runs; that of `epoch`; or a
    `weights` file; or an artifact, which does without Keras; `shipped` is the one that comes with the package, which
    None means as well. option: that would name another.

    Raises RunError or ValueError where the run is unusable.
    """
    run = named_or_shipped(run, "attributes", CHECKOUT / "trained_models" / FOLDER / "all", option)
    if is_artifact(run):
        return _load_artifact(run, epoch, weights)
    check_folder(run)
    run = find_trained_run(run)
    from ..unet.predictors import (  # Keras loads here
        activation_predictor,
        attribute_predictor,
        head_kernels,
        trained_attribute_net,
    )
    from ..unet.runs import chosen_weights, read_attribute_config

    config = read_attribute_config(run)
    heads = read_heads(run)
    weights, which = chosen_weights(run, log.warning, epoch, weights)
    net = trained_attribute_net(config, heads, weights)
    log.info(f"{run}: {config.network} at {config.size} px for {config.task}, {which}")
    activation = ActivationNet(activation_predictor(net), head_kernels(net, heads), heads, config.size)
    return AttributeModel(run, config, heads, attribute_predictor(net), read_calibration(run, heads), activation)


def _load_artifact(folder: Path, epoch: int | None, weights: Path | None) -> AttributeModel:
    from ..serve.runtime import activation_net, attribute_outputs, attribute_predict, load_network

    if epoch is not None or weights is not None:
        raise ArtifactError(f"{folder} is an artifact of one epoch: --epoch and --load go with a run folder")
    manifest = Manifest.read(folder)
    looks = KERNELS in manifest.files
    network = load_network(folder, (*attribute_outputs(manifest), *(("features",) if looks else ())))
    config = manifest.attribute_config
    if network.note:
        log.info(network.note)
    log.info(
        f"{folder}: {config.network} at {config.size} px for {config.task} for {manifest.format}, {manifest.precision}"
    )
    calibration = Calibration(
        {name: np.array(value, np.float64) for name, value in manifest.temperatures.items()}, manifest.thresholds
    )
    predict, activation = attribute_predict(network), activation_net(network)
    return AttributeModel(folder, config, manifest.heads, predict, calibration, activation, network.prepare)


def write_heads(run: Path, heads: Sequence[HeadSpec]) -> None:
    """Keeps the heads in the run folder, in the order of the network's outputs."""
    record = sealed({"heads": [dataclasses.asdict(head) for head in heads]})
    write_atomic(regular(run / HEADS_FILE), json.dumps(record, indent=1) + "\n")


def read_heads(run: Path) -> tuple[HeadSpec, ...]:
    """The heads of a run. Raises RunError where `heads.json` is missing, was changed, or is not what training wrote;
    earlier versions wrote the list alone, without a seal."""
    path = run / HEADS_FILE
    mend = "restore it from a copy; without it, it is not known what the outputs are, and the run must be trained anew"
    try:
        found = read_json(path, mend)
    except FileNotFoundError:
        raise RunError(f"{path} is missing: {mend}") from None
    try:
        return read_head_specs(found if isinstance(found, list) else unsealed(found, ("heads",))["heads"])
    except ValueError as error:
        raise damaged(path, error, mend) from None


def read_calibration(run: Path, heads: Sequence[HeadSpec] | None = None) -> Calibration:
    """What was found on the validation set; temperatures of 1 and no thresholds where the run was not calibrated yet.

    heads: of the run, by default those in its file. Raises RunError where the file is lost, or is not what training
    wrote for them.
    """

    def read(found: dict[str, Any]) -> Calibration:
        if set(found) != {"temperatures", "thresholds"}:
            raise ValueError(f"expected temperatures and thresholds; got {found!r:.200}")
        known = read_heads(run) if heads is None else heads
        check_temperatures(found["temperatures"], known)
        check_thresholds(found["thresholds"], known)
        temperatures = {name: np.array(value, np.float64) for name, value in found["temperatures"].items()}
        return Calibration(temperatures, found["thresholds"])

    return read_calibration_file(run, read) or Calibration()
