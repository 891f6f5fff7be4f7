import io

import cv2
import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.eval.drawing import (
    BOX,
    LEFT,
    LONGEST,
    MIDDLE,
    RIGHT,
    contact_sheet,
    draw_box,
    draw_heatmaps,
    draw_keypoints,
    draw_title,
    encoded,
    picture_kind,
    side_by_side,
)
from aifashion.records import Box
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()

TROUSERS = ALL.restricted("trousers")
XY = np.array([[80.0, 20], [220, 20], [150, 120], [130, 280], [90, 280], [170, 280], [210, 280]])
ONES = np.ones(7, int)


@pytest.fixture
def photo() -> np.ndarray:
    """Grey noise, (320, 300, 3); read-only, so that drawing on it fails."""
    image = np.random.default_rng(0).integers(90, 110, (320, 300, 1), dtype=np.uint8).repeat(3, axis=2)
    image.flags.writeable = False
    return image


def draw(photo: np.ndarray, state=ONES, **options) -> np.ndarray:
    return draw_keypoints(photo, XY, state, vocabulary=TROUSERS, **{"longer_side": 0, **options})


def test_keypoints_are_marked_in_the_colour_of_their_side(photo):
    picture = draw(photo)
    assert picture.shape == photo.shape and picture.dtype == np.uint8
    for (x, y), name in zip(XY.astype(int), TROUSERS.keypoints, strict=True):
        assert tuple(picture[y, x]) == (LEFT if "left" in name else RIGHT if "right" in name else MIDDLE)
    assert len({LEFT, RIGHT, MIDDLE}) == 3


def test_small_photos_are_enlarged_and_points_move_along(photo):
    picture = draw(photo, longer_side=640, names=False)
    assert picture.shape == (640, 600, 3)
    for x, y in np.rint(XY * 2 + 0.5).astype(int):  # cell centres: x becomes (x + 0.5) * 2 - 0.5
        assert tuple(picture[y, x]) in (LEFT, RIGHT, MIDDLE)
    assert draw(photo, longer_side=100).shape == photo.shape


def test_names_are_written_beside_the_points(photo):
    bare, named = draw(photo, names=False, longer_side=900), draw(photo, longer_side=900)
    changed = (bare != named).any(axis=2)
    assert 0.01 < changed.mean() < 0.2
    for x, y in XY * 900 / 320:
        assert changed[max(0, int(y) - 90) : int(y) + 90, max(0, int(x) - 220) : int(x) + 220].any()


@pytest.mark.parametrize(
    ("state", "score"), [(np.zeros(7, int), None), (ONES, np.full(7, 0.1)), (ONES, np.full(7, np.nan))]
)
def test_hidden_and_doubtful_keypoints_are_hollow(state, score):
    photo = np.full((900, 900, 3), 255, np.uint8)
    xy = np.array([[450.0, 450]] + [[-1.0, -1]] * 6)
    state = np.where(np.arange(7) == 0, state, -1)
    picture = draw_keypoints(photo, xy, state, TROUSERS, score, names=False)
    assert (picture[450, 450] < 60).all()
    assert (picture[440:461, 440:461] == LEFT).all(axis=2).any()
    assert (picture[:430] == 255).all()


def test_absent_and_lost_keypoints_are_not_drawn(photo):
    np.testing.assert_array_equal(draw(photo, state=-ONES), photo)
    lost = draw_keypoints(photo, np.full((7, 2), np.nan), ONES, vocabulary=TROUSERS, longer_side=0)
    np.testing.assert_array_equal(lost, photo)


def test_points_far_outside_do_not_break_the_picture(photo):
    assert draw_keypoints(photo, XY * 1e9, ONES, vocabulary=TROUSERS).dtype == np.uint8


@pytest.mark.parametrize("waistline", [True, False])
def test_outline_runs_through_the_waistline_where_there_is_one(waistline):
    photo = np.zeros((400, 400, 3), np.uint8)
    xy, state = np.full((24, 2), -1.0), np.full(24, -1)
    places = {"armpit_left": (200, 100), "waistline_left": (100, 200), "top_hem_left": (200, 300)}
    for name, place in places.items():
        if waistline or name != "waistline_left":
            xy[KEYPOINTS.index(name)], state[KEYPOINTS.index(name)] = place, 1
    picture = draw_keypoints(photo, xy, state, vocabulary=ALL, names=False, longer_side=0)
    assert picture[200, 200].any() != waistline  # the straight way
    assert picture[150, 150].any() == waistline  # the way round


@pytest.mark.parametrize("shape", [(1, 1), (40, 2000), (2000, 40), (3, 900)])
def test_any_photo_size_can_be_drawn_on(shape):
    photo = np.zeros((*shape, 3), np.uint8)
    xy = np.random.default_rng(1).uniform(0, 1, (24, 2)) * shape[::-1]
    picture = draw_keypoints(photo, xy, np.ones(24, int), ALL)
    assert max(picture.shape[:2]) == max(900, *shape)
    assert draw_box(photo, Box(-5, -5, shape[1] + 5, shape[0]), "blouse 0.97").shape == photo.shape


