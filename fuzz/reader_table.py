"""All readers of files, each with a valid file."""

import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from list_forms import attribute_csv, keypoint_csv, product_txt, style_txt
from sound_files import (
    BOX_RESULTS,
    BOXES,
    CALIBRATION,
    COCO,
    ENTRY,
    FASHIONAI,
    GARMENTS,
    HEADS,
    PHOTOGRAPHS,
    RESULTS,
    SHARD,
    empty_files,
    heads_around,
    made,
    run_around,
    samples,
    shards,
    sound_manifest,
    sound_shard,
    sound_split,
    split_around,
    text_of,
    with_coco,
)

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.data_gen.fetch import read_failures
from aifashion.data_gen.formats.aliproducts import read_class_names, read_product_lists, read_product_test
from aifashion.data_gen.formats.box_files import fitted, read_boxes, scan_boxes
from aifashion.data_gen.formats.coco import read_coco
from aifashion.data_gen.formats.coco_results import read_coco_results
from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.data_gen.formats.fashionai_attributes import read_label_table, read_labels, read_questions
from aifashion.data_gen.formats.jingdong import read_style_list
from aifashion.data_gen.photographs import PHOTOS, read_photographs
from aifashion.data_gen.split import load_or_make_split
from aifashion.data_gen.tfexample import Record, decode_example, encode_example, masked
from aifashion.data_gen.tfrecords import check_shard, find_intact, index_path, open_shards, read_record
from aifashion.eval.attribute_submission import read_attribute_submission
from aifashion.files import sealed
from aifashion.recognition.attribute_model import read_calibration, read_heads
from aifashion.recognition.detection_model import read_box_calibration
from aifashion.recognition.keypoint_model import read_visibility
from aifashion.recognition.photo_lists import read_photo_list
from aifashion.run_files import epochs_done, read_best, read_config, read_data_facts, read_index, shortcoming
from aifashion.serve.artifact import MANIFEST, Manifest
from aifashion.tasks.attribute_data import crop_rule_of
from aifashion.top.run_log import read_run_log
from aifashion.top.runs_commands import find_runs
from aifashion.vocabulary import FOLDER, older_files_vocabulary, read_vocabulary


@dataclass(frozen=True)
class Reader:
    """read: gets the folder, in which `file` has the generated content. sound: content of a valid file. kind: `table`,
    `json` or `bytes`. around: makes the other files. Errors must be ValueError or OSError and name the file."""

    file: str
    sound: bytes
    read: Callable[[Path], Any]
    kind: str = "bytes"
    around: Callable[[Path], object] = lambda folder: None


def read_shards(folder: Path) -> None:
    path = folder / SHARD
    find_intact(path)
    opened = open_shards(folder)
    for span in check_shard(path).values():
        read_record(path, span)
    len(opened)


def read_payload(folder: Path) -> None:
    """Reads a record with correct checksums and any content."""
    payload = (folder / "payload").read_bytes()
    size = struct.pack("<Q", len(payload))
    path = folder / SHARD
    path.write_bytes(b"".join([size, masked(size), payload, masked(payload)]))
    find_intact(path)
    try:
        decode_example(payload)
    except (ValueError, KeyError, IndexError, OverflowError):
        return
    for span in find_intact(path).values():
        read_record(path, span)


def run_folder(folder: Path) -> None:
    """Reads a configuration as a list of runs does."""
    run = folder / "2026_01_01_00_00_00"
    run.mkdir(exist_ok=True)
    (run / "config.json").write_bytes((folder / "config.json").read_bytes())
    find_runs(folder)
    shortcoming(folder)


