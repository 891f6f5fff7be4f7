import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aifashion.data_gen.formats.challenges import CATEGORIES, KEYPOINTS
from aifashion.data_gen.formats.coco import is_coco, labels_of_coco, read_coco, read_coco_labels, samples_from_coco
from aifashion.data_gen.formats.coco_writing import coco_from_samples, write_coco
from aifashion.data_gen.formats.name_maps import Names, read_names
from aifashion.data_gen.formats.problems import FormatError
from aifashion.records import Box, Keypoints, Sample
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
        (Sample("b.jpg", tmp_path / "b.jpg", "skirt"), r"b\.jpg: COCO needs"),
        (Sample("b.jpg", tmp_path / "b.jpg", None, good.keypoints), r"b\.jpg: COCO needs"),
        (Sample("b.jpg", tmp_path / "b.jpg", "skirt", absent), r"b\.jpg: no keypoint is present"),
        (Sample(good.image_id, tmp_path / "other.jpg", "skirt", good.keypoints), "two photos"),
    ):
        with pytest.raises(ValueError, match=message):
            coco_from_samples([good, bad], [(9, 9)] * 2, ALL)


@pytest.fixture
def foreign() -> dict[str, Any]:
    """A file of another vocabulary, as DeepFashion's full-body set has it."""
    names = [f"{side} {part}" for part in ("collar", "sleeve", "waistline", "hem") for side in ("left", "right")]
    points = [[10 * k, 10 * k + 1, 2] for k in range(8)]
    points[1][2], points[4] = 1, [0, 0, 0]
    return {
        "categories": [{"id": 7, "name": "fashion", "keypoints": names}],
        "images": [{"id": 3, "file_name": "img/a.jpg", "width": 200, "height": 250}],
        "annotations": [{"id": 5, "image_id": 3, "category_id": 7, "keypoints": np.ravel(points).tolist()}],
    }


def test_keypoints_of_another_vocabulary_can_be_mapped(tmp_path: Path, foreign: dict[str, Any]) -> None:
    coco = read_coco(save(tmp_path / "x.json", foreign))
    (annotation,) = coco.annotations
    assert annotation.category.keypoints[3] == "right sleeve" and annotation.keypoints.xy[3].tolist() == [30, 31]
    assert annotation.keypoints.state.tolist() == [1, 0, 1, 1, -1, 1, 1, 1]
    names = read_names("deepfashion-to-fashionai", ALL)
    (sample,) = samples_from_coco(coco, tmp_path, ALL, names.joined(Names({"fashion": "dress"})))
    assert sample.category == "dress" and sample.path == tmp_path / "img" / "a.jpg" and sample.keypoints is not None
    present = {KEYPOINTS[k]: sample.keypoints.xy[k].tolist() for k in np.flatnonzero(sample.keypoints.state >= 0)}
    assert present == {"neckline_left": [0, 1], "neckline_right": [10, 11], "waistline_right": [50, 51]}
    with pytest.raises(FormatError, match=r"id 5, photo img/a\.jpg: category 'fashion' is not in the vocabulary"):
        samples_from_coco(coco, tmp_path, ALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": [1, 2, 2]}, "annotations, id 5: 3 keypoint numbers; expected x, y, v for 8"),
        ({"keypoints": [1, 2, 3] * 8}, "annotations, id 5: keypoint visibilities must be 0, 1 or 2"),
        ({"keypoints": [float("nan"), 2, 1] * 8}, "annotations, id 5: a keypoint that is present"),
        ({"keypoints": ["x"] * 24}, "annotations, id 5: "),
        ({"keypoints": [10**400] * 24}, "annotations, id 5: "),
        ({"image_id": 4}, "annotations, id 5: image_id 4 is not the id of a sound entry of images"),
        ({"id": [5]}, r"annotations, id \[5\]: "),
    ],
)
def test_invalid_annotations_are_named(tmp_path: Path, foreign: dict[str, Any], change: dict, message: str) -> None:
    foreign["annotations"][0].update(change)
    with pytest.raises(FormatError, match=rf"x\.json: {message}"):
        read_coco(save(tmp_path / "x.json", foreign))


