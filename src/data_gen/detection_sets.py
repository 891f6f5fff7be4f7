"""Photos with all their garments, for a detector: from COCO files of boxes or keypoints, FashionAI's lists, and all
other formats of `formats.table`.

A COCO set is one file, or a folder with `train.json`, optionally `val.json`, and `test.json`. In the lists of FashionAI
a photo has one garment, whose box is that of its keypoints; photos of the category `none` have no garment.
"""

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..boxes import UNKNOWN, Detections, around, clipped, no_detections
from ..config import DetectionConfig
from ..files import link_or_copy, write_atomic
from ..records import ABSENT, NO_GARMENT, Sample
from ..vocabulary import Vocabulary
from .formats.fashionai import load_training_samples
from .formats.label_masks import SUFFIXES, garments_of_mask, read_mask
from .formats.label_names import where
from .formats.label_samples import tell_left_out
from .formats.problems import FormatError, Problem, leave_out
from .formats.scenes import Scene, coco_of_scenes, read_scenes
from .images import ImageError, image_size, resolve_image
from .keypoint_sets import TEST, TRAIN, VAL, fashionai_samples
from .label_sets import is_labels, read_labels, split_by_photo
from .split import load_or_make_split

log = logging.getLogger(__name__)

_PHOTOS = (".jpg", ".jpeg", ".png")


def load_detection_parts(data: Path, config: DetectionConfig) -> tuple[list[Scene], list[Scene]]:
    """(train, val): the photos of a set with the garments of the vocabulary's categories; some can have none.

    The split is made once and stored beside the data, except if a COCO folder has a `val.json`. What cannot be read and
    garments without a box are left out and counted in a warning. Raises ValueError where a part has no garment;
    OSError or FormatError if the data are missing or wholly wrong.
    """
    data = Path(data)
    file = data if data.is_file() else data / TRAIN
    if is_labels(data, TRAIN):
        root, scenes = scenes_of_labels(data, config.vocabulary)
        parts = _split(data, root, scenes, config)
    elif file.is_file():
        scenes = read_scenes(file, config.vocabulary)
        val_file = file.parent / VAL
        if not data.is_file() and val_file.is_file():
            parts = scenes, read_scenes(val_file, config.vocabulary)
        else:
            parts = _split(file, file.parent, scenes, config)
    elif not data.exists():
        raise FileNotFoundError(f"no file or folder {data}; expected a COCO file, or a folder with {TRAIN}")
    else:
        try:
            samples = load_training_samples(data)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"no {TRAIN} in {data}, and {error}") from None
        parts = load_or_make_split(data, samples, config.val_fraction, config.seed)
        train, val = (fashionai_samples(part, config.vocabulary, data) for part in parts)
        parts = scenes_of_samples(data, train, config.vocabulary), scenes_of_samples(data, val, config.vocabulary)
    for part, what in zip(parts, ("train", "validate"), strict=True):
        if not any(len(scene.garments) for scene in part):
            raise ValueError(
                f"{data}: none of the {len(part)} photos to {what} on has a garment of the categories "
                f"{', '.join(config.vocabulary.categories)}; both parts need some"
            )
    return parts


def load_test_scenes(data: Path, vocabulary: Vocabulary) -> list[Scene]:
    """The photos of a COCO file, of `test.json` in a folder, or of a file or folder of another format."""
    data = Path(data)
    if is_labels(data, TEST):
        return scenes_of_labels(data, vocabulary)[1]
    file = data / TEST if data.is_dir() else data
    if not file.is_file():
        raise FileNotFoundError(f"no {TEST} in {data}: give a COCO file of boxes, or a folder that has one")
    return read_scenes(file, vocabulary)


def scenes_of_samples(data: Path, samples: Sequence[Sample], vocabulary: Vocabulary) -> list[Scene]:
    """One scene a photo, of samples with keypoints; several samples of one photo are garments of it.

    Photos of which only the category is known are left out, since their box is not, and so are those that cannot be
    read; both are counted in a warning. data: for messages.
    """
    by_photo: dict[Path, list[Sample]] = {}
    for sample in samples:
        by_photo.setdefault(sample.path, []).append(sample)
    scenes, problems = [], []
    for path, group in by_photo.items():
        try:
            size = image_size(path)
            garments = [
                (clipped(around(s.keypoints.xy[s.keypoints.state != ABSENT]), size), str(s.category))
                for s in group
                if s.keypoints is not None and s.category != NO_GARMENT
            ]
            boxes = np.array([box for box, _ in garments]).reshape(-1, 4)
            category = np.array([vocabulary.category_index(name) for _, name in garments], np.int64)
            found = Detections(boxes, category, np.ones(len(boxes))) if len(boxes) else no_detections()
            scenes.append(Scene(group[0].image_id, path, found, np.zeros((0, 4)), size))
        except ImageError as error:
            problems.append(Problem(Path(data), None, f"{group[0].image_id}: {error}"))
        except ValueError:
            problems.append(Problem(Path(data), None, f"{group[0].image_id}: no keypoint in the photo, so no box"))
    leave_out(Path(data), problems, len(scenes), "photos")
    return scenes


