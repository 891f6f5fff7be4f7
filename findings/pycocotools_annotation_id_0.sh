#!/usr/bin/env bash
# One would guess: ids in a COCO file are only names, so a file whose annotations are numbered from 0 has the same score
#   as the same file numbered from 1.
# What really happens: a detection's match is stored as the id of the annotation, where 0 means "no match". A detection
#   that matches annotation 0 counts as a false alarm, and annotation 0 as not found: a perfect prediction gets an AP of
#   0.25 on a set of two photos, for boxes and for keypoints, without a warning. faster-coco-eval gives 0.25 as well,
#   with a warning; hotcoco gives 1.0. The COCO export of label-studio-sdk 2.1.2 numbers annotations from 0.
# Package: pycocotools 2.0.11, faster-coco-eval 1.8.0, hotcoco 1.3.0 (each the newest on PyPI at that date), with
#   numpy 2.3.5.
# Source: COCOeval.evaluateImg and accumulate in pycocotools/cocoeval.py (`dtm`, `gtm`). The description of the format
#   (cocodataset.org/#format-data) says "id: int".
# Date: 2026-11-30.
# Exit 0: as described. Exit 1: it changed. Exit 2: the packages could not be installed.
# Needs Python 3.11 or newer, with pip. PYTHON=/path/to/python chooses another one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pycocotools==2.0.11 faster-coco-eval==1.8.0 hotcoco==1.3.0 numpy==2.3.5 || exit 2

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import contextlib
import io
import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import faster_coco_eval
import hotcoco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

PACKAGES = {
    "pycocotools": (COCO, COCOeval),
    "faster-coco-eval": (faster_coco_eval.COCO, faster_coco_eval.COCOeval_faster),
    "hotcoco": (hotcoco.COCO, hotcoco.COCOeval),
}
print(", ".join(f"{name} {version(name)}" for name in PACKAGES))

box = [10, 10, 40, 40]
keypoints = [30, 30, 2] * 17
answer = [{"image_id": n, "category_id": 1, "bbox": box, "keypoints": keypoints, "score": 0.9} for n in (1, 2)]
category = {"id": 1, "name": "person", "keypoints": [f"point_{k}" for k in range(17)], "skeleton": []}


def average_precision(package, kind, first):
    """(AP, whether a warning spoke of it) of an answer that is equal to the truth, whose two annotations have the ids
    `first` and `first + 1`."""
    known = {"category_id": 1, "bbox": box, "area": 1600, "iscrowd": 0, "keypoints": keypoints, "num_keypoints": 17}
    truth = {
        "info": {},
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 100, "height": 100} for n in (1, 2)],
        "categories": [category],
        "annotations": [{"id": first + n, "image_id": 1 + n, **known} for n in (0, 1)],
    }
    folder = Path(sys.argv[1])
    # Boxes are compared where a result has no keypoints.
    results = [{k: v for k, v in entry.items() if kind == "keypoints" or k != "keypoints"} for entry in answer]
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(results))
    read, evaluate = PACKAGES[package]
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        coco = read(str(folder / "truth.json"))
        run = evaluate(coco, coco.loadRes(str(folder / "results.json")), kind)
        run.evaluate()
        run.accumulate()
        run.summarize()
    return round(float(run.stats[0]), 4), any("id 0" in str(warning.message) for warning in said)


found = {}
for package in PACKAGES:
    for kind in ("bbox", "keypoints"):
        for first in (1, 0):
            score, warned = found[package, kind, first] = average_precision(package, kind, first)
            print(f"{package}, {kind}, numbered from {first}: AP {score}{', with a warning' if warned else ''}")

expected = {
    ("pycocotools", 1): (1, False),
    ("pycocotools", 0): (0.2525, False),
    ("faster-coco-eval", 1): (1, False),
    ("faster-coco-eval", 0): (0.2525, True),
    ("hotcoco", 1): (1, False),
    ("hotcoco", 0): (1, False),
}
as_described = all(found[package, kind, first] == expected[package, first] for package, kind, first in found)
print("as described" if as_described else "it changed")
sys.exit(0 if as_described else 1)
PYTHON
