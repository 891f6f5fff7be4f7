"""Every reader of files, on whatever Hypothesis thinks of: `python fuzz/readers.py [--minutes M] [NAME ...]`.

Each reader is given, for M minutes, bytes and texts of any kind; a sound file in which bytes were flipped, cut out,
doubled or put in; a sound table with other cells; and a sound JSON file in which values were exchanged, removed or
renamed, and which was sealed anew. It must return, or raise an error of the documented types that names the file.
Anything else is a fault: the smallest input that Hypothesis finds for it is shown, and the exit code is 1.
"""

import argparse
import hashlib
import io
import json
import logging
import random
import struct
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import lists
import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from inputs import inputs

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
from aifashion.data_gen.split import load_or_make_split, write_split
from aifashion.data_gen.tfexample import Record, decode_example, encode_example, masked
from aifashion.data_gen.tfrecords import check_shard, find_intact, index_path, open_shards, read_record, write_shard
from aifashion.eval.attribute_submission import read_attribute_submission
from aifashion.files import SEAL, sealed
from aifashion.recognition.attribute_model import read_calibration, read_heads
from aifashion.recognition.keypoint_model import read_visibility
from aifashion.recognition.photo_lists import read_photo_list
from aifashion.records import HeadSpec, Sample
from aifashion.run_files import epochs_done, read_best, read_config, read_data_facts, read_index, shortcoming
from aifashion.serve.artifact import MANIFEST, Manifest
from aifashion.serve.shipped import STAGES, shipped
from aifashion.tasks.attribute_data import crop_rule_of
from aifashion.top.run_log import read_run_log
from aifashion.top.runs_commands import find_runs
from aifashion.vocabulary import FOLDER, load_vocabulary, older_files_vocabulary, read_vocabulary

HEADS = (HeadSpec("shape", "exclusive", ("round", "square")), HeadSpec("style", "independent", ("sport", "lady")))
FASHIONAI = load_vocabulary()
OPTIONS = settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
"""max_examples: between two looks at the clock."""


@dataclass(frozen=True)
class Reader:
    """read: is given the folder, in which `file` has what Hypothesis thought of. sound: what a sound file holds.
    kind: `table`, `json` or `bytes`. around: makes the other files. Errors are ValueError or OSError, and name it."""

    file: str
    sound: bytes
    read: Callable[[Path], Any]
    kind: str = "bytes"
    around: Callable[[Path], object] = lambda folder: None


# --------------------------------------------------------------------------------------------------------- sound files


