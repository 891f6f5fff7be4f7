"""Small attribute sets in the official layout."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, STYLES
from aifashion.data_gen.tfrecords import Record, shard_path, write_shard


def marks_of(task: str, yes: int) -> str:
    return "".join("y" if c == yes else "n" for c in range(len(ATTRIBUTE_TASKS[task])))


def save_photo(path: Path, seed: int, size: tuple[int, int] = (48, 40)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(size, Image.Resampling.BILINEAR).save(path)


def write_rows(csv: Path, rows: Sequence[tuple[str, str, str]]) -> Path:
    """(photo, task, third cell) -> the rows of a CSV."""
    csv.parent.mkdir(parents=True, exist_ok=True)
    csv.write_text("".join(f"{photo},{task}_labels,{cell}\n" for photo, task, cell in rows))
    return csv


def write_labelled(root: Path, tasks: dict[str, int], part: str = "base") -> list[str]:
    """So many photos of each task, every class in turn, in `root/part`. Returns their names below `root`."""
    rows = []
    for number, task in enumerate(name for name, count in tasks.items() for _ in range(count)):
        photo = f"Images/{task}_labels/{number:03d}.jpg"
        save_photo(root / part / photo, number)
        rows.append((photo, task, marks_of(task, number % len(ATTRIBUTE_TASKS[task]))))
    write_rows(root / part / "Annotations" / "label.csv", rows)
    return [f"{part}/{photo}" for photo, _, _ in rows]


def shards(folder: Path, count: int, labelled: bool = True) -> Path:
    """A shard of so many black photos with random styles."""
    folder.mkdir(parents=True, exist_ok=True)
    photo = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    rows = np.random.default_rng(0).integers(0, 2, (count, len(STYLES)))
    records = [Record(f"{i}.jpg", photo, rows[i] if labelled else None) for i in range(count)]
    write_shard(shard_path(folder, 0, 1), records)
    return folder
