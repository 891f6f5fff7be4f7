"""A trained keypoint network, of a run or an artifact, ready to predict."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..config import KeypointConfig
from ..data_gen.memory import Budget
from ..eval.detection import BoxSource
from ..eval.garments import predict_garments
from ..eval.inference import KeypointNet, KeypointPredict, PhotoResult, predict_photos
from ..eval.tta import with_augmentation
from ..eval.visibility import Visibility
from ..files import CHECKOUT
from ..heatmaps import Decoder
from ..records import Sample
from ..run_files import CALIBRATION as CALIBRATION
from ..run_files import find_trained_run, read_calibration_file
from ..serve.artifact import ArtifactError, Stage, is_artifact
from ..serve.shipped import WORD, or_shipped, shipped
from ..vocabulary import Vocabulary

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeypointModel:
    """The folder of the run or artifact, its configuration, `maps`, the function from images to heatmaps, what peaks
    say of visibility, where that is known, and `prepare`, which makes it ready for batches of a length. mirrors:
    whether `maps` is the mean of an image and its mirror image."""

    run: Path
    config: KeypointConfig
    maps: KeypointPredict
    decoder: Decoder
    visibility: Visibility | None = None
    prepare: Callable[[int], Any] = lambda batch: None
    mirrors: bool = False

    @property
    def vocabulary(self) -> Vocabulary:
        return self.config.vocabulary

    def augmented(self) -> "KeypointModel":
        """The same network with test-time augmentation, as `load_keypoint_model` gives it: both share its memory."""
        maps = with_augmentation(self.maps, self.vocabulary.twins, True, (), self.mirrors)
        return replace(self, maps=maps, mirrors=True)

    def predict(
        self,
        samples: Iterable[Sample],
        batch_size: int,
        keep_photos: bool = False,
        photo_side: int | None = None,
        budget: Budget | None = None,
        boxes: BoxSource | None = None,
    ) -> Iterator[PhotoResult]:
        """`predict_photos` with this model's network, vocabulary, decoder and visibility, or with boxes
        `predict_garments`."""
        if boxes is not None:
            net = KeypointNet(self.maps, self.vocabulary, self.config.codec, self.decoder, self.visibility)
            return predict_garments(net, samples, boxes, batch_size, keep_photos, photo_side, budget)
        return predict_photos(
            self.maps,
            samples,
            self.vocabulary,
            self.config.codec,
            self.decoder,
            batch_size,
            keep_photos=keep_photos,
            photo_side=photo_side,
            visibility=self.visibility,
            budget=budget,
        )


def load_keypoint_model(
    run: Path | None,
    epoch: int | None = None,
    augment: bool = False,
    decoder: Decoder | None = None,
    weights: Path | None = None,
    scales: Sequence[float] = (),
) -> KeypointModel:
    """The best model of a run folder, that of `epoch`, or a `weights` file; or an artifact, which needs no Keras.

    run: the folder, or one that holds runs, of which the latest finished one is taken; or `shipped`, the network that
    comes with the package, which None means as well.
    augment, scales: test-time augmentation, as in `with_augmentation`. Raises RunError or ValueError where the run is
    unusable, and ValueError for scales that are.
    """
    run = named_or_shipped(run, "keypoints", CHECKOUT / "trained_models" / "all", "--model")
    if is_artifact(run):
        if epoch is not None or weights is not None:
            raise ArtifactError(f"{run} is an artifact of one epoch: --epoch and --load go with a run folder")
        return _load_artifact(run, augment, decoder, scales)
    check_folder(run)
    run = find_trained_run(run)
    from ..unet.predictors import keypoint_predictor, trained_keypoint_net  # Keras loads here
    from ..unet.runs import chosen_weights, read_keypoint_config

    config = read_keypoint_config(run)
    weights, which = chosen_weights(run, log.warning, epoch, weights)
    maps: Callable = keypoint_predictor(trained_keypoint_net(config, weights))
    maps = with_augmentation(maps, config.vocabulary.twins, augment, scales)
    log.info(f"{run}: {config.network} at {config.size} px, {which}")
    mirrors = augment or bool(scales)
    visibility = read_visibility(run, config)
    return KeypointModel(run, config, maps, decoder or config.decoder, visibility, mirrors=mirrors)


def _load_artifact(folder: Path, augment: bool, decoder: Decoder | None, scales: Sequence[float]) -> KeypointModel:
    from ..serve.runtime import keypoint_predict, load_network

    network = load_network(folder, ("heatmaps", "category"))
    manifest, config = network.manifest, network.manifest.keypoint_config
    if network.note:
        log.info(network.note)
    maps: Callable = keypoint_predict(network)
    mirrors = bool(manifest.flip)
    maps = with_augmentation(maps, config.vocabulary.twins, augment, scales, mirrors)
    log.info(f"{folder}: {config.network} at {config.size} px for {manifest.format}, {manifest.precision}")
    count = len(config.vocabulary.keypoints)
    visibility = Visibility.from_json(manifest.visibility, count) if manifest.visibility else None
    mirrors = mirrors or augment or bool(scales)
    return KeypointModel(folder, config, maps, decoder or config.decoder, visibility, network.prepare, mirrors)


def named_or_shipped(run: Path | None, stage: Stage, trained: Path, option: str) -> Path:
    """The folder that is named, or that of the network that comes with the package, which is reported.

    trained: where runs of this stage are kept; where it has some, the report says how to use them.
    """
    if run is not None:
        return or_shipped(run, stage)
    hint = f"; {option} {trained} uses your latest finished run" if any(trained.glob("*/best.json")) else ""
    what = {"detection": "detector", "keypoints": "keypoint network", "attributes": "classifier"}[stage]
    log.info(f"no {option}: the {what} is the shipped one{hint}")
    return shipped(stage)


def check_folder(run: Path) -> None:
    """Raises ValueError where there is no folder, before the framework loads, which takes seconds."""
    if not run.is_dir():
        address = re.match("[A-Za-z][A-Za-z0-9+.-]+:/", str(run))  # of its two slashes a path keeps one
        raise ValueError(
            f"no run in {run}, which is not a folder: expected {WORD}, a run folder, a folder of runs, or an artifact"
            + (" on this machine; download it first" if address else "")
        )


def read_visibility(run: Path, config: KeypointConfig) -> Visibility | None:
    """What was found on the validation set; None where the run was not calibrated yet.

    Raises RunError where the file is lost, or is not what training wrote.
    """
    return read_calibration_file(run, lambda facts: Visibility.from_json(facts, len(config.vocabulary.keypoints)))
