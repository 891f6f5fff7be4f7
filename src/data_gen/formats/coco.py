"""Reads and writes COCO keypoint JSON (format: cocodataset.org/#format-data).

COCO keypoints are pixel indices: a coordinate is a pixel centre, as everywhere in this package, and is not changed.
Boxes have pixel edges: pixel i spans i to i + 1, so the box of one keypoint is 1 x 1. Visibility 2, 1, 0 becomes state
1, 0, -1, and an absent keypoint (0, 0) becomes (-1, -1). All categories of a vocabulary are written with all its
keypoints, because COCO tools use one list of sigmas for the whole file.
"""

import logging
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...boxes import MARGIN, around, squared
from ...geometry import Size
from ...records import ABSENT, Box, Keypoints, Prediction, Sample
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
from .problems import FormatError, Problem, leave_out, read_json

log = logging.getLogger(__name__)

DEEPFASHION_KEYPOINTS = {
    "left collar": "neckline_left",
    "right collar": "neckline_right",
    "left waistline": "waistline_left",
    "right waistline": "waistline_right",
}
"""Landmarks of DeepFashion's full-body set -> keypoints of FashionAI. Left out: a sleeve end, which is one point
there and two (cuff in, out) here; and a hem, which is a top hem, a hemline or a trouser bottom, by the category, which
is not given there."""


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
    """The content of a COCO keypoint file of any vocabulary, with its ids replaced by the records."""

    path: Path
    categories: tuple[CocoCategory, ...]
    images: tuple[CocoImage, ...]
    annotations: tuple[CocoAnnotation, ...]


def read_coco(path: Path, strict: bool = False) -> CocoSet:
    """Reads a COCO keypoint file.

    What is sound and has no keypoints (categories, boxes, crowds) is left out and counted in a warning, and so is every
    malformed category, image and annotation, with its reason. Where an image has no size, that is read from the photo,
    below the folder of the file. Raises FormatError for a file of another kind, for one of which no image is sound, or
    no annotation though it has some; with `strict`, for any malformed entry. A score needs all of them.
    """
    path = Path(path)
    content = read_json(path)
    parts = {name: content.get(name) if isinstance(content, dict) else None for name in _READERS}
    absent = [name for name, entries in parts.items() if not isinstance(entries, list)]
    if absent:
        raise FormatError([Problem(path, None, f"no list of {', '.join(absent)}; expected a COCO keypoint file")])
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
    if strict and problems:
        raise FormatError(problems)
    leave_out(path, problems, sum(map(len, read.values())), "entries")
    if left_out:
        log.warning(f"{path}: left out {', '.join(f'{count} {reason}' for reason, count in left_out.items())}")
    coco = CocoSet(path, *(tuple(records.values()) for records in read.values()))
    return coco if all(image.size for image in coco.images) else _with_sizes(coco)


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


def samples_from_coco(
    coco: CocoSet,
    root: Path,
    vocabulary: Vocabulary,
    names: Mapping[str, str] | None = None,
    strict: bool = False,
) -> list[Sample]:
    """One sample for each annotation, with the keypoints of the vocabulary. root: the folder of the file names.

    A garment of a photo with several has the square about its box, or else about its keypoints.

    names: the file's keypoint names -> those of the vocabulary (such as DEEPFASHION_KEYPOINTS); by default they are the
    same. Keypoints with other names are left out. A COCO category that is not in the vocabulary becomes None. Left out
    and counted in a warning are annotations with a file name that leaves `root`, with a keypoint that the category does
    not have, and without a keypoint of the vocabulary. Raises FormatError, with the ids of the annotations, where no
    annotation is left, and with `strict` for the first two; ValueError where none has a keypoint of the vocabulary.
    """
    return [sample for _, sample in garments_from_coco(coco, root, vocabulary, names, strict)]


