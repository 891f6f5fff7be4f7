import numpy as np
import pytest

from aifashion.heatmaps import DECODERS, HeatmapCodec
from aifashion.serve.decoding import KeypointDecoder


def decoded(codec: HeatmapCodec, method: str, heatmaps: np.ndarray) -> np.ndarray:
    return np.asarray(KeypointDecoder(codec, method)(heatmaps))


@pytest.mark.parametrize("size", [(96, 64), (64, 64), (8, 8)])
@pytest.mark.parametrize("method", DECODERS)
def test_the_graph_decodes_as_the_codec_does_at_the_border_and_under_noise_too(method, size):
    rng = np.random.default_rng(0)
    codec = HeatmapCodec(size, 4, 1.5)
    xy = rng.uniform(-3, np.array(size) + 2, (4, 24, 2))
    clean = np.stack([codec.encode(points, np.ones(24, bool)) for points in xy])
    for noise in (0.0, 0.02, 0.5):
        heatmaps = (clean + rng.normal(0, noise, clean.shape)).astype(np.float32)
        expected, peaks = codec.decode(heatmaps, method)
        told = decoded(codec, method, heatmaps)
        np.testing.assert_allclose(told[..., :2], expected, atol=1e-3)
        np.testing.assert_array_equal(told[..., 2], peaks)


@pytest.mark.parametrize("method", DECODERS)
def test_a_flat_heatmap_decodes_to_its_first_cell(method):
    codec = HeatmapCodec((32, 32), 4, 1.5)
    told = decoded(codec, method, np.zeros((1, 8, 8, 2), np.float32))
    expected, _ = codec.decode(np.zeros((1, 8, 8, 2), np.float32), method)
    np.testing.assert_allclose(told[..., :2], expected, atol=1e-6)
    assert not told[..., 2].any()


def test_a_heatmap_of_two_rows_has_no_slope_to_follow():
    codec = HeatmapCodec((32, 8), 4, 1.5)
    heatmaps = np.random.default_rng(1).random((2, 2, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(decoded(codec, "dark", heatmaps)[..., :2], codec.decode(heatmaps, "argmax")[0])


def test_a_lone_cell_decodes_to_its_middle():
    codec = HeatmapCodec((32, 32), 4, 1.5)
    heatmaps = np.zeros((1, 8, 8, 1), np.float32)
    heatmaps[0, 3, 5] = 0.75
    # Cell i is centred on pixel (i + 0.5) * 4 - 0.5.
    np.testing.assert_allclose(decoded(codec, "argmax", heatmaps)[0, 0], [21.5, 13.5, 0.75])