def text_of(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()


def made(make: Callable[..., bytes]) -> bytes:
    """A sound list, as the campaign with lists makes them."""
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


def read_shards(folder: Path) -> None:
    path = folder / SHARD
    find_intact(path)
    opened = open_shards(folder)
    for span in check_shard(path).values():
        read_record(path, span)
    len(opened)


def read_payload(folder: Path) -> None:
    """A record whose checksums are right, whatever is in it."""
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
COCO = made(lists.coco_json)
BOXES = b"photo,left,top,right,bottom,category,score\na.jpg,1,2,30,40,skirt,0.5\nb/c.jpg,0,0,9.5,9,dress,1\n"
BOX_RESULTS = [{"image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 30.5], "score": 0.5}] * 2
POINT = {"x": 3.5, "y": 4, "score": 0.5, "visible": 0.9, "hidden": False}
GARMENTS = [
    {"photo": "a.jpg", "box": [1, 2, 30, 40], "category": "skirt", "score": 0.5, "keypoints": {"hemline_left": POINT}},
    {"photo": "b.jpg", "box": None},
    {"photo": "c.jpg", "garments": [{"box": [1, 2, 30, 40], "category": "skirt", "score": 0.5}]},
]
RESULTS = [{"image_id": 1, "category_id": 1, "keypoints": [5, 5, 2] * 4, "score": 0.5}]


def run_folder(folder: Path) -> None:
    """What a list of runs reads of a configuration."""
    run = folder / "2026_01_01_00_00_00"
    run.mkdir(exist_ok=True)
    (run / "config.json").write_bytes((folder / "config.json").read_bytes())
    find_runs(folder)
    shortcoming(folder)


def sound_manifest(stage: Any) -> bytes:
    """Of an artifact of empty files."""
    facts = json.loads((shipped(stage) / MANIFEST).read_bytes())
    files = dict.fromkeys(facts["files"], hashlib.sha256(b"").hexdigest())
    return text_of(sealed({name: value for name, value in facts.items() if name != SEAL} | {"files": files}))


def empty_files(folder: Path) -> None:
    for stage in STAGES:
        for path in shipped(stage).iterdir():
            (folder / path.name).write_bytes(b"")


def with_coco(folder: Path) -> None:
    (folder / "sound.json").write_bytes(COCO)


def read_box_file(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> None:
        scan_boxes(folder / name)
        found = read_boxes(folder / name, FASHIONAI.categories)
        for boxes in found.of(["photos/a.jpg", *found.garments]).values():
            fitted(boxes, (20, 30))

    return read


READERS: dict[str, Reader] = {
    "photo list": Reader(
        "list.csv", b"sku,photo\n1,a.png\n2,b.png\n", lambda f: read_photo_list(f / "list.csv"), "table"
    ),
    "photo list in text": Reader("list.txt", b"a.png\nb.png\n", lambda f: read_photo_list(f / "list.txt"), "table"),
    "keypoints": Reader(
        "train.csv", made(lists.keypoint_csv), lambda f: read_keypoint_csv(f / "train.csv", strict=False), "table"
    ),
    "keypoint submission": Reader(
        "train.csv", made(lists.keypoint_csv), lambda f: read_keypoint_csv(f / "train.csv"), "table"
    ),
    "attributes": Reader(
        "label.csv",
        made(lists.attribute_csv),
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
    "styles": Reader("styles.txt", made(lists.style_txt), lambda f: read_style_list(f / "styles.txt", False), "table"),
    "style submission": Reader(
        "styles.txt", made(lists.style_txt), lambda f: read_style_list(f / "styles.txt"), "table"
    ),
    "products": Reader(
        "train.txt",
        made(lists.product_txt),
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
        text_of(sealed({"slope": [1.0] * 24, "offset": [0.5] * 24, "found": 0.25})),
        lambda f: read_visibility(f, KeypointConfig()),
        "json",
        run_around,
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


# ------------------------------------------------------------------------------------------------------------ the judge


class Fault(Exception):
    """What no reader should do."""


def judge(reader: Reader, folder: Path, data: bytes) -> bool:
    """Whether the file was read. Raises Fault."""
    path = folder / reader.file
    path.write_bytes(data)
    begun = time.monotonic()
    try:
        with redirect_stdout(io.StringIO()):
            reader.read(folder)
    except (ValueError, OSError) as error:
        raw = type(error).__name__ in ("UnicodeDecodeError", "UnicodeEncodeError", "JSONDecodeError", "TOMLDecodeError")
        if raw or not (path.name in str(error) or str(folder) in str(error)):
            raise Fault(f"{type(error).__name__} that does not name the file: {error!s:.400}") from error
        return False
    except Exception as error:
        raise Fault(f"{type(error).__name__}: {error!s:.400}") from error
    finally:
        if time.monotonic() - begun > 10:
            raise Fault(f"took {time.monotonic() - begun:.0f} s")
    return True


def campaign(name: str, reader: Reader, minutes: float, start: int) -> tuple[int, int, Fault | None]:
    """How many inputs were tried, how many of them were read, and the fault, if there is one."""
    tried = read = 0
    until = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "folder"
        (folder / reader.file).parent.mkdir(parents=True)
        reader.around(folder)
        if not judge(reader, folder, reader.sound):
            return 1, 0, Fault("the sound file is refused")

        def look(data: bytes) -> None:
            nonlocal tried, read
            tried += 1
            read += judge(reader, folder, data)

        rounds = 0
        while rounds == 0 or time.monotonic() < until:
            try:
                seed(start * 1_000_003 + rounds)(OPTIONS(given(inputs(reader.sound, reader.kind))(look)))()
            except Fault as fault:
                return tried, read, fault
            rounds += 1
    return tried, read, None


def main() -> None:
    parser = argparse.ArgumentParser(description="Every reader of files, on damaged ones.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(READERS)}; all by default")
    parser.add_argument("--minutes", type=float, default=0.1, help="for each reader")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(READERS))
    if unknown:
        parser.error(f"no reader {', '.join(unknown)}; expected some of {', '.join(READERS)}")
    logging.getLogger("aifashion").addHandler(logging.NullHandler())
    logging.getLogger("aifashion").propagate = False
    warnings.simplefilter("ignore")
    print(f"seed {args.seed}")
    faults = 0
    for name in args.names or READERS:
        tried, read, fault = campaign(name, READERS[name], args.minutes, args.seed)
        print(f"{name}: {tried:,} inputs, {read:,} read{'' if fault is None else ', a fault:'}", flush=True)
        if fault is not None:
            faults += 1
            print("\n".join(f"    {line[:500]}" for line in [str(fault), *getattr(fault, "__notes__", [])]), flush=True)
    print(f"{faults} faults")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
