#!/usr/bin/env bash
# One would guess: the COCO export of keypoints lists the names of a category in the order of the coordinates in an
#   annotation, as the format says.
# What really happens: the names are in the order of the labelling configuration, the coordinates in that of
#   `model_index`. If the two orders differ, names are exchanged: every reader of the file takes the point labelled
#   "left" for "right". There is no warning.
# Package: label-studio-sdk 2.1.2 (the newest on PyPI at that date), whose converter Label Studio's own export uses.
# Source: update_categories_for_keypoints and build_kp_order in label_studio_sdk/converter/keypoints.py.
# Date: 2026-11-30.
# Exit 0: as described. Exit 1: it changed. Exit 2: the packages could not be installed.
# Needs Python 3.11 or newer, with pip. PYTHON=/path/to/python chooses another one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check label-studio-sdk==2.1.2 || exit 2

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys
from importlib.metadata import version
from pathlib import Path

from label_studio_sdk.converter import Converter
from label_studio_sdk.label_interface import LabelInterface

print(f"label-studio-sdk {version('label-studio-sdk')}")
folder = Path(sys.argv[1])
LABELLED = {"hem_left": (10, 100), "hem_right": (90, 110), "waist": (50, 20)}  # px, in a photo of 100 x 200 px
LABELS = [f'<Label value="{name}" model_index="{index}"/>' for index, name in enumerate(LABELLED)]


def exported(labels):
    """Name -> place of what the COCO file says, of a configuration that lists its labels in this order."""
    config = (
        '<View><Image name="image" value="$image"/><KeyPointLabels name="keypoint" toName="image">'
        f"{''.join(labels)}</KeyPointLabels></View>"
    )
    LabelInterface(config).validate()  # raises for a configuration that Label Studio does not take
    regions = [
        {
            "id": name,
            "type": "keypointlabels",
            "from_name": "keypoint",
            "to_name": "image",
            "original_width": 100,
            "original_height": 200,
            "image_rotation": 0,
            "value": {"x": x, "y": y / 2, "width": 0.5, "keypointlabels": [name]},  # percent
        }
        for name, (x, y) in LABELLED.items()
    ]
    annotation = {"id": 7, "completed_by": 1, "was_cancelled": False, "result": regions}
    tasks = [{"id": 1, "data": {"image": "/data/upload/1/skirt.jpg"}, "annotations": [annotation]}]
    (folder / "tasks.json").write_text(json.dumps(tasks))
    Converter(config, str(folder)).convert_to_coco(str(folder / "tasks.json"), str(folder / "out"), is_dir=False)
    content = json.loads((folder / "out" / "result.json").read_text())
    names, (entry,) = content["categories"][0]["keypoints"], content["annotations"]
    return {name: tuple(entry["keypoints"][3 * k : 3 * k + 2]) for k, name in enumerate(names)}


print(f"labelled:                              {LABELLED}")
same, other = exported(LABELS), exported(LABELS[::-1])
print(f"exported, labels listed by model_index: {same}")
print(f"exported, listed the other way round:   {other}")
exchanged = {"hem_left": LABELLED["waist"], "hem_right": LABELLED["hem_right"], "waist": LABELLED["hem_left"]}
as_described = same == LABELLED and other == exchanged
print("as described" if as_described else "it changed")
sys.exit(0 if as_described else 1)
PYTHON
