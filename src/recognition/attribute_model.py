"""A trained classifier, ready to predict; all commands that use one load it here."""

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
"""File in a run folder with the outputs of its classifier."""


@dataclass(frozen=True)
class Calibration:
    """temperatures: by head, the divisors of its logits: one number, or one for each label. thresholds: by independent
    head, (C,), the lowest probabilities at which labels hold."""

    temperatures: dict[str, Any] = field(default_factory=dict)
    thresholds: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class AttributeModel:
    """The folder of the run or artifact, its configuration and heads; `predict`, from images to logits; `activation`,
    the network for activation maps (an artifact has it only if its crops depend on it); and `prepare`, which makes it
    ready for batches of a given size."""

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
    """Loads the best model of a run folder, or of the latest finished run in a folder of runs; that of `epoch`; or a
    `weights` file; or an artifact, which does not need Keras. `shipped` or None is the shipped one. option: the option
    that names another, for messages.

    Raises RunError or ValueError if the run is unusable.
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
    """Saves the heads in the run folder, in the order of the network's outputs."""
    record = sealed({"heads": [dataclasses.asdict(head) for head in heads]})
    write_atomic(regular(run / HEADS_FILE), json.dumps(record, indent=1) + "\n")


def read_heads(run: Path) -> tuple[HeadSpec, ...]:
    """The heads of a run. Raises RunError if `heads.json` is missing, was changed, or was not written by training;
    earlier versions wrote only the list, without a digest."""
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
    """The calibration found on the validation set; temperatures of 1 and no thresholds if there is none yet.

    heads: of the run, by default those in its file. Raises RunError if the file is lost, or does not fit the heads.
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