def read_box_file(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> None:
        scan_boxes(folder / name)
        found = read_boxes(folder / name, FASHIONAI.categories)
        for boxes in found.of(["photos/a.jpg", *found.garments]).values():
            fitted(boxes, (20, 30))

    return read


ERRORS = {"scale": [0.5] * 24, "width": 0.57, "height": -0.33, "lengths": {"between armpit_left armpit_right": 1.2}}


READERS: dict[str, Reader] = {
    "photo list": Reader(
        "list.csv", b"sku,photo\n1,a.png\n2,b.png\n", lambda f: read_photo_list(f / "list.csv"), "table"
    ),
    "photo list in text": Reader("list.txt", b"a.png\nb.png\n", lambda f: read_photo_list(f / "list.txt"), "table"),
    "keypoints": Reader(
        "train.csv", made(keypoint_csv), lambda f: read_keypoint_csv(f / "train.csv", strict=False), "table"
    ),
    "keypoint submission": Reader(
        "train.csv", made(keypoint_csv), lambda f: read_keypoint_csv(f / "train.csv"), "table"
    ),
    "attributes": Reader(
        "label.csv",
        made(attribute_csv),
        lambda f: (read_labels(f / "label.csv"), read_label_table(f / "label.csv")),
        "table",
    ),
    "attribute questions": Reader(
        "question.csv",
        b"Images/coat_length_labels/a.jpg,coat_length_labels,?\n",
        lambda f: read_questions(f / "question.csv"),
        "table",
    ),
    "attribute submission": Reader(
        "out.csv",
        b"a.jpg,lapel_design_labels,0.1;0.2;0.3;0.4;0.5\nb.jpg,pant_length_labels,1;0;0;0;0;0\n",
        lambda f: read_attribute_submission(f / "out.csv"),
        "table",
    ),
    "styles": Reader("styles.txt", made(style_txt), lambda f: read_style_list(f / "styles.txt", False), "table"),
    "style submission": Reader("styles.txt", made(style_txt), lambda f: read_style_list(f / "styles.txt"), "table"),
    "products": Reader(
        "train.txt",
        made(product_txt),
        lambda f: read_product_lists(f),
        "table",
        lambda f: (f / "val.txt").write_bytes(b"v/1.jpg 3\n"),
    ),
    "product test": Reader("test.txt", b"a.jpg\nb/c.jpg\n", lambda f: read_product_test(f / "test.txt"), "table"),
    "class names": Reader("names.txt", b"shirt\ncoat\n", lambda f: read_class_names(f / "names.txt"), "table"),
    "COCO": Reader("train.json", COCO, lambda f: read_coco(f / "train.json"), "json"),
    "COCO, strict": Reader("train.json", COCO, lambda f: read_coco(f / "train.json", strict=True), "json"),
    "COCO results": Reader(
        "results.json",
        text_of(RESULTS),
        lambda f: read_coco_results(f / "results.json", read_coco(f / "sound.json")),
        "json",
        with_coco,
    ),
    "boxes": Reader("boxes.csv", BOXES, read_box_file("boxes.csv"), "table"),
    "boxes of COCO": Reader("train.json", COCO, read_box_file("train.json"), "json"),
    "boxes of garments": Reader("garments.json", text_of(GARMENTS), read_box_file("garments.json"), "json"),
    "boxes of COCO results": Reader(
        "results.json",
        text_of(BOX_RESULTS),
        lambda f: read_boxes(f / "results.json", FASHIONAI.categories, f / "sound.json"),
        "json",
        with_coco,
    ),
    "vocabulary in TOML": Reader(
        "mine.toml", (FOLDER / "fashionai.toml").read_bytes(), lambda f: read_vocabulary(f / "mine.toml"), "table"
    ),
    "vocabulary in JSON": Reader(
        "mine.json", text_of(FASHIONAI.to_json()), lambda f: read_vocabulary(f / "mine.json"), "json"
    ),
    "manifest": Reader(MANIFEST, sound_manifest("keypoints"), lambda f: Manifest.read(f), "json", empty_files),
    "manifest of a classifier": Reader(
        MANIFEST, sound_manifest("attributes"), lambda f: Manifest.read(f), "json", empty_files
    ),
    "configuration": Reader(
        "config.json",
        KeypointConfig().to_json().encode(),
        lambda f: KeypointConfig.from_json(read_config(f), older_files_vocabulary(), f / "config.json"),
        "json",
    ),
    "configuration of a classifier": Reader(
        "config.json",
        AttributeConfig().to_json().encode(),
        lambda f: AttributeConfig.from_json(read_config(f), older_files_vocabulary(), f / "config.json"),
        "json",
    ),
    "list of runs": Reader(
        "config.json",
        KeypointConfig().to_json().encode(),
        run_folder,
        "json",
        lambda f: (f / "best.json").write_bytes(text_of(ENTRY)),
    ),
    "history": Reader("history.csv", b"epoch,learning_rate,score\n1,0.1,0.5\n2,0.1,\n", epochs_done, "table"),
    "best model": Reader("best.json", text_of(sealed({**ENTRY, "calibration_sha256": None})), read_best, "json"),
    "facts of the data": Reader(
        "data.json",
        text_of(sealed({"train": 3, "val": 1, "debug": False, "photos_sha256": "b" * 64})),
        read_data_facts,
        "json",
    ),
    "index of weights": Reader(
        "models/index.json", text_of([sealed(ENTRY)]), lambda f: read_index(f / "models", "restore it"), "json"
    ),
    "index of states": Reader(
        "states/index.json",
        text_of([sealed({"file": "a", "sha256": "b"})]),
        lambda f: read_index(f / "states", "restore it"),
        "json",
    ),
    "heads": Reader("heads.json", text_of(sealed({"heads": [asdict(head) for head in HEADS]})), read_heads, "json"),
    "older heads": Reader("heads.json", text_of([asdict(head) for head in HEADS]), read_heads, "json"),
    "calibration": Reader(
        "calibration.json", text_of(sealed(CALIBRATION)), lambda f: read_calibration(f), "json", heads_around
    ),
    "calibration of keypoints": Reader(
        "calibration.json",
        text_of(sealed({"slope": [1.0] * 24, "offset": [0.5] * 24, "found": 0.25, "errors": ERRORS})),
        lambda f: read_visibility(f, KeypointConfig()),
        "json",
        run_around,
    ),
    "calibration of boxes": Reader(
        "calibration.json",
        text_of(sealed({"slope": 1.5, "offset": -0.5, "threshold": 0.25})),
        read_box_calibration,
        "json",
    ),
    "rule of crops": Reader(
        "crops.json", text_of({"crop": "heatmap", "margin": 0.05}), lambda f: crop_rule_of(f), "json"
    ),
    "split": Reader(
        "train_split.csv", sound_split(), lambda f: load_or_make_split(f, samples(f)), "table", split_around
    ),
    "shard": Reader(SHARD, sound_shard(SHARD), read_shards, "bytes", shards),
    "index of a shard": Reader(
        index_path(Path(SHARD)).name, sound_shard(index_path(Path(SHARD)).name), read_shards, "json", shards
    ),
    "payload of a record": Reader(
        "payload", encode_example(Record("a.jpg", b"photo", np.arange(3))), read_payload, "bytes"
    ),
    "failed photos": Reader(
        "failed.csv", b"id,url,reason\n1,http://a/b,gone\n", lambda f: read_failures(f / "failed.csv"), "table"
    ),
    "annotated photographs": Reader(
        PHOTOS,
        PHOTOGRAPHS,
        read_photographs,
        "table",
    ),
    "run log": Reader(
        "run_log.txt",
        b"2026-11-22 06:11:32+00:00\t3f9a12bc\tbegin\tpid 1 on h\ttrain.py\n"
        b"2026-11-22 07:21:40+00:00\t3f9a12bc\tend\t3 days, 1:10:08\tok\n",
        lambda f: read_run_log(f / "run_log.txt"),
        "table",
    ),
}
