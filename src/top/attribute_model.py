"""A trained classifier, ready to predict: what all commands that use one share."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from aifashion.config import AttributeConfig
from aifashion.data_gen.label_table import LabelTable
from aifashion.eval.activation import ActivationNet
from aifashion.eval.attribute_inference import AttributePredict, Outcome
from aifashion.eval.calibration import fit_label_temperatures, fit_temperature
from aifashion.eval.heads import head_probabilities
from aifashion.eval.style_metrics import tune_thresholds
from aifashion.files import write_atomic
from aifashion.records import HeadSpec
from aifashion.serve.artifact import KERNELS, ArtifactError, Manifest, is_artifact
from aifashion.serve.shipped import or_shipped
from aifashion.top.arguments import tell, warn
from aifashion.top.keypoint_model import CALIBRATION

FOLDER = "attributes"
"""Folder of the classifiers' runs in trained_models/, beside those of the categories."""
HEADS_FILE = "heads.json"
"""In a run folder: what its classifier tells."""


@dataclass(frozen=True)
class Calibration:
    """temperatures: by head, what its logits are divided by, one number or one a label. thresholds: by independent
    head, (C,), from where on a label is said to hold."""

    temperatures: dict[str, Any] = field(default_factory=dict)
    thresholds: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class AttributeModel:
    """The folder of the run or artifact, its configuration and heads, `predict`, the function from images to logits,
    where it looks, which an artifact tells only of crops that depend on it, and `prepare`, which makes it ready for
    batches of a length."""

    run: Path
    config: AttributeConfig
    heads: tuple[HeadSpec, ...]
    predict: AttributePredict
    calibration: Calibration
    activation: ActivationNet | None
    prepare: Callable[[int], Any] = lambda batch: None


def load_attribute_model(run: Path, epoch: int | None = None, weights: Path | None = None) -> AttributeModel:
    """The best model of a run folder, or of the latest run in a folder of runs that has one; that of `epoch`; or a
    `weights` file; or an artifact, which does without Keras; `shipped` is the one that comes with the package.

    Raises RunError or ValueError where the run is unusable.
    """
    run = or_shipped(run, "attributes")
    if is_artifact(run):
        return _load_artifact(run, epoch, weights)
    from aifashion.unet.predictors import (  # Keras loads here
        activation_predictor,
        attribute_predictor,
        head_kernels,
        trained_attribute_net,
    )
    from aifashion.unet.runs import best_model, find_trained_run, read_config

    run = find_trained_run(run)
    config = AttributeConfig.from_json(read_config(run), run / "config.json")
    heads = read_heads(run)
    which = str(weights)
    if weights is None:
        model = best_model(run, warn, epoch)
        weights, which = model.path, f"epoch {model.epoch}, score {model.score:.4f}"
    net = trained_attribute_net(config, heads, weights)
    tell(f"{run}: {config.model} at {config.size} px for {config.task}, {which}")
    activation = ActivationNet(activation_predictor(net), head_kernels(net, heads), heads, config.size)
    return AttributeModel(run, config, heads, attribute_predictor(net), read_calibration(run), activation)


def _load_artifact(folder: Path, epoch: int | None, weights: Path | None) -> AttributeModel:
    from aifashion.serve.runtime import activation_net, attribute_outputs, attribute_predict, load_network

    if epoch is not None or weights is not None:
        raise ArtifactError(f"{folder} is an artifact of one epoch: --epoch and --load go with a run folder")
    manifest = Manifest.read(folder)
    looks = KERNELS in manifest.files
    network = load_network(folder, (*attribute_outputs(manifest), *(("features",) if looks else ())))
    config = manifest.attribute_config
    if network.note:
        warn(network.note)
    tell(f"{folder}: {config.model} at {config.size} px for {config.task} for {manifest.format}, {manifest.precision}")
    calibration = Calibration(
        {name: np.array(value, np.float64) for name, value in manifest.temperatures.items()}, manifest.thresholds
    )
    predict, activation = attribute_predict(network), activation_net(network)
    return AttributeModel(folder, config, manifest.heads, predict, calibration, activation, network.prepare)


def read_heads(run: Path) -> tuple[HeadSpec, ...]:
    """The heads of a run. Raises ValueError where `heads.json` is missing or is not what training wrote."""
    path = run / HEADS_FILE
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return tuple(HeadSpec(entry["name"], entry["kind"], tuple(entry["classes"])) for entry in entries)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not tell the heads of the run ({error}); train it again") from None


def read_calibration(run: Path) -> Calibration:
    """What was found on the validation set; without the file, temperatures of 1 and no thresholds.

    Raises ValueError where the file is not what training wrote.
    """
    path = run / CALIBRATION
    if not path.is_file():
        return Calibration()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        temperatures = {name: np.array(value, np.float64) for name, value in dict(found["temperatures"]).items()}
        return Calibration(temperatures, dict(found["thresholds"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not tell temperatures and thresholds ({error}); train it again") from None


def calibrate(run: Path, table: LabelTable, outcomes: Sequence[Outcome]) -> Calibration:
    """Fits temperatures and thresholds on validation outcomes, and keeps them in the run's `calibration.json`."""
    from aifashion.top.attribute_scores import known_answers  # slow to load, and of use only after training

    temperatures: dict[str, Any] = {}
    thresholds: dict[str, list[float]] = {}
    for place, head in enumerate(table.heads):
        logits, target = known_answers(table, outcomes, place, "logits")
        if not len(logits):
            continue
        if head.kind == "independent":
            temperatures[head.name] = fit_label_temperatures(logits, target).tolist()
            scaled = head_probabilities(head, logits, np.array(temperatures[head.name]))
            thresholds[head.name] = tune_thresholds(scaled, target > 0.5).tolist()
        else:
            temperatures[head.name] = fit_temperature(logits, target, _log_probabilities(head))
    text = json.dumps({"temperatures": temperatures, "thresholds": thresholds}, indent=1)
    write_atomic(run / CALIBRATION, text + "\n")
    return read_calibration(run)


def _log_probabilities(head: HeadSpec):
    return lambda logits: np.log(np.maximum(head_probabilities(head, logits), 1e-12))