def test_invalid_files_are_refused(tmp_path: Path, foreign: dict[str, Any]) -> None:
    path = tmp_path / "x.json"
    for content, message in (
        (b"\n{", r"x\.json:2: not JSON"),
        (b"\xff", "not UTF-8 text"),
        (b"[]", "no list of categories"),
    ):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=message):
            read_coco(path)
    foreign["annotations"] = ["x"]
    foreign["images"] *= 2
    with pytest.raises(FormatError, match=r"images, id 3: the id is repeated(.|\n)*annotations, entry 0: "):
        read_coco(save(path, foreign), strict=True)


def test_file_names_that_leave_the_root_and_wrong_keypoints_are_refused(tmp_path: Path) -> None:
    content = coco_from_samples([s for s in random_samples(tmp_path) if s.category == "skirt"], [(9, 9)] * 3, ALL)
    content["images"][0]["file_name"] = "../x.jpg"
    content["annotations"][0]["keypoints"][:3] = [0, 0, 0]
    content["annotations"][1]["keypoints"][:3] = [1, 1, 2]
    category = next(c for c in content["categories"] if c["name"] == "skirt")
    category["keypoints"][0] = "neckline_left"
    coco = read_coco(save(tmp_path / "x.json", content))
    with pytest.raises(FormatError, match=r"id 2: a skirt has no neckline_left(.|\n)*id 1: image id '\.\./x\.jpg'"):
        samples_from_coco(coco, tmp_path, ALL, strict=True)


# ------------------------------------------------------------------------------------------- what has no keypoints


def bag(content: dict[str, Any]) -> None:
    content["categories"].append({"id": 2, "name": "bag", "keypoints": []})
    content["annotations"].append({"id": 9, "image_id": 3, "category_id": 2, "bbox": [0, 0, 5, 5]})


def supercategory(content: dict[str, Any]) -> None:
    content["categories"].insert(0, {"id": 0, "name": "garments", "supercategory": "none"})


def crowd(content: dict[str, Any]) -> None:
    content["annotations"].append({"id": 9, "image_id": 3, "category_id": 7, "bbox": [0, 0, 5, 5], "iscrowd": 1})


def box(content: dict[str, Any]) -> None:
    content["annotations"].append({"id": 9, "image_id": 3, "category_id": 7, "bbox": [0, 0, 5, 5]})


@pytest.mark.parametrize(
    ("change", "counted"),
    [
        (bag, "1 categories without keypoints, 1 annotations of categories without keypoints"),
        (supercategory, "1 categories without keypoints"),
        (crowd, "1 annotations of crowds"),
        (box, "1 annotations without keypoints"),
    ],
)
def test_what_has_no_keypoints_is_left_out_and_counted(tmp_path: Path, foreign, caplog, change, counted: str) -> None:
    change(foreign)
    coco = read_coco(save(tmp_path / "x.json", foreign))
    assert [annotation.id for annotation in coco.annotations] == [5] and len(coco.categories) == 1
    assert f"x.json: left out {counted}" in caplog.text


def test_garments_of_other_vocabularies_are_counted_and_misspelt_keypoints_refused(tmp_path: Path, caplog) -> None:
    content = coco_from_samples([s for s in random_samples(tmp_path) if s.category == "skirt"], [(9, 9)] * 3, ALL)
    content["categories"].append({"id": 77, "name": "person", "keypoints": ["nose"]})
    content["annotations"].append({"id": 99, "image_id": 1, "category_id": 77, "keypoints": [1, 1, 2]})
    samples = samples_from_coco(read_coco(save(tmp_path / "x.json", content)), tmp_path, ALL)
    assert len(samples) == 3
    assert "left out 1 garments of the category person, of which the vocabulary fashionai has no name" in caplog.text
    skirt = content["annotations"][0]["category_id"]
    names = next(c for c in content["categories"] if c["id"] == skirt)["keypoints"]
    names[names.index("hemline_right")] = "hemline_rigth"
    message = r"id \d, photo \S+: keypoint 'hemline_rigth' of the category skirt .*; the nearest is hemline_right"
    with pytest.raises(FormatError, match=message):
        samples_from_coco(read_coco(save(tmp_path / "x.json", content)), tmp_path, ALL)


# ------------------------------------------------------------------------------- one bad entry does not cost the others


