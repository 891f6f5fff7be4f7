"""Mixup and cutmix of `attribute_batches`."""

from dataclasses import replace

import numpy as np
import pytest

from aifashion.config import AttributeConfig
from aifashion.data_gen.attribute_batches import Mixing

CONFIG = AttributeConfig(size=64, batch_size=3, seed=5)


def flat_batch(known: list[int] | None = None, side: int = 40) -> dict[str, np.ndarray]:
    """Six photos of one brightness each, 0, 50, ... 250, and targets that show the share of every photo."""
    known = known or [1] * 6
    levels = np.arange(6, dtype=np.uint8) * 50
    return {
        "image": np.broadcast_to(levels[:, None, None, None], (6, side, side, 3)).copy(),
        "target/one": np.eye(6, dtype=np.float32),
        "known/one": np.array(known, np.float32),
        "target/two": np.eye(6, dtype=np.float32)[::-1].copy(),
        "known/two": 1 - np.array(known, np.float32),
        "index": np.arange(6, dtype=np.int32),
    }


def assert_same(batch: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert batch.keys() == other.keys()
    for name, values in batch.items():
        assert values.dtype == other[name].dtype
        np.testing.assert_array_equal(values, other[name], err_msg=name)


def mixes(config: AttributeConfig, known: list[int] | None = None, count: int = 60) -> list[dict]:
    mixing = Mixing(config, epoch=1, first_step=0)
    return [mixing(number, flat_batch(known)) for number in range(count)]


def test_without_alphas_a_batch_is_unchanged() -> None:
    batch = flat_batch()
    assert Mixing(CONFIG, 1, 0)(0, batch) is batch


@pytest.mark.parametrize("way", ["mixup", "cutmix"])
def test_photos_and_targets_are_mixed_with_the_same_share(way: str) -> None:
    moved = 0
    for mixed in mixes(replace(CONFIG, **{way: 1.0})):
        target, levels = mixed["target/one"], np.arange(6) * 50.0
        np.testing.assert_allclose(target.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_array_equal(mixed["target/two"], target[:, ::-1])
        assert target.dtype == np.float32 and mixed["image"].dtype == np.uint8
        brightness = mixed["image"].astype(float).mean(axis=(1, 2, 3))
        # Mixed pixels are rounded to whole numbers; cut ones are taken as they are.
        np.testing.assert_allclose(brightness, target @ levels, atol=0.51 if way == "mixup" else 0.01)
        for i, image in enumerate(mixed["image"]):
            parts = np.flatnonzero(target[i])
            if way == "mixup":
                assert len(np.unique(image)) == 1
            else:
                assert set(np.unique(image) // 50) == set(parts.tolist())
                rows, columns = np.nonzero(image[..., 0] != 50 * i)
                if len(rows):  # one whole rectangle
                    assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
            moved += len(parts) > 1
        np.testing.assert_array_equal(mixed["known/one"], flat_batch()["known/one"])
        np.testing.assert_array_equal(mixed["index"], np.arange(6))
    assert moved > 200  # of 360; one in six has itself as partner


@pytest.mark.parametrize("way", ["mixup", "cutmix"])
def test_only_photos_labelled_for_the_same_heads_are_mixed(way: str) -> None:
    known = [1, 0, 1, 0, 1, 0]
    shares = np.sum([mixed["target/one"] for mixed in mixes(replace(CONFIG, **{way: 1.0}), known)], axis=0)
    same = np.equal.outer(known, known)
    assert (shares[same] > 0).all() and not shares[~same].any()
    # A photo without a partner in its batch stays unchanged.
    for mixed in mixes(replace(CONFIG, **{way: 1.0}), [1, 0, 1, 1, 1, 1], 5):
        np.testing.assert_allclose(mixed["target/one"][1], [0, 1, 0, 0, 0, 0], atol=1e-6)
        assert (mixed["image"][1] == 50).all()


def test_alpha_sets_the_distribution_of_the_shares() -> None:
    def evenness(alpha: float) -> float:
        # A photo that is mixed with itself has a share of 1.
        shares = [mixed["target/one"].max(axis=1).min() for mixed in mixes(replace(CONFIG, mixup=alpha), count=100)]
        return float(np.mean(shares))

    # The larger of two shares drawn from Beta(a, a): 0.75 on average for a = 1, near 1 and 0.5 for the extremes.
    assert evenness(0.05) > 0.93
    assert evenness(1.0) == pytest.approx(0.75, abs=0.08)
    assert evenness(100.0) < 0.58


def test_cut_rectangles_reach_every_corner() -> None:
    seen = np.zeros((40, 40), bool)
    for mixed in mixes(replace(CONFIG, cutmix=1.0), count=400):
        seen |= (mixed["image"][1:, ..., 0] != flat_batch()["image"][1:, ..., 0]).any(axis=0)
    assert seen.all()


def test_with_both_on_each_is_used_for_half_of_the_batches() -> None:
    config = replace(CONFIG, mixup=1.0, cutmix=1.0)
    cut = sum(any(len(np.unique(image)) > 1 for image in mixed["image"]) for mixed in mixes(config, count=100))
    assert 25 < cut < 75  # five standard deviations of 5


def test_mixing_depends_on_the_step_of_the_epoch_alone() -> None:
    config = replace(CONFIG, mixup=1.0, cutmix=1.0)
    for number in range(4):
        again = Mixing(config, epoch=1, first_step=3)(number, flat_batch())
        assert_same(again, Mixing(config, epoch=1, first_step=0)(number + 3, flat_batch()))
    first = Mixing(config, 1, 0)(0, flat_batch())["target/one"]
    for other in (Mixing(config, 1, 1), Mixing(config, 2, 0), Mixing(replace(config, seed=6), 1, 0)):
        assert (other(0, flat_batch())["target/one"] != first).any()


def test_the_batch_that_is_mixed_is_not_written_to() -> None:
    for way in ("mixup", "cutmix"):
        batch = flat_batch()
        Mixing(replace(CONFIG, **{way: 1.0}), 1, 0)(0, batch)
        assert_same(batch, flat_batch())
