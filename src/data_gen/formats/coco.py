"""COCO keypoint JSON, both ways (format: cocodataset.org/#format-data).

COCO keypoints are pixel indices, so a coordinate means the pixel's centre, as everywhere in this package, and passes
unchanged. Boxes are edges: pixel i spans i to i + 1, so the box of one keypoint is 1 x 1. Visibility 2, 1, 0 becomes
state 1, 0, -1, and an absent keypoint (0, 0) becomes (-1, -1). Our garment categories are written as COCO categories
that all list the 24 keypoints, since COCO tools index one list of sigmas for the whole file.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...garments import ALL, CATEGORIES, CATEGORY_KEYPOINTS, EDGES, KEYPOINTS
from ...geometry import Size
from ...records import ABSENT, Keypoints, Sample
from ..images import resolve_image
from .problems import FormatError, Problem

DEEPFASHION_KEYPOINTS = {
    "left collar": "neckline_left",
    "right collar": "neckline_right",
    "left waistline": "waistline_left",
    "right waistline": "waistline_right",
}
"""The landmarks of DeepFashion's full-body set that mean one of ours. Left out: a sleeve end is one point there and two
(cuff in, out) here, and a hem is a top hem, a hemline or a trouser bottom, depending on a category it does not give."""


@dataclass(frozen=True, slots=True)
class CocoCategory:
    id: int
    name: str
    keypoints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CocoImage:
    id: int
    file_name: str
    size: Size


@dataclass(frozen=True, slots=True)
class CocoAnnotation:
    """keypoints: one (K,) set in the order of the category's names, absent ones at (-1, -1)."""

    id: int
    image: CocoImage
    category: CocoCategory
    keypoints: Keypoints


@dataclass(frozen=True, slots=True)
class CocoSet:
    """A COCO keypoint file of any vocabulary, its references resolved."""

    path: Path
    categories: tuple[CocoCategory, ...]
    images: tuple[CocoImage, ...]
    annotations: tuple[CocoAnnotation, ...]


def read_coco(path: Path) -> CocoSet:
    """Reads a COCO keypoint file. Raises FormatError naming every annotation, image or category that is malformed."""
    path = Path(path)
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:  # also text that is not UTF-8
        raise FormatError([Problem(path, getattr(error, "lineno", None), f"not JSON: {error}")]) from error
    parts = {name: content.get(name) if isinstance(content, dict) else None for name in _READERS}
    absent = [name for name, entries in parts.items() if not isinstance(entries, list)]
    if absent:
        raise FormatError([Problem(path, None, f"no list of {', '.join(absent)}; expected a COCO keypoint file")])
    problems: list[Problem] = []
    read: dict[str, dict[int, Any]] = {}
    for name, reader in _READERS.items():
        known = read[name] = {}
        for i, entry in enumerate(parts[name] or ()):
            label = f"entry {i}"
            try:
                label = f"id {entry['id']}"
                if entry["id"] in known:
                    raise ValueError("the id comes twice")
                known[entry["id"]] = reader(entry, read)
            except KeyError as error:
                problems.append(Problem(path, None, f"{name}, {label}: no {error.args[0]}"))
            except (TypeError, ValueError, OverflowError) as error:
                problems.append(Problem(path, None, f"{name}, {label}: {error}"))
    if problems:
        raise FormatError(problems)
    return CocoSet(path, *(tuple(known.values()) for known in read.values()))


def samples_from_coco(coco: CocoSet, root: Path, names: Mapping[str, str] | None = None) -> list[Sample]:
    """One sample for each annotation, with the 24 keypoints; `root` is the folder the file names start from.

    `names` maps the file's keypoint names to ours (such as DEEPFASHION_KEYPOINTS); by default names must be ours.
    Keypoints of other names are dropped. A COCO category that is none of ours gives category None. Raises FormatError,
    naming the annotation, for a file name that leaves `root` and a keypoint that the category does not have; ValueError
    where no name fits.
    """
    names = dict(zip(KEYPOINTS, KEYPOINTS, strict=True)) if names is None else names
    unknown = sorted(set(names.values()) - set(KEYPOINTS))
    if unknown:
        raise ValueError(f"`names` leads to {', '.join(unknown)}; expected some of {', '.join(KEYPOINTS)}")
    samples, problems = [], []
    for annotation in coco.annotations:
        ours = [(k, KEYPOINTS.index(names[n])) for k, n in enumerate(annotation.category.keypoints) if n in names]
        if not ours:
            known = ", ".join(annotation.category.keypoints)
            raise ValueError(f"{coco.path}: none of the keypoints {known} is mapped to one of ours; give `names`")
        source, target = np.array(ours).T
        xy, state = np.full((len(KEYPOINTS), 2), -1.0), np.full(len(KEYPOINTS), ABSENT)
        xy[target], state[target] = annotation.keypoints.xy[source], annotation.keypoints.state[source]
        category = annotation.category.name if annotation.category.name in CATEGORIES else None
        try:
            foreign = [] if category is None else np.flatnonzero((state != ABSENT) & ~ALL.mask(category))
            if len(foreign):
                raise ValueError(f"a {category} has no {', '.join(KEYPOINTS[k] for k in foreign)}")
            path = resolve_image(root, annotation.image.file_name)
            samples.append(Sample(annotation.image.file_name, path, category, Keypoints(xy, state)))
        except ValueError as error:
            problems.append(Problem(coco.path, None, f"annotations, id {annotation.id}: {error}"))
    if problems:
        raise FormatError(problems)
    return samples