def test_wrong_input_is_refused(photo):
    with pytest.raises(ValueError, match="uint8"):
        draw_keypoints(photo / 255, XY, ONES, vocabulary=TROUSERS)
    with pytest.raises(ValueError, match=r"expected xy \(24, 2\)"):
        draw_keypoints(photo, XY, ONES, ALL)
    with pytest.raises(ValueError, match="heat of the image's size"):
        draw_heatmaps(photo, np.zeros((80, 75)))


def test_heat_covers_the_photo_where_it_is_hot(photo):
    heat = np.zeros(photo.shape[:2])
    heat[100:150, 60:90] = 1
    picture = draw_heatmaps(photo, heat)
    assert picture.shape == photo.shape and picture.dtype == np.uint8
    cold = picture[200:, 200:]
    assert (cold == cold[..., :1]).all()  # grey
    hot = picture[100:150, 60:90].astype(int)
    assert (hot[..., 0] > hot[..., 2] + 50).all() and (hot.sum(axis=2) > cold.sum(axis=2).max()).all()


def test_hotter_is_lighter():
    ramp = np.tile(np.linspace(0.2, 1, 64), (8, 1))
    picture = draw_heatmaps(np.zeros((8, 64, 3), np.uint8), ramp)
    lightness = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[0, :, 0].astype(int)
    assert (np.diff(lightness) >= 0).all() and lightness[-1] > lightness[0] + 100


def test_box_outlines_its_own_pixels(photo):
    picture = draw_box(photo, Box(50, 60, 201, 181))
    assert picture.shape == photo.shape
    for y, x in [(60, 120), (180, 120), (120, 50), (120, 200)]:
        assert tuple(picture[y, x]) == BOX
    np.testing.assert_array_equal(picture[70:170, 60:190], photo[70:170, 60:190])
    np.testing.assert_array_equal(picture[:50], photo[:50])
    assert (draw_box(photo, Box(50, 60, 201, 181), "dress")[:58] != photo[:58]).any()


def test_side_by_side_keeps_the_highest_whole(photo):
    small = np.full((160, 100, 3), 7, np.uint8)
    row = side_by_side([small, photo])
    assert row.shape[0] == 320 and row.shape[1] == 200 + 3 + 300
    np.testing.assert_array_equal(row[:, -300:], photo)
    assert (row[:, :200] == 7).all()
    with pytest.raises(ValueError, match="no picture"):
        side_by_side([])


def test_side_by_side_a_picture_is_enlarged_to_the_height_of_the_row_and_not_beyond_its_width():
    wide, high = np.full((6, 400, 3), 7, np.uint8), np.full((500, 500, 3), 9, np.uint8)
    row = side_by_side([wide, high])
    assert row.shape == (500, 500 + 5 + 500, 3)
    inside = (row[:, :500] == 7).all(axis=2)
    assert inside.any(axis=0).all() and 6 <= inside.all(axis=1).sum() <= 8
    assert np.flatnonzero(inside.any(axis=1)).mean() == pytest.approx(249.5, abs=1), "in the middle"


@pytest.mark.parametrize("shape", [(20, 40_000, 3), (40_000, 20, 3)])
def test_side_by_side_very_long_pictures_are_reduced(shape):
    row = side_by_side([np.zeros(shape, np.uint8)] * 2)
    assert 0.9 * LONGEST < max(row.shape) <= LONGEST


def test_contact_sheet_has_every_picture_in_its_cell():
    images = [np.full((50, 100, 3), 40 * i, np.uint8) for i in range(4)] + [np.full((100, 80, 3), 160, np.uint8)]
    sheet = contact_sheet(images, 3, cell=100)
    # The first row is as high as its pictures, the second as the upright one in it.
    assert sheet.shape == (4 + 50 + 4 + 100 + 4, 3 * 104 + 4, 3)
    for i in range(5):
        row, column = divmod(i, 3)
        assert tuple(sheet[(29, 108)[row], 4 + column * 104 + 50]) == (40 * i,) * 3
    assert tuple(sheet[70, 54]) != (120,) * 3 and tuple(sheet[70, 158]) == (160,) * 3
    captioned = contact_sheet(images, 3, ["a very long name of a photo.jpg"] * 5, cell=100)
    assert captioned.shape[0] > sheet.shape[0] and captioned.shape[1] == sheet.shape[1]
    with pytest.raises(ValueError, match="expected 5 captions"):
        contact_sheet(images, 3, ["one"])
    with pytest.raises(ValueError, match="columns"):
        contact_sheet(images, 0)


def test_a_picture_is_encoded_in_memory():
    image = np.full((20, 30, 3), 200, np.uint8)
    for suffix, kind in (("", "JPEG"), (".jpg", "JPEG"), (".PNG", "PNG")):
        assert picture_kind(suffix) == kind
        with Image.open(io.BytesIO(encoded(image, kind, quality=92))) as picture:
            assert picture.format == kind and picture.size == (30, 20)
    for suffix in (".csv", ".eps"):
        with pytest.raises(ValueError, match="no picture is written with the ending"):
            picture_kind(suffix)


def test_a_title_stands_in_the_corner():
    image = np.full((200, 300, 3), 200, np.uint8)
    titled = draw_title(image, "skirt 98%")
    changed = np.argwhere((titled != image).any(axis=2))
    assert changed.min() == 0 and changed[:, 0].max() < 40 and 20 < changed[:, 1].max() < 150 and (image == 200).all()
