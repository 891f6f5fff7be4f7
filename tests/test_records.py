from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from aifashion.records import Box, HeadSpec, Keypoints, Sample


def test_keypoints_are_converted_and_compared_by_value():
    points = Keypoints([[1, 2], [3, 4]], [1, 0])
    assert points.xy.dtype == np.float64 and points.state.dtype == np.int8
    assert points == Keypoints(np.array([[1.0, 2], [3, 4]], np.float32), np.array([1, 0]))
    assert points != Keypoints([[1, 2], [3, 5]], [1, 0])
    assert points != Keypoints([[1, 2], [3, 4]], [1, 1])
    assert points != "points"
    again = Keypoints(points.xy, points.state)
    assert Sample("a", Path("a"), "skirt", points) == Sample("a", Path("a"), "skirt", again)


def test_select_reorders_and_leaves_out():
    points = Keypoints([[0, 0], [1, 10], [2, 20]], [-1, 0, 1])
    assert points.select(np.array([2, 0])) == Keypoints([[2, 20], [0, 0]], [1, -1])


@pytest.mark.parametrize(
    ("xy", "state"),
    [(np.zeros((2, 3)), [1, 1]), (np.zeros(2), [1, 1]), (np.zeros((2, 2)), [1]), (np.zeros((2, 2)), [[1], [1]])],
)
def test_shapes_are_checked(xy, state):
    with pytest.raises(ValueError, match=r"xy \(K, 2\) and state \(K,\); got"):
        Keypoints(xy, np.array(state))


# 255, 257 and -128 would pass as -1, 1 and "no larger than 1" in 8 bits; 0.5 would be rounded away.
@pytest.mark.parametrize("state", [2, -2, 255, 257, -128, 0.5, np.nan])
def test_states_are_checked(state):
    with pytest.raises(ValueError, match="states must be -1, 0 or 1; got"):
        Keypoints(np.zeros((2, 2)), np.array([1, state]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_only_absent_points_may_lack_coordinates(value):
    xy = np.array([[value, 1.0], [2, 3]])
    assert Keypoints(xy, [-1, 1]).state.tolist() == [-1, 1]
    for state in ([0, 1], [1, 1]):
        with pytest.raises(ValueError, match="not a finite number"):
            Keypoints(xy, state)


def test_records_are_frozen():
    with pytest.raises(FrozenInstanceError):
        Box(0, 0, 1, 1).left = 3  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        Keypoints(np.zeros((1, 2)), [1]).xy = np.ones((1, 2))  # type: ignore[misc]


def test_box_measures_and_refuses_to_be_empty():
    box = Box(-3, 2, 4, 5)
    assert (box.width, box.height) == (7, 3)
    for corners in ((1, 0, 1, 5), (0, 5, 3, 5), (4, 0, 3, 5), (0, 6, 3, 5)):
        with pytest.raises(ValueError, match="an empty box"):
            Box(*corners)


def test_heads_have_a_known_kind_and_classes():
    assert HeadSpec("style", "independent", ("a", "b")).classes == ("a", "b")
    with pytest.raises(ValueError, match="head 'style': kind must be exclusive, independent or ordinal, not 'any'"):
        HeadSpec("style", "any", ("a",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="head 'style' has no classes"):
        HeadSpec("style", "exclusive", ())
