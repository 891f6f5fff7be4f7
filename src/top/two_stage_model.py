"""Both trained stages, ready for photos: what demo.py and `aifashion predict` share."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from aifashion.eval.two_stage import Classifier, Garment, recognise
from aifashion.records import HeadSpec, Sample
from aifashion.serve.shipped import SHIPPED, WORD
from aifashion.top.arguments import CHECKOUT
from aifashion.top.attribute_model import FOLDER, AttributeModel, load_attribute_model
from aifashion.top.keypoint_model import KeypointModel, load_keypoint_model
from aifashion.top.network_digest import network_digest


@dataclass(frozen=True)
class TwoStageModel:
    """Stage 1, and stage 2 where there is one."""

    keypoints: KeypointModel
    attributes: AttributeModel | None

    @property
    def name(self) -> str:
        return f"{self.keypoints.run} + {self.attributes.run if self.attributes else 'no attributes'}"

    @property
    def digests(self) -> list[str]:
        """Of the networks of both stages."""
        return [network_digest(stage.run) for stage in (self.keypoints, self.attributes) if stage is not None]

    @property
    def heads(self) -> tuple[HeadSpec, ...]:
        return self.attributes.heads if self.attributes else ()

    def recognise(self, samples: Iterable[Sample], batch_size: int, whole_photos: bool = True) -> Iterator[Garment]:
        """whole_photos: the results hold the photos in their full size; else large ones are reduced while decoded."""
        model, classifier = self.keypoints, None
        side = None if whole_photos else model.config.size
        Thread(target=model.prepare, args=(batch_size,)).start()
        if self.attributes is not None:
            own = self.attributes
            # While the first photos are read and seen by stage 1.
            Thread(target=own.prepare, args=(batch_size,)).start()
            if side is not None:
                # A crop of at least half of the photo is still as sharp as its classifier can see.
                side = None if own.config.crop == "cam" else max(side, 2 * own.config.size)
            classifier = Classifier(
                own.heads,
                own.config.size,
                own.config.crop,
                own.predict,
                own.calibration.temperatures,
                own.activation,
            )
        return recognise(
            lambda wanted: model.predict(wanted, batch_size, keep_photos=True, photo_side=side),
            classifier,
            samples,
            model.words,
            model.config.codec,
            batch_size,
        )


def load_two_stage_model(keypoints: Path | None, attributes: Path | None, augment: bool = False) -> TwoStageModel:
    """The run folders, or the latest runs in trained_models/ with a model; without a classifier there, stage 1 alone.

    Without a keypoint network there it is the pair that comes with the package.
    """
    first = load_keypoint_model(keypoints, augment=augment)
    if attributes is None and first.run == SHIPPED / "keypoints":
        attributes = Path(WORD)
    folder = attributes or CHECKOUT / "trained_models" / FOLDER / "all"
    if attributes is None and not any(folder.glob("*/best.json")):
        return TwoStageModel(first, None)
    return TwoStageModel(first, load_attribute_model(folder))
