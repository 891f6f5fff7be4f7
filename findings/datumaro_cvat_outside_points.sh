#!/usr/bin/env bash
# One would guess: a skeleton of CVAT stays one object, and a point that is marked as outside is left out, or is absent
#   (v = 0) in COCO's keypoints.
# What really happens: every point becomes a separate object with v = 2. This includes the point that is outside, for
#   which CVAT keeps its last position, and the occluded one (v = 1 in COCO). There is no warning.
# Package: datumaro 1.13.12 (the newest on PyPI at that date).
# Source: datumaro/plugins/data_formats/cvat/base.py, and the exporter coco_person_keypoints. CVAT for images 1.1 is
#   described in CVAT's documentation: "outside" and "occluded" stand at each point of a skeleton.
# Date: 2026-11-30.
# Exit 0: as described. Exit 1: it changed. Exit 2: the packages could not be installed.
# Needs Python 3.11 or newer, with pip. PYTHON=/path/to/python chooses another one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datumaro==1.13.12 || exit 2

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys
from importlib.metadata import version
from pathlib import Path

import datumaro
from PIL import Image

print(f"datumaro {version('datumaro')}")
# As CVAT writes a task with one skeleton label: its points are labels with the skeleton as parent.
CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><labels>
    <label><name>skirt</name><type>skeleton</type><attributes></attributes></label>
    <label><name>waist</name><type>points</type><attributes></attributes><parent>skirt</parent></label>
    <label><name>hem_left</name><type>points</type><attributes></attributes><parent>skirt</parent></label>
    <label><name>hem_right</name><type>points</type><attributes></attributes><parent>skirt</parent></label>
  </labels></task></meta>
  <image id="0" name="skirt.png" width="100" height="200">
    <skeleton label="skirt" source="manual" z_order="0">
      <points label="waist" source="manual" outside="0" occluded="0" points="50.00,20.00"></points>
      <points label="hem_left" source="manual" outside="0" occluded="1" points="20.00,120.00"></points>
      <points label="hem_right" source="manual" outside="1" occluded="0" points="80.00,120.00"></points>
    </skeleton>
  </image>
</annotations>
"""
folder = Path(sys.argv[1])
(folder / "in" / "images").mkdir(parents=True)
(folder / "in" / "annotations.xml").write_text(CVAT)
Image.new("RGB", (100, 200)).save(folder / "in" / "images" / "skirt.png")

dataset = datumaro.Dataset.import_from(str(folder / "in"), "cvat")
labels = dataset.categories()[datumaro.AnnotationType.label]
(item,) = dataset
for shape in item.annotations:
    name = labels[shape.label].name
    state = [kind.name for kind in shape.visibility]
    print(f"read: {type(shape).__name__} {name} at {list(shape.points)}, {state}, group {shape.group}")
dataset.export(str(folder / "out"), "coco_person_keypoints")
(file,) = (folder / "out").rglob("*.json")
written = [entry["keypoints"] for entry in json.loads(file.read_text())["annotations"]]
print(f"written: {len(written)} annotations for one skirt, with the keypoints {written}")

single = [type(shape).__name__ for shape in item.annotations] == ["Points"] * 3
as_described = single and written == [[50, 20, 2], [20, 120, 2], [80, 120, 2]]
print("as described" if as_described else "it changed")
sys.exit(0 if as_described else 1)
PYTHON
