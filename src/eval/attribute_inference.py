"""Photos -> probabilities by head, with a `predict` function of a Keras run or of a runtime."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..data_gen.images import ImageError
from ..data_gen.label_table import Photos
from ..data_gen.preprocess import sample_image, scaled_side
from ..geometry import Frame, letterbox, shift, zoom
from ..records import HeadSpec
from .heads import head_probabilities
from .reading import full_batch, read_ahead

AttributePredict = Callable[[np.ndarray], dict[str, np.ndarray]]
"""images (B, S, S, 3) uint8, any S -> logits by head, (B, logits) float32."""


@dataclass(frozen=True, slots=True)
class Views:
    """The views of a photo in a test: at every scale, whole or as five crops, each also mirrored or not.

    scales: sides of the input as multiples of the size. crops: 1, the whole photo, or 5, its corners and its centre at
    1/0.875 of the size, which with `mirror` makes ten-crop.
    """

    scales: tuple[float, ...] = (1.0,)
    crops: int = 1
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.crops not in (1, 5) or not self.scales or min(self.scales) <= 0:
            raise ValueError(f"a test looks at 1 or 5 crops, at scales above 0; got {self.crops} and {self.scales}")


_CLOSER = 1 / 0.875


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """For the photo in `row`: probabilities (C,) and logits by head, or why it could not be read."""

    row: int
    probabilities: dict[str, np.ndarray] | None = None
    logits: dict[str, np.ndarray] | None = None
    error: str | None = None


def predict_attributes(
    predict: AttributePredict,
    photos: Photos,
    heads: Sequence[HeadSpec],
    size: int,
    views: Views | None = None,
    temperatures: dict[str, float] | None = None,
    batch_size: int = 16,
    threads: int = 2,
) -> Iterator[Outcome]:
    """The outcomes in the order of the photos; that of an unreadable photo has an `error`.

    Probabilities and logits are averaged over the views. temperatures: by head, default 1.
    """
    views = views or Views()
    frames = [(side, frame) for scale in views.scales for side, frame in _crops(scaled_side(size, scale), views.crops)]

    def load(row: int) -> tuple[int, np.ndarray | str]:
        try:
            return row, photos.read(row)
        except (ImageError, ValueError) as error:
            return row, str(error)

    for group in read_ahead(range(len(photos)), load, batch_size, threads):
        readable = [(row, photo) for row, photo in group if not isinstance(photo, str)]
        seen = {}
        if readable:
            images = [photo for _, photo in readable]
            means, logits = _look(predict, images, heads, frames, views.mirror, temperatures or {}, batch_size)
            for index, (row, _) in enumerate(readable):
                of_row, logits_of_row = (
                    {name: array[index] for name, array in part.items()} for part in (means, logits)
                )
                seen[row] = Outcome(row, of_row, logits_of_row)
        for row, photo in group:
            yield Outcome(row, error=photo) if isinstance(photo, str) else seen[row]


def _look(
    predict: AttributePredict,
    photos: list[np.ndarray],
    heads: Sequence[HeadSpec],
    frames: list[tuple[int, Frame | None]],
    mirror: bool,
    temperatures: dict[str, float],
    batch_size: int,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Means over all views: probabilities and logits by head."""
    probabilities = {head.name: np.zeros((len(photos), len(head.classes))) for head in heads}
    logits: dict[str, np.ndarray] = {}
    count = len(frames) * (1 + mirror)
    for side, frame in frames:
        images = full_batch([_view(photo, side, frame) for photo in photos], batch_size)
        for batch in (images, np.ascontiguousarray(images[:, :, ::-1]))[: 1 + mirror]:
            answer = predict(batch)
            for head in heads:
                values = np.asarray(answer[head.name], np.float64)[: len(photos)]
                values_of_view = head_probabilities(head, values, temperatures.get(head.name, 1.0))
                probabilities[head.name] += values_of_view / count
                logits[head.name] = logits.get(head.name, 0) + values / count
    return probabilities, logits


def _crops(side: int, crops: int) -> list[tuple[int, Frame | None]]:
    """(side, frame of the letterboxed input onto itself); None is the whole photo."""
    if crops == 1:
        return [(side, None)]
    rest = side * _CLOSER - side
    starts = [(0, 0), (rest, 0), (0, rest), (rest, rest), (rest / 2, rest / 2)]
    return [(side, zoom(_CLOSER).then(shift(-x, -y))) for x, y in starts]


def _view(photo: np.ndarray, side: int, frame: Frame | None) -> np.ndarray:
    whole = letterbox((photo.shape[1], photo.shape[0]), (side, side))
    return sample_image(photo, whole if frame is None else whole.then(frame), (side, side))
