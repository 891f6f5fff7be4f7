"""COCO keypoint results: what was predicted for the photos of a COCO data set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...records import ABSENT, Prediction, Sample
from ...vocabulary import Vocabulary
from .coco import CocoAnnotation, CocoSet, keypoints_of, read_coco
from .coco_entries import FAULTS, box_of, entry_key, entry_problem, referred
from .name_maps import Known
from .problems import FormatError, Problem, read_json


def coco_results(
    predictions: Sequence[Prediction], samples: Sequence[Sample], coco: CocoSet, vocabulary: Vocabulary
) -> list[dict[str, Any]]:
    """Predictions as COCO keypoint results, as COCO tools read them: one entry for each sample.

    predictions: of the samples, in their order. `score` is the mean peak of the present keypoints. Raises ValueError
    for a photo or category that the COCO file does not list.
    """
    images = {image.file_name: image.id for image in coco.images}
    known, points = Known(vocabulary.categories), Known(vocabulary.keypoints)
    categories = {known.meaning(category.name) or category.name: category for category in coco.categories}
    entries = []
    for prediction, sample in zip(predictions, samples, strict=True):
        category = categories.get(prediction.category)
        if sample.image_id not in images or category is None:
            missing = f"photo {sample.image_id}" if category else f"category {prediction.category}"
            raise ValueError(f"{coco.path} does not list {missing}")
        present = prediction.state != ABSENT
        triples = np.zeros((len(category.keypoints), 3))
        for k, name in enumerate(category.keypoints):
            index = vocabulary.indices.get(points.meaning(name) or name)
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
    annotations, problems = [], []
    for number, entry in enumerate(entries):
        try:
            given = {"id": f"entry {number}", **entry}
            image, category = referred(given, "image_id", images), referred(given, "category_id", categories)
            keypoints, box = keypoints_of(given["keypoints"], category), box_of(given.get("bbox"))
            annotations.append(CocoAnnotation(given["id"], image, category, keypoints, box))
        except FAULTS as error:
            problems.append(entry_problem(path, f"entry {number}", error))
    if problems:
        raise FormatError(problems)
    return CocoSet(path, coco.categories, coco.images, tuple(annotations))
