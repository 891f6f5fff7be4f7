"""A trained run, ready to predict: what test.py and demo.py share."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aifashion.config import KeypointConfig
from aifashion.eval.inference import KeypointPredict, PhotoResult, predict_photos
from aifashion.eval.tta import with_flip, with_rotations
from aifashion.garments import Vocabulary
from aifashion.heatmaps import Decoder
from aifashion.records import Sample
from aifashion.top.arguments import CHECKOUT, tell, warn


@dataclass(frozen=True)
class KeypointModel:
    """The run's folder, its configuration, and `maps`, the function from images to heatmaps."""

    run: Path
    config: KeypointConfig
    maps: KeypointPredict
    decoder: Decoder

    @property
    def words(self) -> Vocabulary:
        return self.config.vocabulary

    def predict(self, samples: Iterable[Sample], batch_size: int, keep_photos: bool = False) -> Iterator[PhotoResult]:
        return predict_photos(
            self.maps, samples, self.words, self.config.codec, self.decoder, batch_size, keep_photos=keep_photos
        )


def load_keypoint_model(
    run: Path | None, epoch: int | None = None, augment: bool = False, decoder: Decoder | None = None
) -> KeypointModel:
    """The best model of a run folder, or that of `epoch`.

    run: the folder, or one that holds runs, of which the latest is taken; None is trained_models/all.
    augment: flip and rotation test-time augmentation. Raises RunError or ValueError where the run is unusable.
    """
    from aifashion.unet.predictors import keypoint_predictor, trained_keypoint_net  # Keras loads here
    from aifashion.unet.runs import best_model, find_run, read_config

    run = find_run(run or CHECKOUT / "trained_models" / "all")
    config = KeypointConfig.from_json(read_config(run), run / "config.json")
    model = best_model(run, warn, epoch)
    maps: Callable = keypoint_predictor(trained_keypoint_net(config, model.path))
    if augment:
        maps = with_rotations(with_flip(maps, config.vocabulary.twins))
    tell(f"{run}: {config.network} at {config.size} px, epoch {model.epoch}, validation NE {model.score:.2%}")
    return KeypointModel(run, config, maps, decoder or config.decoder)
