"""Photos -> keypoints, with a `predict` function that comes from a Keras run or from a runtime alike."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..data_gen.images import ImageError, Side, decode_reduced, read_reduced
from ..data_gen.memory import Budget, array_bytes
from ..data_gen.preprocess import boxed, letterboxed
from ..geometry import Frame, Size
from ..heatmaps import Decoder, HeatmapCodec
from ..records import ABSENT, HIDDEN, NO_GARMENT, VISIBLE, Box, Prediction, Sample, Uncertainty
from ..vocabulary import Vocabulary
from .keypoint_errors import default_errors, spreads
from .reading import full_batch, new_budget, read_ahead, work_behind
from .visibility import THRESHOLD, Visibility, mean_peak

KeypointPredict = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""images (B, S, S, 3) uint8 -> heatmaps (B, h, w, K) float32 and category probabilities (B, C)."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelSample(Sample):
    """A sample whose photo is in memory: pixels (H, W, 3) RGB uint8. Its path is only a name, for messages."""

    pixels: np.ndarray = field(kw_only=True)


@dataclass(frozen=True, slots=True, eq=False)
class EncodedSample(Sample):
    """A sample whose photo is the bytes of a file, in memory. Its path is only a name, for messages."""

    data: bytes = field(kw_only=True)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Which garment of its photo a result is of, where garments were looked for.

    number: 0, 1, ... of `count` results of this photo. box: (4,) px as in `boxes`, and score: of the garment; None
    where no garment was found, and the result is of the whole photo. square: what of the photo the network saw of it.
    left_out: how many boxes of the photo could not be used.
    """

    number: int = 0
    count: int = 1
    box: np.ndarray | None = None
    score: float | None = None
    square: Box | None = None
    left_out: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class PhotoResult:
    """One garment's outcome: the prediction; the probability of every category, (C,); the masked heatmaps (h, w, K);
    the frame from photo to network pixels; the photo's (width, height); and, if asked for, the photo itself, which can
    be a reduced one: then `reduced` is the frame from its pixels to those of the photo, else None.

    Where the photo could not be read, `error` says why and all else is None. Where no garments were looked for, `place`
    is None and the garment is that of the whole photo. spread: (K, 2, 2) cells squared, how wide each heatmap is.
    """

    sample: Sample
    prediction: Prediction | None = None
    probabilities: np.ndarray | None = None
    heatmaps: np.ndarray | None = None
    frame: Frame | None = None
    size: Size | None = None
    photo: np.ndarray | None = None
    error: str | None = None
    reduced: Frame | None = None
    place: Place | None = None
    spread: np.ndarray | None = None

    @property
    def is_last(self) -> bool:
        """Whether no other result of this photo follows."""
        return self.place is None or self.place.number == self.place.count - 1

    @property
    def freed(self) -> int:
        """The bytes of the photo where it is done with this result: several garments of a photo share it."""
        return array_bytes(self.photo) if self.is_last else 0


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What the network is to see: `image`, its input, of a photo from whose pixels `frame` leads to it.

    sample: its category, if there is one, is that of the garment. The others are as in `PhotoResult`.
    """

    sample: Sample
    image: np.ndarray
    frame: Frame
    size: Size
    photo: np.ndarray | None = None
    reduced: Frame | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class KeypointNet:
    """The network of stage 1, and how its answers are read. visibility: says which keypoints are visible, and whether
    there is a garment."""

    predict: KeypointPredict
    vocabulary: Vocabulary
    codec: HeatmapCodec
    decoder: Decoder = "dark"
    visibility: Visibility | None = None


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

    def load(sample: Sample) -> View | PhotoResult:
        try:
            photo, size, reduced = read_photo(sample, photo_side)
            if sample.square is None:
                image, frame = letterboxed(photo, codec.size, size, reduced)
            else:
                image, frame = boxed(photo, sample.square, codec.size, reduced)
        except ImageError as error:
            return PhotoResult(sample, error=str(error))
        except ValueError as error:  # a square beside the photo
            return PhotoResult(sample, error=f"{sample.path}: {error}")
        return View(sample, image, frame, size, photo if keep_photos else None, reduced)

    groups = read_ahead(samples, load, batch_size, threads, photos, lambda loaded: array_bytes(loaded.photo))
    for result in answered(KeypointNet(predict, vocabulary, codec, decoder, visibility), groups, batch_size):
        if budget is None:
            photos.add(-array_bytes(result.photo))
        yield result


def read_photo(sample: Sample, side: Side) -> tuple[np.ndarray, Size, Frame | None]:
    """`read_reduced` for a file, on the disk or in memory, without a frame if it is not reduced; pixels that are in
    memory stay as they are.

    Returns the pixels, the photo's (width, height) and the frame. Raises ImageError where it cannot be read.
    """
    if isinstance(sample, PixelSample):
        return sample.pixels, (sample.pixels.shape[1], sample.pixels.shape[0]), None
    encoded = isinstance(sample, EncodedSample)
    photo = decode_reduced(sample.data, str(sample.path), side) if encoded else read_reduced(sample.path, side)
    whole = photo.size == (photo.pixels.shape[1], photo.pixels.shape[0])
    return photo.pixels, photo.size, None if whole else photo.frame


Group = Sequence[View | PhotoResult]
"""One batch of views, and of photos that could not be read."""

Answer = tuple[Group, tuple[np.ndarray, np.ndarray] | None]
"""One batch, and what the network says of its views."""


def answered(net: KeypointNet, groups: Iterable[Group], batch_size: int) -> Iterator[PhotoResult]:
    """The results of all views, in their order; of photos that could not be read what the groups have.

    groups: of up to `batch_size`. The answers are decoded in a thread while the network works on the next ones.
    """

    def answers() -> Iterator[Answer]:
        for group in groups:
            images = [seen.image for seen in group if isinstance(seen, View)]
            yield group, net.predict(full_batch(images, batch_size)) if images else None

    def finish(answer: Answer) -> list[PhotoResult]:
        group, maps = answer
        views = [seen for seen in group if isinstance(seen, View)]
        decoded: Iterator[PhotoResult] = iter(())
        if maps is not None:
            heatmaps, probabilities = (part[: len(views)] for part in maps)
            decoded = _decode(net, views, heatmaps, probabilities)
        return [next(decoded) if isinstance(seen, View) else seen for seen in group]

    for results in work_behind(answers(), finish):
        yield from results


def _decode(
    net: KeypointNet, views: Sequence[View], heatmaps: np.ndarray, probabilities: np.ndarray
) -> Iterator[PhotoResult]:
    xy, peaks = net.codec.decode(heatmaps, net.decoder)
    calibrated = net.visibility.errors if net.visibility else None
    errors = calibrated or default_errors(heatmaps.shape[3])
    spread = spreads(heatmaps, net.codec.frame.forward(xy))
    off = errors.covariance(spread, peaks)
    for index, view in enumerate(views):
        sample, visibility = view.sample, net.visibility
        guessed = net.vocabulary.categories[int(probabilities[index].argmax())]
        given = None if sample.category == NO_GARMENT else sample.category
        category = given or guessed
        probability = None if given else float(probabilities[index].max())
        present = net.vocabulary.mask(category)
        points = view.frame.back(xy[index])
        # A decoded point may lie in the padding about the photo; the garment does not.
        points = np.clip(points, 0, np.array(view.size) - 1.0)
        state = np.where(present, VISIBLE, ABSENT).astype(np.int8)
        score = np.where(present, np.clip(peaks[index], 0, 1), 0).astype(np.float32)
        visible = found = None
        if visibility is not None:
            visible = np.where(present, visibility.probability(score), 0)
            state[present & (visible < THRESHOLD)] = HIDDEN
            found = bool(mean_peak(score, present) >= visibility.found)
        if view.place is not None and view.place.box is None:
            found = False
        to_photo = net.codec.stride * view.frame.inverse[:, :2]
        uncertainty = Uncertainty(to_photo @ off[index] @ to_photo.T, errors.lengths)
        prediction = Prediction(
            sample.image_id, category, probability, points, score, state, visible, found, uncertainty
        )
        yield PhotoResult(
            sample,
            prediction,
            probabilities[index],
            heatmaps[index] * present,
            view.frame,
            view.size,
            view.photo,
            reduced=view.reduced,
            place=view.place,
            spread=spread[index],
        )