def garments_from_coco(
    coco: CocoSet,
    root: Path,
    vocabulary: Vocabulary,
    names: Mapping[str, str] | None = None,
    strict: bool = False,
) -> list[tuple[CocoAnnotation, Sample]]:
    """`samples_from_coco`, each with its annotation."""
    keypoints = vocabulary.keypoints
    names = dict(zip(keypoints, keypoints, strict=True)) if names is None else names
    unknown = sorted(set(names.values()) - set(keypoints))
    if unknown:
        known = ", ".join(keypoints)
        raise ValueError(
            f"no keypoints {', '.join(unknown)} in the vocabulary {vocabulary.name}; expected some of {known}"
        )
    garments, problems = [], []
    others: Counter[CocoCategory] = Counter()
    dropped: set[str] = set()
    per_photo = Counter(annotation.image.id for annotation in coco.annotations)
    for annotation in coco.annotations:
        pairs = [(k, vocabulary.indices[names[n]]) for k, n in enumerate(annotation.category.keypoints) if n in names]
        if not pairs:
            others[annotation.category] += 1
            continue
        dropped.update(n for n in annotation.category.keypoints if n not in names)
        source, target = np.array(pairs).T
        xy, state = np.full((len(keypoints), 2), -1.0), np.full(len(keypoints), ABSENT)
        xy[target], state[target] = annotation.keypoints.xy[source], annotation.keypoints.state[source]
        category = annotation.category.name if annotation.category.name in vocabulary.categories else None
        try:
            foreign = [] if category is None else np.flatnonzero((state != ABSENT) & ~vocabulary.mask(category))
            if len(foreign):
                raise ValueError(f"a {category} has no {', '.join(keypoints[k] for k in foreign)}")
            path = resolve_image(root, annotation.image.file_name)
            square = _square(annotation) if per_photo[annotation.image.id] > 1 else None
            sample = Sample(annotation.image.file_name, path, category, Keypoints(xy, state), square)
            garments.append((annotation, sample))
        except ValueError as error:
            problems.append(Problem(coco.path, None, f"annotations, id {annotation.id}: {error}"))
    if strict and problems:
        raise FormatError(problems)
    leave_out(coco.path, problems, len(garments), "annotations")
    if others and not garments:
        found = ", ".join(next(iter(others)).keypoints)
        raise ValueError(
            f"{coco.path}: none of the keypoints {found} is one of the vocabulary {vocabulary.name} "
            f"({', '.join(keypoints[:5])}, ...): choose the vocabulary of this file"
        )
    if others:
        counts = ", ".join(f"{count} {category.name}" for category, count in others.items())
        log.warning(f"{coco.path}: left out garments without a keypoint of the vocabulary: {counts}")
    if dropped:
        log.warning(f"{coco.path}: left out keypoints that are not in the vocabulary: {', '.join(sorted(dropped))}")
    return garments


def _square(annotation: CocoAnnotation) -> Box | None:
    """What the network sees of the garment; None where neither its box nor a keypoint is known."""
    points = annotation.keypoints
    if annotation.box is not None:
        left, top, width, height = annotation.box
        return squared((left, top, left + width, top + height), MARGIN)
    known = points.xy[points.state != ABSENT]
    return squared(around(known), MARGIN) if len(known) else None


def check_names(coco: CocoSet, vocabulary: Vocabulary) -> None:
    """Raises ValueError, with the differences, if the annotations do not have the categories and keypoints of the
    vocabulary."""
    used = {annotation.category.id: annotation.category for annotation in coco.annotations}.values()
    parts = []
    unknown = sorted(category.name for category in used if category.name not in vocabulary.categories)
    if unknown:
        parts.append(f"categories {', '.join(unknown)} are not in the vocabulary")
    for category in used:
        if category.name in vocabulary.categories:
            definition = vocabulary.definitions[vocabulary.category_index(category.name)]
            missing = [name for name in definition.keypoints if name not in category.keypoints]
            parts += [f"category {category.name} has no keypoint {', '.join(missing)} in the file"] if missing else []
    if parts:
        raise ValueError(
            f"{coco.path} and the vocabulary {vocabulary.name} differ: {'; '.join(parts)}. Choose the vocabulary of "
            "this file with --vocabulary"
        )


def coco_results(
    predictions: Sequence[Prediction], samples: Sequence[Sample], coco: CocoSet, vocabulary: Vocabulary
) -> list[dict[str, Any]]:
    """Predictions as COCO keypoint results, as COCO tools read them: one entry for each sample.

    predictions: of the samples, in their order. `score` is the mean peak of the present keypoints. Raises ValueError
    for a photo or category that the COCO file does not list.
    """
    images = {image.file_name: image.id for image in coco.images}
    categories = {category.name: category for category in coco.categories}
    entries = []
    for prediction, sample in zip(predictions, samples, strict=True):
        category = categories.get(prediction.category)
        if sample.image_id not in images or category is None:
            missing = f"photo {sample.image_id}" if category else f"category {prediction.category}"
            raise ValueError(f"{coco.path} does not list {missing}")
        present = prediction.state != ABSENT
        triples = np.zeros((len(category.keypoints), 3))
        for k, name in enumerate(category.keypoints):
            index = vocabulary.indices.get(name)
            if index is not None and present[index]:
                triples[k] = *np.round(prediction.xy[index], 2), 1 + (prediction.state[index] == 1)
        score = float(np.mean(prediction.score[present])) if present.any() else 0.0
        entries.append(
            {
                "image_id": images[sample.image_id],
                "category_id": category.id,
                "keypoints": triples.ravel().tolist(),
                "score": round(score, 4),
            }
        )
    return entries


