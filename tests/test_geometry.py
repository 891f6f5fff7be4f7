import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifashion.geometry import (
    Frame,
    crop,
    flip,
    identity,
    inside,
    letterbox,
    resize,
    rotate,
    shift,
    zoom,
    zoom_about_centre,
)
from aifashion.records import Box
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()

EPS = np.finfo(np.float64).eps

sides = st.integers(1, 4000)
sizes = st.tuples(sides, sides)
offsets = st.floats(-1000, 1000)
steps = st.one_of(
    # Photos and inputs of like shape and size, so that a chain neither magnifies nor shrinks without limit.
    st.builds(letterbox, *[st.tuples(st.integers(200, 800), st.integers(200, 800))] * 2),
    st.builds(lambda left, top: crop(Box(left, top, left + 10, top + 10)), *[st.integers(-500, 500)] * 2),
    st.builds(rotate, st.floats(-360, 360), sizes),
    st.builds(flip, sides),
    st.builds(zoom, st.floats(0.5, 2)),
    st.builds(zoom, st.floats(0.5, 2), st.floats(0.5, 2)),
    st.builds(shift, offsets, offsets),
)
points = st.lists(st.tuples(st.floats(-10, 5000), st.floats(-10, 5000)), min_size=1, max_size=8).map(np.array)


def chain(frames: list[Frame]) -> Frame:
    whole = identity()
    for frame in frames:
        whole = whole.then(frame)
    return whole


@settings(max_examples=200)
@given(st.lists(steps, max_size=4), points)
def test_back_inverts_forward_for_composed_frames(frames: list[Frame], xy: np.ndarray):
    frame = chain(frames)
    linear = frame.matrix[:, :2]
    # forward rounds at the size of |A||p| + |t|, a few eps per sum, and back magnifies that by 1/smallest stretch;
    # the inverse itself is good to a few eps times the condition number, on a difference as large as the target.
    smallest = np.linalg.svd(linear, compute_uv=False)[-1]
    condition = np.linalg.cond(linear)
    size = np.abs(xy) @ np.abs(linear).T + np.abs(frame.matrix[:, 2])
    bound = 8 * EPS * (size.max() * (1 + condition)) / smallest + 8 * EPS * np.abs(xy).max()
    error = np.abs(frame.back(frame.forward(xy)) - xy).max()
    assert error <= bound
    assert error <= 1e-9
    np.testing.assert_allclose(Frame(frame.inverse).forward(frame.forward(xy)), xy, rtol=0, atol=1e-7)


@given(st.lists(steps, max_size=4), points)
def test_composing_is_applying_one_after_the_other(frames: list[Frame], xy: np.ndarray):
    moved = xy
    for frame in frames:
        moved = frame.forward(moved)
    # Each of four steps stretches by at most 4 and adds at most 6000 px (a turn about a far centre), so no number on
    # the way exceeds 4**4 * (5000 + 4 * 6000); every one of some 30 roundings costs half an eps of that at most.
    np.testing.assert_allclose(chain(frames).forward(xy), moved, rtol=0, atol=15 * EPS * 4**4 * 29_000)


def test_composing_keeps_the_order():
    # By hand: 3 becomes 5 when shifted by 2, and (5 + 0.5) * 2 - 0.5 = 10.5 when zoomed; the other way 6.5, then 8.5.
    assert shift(2, 0).then(zoom(2)).forward(np.array([3.0, 0])).tolist() == [10.5, 0.5]
    assert zoom(2).then(shift(2, 0)).forward(np.array([3.0, 0])).tolist() == [8.5, 0.5]


@given(sides, points)
def test_flipping_twice_is_the_identity(width: int, xy: np.ndarray):
    mirror = flip(width)
    np.testing.assert_array_equal(mirror.then(mirror).matrix, identity().matrix)
    np.testing.assert_allclose(mirror.forward(mirror.forward(xy)), xy, rtol=0, atol=4 * EPS * 5000)
    many = np.resize(xy, (24, 2))
    mirrored = mirror.forward(many)[ALL.twins]
    np.testing.assert_allclose(mirror.forward(mirrored)[ALL.twins], many, rtol=0, atol=4 * EPS * 5000)


def test_flip_agrees_with_reversed_columns():
    row = np.arange(7)
    targets = flip(7).forward(np.stack([row, row * 0], 1))[:, 0]
    np.testing.assert_array_equal(row[::-1][targets.astype(int)], row)


def test_resizing_keeps_the_image_corners_and_pixel_areas():
    frame = resize((640, 400), (320, 100))
    corners = np.array([[-0.5, -0.5], [639.5, 399.5]])
    np.testing.assert_allclose(frame.forward(corners), [[-0.5, -0.5], [319.5, 99.5]], atol=1e-12)
    # Half the width: the first new pixel covers old pixels 0 and 1, so its centre is at 0.5; a quarter: 0 to 3.
    np.testing.assert_allclose(frame.back(np.array([0.0, 0])), [0.5, 1.5], atol=1e-12)
    assert frame.scale == pytest.approx(np.sqrt(0.5 * 0.25))


