"""Writes drawn scenes of any number of garments as COCO files.

train.json, val.json, test.json        the garments of each photo: category, box, keypoints
photos_train/, photos_val/, photos_test/
"""

import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...files import sweep, write_atomic
from ...geometry import Size
from ...records import Keypoints
from ...vocabulary import Vocabulary, load_vocabulary
from ..formats.coco_writing import coco_categories, coco_keypoints
from .compose import KINDS, SMALLEST, render_scene
from .drawing import MOST_PHOTOS, drawn
from .labels import LabelledGarment
from .writer import claimed, packed_jpeg

log = logging.getLogger(__name__)

_STREAM = 3
"""Among the random numbers of a seed: other sets of the same seed use other ones."""


@dataclass(frozen=True, slots=True)
class SceneCounts:
    """Numbers of photos. Raises ValueError for counts out of range."""

    train: int
    val: int
    test: int

    def __post_init__(self) -> None:
        low, high = min(self.val, self.test), max(self.train, self.val, self.test)
        if self.train < 1 or low < 0 or high > MOST_PHOTOS:
            raise ValueError(
                f"{self.train:,} photos to train on, {self.val:,} to validate, {self.test:,} to test: expected at "
                f"least 1, 0 and 0, and at most {MOST_PHOTOS:,} photos"
            )

    @classmethod
    def of(cls, train: int, val: int | None = None, test: int | None = None) -> "SceneCounts":
        """val, test: by default a tenth of `train`, at least 5."""
        tenth = max(train // 10, 5)
        return cls(train, tenth if val is None else val, tenth if test is None else test)


@dataclass(frozen=True, slots=True)
class _Job:
    """One photo to draw: number `index` of a split, drawn with `seed`."""

    out: Path
    split: str
    index: int
    seed: int
    size: int


@dataclass(frozen=True, slots=True)
class _Row:
    """One photo in the lists. size: (width, height). kind: of the scene."""

    split: str
    file_name: str
    size: Size
    kind: str
    garments: tuple[LabelledGarment, ...]


def write_scenes(out: Path, counts: SceneCounts, seed: int, size: int = 512, workers: int = 1) -> dict[str, int]:
    """Writes the photos and their COCO files to `out`, and gives the number of photos of each kind.

    size: of the longer side of the largest photos, px. Photo i of a split depends only on (seed, split, i, size): the
    bytes are the same for any number of workers, and a call with the same arguments completes an interrupted one.
    A split without photos has no file. Raises ValueError for a size or a number of workers that is too small, and
    FileExistsError for a folder with anything but the same data set, BlockingIOError for one that another process is
    writing.
    """
    if size < SMALLEST or workers < 1:
        raise ValueError(f"{size} px, {workers} processes: expected at least {SMALLEST} px and 1 process")
    out = Path(out)
    splits = asdict(counts)
    facts = {"kind": "scenes", "seed": seed, "size": size, **{f"{split}_count": n for split, n in splits.items()}}
    jobs = [_Job(out, split, i, seed, size) for split, count in splits.items() for i in range(count)]
    with claimed(out, facts):
        for split in splits:
            folder = out / f"photos_{split}"
            folder.mkdir(exist_ok=True)
            sweep(folder)
        rows = list(drawn(_draw, jobs, workers))
        for split in (split for split, count in splits.items() if count):
            content = _coco([row for row in rows if row.split == split], load_vocabulary())
            write_atomic(out / f"{split}.json", json.dumps(content) + "\n")
    kinds = Counter(row.kind for row in rows)
    log.info(f"wrote {len(rows)} scenes to {out}")
    return {kind: kinds[kind] for kind in KINDS}


def _draw(job: _Job) -> _Row:
    """Renders one photo, stores it as JPEG and returns its row."""
    split = ("train", "val", "test").index(job.split)
    rng = np.random.default_rng([job.seed, _STREAM, split, job.index])
    scene = render_scene(rng, job.size)
    name = f"photos_{job.split}/{job.index:07d}.jpg"
    write_atomic(job.out / name, packed_jpeg(scene.image, int(rng.integers(80, 96))), flush=False)
    height, width = scene.image.shape[:2]
    return _Row(job.split, name, (width, height), scene.kind, scene.garments)


def _coco(rows: Sequence[_Row], vocabulary: Vocabulary) -> dict[str, Any]:
    """The content of a COCO file. Images have the `kind` of their scene, annotations what is `seen` of the garment."""
    images, annotations = [], []
    for number, row in enumerate(rows, start=1):
        width, height = row.size
        images.append({"id": number, "file_name": row.file_name, "width": width, "height": height, "kind": row.kind})
        for garment in row.garments:
            annotations.append({"id": len(annotations) + 1, "image_id": number, **_annotation(garment, vocabulary)})
    return {"images": images, "annotations": annotations, "categories": coco_categories(vocabulary)}


def _annotation(garment: LabelledGarment, vocabulary: Vocabulary) -> dict[str, Any]:
    left, top, right, bottom = garment.box.tolist()
    names = vocabulary.definitions[vocabulary.category_index(garment.category)].keypoints
    own = np.array([vocabulary.indices[name] for name in names])
    keypoints = Keypoints(np.round(garment.keypoints.xy[own], 2), garment.keypoints.state[own])
    return {
        "category_id": vocabulary.category_index(garment.category) + 1,
        "bbox": [left, top, right - left, bottom - top],
        "area": (right - left) * (bottom - top),
        "iscrowd": 0,
        **coco_keypoints(keypoints),
        "seen": round(garment.seen, 3),
    }
