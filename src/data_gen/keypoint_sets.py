"""Annotated and unannotated photos for the keypoint network, with the keypoints of a vocabulary.

The folders and CSVs of the FashionAI challenge, for the categories and keypoints of the challenge; COCO keypoints, for
any vocabulary; and all other formats of `formats.table`. A COCO set is one file, or a folder with `train.json`,
optionally `val.json`, and `test.json`; the file names in it are relative to the folder of the JSON file.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..config import KeypointConfig
from ..records import ABSENT, HIDDEN, NO_GARMENT, VISIBLE, Sample
from ..vocabulary import Vocabulary, differences
from .formats.challenges import FASHIONAI
from .formats.coco import CocoSet, labels_of_coco, read_coco, samples_from_coco
from .formats.fashionai import find_keypoint_sets, load_training_samples, read_keypoint_csv
from .formats.fashionai_labels import is_fashionai
from .formats.label_names import check_names
from .formats.labels import LabelSet
from .formats.name_maps import Known
from .formats.problems import Problem, leave_out
from .images import resolve_image
from .label_sets import bare_samples, is_labels, samples_of_labels, split_by_photo
from .spans import scorable
from .split import load_or_make_split

log = logging.getLogger(__name__)

TRAIN, VAL, TEST = "train.json", "val.json", "test.json"


@dataclass(frozen=True, slots=True)
class ListedPhotos:
    """The photos of a test list.

    samples: with the listed category, if any. coco: the COCO file that they come from. labels: those of another format;
    both None for FashionAI's CSVs.
    """

    samples: list[Sample]
    coco: CocoSet | None = None
    labels: LabelSet | None = None


def load_training_parts(data: Path, config: KeypointConfig) -> tuple[list[Sample], list[Sample]]:
    """(train, val): the annotated photos of the configuration's categories, with the keypoints of its vocabulary.

    Photos that show no garment, which a FashionAI list can have with the category `none`, are among them.
    The split is made once and stored beside the data, except if a COCO folder has a `val.json`. Rows and entries with
    problems are left out and counted in a warning. Raises ValueError if a part is empty, if there is nothing to learn
    or to score in it (`check_parts`), or if names differ between data set and vocabulary (the message lists them);
    OSError or FormatError if the data are missing or wholly wrong.
    """
    data, vocabulary = Path(data), config.vocabulary
    if is_labels(data, TRAIN):
        labels, samples = samples_of_labels(data, vocabulary, config.category)
        parts = split_by_photo(data, labels.root, _taught(data, samples), config.val_fraction, config.seed)
    elif _is_coco(data, TRAIN):
        train_file = data if data.is_file() else data / TRAIN
        root, train = _coco_samples(train_file, config)
        val_file = train_file.parent / VAL
        if not data.is_file() and val_file.exists():
            parts = train, _coco_samples(val_file, config)[1]
        else:
            parts = split_by_photo(train_file, root, train, config.val_fraction, config.seed)
    else:
        parts = load_or_make_split(data, load_training_samples(data), config.val_fraction, config.seed)
        parts = fashionai_samples(parts[0], vocabulary, data), fashionai_samples(parts[1], vocabulary, data)
    known = {*vocabulary.categories, NO_GARMENT}
    chosen = [[sample for sample in part if sample.category in known] for part in parts]
    garments = [len(with_garment(part)) for part in chosen]
    if not all(garments):
        raise ValueError(
            f"{data} has {garments[0]} photos of {', '.join(vocabulary.categories)} to train on and "
            f"{garments[1]} to validate on; both are needed"
        )
    check_parts(data, chosen[0], chosen[1], config)
    return chosen[0], chosen[1]


def with_garment(samples: Sequence[Sample]) -> list[Sample]:
    """The samples, without photos that show no garment."""
    return [sample for sample in samples if sample.category != NO_GARMENT]


def check_parts(data: Path, train: Sequence[Sample], val: Sequence[Sample], config: KeypointConfig) -> None:
    """Raises ValueError where a training could learn nothing, or its validation score nothing. data: for messages."""
    taught = (VISIBLE, HIDDEN) if config.hidden_weight > 0 else (VISIBLE,)
    if not any(np.isin(sample.keypoints.state, taught).any() for sample in train if sample.keypoints is not None):
        hidden = any((sample.keypoints.state == HIDDEN).any() for sample in train if sample.keypoints is not None)
        advice = "; --hidden-weight above 0 would learn hidden ones" if hidden else ""
        raise ValueError(
            f"{data}: none of the {len(train):,} photos to train on has a visible keypoint: nothing to learn{advice}"
        )
    counts = scorable(val, config.vocabulary)
    if not counts.scored:
        raise ValueError(
            f"{data}: nothing to score: of the {counts.garments:,} photos to validate on {counts.reasons()}"
        )


def load_test_set(data: Path, vocabulary: Vocabulary) -> ListedPhotos:
    """The photos of a test list. data: a CSV, a COCO file or the folder of one, or a file or folder of another format.

    Errors as `load_training_parts`.
    """
    data = Path(data)
    if is_labels(data, TEST) and not is_fashionai(data):
        labels, listed = samples_of_labels(data, vocabulary)
        bare, problems = bare_samples(labels)
        leave_out(data, problems, len(listed) + len(bare), "photos")
        return ListedPhotos([*listed, *bare], labels=labels)
    if _is_coco(data, TEST):
        file = data if data.is_file() else data / TEST
        coco = read_coco(file)
        labels = labels_of_coco(coco)
        check_names(labels, vocabulary)
        listed = samples_from_coco(coco, labels.root, vocabulary)
        annotated = {sample.image_id for sample in listed}
        bare, problems = [], []
        for image in (image for image in coco.images if image.file_name not in annotated):
            try:
                bare.append(Sample(image.file_name, resolve_image(labels.root, image.file_name), None))
            except ValueError as error:
                problems.append(Problem(file, None, f"images, id {image.id}: {error}"))
        leave_out(file, problems, len(listed) + len(bare), "photos")
        return ListedPhotos([*listed, *bare], coco)
    others = [name for name in vocabulary.keypoints if name not in FASHIONAI.indices]
    if others:
        raise ValueError(
            f"{data} is a FashionAI list, which has no column for {', '.join(others[:5])} of the vocabulary "
            f"{vocabulary.name}: give the photos as a COCO file (.json)"
        )
    samples: dict[str, Sample] = {}
    for csv in _test_lists(data):
        for sample in read_keypoint_csv(csv, strict=False):
            first = samples.setdefault(sample.image_id, sample)
            if first is not sample:
                raise ValueError(
                    f"{sample.image_id} of {csv} is also in another list below {data}, and a submission has one row "
                    "for each photo: give one list with --data FILE.csv"
                )
    return ListedPhotos(list(samples.values()))


def fashionai_samples(samples: Sequence[Sample], vocabulary: Vocabulary, data: Path) -> list[Sample]:
    """Samples with the 24 official keypoints -> those of the vocabulary's categories, with its keypoints in its order.

    Photos that show no garment are among them.

    Raises ValueError if a category has other keypoints in the vocabulary than in the challenge; the message lists them.
    """
    others = [name for name in vocabulary.categories if name not in FASHIONAI.categories]
    known = {*vocabulary.categories, NO_GARMENT}
    unknown = [f"it has no categories {', '.join(others)}"] if others else []
    for category in vocabulary.categories:
        if unknown or not any(sample.category == category for sample in samples):
            continue
        difference = differences(FASHIONAI.restricted(category), _in_order(vocabulary.restricted(category)))
        if difference:
            unknown = [f"{category}: {difference}"]
    if unknown:
        raise ValueError(
            f"{data} is a FashionAI set and differs from the vocabulary {vocabulary.name}: {', '.join(unknown)}. "
            "Choose another --vocabulary, or give the data as COCO keypoints"
        )
    chosen = np.array([FASHIONAI.indices[name] for name in vocabulary.keypoints])
    found = [sample for sample in samples if sample.category in known]
    return [replace(s, keypoints=None if s.keypoints is None else s.keypoints.select(chosen)) for s in found]


def _in_order(vocabulary: Vocabulary) -> Vocabulary:
    """The vocabulary with its keypoints in the order of the challenge, so that a comparison ignores the order."""
    order = {name: i for i, name in enumerate(FASHIONAI.keypoints)}
    return replace(vocabulary, keypoints=tuple(sorted(vocabulary.keypoints, key=lambda n: order.get(n, len(order)))))


def _coco_samples(path: Path, config: KeypointConfig) -> tuple[Path, list[Sample]]:
    """The folder of the photos, and the samples."""
    coco = read_coco(path)
    if config.category != "all":
        known = Known((config.category,))
        chosen = tuple(a for a in coco.annotations if known.meaning(a.category.name))
        coco = replace(coco, annotations=chosen)
    labels = labels_of_coco(coco)
    check_names(labels, config.vocabulary)
    return labels.root, _taught(path, samples_from_coco(coco, labels.root, config.vocabulary))


def _taught(data: Path, samples: Sequence[Sample]) -> list[Sample]:
    """Without garments that have no labelled keypoint, which are of no use for training."""
    kept = [
        sample
        for sample in samples
        if sample.category == NO_GARMENT or (sample.keypoints is not None and (sample.keypoints.state != ABSENT).any())
    ]
    if len(kept) < len(samples):
        log.warning(f"{data}: left out {len(samples) - len(kept):,} garments without a labelled keypoint")
    return kept


def _is_coco(data: Path, name: str) -> bool:
    return data.suffix == ".json" if data.is_file() else (data / name).exists()


def _test_lists(data: Path) -> Sequence[Path]:
    if data.is_file():
        return (data,)
    tests = find_keypoint_sets(data).tests
    if not tests:
        raise FileNotFoundError(f"no {TEST} in {data} and no test.csv below it: give the list itself with --data FILE")
    return tests
