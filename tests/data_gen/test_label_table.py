import pickle
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest

from aifashion.data_gen.images import ImageError
from aifashion.data_gen.label_table import LabelTable, PhotoFiles, TextColumn, check_labels
from aifashion.records import HeadSpec

NAMES = ["a.png", "shop 1/ü.png", "c.png"]
COLOURS = {"a.png": 10, "shop 1/ü.png": 20, "c.png": 30}
SHAPE = HeadSpec("shape", "exclusive", ("round", "square", "other"))
STYLE = HeadSpec("style", "independent", ("sport", "lady"))


@pytest.fixture(params=["list", "column"])
def photos(request, tmp_path: Path) -> PhotoFiles:
    (tmp_path / "shop 1").mkdir()
    for name, colour in COLOURS.items():
        encoded = cv2.imencode(".png", np.full((2, 3, 3), colour, np.uint8))[1]
        (tmp_path / name).write_bytes(encoded.tobytes())
    return PhotoFiles(tmp_path, NAMES if request.param == "list" else column(NAMES))


def column(names: list[str]) -> TextColumn:
    return TextColumn(pa.array(names, pa.large_string()))


def table(**changes) -> LabelTable:
    """Photo 0 round and sport, photo 1 neither known, photo 2 half square, half other, and both styles."""
    soft = np.array([[1, 0, 0], [0, 0.5, 0.5]], np.float32)
    parts = {
        "photos": PhotoFiles(Path("there"), NAMES),
        "heads": (SHAPE, STYLE),
        "codes": np.array([[0, 1], [-1, -1], [1, 2]], np.int32),
        "targets": (soft, np.array([[0, 1], [1, 0], [1, 1]], np.float32)),
    }
    return LabelTable(**(parts | changes))


def test_photos_are_read_by_row(photos: PhotoFiles, tmp_path: Path) -> None:
    assert len(photos) == 3
    for row, name in enumerate(NAMES):
        assert photos.name(row) == name and type(photos.name(row)) is str
        assert photos.path(row) == tmp_path / name
        np.testing.assert_array_equal(photos.read(row), np.full((2, 3, 3), COLOURS[name], np.uint8))


def test_selected_photos_keep_the_order_of_the_rows(photos: PhotoFiles) -> None:
    some = photos.select(np.array([2, 0, 2]))
    assert [some.name(row) for row in range(len(some))] == ["c.png", "a.png", "c.png"]
    assert some.read(1)[0, 0, 0] == 10
    assert some.root == photos.root
    assert len(photos.select(np.array([], np.int64))) == 0
    assert photos.name(np.int64(1)) == NAMES[1]  # type: ignore[arg-type]  rows come from arrays


def test_photos_can_be_pickled_for_workers(photos: PhotoFiles) -> None:
    again = pickle.loads(pickle.dumps(photos))
    assert [again.name(row) for row in range(3)] == NAMES
    assert again.read(2)[0, 0, 0] == 30


def test_a_missing_photo_is_an_image_error(photos: PhotoFiles, tmp_path: Path) -> None:
    (tmp_path / "c.png").unlink()
    with pytest.raises(ImageError, match=r"c\.png: No such file"):
        photos.read(2)


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "b\\..\\a.png"])
def test_a_name_that_leads_out_of_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    for names in ([name], column([name])):
        with pytest.raises(ValueError, match="expected a path inside the data folder"):
            PhotoFiles(tmp_path, names).read(0)


def test_targets_of_soft_labels() -> None:
    target, known = table().target(0, np.array([2, 1, 0]))
    np.testing.assert_array_equal(target, np.array([[0, 0.5, 0.5], [0, 0, 0], [1, 0, 0]], np.float32))
    np.testing.assert_array_equal(known, [True, False, True])
    assert target.dtype == np.float32


def test_targets_of_independent_heads() -> None:
    target, known = table().target(1, np.array([0, 1, 2]))
    np.testing.assert_array_equal(target, np.array([[1, 0], [0, 0], [1, 1]], np.float32))
    np.testing.assert_array_equal(known, [True, False, True])


def test_codes_without_a_target_table_are_classes() -> None:
    plain = table(heads=(SHAPE,), codes=np.array([[2], [-1], [0]], np.int32), targets=(None,))
    target, known = plain.target(0, np.array([0, 1, 2, 0]))
    np.testing.assert_array_equal(target, np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]], np.float32))
    np.testing.assert_array_equal(known, [True, False, True, True])
    assert target.dtype == np.float32
    np.testing.assert_array_equal(plain.counts(0), [1, 0, 1])


