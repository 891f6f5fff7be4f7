import numpy as np
import pytest

from aifashion.config import KeypointConfig
from aifashion.tasks.keypoints import KeypointTask

TASK = KeypointTask(KeypointConfig(network="lite", size=64, category="skirt"))
CODEC = TASK.config.codec
IMAGES = np.zeros((6, 64, 64, 3), np.uint8)


def measured(heatmaps: np.ndarray, others: np.ndarray, points: np.ndarray | None = None) -> dict[str, float]:
    """Of a run that gives `heatmaps`, and an artifact that gives the `others`, by default with the points of these."""
    one = np.ones((len(heatmaps), 1), np.float32)
    xy, peaks = CODEC.decode(others, "dark")
    told = np.concatenate([xy if points is None else points, peaks[..., None]], axis=-1)

    def network(images: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
        return {"heatmaps": others, "keypoints": told, "category": one}

    return TASK.outputs_apart(lambda images: (heatmaps, one), network, IMAGES)


def peaked() -> np.ndarray:
    """One clear peak in each heatmap."""
    xy = np.random.default_rng(1).uniform(16, 48, (6, 4, 2))
    return np.stack([CODEC.encode(points, np.ones(4, bool)) for points in xy]).astype(np.float32)


def test_rounding_that_moves_points_of_flat_heatmaps_is_no_difference():
    rng = np.random.default_rng(0)
    flat = (0.01 + 1e-5 * rng.standard_normal((6, 16, 16, 4))).astype(np.float32)
    others = (flat * (1 + 1e-6 * rng.uniform(-1, 1, flat.shape))).astype(np.float32)
    moved = np.abs(CODEC.decode(flat, "dark")[0] - CODEC.decode(others, "dark")[0]).max()
    found = measured(flat, others)
    assert moved > 1e-3 > found["points_px"] and found["heatmap"] < TASK.output_bound


def test_a_point_that_is_read_elsewhere_is_a_difference():
    maps = peaked()
    xy, _ = CODEC.decode(maps, "dark")
    assert measured(maps, maps) == {"heatmap": 0.0, "points_px": 0.0, "category_probability": 0.0}
    assert measured(maps, maps, np.add(xy, (0.05, 0)))["points_px"] == pytest.approx(0.05, abs=1e-3)


def test_a_heatmap_is_held_against_its_peak():
    maps = peaked()
    others = maps + 0.002 * np.float32(maps.max())
    assert measured(maps, others)["heatmap"] == pytest.approx(0.002, rel=1e-3)
    assert np.isnan(measured(maps, np.where(maps > 0.5, np.nan, maps))["heatmap"])
