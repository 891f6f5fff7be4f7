"""COCO files for tests."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aifashion.data_gen.formats.challenges import CATEGORIES
from aifashion.records import Keypoints, Sample
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()


def save(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def random_samples(root: Path) -> list[Sample]:
    rng = np.random.default_rng(0)
    samples = []
    for i, category in enumerate(CATEGORIES * 3):
        state = np.where(ALL.mask(category), rng.integers(-1, 2, 24), -1)
        state[np.flatnonzero(ALL.mask(category))[0]] = 1
        xy = np.where(state[:, None] < 0, -1, rng.uniform(0, 500, (24, 2)))
        image_id = f"Images/{category}/{i // 2}.jpg"  # some photos have two garments
        samples.append(Sample(image_id, root / image_id, category, Keypoints(xy, state)))
    return samples


def sound(foreign: dict[str, Any]) -> dict[str, Any]:
    """`foreign` with a second image and annotation."""
    foreign["images"].append({"id": 4, "file_name": "img/b.jpg", "width": 200, "height": 250})
    foreign["annotations"].append({**foreign["annotations"][0], "id": 6, "image_id": 4})
    return foreign


def cvat_export(folder: Path) -> Path:
    """As CVAT 2 exports a task with skeletons as COCO keypoints: the parts of a skeleton are categories as well."""
    names = ["waistband_left", "waistband_right", "hemline_left", "hemline_right"]
    image = {"license": 0, "flickr_url": "", "coco_url": "", "date_captured": 0, "width": 30, "height": 20}
    annotation = {
        "segmentation": [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]],
        "area": 12.0,
        "bbox": [1.0, 2.0, 20.0, 15.5],
        "iscrowd": 0,
        "attributes": {"occluded": False, "keyframe": False},
    }
    content = {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": "", "date_created": "", "description": "", "url": "", "version": "", "year": ""},
        "categories": [
            {"id": 1, "name": "skirt", "supercategory": "", "keypoints": names, "skeleton": [[1, 2]]},
            *({"id": 2 + i, "name": name, "supercategory": "skirt"} for i, name in enumerate(names)),
        ],
        "images": [{"id": i + 1, "file_name": f"{name}.png", **image} for i, name in enumerate("abcd")],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, **annotation, "num_keypoints": 3}
            | {"keypoints": [1.25, 2, 2, 21, 2, 2, 1, 17.5, 1, 0, 0, 0]},
            {"id": 2, "image_id": 1, "category_id": 1, **annotation, "num_keypoints": 4}
            | {"keypoints": [2, 2, 2, 21, 2, 2, 1, 17.5, 1, 5, 6, 2]},
            {"id": 3, "image_id": 2, "category_id": 1, **annotation, "num_keypoints": 0, "keypoints": [0] * 12},
            {"id": 4, "image_id": 3, "category_id": 1, **annotation},
        ],
    }
    (folder / "annotations").mkdir()
    (folder / "images" / "default").mkdir(parents=True)
    for name in "abcd":
        Image.new("RGB", (30, 20)).save(folder / "images" / "default" / f"{name}.png")
    return save(folder / "annotations" / "person_keypoints_default.json", content)
