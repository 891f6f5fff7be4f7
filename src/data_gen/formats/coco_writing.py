"""Writes COCO keypoint JSON: each category with its own keypoints, and the fields that COCO's tools ask for.

pycocotools' `loadRes` needs `info`; it makes a box of all points of a result, absent ones at (0, 0) too, so that only
lists of the category's own keypoints give the right area. A detector's tools want `segmentation` to be there.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...files import atomic_path
from ...geometry import Size
from ...records import ABSENT, Keypoints, Sample
from ...vocabulary import Vocabulary
from .label_samples import labels_of_samples
from .labels import LabelledGarment, LabelSet

_INFO = {"description": "Garments with keypoints, written by AiFashion", "version": "1.0"}


def write_coco(labels: LabelSet, out: Path, vocabulary: Vocabulary) -> None:
    """A COCO file; ids count from 1. Raises ValueError, with the photo, for a garment without a labelled keypoint."""
    with atomic_path(out) as beside, beside.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(coco_pieces(labels, vocabulary))


def coco_pieces(labels: LabelSet, vocabulary: Vocabulary) -> Iterator[str]:
    """The text of the file that `write_coco` writes, one entry after the other: as one text, a large set needs several
    times the memory. Raises ValueError as `write_coco`."""
    yield f'{{"info": {json.dumps(_INFO)}, "licenses": [],\n"images": ['
    yield from _lines(_images(labels))
    yield '],\n"annotations": ['
    yield from _lines(_annotations(labels, vocabulary))
    yield f'],\n"categories": {json.dumps(coco_categories(vocabulary))}}}\n'


def coco_from_samples(samples: Sequence[Sample], sizes: Sequence[Size], vocabulary: Vocabulary) -> dict[str, Any]:
    """The COCO content of samples with the vocabulary's keypoints, ready for `json.dumps`.

    sizes: (width, height) of each photo. Samples of one photo become annotations of one image. Raises ValueError, with
    the image id, for a sample without category or keypoints, a sample whose keypoints are all absent, and an image id
    of two photos.
    """
    labels = labels_of_samples(samples, sizes, vocabulary)
    return {
        "info": _INFO,
        "licenses": [],
        "images": list(_images(labels)),
        "annotations": sorted(_annotations(labels, vocabulary), key=lambda entry: entry["id"]),
        "categories": coco_categories(vocabulary),
    }


def coco_categories(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """The categories of a COCO file, ids from 1, each with its own keypoints."""
    entries = []
    for number, category in enumerate(vocabulary.definitions, start=1):
        place = {name: index for index, name in enumerate(category.keypoints, start=1)}
        edges = [[place[a], place[b]] for a, b in vocabulary.edge_pairs if a in place and b in place]
        names = list(category.keypoints)
        entry = {"id": number, "name": category.name, "supercategory": "garment", "keypoints": names, "skeleton": edges}
        entries.append(entry)
    return entries


def coco_keypoints(keypoints: Keypoints) -> dict[str, Any]:
    """The fields of an annotation that say where the keypoints are, and how many are present."""
    triples: list[float] = []
    present = 0
    for (x, y), state in zip(keypoints.xy.tolist(), keypoints.state.tolist(), strict=True):
        triples += (0.0, 0.0, 0.0) if state == ABSENT else (x, y, state + 1.0)
        present += state != ABSENT
    return {"keypoints": triples, "num_keypoints": present}


def _images(labels: LabelSet) -> Iterator[dict[str, Any]]:
    for number, photo in enumerate(labels.photos, start=1):
        size = {} if photo.size is None else {"width": photo.size[0], "height": photo.size[1]}
        yield {"id": number, "file_name": photo.file_name, **size}


def _annotations(labels: LabelSet, vocabulary: Vocabulary) -> Iterator[dict[str, Any]]:
    """The ids are those of the garments where all of them are numbers from 1: pycocotools takes an id of 0 for none."""
    ids = [garment.id for photo in labels.photos for garment in photo.garments]
    numbers = all(text.isascii() and text.isdigit() and len(text) < 16 and str(int(text)) == text for text in ids)
    keep = numbers and "0" not in ids and len(set(ids)) == len(ids)
    count = 0
    for number, photo in enumerate(labels.photos, start=1):
        for garment in photo.garments:
            count += 1
            head = {"id": int(garment.id) if keep else count, "image_id": number}
            yield head | _annotation(garment, photo.file_name, vocabulary)


def _annotation(garment: LabelledGarment, photo: str, vocabulary: Vocabulary) -> dict[str, Any]:
    if not (garment.keypoints.state != ABSENT).any() or garment.outline is None:
        raise ValueError(f"{photo}: no keypoint is present, so there is no box to write; leave it out")
    keypoints = coco_keypoints(garment.keypoints)
    left, top, right, bottom = garment.outline
    width, height = right - left, bottom - top
    entry = {
        "category_id": vocabulary.category_index(garment.category) + 1,
        **keypoints,
        "bbox": [left, top, width, height],
        "area": width * height,
        "segmentation": [],
        "iscrowd": 0,
    }
    if garment.scores is not None:
        scores = [score for score, v in zip(garment.scores, keypoints["keypoints"][2::3], strict=True) if v]
        entry["score"] = round(sum(scores) / len(scores), 4)
    return entry


def _lines(entries: Iterator[dict[str, Any]]) -> Iterator[str]:
    for number, entry in enumerate(entries):
        yield (",\n" if number else "\n") + json.dumps(entry)
