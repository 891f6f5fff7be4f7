#!/usr/bin/env bash
# One would guess: each of OpenCV's refinements of marker corners gives better corners than no refinement.
# What really happens: without refinement (the default) the sides of a sharp marker, upright or turned, are about 0.7 px
#   too short, at every size. So all lengths measured by it are too long: by 1.3 % for a marker of 60 px.
#   CORNER_REFINE_CONTOUR makes this worse, about 1.0 px, and the corners are further off than without it.
#   CORNER_REFINE_SUBPIX leaves 0.2 px. CORNER_REFINE_APRILTAG gives sides of the right length, but each corner is as
#   far off as without refinement.
# Package: opencv-python-headless 5.0.0.93, with numpy 2.3.5.
# Source: cv2.aruco.ArucoDetector and DetectorParameters.cornerRefinementMethod. The markers are drawn here, from 16 x
#   16 samples in each pixel, so their corners are known exactly.
# Date: 2026-11-30.
# Exit 0: as described. Exit 1: it changed. Exit 2: the packages could not be installed.
# Needs Python 3.11 or newer, with pip. PYTHON=/path/to/python chooses another one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    opencv-python-headless==5.0.0.93 numpy==2.3.5 || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import cv2
import numpy as np
from cv2 import aruco

print(f"opencv {cv2.__version__}, numpy {np.__version__}")
SAMPLES, CELLS, SIZES, DRAWN = 16, 6, (60, 120), 12
dictionary = aruco.getPredefinedDictionary(aruco.DICT_4X4_50)
cells = aruco.generateImageMarker(dictionary, 7, CELLS)


def drawn(side, middle, angle):
    """A photo of a marker on white, and its corners (4, 2) in px, with pixel centres on whole numbers."""
    count = 2 * side
    y, x = (np.mgrid[0 : count * SAMPLES, 0 : count * SAMPLES] + 0.5) / SAMPLES - middle[:, None, None]
    cos, sin = np.cos(angle), np.sin(angle)
    u, v = ((cos * x + sin * y) / side + 0.5) * CELLS, ((cos * y - sin * x) / side + 0.5) * CELLS
    on = (u >= 0) & (u < CELLS) & (v >= 0) & (v < CELLS)
    fine = np.full(on.shape, 255, np.uint8)
    fine[on] = cells[v[on].astype(int), u[on].astype(int)]
    photo = fine.reshape(count, SAMPLES, count, SAMPLES).mean(axis=(1, 3))
    corners = (np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) - 0.5) * side
    return np.rint(photo).astype(np.uint8), corners @ [[cos, sin], [-sin, cos]] + middle[::-1] - 0.5


random = np.random.default_rng(0)
photos = {
    side: [drawn(side, side + random.uniform(-2, 2, 2), random.uniform(0, 1.5) * (n % 3)) for n in range(DRAWN)]
    for side in SIZES
}
short, off = {}, {}
for name in ("NONE", "CONTOUR", "SUBPIX", "APRILTAG"):
    parameters = aruco.DetectorParameters()
    default = parameters.cornerRefinementMethod == aruco.CORNER_REFINE_NONE
    parameters.cornerRefinementMethod = getattr(aruco, f"CORNER_REFINE_{name}")
    detector = aruco.ArucoDetector(dictionary, parameters)
    for side in SIZES:
        found = [detector.detectMarkers(photo)[0][0].reshape(4, 2) for photo, _ in photos[side]]
        sides = [np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).mean() for corners in found]
        errors = [
            np.linalg.norm(corners - truth, axis=1).mean()
            for corners, (_, truth) in zip(found, photos[side], strict=True)
        ]
        short[name, side], off[name, side] = side - np.mean(sides), np.mean(errors)
        print(
            f"CORNER_REFINE_{name}, sides of {side} px: found {short[name, side]:.2f} px shorter "
            f"({100 * short[name, side] / side:.1f} %), corners {off[name, side]:.2f} px off"
        )

as_described = default and all(
    0.5 < short["NONE", side] < 0.85
    and short["CONTOUR", side] > short["NONE", side] + 0.2
    and off["CONTOUR", side] > off["NONE", side]
    and short["SUBPIX", side] < 0.3
    and off["SUBPIX", side] < 0.5 * off["NONE", side]
    and abs(short["APRILTAG", side]) < 0.2
    and off["APRILTAG", side] > 0.8 * off["NONE", side]
    for side in SIZES
)
print("as described" if as_described else "it changed")
sys.exit(0 if as_described else 1)
PYTHON
