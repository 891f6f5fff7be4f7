import keras
import numpy as np
import pytest
from keras import layers

from aifashion.unet.blocks import basic_block, bottleneck, conv_bn, upsample
from aifashion.unet.normalization import BatchNorm


def upsampled(maps: np.ndarray, factor: int, nearest: bool) -> np.ndarray:
    x = layers.Input(maps.shape[1:])
    return keras.Model(x, upsample(x, factor, "up", nearest)).predict_on_batch(maps)


def centroid(plane: np.ndarray) -> tuple[float, float]:
    y, x = np.mgrid[: plane.shape[0], : plane.shape[1]]
    return (x * plane).sum() / plane.sum(), (y * plane).sum() / plane.sum()


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_upsampling_does_not_move_a_blob(factor, nearest):
    y, x = np.mgrid[:16, :16]
    maps = np.exp(-((x - 7) ** 2 + (y - 9) ** 2) / 4)[None, ..., None].astype(np.float32)
    found = upsampled(maps, factor, nearest)
    assert found.shape == (1, 16 * factor, 16 * factor, 1)
    # Cell i of the small map covers cells i * factor to (i + 1) * factor - 1 of the large one.
    assert centroid(found[0, ..., 0]) == pytest.approx([(7 + 0.5) * factor - 0.5, (9 + 0.5) * factor - 0.5], abs=1e-3)


def test_upsampling_by_one_is_nothing():
    x = layers.Input((4, 4, 2))
    assert upsample(x, 1, "up") is x


def test_upsampling_keeps_a_plane_flat_up_to_its_border():
    assert (upsampled(np.full((1, 3, 3, 1), 2.5, np.float32), 4, nearest=False) == 2.5).all()


@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_has_no_bias_and_ends_in_a_normalisation(stride):
    x = layers.Input((8, 8, 3))
    model = keras.Model(x, conv_bn(x, 4, 3, "c", stride))
    assert model.output.shape == (None, 8 // stride, 8 // stride, 4)
    assert [type(layer) for layer in model.layers[1:]] == [layers.Conv2D, BatchNorm, layers.ReLU]
    assert model.get_layer("c").bias is None
    linear = keras.Model(x, conv_bn(x, 4, 3, "d", relu=False)).predict_on_batch(np.full((1, 8, 8, 3), 1, np.float32))
    assert linear.min() < 0


@pytest.mark.parametrize("block", [basic_block, bottleneck])
@pytest.mark.parametrize("channels", [8, 6])
def test_blocks_add_their_input(block, channels):
    x = layers.Input((8, 8, channels))
    model = keras.Model(x, block(x, 8, "b"))
    assert model.output.shape == (None, 8, 8, 8)
    for layer in model.layers:
        if isinstance(layer, BatchNorm):
            layer.gamma.assign(np.full(8 if layer.gamma.shape[0] == 8 else 4, layer.name == "b_shortcut_bn"))
    image = np.random.default_rng(0).normal(size=(1, 8, 8, channels)).astype(np.float32)
    found = model.predict_on_batch(image)
    if channels == 8:  # all else is silenced, so that the shortcut alone is left
        assert not any("shortcut" in layer.name for layer in model.layers)
        np.testing.assert_allclose(found, np.maximum(image, 0), atol=1e-6)
    else:
        kernel = np.asarray(model.get_layer("b_shortcut").get_weights()[0])[0, 0]
        np.testing.assert_allclose(found, np.maximum(image @ kernel / np.sqrt(1 + 1e-5), 0), atol=1e-4)


def test_a_basic_block_halves_the_resolution():
    x = layers.Input((8, 12, 8))
    assert basic_block(x, 8, "b", stride=2).shape == (None, 4, 6, 8)
