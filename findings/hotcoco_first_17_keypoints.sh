#!/usr/bin/env bash
# One would guess: an evaluator that replaces pycocotools scores all keypoints of a category, or refuses those without
#   a sigma, as pycocotools does ("could not be broadcast together with shapes (24,) (17,)").
# What really happens: without `kpt_oks_sigmas` it uses the 17 sigmas of COCO's person for the first 17 keypoints and
#   ignores the others. The last seven of 24 keypoints can be anywhere: the AP stays 1.0, without a warning. A warning
#   appears only if sigmas are set, in which case all 24 are scored.
# Package: hotcoco 1.3.0, beside pycocotools 2.0.11 (each the newest on PyPI at that date), with numpy 2.3.5.
# Source: COCOeval with `iouType="keypoints"`, run here on a category of 24 keypoints, as garments have.
# Date: 2026-11-30.
# Exit 0: as described. Exit 1: it changed. Exit 2: the packages could not be installed.
# Needs Python 3.11 or newer, with pip. PYTHON=/path/to/python chooses another one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    hotcoco==1.3.0 pycocotools==2.0.11 numpy==2.3.5 || exit 2

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import contextlib
import io
import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import hotcoco
import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

print(f"hotcoco {version('hotcoco')}, pycocotools {version('pycocotools')}, numpy {np.__version__}")
PACKAGES = {"hotcoco": (hotcoco.COCO, hotcoco.COCOeval), "pycocotools": (COCO, COCOeval)}
COUNT = 24
truth = np.array([[100 + 10 * k, 120 + 5 * k, 2] for k in range(COUNT)], float)


def outcome(package, wrong, sigmas):
    """What is said of one garment of which the keypoints `wrong` are 300 px off."""
    answer = truth.copy()
    answer[list(wrong), 0] += 300
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [100, 120, 240, 120], "area": 28800, "iscrowd": 0}
    content = {
        "info": {},
        "images": [{"id": 1, "file_name": "1.jpg", "width": 800, "height": 600}],
        "categories": [{"id": 1, "name": "dress", "keypoints": [f"point_{k}" for k in range(COUNT)], "skeleton": []}],
        "annotations": [{**annotation, "keypoints": truth.ravel().tolist(), "num_keypoints": COUNT}],
    }
    result = {"image_id": 1, "category_id": 1, "keypoints": answer.ravel().tolist(), "score": 0.9}
    folder = Path(sys.argv[1])
    (folder / "truth.json").write_text(json.dumps(content))
    (folder / "results.json").write_text(json.dumps([result]))
    read, evaluate = PACKAGES[package]
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        coco = read(str(folder / "truth.json"))
        run = evaluate(coco, coco.loadRes(str(folder / "results.json")), "keypoints")
        if sigmas is not None:
            run.params.kpt_oks_sigmas = np.full(COUNT, sigmas)
        try:
            run.evaluate()
        except ValueError as error:
            return f"ValueError: {error}"
        run.accumulate()
        run.summarize()
    return f"AP {float(run.stats[0]):.2f}{', with a warning' if said else ''}"


found = {}
for package in PACKAGES:
    for sigmas in (None, 0.05):
        for name, wrong in (("none", ()), ("the first 7", range(7)), ("the last 7", range(17, 24))):
            found[package, sigmas, name] = answer = outcome(package, wrong, sigmas)
            print(f"{package}, sigmas {'as they are' if sigmas is None else sigmas}, {name} 300 px off: {answer}")

silent = [found["hotcoco", None, name] for name in ("none", "the first 7", "the last 7")]
refused = found["pycocotools", None, "none"].startswith("ValueError")
set_by_hand = [found[package, 0.05, "the last 7"] for package in ("hotcoco", "pycocotools")]
as_described = (
    silent == ["AP 1.00", "AP 0.20", "AP 1.00"] and refused and set_by_hand == ["AP 0.50, with a warning", "AP 0.50"]
)
print("as described" if as_described else "it changed")
sys.exit(0 if as_described else 1)
PYTHON
