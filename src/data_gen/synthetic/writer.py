"""Writes synthetic photos as a data set in the official layout of keypoints and attributes."""

import errno
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from ...files import claim_folder, link_or_copy, locked, sweep, write_atomic
from ...records import ABSENT, Keypoints
from ..formats.challenges import CATEGORIES, KEYPOINTS
from ..formats.folders import DRAWN_FILE
from .drawing import checked_test_count, drawn
from .scene import render

log = logging.getLogger(__name__)
ANSWER = "fashionAI_key_points_test_a_answer_synthetic.csv"
ATTRIBUTE_ANSWER = "fashionAI_attributes_answer_a_synthetic.csv"
"""Written after all other lists, also in a copy of the set with crops."""

Labels = Literal["one", "all"]
"""Label each photo for one attribute task, as in the challenge, or for all tasks that apply to its garment."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One photo to draw: number i of the data set drawn with `seed`, for the split `train` or `test`."""

    out: Path
    split: str
    index: int
    seed: int
    size: int
    labels: Labels


@dataclass(frozen=True, slots=True)
class _Row:
    """One photo in the lists. task: the one whose folder it is in. labels: by task, for this task or for all."""

    split: str
    image_id: str
    category: str
    cells: str
    task: str
    labels: dict[str, str]


def write_dataset(
    out: Path,
    count: int,
    seed: int,
    size: int = 256,
    test_count: int | None = None,
    workers: int = 1,
    labels: Labels = "one",
) -> None:
    """Writes `count` training and `test_count` (by default a tenth, at least 5) test photos with all labels to `out`.

    labels: `one`, as in the challenge, labels each photo for one task of its garment; `all` for every task of it.
    Photo i depends only on (seed, i, size): the bytes are the same for any number of workers, and a call with the same
    arguments completes an interrupted one. Raises ValueError for counts that are too small, and FileExistsError for a
    folder with anything but the same data set, BlockingIOError for one that another process is writing.
    """
    test_count = checked_test_count(count, test_count, workers)
    out = Path(out)
    facts = {"count": count, "seed": seed, "size": size, "test_count": test_count, "labels": labels}
    with claimed(out, facts, lambda found: {"labels": "one"} | found):
        for split in ("train", "test"):
            for category in CATEGORIES:
                folder = out / split / "Images" / category
                folder.mkdir(parents=True, exist_ok=True)
                sweep(folder)
        jobs = [_Job(out, "train" if i < count else "test", i, seed, size, labels) for i in range(count + test_count)]
        _write_lists(out, list(drawn(_draw, jobs, workers)))
    log.info(f"wrote {count} training and {test_count} test photos to {out}")


@contextmanager
def claimed(
    out: Path, facts: Mapping[str, Any], upgrade: Callable[[dict[str, Any]], dict[str, Any]] | None = None
) -> Iterator[None]:
    """The folder of a synthetic set with these facts, for this process alone. Errors as in `write_dataset`."""
    # Before the lock, which leaves a file behind, and once more: another process can have been between.
    claim_folder(out, DRAWN_FILE, facts, upgrade)
    with locked(out):
        claim_folder(out, DRAWN_FILE, facts, upgrade)
        yield


def _draw(job: _Job) -> _Row:
    """Renders one photo, stores it as JPEG and returns its row."""
    rng = np.random.default_rng([job.seed, job.index])
    category = CATEGORIES[job.index % len(CATEGORIES)]
    photo = render(rng, job.size, category)
    name = rng.bytes(16).hex()
    task = str(rng.choice(sorted(photo.attributes)))
    image_id = f"Images/{category}/{name}.jpg"
    quality = int(rng.integers(80, 96))
    write_atomic(job.out / job.split / image_id, packed_jpeg(photo.image, quality), flush=False)
    labels = photo.attributes if job.labels == "all" else {task: photo.attributes[task]}
    return _Row(job.split, image_id, category, _cells(photo.keypoints), task, labels)


def packed_jpeg(image: np.ndarray, quality: int) -> bytes:
    """The JPEG of an RGB image. Raises OSError where the encoder fails."""
    done, packed = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise OSError(errno.EIO, f"an image of {image.shape[1]} x {image.shape[0]} pixels could not be made a JPEG")
    return packed.tobytes()


def _cells(keypoints: Keypoints) -> str:
    return ",".join(
        "-1_-1_-1" if state == ABSENT else f"{round(x)}_{round(y)}_{state}"
        for (x, y), state in zip(keypoints.xy.tolist(), keypoints.state.tolist(), strict=True)
    )


def _write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(f"{line}\n" for line in lines))


def _write_lists(out: Path, rows: list[_Row]) -> None:
    header = ",".join(("image_id", "image_category", *KEYPOINTS))
    labels: dict[str, list[str]] = {"train": [], "test": []}
    questions = []
    for row in rows:
        part = "base" if row.split == "train" else "rank"
        path = f"Images/{row.task}_labels/{Path(row.image_id).name}"
        link_or_copy(out / row.split / row.image_id, out / "attributes" / part / path)
        labels[row.split] += [f"{path},{task}_labels,{label}" for task, label in row.labels.items()]
        if part == "rank":
            questions += [f"{path},{task}_labels,?" for task in row.labels]
    cells = {split: [f"{r.image_id},{r.category},{r.cells}" for r in rows if r.split == split] for split in labels}
    _write_lines(out / "train/Annotations/train.csv", [header, *cells["train"]])
    _write_lines(out / "attributes/base/Annotations/label.csv", labels["train"])
    if not cells["test"]:
        return
    test = ["image_id,image_category", *(f"{r.image_id},{r.category}" for r in rows if r.split == "test")]
    _write_lines(out / "test/test.csv", test)
    _write_lines(out / ANSWER, [header, *cells["test"]])
    _write_lines(out / "attributes/rank/Tests/question.csv", questions)
    # Written last: if this file exists, all others do.
    _write_lines(out / "attributes" / ATTRIBUTE_ANSWER, labels["test"])
