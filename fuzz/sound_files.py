"""Valid files for every reader of files, and the files that must lie beside them."""

import hashlib
import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from list_forms import coco_json

from aifashion.config import KeypointConfig
from aifashion.data_gen.split import write_split
from aifashion.data_gen.tfexample import Record
from aifashion.data_gen.tfrecords import write_shard
from aifashion.files import SEAL, sealed
from aifashion.records import HeadSpec, Sample
from aifashion.serve.artifact import MANIFEST
from aifashion.serve.shipped import STAGES, shipped
from aifashion.vocabulary import load_vocabulary

HEADS = (HeadSpec("shape", "exclusive", ("round", "square")), HeadSpec("style", "independent", ("sport", "lady")))
FASHIONAI = load_vocabulary()


def text_of(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()


def made(make: Callable[..., bytes]) -> bytes:
    """A valid list, made as in the campaign with lists."""
    return make(random.Random(1), Path())


def shards(folder: Path) -> None:
    labels = np.arange(13) % 2
    records = [Record(f"{name}.jpg", bytes(range(40)), labels) for name in "abc"]
    write_shard(folder / SHARD, records)


SHARD = "photos-00000-of-00001.tfrecord"


def sound_shard(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        shards(Path(folder))
        return (Path(folder) / name).read_bytes()


def samples(folder: Path) -> list[Sample]:
    return [Sample(f"Images/{n}.png", folder / "Images" / f"{n}.png", "skirt") for n in range(6)]


def photos(folder: Path) -> None:
    (folder / "Images").mkdir(exist_ok=True)
    for n in range(6):
        cv2.imwrite(str(folder / "Images" / f"{n}.png"), np.full((4, 4, 3), 40 * n, np.uint8))


def split_around(folder: Path) -> None:
    photos(folder)
    every = samples(folder)
    write_split(folder, (every[2:], every[:2]))


def sound_split() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        split_around(Path(name))
        return (Path(name) / "train_split.csv").read_bytes()


def run_around(folder: Path) -> None:
    (folder / "vocabulary.json").write_text(json.dumps(FASHIONAI.to_json()))
    (folder / "config.json").write_text(KeypointConfig().to_json())


def heads_around(folder: Path) -> None:
    (folder / "heads.json").write_bytes(text_of([asdict(head) for head in HEADS]))


ENTRY = {"file": "epoch_001.weights.h5", "sha256": "a" * 64, "epoch": 1, "score": 0.25}
CALIBRATION = {"temperatures": {"shape": 1.5, "style": [1.0, 2.0]}, "thresholds": {"style": [0.4, 0.6]}}
PHOTOGRAPHS = b"photo,sha256,sender,part,category,remark\ntrain/dress/a.jpg," + b"a" * 64 + b",x,learn,dress,\n"
COCO = made(coco_json)
BOXES = b"photo,left,top,right,bottom,category,score\na.jpg,1,2,30,40,skirt,0.5\nb/c.jpg,0,0,9.5,9,dress,1\n"
BOX_RESULTS = [{"image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 30.5], "score": 0.5}] * 2
POINT = {"x": 3.5, "y": 4, "score": 0.5, "visible": 0.9, "hidden": False}
GARMENTS = [
    {"photo": "a.jpg", "box": [1, 2, 30, 40], "category": "skirt", "score": 0.5, "keypoints": {"hemline_left": POINT}},
    {"photo": "b.jpg", "box": None},
    {"photo": "c.jpg", "garments": [{"box": [1, 2, 30, 40], "category": "skirt", "score": 0.5}]},
]
RESULTS = [{"image_id": 1, "category_id": 1, "keypoints": [5, 5, 2] * 4, "score": 0.5}]


def sound_manifest(stage: Any) -> bytes:
    """The manifest of an artifact of empty files."""
    facts = json.loads((shipped(stage) / MANIFEST).read_bytes())
    files = dict.fromkeys(facts["files"], hashlib.sha256(b"").hexdigest())
    return text_of(sealed({name: value for name, value in facts.items() if name != SEAL} | {"files": files}))


def empty_files(folder: Path) -> None:
    for stage in STAGES:
        for path in shipped(stage).iterdir():
            (folder / path.name).write_bytes(b"")


def with_coco(folder: Path) -> None:
    (folder / "sound.json").write_bytes(COCO)
