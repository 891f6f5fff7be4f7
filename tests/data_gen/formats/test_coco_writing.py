import json
from pathlib import Path

import numpy as np
import pytest
from coco_files import ALL, cvat_export, random_samples, save

from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.data_gen.formats.coco import read_coco, read_coco_labels, samples_from_coco
from aifashion.data_gen.formats.coco_writing import coco_from_samples, write_coco
from aifashion.records import Keypoints, Sample


def test_reading_inverts_writing_exactly(tmp_path: Path) -> None:
    samples = random_samples(tmp_path)
    content = coco_from_samples(samples, [(512, 480)] * len(samples), ALL)
    coco = read_coco(save(tmp_path / "x.json", content))
    assert samples_from_coco(coco, tmp_path, ALL) == samples
    assert {image.size for image in coco.images} == {(512, 480)}


def test_written_content_is_what_coco_tools_expect(tmp_path: Path) -> None:
    state, xy = np.full(24, -1), np.full((24, 2), -1.0)
    names = ("waistband_left", "waistband_right", "hemline_left")
    at = [KEYPOINTS.index(name) for name in names]
    xy[at], state[at] = [(10, 20), (30, 22), (5, 60)], [1, 1, 0]
    sample = Sample("a.jpg", tmp_path / "a.jpg", "skirt", Keypoints(xy, state))
    content = coco_from_samples([sample, sample], [(100, 90)] * 2, ALL)
    assert content["images"] == [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 90}]
    first, second = content["annotations"]
    assert (first["id"], second["id"]) == (1, 2) and first["image_id"] == second["image_id"] == 1
    assert first["num_keypoints"] == 3 and first["iscrowd"] == 0
    assert first["bbox"] == [5, 20, 26, 41] and first["area"] == 26 * 41
    assert first["segmentation"] == [] and content["info"] and content["licenses"] == []
    skirt = next(c for c in content["categories"] if c["id"] == first["category_id"])
    own = ["waistband_left", "waistband_right", "hemline_left", "hemline_right"]
    assert skirt["name"] == "skirt" and skirt["keypoints"] == own
    assert np.reshape(first["keypoints"], (4, 3)).tolist() == [[10, 20, 2], [30, 22, 2], [5, 60, 1], [0, 0, 0]]
    edges = {(own[a - 1], own[b - 1]) for a, b in skirt["skeleton"]}
    assert ("hemline_left", "hemline_right") in edges


def test_samples_that_coco_cannot_express_are_refused(tmp_path: Path) -> None:
    good = random_samples(tmp_path)[0]
    absent = Keypoints(np.zeros((24, 2)), np.full(24, -1))
    for bad, message in (
        (Sample("b.jpg", tmp_path / "b.jpg", "skirt"), r"b\.jpg: expected a category"),
        (Sample("b.jpg", tmp_path / "b.jpg", None, good.keypoints), r"b\.jpg: expected a category"),
        (Sample("b.jpg", tmp_path / "b.jpg", "skirt", absent), r"b\.jpg: no keypoint is present"),
        (Sample(good.image_id, tmp_path / "other.jpg", "skirt", good.keypoints), "two photos"),
    ):
        with pytest.raises(ValueError, match=message):
            coco_from_samples([good, bad], [(9, 9)] * 2, ALL)


def test_labels_keep_decimals_ids_and_photos_without_a_garment(tmp_path: Path) -> None:
    content = json.loads(cvat_export(tmp_path).read_text())
    content["annotations"] = content["annotations"][:2]
    content["images"] = [content["images"][0], content["images"][3]]
    labels = read_coco_labels(save(tmp_path / "x.json", content))
    write_coco(labels, tmp_path / "y.json", ALL)
    again = read_coco_labels(tmp_path / "y.json")
    assert [(p.file_name, p.size, len(p.garments)) for p in again.photos] == [
        ("a.png", (30, 20), 2),
        ("d.png", (30, 20), 0),
    ]
    for one, two in zip(labels.photos[0].garments, again.photos[0].garments, strict=True):
        assert (one.id, one.box, one.names) == (two.id, two.box, two.names) and one.keypoints == two.keypoints
    content["annotations"][0]["id"] = "a-1"  # one id that is a text, and all are numbered
    write_coco(read_coco_labels(save(tmp_path / "x.json", content)), tmp_path / "y.json", ALL)
    assert [entry["id"] for entry in json.loads((tmp_path / "y.json").read_text())["annotations"]] == [1, 2]
    content["annotations"][0]["id"] = 0  # for pycocotools an annotation 0 is none, so a detection of it would be wrong
    write_coco(read_coco_labels(save(tmp_path / "z.json", content)), tmp_path / "zz.json", ALL)
    assert [entry["id"] for entry in json.loads((tmp_path / "zz.json").read_text())["annotations"]] == [1, 2]


def test_what_is_written_can_be_scored_by_cocos_tools(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    samples = random_samples(tmp_path)
    path = save(tmp_path / "x.json", coco_from_samples(samples, [(512, 480)] * len(samples), ALL))
    truth = COCO(str(path))
    results = [{key: a[key] for key in ("image_id", "category_id", "keypoints")} for a in truth.anns.values()]
    found = truth.loadRes([{**result, "score": 1.0} for result in results])
    evaluation = COCOeval(truth, found, "keypoints")
    evaluation.params.kpt_oks_sigmas = np.array([0.05])
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == 1.0
