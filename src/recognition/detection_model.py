"""A trained detector of garments, from a run or an artifact, ready to predict."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from ..box_maps import BoxCodec
from ..config import DetectionConfig
from ..eval.detection import UNCALIBRATED, Detect, Detector
from ..eval.detection_calibration import BoxCalibration
from ..files import CHECKOUT
from ..run_files import find_trained_run, read_calibration_file
from ..serve.artifact import ArtifactError, is_artifact
from ..vocabulary import Vocabulary
from .keypoint_model import check_folder, named_or_shipped

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DetectionModel:
    """The folder of the run or artifact, its configuration; `detect`, from images to maps; its calibration, None if
    unknown; and `prepare`, which makes it ready for batches of a given size."""

    run: Path
    config: DetectionConfig
    detect: Detect
    calibration: BoxCalibration | None = None
    prepare: Callable[[int], Any] = lambda batch: None

    @property
    def vocabulary(self) -> Vocabulary:
        return self.config.vocabulary

    @property
    def codec(self) -> BoxCodec:
        return self.config.codec

    def detector(self, batch_size: int) -> Detector:
        """The detector for batches of so many photos; a thread prepares it for them."""
        Thread(target=self.prepare, args=(batch_size,)).start()
        calibration = self.calibration or UNCALIBRATED
        return Detector(self.detect, self.codec, self.vocabulary.categories, calibration, batch_size)


def load_detection_model(run: Path | None, epoch: int | None = None, weights: Path | None = None) -> DetectionModel:
    """Loads the best model of a run folder, that of `epoch`, or a `weights` file; or an artifact, which needs no Keras.

    run: the folder, or a folder of runs, whose latest finished run is used; or `shipped` or None, the shipped detector.
    Raises RunError or ValueError if the run is unusable.
    """
    run = named_or_shipped(run, "detection", CHECKOUT / "trained_models" / "detection" / "all", "--detector")
    if is_artifact(run):
        if epoch is not None or weights is not None:
            raise ArtifactError(f"{run} is an artifact of one epoch: --epoch and --load go with a run folder")
        return _load_artifact(run)
    check_folder(run)
    run = find_trained_run(run)
    from ..unet.predictors import detection_predictor, trained_detection_net  # Keras loads here
    from ..unet.runs import chosen_weights, read_detection_config

    config = read_detection_config(run)
    weights, which = chosen_weights(run, log.warning, epoch, weights)
    detect = detection_predictor(trained_detection_net(config, weights))
    log.info(f"{run}: detector {config.network} at {config.size} px, {which}")
    return DetectionModel(run, config, detect, read_box_calibration(run))


def _load_artifact(folder: Path) -> DetectionModel:
    from ..serve.runtime import detection_predict, load_network

    network = load_network(folder)
    manifest, config = network.manifest, network.manifest.detection_config
    if network.note:
        log.info(network.note)
    log.info(f"{folder}: detector {config.network} at {config.size} px for {manifest.format}, {manifest.precision}")
    calibration = BoxCalibration.from_json(manifest.detection) if manifest.detection else None
    return DetectionModel(folder, config, detection_predict(network), calibration, network.prepare)


def read_box_calibration(run: Path) -> BoxCalibration | None:
    """The calibration found on the validation set; None if the run is not calibrated yet.

    Raises RunError if the file is lost, or was not written by training.
    """
    return read_calibration_file(run, BoxCalibration.from_json)
