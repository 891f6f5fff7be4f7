#!/usr/bin/env bash
# One would guess: the landmark network sees the whole photo. `input_image_transform` computes a scale of the width and
#   one of the height, and is described as "scaling, centering".
# What really happens: only the width counts. The network sees the middle of the photo in the proportion 3:4 of its
#   input: a photo of 9:16, as of a telephone, loses 12.5% of its height at the top and as much at the bottom, without a
#   message. A landmark there, such as a neckline or a hem, is found somewhere else. Photos wider than 3:4 get a margin.
# Package: garmentiq 0.0.4.11 (the newest on PyPI at that date), with opencv-python-headless 5.0.0.93, pillow 13.0.0 and
#   numpy 2.3.5.
# Source: input_image_transform and get_affine_transform in garmentiq/landmark/detection/utils.py, which
#   garmentiq.landmark.detect calls with the photo that it is given.
# Date: 2026-12-01.
# Exit 0: as described. Exit 1: it changed. Exit 2: the packages could not be installed.
# Needs Python 3.11 or newer, with pip. PYTHON=/path/to/python chooses another one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    garmentiq==0.0.4.11 opencv-python-headless==5.0.0.93 pillow==13.0.0 numpy==2.3.5 || exit 2

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

# Importing garmentiq as a whole needs torch; of torchvision this file uses two transforms, which change no place.
for name in ("garmentiq", "garmentiq.landmark", "garmentiq.landmark.detection"):
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__path__ = [str(folder.parent / name.replace(".", "/"))]


class Pixels(np.ndarray):
    def unsqueeze(self, axis):
        return np.expand_dims(self, axis)


transforms = ModuleType("torchvision.transforms")
transforms.ToTensor = lambda: lambda image: image.view(Pixels)
transforms.Normalize = lambda mean, std: lambda image: image
sys.modules["torchvision"] = ModuleType("torchvision")
sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"] = transforms
input_image_transform = importlib.import_module("garmentiq.landmark.detection.utils").input_image_transform


def seen(width: int, height: int) -> tuple[int, int]:
    """The first and last row of a photo that the network sees. Row y has the value y // 8 + 1 in every pixel."""
    rows = (np.arange(height) // 8 + 1).astype(np.uint8)
    image, *_ = input_image_transform(np.repeat(rows[:, None, None], 3, axis=2).repeat(width, axis=1))
    values = np.asarray(image)[0, :, 144, 0].astype(int)
    values = values[values > 0]
    return int(8 * (values.min() - 1)), int(8 * values.max() - 1)


found = {size: seen(*size) for size in ((720, 960), (720, 1280), (720, 1600), (960, 720))}
for (width, height), (first, last) in found.items():
    lost = 100 * (1 - (last - first + 1) / height)
    print(f"{width} x {height} px: rows {first} to {last} of {height} are seen, {lost:.0f}% are not")

expected = {(720, 960): (0, 959), (720, 1280): (160, 1119), (720, 1600): (320, 1279), (960, 720): (0, 719)}
as_described = found == expected
print("as described" if as_described else "it changed")
sys.exit(0 if as_described else 1)
PYTHON
