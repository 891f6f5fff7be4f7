#!/usr/bin/env bash
# One would guess: a JPEG of 2049 px that is decoded at 1/8 is resized to 257 px. Then a point at x is at x * 257 / 2049
#   in it, and points found in it are converted back by 2049 / 257.
# What really happens: the decoder scales blocks of 8 px by exactly 1/8 and rounds the number of pixels up. The last
#   column is the rest of a block. A point at x is at x / 8; converted back by the sizes, it is up to 7 px too far to
#   the left and top.
# Package: opencv-python-headless 5.0.0.93, with numpy 2.3.5.
# Source: IMREAD_REDUCED_COLOR_8 of cv2.imread and cv2.imdecode, documented as "size reduced 1/8"; libjpeg scales in its
#   inverse transform (libjpeg.txt, "scale_num/scale_denom").
# Date: 2026-11-30.
# Exit 0: as described. Exit 1: it changed. Exit 2: the packages could not be installed.
# Needs Python 3.11 or newer, with pip. PYTHON=/path/to/python chooses another one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 numpy==2.3.5 || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import cv2
import numpy as np

print(f"opencv {cv2.__version__}, numpy {np.__version__}")
side, point = 2049, 2000.0
x, y = np.meshgrid(np.arange(side), np.arange(side))
spot = 255 * np.exp(-((x - point) ** 2 + (y - point) ** 2) / (2 * 12.0**2))
data = cv2.imencode(".jpg", spot.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
reduced = cv2.imdecode(data, cv2.IMREAD_REDUCED_GRAYSCALE_8).astype(float)
print(f"{side} px decoded at an eighth: {reduced.shape[1]} px")

weights = np.where(reduced > 40, reduced, 0)
found = (weights.sum(0) * np.arange(reduced.shape[1])).sum() / weights.sum()
# Centres of pixels are whole numbers: the middle of the first eight is at 3.5.
by_sizes = (found + 0.5) * side / reduced.shape[1] - 0.5
by_eight = (found + 0.5) * 8 - 0.5
print(f"a spot at {point} is found at {found:.2f}: brought back by the sizes {by_sizes:.2f}, by 8 {by_eight:.2f}")

as_described = reduced.shape == (257, 257) and abs(by_eight - point) < 0.5 and point - by_sizes > 5
print("as described" if as_described else "it changed")
sys.exit(0 if as_described else 1)
PYTHON
