"""What is found in COCO sets and in other formats, against sets with one fault of each kind."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen.check_labels import check_labels, label_files
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()
NAMES = ["waistband_left", "waistband_right", "hemline_left", "hemline_right"]
POINTS = [10, 10, 2, 30, 10, 2, 5, 50, 2, 40, 50, 1]


def photo(folder: Path, name: str, seed: int) -> dict[str, Any]:
    """A photo of noise, 48 x 64, and its image entry."""
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / name)
    return {"id": seed, "file_name": name, "width": 48, "height": 64}


def skirt(number: int, image: int, points: list[int] | None = None, **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": 1, "keypoints": points or POINTS} | more


def save(path: Path, images: list[dict[str, Any]], annotations: list[dict[str, Any]], keypoints=NAMES) -> None:
    category = {"id": 1, "name": "skirt"} | ({"keypoints": keypoints} if keypoints else {})
    path.write_text(json.dumps({"images": images, "categories": [category], "annotations": annotations}))


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    images = [photo(tmp_path, f"{n}.png", n) for n in range(1, 6)]
    save(tmp_path / "train.json", images[:3], [*[skirt(n, n) for n in (1, 2)], skirt(3, 3, [*POINTS[:-1], 2])])
    save(tmp_path / "val.json", images[3:4], [skirt(4, 4)])
    save(tmp_path / "test.json", images[4:], [])
    return tmp_path


def test_a_sound_set(sound):
    report = check_labels(sound, ALL)
    assert report.ok and not report.warnings and not report.duplicates and not report.leaks
    assert [(s.file.name, s.category, s.images) for s in report.summaries] == [
        ("train.json", "skirt", 3),
        ("val.json", "skirt", 1),
    ]
    first = report.summaries[0]
    assert (first.visible, first.hidden, first.absent, first.no_span, first.unseen) == (10, 2, 0, 0, 0)


def test_what_is_wrong_costs_one_entry_and_is_named(sound):
    images = json.loads((sound / "train.json").read_text())["images"]
    images += [
        photo(sound, "6.png", 6) | {"width": 64, "height": 48},
        photo(sound, "7.png", 7),
        photo(sound, "8.png", 8),
    ]
    (sound / "7.png").write_bytes((sound / "7.png").read_bytes()[:2000])
    (sound / "8.png").unlink()
    swapped = [30, 10, 2, 10, 10, 2, 45, 50, 2, 5, 50, 2]
    outside = [10, 10, 2, 30, 10, 2, 5, 50, 2, 60, 50, 1]
    faulty = [skirt(6, 6), skirt(7, 7), skirt(8, 8), skirt(9, 99), skirt(10, 1, outside), skirt(11, 2, swapped)]
    seen = [*POINTS[:-1], 2]
    save(sound / "train.json", images, [skirt(n, n, seen) for n in (1, 2, 3)] + faulty)
    report = check_labels(sound, ALL)
    text = "\n".join(map(str, report.problems))
    assert len(report.problems) == 5 and not report.ok, text
    for part in ("6.png", "7.png", "8.png", "id 9", "id 10"):
        assert part in text
    (warning,) = report.warnings
    assert "id 11" in str(warning) and "look exchanged" in str(warning)


def test_a_picture_in_two_parts(sound):
    for source, copy in (("1.png", "4.png"), ("2.png", "5.png")):
        (sound / copy).write_bytes((sound / source).read_bytes())
    report = check_labels(sound, ALL)
    assert [[path.name for path in group] for group in report.leaks] == [["2.png", "5.png"]]
    assert len(report.duplicates) == 2 and report.ok
    assert [str(w).partition("val.json: ")[2] for w in report.warnings] == [
        "4.png shows the same picture as 1.png, which is trained on"
    ]


def test_boxes_alone(tmp_path):
    images = [photo(tmp_path, f"{n}.png", n) for n in (1, 2)]
    boxes = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 30]}]
    save(tmp_path / "train.json", images, boxes, keypoints=None)
    report = check_labels(tmp_path / "train.json", ALL)
    assert report.ok and not report.summaries
    assert any("1 annotations of categories without keypoints: not for keypoints" in str(w) for w in report.warnings)
    boxes.append({"id": 2, "image_id": 2, "category_id": 1, "bbox": [5, 5, 0, 30]})
    save(tmp_path / "train.json", images, boxes, keypoints=None)
    assert any("id 2" in str(problem) for problem in check_labels(tmp_path / "train.json", ALL).problems)


def test_a_set_of_which_nothing_can_be_learnt(sound):
    images = json.loads((sound / "train.json").read_text())["images"]
    hidden = [1 if i % 3 == 2 else value for i, value in enumerate(POINTS)]
    save(sound / "train.json", images, [skirt(n, n, hidden) for n in (1, 2, 3)])
    assert "none of the 3 training photos has a visible keypoint" in str(check_labels(sound, ALL).problems[0])
    (sound / "val.json").write_text("{")
    assert any("val.json" in str(problem) for problem in check_labels(sound, ALL).problems)


def test_other_sets_are_none(tmp_path):
    assert label_files(tmp_path) == label_files(tmp_path / "nowhere") == []
    with pytest.raises(FileNotFoundError):
        check_labels(tmp_path, ALL)
