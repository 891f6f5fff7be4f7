"""The task of a detector of garments: its data, scores, calibration, pictures and export."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..boxes import Detections, suppressed
from ..config import DetectionConfig
from ..data_gen.detection_sets import load_detection_parts
from ..data_gen.formats.scenes import Scene
from ..data_gen.images import ImageError, read_image
from ..data_gen.preprocess import letterboxed
from ..eval.detection import UNCALIBRATED, Detect, Detector, detected
from ..eval.detection_calibration import BoxCalibration, fit_boxes
from ..eval.detection_metrics import ScoredPhoto, in_crowd, pairs, score_detections
from ..eval.drawing import draw_box
from ..eval.reading import read_ahead
from ..files import sealed, write_atomic
from ..recognition.detection_model import load_detection_model, read_box_calibration
from ..records import Box
from ..run_files import CALIBRATION
from ..serve.artifact import Manifest, Stage
from ..serve.shipped import shipped, shipped_weights
from . import spread

Answers = list[ScoredPhoto]
FOLDER = "detection"
"""Folder of the runs of detectors in trained_models."""
IOU = 0.5
"""Least overlap of a correct box."""


@dataclass(frozen=True)
class DetectionTask:
    """Finds the boxes of all garments in a photo, with their categories. `KeypointTask` explains the functions."""

    config: DetectionConfig

    stage: ClassVar[Stage] = "detection"
    inputs: ClassVar[tuple[str, ...]] = ("image",)
    measure: ClassVar[str] = "missed"
    measure_bound: ClassVar[float] = 0.01
    output_bound: ClassVar[float] = 1e-3

    @staticmethod
    def config_of(run: Path) -> Any:
        from ..unet.runs import read_detection_config  # Keras loads here

        return read_detection_config(run)

    @classmethod
    def of_run(cls, run: Path) -> Self:
        return cls(cls.config_of(run))

    @classmethod
    def of_model(cls, run: Path, weights: Path | None) -> tuple[Self, Any, Any]:
        """The task, predict function and calibration of an artifact, or a run, with other `weights` if given."""
        model = load_detection_model(run, weights=weights)
        return cls(model.config), model.detect, model.calibration

    @property
    def folder(self) -> Path:
        return Path(FOLDER) / "all"

    # ------------------------------------------------------------------------------------------------------ photos

    def parts(self, data: Path) -> tuple[Any, Any]:
        return load_detection_parts(data, self.config)

    def few(self, part: list[Scene], count: int) -> Any:
        return [part[i] for i in spread(len(part), count)]

    def names(self, part: list[Scene], data: Path) -> Iterator[str]:
        folder = data if data.is_dir() else data.parent
        return (Path(os.path.relpath(scene.path, folder)).as_posix() for scene in part)

    def name(self, part: list[Scene], index: int) -> str:
        return str(part[index].path)

    def photo(self, part: list[Scene], index: int) -> np.ndarray:
        return read_image(part[index].path)

    def gaps(self, train: list[Scene]) -> list[str]:
        """Categories that no training photo shows, as warnings."""
        shown = {int(c) for scene in train for c in scene.garments.category}
        missing = [name for c, name in enumerate(self.config.vocabulary.categories) if c not in shown]
        return [f"no photo to train on shows {', '.join(missing)}: they will not be found"] if missing else []

    def can_score(self, val: list[Scene]) -> bool:
        return any(len(scene.garments) for scene in val)

    def batches(self, train: list[Scene], epoch: int, first_step: int, workers: int) -> Iterator[dict[str, Any]]:
        from ..data_gen.detection_batches import detection_batches  # its library must load after the framework

        return detection_batches(train, self.config, epoch, first_step, workers)

    def pictures(self, train: list[Scene], batch: dict[str, Any]) -> list[tuple[np.ndarray, str]]:
        """Each photo of a batch with the boxes encoded in its maps, and their number."""
        found = self.config.codec.decode(batch["heat"], batch["distances"], lowest=1.0)
        names, drawn = self.config.vocabulary.categories, []
        for image, garments in zip(batch["image"], found, strict=True):
            picture = image
            for box, category in zip(garments.boxes.round().astype(int).tolist(), garments.category, strict=True):
                picture = draw_box(picture, Box(*box), names[category])
            drawn.append((picture, f"{len(garments)} garments"))
        return drawn

    # ----------------------------------------------------------------------------------------------------- network

    def check(self) -> None:
        """Raises ValueError for an unknown network."""
        from ..unet.keypoint_net import NETWORKS

        if self.config.network not in NETWORKS:
            raise ValueError(f"unknown network {self.config.network!r}; expected one of {', '.join(NETWORKS)}")

    def net(self, weights: str | None = None) -> Any:
        from ..unet.predictors import detection_net

        return detection_net(self.config, weights)

    def transferred_net(self) -> Any:
        """The network with all layers of the shipped one that fit."""
        from ..unet.transfer import warm_detection_net

        trained = Manifest.read(shipped("detection")).detection_config
        return warm_detection_net(self.config, trained, shipped_weights("detection"))

    def backbone(self, net: Any) -> Any:
        from ..unet.predictors import keypoint_backbone

        return keypoint_backbone(net, self.config.network)

    def check_outputs_of(self, run: Path) -> None:
        """Raises RunError if a run's outputs differ in meaning from this task's."""
        from ..unet.runs import RunError

        if self.config_of(run).vocabulary.categories != self.config.vocabulary.categories:
            raise RunError(
                f"{run} has other categories than this training: --reset starts from its backbone alone, --weights "
                "shipped takes those of the same names"
            )

    def objective(self, train: list[Scene]) -> tuple[Callable, list[str]]:
        """(targets, outputs) -> losses by name, and their names in order."""
        from ..unet.detection_losses import detection_objective

        def losses(targets, outputs):
            return detection_objective(targets, outputs, self.config.box_weight)

        return losses, ["heat", "boxes"]

    def predictor(self, net: Any) -> Any:
        from ..unet.predictors import detection_predictor

        return detection_predictor(net)

    # ------------------------------------------------------------------------------------------------------ scores

    def answers(
        self,
        predict: Detect,
        part: list[Scene],
        leave_out: Callable[[str], None],
        calibration: BoxCalibration | None = None,
    ) -> Any:
        """The boxes in all readable photos of a part, with the network's scores or, with a calibration, their
        probabilities. Raises ValueError if there is no readable photo."""
        known = replace(calibration or UNCALIBRATED, threshold=0.0)
        categories, batch_size = self.config.vocabulary.categories, max(self.config.batch_size, 8)
        detector = Detector(predict, self.config.codec, categories, known, batch_size)
        answers: Answers = []
        for group in read_ahead(part, self._loaded, detector.batch_size):
            for scene, loaded in group:
                if isinstance(loaded, str):
                    leave_out(str(scene.path))
            readable = [(scene, loaded) for scene, loaded in group if not isinstance(loaded, str)]
            if readable:
                images, sizes = [seen for _, seen in readable], [scene.size for scene, _ in readable]
                found = detected(detector, images, sizes)
                answers += [_scored(s, suppressed(boxes)) for (s, _), boxes in zip(readable, found, strict=True)]
        if not answers:
            raise ValueError("not one validation photo can be read")
        return answers

    def _loaded(self, scene: Scene) -> tuple[Scene, Any]:
        try:
            return scene, letterboxed(read_image(scene.path), self.config.codec.size)
        except ImageError as error:
            return scene, str(error)

    def numbers(self, part: list[Scene], answers: Answers) -> dict[str, float]:
        """`missed`, 1 minus the mean AP50 of the categories, which training lowers; AP and AP50 of each category."""
        categories = self.config.vocabulary.categories
        score = score_detections(answers, categories, IOU)
        row = {"score": 1 - score.mean("ap50"), "missed": 1 - score.mean("ap50"), "ap": score.mean("ap")}
        return row | {f"ap50_{name}": float(score.precision.ap50[c]) for c, name in enumerate(categories)}

    def log_line(self, row: dict[str, Any]) -> str:
        if "ap" not in row:
            return f"epoch {row['epoch']:3d}  not validated\n"
        by_name = {name: row[f"ap50_{name}"] for name in self.config.vocabulary.categories}
        # A category that no validation photo shows has no AP.
        parts = "  ".join(f"{name} {value:.2%}" for name, value in by_name.items() if not np.isnan(value))
        return f"epoch {row['epoch']:3d}  AP50 {1 - row['missed']:.2%}  {parts}  AP {row['ap']:.2%}\n"

    def write_heads(self, run: Path) -> None:
        """Nothing to write: the vocabulary defines the heads."""

    def check_heads(self, run: Path) -> None:
        """Nothing to check: the configuration has the vocabulary, which defines the heads."""

    def calibrate(self, run: Path, part: list[Scene], answers: Answers) -> None:
        """Fits the calibration on the results for validation photos, and saves it in the run."""
        score, right = _judged(answers)
        found = fit_boxes(score, right, sum(len(photo.true) for photo in answers))
        write_atomic(run / CALIBRATION, json.dumps(sealed(found.to_json()), indent=1) + "\n")

    def report(
        self, part: list[Scene], answers: Answers, calibration: BoxCalibration | None
    ) -> tuple[dict[str, float], dict[str, Callable[[Path], None]]]:
        """All numbers of an evaluation, and by file name the functions that draw its pictures. answers: calibrated."""
        from ..eval.detection_report import draw_detection_score

        numbers = self.numbers(part, answers)
        if calibration is None:
            return numbers, {}
        kept = [
            replace(photo, found=photo.found.select(photo.found.score >= calibration.threshold)) for photo in answers
        ]
        score = score_detections(kept, self.config.vocabulary.categories, IOU)
        numbers |= {
            "threshold": calibration.threshold,
            "recall": score.rates.recall,
            "precision": score.rates.precision,
        }
        whole = score_detections(answers, self.config.vocabulary.categories, IOU)
        if whole.reliability is not None:
            numbers["ece"] = whole.reliability.ece
        return numbers, {"detection.png": lambda path: draw_detection_score(whole, path)}

    # ------------------------------------------------------------------------------------------------------ export

    def read_calibration(self, run: Path) -> Any:
        return read_box_calibration(run)

    def mirrored(self, predict: Detect) -> Any:
        """The mean over the image and its mirror image."""

        def both(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            heat, distances = predict(images)
            other_heat, other = (part[:, :, ::-1] for part in predict(np.ascontiguousarray(images[:, :, ::-1])))
            return (heat + other_heat) / 2, (distances + other[..., [2, 1, 0, 3]]) / 2

        return both

    def serving_net(self, net: Any, calibration: BoxCalibration | None, flip: bool) -> Any:
        from ..serve.serving_net import detection_serving_net

        return detection_serving_net(net, self.config.size, flip)

    def kernels(self, net: Any) -> dict[str, np.ndarray] | None:
        return None

    def described(self, manifest: Manifest, calibration: BoxCalibration | None) -> Manifest:
        return replace(manifest, detection=calibration.to_json() if calibration else {})

    def example(self, image: np.ndarray) -> dict[str, np.ndarray]:
        return {"image": image[None]}

    def artifact_predictor(self, network: Any) -> Any:
        from ..serve.runtime import detection_predict

        return detection_predict(network)

    def outputs_apart(self, predict: Detect, network: Any, images: np.ndarray) -> dict[str, float]:
        """The largest differences between the outputs of run and artifact, by name; distances by the input's side."""
        heat, distances = predict(images)
        outputs = network(images)
        return {
            "heat": float(np.abs(outputs["heat"] - heat).max()),
            "distances": float(np.abs(outputs["distances"] - distances).max() / self.config.size),
        }


def _scored(scene: Scene, found: Detections) -> ScoredPhoto:
    """A box of any category in a crowd counts neither as right nor as wrong."""
    categories = np.unique(found.category)
    ignored = np.repeat(scene.ignored, len(categories), axis=0)
    crowd = Detections(ignored, np.tile(categories, len(scene.ignored)), np.ones(len(ignored)))
    return ScoredPhoto(scene.garments, found, crowd, scene.size)


def _judged(answers: Sequence[ScoredPhoto]) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N,) of boxes, and (N,) bool whether each is a garment of its category; boxes in crowds are left out."""
    score, right = [], []
    for photo in answers:
        hit = pairs(photo.found, photo.true, IOU) >= 0
        counted = hit | ~in_crowd(photo.found, photo.crowd, IOU)
        score.append(photo.found.score[counted])
        right.append(hit[counted])
    return np.concatenate(score), np.concatenate(right)
