"""The front door: `load` gives a `Recognizer`, which turns photos into garments.

    >>> import aifashion
    >>> from aifashion.data_gen.synthetic.scene import render
    >>> import numpy as np
    >>> photo = render(np.random.default_rng(7), 320, "trousers").image    # drawn; a path does as well
    >>> recognizer = aifashion.load("shipped")
    >>> garment = recognizer(photo)
    >>> garment.category, garment.found
    ('trousers', True)
    >>> list(garment.keypoints)[:3]
    ['waistband_left', 'waistband_right', 'crotch']
    >>> crotch = garment.keypoints["crotch"]
    >>> 0 < crotch.x < 320, 0 < crotch.y < 320, crotch.hidden
    (True, True, False)

Several photos are recognised in batches, and give a list in their order:

    >>> [garment.category for garment in recognizer([photo, photo[:, ::-1]], category="trousers")]
    ['trousers', 'trousers']
"""

import os
import re
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import Any, overload

import numpy as np

from ..data_gen.images import ImageError
from ..eval.inference import PixelSample
from ..records import HeadSpec, Sample
from ..serve.shipped import WORD
from ..vocabulary import Vocabulary
from .garment import Garment
from .two_stage_model import TwoStageModel, load_two_stage_model

Photo = str | os.PathLike[str] | np.ndarray
"""A path, or pixels (H, W, 3) RGB uint8."""


class Recognizer:
    """Both trained networks, ready for photos; `load` makes it.

    Today one photo gives one garment, its largest. Networks that find several would give them by another method, so
    that what these ones return stays as it is.
    """

    def __init__(self, model: TwoStageModel) -> None:
        self.model = model

    @property
    def vocabulary(self) -> Vocabulary:
        """The categories and keypoints that it knows."""
        return self.model.keypoints.vocabulary

    @property
    def heads(self) -> tuple[HeadSpec, ...]:
        """The attributes that it knows and their classes; empty without a classifier."""
        return self.model.heads

    def __repr__(self) -> str:
        return f"<Recognizer of {self.model.name}>"

    @overload
    def __call__(self, photos: Photo, category: str | None = None, batch_size: int = 16) -> Garment: ...
    @overload
    def __call__(self, photos: Iterable[Photo], category: str | None = None, batch_size: int = 16) -> list[Garment]: ...
    def __call__(
        self, photos: Photo | Iterable[Photo], category: str | None = None, batch_size: int = 16
    ) -> Garment | list[Garment]:
        """One photo gives one garment; an iterable of photos gives a list, one garment a photo, in order.

        category: of all photos; None lets the network choose. batch_size: photos that the network sees at once.
        A single photo that cannot be read raises ImageError. In a list such a photo has a garment as well, whose
        `error` says why; nothing is left out. The list keeps all photos and heatmaps; `stream` does not.
        Raises ValueError for a category that the network does not know, before any photo is read, and for arrays that
        are not (H, W, 3) uint8.
        """
        if isinstance(photos, str | os.PathLike | np.ndarray):
            (garment,) = self.stream([photos], category, 1)
            if garment.error is not None:
                raise ImageError(garment.error)
            return garment
        if isinstance(photos, bytes) or not isinstance(photos, Iterable):
            raise ValueError(f"expected a path, an array or an iterable of them; got {type(photos).__name__}")
        return list(self.stream(photos, category, batch_size))

    def stream(self, photos: Iterable[Photo], category: str | None = None, batch_size: int = 16) -> Iterator[Garment]:
        """As for an iterable, one garment after the other: for more photos than memory holds, or for an endless source.

        A few batches of photos are read ahead. An array may be written to as soon as the next one is asked for.
        """
        if category is not None:
            self.vocabulary.category_index(category)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ValueError(f"batch_size = {batch_size!r}; expected a whole number of photos from 1")
        if isinstance(photos, str | bytes | os.PathLike | np.ndarray):
            raise ValueError("expected an iterable of photos; got one photo: put it in a list")
        if isinstance(photos, Sized):
            batch_size = max(1, min(batch_size, len(photos)))
        samples = (_sample(index, photo, category) for index, photo in enumerate(photos))
        return self._garments(samples, batch_size)

    def _garments(self, samples: Iterator[Sample], batch_size: int) -> Iterator[Garment]:
        for recognition in self.model.recognise(samples, batch_size):
            yield Garment(recognition, self.vocabulary, self.model.keypoints.config.codec, self.heads)


def load(
    model: str | os.PathLike[str] | None = None,
    attributes: str | os.PathLike[str] | None = None,
    augment: bool = False,
) -> Recognizer:
    """A recognizer of trained networks.

    Args:
        model: the keypoint network: `shipped`, the one that comes with the package and the default; a run folder; a
            folder of runs, of which the latest finished one is taken, never a debug run; or an artifact, which needs
            no TensorFlow.
        attributes: the classifier, in the same ways. By default the shipped one beside the shipped keypoint network;
            beside another keypoint network there are no attributes unless a classifier is named.
        augment: average the keypoints over ten turned and mirrored copies, which takes ten times as long.

    Raises:
        ValueError: a network that is missing, damaged, or of the other kind; what names no folder; two networks of
            different vocabularies.
    """
    if not isinstance(augment, bool | np.bool_):
        raise ValueError(f"augment = {augment!r}; expected True or False")
    keypoints, classifier = _network("model", model), _network("attributes", attributes)
    return Recognizer(load_two_stage_model(keypoints, classifier, augment))


def _network(name: str, value: Any) -> Path | None:
    """Raises ValueError for what names no folder."""
    if value is None:
        return None
    expected = f"expected {WORD}, or the path of a run folder, a folder of runs or an artifact"
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"{name} = {value!r:.80}; {expected}")
    text = os.fspath(value)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise ValueError(f"{name} = {text!r:.80}; {expected}")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", text) and not Path(text).exists():
        raise ValueError(f"{name} = {text!r:.200} is an address; download the folder first; {expected}")
    return Path(text)


def _sample(index: int, photo: Photo, category: str | None) -> Sample:
    if isinstance(photo, np.ndarray):
        name = f"array {index}"
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
            hint = "; several photos in one array: give list(array)" if photo.ndim == 4 else ""
            raise ValueError(f"{name}: expected (H, W, 3) RGB uint8; got {photo.shape} {photo.dtype}{hint}")
        # A copy: photos are read ahead, and whoever gives frames of a video may use one array for all.
        return PixelSample(name, Path(name), category, pixels=np.array(photo, order="C"))
    if isinstance(photo, str | os.PathLike):
        return Sample(os.fspath(photo), Path(photo), category)
    raise ValueError(f"photo {index}: expected a path or an array (H, W, 3) RGB uint8; got {type(photo).__name__}")
