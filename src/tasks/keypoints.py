"""The task of a keypoint network: its data, scores, calibration, pictures and export."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..config import KeypointConfig
from ..data_gen.formats.labels import LabelledGarment, LabelSet
from ..data_gen.images import read_image
from ..data_gen.keypoint_sets import ListedPhotos, load_training_parts, with_garment
from ..eval.drawing import draw_keypoints
from ..eval.inference import KeypointPredict, PhotoResult
from ..eval.keypoint_metrics import score_arrays
from ..eval.submission import write_submission
from ..eval.tta import with_flip
from ..eval.visibility import Visibility
from ..files import write_atomic
from ..recognition.keypoint_model import load_keypoint_model, read_visibility
from ..records import ABSENT, NO_GARMENT, VISIBLE, Keypoints, Prediction, Sample
from ..serve.artifact import Manifest, Stage
from ..serve.shipped import shipped, shipped_weights
from . import spread
from .keypoint_scores import fit_calibration, predict_validation, validation_numbers, visibility_reliabilities

Answers = list[PhotoResult]
_NOISES, _SAFETY = 4, 4.0
"""Number of trials that measure how far rounding moves a point, and a factor for the few trials."""


@dataclass(frozen=True)
class KeypointTask:
    """Predicts the keypoints of a garment and its category.

    Values of type Any are passed from one function to another: a part (from `parts`) is the training or the validation
    photos; others are answers, calibrations and predict functions. inputs: keys of a batch that the network takes.
    measure: the number that a lower precision may worsen by at most `measure_bound`. output_bound: the largest
    difference between an output in float32 and the run's.
    """

    config: KeypointConfig

    stage: ClassVar[Stage] = "keypoints"
    inputs: ClassVar[tuple[str, ...]] = ("image", "mask")
    measure: ClassVar[str] = "ne"
    measure_bound: ClassVar[float] = 0.001
    output_bound: ClassVar[float] = 1e-3

    @staticmethod
    def config_of(run: Path) -> Any:
        from ..unet.runs import read_keypoint_config  # Keras loads here

        return read_keypoint_config(run)

    @classmethod
    def of_run(cls, run: Path) -> Self:
        return cls(cls.config_of(run))

    @classmethod
    def of_model(cls, run: Path, weights: Path | None) -> tuple[Self, Any, Any]:
        """The task, predict function and calibration of an artifact, or a run, with other `weights` if given."""
        model = load_keypoint_model(run, weights=weights)
        return cls(model.config), model.maps, model.visibility

    @property
    def folder(self) -> Path:
        """Folder of its runs in trained_models."""
        return Path(self.config.category)

    # ------------------------------------------------------------------------------------------------------ photos

    def parts(self, data: Path) -> tuple[Any, Any]:
        return load_training_parts(data, self.config)

    def few(self, part: list[Sample], count: int) -> Any:
        """At most `count` photos of a part, evenly from first to last."""
        return [part[i] for i in spread(len(part), count)]

    def names(self, part: list[Sample], data: Path) -> Iterator[str]:
        """The photos' names, independent of where the data are."""
        folder = data if data.is_dir() else data.parent
        return (Path(os.path.relpath(sample.path, folder)).as_posix() for sample in part)

    def name(self, part: list[Sample], index: int) -> str:
        """The photo's name in messages."""
        return str(part[index].path)

    def photo(self, part: list[Sample], index: int) -> np.ndarray:
        return read_image(part[index].path)

    def gaps(self, train: list[Sample]) -> list[str]:
        """Keypoints that no training photo shows, as warnings."""
        states = np.stack([sample.keypoints.state for sample in train if sample.keypoints is not None])
        missing = np.flatnonzero((states == ABSENT).all(axis=0))
        names = ", ".join(self.config.vocabulary.keypoints[k] for k in missing)
        return [f"no photo to train on has the keypoints {names}: their outputs will mean nothing"] if names else []

    def can_score(self, val: list[Sample]) -> bool:
        """Whether predictions for the photos can be scored: a keypoint is visible, and its garment has a span."""
        known = [sample for sample in with_garment(val) if sample.keypoints is not None]
        if not known:
            return False
        xy, state = (np.stack([getattr(s.keypoints, part) for s in known]) for part in ("xy", "state"))
        score = score_arrays(xy, xy, state, [str(sample.category) for sample in known], self.config.vocabulary)
        return score.points > 0

    def batches(self, train: list[Sample], epoch: int, first_step: int, workers: int) -> Iterator[dict[str, Any]]:
        from ..data_gen.keypoint_batches import keypoint_batches  # its library must load after the framework

        return keypoint_batches(train, self.config, epoch, first_step, workers)

    def pictures(self, train: list[Sample], batch: dict[str, Any]) -> list[tuple[np.ndarray, str]]:
        """Each photo of a batch with its labelled keypoints, as encoded in the heatmaps, and its category."""
        vocabulary, drawn = self.config.vocabulary, []
        xy, peaks = self.config.codec.decode(batch["heatmaps"], "argmax")
        for i, image in enumerate(batch["image"]):
            state = np.where(peaks[i] > 0.5, VISIBLE, ABSENT)
            picture = draw_keypoints(image, xy[i], state, vocabulary, names=False, longer_side=512)
            category = vocabulary.categories[int(batch["category"][i])] if batch["categorised"][i] else NO_GARMENT
            drawn.append((picture, category))
        return drawn

    # ----------------------------------------------------------------------------------------------------- network

    def check(self) -> None:
        """Raises ValueError for an unknown network."""
        from ..unet.keypoint_net import NETWORKS

        if self.config.network not in NETWORKS:
            raise ValueError(f"unknown network {self.config.network!r}; expected one of {', '.join(NETWORKS)}")

    def net(self, weights: str | None = None) -> Any:
        """The network, its backbone with these weights. Raises WeightsError for weights that are not available."""
        from ..unet.predictors import keypoint_net

        return keypoint_net(self.config, weights)

    def transferred_net(self) -> Any:
        """The network with all layers of the shipped one that fit."""
        from ..unet.transfer import warm_keypoint_net

        trained = Manifest.read(shipped("keypoints")).keypoint_config
        return warm_keypoint_net(self.config, trained, shipped_weights("keypoints"))

    def backbone(self, net: Any) -> Any:
        from ..unet.predictors import keypoint_backbone

        return keypoint_backbone(net, self.config.network)

    def check_outputs_of(self, run: Path) -> None:
        """Raises RunError if a run's outputs differ in meaning from this task's."""
        from ..unet.runs import RunError

        other = self.config_of(run).vocabulary
        if (other.keypoints, other.categories) != (self.config.vocabulary.keypoints, self.config.vocabulary.categories):
            raise RunError(
                f"{run} has other keypoints or categories than this training: --reset starts from its backbone alone, "
                "--weights shipped takes those of the same names"
            )

    def objective(self, train: list[Sample]) -> tuple[Callable, list[str]]:
        """(targets, outputs) -> losses by name, and their names in order."""
        from ..unet.losses import keypoint_objective

        config = self.config

        def losses(targets, outputs):
            return keypoint_objective(targets, outputs, config.sigma, config.hard_fraction, config.category_weight)

        return losses, ["global", "refined"] + ["category"] * (len(config.vocabulary.categories) > 1)

    def predictor(self, net: Any) -> Any:
        from ..unet.predictors import keypoint_predictor

        return keypoint_predictor(net)

    # ------------------------------------------------------------------------------------------------------ scores

    def answers(
        self,
        predict: KeypointPredict,
        part: list[Sample],
        leave_out: Callable[[str], None],
        calibration: Visibility | None = None,
    ) -> Any:
        """The results for all readable photos of a part. Raises ValueError if there are none."""
        return predict_validation(predict, part, self.config, lambda path: leave_out(str(path)), calibration)

    def numbers(self, part: list[Sample], answers: Answers) -> dict[str, float]:
        """The scores of the results, by name; `score` is the one that training lowers."""
        return validation_numbers(answers, self.config.vocabulary)[1]

    def log_line(self, row: dict[str, Any]) -> str:
        if "ne" not in row:
            return f"epoch {row['epoch']:3d}  not validated\n"
        parts = "  ".join(f"{key[3:]} {value:.2%}" for key, value in row.items() if key.startswith("ne_"))
        return f"epoch {row['epoch']:3d}  NE {row['ne']:.2%}  {parts}  category {row['category_accuracy']:.2%}\n"

    def write_heads(self, run: Path) -> None:
        """Nothing to write: the vocabulary defines the heads."""

    def check_heads(self, run: Path) -> None:
        """Nothing to check: the configuration has the vocabulary, which defines the heads."""

    def calibrate(self, run: Path, part: list[Sample], answers: Answers) -> None:
        """Fits the calibration on the results for validation photos, and saves it in the run."""
        fit_calibration(run, answers, self.config)

    def report(
        self, part: list[Sample], answers: Answers, calibration: Visibility | None
    ) -> tuple[dict[str, float], dict[str, Callable[[Path], None]]]:
        """All numbers of an evaluation, and by file name the functions that draw its pictures."""
        from ..eval.attribute_report import draw_reliability
        from ..eval.report import draw_keypoint_score  # loads matplotlib

        score, numbers = validation_numbers(answers, self.config.vocabulary)
        pictures: dict[str, Callable[[Path], None]] = {"score.png": lambda path: draw_keypoint_score(score, path)}
        if calibration is not None:
            states = visibility_reliabilities(answers, self.config.vocabulary, calibration)
            before, after = states["visible"]
            numbers |= {"ece_visible_before": before.ece, "ece_visible_after": after.ece}
            pictures["reliability.png"] = lambda path: draw_reliability(states, path)
        return numbers, pictures

    # ------------------------------------------------------------------------------------------------------ export

    def read_calibration(self, run: Path) -> Any:
        return read_visibility(run, self.config)

    def mirrored(self, predict: KeypointPredict) -> Any:
        """The mean over the image and its mirror image."""
        return with_flip(predict, self.config.vocabulary.twins)

    def serving_net(self, net: Any, calibration: Visibility | None, flip: bool) -> Any:
        from ..serve.serving_net import keypoint_serving_net

        return keypoint_serving_net(net, self.config.codec, self.config.decoder, self.config.vocabulary.twins, flip)

    def kernels(self, net: Any) -> dict[str, np.ndarray] | None:
        """Weights for class activation maps, if the crops depend on them."""
        return None

    def described(self, manifest: Manifest, calibration: Visibility | None) -> Manifest:
        """The manifest with the facts that only this kind of task has."""
        return dataclasses.replace(manifest, visibility=calibration.to_json() if calibration else {})

    def example(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """(S, S, 3) uint8 -> the inputs of a serving net by name, a batch of one."""
        return {"image": image[None], "mask": np.ones((1, len(self.config.vocabulary.keypoints)), np.float32)}

    def artifact_predictor(self, network: Any) -> Any:
        from ..serve.runtime import keypoint_predict

        return keypoint_predict(network)

    def outputs_apart(self, predict: KeypointPredict, network: Any, images: np.ndarray) -> dict[str, float]:
        """The largest differences between a run's outputs and an artifact's, by name.

        heatmap: relative to the highest peak. points_px: movement of a point beyond that which noise as large as the
        heatmaps' difference causes; in a flat heatmap, as of a network with little training, rounding alone moves the
        point.
        """
        vocabulary, codec = self.config.vocabulary, self.config.codec
        heatmaps, probabilities = predict(images)
        mask = np.stack([vocabulary.mask(vocabulary.categories[int(row.argmax())]) for row in probabilities])
        outputs = network(images, mask=mask.astype(np.float32))
        expected = heatmaps * mask[:, None, None, :]
        apart = np.abs(outputs["heatmaps"] - expected)
        rounding = 4 * np.finfo(np.float32).eps * np.abs(expected).max(axis=(1, 2), keepdims=True)
        xy, _ = codec.decode(expected, self.config.decoder)
        moved, rng = np.zeros(mask.shape), np.random.default_rng(0)
        for _ in range(_NOISES):
            noise = rng.uniform(-1, 1, expected.shape) * np.maximum(apart.max(axis=(1, 2), keepdims=True), rounding)
            noisy, _ = codec.decode((expected + noise).astype(np.float32), self.config.decoder)
            moved = np.maximum(moved, np.abs(noisy - xy).max(axis=-1))
        points = np.abs(outputs["keypoints"][..., :2] - xy).max(axis=-1)
        return {
            "heatmap": float(apart.max() / max(float(np.abs(expected).max()), 1e-12)),
            "points_px": float(np.maximum(points - _SAFETY * moved, 0)[mask].max()),
            "category_probability": float(np.abs(outputs["category"] - probabilities).max()),
        }


def write_keypoint_submission(
    folder: Path,
    listed: ListedPhotos,
    predictions: Sequence[Prediction],
    given: Sequence[Sample],
    config: KeypointConfig,
) -> Path:
    """Writes the predictions of a test list to a folder, and returns the path: a CSV for FashionAI's lists, results for
    a COCO file, a COCO data set for all other formats.

    given: the samples, without a category if the network had to predict it.
    """
    from ..data_gen.formats.coco_results import coco_results
    from ..data_gen.formats.coco_writing import write_coco

    if listed.labels is not None:
        path = folder / "submission.json"
        write_coco(_predicted(listed.labels, predictions, given, config), path, config.vocabulary)
    elif listed.coco is None:
        path = folder / "submission.csv"
        write_submission(path, predictions, given, config.vocabulary)
    else:
        path = folder / "submission.json"
        write_atomic(path, json.dumps(coco_results(predictions, given, listed.coco, config.vocabulary)) + "\n")
    return path


def _predicted(
    listed: LabelSet, predictions: Sequence[Prediction], given: Sequence[Sample], config: KeypointConfig
) -> LabelSet:
    """The predictions as labels of the listed photos; one without a keypoint is not a garment."""
    garments: dict[str, list[LabelledGarment]] = {photo.file_name: [] for photo in listed.photos}
    definitions = {category.name: category for category in config.vocabulary.definitions}
    for number, (prediction, sample) in enumerate(zip(predictions, given, strict=True), start=1):
        names = definitions[prediction.category].keypoints
        own = np.array([config.vocabulary.indices[name] for name in names])
        keypoints = Keypoints(np.round(prediction.xy[own], 2), prediction.state[own])
        if (keypoints.state != ABSENT).any():
            scores = tuple(prediction.score[own].tolist())
            found = LabelledGarment(str(number), prediction.category, names, keypoints, None, scores)
            garments[sample.image_id].append(found)
    photos = [dataclasses.replace(p, garments=tuple(garments[p.file_name])) for p in listed.photos]
    return dataclasses.replace(listed, photos=tuple(photos))


def no_keypoints(sample: Sample, config: KeypointConfig) -> Prediction:
    """The row of an unreadable photo: its listed category, if the network knows it, and no keypoint."""
    vocabulary, count = config.vocabulary, len(config.vocabulary.keypoints)
    category = sample.category if sample.category in vocabulary.categories else vocabulary.categories[0]
    absent = np.full(count, ABSENT, np.int8)
    return Prediction(sample.image_id, category, None, np.full((count, 2), -1.0), np.zeros(count), absent)
