import json
import logging
from pathlib import Path

import pytest

from aifashion.data_gen.formats.deepfashion2 import is_deepfashion2, read_deepfashion2, write_deepfashion2
from aifashion.data_gen.formats.labels import LabelledPhoto
from aifashion.data_gen.formats.problems import FormatError
from aifashion.vocabulary import load_vocabulary
from labelled import garment, label_set, photo_file, present

DEEPFASHION2 = load_vocabulary("deepfashion2")
SKIRT = [10, 20, 2, 30, 21, 1, 50, 22, 2, 0, 0, 0, 5, 90, 2, 0, 0, 0, 60, 91, 2, 7, 7, 0]


def item(**changed) -> dict:
    entry = {
        "segmentation": [[1, 1, 2, 2, 3, 3]],
        "scale": 3,
        "viewpoint": 2,
        "zoom_in": 1,
        "landmarks": SKIRT,
        "style": 1,
        "bounding_box": [4, 18, 62, 93],
        "category_id": 9,
        "occlusion": 2,
        "category_name": "skirt",
    }
    return {name: value for name, value in (entry | changed).items() if value is not None}


def annotation(folder: Path, number: int = 1, **items) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number:06d}.json").write_text(json.dumps({"source": "user", "pair_id": 1, **items}))
    return folder


def test_items_of_an_annotation_as_the_data_set_has_them(tmp_path: Path) -> None:
    landmarks = [value for n in range(15) for value in (n, 2 * n, n % 3)]
    sling = item(category_id=6, category_name="sling", landmarks=landmarks)
    annotation(tmp_path / "annos", item2=sling, item1=item())
    found = read_deepfashion2(tmp_path)
    assert found.root == tmp_path and not found.problems and not found.left_out
    (photo,) = found.photos
    assert (photo.file_name, photo.size) == ("image/000001.jpg", None)
    skirt, other = photo.garments
    assert (skirt.category, skirt.box, skirt.names[:2]) == ("skirt", (4, 18, 62, 93), ("skirt_1", "skirt_2"))
    assert present(skirt) == {
        "skirt_1": (10, 20, 1),
        "skirt_2": (30, 21, 0),
        "skirt_3": (50, 22, 1),
        "skirt_5": (5, 90, 1),
        "skirt_7": (60, 91, 1),
    }
    assert other.category == "sling" and present(other)["sling_2"] == (1, 2, 0) and len(present(other)) == 10


def test_all_parts_of_a_data_set_or_one(tmp_path: Path) -> None:
    for part in ("train", "validation"):
        annotation(tmp_path / part / "annos", item1=item())
    photo_file(tmp_path / "validation" / "image" / "000001.png")
    names = [photo.file_name for photo in read_deepfashion2(tmp_path).photos]
    assert names == ["train/image/000001.jpg", "validation/image/000001.png"]
    for path in (tmp_path / "train", tmp_path / "train" / "annos"):
        one = read_deepfashion2(path)
        assert one.root == tmp_path / "train" and [photo.file_name for photo in one.photos] == ["image/000001.jpg"]
        assert is_deepfashion2(path)
    assert is_deepfashion2(tmp_path) and not is_deepfashion2(tmp_path / "validation" / "image")
    assert not is_deepfashion2(tmp_path / "no") and not is_deepfashion2(tmp_path / "train" / "annos" / "000001.json")


def test_a_wrong_item_costs_itself_and_is_named(tmp_path: Path) -> None:
    wrong = {
        "landmarks": ([*SKIRT, 1], "25 numbers of landmarks; expected x, y, v for the 8 of skirt"),
        "category_id": (14, "category_id 14; expected 1 to 13"),
        "category_name": ("trousers", "category_name 'trousers', but category_id 9 is 'skirt'"),
    }
    items = {f"item{n}": item(**{name: value}) for n, (name, (value, _)) in enumerate(wrong.items(), start=2)}
    items |= {"item5": item(landmarks=[*SKIRT[:2], 3, *SKIRT[3:]]), "item6": 7, "item7": item(landmarks=["1"] * 24)}
    items |= {"item8": item(category_id=None)}
    annotation(tmp_path / "annos", item1=item(bounding_box="none"), **items)
    found = read_deepfashion2(tmp_path)
    (kept,) = found.photos[0].garments
    assert kept.id == "000001.json item1" and kept.box is None
    said = [problem.message for problem in found.problems]
    assert said[:3] == [f"item{n}: {message}" for n, (_, message) in enumerate(wrong.values(), start=2)]
    assert "item5: visibilities must be" in said[3] and said[4].startswith("item6: not an object")
    assert said[5].startswith("item7: ['1'") and said[6] == "item8: no category_id" and len(said) == 7
    assert {problem.path for problem in found.problems} == {tmp_path / "annos" / "000001.json"}


