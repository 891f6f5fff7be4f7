"""Two artifacts that become one file: whether they fit each other, and what of them the graph needs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from ..data_gen.formats.box_files import MOST
from ..eval.detection import UNCALIBRATED
from ..eval.detection_calibration import BoxCalibration
from ..vocabulary import Vocabulary
from .artifact import MODEL_FILES, ArtifactError, Manifest
from .combined_graph import CombinedPlan


@dataclass(frozen=True)
class Parts:
    """Two artifacts in ONNX that fit each other, and at most how many garments of a photo are told.

    Raises ArtifactError for an artifact of another stage or format, ValueError for a detector that finds categories
    of which the keypoint network knows nothing, or a limit that cannot be.
    """

    detector: Manifest
    keypoints: Manifest
    limit: int

    def __post_init__(self) -> None:
        for manifest, config in ((self.detector, "detection_config"), (self.keypoints, "keypoint_config")):
            getattr(manifest, config)  # raises for another stage
            if manifest.format != "onnx":
                raise ArtifactError(
                    f"{manifest.path.parent} is an artifact for {manifest.format}; expected one for onnx: name the "
                    "run, or export it with --format onnx"
                )
        check_fit(self.detector.vocabulary, self.keypoints.vocabulary)
        check_limit(self.limit)

    @classmethod
    def read(cls, detector: Path, keypoints: Path, limit: int) -> "Parts":
        return cls(Manifest.read(detector), Manifest.read(keypoints), limit)

    @property
    def calibration(self) -> BoxCalibration:
        return BoxCalibration.from_json(self.detector.detection) if self.detector.detection else UNCALIBRATED

    @property
    def plan(self) -> CombinedPlan:
        vocabulary = self.keypoints.keypoint_config.vocabulary
        detection = self.detector.detection_config
        return CombinedPlan(
            onnx.load(self.detector.path.parent / MODEL_FILES["onnx"]),
            onnx.load(self.keypoints.path.parent / MODEL_FILES["onnx"]),
            detection.codec,
            self.keypoints.keypoint_config.codec,
            self.calibration,
            np.array([vocabulary.category_index(name) for name in detection.vocabulary.categories]),
            np.stack([vocabulary.mask(name) for name in vocabulary.categories]),
            self.limit,
        )


def check_fit(detector: Vocabulary, keypoints: Vocabulary) -> None:
    """Raises ValueError where the detector finds a category that the keypoint network does not have."""
    unknown = [name for name in detector.categories if name not in keypoints.categories]
    if unknown:
        raise ValueError(
            f"two networks of different vocabularies: the detector, trained with {detector.name}, finds "
            f"{', '.join(unknown)}, of which the keypoint network, trained with {keypoints.name}, knows nothing; it "
            f"has {', '.join(keypoints.categories)}. Choose a --detector and --model of one vocabulary"
        )


def check_limit(limit: int) -> None:
    if not 1 <= limit <= MOST:
        raise ValueError(f"a limit of {limit} garments; expected 1 to {MOST}")
