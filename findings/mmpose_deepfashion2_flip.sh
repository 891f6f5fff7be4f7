#!/usr/bin/env bash
# One would guess: the flip table that mmpose ships for DeepFashion2 exchanges landmarks in pairs, so that mirroring
#   a garment's landmarks twice restores them.
# What really happens: landmark 9 of a vest has 13 as its partner, but 13 has none. The mirror image of a vest has the
#   point of landmark 13 twice and that of landmark 9 not at all: landmark 13 is then on the wrong side, and landmark 9
#   mirrored twice is on landmark 13. The other 293 landmarks are correct.
# Package: mmpose 1.3.2 (the newest on PyPI at that date), with numpy 2.3.5.
# Source: configs/_base_/datasets/deepfashion2.py in the wheel (under mmpose/.mim), and flip_keypoints in
#   mmpose/structures/keypoint/transforms.py, which is called here as it is. An empty partner means the landmark
#   itself, as in mmpose/datasets/datasets/utils.py.
# Date: 2026-11-30.
# Exit 0: as described. Exit 1: it changed. Exit 2: the packages could not be installed.
# Needs Python 3.11 or newer, with pip. PYTHON=/path/to/python chooses another one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps mmpose==1.3.2 numpy==2.3.5 || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import importlib.util
import runpy
import sys
from importlib.metadata import distribution, version
from pathlib import Path

import numpy as np

package = Path(distribution("mmpose").locate_file("mmpose"))
print(f"mmpose {version('mmpose')}, numpy {np.__version__}")

# Importing mmpose as a whole needs mmcv and torch; these two files need neither.
table = runpy.run_path(str(package / ".mim/configs/_base_/datasets/deepfashion2.py"))["dataset_info"]
keypoints = table["keypoint_info"]
spec = importlib.util.spec_from_file_location("transforms", package / "structures/keypoint/transforms.py")
transforms = importlib.util.module_from_spec(spec)
spec.loader.exec_module(transforms)

names = [keypoints[k]["name"] for k in range(len(keypoints))]
partner = [names.index(keypoints[k]["swap"] or names[k]) for k in range(len(names))]
one_way = [(names[k], names[p], names[partner[p]]) for k, p in enumerate(partner) if partner[p] != k]
print(f"{len(names)} landmarks; the partner of whose partner is another: {len(one_way)}")
for name, there, back in one_way:
    print(f"  {name} -> {there} -> {back}")

vest = [k for k, name in enumerate(names) if name.startswith("vest_kpt")]
flip_table = [vest.index(partner[k]) for k in vest]
# Fifteen different points, 9 left and 13 right of the middle, in a picture 100 pixels wide.
points = np.stack([np.arange(15.0) * 3 + 20, np.arange(15.0) * 5 + 10], axis=-1)
points[8], points[12] = (20, 60), (79, 60)
seen = np.ones(15)
once, _ = transforms.flip_keypoints(points[None], seen[None], (100, 100), flip_table)
twice, _ = transforms.flip_keypoints(once, seen[None], (100, 100), flip_table)
for n in (9, 13):
    print(f"vest landmark {n}: {points[n - 1]}, mirrored {once[0, n - 1]}, mirrored twice {twice[0, n - 1]}")
moved = [int(k) + 1 for k in np.flatnonzero((twice[0] != points).any(axis=-1))]
print(f"vest landmarks that do not come back: {moved}")

expected = [("vest_kpt9", "vest_kpt13", "vest_kpt13")]
as_described = one_way == expected and moved == [9] and (once[0, 8] == once[0, 12]).all()
print("as described" if as_described else "CHANGED")
sys.exit(0 if as_described else 1)
PYTHON
