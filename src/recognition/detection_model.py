"""A trained detector of garments, of a run, ready to predict."""

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
from ..run_files import find_trained_run, read_calibration_file
from ..serve.artifact import ArtifactError, is_artifact
from ..serve.shipped import is_shipped
from ..vocabulary import Vocabulary
from .keypoint_model import check_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DetectionModel:
    """The folder of the run, its configuration, `detect`, the function from images to maps, what its scores mean, and
    `prepare`, which makes it ready for batches of a length."""

    run: Path
    config: DetectionConfig
    detect: Detect
    calibration: BoxCalibration = UNCALIBRATED
    prepare: Callable[[int], Any] = lambda batch: None

    @property
    def vocabulary(self) -> Vocabulary:
        return self.config.vocabulary

    @property
    def codec(self) -> BoxCodec:
        return self.config.codec

    @property
    def size(self) -> int:
        """Side of the input in px."""
        return self.config.size

    @property
    def threshold(self) -> float:
        """From which probability on there is a garment."""
        return self.calibration.threshold

    def detector(self, batch_size: int) -> Detector:
        """For batches of so many photos; a thread makes it ready for them."""
        Thread(target=self.prepare, args=(batch_size,)).start()
        return Detector(self.detect, self.codec, self.vocabulary.categories, self.calibration, batch_size)


def load_detection_model(run: Path) -> DetectionModel:
    """The best model of a run folder, or of the latest finished run in a folder of runs.

    Raises RunError or ValueError where the run is unusable, and for an artifact: those are of keypoints and attributes.
    """
    if is_shipped(str(run)):
        raise ValueError("no detector comes with this package: name a run folder, or give the boxes in a file")
    if is_artifact(run):
        raise ArtifactError(f"{run} is an artifact; expected the run folder of a detector, or a folder of such runs")
    check_folder(run)
    run = find_trained_run(run)
    from ..unet.predictors import detection_predictor, trained_detection_net  # Keras loads here
    from ..unet.runs import chosen_weights, read_detection_config

    config = read_detection_config(run)
    weights, which = chosen_weights(run, log.warning)
    detect = detection_predictor(trained_detection_net(config, weights))
    log.info(f"{run}: detector {config.network} at {config.size} px, {which}")
    calibration = read_calibration_file(run, BoxCalibration.from_json)
    return DetectionModel(run, config, detect, calibration or UNCALIBRATED)
