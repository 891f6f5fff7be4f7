"""Labelled photos of any format -> samples to train on, to score and to write; names are those of the vocabulary."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...boxes import MARGIN, squared
from ...geometry import Size
from ...records import ABSENT, Box, Keypoints, Sample
from ...vocabulary import Vocabulary
from ..images import ImageError, image_id_problem, image_size, resolve_image
from .label_names import named, where
from .labels import LabelFormat, LabelledGarment, LabelledPhoto, LabelSet
from .name_maps import NO_NAMES, Names
from .photo_names import posix_name
from .problems import FormatError, Problem, leave_out

log = logging.getLogger(__name__)

UNLABELLED = "garments without a labelled keypoint"
BEYOND = 1.0
"""How far a labelled point may lie beyond the edge of its photo, px: tools round, and people click on the border."""


def garments_of(labels: LabelSet, vocabulary: Vocabulary, strict: bool = False) -> list[tuple[LabelledGarment, Sample]]:
    """One sample for each garment, with the K keypoints of the vocabulary; labels: as `label_names.named` gives them.

    A garment of a photo with several has the square about its box, or else about its keypoints. Problems, also those of
    file names that leave the folder of the photos, are counted in a warning. Raises FormatError where no garment is
    left, and with `strict` for any problem.
    """
    places = {c.name: np.array([vocabulary.indices[name] for name in c.keypoints]) for c in vocabulary.definitions}
    count = len(vocabulary.keypoints)
    garments, problems = [], list(labels.problems)
    for photo in labels.photos:
        for garment in photo.garments:
            try:
                path = resolve_image(labels.root, photo.file_name)
            except ValueError as error:
                problems.append(Problem(labels.path, None, f"{where(garment.id)}: {error}"))
                continue
            xy, state = np.full((count, 2), -1.0), np.full(count, ABSENT)
            place = places[garment.category]
            xy[place], state[place] = garment.keypoints.xy, garment.keypoints.state
            square = _square(garment) if len(photo.garments) > 1 else None
            garments.append((garment, Sample(photo.file_name, path, garment.category, Keypoints(xy, state), square)))
    if strict and problems:
        raise FormatError(problems)
    leave_out(labels.path, problems, len(garments), "annotations")
    tell_left_out(labels)
    return garments


def fitting(labels: LabelSet, needs_size: bool = False) -> LabelSet:
    """The same, without what does not fit the photos, which becomes problems.

    A photo is left out whose size is not the one in the file: the points are of another copy, such as one that is
    turned or smaller. A garment is left out with a point more than BEYOND px beyond the edge. A photo that is not there
    has the size in the file; where there is none, it is left out with `needs_size`, and else as it is.
    """
    photos, problems = [], list(labels.problems)
    is_there = labels.root.is_dir()
    for photo in labels.photos:
        try:
            photo = _slashed(photo, labels.root)
            size = _size(photo, labels.root, is_there)
            if size is None and needs_size:
                raise ValueError("the file says no width and height, and the photo is not there or cannot be read")
        except ValueError as error:  # ImageError is one
            problems.append(Problem(labels.path, None, f"photo {photo.file_name}: {error}"))
            continue
        garments = []
        for garment in photo.garments:
            outside = _outside(garment, size) if size else None
            if outside:
                problems.append(Problem(labels.path, None, f"{where(garment.id)}, photo {photo.file_name}: {outside}"))
            else:
                garments.append(garment)
        if garments or not photo.garments:
            whole = size == photo.size and len(garments) == len(photo.garments)
            photos.append(photo if whole else replace(photo, size=size, garments=tuple(garments)))
    return replace(labels, photos=tuple(photos), problems=tuple(problems))


def labelled(labels: LabelSet) -> LabelSet:
    """The same, without garments that have no labelled keypoint; they are counted in `left_out`."""
    found = labels.only(lambda garment: bool((garment.keypoints.state != ABSENT).any()))
    return _counted(found, UNLABELLED, labels.garment_count - found.garment_count)


def joined_photos(labels: LabelSet) -> LabelSet:
    """The same, a photo that is listed several times once, with all its garments. Its size is the one that is known."""
    found: dict[str, LabelledPhoto] = {}
    for photo in labels.photos:
        name = posix_name(photo.file_name)
        first = found.get(name)
        if first is not None:
            photo = replace(first, size=first.size or photo.size, garments=(*first.garments, *photo.garments))
        found[name] = photo
    return labels if len(found) == len(labels.photos) else replace(labels, photos=tuple(found.values()))


def largest_garments(labels: LabelSet) -> LabelSet:
    """The same, of each photo the garment with the largest box about its keypoints; `left_out` counts the others."""
    photos = tuple(
        replace(photo, garments=(max(photo.garments, key=_area),)) if len(photo.garments) > 1 else photo
        for photo in labels.photos
    )
    found = replace(labels, photos=photos)
    smaller = labels.garment_count - found.garment_count
    return _counted(found, "garments that are not the largest of their photo", smaller)


def convertible(labels: LabelSet, target: LabelFormat, vocabulary: Vocabulary, names: Names = NO_NAMES) -> LabelSet:
    """What of the labels `target` can write, in the names of the vocabulary; all else is in `problems` and `left_out`.

    Raises FormatError for unknown names, as `label_names.named`.
    """
    found = joined_photos(labelled(fitting(named(labels, vocabulary, names), target.needs_size)))
    return largest_garments(found) if target.one_garment else found


def labels_of_samples(samples: Sequence[Sample], sizes: Sequence[Size | None], vocabulary: Vocabulary) -> LabelSet:
    """Samples with the K keypoints of a vocabulary as labels; samples of one photo are its garments.

    Raises ValueError, with the image id, for a sample without category or keypoints, and an image id of two photos.
    """
    places = {c.name: np.array([vocabulary.indices[name] for name in c.keypoints]) for c in vocabulary.definitions}
    found: dict[str, tuple[Path, Size | None, list[LabelledGarment]]] = {}
    for number, (sample, size) in enumerate(zip(samples, sizes, strict=True), start=1):
        path, _, garments = found.setdefault(sample.image_id, (sample.path, size, []))
        if path != sample.path:
            clash = f"{path} and {sample.path}"
            raise ValueError(f"{sample.image_id}: two photos with this id, {clash}; write them to two files")
        keypoints = sample.keypoints
        if sample.category not in places or keypoints is None or len(keypoints.state) != len(vocabulary.keypoints):
            raise ValueError(f"{sample.image_id}: expected a category, and all {len(vocabulary.keypoints)} keypoints")
        names = vocabulary.definitions[vocabulary.category_index(sample.category)].keypoints
        garments.append(LabelledGarment(str(number), sample.category, names, keypoints.select(places[sample.category])))
    photos = tuple(LabelledPhoto(name, size, tuple(garments)) for name, (_, size, garments) in found.items())
    return LabelSet(Path(), Path(), photos)


def tell_left_out(labels: LabelSet) -> None:
    if labels.left_out:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in labels.left_out.items())
        log.warning(f"{labels.path}: left out {counts}")


def _area(garment: LabelledGarment) -> float:
    """Of the box about the labelled keypoints, px²."""
    xy = garment.keypoints.xy[garment.keypoints.state != ABSENT]
    return float((xy.max(axis=0) - xy.min(axis=0) + 1).prod()) if len(xy) else 0.0


def _square(garment: LabelledGarment) -> Box | None:
    """What the network sees of the garment; None where neither its box nor a keypoint is known."""
    return None if garment.outline is None else squared(garment.outline, MARGIN)


def _counted(labels: LabelSet, kind: str, count: int) -> LabelSet:
    """The same, with so many more in `left_out`."""
    return replace(labels, left_out=labels.left_out + Counter({kind: count}))


def _slashed(photo: LabelledPhoto, root: Path) -> LabelledPhoto:
    """The photo by the name that it has, where the file writes it with backslashes. Raises ValueError where there is
    none."""
    if "\\" not in photo.file_name:
        return photo
    return replace(photo, file_name=resolve_image(root, photo.file_name).relative_to(root).as_posix())


def _size(photo: LabelledPhoto, root: Path, is_there: bool) -> Size | None:
    """Raises ValueError for a name that leaves the folder, and where the photo has another size than the file says."""
    if reason := image_id_problem(photo.file_name):
        raise ValueError(f"{reason}; expected a path inside the folder of the photos")
    if not is_there:
        return photo.size
    path = root / photo.file_name
    try:
        if not path.exists():
            return photo.size
        size = image_size(path)
    except ImageError:  # whoever reads the photo tells it
        return photo.size
    if photo.size is not None and size != photo.size:
        said, has = (f"{width} x {height}" for width, height in (photo.size, size))
        raise ValueError(
            f"the file says {said} px, but the photo has {has}: the labels are of another copy, such as one that is "
            "turned or resized"
        )
    return size


def _outside(garment: LabelledGarment, size: Size) -> str | None:
    """Which point lies outside the photo; None where all lie in it."""
    xy = garment.keypoints.xy
    beyond = ((xy < -0.5 - BEYOND) | (xy > np.subtract(size, 0.5 - BEYOND))).any(axis=1)
    beyond &= garment.keypoints.state != ABSENT
    if not beyond.any():
        return None
    index = int(beyond.argmax())
    x, y = xy[index]
    return f"{garment.names[index]} at {x:g}, {y:g} lies outside the photo of {size[0]} x {size[1]} px"