def test_files_that_are_no_annotation_are_problems(tmp_path: Path) -> None:
    annotation(tmp_path / "annos", 1, item1=item(), item2=item(landmarks=None))
    (tmp_path / "annos" / "000002.json").write_text("[]")
    (tmp_path / "annos" / "000003.json").write_text("{")
    annotation(tmp_path / "annos", 4)
    found = read_deepfashion2(tmp_path)
    assert [len(photo.garments) for photo in found.photos] == [1, 0]
    assert found.left_out == {"items without landmarks": 1}
    assert [problem.path.name for problem in found.problems] == ["000002.json", "000003.json"]


def test_a_folder_without_anything_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no folder annos"):
        read_deepfashion2(tmp_path)
    annotation(tmp_path / "annos", item1=item(category_id=0))
    with pytest.raises(FormatError, match="category_id 0"):
        read_deepfashion2(tmp_path)


def test_reading_inverts_writing(tmp_path: Path, caplog) -> None:
    photo_file(tmp_path / "in" / "a.jpg")
    skirt = {"skirt_1": (10.25, 20, 1), "skirt_8": (30, 40, 0)}
    garments = (
        garment("skirt", skirt, DEEPFASHION2),
        garment("sling_dress", {"sling_dress_19": (3, 4, 1)}, DEEPFASHION2, (1.0, 2.0, 30.0, 44.5)),
    )
    made = label_set(tmp_path / "in", LabelledPhoto("a.jpg", None, garments), LabelledPhoto("gone.PNG", None, ()))
    with caplog.at_level(logging.WARNING):
        write_deepfashion2(made, tmp_path / "out", DEEPFASHION2)
    assert "1 of 2 photos are not in" in caplog.text
    found = read_deepfashion2(tmp_path / "out")
    assert not found.problems and [photo.file_name for photo in found.photos] == [
        "image/000001.jpg",
        "image/000002.jpg",
    ]
    first, second = found.photos[0].garments
    assert (first.category, present(first), first.box) == ("skirt", skirt, (10.25, 20, 31, 41))
    assert (second.category, second.box) == ("sling_dress", (1, 2, 30, 44.5))
    table = (tmp_path / "out" / "photos.csv").read_text()
    assert table == "file,photo\nimage/000001.jpg,a.jpg\nimage/000002.png,gone.PNG\n"
    # What the data set's own converter to COCO asks each item for.
    entry = json.loads((tmp_path / "out" / "annos" / "000001.json").read_text())
    assert list(entry) == ["pair_id", "item1", "item2"] and entry["item2"]["category_name"] == "sling dress"
    assert {"bounding_box", "category_id", "style", "segmentation", "landmarks"} <= entry["item1"].keys()
    assert entry["item1"]["landmarks"][:6] == [10.25, 20, 2, 0, 0, 0]


def test_a_garment_with_neither_a_box_nor_a_keypoint_is_refused(tmp_path: Path) -> None:
    made = label_set(tmp_path, LabelledPhoto("a.jpg", None, (garment("vest", {}, DEEPFASHION2),)))
    with pytest.raises(ValueError, match=r"photo a\.jpg, garment made: neither a box nor a keypoint"):
        write_deepfashion2(made, tmp_path / "out", DEEPFASHION2)
    assert not (tmp_path / "out").exists()


def test_other_vocabularies_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="category blouse, which DeepFashion2 does not have"):
        write_deepfashion2(label_set(tmp_path), tmp_path / "out", load_vocabulary())
    write_deepfashion2(label_set(tmp_path), tmp_path / "out", DEEPFASHION2.restricted("skirt"))
    assert (tmp_path / "out" / "annos").is_dir()
    strange = garment("skirt", {"waistband_left": (1, 1, 1)}, load_vocabulary())
    made = label_set(tmp_path, LabelledPhoto("a.jpg", None, (strange,)))
    with pytest.raises(ValueError, match="no keypoint waistband_left"):
        write_deepfashion2(made, tmp_path / "again", DEEPFASHION2)
    assert not (tmp_path / "again").exists()
