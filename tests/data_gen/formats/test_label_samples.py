from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.boxes import MARGIN, squared
from aifashion.data_gen.formats.label_samples import (
    UNLABELLED,
    fitting,
    garments_of,
    joined_photos,
    labelled,
    labels_of_samples,
    largest_garments,
)
from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.data_gen.formats.problems import FormatError
from aifashion.records import Keypoints
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()
SKIRT = ("waistband_left", "waistband_right", "hemline_left", "hemline_right")


def skirt(*points: tuple[float, float], id: str = "1", box: tuple[float, float, float, float] | None = None):
    xy = [*points, *[(-1.0, -1.0)] * (4 - len(points))]
    state = [1] * len(points) + [-1] * (4 - len(points))
    return LabelledGarment(id, "skirt", SKIRT, Keypoints(np.array(xy, float), np.array(state)), box)


def labels(root: Path, *photos: LabelledPhoto) -> LabelSet:
    return LabelSet(Path("x.json"), root, photos)


def test_garments_become_samples_with_all_keypoints(tmp_path):
    box = (10.0, 20.0, 50.0, 80.0)
    two = LabelledPhoto("a.jpg", None, (skirt((1, 2), (3, 4), box=box), skirt((5, 6), id="2")))
    one = LabelledPhoto("b.jpg", None, (skirt((1, 2), id="3"),))
    pairs = garments_of(labels(tmp_path, two, one), ALL)
    assert [garment.id for garment, _ in pairs] == ["1", "2", "3"]
    first, second, third = (sample for _, sample in pairs)
    assert first.path == tmp_path / "a.jpg" and first.keypoints.xy.shape == (24, 2)
    assert first.keypoints.xy[ALL.indices["waistband_right"]].tolist() == [3, 4] and first.keypoints.state.sum() == -20
    assert first.square == squared(box, MARGIN) and second.square == squared((5, 6, 6, 7), MARGIN)
    assert third.square is None


def test_names_of_windows_are_those_of_the_photos_that_are_there(tmp_path, caplog):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "images" / "a.png")
    there, missing = (LabelledPhoto(f"images\\{name}.png", None, (skirt((1, 2)),)) for name in "ac")
    found = fitting(labels(tmp_path, there, missing), needs_size=True)
    assert [(photo.file_name, photo.size) for photo in found.photos] == [("images/a.png", (30, 20))]
    (problem,) = found.problems
    assert "images\\c.png" in str(problem) and "it has a backslash; separate folders with /" in str(problem)
    ((_, sample),) = garments_of(labels(tmp_path, there), ALL)
    assert sample.path == tmp_path / "images" / "a.png"


def test_names_that_leave_the_folder_cost_their_garments_alone(tmp_path, caplog):
    wrong, right = LabelledPhoto("../a.jpg", None, (skirt((1, 2)),)), LabelledPhoto("b.jpg", None, (skirt((1, 2)),))
    assert [sample.image_id for _, sample in garments_of(labels(tmp_path, wrong, right), ALL)] == ["b.jpg"]
    assert "x.json: left out 1 annotations with problems, 1 are used" in caplog.text
    with pytest.raises(FormatError, match=r"id 1: image id '\.\./a\.jpg'"):
        garments_of(labels(tmp_path, wrong, right), ALL, strict=True)
    with pytest.raises(FormatError):
        garments_of(labels(tmp_path, wrong), ALL)


@pytest.mark.parametrize(
    ("point", "inside"),
    [((-1.5, 0), True), ((-1.6, 0), False), ((40.5, 0), True), ((40.6, 0), False), ((3, 30.5), True), ((3, 31), False)],
)
def test_a_point_can_be_one_px_beyond_the_edge(tmp_path, point, inside):
    """Of 40 x 30 px: the edges are at -0.5, and at 39.5 and 29.5."""
    photo = LabelledPhoto("a.jpg", (40, 30), (skirt((5, 5), point), skirt((6, 6), id="2")))
    found = fitting(labels(tmp_path, photo))
    assert len(found.photos[0].garments) == (2 if inside else 1)
    if not inside:
        x, y = point
        reason = f"annotations, id 1, photo a.jpg: waistband_right at {x:g}, {y:g} lies outside the photo of 40 x 30 px"
        assert str(found.problems[0]) == f"x.json: {reason}"


def test_labels_of_another_copy_of_the_photo_are_left_out(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    turned = Image.new("RGB", (40, 30))
    exif = turned.getexif()
    exif[0x0112] = 6  # shown upright it has 30 x 40 px
    turned.save(tmp_path / "b.jpg", exif=exif)
    (tmp_path / "broken.png").write_bytes(b"no photo")
    sizes = {"a.png": (40, 30), "b.jpg": (30, 40), "broken.png": (9, 9), "missing.png": (8, 8)}
    photos = [LabelledPhoto(name, size, (skirt((1, 2)),)) for name, size in sizes.items()]
    assert fitting(labels(tmp_path, *photos)).photos == tuple(photos)
    other = [replace(photo, size=photo.size[::-1]) for photo in photos[:2]]
    found = fitting(labels(tmp_path, *other))
    assert not found.photos and "photo a.png: the file says 30 x 40 px, but the photo has 40 x 30" in str(
        found.problems[0]
    )
    unknown = [replace(photo, size=None) for photo in photos]
    assert [photo.size for photo in fitting(labels(tmp_path, *unknown)).photos] == [(40, 30), (30, 40), None, None]
    needed = fitting(labels(tmp_path, *unknown), needs_size=True)
    assert [photo.file_name for photo in needed.photos] == ["a.png", "b.jpg"]
    assert "photo missing.png: the file says no width and height" in str(needed.problems[1])


def test_garments_without_a_label_and_smaller_ones_are_counted(tmp_path):
    small, large = skirt((1, 1), (5, 5)), skirt((1, 1), (50, 50), id="2")
    photo = LabelledPhoto("a.jpg", None, (small, large, skirt(id="3")))
    bare, empty = LabelledPhoto("b.jpg", None, (skirt(id="4"),)), LabelledPhoto("c.jpg", None, ())
    found = labelled(labels(tmp_path, photo, bare, empty))
    assert [len(photo.garments) for photo in found.photos] == [2, 0] and found.left_out == {UNLABELLED: 2}
    largest = largest_garments(found)
    assert [[garment.id for garment in photo.garments] for photo in largest.photos] == [["2"], []]
    assert largest.left_out["garments that are not the largest of their photo"] == 1
    assert labels(tmp_path, photo).left_out == {}


def test_a_photo_that_is_listed_twice_is_there_once(tmp_path):
    first, again = LabelledPhoto("a.jpg", None, (skirt((1, 1)),)), LabelledPhoto("./a.jpg", (9, 9), (skirt((2, 2)),))
    (photo,) = joined_photos(labels(tmp_path, first, again)).photos
    assert photo.size == (9, 9) and len(photo.garments) == 2


def test_samples_become_labels_of_their_photos(tmp_path):
    photo = LabelledPhoto("a.jpg", None, (skirt((1, 2)), skirt((5, 6), id="2")))
    pairs = garments_of(labels(tmp_path, photo), ALL)
    (again,) = labels_of_samples([sample for _, sample in pairs], [(9, 8)] * 2, ALL).photos
    assert again.size == (9, 8) and [garment.id for garment in again.garments] == ["1", "2"]
    assert [g.keypoints for g in again.garments] == [g.keypoints for g in photo.garments]
