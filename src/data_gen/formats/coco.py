"""Reads COCO keypoint JSON (format: cocodataset.org/#format-data).

COCO keypoints are pixel indices: a coordinate is a pixel centre, as everywhere in this package, and is not changed.
Boxes have pixel edges: pixel i spans i to i + 1, so the box of one keypoint is 1 x 1. Visibility 2, 1, 0 becomes state
1, 0, -1, and an absent keypoint (0, 0) becomes (-1, -1). Each category has its own list of keypoints.
"""

import logging
from array import array
from collections import Counter, defaultdict
from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...records import ABSENT, Keypoints, Sample
from ...vocabulary import Vocabulary
from ..images import image_size, resolve_image
from .coco_entries import (
    FAULTS,
    CocoCategory,
    CocoImage,
    Id,
    box_of,
    entry_key,
    entry_problem,
    numbers_of,
    read_category,
    read_image,
    referred,
)
from .label_names import named
from .label_samples import garments_of
from .label_studio import label_studio_coco_reason
from .labels import LabelledGarment, LabelledPhoto, LabelSet
from .name_maps import NO_NAMES, Names
from .problems import FormatError, Problem, first_keys, leave_out, read_json

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CocoAnnotation:
    """keypoints: one (K,) set in the order of the category's names, absent ones at (-1, -1). box: (left, top, width,
    height) in px, None without one."""

    id: Id
    image: CocoImage
    category: CocoCategory
    keypoints: Keypoints
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class CocoSet:
    """The content of a COCO keypoint file of any vocabulary, with its ids replaced by the records.

    bare: the images to which no annotation refers, not even one that was left out.
    """

    path: Path
    categories: tuple[CocoCategory, ...]
    images: tuple[CocoImage, ...]
    annotations: tuple[CocoAnnotation, ...]
    bare: frozenset[str] = frozenset()


def read_coco(path: Path, strict: bool = False) -> CocoSet:
    """Reads a COCO keypoint file.

    What is sound and has no keypoints (categories, boxes, crowds) is left out and counted in a warning, and so is every
    malformed category, image and annotation, with its reason. Where an image has no size, that is read from the photo,
    below the folder of the file. Raises FormatError for a file of another kind, for one of which no image is sound, or
    no annotation though it has some; with `strict`, for any malformed entry. A score needs all of them.
    """
    coco, problems, left_out = scan_coco(path)
    if strict and problems:
        raise FormatError(problems)
    leave_out(coco.path, problems, len(coco.categories) + len(coco.images) + len(coco.annotations), "entries")
    if left_out:
        log.warning(f"{coco.path}: left out {', '.join(f'{count} {reason}' for reason, count in left_out.items())}")
    return coco if all(image.size for image in coco.images) else _with_sizes(coco)


def scan_coco(path: Path) -> tuple[CocoSet, list[Problem], Counter[str]]:
    """What of a file is sound, what is malformed, and how much else is left out; sizes are those of the file alone.

    Raises FormatError as `read_coco`.
    """
    path = Path(path)
    content = read_json(path, _packed)
    parts = {name: content.get(name) if isinstance(content, dict) else None for name in _READERS}
    absent = [name for name, entries in parts.items() if not isinstance(entries, list)]
    if absent:
        raise FormatError([Problem(path, None, f"no list of {', '.join(absent)}; expected a COCO keypoint file")])
    if reason := label_studio_coco_reason(content):
        raise FormatError([Problem(path, None, reason)])
    problems: list[Problem] = []
    left_out: Counter[str] = Counter()
    without_keypoints: set[str] = set()
    read: dict[str, dict[str, Any]] = {}
    for name, reader in _READERS.items():
        records = read[name] = {}
        wrong = []
        for i, entry in enumerate(parts[name] or ()):
            label = f"entry {i}"
            try:
                label = f"id {entry['id']!s:.80}"
                key = entry_key(entry["id"])
                if reason := _reason_to_leave_out(name, entry, without_keypoints):
                    left_out[reason] += 1
                    without_keypoints.update([key] if name == "categories" else [])
                    continue
                if key in records:
                    raise ValueError("the id is repeated")
                records[key] = reader(entry, read)
            except FAULTS as error:
                wrong.append(entry_problem(path, f"{name}, {label}", error))
        if wrong and not records:
            raise FormatError([*problems, *wrong])
        problems += wrong
    bare = frozenset(read["images"].keys() - _meant_images(parts["annotations"] or ()))
    categories, images, annotations = (tuple(records.values()) for records in read.values())
    return CocoSet(path, categories, images, annotations, bare), problems, left_out


def is_coco(path: Path) -> bool:
    """Whether a file has the parts of a COCO data set, as far as its first bytes say it."""
    keys = first_keys(path) if path.suffix.lower() == ".json" else set()
    return bool(keys & {"images", "annotations", "categories"}) and not keys & {"shapes", "imageData"}


def read_coco_labels(path: Path) -> LabelSet:
    coco, problems, left_out = scan_coco(path)
    return replace(labels_of_coco(coco), problems=tuple(problems), left_out=left_out)


