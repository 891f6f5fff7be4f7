import numpy as np
import pytest

from aifashion.eval.activation import ActivationNet, activation_map, class_weights, frame_by_activation
from aifashion.records import Box, CropRule, HeadSpec

PLAIN = HeadSpec("collar_design", "exclusive", ("a", "b", "c"))
LENGTH = HeadSpec("skirt_length", "ordinal", ("short", "knee", "long"))
SIDE = 64


def net_of(features: np.ndarray, logits: dict[str, list[float]], kernels: dict[str, np.ndarray]) -> ActivationNet:
    """A network that sees the same in every image."""

    def predict(images: np.ndarray):
        assert images.shape == (4, SIDE, SIDE, 3) and images.dtype == np.uint8
        tell = {name: np.tile(np.float32(values), (len(images), 1)) for name, values in logits.items()}
        return np.repeat(features[None], len(images), 0), tell

    return ActivationNet(predict, kernels, tuple(h for h in (PLAIN, LENGTH) if h.name in logits), SIDE)


def test_a_class_has_its_own_weights():
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(class_weights(PLAIN, kernel, 2), [2, 5])


@pytest.mark.parametrize(("chosen", "expected"), [(0, [-1, -3]), (1, [1 - 2, 3 - 7]), (2, [2, 7])])
def test_a_length_is_above_the_one_below_it_and_not_above_itself(chosen, expected):
    kernel = np.array([[1, 2], [3, 7]], np.float32)  # two features; above short, above knee
    np.testing.assert_array_equal(class_weights(LENGTH, kernel, chosen), expected)


def test_the_maps_of_the_heads_are_averaged_peak_by_peak():
    features = np.zeros((2, 2, 2), np.float32)
    features[0, 0], features[1, 1], features[0, 1] = (4, 0), (0, 10), (2, -1)
    kernels = {"collar_design": np.array([[0, 1, 0], [0, 0, 0]]), "skirt_length": np.array([[0, 0], [0, 3]])}
    logits = {"collar_design": np.array([0, 9, 0]), "skirt_length": np.array([9, 9])}  # b; long
    net = net_of(features, {name: values.tolist() for name, values in logits.items()}, kernels)
    # b: 4 and 2 of a peak of 4. long: 30, and -3, which speaks against it.
    found = activation_map(net, features, logits, ["collar_design", "skirt_length"])
    np.testing.assert_allclose(found, [[0.5, 0.25], [0, 0.5]])
    np.testing.assert_allclose(activation_map(net, features, logits, ["collar_design"]), [[1, 0.5], [0, 0]])


def test_the_box_frames_what_speaks_for_the_class():
    features = np.zeros((8, 8, 1), np.float32)
    features[2:4, 5:7] = 1  # pixels 40..55 across and 16..31 down
    net = net_of(features, {"collar_design": [9, 0, 0]}, {"collar_design": np.array([[1, 0, 0]])})
    photos = [np.zeros((64, 64, 3), np.uint8), np.zeros((128, 128, 3), np.uint8)]
    small, large = frame_by_activation(net, photos, [["collar_design"]] * 2, 4, CropRule("cam", 0.0))
    assert not small.fell_back
    # Between a cell and its cold neighbour, 8 px apart, a fifth of the peak lies 6.4 px from the warm centre. The
    # finer grid is of single pixels, so the edges are known to one.
    for found, exact in zip(vars_of(small.box), (43.5 - 6.4, 19.5 - 6.4, 51.5 + 6.4, 27.5 + 6.4), strict=True):
        assert abs(found - exact) <= 1.5
    for found, half in zip(vars_of(large.box), vars_of(small.box), strict=True):
        assert abs(found - 2 * half) <= 2


def vars_of(box: Box) -> tuple[int, int, int, int]:
    return box.left, box.top, box.right, box.bottom


def test_where_nothing_speaks_for_a_class_the_photo_is_whole():
    net = net_of(np.ones((8, 8, 1), np.float32), {"collar_design": [9, 0, 0]}, {"collar_design": -np.ones((1, 3))})
    (framed,) = frame_by_activation(net, [np.zeros((40, 64, 3), np.uint8)], [["collar_design"]], 4, CropRule("cam"))
    assert framed.fell_back and framed.box == Box(0, 0, 64, 40)
    assert frame_by_activation(net, [], [], 4, CropRule("cam")) == []
