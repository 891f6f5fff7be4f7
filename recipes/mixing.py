"""Mixes data sets in the FashionAI layout into one, with a given weight of each in an epoch.

A photo that an epoch uses several times has several names, which are links to one file. The validation photos are those
of the sets that select the best epoch, each once.
"""

import csv
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aifashion.data_gen.formats.fashionai import load_training_samples, write_keypoint_csv
from aifashion.data_gen.formats.fashionai_attributes import SUFFIX, find_attribute_sets, read_labels
from aifashion.data_gen.formats.folders import CROPS_FILE
from aifashion.data_gen.split import ATTRIBUTE_PREFIX, VAL_FILE, load_or_make_split, write_split
from aifashion.files import claim_folder, link_or_copy, locked, write_atomic
from aifashion.records import ABSENT, Sample

CLAIM = "mix.json"


@dataclass(frozen=True)
class Share:
    """A data set and how much of it is in the mix.

    name: its folder in the mix. folder: the set, with its split. repeat: how often an epoch uses each photo. most:
    maximum number of training photos, chosen at random. bare: maximum number of photos without keypoints, of each
    category and of no garment. validates: its validation photos select the best epoch. split: for crops, the set whose
    split applies, by file names; without it, all photos are for training.
    """

    name: str
    folder: Path
    repeat: int = 1
    most: int | None = None
    bare: int | None = None
    validates: bool = True
    split: Path | None = None

    def facts(self) -> dict[str, str | int | None]:
        return {"name": self.name, "repeat": self.repeat, "most": self.most, "bare": self.bare}


def mix_keypoints(out: Path, shares: Sequence[Share], seed: int = 0, both: bool = False) -> tuple[int, int]:
    """Writes a training set for keypoints; returns its numbers of training and of validation photos.

    both: every photo is used for training and, by another name, for validation, so that the loss of a lower precision
    is measured on many photos.

    Raises FileExistsError if `out` has another mix or anything else; errors of the sets as in a training.
    """
    claim_folder(out, CLAIM, {"seed": seed, "both": both, "shares": [share.facts() for share in shares]})
    halves: tuple[list[Sample], list[Sample]] = [], []
    with locked(out):
        for share in shares:
            rng = random.Random(f"{seed} {share.name}")
            train, val = load_or_make_split(share.folder, load_training_samples(share.folder))
            train = few(_few_bare(train, share.bare, rng), share.most, rng)
            for half, number, sample in _placed(share, train, val, both):
                name = f"Images/{share.name}_{number}/{sample.image_id.replace('/', '-')}"
                link_or_copy(sample.path, out / "train" / name)
                halves[half].append(replace(sample, image_id=name, path=out / "train" / name))
        lists = out / "train" / "Annotations"
        lists.mkdir(parents=True, exist_ok=True)
        write_keypoint_csv(lists / "train.csv", [*halves[0], *halves[1]], decimals=1)
        write_split(out, halves)
    return len(halves[0]), len(halves[1])


def mix_attributes(out: Path, shares: Sequence[Share], seed: int = 0, both: bool = False) -> tuple[int, int]:
    """Writes a training set for attributes, as `mix_keypoints`.

    If the photos are crops, all must be of one kind, which the mix then has; ValueError otherwise.
    """
    records = {share.name: _crops(share.folder) for share in shares}
    crops, *others = set(records.values())
    if others:
        raise ValueError(f"{', '.join(records)} are not crops of one kind by one network: crop all of them alike")
    claim_folder(out, CLAIM, {"seed": seed, "both": both, "attributes": [share.facts() for share in shares]})
    halves: tuple[list[Sample], list[Sample]] = [], []
    lines: list[str] = []
    with locked(out):
        for share in shares:
            rng = random.Random(f"{seed} {share.name}")
            photos: dict[Path, list[str]] = defaultdict(list)
            for file in find_attribute_sets(share.folder).labels:
                for row in read_labels(file):
                    photos[file.parent.parent / row.path].append(f"{row.task}{SUFFIX},{row.value}")
            samples = [Sample(path.name, path, rows[0].split(SUFFIX)[0]) for path, rows in photos.items()]
            held = set() if share.split is None else _names(share.split / f"{ATTRIBUTE_PREFIX}{VAL_FILE}")
            val = [sample for sample in samples if sample.image_id in held]
            train = few([sample for sample in samples if sample.image_id not in held], share.most, rng)
            for half, number, sample in _placed(share, train, val, both):
                name = f"Images/{sample.category}{SUFFIX}/{share.name}_{number}_{sample.path.name}"
                link_or_copy(sample.path, out / "base" / name)
                lines += [f"{name},{row}" for row in photos[sample.path]]
                halves[half].append(replace(sample, image_id=name, path=out / "base" / name))
        (out / "base" / "Annotations").mkdir(parents=True, exist_ok=True)
        write_atomic(out / "base" / "Annotations" / "label.csv", "".join(f"{line}\n" for line in lines))
        write_split(out, halves, ATTRIBUTE_PREFIX)
        if crops is not None:
            write_atomic(out / CROPS_FILE, crops)
    return len(halves[0]), len(halves[1])


def _placed(
    share: Share, train: Sequence[Sample], val: Sequence[Sample], both: bool
) -> Iterator[tuple[int, int, Sample]]:
    """Part of the mix (0: training), number of the repetition, and photo, for all photos of a share."""
    if both:
        for half in (0, 1):
            yield from ((half, half, sample) for sample in [*train, *val])
        return
    for sample in train:
        yield from ((0, number, sample) for number in range(share.repeat))
    if share.validates:
        yield from ((1, 0, sample) for sample in val)


def _crops(folder: Path) -> bytes | None:
    path = folder / CROPS_FILE
    return path.read_bytes() if path.is_file() else None


def _names(split: Path) -> set[str]:
    """The file names of the photos in one part of a split."""
    with split.open(newline="", encoding="utf-8") as file:
        return {Path(row["path"]).name for row in csv.DictReader(file)}


def few(samples: list[Any], most: int | None, rng: random.Random) -> list[Any]:
    """At most so many, chosen at random, in their order."""
    if most is None or len(samples) <= most:
        return samples
    chosen = set(rng.sample(range(len(samples)), most))
    return [sample for index, sample in enumerate(samples) if index in chosen]


def _few_bare(samples: list[Sample], most: int | None, rng: random.Random) -> list[Sample]:
    """The samples, with at most so many of each category without any keypoint."""
    if most is None:
        return samples
    bare: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.keypoints is not None and (sample.keypoints.state == ABSENT).all():
            bare[str(sample.category)].append(sample)
    left_out = {id(s) for group in bare.values() for s in group} - {
        id(s) for group in bare.values() for s in few(group, most, rng)
    }
    return [sample for sample in samples if id(sample) not in left_out]