def sound(foreign: dict[str, Any]) -> dict[str, Any]:
    """`foreign` with a second image and annotation."""
    foreign["images"].append({"id": 4, "file_name": "img/b.jpg", "width": 200, "height": 250})
    foreign["annotations"].append({**foreign["annotations"][0], "id": 6, "image_id": 4})
    return foreign


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("annotations", {"keypoints": [1, 2, 2]}, "annotations, id 5: 3 keypoint numbers"),
        ("annotations", {"keypoints": [[1, 2, 2]] * 8}, r"annotations, id 5: \[\[1, 2, 2\]"),
        ("annotations", {"keypoints": ["1"] * 24}, "annotations, id 5: .*expected a flat list of numbers"),
        ("annotations", {"image_id": None}, "annotations, id 5: the id is None; expected a whole number or a text"),
        ("images", {"file_name": None}, "images, id 3: file_name is None; expected a text"),
        ("images", {"width": -5}, "images, id 3: width -5 and height 250 must be whole numbers from 1"),
        ("images", {"width": float("inf")}, "images, id 3: width and height: inf; expected a number"),
    ],
)
def test_a_bad_entry_is_left_out_and_counted(tmp_path: Path, foreign, caplog, part, change, reason) -> None:
    content = sound(foreign)
    content[part][0].update(change)
    path = save(tmp_path / "x.json", content)
    assert [annotation.id for annotation in read_coco(path).annotations] == [6]
    assert "x.json: left out " in caplog.text and re.search(reason, caplog.text)
    with pytest.raises(FormatError, match=reason):
        read_coco(path, strict=True)


@pytest.mark.parametrize("entry", [None, 7, "x", [], {}, {"id": {}}, {"id": True}, {"id": 1.5}, {"id": 8}])
@pytest.mark.parametrize("part", ["categories", "images", "annotations"])
def test_entries_of_another_type_are_left_out(tmp_path: Path, foreign, caplog, part, entry) -> None:
    content = sound(foreign)
    content[part].append(entry)
    assert len(read_coco(save(tmp_path / "x.json", content)).annotations) == 2
    assert "left out 1 " in caplog.text and "Python" not in caplog.text and "NoneType" not in caplog.text


@pytest.mark.parametrize("kind", [str, float, lambda value: str(value) if value % 2 else value])
def test_ids_of_another_type_are_the_same_ids(tmp_path: Path, foreign, kind) -> None:
    content = sound(foreign)
    for annotation in content["annotations"]:
        annotation["image_id"], annotation["category_id"] = (
            kind(annotation["image_id"]),
            kind(annotation["category_id"]),
        )
    coco = read_coco(save(tmp_path / "x.json", content), strict=True)
    assert [annotation.image.file_name for annotation in coco.annotations] == ["img/a.jpg", "img/b.jpg"]
    # As they stand in the file, so that results can be written for it.
    assert [image.id for image in coco.images] == [3, 4]


@pytest.mark.parametrize("value", ["absent", None, 0])
def test_sizes_that_are_missing_are_those_of_the_photos(tmp_path: Path, foreign, caplog, value) -> None:
    content = sound(foreign)
    for image in content["images"]:
        for side in ("width", "height"):
            image.pop(side) if value == "absent" else image.update({side: value})
    (tmp_path / "img").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "img" / "a.jpg")
    coco = read_coco(save(tmp_path / "x.json", content))
    assert [image.size for image in coco.images] == [(30, 20), None] and coco.annotations[0].image.size == (30, 20)
    assert "x.json: 1 images have no width and height, and their photos cannot be read" in caplog.text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"images": ' + b"9" * 5000 + b"}", "not JSON"),
        (gzip.compress(b"{}", mtime=0), r"compressed \(gzip\); unpack it first"),
        (b"", "not JSON"),
    ],
)
def test_files_that_are_no_json_are_refused_with_the_reason(tmp_path: Path, text: bytes, reason: str) -> None:
    (tmp_path / "x.json").write_bytes(text)
    with pytest.raises(FormatError, match=reason):
        read_coco(tmp_path / "x.json")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "x.json").open("wb") as stream:
        stream.truncate(40 << 30)  # a hole, which takes no room
    with pytest.raises(FormatError, match=r"x\.json: 42\.9 GB or more; a list can have 1\.1 GB"):
        read_coco(tmp_path / "x.json")


