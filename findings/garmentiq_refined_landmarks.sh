#!/usr/bin/env bash
# One would guess: the refinement of landmarks, which "moves it onto the mask boundary", does not move a landmark that
#   is on the boundary, or far from any.
# What really happens: the new position is the first of the brightest pixels of the blurred mask around the landmark. At
#   the edge of a garment, this pixel is 5 px further inside: a garment 100 px wide is measured as 90 px. In the middle
#   of a garment, where all pixels are equally bright, it is the upper left corner of the window: such landmarks move by
#   (-5, -5) px.
# Package: garmentiq 0.0.4.11 (the newest on PyPI at that date), with opencv-python-headless 5.0.0.93 and numpy 2.3.5.
# Source: refine in garmentiq/landmark/refine.py, with its defaults (window_size 5, ksize 11), and the description in
#   garmentiq/landmark/refinement/__init__.py.
# Date: 2026-11-30.
# Exit 0: as described. Exit 1: it changed. Exit 2: the packages could not be installed.
# Needs Python 3.11 or newer, with pip. PYTHON=/path/to/python chooses another one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    garmentiq==0.0.4.11 opencv-python-headless==5.0.0.93 numpy==2.3.5 || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import importlib
import sys
from importlib.metadata import distribution, version
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np

print(f"garmentiq {version('garmentiq')}, opencv {cv2.__version__}, numpy {np.__version__}")
folder = Path(distribution("garmentiq").locate_file("garmentiq"))

# Importing garmentiq as a whole needs torch; these files need only OpenCV.
for name in ("garmentiq", "garmentiq.landmark"):
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__path__ = [str(folder.parent / name.replace(".", "/"))]
refine = importlib.import_module("garmentiq.landmark.refine").refine

# A garment of 100 x 200 px: pixels 50 to 149 of each row are in it.
mask = np.zeros((300, 200), np.uint8)
mask[50:250, 50:150] = 255
LANDMARKS = {"left edge": (50, 150), "right edge": (149, 150), "in the middle": (100, 150)}
points = np.array([list(LANDMARKS.values())], float)
instruction = {
    "garment": {
        "landmarks": {
            str(number): {"predefined": True, "description": name, "x": x, "y": y, "conf": 1.0}
            for number, (name, (x, y)) in enumerate(LANDMARKS.items(), start=1)
        },
        "measurements": {},
    }
}
refined, _ = refine("garment", points, np.ones((1, len(LANDMARKS), 1)), instruction, mask)
moved = {name: tuple(map(int, new - old)) for name, old, new in zip(LANDMARKS, points[0], refined[0], strict=True)}
for name, place in LANDMARKS.items():
    print(f"{name}, at {place}: moved by {moved[name]}")
widths = [int(p[0, 1, 0] - p[0, 0, 0] + 1) for p in (points, refined)]
print(f"from edge to edge: {widths[0]} px before, {widths[1]} px after")

expected = {"left edge": (5, -5), "right edge": (-5, -5), "in the middle": (-5, -5)}
as_described = moved == expected and widths == [100, 90]
print("as described" if as_described else "it changed")
sys.exit(0 if as_described else 1)
PYTHON
