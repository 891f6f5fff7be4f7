import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served import Client
from test_corrected import SKIRT

from aifashion.data_gen.formats.label_names import named
from aifashion.data_gen.formats.label_samples import garments_of
from aifashion.data_gen.formats.table import FORMATS
from aifashion.records import HIDDEN
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()
SMALL = {
    "waistband_left": {"x": 10, "y": 10, "state": "visible"},
    "hemline_left": {"x": 12, "y": 30, "state": "hidden"},
}


def body(**changes: Any) -> dict[str, Any]:
    photo = {"name": "shop/a.jpg", "width": 300, "height": 280, "garments": [{"category": "skirt", "keypoints": SKIRT}]}
    return {"photos": [photo | changes]}


def labels(made: Client, to: str, content: dict[str, Any]) -> Any:
    return made.post("/v1/labels", params={"to": to}, json=content)


@pytest.mark.parametrize("to", ["fashionai", "coco", "label-studio"])
def test_the_file_is_one_that_is_read_back(pretended: Client, tmp_path: Path, to: str):
    done = labels(pretended, to, body())
    assert done.status_code == 200 and done.headers["x-left-out"] == "0"
    name = {"fashionai": "labels.csv", "coco": "labels_coco.json", "label-studio": "labels_label-studio.json"}[to]
    assert done.headers["content-disposition"] == f'attachment; filename="{name}"'
    path = tmp_path / name
    path.write_bytes(done.content)
    assert FORMATS[to].recognises(path)
    ((garment, sample),) = garments_of(named(FORMATS[to].read(path), ALL), ALL)
    assert sample.image_id.endswith("shop/a.jpg") and sample.category == garment.category == "skirt"
    assert sample.keypoints is not None
    for keypoint, point in SKIRT.items():
        k = ALL.indices[keypoint]
        np.testing.assert_allclose(sample.keypoints.xy[k], (point["x"], point["y"]), atol=1e-6)
        assert (sample.keypoints.state[k] == HIDDEN) == (point["state"] == "hidden")


@pytest.mark.parametrize("to", ["fashionai", "coco", "label-studio"])
def test_the_file_is_what_the_writer_writes(pretended: Client, tmp_path: Path, to: str):
    from aifashion.web.labels import LabelsBody, _photo

    content = LabelsBody.model_validate(body())
    write = FORMATS[to].write
    assert write is not None
    from aifashion.data_gen.formats.labels import LabelSet

    write(LabelSet(tmp_path, tmp_path, (_photo(content.photos[0], "", ALL),)), tmp_path / "out", ALL)
    assert labels(pretended, to, body()).content == (tmp_path / "out").read_bytes()


def test_several_garments_and_none(pretended: Client, tmp_path: Path):
    two = [{"category": "skirt", "keypoints": SMALL}, {"category": "skirt", "keypoints": SKIRT}]
    content = body(garments=two)
    content["photos"] += body(name="b.jpg", garments=[])["photos"]
    coco = labels(pretended, "coco", content)
    assert len(coco.json()["annotations"]) == 2 and coco.headers["x-left-out"] == "0"
    # A list of FashionAI has one garment a photo: the largest.
    rows = labels(pretended, "fashionai", content)
    assert rows.headers["x-left-out"] == "1"
    lines = rows.text.splitlines()
    assert len(lines) == 3 and lines[1].startswith("shop/a.jpg,skirt,") and "100_50_1" in lines[1]
    assert lines[2].startswith("b.jpg,none,")


def test_a_box_is_written_as_it_is(pretended: Client):
    garment = {"category": "skirt", "keypoints": SKIRT, "box": [50, 40, 400, 260]}
    (written,) = labels(pretended, "coco", body(garments=[garment])).json()["annotations"]
    assert written["bbox"] == [50, 40, 250, 220]


BAD = {
    "format": ("cvat", body(), "to=cvat: expected one of fashionai, coco, label-studio"),
    "name": ("coco", body(name="../a.jpg"), "photos.0.name: labels cannot name the photo '../a.jpg': '..' leads out"),
    "no name": ("coco", body(name=""), "photos.0.name: labels cannot name the photo '': it is empty"),
    "a space": ("coco", body(name=" a.jpg"), "labels cannot name the photo ' a.jpg': write it as 'a.jpg'"),
    "category": ("coco", body(garments=[{"category": "hat", "keypoints": SKIRT}]), "photos.0.garments.0.category"),
    "box": (
        "coco",
        body(garments=[{"category": "skirt", "keypoints": SKIRT, "box": [400, 0, 500, 9]}]),
        "photos.0.garments.0.box: nothing of it lies in the photo of 300 x 280 px",
    ),
    "none": ("coco", {"photos": []}, "photos: List should have at least 1 item"),
    "unknown field": ("coco", body(colour="red"), "photos.0.colour: Extra inputs are not permitted"),
}


@pytest.mark.parametrize("case", BAD)
def test_labels_that_cannot_be_written_are_refused(pretended: Client, case: str):
    to, content, message = BAD[case]
    done = labels(pretended, to, content)
    assert done.status_code == 400 and message in done.json()["error"]


def test_a_format_must_be_named(pretended: Client):
    done = pretended.post("/v1/labels", json=body())
    assert done.status_code == 400 and json.loads(done.content) == {"error": "to: Field required"}