def scenes_of_labels(data: Path, vocabulary: Vocabulary) -> tuple[Path, list[Scene]]:
    """The folder of the photos, and one scene for each photo of a file or folder of any format of `formats.table`.

    A garment has the box of the file, or that about its labelled keypoints; one without either is left out, and counted
    in a warning like a photo that cannot be read. Raises FormatError as `label_sets.read_labels`, and where no photo is
    left.
    """
    labels = read_labels(data, vocabulary)
    scenes, problems = [], list(labels.problems)
    for photo in labels.photos:
        try:
            path = resolve_image(labels.root, photo.file_name)
            size = photo.size or image_size(path)
        except ValueError as error:  # ImageError is one
            problems.append(Problem(data, None, f"photo {photo.file_name}: {error}"))
            continue
        boxes, categories = [], []
        for garment in photo.garments:
            known = garment.keypoints.xy[garment.keypoints.state != ABSENT]
            if garment.box is None and not len(known):
                problems.append(Problem(data, None, f"{where(garment.id)}: neither a box nor a labelled keypoint"))
                continue
            box = clipped(np.array(garment.box) if garment.box is not None else around(known), size)
            if (box[2:] <= box[:2]).any():
                problems.append(Problem(data, None, f"{where(garment.id)}: the box lies outside the photo"))
                continue
            boxes.append(box)
            categories.append(vocabulary.category_index(garment.category))
        found = Detections(np.array(boxes), np.array(categories), np.ones(len(boxes))) if boxes else no_detections()
        scenes.append(Scene(photo.file_name, path, found, np.zeros((0, 4)), size))
    leave_out(data, problems, len(scenes), "entries")
    tell_left_out(labels)
    return labels.root, scenes


def scenes_of_masks(
    photos: Path,
    masks: Path,
    labels: Mapping[int, int | None],
    corrections: Mapping[str, Mapping[int, int | None]] | None = None,
) -> list[Scene]:
    """One scene for each photo that has a mask, of the same name without the ending, in the order of the names.

    photos, masks: folders. labels: as `read_label_categories` gives them; where a label may be a garment, answers are
    ignored. corrections: as `read_mask_corrections` gives them. Counted in warnings are: masks that cannot be read,
    have no photo, two, or one of another size, which are left out; photos without a mask; labels that the table does
    not have, which are taken as no garment. Raises FormatError where no mask is left, OSError for folders that are not
    there.
    """
    files = sorted(path for path in Path(masks).iterdir() if path.suffix.lower() in SUFFIXES)
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(Path(photos).iterdir()):
        if path.suffix.lower() in _PHOTOS:
            by_name[path.stem].append(path)
    scenes, problems, others = [], [], Counter()
    for file in files:
        try:
            named = by_name.get(file.stem, [])
            if len(named) != 1:
                raise ValueError(f"{len(named) or 'no'} photos {file.stem} in {photos}; expected one")
            path = named[0]
            size, mask = image_size(path), read_mask(file)
            if mask.shape != (size[1], size[0]):
                raise ValueError(f"the mask has {mask.shape[1]} x {mask.shape[0]} px, {path} {size[0]} x {size[1]}")
            others.update(set(np.unique(mask).tolist()) - labels.keys())
            found = garments_of_mask(mask, {**labels, **(corrections or {}).get(file.stem, {})})
            known = found.category != UNKNOWN
            scenes.append(Scene(path.name, path, found.select(known), found.boxes[~known], size))
        except ValueError as error:  # ImageError is one
            problems.append(Problem(file, None, str(error)))
    if not files:
        raise FormatError(
            [Problem(Path(masks), None, f"no mask in it: expected files ending in {', '.join(SUFFIXES)}")]
        )
    leave_out(Path(masks), problems, len(scenes), "masks")
    bare = by_name.keys() - {file.stem for file in files}
    strange = (corrections or {}).keys() - {file.stem for file in files}
    if strange:
        log.warning(f"{masks}: {len(strange):,} photos with corrections have no mask, the first {min(strange)}")
    if bare:
        log.warning(f"{photos}: {len(bare):,} photos have no mask and are left out, the first {min(bare)}")
    if others:
        counts = ", ".join(f"{label} in {count:,}" for label, count in others.most_common(5))
        log.warning(f"{masks}: {len(others):,} labels are not in the table and count as no garment: {counts} masks")
    return scenes


def write_detection_set(out: Path, parts: Mapping[str, Sequence[Scene]], vocabulary: Vocabulary) -> None:
    """A COCO set: OUT/PART.json for each part, its photos linked or copied to OUT/photos/PART_NUMBER.ENDING.

    A photo of several parts, or several times in one, is there as often.
    """
    for name, scenes in parts.items():
        placed = []
        for number, scene in enumerate(scenes):
            photo = f"photos/{name}_{number:06d}{scene.path.suffix.lower()}"
            link_or_copy(scene.path, Path(out) / photo)
            placed.append(replace(scene, image_id=photo, path=Path(out) / photo))
        write_atomic(Path(out) / f"{name}.json", json.dumps(coco_of_scenes(placed, vocabulary)) + "\n")


def _split(data: Path, root: Path, scenes: Sequence[Scene], config: DetectionConfig) -> tuple[list[Scene], list[Scene]]:
    names = [*config.vocabulary.categories, NO_GARMENT]
    samples = [
        Sample(s.image_id, s.path, names[int(s.garments.category[0]) if len(s.garments) else -1]) for s in scenes
    ]
    by_path = {scene.path: scene for scene in scenes}
    train, val = split_by_photo(data, root, samples, config.val_fraction, config.seed)
    return [by_path[sample.path] for sample in train], [by_path[sample.path] for sample in val]