def test_letterbox_by_hand():
    # 200 x 100 into 64 x 64: scale 0.32, 32 rows of photo between 16 and 16 rows of padding.
    frame = letterbox((200, 100), (64, 64))
    corners = np.array([[-0.5, -0.5], [199.5, 99.5]])
    np.testing.assert_allclose(frame.forward(corners), [[-0.5, 15.5], [63.5, 47.5]], atol=1e-12)
    assert frame.scale == pytest.approx(0.32)
    # 50 x 100 into 96 x 64: enlarged by 0.64, columns 32 to 63.
    corners = np.array([[-0.5, -0.5], [49.5, 99.5]])
    np.testing.assert_allclose(
        letterbox((50, 100), (96, 64)).forward(corners), [[31.5, -0.5], [63.5, 63.5]], atol=1e-12
    )


@given(sizes, sizes)
def test_letterbox_shows_the_whole_photo_centred_with_its_aspect(source: tuple, target: tuple):
    frame = letterbox(source, target)
    assert frame.matrix[0, 0] == frame.matrix[1, 1] > 0 and frame.matrix[0, 1] == frame.matrix[1, 0] == 0
    low, high = frame.forward(np.array([[-0.5, -0.5], [source[0] - 0.5, source[1] - 0.5]]))
    target_high = np.array(target) - 0.5
    np.testing.assert_allclose(low + 0.5, target_high - high, rtol=0, atol=1e-9)  # as much padding before as after
    assert (low >= -0.5 - 1e-9).all() and (high <= target_high + 1e-9).all()
    assert np.abs(low + 0.5).min() < 1e-9  # it fills one direction


def test_crop_takes_the_box_s_first_pixel_to_the_origin():
    np.testing.assert_array_equal(crop(Box(7, -3, 20, 20)).forward(np.array([[7, -3], [8, 0]])), [[0, 0], [1, 3]])


def test_rotation_is_clockwise_on_the_screen_about_the_centre():
    quarter = rotate(90, (5, 5))
    # y runs down: from the right, clockwise, to the bottom, to the left.
    np.testing.assert_allclose(
        quarter.forward(np.array([[4, 2], [2, 4], [2, 2], [0, 0]])), [[2, 4], [0, 2], [2, 2], [4, 0]], atol=1e-12
    )
    # What numpy calls a quarter turn clockwise of the pixels.
    image = np.arange(25).reshape(5, 5)
    x, y = np.meshgrid(np.arange(5), np.arange(5))
    turned = np.rint(quarter.forward(np.stack([x, y], -1))).astype(int)
    result = np.empty_like(image)
    result[turned[..., 1], turned[..., 0]] = image
    np.testing.assert_array_equal(result, np.rot90(image, -1))
    assert rotate(33, (640, 480)).forward(np.array([319.5, 239.5])) == pytest.approx([319.5, 239.5])


@given(st.floats(-360, 360), sizes)
def test_rotations_keep_lengths_and_undo_each_other(degrees: float, size: tuple):
    turn = rotate(degrees, size)
    np.testing.assert_allclose(turn.matrix[:, :2] @ turn.matrix[:, :2].T, np.eye(2), atol=1e-12)
    assert turn.scale == pytest.approx(1)
    np.testing.assert_allclose(turn.then(rotate(-degrees, size)).matrix, identity().matrix, rtol=0, atol=1e-9)


def test_scale_is_the_root_of_the_area_factor():
    assert zoom(4, 9).then(rotate(30, (10, 10))).then(flip(3)).scale == pytest.approx(6)


def test_inside_means_the_image_area():
    xy = np.array([[[-0.5, 0], [-0.51, 0], [9.49, 4.49]], [[9.5, 0], [0, 4.5], [np.nan, 0]]])
    assert inside(xy, (10, 5)).tolist() == [[True, False, True], [False, False, False]]


def test_points_can_have_any_leading_shape():
    xy = np.arange(24.0).reshape(2, 3, 2, 2)
    frame = rotate(20, (9, 9)).then(zoom(0.3))
    np.testing.assert_allclose(frame.forward(xy)[1, 2, 0], frame.forward(xy[1, 2, 0]))
    np.testing.assert_allclose(frame.back(frame.forward(xy)), xy, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "matrix", [np.eye(3), np.eye(2), np.full((2, 3), np.nan), np.array([[1, 0, np.inf], [0, 1, 0]])]
)
def test_a_matrix_of_wrong_shape_or_not_finite_is_refused(matrix):
    with pytest.raises(ValueError, match=r"a finite \(2, 3\) matrix; got shape"):
        Frame(matrix)


def test_a_map_without_an_inverse_is_refused():
    for frame in (lambda: zoom(0), lambda: zoom(1, 0), lambda: Frame(np.array([[1, 2, 0], [2, 4, 0]]))):
        with pytest.raises(ValueError, match="an invertible matrix; got determinant 0"):
            frame()


def test_zooming_about_the_centre_keeps_it():
    frame = zoom_about_centre(2.0, (101, 51))
    np.testing.assert_allclose(frame.forward(np.array([[50.0, 25.0], [60, 25]])), [[50, 25], [70, 25]])
