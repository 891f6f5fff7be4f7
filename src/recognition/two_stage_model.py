"""Both trained stages, ready to predict."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from ..eval.detection import BoxSource
from ..eval.reading import new_budget
from ..eval.two_stage import Classifier, Recognition, recognise
from ..records import HeadSpec, Sample
from ..serve.shipped import SHIPPED
from .attribute_model import AttributeModel, load_attribute_model
from .keypoint_model import KeypointModel, load_keypoint_model
from .network_digest import network_digest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TwoStageModel:
    """Stage 1, and optionally stage 2."""

    keypoints: KeypointModel
    attributes: AttributeModel | None

    @property
    def name(self) -> str:
        return f"{self.keypoints.run} + {self.attributes.run if self.attributes else 'no attributes'}"

    @property
    def digests(self) -> list[str]:
        """Digests of the networks of both stages."""
        return [network_digest(stage.run) for stage in (self.keypoints, self.attributes) if stage is not None]

    @property
    def heads(self) -> tuple[HeadSpec, ...]:
        return self.attributes.heads if self.attributes else ()

    def recognise(
        self,
        samples: Iterable[Sample],
        batch_size: int,
        whole_photos: bool = True,
        boxes: BoxSource | None = None,
    ) -> Iterator[Recognition]:
        """whole_photos: the results hold the photos in full size; otherwise large ones are reduced in decoding.

        boxes: of the garments; without them every photo has one garment.
        """
        model, classifier = self.keypoints, None
        side = None if whole_photos else model.config.size
        Thread(target=model.prepare, args=(batch_size,)).start()
        if self.attributes is not None:
            stage = self.attributes
            # In parallel with reading the first photos and stage 1.
            Thread(target=stage.prepare, args=(batch_size,)).start()
            if side is not None:
                # A crop of at least half of the keypoint network's view is still as sharp as the classifier's input.
                side = None if stage.config.crop.kind == "cam" else max(side, 2 * stage.config.size)
            classifier = Classifier(
                stage.heads,
                stage.config.size,
                stage.config.crop,
                stage.predict,
                stage.config.vocabulary,
                stage.calibration.temperatures,
                stage.activation,
            )
        budget = new_budget()
        return recognise(
            lambda wanted: model.predict(wanted, batch_size, True, side, budget, boxes),
            classifier,
            samples,
            model.vocabulary,
            model.config.codec,
            batch_size,
            budget,
        )


def load_two_stage_model(
    keypoints: Path | None, attributes: Path | None, augment: bool = False, scales: Sequence[float] = ()
) -> TwoStageModel:
    """Loads the named networks, each as in `load_keypoint_model`; by default the shipped ones.

    With another keypoint network there are no attributes unless a classifier is named: the shipped one was trained on
    other crops. Raises ValueError if a network is missing or damaged, or if the two do not fit together.
    """
    first = load_keypoint_model(keypoints, augment=augment, scales=scales)
    if attributes is None and first.run != SHIPPED / "keypoints":
        log.info("no --attributes: keypoints without attributes; --attributes shipped uses the shipped classifier")
        return TwoStageModel(first, None)
    second = load_attribute_model(attributes, option="--attributes")
    check_vocabularies(first, second)
    return TwoStageModel(first, second)


def check_vocabularies(keypoints: KeypointModel, attributes: AttributeModel) -> None:
    """Raises ValueError if the keypoint network has categories that are unknown to the classifier.

    The category decides which attributes apply. If a classifier has none that depends on it, such as only the style, it
    fits any keypoint network.
    """
    first, second = keypoints.vocabulary, attributes.config.vocabulary
    dependent = {task for category in second.definitions for task in category.attributes}
    unknown = [name for name in first.categories if name not in second.categories]
    if unknown and any(head.name in dependent for head in attributes.heads):
        raise ValueError(
            f"two networks of different vocabularies: {keypoints.run} was trained with {first.name}, whose categories "
            f"{', '.join(unknown)} are unknown to {attributes.run}, trained with {second.name}: "
            f"{', '.join(second.categories)}. Choose a --model and --attributes of one vocabulary"
        )
