"""Photos -> keypoints, with a `predict` function that comes from a Keras run or from a runtime alike."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..data_gen.images import ImageError, read_reduced
from ..data_gen.memory import Budget, array_bytes
from ..data_gen.preprocess import letterboxed
from ..geometry import Frame, Size
from ..heatmaps import Decoder, HeatmapCodec
from ..records import ABSENT, HIDDEN, NO_GARMENT, VISIBLE, Prediction, Sample
from ..vocabulary import Vocabulary
from .reading import full_batch, new_budget, read_ahead, work_behind
from .visibility import THRESHOLD, Visibility, mean_peak

KeypointPredict = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""images (B, S, S, 3) uint8 -> heatmaps (B, h, w, K) float32 and category probabilities (B, C)."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelSample(Sample):
    """A sample whose photo is in memory: pixels (H, W, 3) RGB uint8. Its path is only a name, for messages."""

    pixels: np.ndarray = field(kw_only=True)


@dataclass(frozen=True, slots=True, eq=False)
class PhotoResult:
    """One photo's outcome: the prediction; the probability of every category, (C,); the masked heatmaps (h, w, K);
    the frame from photo to network pixels; the photo's (width, height); and, if asked for, the photo itself, which can
    be a reduced one: then `reduced` is the frame from its pixels to those of the photo, else None.

    Where the photo could not be read, `error` says why and all else is None.
    """

    sample: Sample
    prediction: Prediction | None = None
    probabilities: np.ndarray | None = None
    heatmaps: np.ndarray | None = None
    frame: Frame | None = None
    size: tuple[int, int] | None = None
    photo: np.ndarray | None = None
    error: str | None = None
    reduced: Frame | None = None


def predict_photos(
    predict: KeypointPredict,
    samples: Iterable[Sample],
    vocabulary: Vocabulary,
    codec: HeatmapCodec,
    decoder: Decoder = "dark",
    batch_size: int = 16,
    threads: int = 2,
    keep_photos: bool = False,
    photo_side: int | None = None,
    visibility: Visibility | None = None,
    budget: Budget | None = None,
) -> Iterator[PhotoResult]:
    """The results in the order of `samples`; a photo that cannot be read gives a result with `error`.

    A sample whose category is None, or that of photos without a garment, gets the most probable one.
    keep_photos: for those who go on to crop them.
    photo_side: a longer side in px to which large photos may be reduced while they are decoded.
    visibility: says which keypoints are visible, and whether there is a garment.
    budget: of the bytes of photos that are kept, if whoever handles them later gives them back.
    Reading and decoding go on in threads while the network works.
    """
    photos = budget or new_budget()

    def load(sample: Sample) -> tuple[Sample, Loaded | str]:
        try:
            photo, size, reduced = _read(sample, photo_side)
        except ImageError as error:
            return sample, str(error)
        image, frame = letterboxed(photo, codec.size, size, reduced)
        return sample, (image, frame, size, photo if keep_photos else None, reduced)

    def weigh(loaded: tuple[Sample, Loaded | str]) -> int:
        return 0 if isinstance(loaded[1], str) else array_bytes(loaded[1][3])

    def answers() -> Iterator[Answer]:
        for group in read_ahead(samples, load, batch_size, threads, photos, weigh):
            readable = [(sample, loaded) for sample, loaded in group if not isinstance(loaded, str)]
            answer = predict(full_batch([loaded[0] for _, loaded in readable], batch_size)) if readable else None
            yield group, answer

    def finish(answered: Answer) -> list[PhotoResult]:
        group, answer = answered
        readable = [(sample, loaded) for sample, loaded in group if not isinstance(loaded, str)]
        decoded: Iterator[PhotoResult] = iter(())
        if answer is not None:
            heatmaps, probabilities = (part[: len(readable)] for part in answer)
            decoded = _decode(readable, heatmaps, probabilities, vocabulary, codec, decoder, visibility)
        return [PhotoResult(s, error=loaded) if isinstance(loaded, str) else next(decoded) for s, loaded in group]

    for results in work_behind(answers(), finish):
        for result in results:
            if budget is None:
                photos.add(-array_bytes(result.photo))
            yield result


def _read(sample: Sample, side: int | None) -> tuple[np.ndarray, Size, Frame | None]:
    """`read_reduced` for a file, without a frame if it is not reduced; pixels that are in memory stay as they are."""
    if isinstance(sample, PixelSample):
        return sample.pixels, (sample.pixels.shape[1], sample.pixels.shape[0]), None
    photo = read_reduced(sample.path, side)
    whole = photo.size == (photo.pixels.shape[1], photo.pixels.shape[0])
    return photo.pixels, photo.size, None if whole else photo.frame


Loaded = tuple[np.ndarray, Frame, Size, np.ndarray | None, Frame | None]
"""The network's input, the frame that leads to it from the photo, the photo's (width, height), maybe the photo, and if
that is a reduced one the frame from it to the photo."""

Answer = tuple[list[tuple[Sample, Loaded | str]], tuple[np.ndarray, np.ndarray] | None]
"""The samples of one batch, each loaded or why it could not be, and what the network says of those that could."""


def _decode(
    readable: Sequence[tuple[Sample, Loaded]],
    heatmaps: np.ndarray,
    probabilities: np.ndarray,
    vocabulary: Vocabulary,
    codec: HeatmapCodec,
    decoder: Decoder,
    visibility: Visibility | None,
) -> Iterator[PhotoResult]:
    xy, peaks = codec.decode(heatmaps, decoder)
    for index, (sample, (_, frame, size, photo, reduced)) in enumerate(readable):
        guessed = vocabulary.categories[int(probabilities[index].argmax())]
        given = None if sample.category == NO_GARMENT else sample.category
        category = given or guessed
        probability = None if given else float(probabilities[index].max())
        present = vocabulary.mask(category)
        points = frame.back(xy[index])
        # A decoded point may lie in the padding about the photo; the garment does not.
        points = np.clip(points, 0, np.array(size) - 1.0)
        state = np.where(present, VISIBLE, ABSENT).astype(np.int8)
        score = np.where(present, np.clip(peaks[index], 0, 1), 0).astype(np.float32)
        visible = found = None
        if visibility is not None:
            visible = np.where(present, visibility.probability(score), 0)
            state[present & (visible < THRESHOLD)] = HIDDEN
            found = bool(mean_peak(score, present) >= visibility.found)
        prediction = Prediction(sample.image_id, category, probability, points, score, state, visible, found)
        masked = heatmaps[index] * present
        yield PhotoResult(sample, prediction, probabilities[index], masked, frame, size, photo, reduced=reduced)
