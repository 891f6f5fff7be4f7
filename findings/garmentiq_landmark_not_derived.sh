#!/usr/bin/env bash
# One would guess: where a landmark cannot be derived, it has no place and the other lengths are still measured:
#   derive_keypoint_coord "returns None if derivation fails", and is typed as Optional.
# What really happens: `landmark.derive` makes a tuple of the result without a look at it. One landmark that cannot be
#   derived ends the call with "TypeError: 'NoneType' object is not iterable", and with it a run of the agent `tailor`
#   over a whole folder. It happens on valid input: of a cap sleeve of 6 px, `landmark.refine` with its defaults moves
#   both landmarks of the outer edge to one pixel, after which the sleeve has no direction.
# Package: garmentiq 0.0.4.11 (the newest on PyPI at that date), with opencv-python-headless 5.0.0.93, shapely 2.2.0 and
#   numpy 2.3.5.
# Source: derive in garmentiq/landmark/derive.py; derive_keypoint_coord in garmentiq/landmark/derivation/; the
#   instructions of the package for "short sleeve top".
# Date: 2026-12-01.
# Exit 0: as described. Exit 1: it changed. Exit 2: the packages could not be installed.
# Needs Python 3.11 or newer, with pip. PYTHON=/path/to/python chooses another one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    garmentiq==0.0.4.11 opencv-python-headless==5.0.0.93 shapely==2.2.0 numpy==2.3.5 || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import importlib
import json
import sys
from importlib.metadata import distribution, version
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np

print(f"garmentiq {version('garmentiq')}, opencv {cv2.__version__}, numpy {np.__version__}")
folder = Path(distribution("garmentiq").locate_file("garmentiq"))

# Importing garmentiq as a whole needs torch; these files do not.
for name in ("garmentiq", "garmentiq.landmark"):
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__path__ = [str(folder.parent / name.replace(".", "/"))]
derive = importlib.import_module("garmentiq.landmark.derive").derive
refine = importlib.import_module("garmentiq.landmark.refine").refine
known = importlib.import_module("garmentiq.landmark.derivation.derivation_dict").derivation_dict

NAME = "short sleeve top"
OUTLINE = {  # landmarks of DeepFashion2, of a top with cap sleeves in a photo of 200 x 200 px
    **{1: (100, 42), 2: (80, 40), 3: (90, 48), 4: (100, 52), 5: (110, 48), 6: (120, 40)},
    **{7: (56, 50), 8: (56, 53), 9: (56, 56), 10: (62, 66), 11: (63, 64), 12: (64, 62), 13: (64, 90), 14: (64, 120)},
    **{15: (64, 160), 16: (100, 160), 17: (136, 160), 18: (136, 120), 19: (136, 90), 20: (136, 62), 21: (137, 64)},
    **{22: (138, 66), 23: (144, 56), 24: (144, 53), 25: (144, 50)},
}
points = np.array([list(OUTLINE.values())], float)
mask = np.zeros((200, 200), np.uint8)
cv2.fillPoly(mask, [np.array([OUTLINE[n] for n in (2, 7, 9, 10, 12, 15, 17, 20, 22, 23, 25, 6, 4)], np.int32)], 255)


def told(refined: bool) -> str:
    instruction = json.loads((folder / "instruction" / f"{NAME}.json").read_text())
    places = points
    if refined:
        places, instruction = refine(NAME, points, np.ones((1, 25, 1)), instruction, mask)
    outer = [tuple(map(int, places[0, number - 1])) for number in (7, 9)]
    try:
        derived, _ = derive(NAME, instruction, known, landmark_coords=places, np_mask=mask)
        result = f"{len(derived)} landmarks derived"
    except TypeError as error:
        result = f"TypeError: {error}"
    print(f"{'refined' if refined else 'as given'}: outer edge of the sleeve from {outer[0]} to {outer[1]}: {result}")
    return result


found = [told(refined) for refined in (False, True)]
as_described = found == ["2 landmarks derived", "TypeError: 'NoneType' object is not iterable"]
print("as described" if as_described else "it changed")
sys.exit(0 if as_described else 1)
PYTHON
