"""Sets in the formats of labelling tools, where training, tests and detectors read them directly."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.config import DetectionConfig, KeypointConfig
from aifashion.data_gen.detection_sets import load_detection_parts, load_test_scenes
from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.data_gen.formats.problems import FormatError
from aifashion.data_gen.formats.table import FORMATS
from aifashion.data_gen.keypoint_sets import load_test_set, load_training_parts
from aifashion.records import NO_GARMENT, Keypoints
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()
CONFIG = KeypointConfig(val_fraction=0.4)
ENDINGS = {"cvat": ".xml", "label-studio": ".json", "table": ".csv", "coco": ".json", "fashionai": ".csv"}


def drawn(folder: Path, count: int = 10) -> LabelSet:
    """Photos of a skirt each, of noise that differs; in the first two a pair of trousers beside it."""
    rng = np.random.default_rng(0)
    photos = []
    for number in range(count):
        name = f"photos/{number}.png"
        garments = []
        for category in ("skirt", "trousers")[: 2 if number < 2 else 1]:
            names = ALL.definitions[ALL.category_index(category)].keypoints
            xy = rng.integers(10, 50, (len(names), 2)) + (40.25 if category == "trousers" else 0)
            state = np.array([1] * (len(names) - 1) + [0])
            left, top, right, bottom = (*xy.min(axis=0) - 2.0, *xy.max(axis=0) + 3.0)
            box = (float(left), float(top), float(right), float(bottom))
            id = str(len(photos) * 2 + len(garments) + 1)
            garments.append(LabelledGarment(id, category, names, Keypoints(xy, state), box))
        photos.append(LabelledPhoto(name, (120, 100), tuple(garments)))
        (folder / "photos").mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (100, 120, 3), dtype=np.uint8)).save(folder / name)
    return LabelSet(Path("drawn"), folder, tuple(photos))


@pytest.fixture
def labels(tmp_path) -> LabelSet:
    return drawn(tmp_path)


def written(labels: LabelSet, name: str) -> Path:
    out = labels.root / f"{name}{ENDINGS.get(name, '')}"
    FORMATS[name].write(labels, out, ALL)
    return out


def known(part) -> list[tuple]:
    """What a training knows of each sample, wherever it was read; points to a thousandth of a px."""
    return sorted(
        (s.path.name, s.category, np.round(s.keypoints.xy, 3).tolist(), s.keypoints.state.tolist(), s.square)
        for s in part
    )


@pytest.mark.parametrize("name", ["label-studio", "cvat", "labelme", "yolo-pose", "table"])
def test_a_training_reads_what_it_reads_of_coco(labels, name):
    parts = load_training_parts(written(labels, name), CONFIG)
    reference = load_training_parts(written(labels, "coco"), CONFIG)
    assert (
        known([*parts[0], *parts[1]]) == known([*reference[0], *reference[1]]) and len(parts[0]) + len(parts[1]) == 12
    )
    photos = [{sample.path.name for sample in part} for part in parts]
    assert not photos[0] & photos[1] and all(photos)
    # The split is stored, and read again with both garments of a photo.
    assert [known(part) for part in load_training_parts(labels.root / written_name(name), CONFIG)] == [
        known(part) for part in parts
    ]


def written_name(name: str) -> str:
    return f"{name}{ENDINGS.get(name, '')}"


def test_one_category_of_a_file_can_be_trained(labels):
    out = written(labels, "cvat")
    train, val = load_training_parts(out, replace(CONFIG, category="skirt"))
    assert {sample.category for sample in (*train, *val)} == {"skirt"} and len(train) + len(val) == 10
    # Alone in what is trained, it is not cut out of its photo.
    assert all(sample.square is None for sample in (*train, *val))


def test_a_list_of_fashionai_can_be_named_itself(labels):
    alone = replace(labels, photos=tuple(replace(p, garments=p.garments[:1]) for p in labels.photos[:-1]))
    empty = replace(labels.photos[-1], garments=())
    out = written(replace(alone, photos=(*alone.photos, empty)), "fashionai")
    train, val = load_training_parts(out, CONFIG)
    assert sorted(sample.category for sample in (*train, *val)) == [NO_GARMENT, *["skirt"] * 9]
    assert (labels.root / "fashionai_train_split.csv").is_file()


@pytest.mark.parametrize("name", ["label-studio", "cvat"])
def test_a_test_list_has_the_photos_without_a_garment_too(labels, name):
    bare = replace(labels, photos=(*labels.photos[:3], *(replace(p, garments=()) for p in labels.photos[3:])))
    listed = load_test_set(written(bare, name), ALL)
    categories = [sample.category for sample in listed.samples]
    assert categories.count("skirt") == 3 and categories.count("trousers") == 2
    assert listed.labels is not None and listed.coco is None
    assert categories.count(None) == sum(not photo.garments for photo in listed.labels.photos)


@pytest.mark.parametrize("name", ["label-studio", "cvat", "labelme", "table"])
def test_a_detector_reads_what_it_reads_of_coco(labels, name):
    config = DetectionConfig(val_fraction=0.4)
    parts = load_detection_parts(written(labels, name), config)
    reference = load_test_scenes(written(labels, "coco"), ALL)
    found = {scene.path.name: scene for part in parts for scene in part}
    assert len(found) == len(reference) == 10 and all(parts)
    for scene in reference:
        again = found[scene.path.name]
        assert again.size == scene.size and again.garments.category.tolist() == scene.garments.category.tolist()
        np.testing.assert_allclose(again.garments.boxes, scene.garments.boxes, atol=1e-3)
    assert len(load_test_scenes(labels.root / written_name(name), ALL)) == 10


def test_misspelt_names_stop_a_training(labels):
    out = written(labels, "table")
    out.write_text(out.read_text().replace("hemline_right", "hemline_rigth"))
    with pytest.raises(FormatError, match=r"keypoint 'hemline_rigth' of the category skirt .*nearest is hemline_right"):
        load_training_parts(out, CONFIG)


def test_labels_of_turned_photos_are_left_out(labels, caplog):
    out = written(labels, "cvat")
    for number in (3, 4):
        Image.new("RGB", (100, 120)).save(labels.root / f"photos/{number}.png")
    parts = load_training_parts(out, CONFIG)
    assert len({sample.path for part in parts for sample in part}) == 8
    assert "photo photos/3.png: the file says 120 x 100 px, but the photo has 100 x 120" in caplog.text
