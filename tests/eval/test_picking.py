import numpy as np
import pytest

from aifashion.eval.picking import GRID, SHORTLIST, heatmap_vector, pick


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_without_a_budget_or_with_a_large_one_all_are_ordered_by_uncertainty():
    uncertainty, vectors = np.array([0.1, 0.4, 0.4, 0.9]), np.zeros((4, 2))
    for budget in (None, 4, 99):
        assert pick(uncertainty, vectors, budget, rng()).tolist() == [3, 1, 2, 0]


def test_a_photo_like_one_that_was_picked_is_not_picked_while_there_are_others():
    # The first two are least certain, and alike; only one of them is picked.
    vectors = np.array([[0.0, 0], [0, 0], [1, 0], [0, 1]])
    for seed in range(20):
        assert pick(np.array([0.9, 0.8, 0.1, 0.2]), vectors, 3, rng(seed)).tolist() == [0, 3, 2]


def test_where_all_are_alike_the_least_certain_are_picked():
    assert pick(np.array([0.2, 0.9, 0.5, 0.7]), np.ones((4, 3)), 3, rng()).tolist() == [1, 3, 2]
    assert pick(np.zeros(3), np.eye(3), 2, rng()).tolist() == [0, 1]


def test_the_second_is_picked_by_uncertainty_times_squared_distance():
    # Odds by hand: 0.5 * 1² to 0.2 * 2² to 0.1 * 3² = 0.5 : 0.8 : 0.9.
    uncertainty, vectors = np.array([0.9, 0.5, 0.2, 0.1]), np.array([[0.0], [1], [2], [3]])
    counts = np.zeros(4)
    for seed in range(4000):
        first, second = pick(uncertainty, vectors, 2, rng(seed))
        assert first == 0
        counts[second] += 1
    np.testing.assert_allclose(counts[1:] / 4000, np.array([0.5, 0.8, 0.9]) / 2.2, atol=0.03)


def test_distance_is_that_to_the_nearest_of_all_that_were_picked():
    # Of 0, 10 and 10.5, whichever of the far ones is second, 5 is 5 away and its neighbour half: odds 100 to 1.
    vectors = np.array([[0.0], [10], [10.5], [5]])
    thirds = [set(pick(np.array([1.0, 0.9, 0.9, 0.9]), vectors, 3, rng(seed)).tolist()) for seed in range(300)]
    assert sum(3 in picked for picked in thirds) > 280


def test_the_same_seed_picks_the_same_and_another_one_others():
    uncertainty, vectors = rng(1).uniform(0.1, 1, 60), rng(2).normal(size=(60, 5))
    picks = [pick(uncertainty, vectors, 20, rng(seed)).tolist() for seed in (3, 3, 4)]
    assert picks[0] == picks[1] != picks[2]
    assert len(set(picks[0])) == 20
    assert (np.diff(uncertainty[picks[0]]) <= 0).all()


def test_only_the_least_certain_are_considered():
    uncertainty = np.linspace(1, 0.5, 100)
    vectors = np.zeros((100, 1))
    vectors[99] = 1e6  # far from all, and the most certain one
    assert pick(uncertainty, vectors, 2, rng()).max() < 2 * SHORTLIST
    assert pick(uncertainty, vectors, 99, rng()).max() == 99


@pytest.mark.parametrize(
    ("uncertainty", "vectors", "budget", "reason"),
    [
        (np.ones(3), np.ones((2, 4)), 1, "expected uncertainty"),
        (np.array([1.0, np.nan]), np.ones((2, 4)), 1, "finite"),
        (np.array([1.0, -1]), np.ones((2, 4)), 1, "from 0 up"),
        (np.ones(2), np.ones((2, 4)), 0, "a budget of 0"),
    ],
)
def test_what_cannot_be_picked_from_is_refused(uncertainty, vectors, budget, reason):
    with pytest.raises(ValueError, match=reason):
        pick(uncertainty, vectors, budget, rng())


def test_the_vector_of_heatmaps_says_which_keypoints_are_roughly_where():
    heatmaps = np.zeros((8, 10, 2), np.float32)
    heatmaps[7, 9, 1] = 3
    heatmaps[0, 0, 0] = 4
    expected = np.zeros((GRID, GRID, 2))
    expected[-1, -1, 1], expected[0, 0, 0] = 0.6, 0.8
    np.testing.assert_allclose(heatmap_vector(heatmaps), expected.ravel(), rtol=1e-6)
    assert not heatmap_vector(np.zeros((8, 8, 3))).any()
    moved = heatmap_vector(np.roll(heatmaps, 4, axis=1))
    assert np.linalg.norm(moved - heatmap_vector(heatmaps)) > 1
    assert len(heatmap_vector(np.ones((2, 3, 5)))) == 2 * 3 * 5