def read_coco_results(path: Path, coco: CocoSet) -> CocoSet:
    """The answers to the file `coco`: a list of results, as `coco_results` gives it, or a COCO file itself.

    A result without an id has `entry N` in its place. Raises FormatError for what is neither, and for every malformed
    entry: a score with some left out would not be that of the file.
    """
    path = Path(path)
    entries = read_json(path)
    if isinstance(entries, dict):
        return read_coco(path, strict=True)
    if not isinstance(entries, list):
        raise FormatError([Problem(path, None, "not a list; expected COCO keypoint results")])
    images = {entry_key(image.id): image for image in coco.images}
    categories = {entry_key(category.id): category for category in coco.categories}
    read = {"images": images, "categories": categories}
    annotations, problems = [], []
    for number, entry in enumerate(entries):
        try:
            annotations.append(_read_annotation({"id": f"entry {number}", **entry}, read))
        except FAULTS as error:
            problems.append(entry_problem(path, f"entry {number}", error))
    if problems:
        raise FormatError(problems)
    return CocoSet(path, coco.categories, coco.images, tuple(annotations))


def coco_from_samples(samples: Sequence[Sample], sizes: Sequence[Size], vocabulary: Vocabulary) -> dict[str, Any]:
    """The COCO content of samples with the vocabulary's keypoints, ready for `json.dumps`.

    sizes: (width, height) of each photo. Samples of one photo become annotations of one image. Raises ValueError, with
    the image id, for a sample without category or keypoints, a sample whose keypoints are all absent, and an image id
    of two photos.
    """
    images: dict[str, dict[str, Any]] = {}
    paths: dict[str, Path] = {}
    annotations = []
    for i, (sample, (width, height)) in enumerate(zip(samples, sizes, strict=True), start=1):
        if paths.setdefault(sample.image_id, sample.path) != sample.path:
            clash = f"{paths[sample.image_id]} and {sample.path}"
            raise ValueError(f"{sample.image_id}: two photos with this id, {clash}; write them to two files")
        image = {"id": len(images) + 1, "file_name": sample.image_id, "width": width, "height": height}
        image = images.setdefault(sample.image_id, image)
        annotations.append({"id": i, "image_id": image["id"], **_annotation(sample, vocabulary)})
    return {"images": list(images.values()), "annotations": annotations, "categories": coco_categories(vocabulary)}


def coco_categories(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """The categories of a COCO file, ids from 1, each with all keypoints of the vocabulary."""
    return [
        {
            "id": i,
            "name": category.name,
            "supercategory": "garment",
            "keypoints": list(vocabulary.keypoints),
            "skeleton": [
                [vocabulary.indices[a] + 1, vocabulary.indices[b] + 1]
                for a, b in vocabulary.edge_pairs
                if {a, b} <= set(category.keypoints)
            ],
        }
        for i, category in enumerate(vocabulary.definitions, start=1)
    ]


def coco_keypoints(keypoints: Keypoints) -> dict[str, Any]:
    """The fields of an annotation that say where the keypoints are, and how many are present."""
    present = keypoints.state != ABSENT
    triples = np.column_stack([np.where(present[:, None], keypoints.xy, 0), keypoints.state + 1])
    return {"keypoints": triples.ravel().tolist(), "num_keypoints": int(present.sum())}


def _annotation(sample: Sample, vocabulary: Vocabulary) -> dict[str, Any]:
    keypoints, count = sample.keypoints, len(vocabulary.keypoints)
    if sample.category is None or keypoints is None or len(keypoints.state) != count:
        raise ValueError(f"{sample.image_id}: COCO needs a category and all {count} keypoints")
    present = keypoints.state != ABSENT
    if not present.any():
        raise ValueError(f"{sample.image_id}: no keypoint is present, so there is no box to write; leave it out")
    low = keypoints.xy[present].min(axis=0)
    extent = keypoints.xy[present].max(axis=0) - low + 1
    return {
        "category_id": vocabulary.category_index(sample.category) + 1,
        **coco_keypoints(keypoints),
        "bbox": [*low.tolist(), *extent.tolist()],
        "area": float(extent.prod()),
        "iscrowd": 0,
    }


def _read_annotation(entry: dict[str, Any], read: dict[str, dict[str, Any]]) -> CocoAnnotation:
    image, category = referred(entry, "image_id", read["images"]), referred(entry, "category_id", read["categories"])
    values = numbers_of(entry["keypoints"])
    if values.shape != (3 * len(category.keypoints),):
        raise ValueError(f"{values.size} keypoint numbers; expected x, y, v for {len(category.keypoints)} keypoints")
    triples = values.reshape(-1, 3)
    if not np.isin(triples[:, 2], (0, 1, 2)).all():
        raise ValueError(f"keypoint visibilities must be 0, 1 or 2; got {sorted(set(triples[:, 2].tolist()))[:5]}")
    state = triples[:, 2].astype(np.int8) - 1
    xy = np.where(state[:, None] == ABSENT, -1, triples[:, :2])
    return CocoAnnotation(entry["id"], image, category, Keypoints(xy, state), box_of(entry.get("bbox")))


_READERS = {
    "categories": lambda entry, read: read_category(entry),
    "images": lambda entry, read: read_image(entry),
    "annotations": _read_annotation,
}