def labels_of_coco(coco: CocoSet) -> LabelSet:
    """The photos of a file in its order, those without an annotation as photos without a garment."""
    garments: dict[str, list[LabelledGarment]] = defaultdict(list)
    for a in coco.annotations:
        box = None if a.box is None else (a.box[0], a.box[1], a.box[0] + a.box[2], a.box[1] + a.box[3])
        labelled = LabelledGarment(str(a.id), a.category.name, a.category.keypoints, a.keypoints, box)
        garments[entry_key(a.image.id)].append(labelled)
    photos = []
    for image in coco.images:
        key = entry_key(image.id)
        if key in garments or key in coco.bare:
            photos.append(LabelledPhoto(image.file_name, image.size, tuple(garments.get(key, ()))))
    return LabelSet(coco.path, _root(coco), tuple(photos))


def samples_from_coco(
    coco: CocoSet, root: Path, vocabulary: Vocabulary, names: Names = NO_NAMES, strict: bool = False
) -> list[Sample]:
    """One sample for each annotation, in their order, with the keypoints of the vocabulary. root: the folder of the
    file names. A garment of a photo with several has the square about its box, or else about its keypoints.

    Names and errors are those of `label_names.named` and `label_samples.garments_of`.
    """
    return [sample for _, sample in garments_from_coco(coco, root, vocabulary, names, strict)]


def garments_from_coco(
    coco: CocoSet, root: Path, vocabulary: Vocabulary, names: Names = NO_NAMES, strict: bool = False
) -> list[tuple[LabelledGarment, Sample]]:
    """`samples_from_coco`, each with its garment."""
    labels = named(replace(labels_of_coco(coco), root=Path(root)), vocabulary, names)
    order = {str(annotation.id): number for number, annotation in enumerate(coco.annotations)}
    return sorted(garments_of(labels, vocabulary, strict), key=lambda pair: order[pair[0].id])


def _with_sizes(coco: CocoSet) -> CocoSet:
    """The same, with the sizes in the photos' headers where the file has none."""
    found: dict[Id, CocoImage] = {}
    for image in coco.images:
        found[image.id] = image
        if image.size is None:
            try:
                size = image_size(resolve_image(coco.path.parent, image.file_name))
                found[image.id] = replace(image, size=size)
            except ValueError:  # of both: ImageError is one
                continue
    unknown = sum(image.size is None for image in found.values())
    if unknown:
        log.warning(f"{coco.path}: {unknown:,} images have no width and height, and their photos cannot be read")
    annotations = tuple(replace(annotation, image=found[annotation.image.id]) for annotation in coco.annotations)
    return replace(coco, images=tuple(found.values()), annotations=annotations)


def _root(coco: CocoSet) -> Path:
    """The folder of the photos: that of the file, or, as CVAT exports it, `images` or a folder in it beside
    `annotations`."""
    folder = coco.path.parent
    if folder.name != "annotations" or not coco.images:
        return folder
    images = folder.parent / "images"
    subset = coco.path.stem.rpartition("_")[2]  # of person_keypoints_default
    for candidate in (folder, folder.parent, images / subset, images):
        try:
            if resolve_image(candidate, coco.images[0].file_name).is_file():
                return candidate
        except ValueError:
            continue
    return folder


def _meant_images(annotations: Iterable[Any]) -> set[str]:
    meant = set()
    for entry in annotations:
        with suppress(*FAULTS):
            meant.add(entry_key(entry["image_id"]))
    return meant


def _reason_to_leave_out(part: str, entry: Any, without_keypoints: Container[Any]) -> str | None:
    """Why an entry that is sound says nothing of keypoints; None if it does."""
    if part == "categories" and not entry.get("keypoints"):
        return "categories without keypoints"
    if part != "annotations":
        return None
    if entry.get("iscrowd"):
        return "annotations of crowds"
    if str(entry.get("category_id")) in without_keypoints:
        return "annotations of categories without keypoints"
    return "annotations without keypoints" if "keypoints" not in entry else None


def _read_annotation(entry: dict[str, Any], read: dict[str, dict[str, Any]]) -> CocoAnnotation:
    image, category = referred(entry, "image_id", read["images"]), referred(entry, "category_id", read["categories"])
    keypoints = keypoints_of(entry["keypoints"], category)
    return CocoAnnotation(entry["id"], image, category, keypoints, box_of(entry.get("bbox")))


def keypoints_of(triples: Any, category: CocoCategory) -> Keypoints:
    """x, y, v of each keypoint of a category, in one list. Raises ValueError for another thing."""
    values = numbers_of(triples)
    if values.shape != (3 * len(category.keypoints),):
        raise ValueError(f"{values.size} keypoint numbers; expected x, y, v for {len(category.keypoints)} keypoints")
    values = values.reshape(-1, 3)
    visibility = values[:, 2]
    if not ((visibility == 0) | (visibility == 1) | (visibility == 2)).all():
        raise ValueError(f"keypoint visibilities must be 0, 1 or 2; got {sorted(set(visibility.tolist()))[:5]}")
    state = visibility.astype(np.int8) - 1
    return Keypoints(np.where(state[:, None] == ABSENT, -1, values[:, :2]), state)


def _packed(entry: dict[str, Any]) -> dict[str, Any]:
    """An object of the file, its list of keypoints in a quarter of the memory, and without the outline, which says
    nothing of keypoints."""
    points = entry.get("keypoints")
    if isinstance(points, list) and "image_id" in entry:
        with suppress(TypeError, OverflowError):  # whoever reads the annotation says what is wrong
            entry["keypoints"] = array("d", points)
        if entry.get("segmentation"):
            entry["segmentation"] = None
    return entry


_READERS = {
    "categories": lambda entry, read: read_category(entry),
    "images": lambda entry, read: read_image(entry),
    "annotations": _read_annotation,
}