def coco_from_samples(samples: Sequence[Sample], sizes: Sequence[Size]) -> dict[str, Any]:
    """The COCO content of samples with the 24 keypoints, ready for `json.dumps`. sizes: (width, height) of each photo.

    Samples of one photo become annotations of one image. Raises ValueError, naming the sample, where the category, the
    keypoints or every present keypoint is missing, or where two photos share an image id.
    """
    images: dict[str, dict[str, Any]] = {}
    paths: dict[str, Path] = {}
    annotations = []
    for i, (sample, (width, height)) in enumerate(zip(samples, sizes, strict=True), start=1):
        if paths.setdefault(sample.image_id, sample.path) != sample.path:
            clash = f"{paths[sample.image_id]} and {sample.path}"
            raise ValueError(f"{sample.image_id}: two photos of one id, {clash}; write two files")
        image = {"id": len(images) + 1, "file_name": sample.image_id, "width": width, "height": height}
        image = images.setdefault(sample.image_id, image)
        annotations.append({"id": i, "image_id": image["id"], **_annotation(sample)})
    skeletons = [[e for e in EDGES if set(e) <= CATEGORY_KEYPOINTS[c]] for c in CATEGORIES]
    categories = [
        {
            "id": i,
            "name": name,
            "supercategory": "garment",
            "keypoints": list(KEYPOINTS),
            "skeleton": [[KEYPOINTS.index(a) + 1, KEYPOINTS.index(b) + 1] for a, b in edges],
        }
        for i, (name, edges) in enumerate(zip(CATEGORIES, skeletons, strict=True), start=1)
    ]
    return {"images": list(images.values()), "annotations": annotations, "categories": categories}


def _annotation(sample: Sample) -> dict[str, Any]:
    keypoints = sample.keypoints
    if sample.category is None or keypoints is None or len(keypoints.state) != len(KEYPOINTS):
        raise ValueError(f"{sample.image_id}: writing COCO needs a category and all {len(KEYPOINTS)} keypoints")
    present = keypoints.state != ABSENT
    if not present.any():
        raise ValueError(f"{sample.image_id}: no keypoint is present, so there is no box to write; leave it out")
    low = keypoints.xy[present].min(axis=0)
    extent = keypoints.xy[present].max(axis=0) - low + 1
    triples = np.column_stack([np.where(present[:, None], keypoints.xy, 0), keypoints.state + 1])
    return {
        "category_id": CATEGORIES.index(sample.category) + 1,
        "keypoints": triples.ravel().tolist(),
        "num_keypoints": int(present.sum()),
        "bbox": [*low.tolist(), *extent.tolist()],
        "area": float(extent.prod()),
        "iscrowd": 0,
    }


def _read_category(entry: dict[str, Any], read: dict[str, dict[int, Any]]) -> CocoCategory:
    names = tuple(entry["keypoints"])
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError(f"keypoints must be distinct names; got {list(names)}")
    return CocoCategory(entry["id"], str(entry["name"]), names)


def _read_image(entry: dict[str, Any], read: dict[str, dict[int, Any]]) -> CocoImage:
    return CocoImage(entry["id"], str(entry["file_name"]), (int(entry["width"]), int(entry["height"])))


def _read_annotation(entry: dict[str, Any], read: dict[str, dict[int, Any]]) -> CocoAnnotation:
    image, category = read["images"].get(entry["image_id"]), read["categories"].get(entry["category_id"])
    if image is None or category is None:
        raise ValueError(f"image_id {entry['image_id']} or category_id {entry['category_id']} is not in the file")
    values = np.asarray(entry["keypoints"], dtype=np.float64)
    if values.shape != (3 * len(category.keypoints),):
        raise ValueError(f"{values.size} keypoint numbers; expected x, y, v for {len(category.keypoints)} keypoints")
    triples = values.reshape(-1, 3)
    if not np.isin(triples[:, 2], (0, 1, 2)).all():
        raise ValueError(f"keypoint visibilities must be 0, 1 or 2; got {sorted(set(triples[:, 2].tolist()))}")
    state = triples[:, 2].astype(np.int8) - 1
    xy = np.where(state[:, None] == ABSENT, -1, triples[:, :2])
    return CocoAnnotation(entry["id"], image, category, Keypoints(xy, state))


_READERS = {"categories": _read_category, "images": _read_image, "annotations": _read_annotation}
