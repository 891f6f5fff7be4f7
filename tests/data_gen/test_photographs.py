"""Annotations joined with the photos that they belong to, on a checkout of four tiny files."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.config import KeypointConfig
from aifashion.data_gen.formats.challenges import FASHIONAI, KEYPOINTS
from aifashion.data_gen.formats.fashionai import find_keypoint_sets, read_keypoint_csv
from aifashion.data_gen.formats.fashionai_attributes import load_attribute_table
from aifashion.data_gen.formats.problems import FormatError
from aifashion.data_gen.keypoint_sets import load_test_set, load_training_parts
from aifashion.data_gen.photographs import join_photographs, masked_scenes, read_photographs, reported
from aifashion.data_gen.split import split_table

PHOTOS = {
    "train/skirt/a.jpg": ("1", "learn"),
    "train/skirt/b.jpg": ("2", "choose"),
    "validation/skirt/a.jpg": ("3", "report"),
    "train/hat/c.jpg": ("1", ""),
}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """(annotations, checkout)"""
    lists, source = tmp_path / "lists", tmp_path / "source"
    lists.mkdir()
    rows, points, labels = ["photo,sha256,sender,part,category,remark"], [",".join(("image_id", "image_category"))], []
    points[0] += "," + ",".join(KEYPOINTS)
    for index, (name, (sender, part)) in enumerate(PHOTOS.items()):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"photo {index}".encode())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(f"{name},{digest},{sender},{part},{'skirt' if part else 'none'},")
        if part:
            found = {"waistband_left": f"{10 + index}_5_1", "waistband_right": "40_5_0"}
            points.append(f"{name},skirt," + ",".join(found.get(k, "-1_-1_-1") for k in KEYPOINTS))
            labels.append(f"{name},skirt_length_labels,nymnnn")
    for file, lines in (("photographs.csv", rows), ("keypoints.csv", points), ("attributes.csv", labels)):
        (lists / file).write_text("".join(f"{line}\n" for line in lines))
    return lists, source


def test_the_parts_become_split_and_test_set(folders: tuple[Path, Path], tmp_path: Path) -> None:
    lists, source = folders
    joined = join_photographs(lists, source, tmp_path / "out")
    assert joined.written == {"learn": 1, "choose": 1, "report": 1} and not joined.missing and not joined.changed
    train, val = load_training_parts(tmp_path / "out", KeypointConfig())
    assert [(s.path.read_bytes(), s.category) for s in train] == [(b"photo 0", "skirt")]
    assert [s.path.read_bytes() for s in val] == [b"photo 1"]
    (tested,) = load_test_set(tmp_path / "out", KeypointConfig().vocabulary).samples
    assert tested.path.read_bytes() == b"photo 2" and tested.keypoints is None
    (answers,) = find_keypoint_sets(tmp_path / "out").answers
    (answer,) = read_keypoint_csv(answers)
    assert answer.image_id == tested.image_id and answer.keypoints is not None
    assert answer.keypoints.xy[KEYPOINTS.index("waistband_left")].tolist() == [12, 5]


def test_the_attributes_have_the_same_split(folders: tuple[Path, Path], tmp_path: Path) -> None:
    join_photographs(*folders, tmp_path / "out")
    data = tmp_path / "out" / "attributes"
    train, val = split_table(tmp_path / "out", load_attribute_table(data))
    assert [table.photos.path(0).read_bytes() for table in (train, val)] == [b"photo 0", b"photo 1"]
    assert (tmp_path / "out/attributes/rank/Tests/question.csv").read_text().endswith(",skirt_length_labels,?\n")


def test_photos_that_are_missing_or_others_are_named_and_the_rest_goes_on(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    lists, source = folders
    (source / "train/skirt/b.jpg").unlink()
    (source / "validation/skirt/a.jpg").write_bytes(b"saved again")
    joined = join_photographs(lists, source, tmp_path / "out")
    assert joined.written == {"learn": 1}
    assert joined.missing == ["train/skirt/b.jpg"] and joined.changed == ["validation/skirt/a.jpg"]


def test_a_second_call_completes_a_folder_and_refuses_a_foreign_one(folders: tuple[Path, Path], tmp_path: Path) -> None:
    lists, source = folders
    join_photographs(lists, source, tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    join_photographs(lists, source, tmp_path / "out")
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError, match="holds other things"):
        join_photographs(lists, source, lists)


def test_a_checkout_of_something_else_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none of the 3 annotated photos, such as train/skirt/a.jpg"):
        join_photographs(folders[0], tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("train/skirt/b.jpg", "../b.jpg", r"photographs.csv:3: photo '../b.jpg': '..' leads out"),
        ("train/skirt/b.jpg", "train/skirt/a.jpg", r"photographs.csv:3: photo 'train/skirt/a.jpg' again"),
        (",2,choose", ",2,chose", r"photographs.csv:3: part 'chose'; expected learn, choose, report or nothing"),
        (",2,choose", ",1,choose", r"sender 1 is in two parts"),
        ("photo,sha256", "photo,digest", r"photographs.csv:1: columns .*; expected"),
    ],
)
def test_invalid_lists_are_refused_with_their_line(
    old: str, new: str, message: str, folders: tuple[Path, Path]
) -> None:
    path = folders[0] / "photographs.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(FormatError, match=message):
        read_photographs(folders[0])


def test_a_smaller_copy_does_not_replace_a_whole_set(folders: tuple[Path, Path], tmp_path: Path) -> None:
    lists, source = folders
    join_photographs(lists, source, tmp_path / "out")
    before = (tmp_path / "out/train/Annotations/train.csv").read_bytes()
    (source / "train/skirt/b.jpg").unlink()
    with pytest.raises(FileExistsError, match=r"has 3 photos, but .* has only 2 of the annotated ones"):
        join_photographs(lists, source, tmp_path / "out")
    assert (tmp_path / "out/train/Annotations/train.csv").read_bytes() == before


def test_a_copy_of_links_gives_whole_photos(folders: tuple[Path, Path], tmp_path: Path) -> None:
    lists, source = folders
    photo = source / "train/skirt/a.jpg"
    photo.rename(source / "photo")
    photo.symlink_to("../../photo")
    join_photographs(lists, source, tmp_path / "out")
    assert (tmp_path / "out/train/Images/skirt/train-skirt-a.jpg").read_bytes() == b"photo 0"


def test_a_folder_among_the_photos_is_refused(folders: tuple[Path, Path]) -> None:
    lists, source = folders
    with pytest.raises(ValueError, match="from which photos are taken; give a folder elsewhere"):
        join_photographs(lists, source, source / "out")
    assert not (source / "out").exists()


def test_photos_without_keypoints_come_with_their_senders(folders: tuple[Path, Path], tmp_path: Path) -> None:
    lists, source = folders
    for sender, photo, category in (("1", "d", "skirt"), ("2", "e", "none"), ("3", "f", "skirt"), ("9", "g", "dress")):
        path = source / f"train/hat/{photo}.jpg"
        path.write_bytes(photo.encode())
        row = f"train/hat/{photo}.jpg,{hashlib.sha256(photo.encode()).hexdigest()},{sender},,{category},\n"
        with (lists / "photographs.csv").open("a") as file:
            file.write(row)
    joined = join_photographs(lists, source, tmp_path / "all", category_only=True)
    assert joined.written == {"learn": 4, "choose": 2, "report": 1}  # photo f is of a sender to report on
    train, val = load_training_parts(tmp_path / "all", KeypointConfig())
    assert sorted((s.path.name, s.category) for s in train) == [
        ("train-hat-c.jpg", "none"),
        ("train-hat-d.jpg", "skirt"),
        ("train-hat-g.jpg", "dress"),
        ("train-skirt-a.jpg", "skirt"),
    ]
    assert [s.category for s in val] == ["skirt", "none"]
    bare = [s.keypoints for s in train if "hat" in s.path.name]
    assert all(points is not None and (points.state == -1).all() for points in bare)
    assert join_photographs(lists, source, tmp_path / "few").written == {"learn": 1, "choose": 1, "report": 1}


def test_a_garment_with_a_box_is_cut_out_with_its_surroundings(folders: tuple[Path, Path], tmp_path: Path) -> None:
    lists, source = folders
    photo = np.zeros((80, 100, 3), np.uint8)
    photo[20:60, 30:70] = 255
    rows = (lists / "photographs.csv").read_text().splitlines()
    Image.fromarray(photo).save(source / "train/skirt/a.jpg", quality=95)
    digest = hashlib.sha256((source / "train/skirt/a.jpg").read_bytes()).hexdigest()
    rows[1] = f"train/skirt/a.jpg,{digest},1,learn,skirt,"
    (lists / "photographs.csv").write_text("".join(f"{row}\n" for row in rows))
    (lists / "boxes.csv").write_text("photo,left,top,right,bottom\ntrain/skirt/a.jpg,5,20,45,60\n")
    (lists / "attributes.csv").unlink()
    join_photographs(lists, source, tmp_path / "out")
    assert not (tmp_path / "out/attributes").exists()
    (sample,), _ = load_training_parts(tmp_path / "out", KeypointConfig())
    cut = np.asarray(Image.open(sample.path))
    assert cut.shape == (52, 51, 3)  # 6 px more on each side, but on the left the photo ends after 5
    assert np.abs(cut.astype(int) - photo[14:66, 0:51]).max() < 40
    assert sample.keypoints is not None and sample.keypoints.xy[KEYPOINTS.index("waistband_left")].tolist() == [10, -9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("photo,left\n", "columns"),
        ("photo,left,top,right,bottom\na,1,2,3\n", ":2: 4 cells; expected 5"),
        ("photo,left,top,right,bottom\na,5,2,3,x\n", "no box in whole pixels"),
        ("photo,left,top,right,bottom\na,5,2,3,9\n", "an empty box"),
        ("photo,left,top,right,bottom\nother.jpg,1,2,3,9\n", "lacks other.jpg"),
    ],
)
def test_invalid_boxes(folders: tuple[Path, Path], tmp_path: Path, text: str, message: str) -> None:
    (folders[0] / "boxes.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        join_photographs(*folders, tmp_path / "out")


LISTS = [Path(__file__).parents[2] / "data" / name for name in ("photographs", "street")]


def test_all_photos_of_the_senders_of_a_report_are_reported(folders: tuple[Path, Path]) -> None:
    path = folders[0] / "photographs.csv"
    path.write_text(path.read_text().replace("train/hat/c.jpg", "validation/hat/c.jpg").replace(",1,,none", ",3,,none"))
    assert [photo.path for photo in reported(folders[0])] == ["validation/skirt/a.jpg", "validation/hat/c.jpg"]


@pytest.fixture
def masked(tmp_path: Path) -> tuple[Path, Path]:
    """(annotations, clone): photos 1 to 4 with a mask of a skirt, 4 without a part."""
    lists, clone = tmp_path / "lists", tmp_path / "clone"
    lists.mkdir()
    (lists / "labels.csv").write_text("label,name,category\n0,background,\n7,skirt,skirt\n")
    rows = ["photo,part", "photos/1.jpg,learn", "photos/2.jpg,choose", "photos/3.jpg,report", "photos/4.jpg,"]
    (lists / "masks.csv").write_text("\n".join(rows) + "\n")
    for folder in ("photos", "annotations/pixel-level"):
        (clone / folder).mkdir(parents=True)
    for number in range(1, 5):
        Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(clone / "photos" / f"{number}.jpg")
        mask = np.zeros((40, 60), np.uint8)
        mask[10 : 20 + number, 5:25] = 7
        Image.fromarray(mask).save(clone / "annotations" / "pixel-level" / f"{number}.png")
    return lists, clone


def test_photos_with_masks_by_part(masked: tuple[Path, Path], caplog) -> None:
    found = masked_scenes(*masked, FASHIONAI)
    assert {part: [scene.path.name for scene in scenes] for part, scenes in found.items()} == {
        "learn": ["1.jpg"],
        "choose": ["2.jpg"],
        "report": ["3.jpg"],
    }
    (scene,) = found["report"]
    assert scene.garments.boxes.tolist() == [[5, 10, 25, 23]]
    assert scene.garments.category.tolist() == [FASHIONAI.category_index("skirt")]
    assert not caplog.text
    (masked[0] / "mask_corrections.csv").write_text("photo,label,category\nphotos/3.jpg,7,dress\n")
    (scene,) = masked_scenes(*masked, FASHIONAI)["report"]
    assert scene.garments.category.tolist() == [FASHIONAI.category_index("dress")]
    (masked[1] / "annotations" / "pixel-level" / "1.png").unlink()
    assert not masked_scenes(*masked, FASHIONAI)["learn"]
    assert "1 photos of" in caplog.text and "are not there with a sound mask, such as photos/1.jpg" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("photo,part\nphotos/1.jpg,teach\n", r"masks\.csv:2: .*expected a photo, and learn, choose, report or nothing"),
        ("photo,part\nx\n", r"masks\.csv:2: "),
        ("photo,sender\n", r"masks\.csv:1: columns .*; expected"),
    ],
)
def test_invalid_lists_of_masks(masked: tuple[Path, Path], text: str, message: str) -> None:
    (masked[0] / "masks.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        masked_scenes(*masked, FASHIONAI)


@pytest.mark.parametrize("lists", LISTS, ids=lambda path: path.name)
def test_the_annotations_of_the_project_are_sound(lists: Path) -> None:
    photos = {photo.path: photo for photo in read_photographs(lists)}
    garments = read_keypoint_csv(lists / "keypoints.csv", lists)
    assert {garment.image_id for garment in garments} == {path for path, photo in photos.items() if photo.part}
    assert all(photos[garment.image_id].category == garment.category for garment in garments)
    coco = json.loads((lists / "keypoints.json").read_text())
    sizes = {image["file_name"]: (image["width"], image["height"]) for image in coco["images"]}
    assert list(sizes) == [garment.image_id for garment in garments]
    for garment, annotation in zip(garments, coco["annotations"], strict=True):
        assert garment.keypoints is not None
        shown = garment.keypoints.state >= 0
        points = garment.keypoints.xy[shown]
        found = np.array(annotation["keypoints"]).reshape(-1, 3)
        np.testing.assert_array_equal(found[found[:, 2] > 0, :2], points)
        assert ((points >= 0) & (points <= sizes[garment.image_id])).all(), garment.image_id


def test_the_boxes_of_the_project_hold_their_garments() -> None:
    lists = LISTS[1]
    boxes = (lists / "boxes.csv").read_text().splitlines()[1:]
    found = {row.split(",")[0]: [int(side) for side in row.split(",")[1:]] for row in boxes}
    garments = read_keypoint_csv(lists / "keypoints.csv", lists)
    assert set(found) == {garment.image_id for garment in garments}
    for garment in garments:
        assert garment.keypoints is not None
        points = garment.keypoints.xy[garment.keypoints.state >= 0]
        left, top, right, bottom = found[garment.image_id]
        assert (points >= (left - 1, top - 1)).all() and (points <= (right, bottom)).all(), garment.image_id