FIELDS = ("id", "name", "keypoints", "file_name", "width", "image_id", "category_id", "bbox", "iscrowd")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=40)
@given(
    part=st.sampled_from(["categories", "images", "annotations"]),
    field=st.sampled_from(FIELDS),
    value=VALUES,
)
def test_any_value_in_any_field_costs_its_entry_alone(tmp_path_factory, part, field, value) -> None:
    names = ["waistband_left", "waistband_right"]
    content = {
        "categories": [{"id": i, "name": f"c{i}", "keypoints": names} for i in (1, 2)],
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 9, "height": 9} for i in (1, 2)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": i, "keypoints": [1, 1, 2, 5, 5, 1], "bbox": [0, 0, 5, 5]}
            for i in (1, 2)
        ],
    }
    content[part][0][field] = value
    path = save(tmp_path_factory.mktemp("any") / "x.json", content)
    coco = read_coco(path)
    assert coco.annotations[-1].id == 2
    assert labels_of_coco(coco).photos[-1].garments[-1].id == "2"


def test_garments_of_one_photo_have_the_squares_about_their_boxes(tmp_path: Path, foreign: dict[str, Any]) -> None:
    first, *_ = foreign["annotations"]
    image = first["image_id"]
    foreign["annotations"] = [
        {**first, "id": 1, "bbox": [10, 20, 40, 60]},
        {**first, "id": 2, "bbox": None},
        {**first, "id": 3, "bbox": None, "keypoints": [0] * len(first["keypoints"])},
    ]
    own = dict(zip(foreign["categories"][0]["keypoints"], ALL.definitions[1].keypoints, strict=False))
    names = Names({"fashion": "dress"}, {"": own})
    coco = read_coco(save(tmp_path / "a.json", foreign))
    one, two, three = samples_from_coco(coco, tmp_path, load_vocabulary(), names)
    # 60 px and 15% of them on each side, about the middle of the box.
    assert one.square == Box(-9, 11, 69, 89)
    xy = np.array(first["keypoints"]).reshape(-1, 3)
    low, high = (getattr(xy[xy[:, 2] > 0, :2], edge)(axis=0) for edge in ("min", "max"))
    assert two.square is not None
    assert two.square.width == round(1.3 * (high - low + 1).max())
    assert three.square is None
    foreign["annotations"] = foreign["annotations"][:1]
    (alone,) = samples_from_coco(read_coco(save(tmp_path / "b.json", foreign)), tmp_path, load_vocabulary(), names)
    assert alone.square is None and image is not None


# ------------------------------------------------------------------------------------------------- labels of all formats


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


def test_an_export_of_cvat(tmp_path: Path) -> None:
    path = cvat_export(tmp_path)
    assert is_coco(path)
    labels = read_coco_labels(path)
    assert labels.root == tmp_path / "images" / "default" and not labels.problems
    # c.png has a box alone: it is no photo without a garment, as d.png is.
    assert [(photo.file_name, len(photo.garments)) for photo in labels.photos] == [
        ("a.png", 2),
        ("b.png", 1),
        ("d.png", 0),
    ]
    assert labels.left_out == {"categories without keypoints": 4, "annotations without keypoints": 1}
    first = labels.photos[0].garments[0]
    assert first.box == (1, 2, 21, 17.5) and first.keypoints.xy[0].tolist() == [1.25, 2]
    assert first.keypoints.state.tolist() == [1, 1, 0, -1]
    samples = samples_from_coco(read_coco(path), labels.root, ALL)
    assert [sample.image_id for sample in samples] == ["a.png", "a.png", "b.png"]
    assert samples[0].path.is_file() and samples[0].square is not None and samples[2].square is None


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


def test_annotations_of_several_photos_in_turn_keep_their_order(tmp_path: Path, foreign: dict[str, Any]) -> None:
    content = sound(foreign)
    first, second = content["annotations"]
    content["annotations"] = [first, second, {**first, "id": 1}, {**second, "id": "b"}]
    names = read_names("deepfashion-to-fashionai", ALL).joined(Names({"fashion": "dress"}))
    samples = samples_from_coco(read_coco(save(tmp_path / "x.json", content)), tmp_path, ALL, names)
    assert [sample.image_id for sample in samples] == ["img/a.jpg", "img/b.jpg", "img/a.jpg", "img/b.jpg"]


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