def test_counts_add_fractions_of_soft_labels() -> None:
    np.testing.assert_array_equal(table().counts(0), [1, 0.5, 0.5])
    np.testing.assert_array_equal(table().counts(1), [2, 1])
    assert table().counts(0).dtype == np.float64


def test_select_keeps_labels_and_photos_together() -> None:
    some = table().select(np.array([2, 0]))
    assert len(some) == 2 and [some.photos.name(row) for row in range(2)] == ["c.png", "a.png"]
    np.testing.assert_array_equal(some.codes, [[1, 2], [0, 1]])
    np.testing.assert_array_equal(some.counts(0), [1, 0.5, 0.5])


def test_a_table_can_be_empty() -> None:
    none = table().select(np.array([], np.int64))
    assert len(none) == 0
    np.testing.assert_array_equal(none.counts(1), [0, 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"codes": np.zeros((2, 2), np.int32)},
            r"3 photos and 2 heads need codes of shape \(3, 2\) and 2 tables of targets; got \(2, 2\)",
        ),
        ({"codes": np.zeros((3, 1), np.int32)}, r"got \(3, 1\) and 2$"),
        ({"targets": (None,)}, r"got \(3, 2\) and 1$"),
        ({"targets": (None, np.ones((3, 3), np.float32))}, r"head style: targets of shape \(3, 3\); expected \(3, 2\)"),
        ({"targets": (None, np.ones(3, np.float32))}, r"head style: targets of shape \(3,\); expected \(3, 2\)"),
        ({"codes": np.array([[2, 0]] * 3)}, "head shape: codes from 2 to 2; expected -1 to 1"),
        ({"codes": np.array([[0, 3]] * 3), "targets": (None, None)}, "head style: codes from 3 to 3; expected -1 to 1"),
        ({"codes": np.array([[0, -2], [0, 0], [0, 1]])}, "head style: codes from -2 to 1; expected -1 to 2"),
    ],
)
def test_parts_with_shapes_that_do_not_match_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        table(**changes)


def test_a_column_is_iterated_in_chunks(monkeypatch):
    monkeypatch.setattr("aifashion.data_gen.label_table._CHUNK", 4)
    names = [f"{i}.jpg" for i in range(11)]
    assert list(column(names)) == names and list(column([])) == []
    assert list(PhotoFiles(Path("there"), column(names)).names) == names


# ---------------------------------------------------------------------------------- what a training could not learn

SKIRT = HeadSpec("skirt_length", "exclusive", ("short", "knee", "long"))
SOFT = np.array([[1, 0, 0], [0.8, 0.2, 0], [0, 0.2, 0.8]], np.float32)


def labelled(codes: list[int], head: HeadSpec = SKIRT, targets: np.ndarray | None = SOFT) -> LabelTable:
    photos = PhotoFiles(Path(), [f"{row}.jpg" for row in range(len(codes))])
    return LabelTable(photos, (head,), np.array(codes, np.int32).reshape(-1, 1), (targets,))


@pytest.mark.parametrize(
    ("train", "val", "reason"),
    [
        (labelled([-1, -1]), labelled([0]), "sets: not one photo to train on has a label for skirt_length"),
        (labelled([]), labelled([0]), "sets: not one photo to train on has a label for skirt_length"),
        (labelled([0, 2]), labelled([-1]), "sets: not one photo to validate on has a label for skirt_length"),
        # Marks can differ where the class does not.
        (labelled([0, 1, 0, -1]), labelled([2]), "all photos to train on have the same label for skirt_length"),
        (labelled([1, 1], targets=None), labelled([2]), "all photos to train on have the same label"),
    ],
)
def test_labels_that_teach_or_score_nothing_are_refused(train, val, reason):
    with pytest.raises(ValueError, match=reason):
        check_labels(Path("sets"), train, val)


def test_labels_that_differ_are_enough():
    check_labels(Path("sets"), labelled([0, 2, -1]), labelled([0, -1]))
    check_labels(Path("sets"), labelled([0, 1], targets=None), labelled([2], targets=None))
    style = HeadSpec("style", "independent", ("sport", "lady", "girl"))
    some = np.array([[0, 0, 0], [0, 1, 1]], np.float32)
    check_labels(Path("sets"), labelled([0, 1], style, some), labelled([0], style, some))
    with pytest.raises(ValueError, match="the same label for style"):
        check_labels(Path("sets"), labelled([1, 1], style, some), labelled([0], style, some))
