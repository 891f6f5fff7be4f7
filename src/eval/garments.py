"""Photos with several garments -> keypoints of each: each garment is predicted on its own square crop.

Photos are read once. The detector's batches are filled with photos, those of the keypoint network with garments from
several photos.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..boxes import MARGIN, Detections, squared
from ..data_gen.images import ImageError, Side
from ..data_gen.memory import Budget, array_bytes
from ..data_gen.preprocess import Letterboxed, boxed, letterboxed
from ..geometry import Frame, Size
from ..records import NO_GARMENT, Sample
from .detection import BoxSource, Located, detected, located, needed_side
from .inference import KeypointNet, PhotoResult, Place, View, answered, read_photo
from .reading import made_ahead, new_budget, read_ahead

log = logging.getLogger(__name__)
_THREADS = 2


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A photo in memory; image: the detector's input and the frame to it, None without a detector."""

    sample: Sample
    photo: np.ndarray
    size: Size
    reduced: Frame | None
    image: Letterboxed | None


_Cut = tuple[_Read, Sample, Place]
"""A photo, the sample with the garment's category, and the garment's place in the photo."""


def predict_garments(
    net: KeypointNet,
    samples: Iterable[Sample],
    source: BoxSource,
    batch_size: int = 16,
    keep_photos: bool = False,
    photo_side: int | None = None,
    budget: Budget | None = None,
) -> Iterator[PhotoResult]:
    """The results in the order of `samples`, and of the garments of each; every sample has at least one.

    If there are no boxes, the result is of the whole photo, without a box, and marked as no garment. An unreadable
    photo gives one result with `error`. If a sample has a category, only that one is searched for. photo_side: minimum
    px of every garment's square after a large photo was reduced in decoding, if the photo has them; None: photos stay
    unchanged. The other arguments are those of `predict_photos`. Unusable boxes are left out, with a warning.
    """
    photos = budget or new_budget()
    steps = _Steps(net, source, photo_side)

    def garments() -> Iterator[_Cut | PhotoResult]:
        size = source.detector.batch_size if source.detector else batch_size
        groups = read_ahead(samples, steps.read, size, _THREADS, photos, lambda read: array_bytes(read.photo))
        # The detector works in a separate thread, in parallel with the keypoint network.
        for item in made_ahead(steps.locate(groups), size, photos):
            yield from [item] if isinstance(item, PhotoResult) else steps.cuts(*item)

    views = read_ahead(garments(), steps.view, batch_size, _THREADS, weigh=lambda view: 0)
    for result in answered(net, views, batch_size):
        if budget is None or not keep_photos:
            photos.add(-result.freed)
        yield result if keep_photos else replace(result, photo=None, reduced=None)


@dataclass(frozen=True, slots=True)
class _Steps:
    """The steps from a sample to the views of its garments."""

    net: KeypointNet
    source: BoxSource
    photo_side: int | None

    def read(self, sample: Sample) -> _Read | PhotoResult:
        detector = self.source.detector
        try:
            photo, size, reduced = read_photo(sample, self._side(sample))
        except ImageError as error:
            return PhotoResult(sample, error=str(error))
        image = letterboxed(photo, detector.codec.size, size, reduced) if detector else None
        return _Read(sample, photo, size, reduced, image)

    def _side(self, sample: Sample) -> Side:
        """The reduction at which the smallest garment of the photo still has `photo_side` px."""
        wanted, detector = self.photo_side, self.source.detector
        if wanted is None:
            return None
        if detector is not None:
            return lambda size: max(*detector.codec.size, needed_side(wanted, size, detector.smallest * max(size)))

        def side(size: Size) -> int:
            boxes = self._wanted(sample, self.source.given(sample.image_id), size).garments.boxes
            lengths = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
            return needed_side(wanted, size, float(lengths.min(initial=max(size))))

        return side

    def _wanted(self, sample: Sample, found: Detections, size: Size) -> Located:
        category = None if sample.category == NO_GARMENT else sample.category
        where = located(self.source, found, size, self.net.vocabulary, category)
        if self.source.listed is None:
            return where
        return replace(where, garments=self.source.listed.own(sample, where.garments))

    def locate(self, groups: Iterable[list[_Read | PhotoResult]]) -> Iterator[tuple[_Read, Located] | PhotoResult]:
        """Each photo with its garments, in order; the detector gets the photos of a group at once."""
        detector = self.source.detector
        for group in groups:
            read = [item for item in group if isinstance(item, _Read)]
            if detector is None:
                boxes = [self.source.given(item.sample.image_id) for item in read]
            else:
                inputs = [item.image for item in read if item.image is not None]
                boxes = detected(detector, inputs, [item.size for item in read]) if read else []
            found = iter(boxes)
            for item in group:
                yield (item, self._wanted(item.sample, next(found), item.size)) if isinstance(item, _Read) else item

    def cuts(self, read: _Read, where: Located) -> Iterator[_Cut]:
        """Views of a photo's garments; of the whole photo if there is none."""
        found, left_out = where.garments, len(where.left_out)
        if left_out:
            more = f" ({left_out - 1} more boxes are left out)" if left_out > 1 else ""
            log.warning(f"{read.sample.path}: left out: {where.left_out[0]}{more}")
        names = self.net.vocabulary.categories
        if len(found) == 0:
            yield read, read.sample, Place(left_out=left_out)
        for number in range(len(found)):
            category, box = int(found.category[number]), found.boxes[number]
            sample = replace(read.sample, category=names[category] if category >= 0 else None)
            square = squared(box, MARGIN)
            yield read, sample, Place(number, len(found), box, float(found.score[number]), square, left_out)

    def view(self, cut: _Cut | PhotoResult) -> View | PhotoResult:
        if isinstance(cut, PhotoResult):
            return cut
        read, sample, place = cut
        size = self.net.codec.size
        if place.square is None:
            image, frame = letterboxed(read.photo, size, read.size, read.reduced)
        else:
            image, frame = boxed(read.photo, place.square, size, read.reduced)
        return View(sample, image, frame, read.size, read.photo, read.reduced, place)
